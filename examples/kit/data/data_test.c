/* SPDX-License-Identifier: MIT */

/* A test part for sets that have no test split: a fixed share of every class, the same for every
 * program, because it is drawn with a seed of its own from the order of the images. */

#include "kit/data/data_kind.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kit/base/report.h"
#include "kit/base/splitmix.h"

#define SEED 1

int data_test_is_word(const char *word)
{
    return strncmp(word, "test=", 5) == 0;
}

static int read_word(const struct data_kind *kind, const char *word, struct data_test *out)
{
    const size_t length = strcspn(word, ",");
    char *end = NULL;
    const double value = strtod(word + 5, &end);
    const int percent = *end == '%', sound = end > word + 5 && end + percent == word + length;

    out->said = 1;
    out->share = percent ? value / 100 : 0;
    out->count = percent || !(value >= 0 && value < 1e15) ? 0 : (int64_t)value;
    if (!sound || !(value >= 0) || (percent ? value >= 100 : value != (double)out->count))
        return report_usage("%s: %.*s: must be test=P%% with P below 100, test=N images "
                            "or test=0 for no test part",
                            kind->name, (int)length, word);
    return EXIT_OK;
}

int data_test_read(const struct data_kind *kind, const char *where, double fallback,
                   struct data_test *out)
{
    *out = (struct data_test){.share = fallback};
    for (const char *at = strchr(where, ','); at != NULL; at = strchr(at + 1, ','))
        if (data_test_is_word(at + 1))
            TRY(read_word(kind, at + 1, out));
    return EXIT_OK;
}

/* One class; images without a label are one more. */
struct group {
    int64_t n, test;      /* images; of which so many are test images */
    double rest;          /* what rounding down took from `test` */
    int64_t left, wanted; /* while images are drawn */
};

struct parting {
    int64_t n, classes, wanted;
    struct group *group; /* classes + 1 */
    struct group **order;
    int32_t *y;
    int64_t *kept; /* numbers of the images of the split */
};

static int by_rest(const void *a, const void *b)
{
    const struct group *x = *(struct group *const *)a, *y = *(struct group *const *)b;

    if (x->rest > y->rest || x->rest < y->rest)
        return x->rest > y->rest ? -1 : 1;
    return x < y ? -1 : x > y;
}

static struct group *group_of(const struct parting *p, int64_t i)
{
    return &p->group[p->y[i] < 0 ? p->classes : p->y[i]];
}

/* How many of each class: its share rounded down, but one at least and not all; then one more for
 * those from whom rounding took most, until there are as many as wanted. Returns their sum. */
static int64_t share_out(struct parting *p)
{
    int64_t sum = 0, before = -1;

    for (int64_t k = 0; k <= p->classes; k++) {
        struct group *g = &p->group[k];
        const double exact = (double)g->n * (double)p->wanted / (double)p->n;

        g->test = (int64_t)exact;
        g->rest = exact - (double)g->test;
        if (g->test < 1 && g->n > 1) {
            g->test = 1;
            g->rest = 0;
        }
        if (g->test > g->n - 1)
            g->test = g->n > 0 ? g->n - 1 : 0;
        sum += g->test;
        p->order[k] = g;
    }
    qsort(p->order, (size_t)p->classes + 1, sizeof(struct group *), by_rest);
    while (sum < p->wanted && sum != before) {
        before = sum;
        for (int64_t k = 0; k <= p->classes && sum < p->wanted; k++)
            if (p->order[k]->test < p->order[k]->n - 1) {
                p->order[k]->test++;
                sum++;
            }
    }
    return sum;
}

/* Draw them: each image, in order, with the chance that is left (Knuth's selection sampling). */
static int64_t draw(struct parting *p, int test)
{
    uint64_t state = splitmix_begin(SEED, 0);
    int64_t kept = 0;

    for (int64_t k = 0; k <= p->classes; k++) {
        p->group[k].left = p->group[k].n;
        p->group[k].wanted = p->group[k].test;
    }
    for (int64_t i = 0; i < p->n; i++) {
        struct group *g = group_of(p, i);
        const int chosen = splitmix_uniform(&state) * (double)g->left < (double)g->wanted;

        g->left--;
        g->wanted -= chosen;
        if (chosen == test)
            p->kept[kept++] = i;
    }
    return kept;
}

/* Classes of one image cannot be tested; said once, to those who train. */
static void note_single(const char *spec, const struct parting *p)
{
    int64_t count = 0, first = -1;
    const char *name;

    for (int64_t k = p->classes - 1; k >= 0; k--)
        if (p->group[k].n == 1) {
            count++;
            first = k;
        }
    if (count == 0)
        return;
    name = data_class_name(spec, first);
    report_note("%s: %" PRId64 " class(es) of one image, the first of them %s; it stays "
                "for training and nothing tests it: add images of it, or take it out",
                spec, count, name != NULL ? name : "without a name");
}

static int part(const char *spec, const struct data_test *t, const char *split,
                struct parting *p, jem_dataset **data)
{
    const int test = strcmp(split, "test") == 0;
    jem_dataset *whole = *data;
    int64_t sum, kept;
    int rc;

    for (int64_t i = 0; i < p->n; i++)
        group_of(p, i)->n++;
    p->wanted = t->count > 0 ? t->count : llround(t->share * (double)p->n);
    sum = share_out(p);
    if (sum == 0)
        return report_failed("%s: no class has two images, so none can be kept for "
                             "testing; add images, or say ,test=0 to test with those that "
                             "serve for training",
                             spec);
    if (t->count > 0 && sum != t->count)
        return report_failed("%s: test=%" PRId64 ": every class gives at least one of "
                             "its images and keeps one; the nearest is %" PRId64 " of %" PRId64,
                             spec, t->count, sum, p->n);
    if (!test)
        note_single(spec, p);
    kept = draw(p, test);
    rc = report_jem(jem_dataset_subset(whole, p->kept, kept, data));
    if (rc == EXIT_OK)
        jem_dataset_free(whole);
    else
        *data = whole;
    return rc;
}

int data_test_take(const char *spec, const struct data_test *t, const char *split,
                   jem_dataset **data)
{
    struct parting p = {.n = 0};
    int64_t shape[4];
    int rc;

    if (t->count == 0 && !(t->share > 0))
        return EXIT_OK;
    TRY(report_jem(jem_dataset_shape(*data, shape)));
    TRY(report_jem(jem_dataset_size(*data, &p.n)));
    p.classes = shape[3];
    p.group = calloc((size_t)p.classes + 1, sizeof *p.group);
    p.order = calloc((size_t)p.classes + 1, sizeof(struct group *));
    p.y = malloc((size_t)p.n * sizeof *p.y);
    p.kept = malloc((size_t)p.n * sizeof *p.kept);
    rc = p.group == NULL || p.order == NULL || p.y == NULL || p.kept == NULL
             ? report_no_memory()
             : report_jem(jem_dataset_read(*data, 0, p.n, NULL, p.y));
    if (rc == EXIT_OK)
        rc = part(spec, t, split, &p, data);
    free(p.group);
    free(p.order);
    free(p.y);
    free(p.kept);
    return rc;
}
