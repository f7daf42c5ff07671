/* SPDX-License-Identifier: MIT */

/* Pointwise attack (Schott, Rauber, Bethge and Brendel 2019): a decision-based attack that
 * changes few values. It begins at a wrong point, salt and pepper noise or another image
 * (attack_start.h). Then it takes the values that differ from the image's in a random order, and
 * sets those back without which the point is still wrong; this is repeated until nothing changes.
 * At last each value that still differs goes back as far as bisection allows. */

#include "kit/attack/attack_start.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kit/base/report.h"

#define STARTS 40 /* salt and pepper on 1/40, 2/40, ... of the values */
#define HALVES 10 /* bisections of a value */

struct points {
    float *at;        /* wrong images */
    float *start;     /* as the search began */
    int64_t *order;   /* per image: values that differ from the image, in a random order */
    int64_t *differ;  /* how many they are */
    float *low, *old; /* of the value on trial: known to be right; known to be wrong */
    double *margin;
    uint8_t *wrong, *better; /* the last decisions; whether a pass changed the image */
    int64_t *list, *some;    /* images that have a start; those that have a value on trial */
    int64_t count, queries;
};

static int points_open(struct points *p, int64_t n, int64_t size)
{
    memset(p, 0, sizeof *p);
    p->at = calloc((size_t)(n * size), sizeof p->at[0]);
    p->start = calloc((size_t)(n * size), sizeof p->start[0]);
    p->order = calloc((size_t)(n * size), sizeof p->order[0]);
    p->differ = calloc((size_t)n, sizeof p->differ[0]);
    p->low = calloc((size_t)n, sizeof p->low[0]);
    p->old = calloc((size_t)n, sizeof p->old[0]);
    p->margin = calloc((size_t)n, sizeof p->margin[0]);
    p->wrong = calloc((size_t)n, 1);
    p->better = calloc((size_t)n, 1);
    p->list = attack_everyone(n);
    p->some = attack_everyone(n);
    return p->at != NULL && p->start != NULL && p->order != NULL && p->differ != NULL &&
                   p->low != NULL && p->old != NULL && p->margin != NULL && p->wrong != NULL &&
                   p->better != NULL && p->list != NULL && p->some != NULL
               ? EXIT_OK
               : report_no_memory();
}

static void points_close(struct points *p)
{
    free(p->at);
    free(p->start);
    free(p->order);
    free(p->differ);
    free(p->low);
    free(p->old);
    free(p->margin);
    free(p->wrong);
    free(p->better);
    free(p->list);
    free(p->some);
}

static int decide(struct attack *a, const struct attack_images *im, struct points *p,
                  const int64_t *list, int64_t count)
{
    const int rc = attack_margins(a, im, list, count, p->at, p->margin);

    for (int64_t i = 0; i < count && rc == EXIT_OK; i++)
        p->wrong[list[i]] = p->margin[list[i]] <= 0;
    p->queries++;
    return rc;
}

static int find_starts(struct attack *a, const struct attack_images *im, struct points *p)
{
    const int64_t size = a->victim->size;
    struct attack_starts starts;
    int64_t count = im->n;
    int rc = EXIT_OK;

    for (int t = 1; t <= STARTS && rc == EXIT_OK && count > 0; t++, a->draw++) {
        for (int64_t i = 0; i < count; i++) {
            const int64_t from = p->some[i] * size;
            struct attack_random r =
                attack_random_at(a->seed, ATTACK_FOR_START, a->draw, p->some[i]);

            for (int64_t j = from; j < from + size; j++)
                p->at[j] = attack_random_unit(&r) * STARTS < t ? (float)attack_random_sign(&r)
                                                               : im->x[j];
        }
        rc = decide(a, im, p, p->some, count);
        if (rc == EXIT_OK)
            rc = attack_start_confirm(a, im, p->some, count, p->at, p->wrong);
        for (int64_t i = 0; i < count && rc == EXIT_OK; i++)
            if (p->wrong[p->some[i]])
                p->list[p->count++] = p->some[i];
        count = attack_drop(p->some, count, p->wrong);
    }
    starts = (struct attack_starts){p->at, p->list, p->count, p->some, count, p->queries};
    if (rc == EXIT_OK)
        rc = attack_start_elsewhere(a, im, &starts);
    p->count = starts.count;
    p->queries = starts.queries;
    memcpy(p->start, p->at, (size_t)(im->n * size) * sizeof p->at[0]);
    return rc;
}

/* A new random order of the values of image g that differ. */
static void list_values(struct attack *a, const struct attack_images *im, struct points *p,
                        int64_t g)
{
    const int64_t size = a->victim->size;
    struct attack_random r = attack_random_at(a->seed, ATTACK_FOR_SEARCH, a->draw, g);
    int64_t *order = p->order + g * size, kept = 0;

    attack_random_order(&r, size, order);
    for (int64_t k = 0; k < size; k++)
        if (p->at[g * size + order[k]] != im->x[g * size + order[k]])
            order[kept++] = order[k];
    p->differ[g] = kept;
}

/* Images of the list with a k-th value that differs; p->some. */
static int64_t list_trials(struct points *p, int64_t k)
{
    int64_t count = 0;

    for (int64_t i = 0; i < p->count; i++)
        if (k < p->differ[p->list[i]])
            p->some[count++] = p->list[i];
    return count;
}

/* Bring the k-th value of the images some[] back as far as the point stays wrong: all the way or
 * not at all; with `halve`, by bisection where all the way is too far. */
static int try_value(struct attack *a, const struct attack_images *im, struct points *p,
                     int64_t k, int64_t count, int halve)
{
    const int64_t size = a->victim->size;
    int rc;

    for (int64_t i = 0; i < count; i++) {
        const int64_t g = p->some[i], at = g * size + p->order[g * size + k];

        p->old[g] = p->at[at];
        p->low[g] = p->at[at] = im->x[at];
    }
    rc = decide(a, im, p, p->some, count);
    for (int64_t i = 0; i < count && rc == EXIT_OK; i++)
        if (p->wrong[p->some[i]])
            p->better[p->some[i]] = 1;
    if (rc == EXIT_OK)
        count = attack_drop(p->some, count, p->wrong);
    for (int t = 0; t < HALVES && halve && rc == EXIT_OK && count > 0; t++) {
        for (int64_t i = 0; i < count; i++) {
            const int64_t g = p->some[i];

            p->at[g * size + p->order[g * size + k]] = (p->low[g] + p->old[g]) / 2;
        }
        rc = decide(a, im, p, p->some, count);
        for (int64_t i = 0; i < count && rc == EXIT_OK; i++) {
            const int64_t g = p->some[i];

            *(p->wrong[g] ? &p->old[g] : &p->low[g]) = (p->low[g] + p->old[g]) / 2;
        }
    }
    for (int64_t i = 0; i < count; i++) {
        const int64_t g = p->some[i];

        p->at[g * size + p->order[g * size + k]] = p->old[g];
    }
    return rc;
}

/* Every value that differs once; p->better says which images have changed. */
static int pass(struct attack *a, const struct attack_images *im, struct points *p, int halve)
{
    const int64_t most = a->victim->size;
    int64_t count;
    int rc = EXIT_OK;

    memset(p->better, 0, (size_t)im->n);
    for (int64_t i = 0; i < p->count; i++)
        list_values(a, im, p, p->list[i]);
    a->draw++;
    for (int64_t k = 0; k < most && rc == EXIT_OK && p->queries < a->queries; k++) {
        count = list_trials(p, k);
        if (count == 0)
            break;
        attack_tell(a, p->queries, a->queries);
        rc = try_value(a, im, p, k, count, halve);
    }
    return rc;
}

int attack_pointwise(struct attack *a, struct attack_images *im)
{
    const int64_t size = a->victim->size;
    struct points p;
    int better = 1, rc = points_open(&p, im->n, size);

    for (int64_t i = 0; i < im->n; i++)
        im->distance[i] = (double)INFINITY;
    if (rc == EXIT_OK)
        rc = find_starts(a, im, &p);
    while (better && rc == EXIT_OK && p.queries < a->queries) {
        rc = pass(a, im, &p, 0);
        better = memchr(p.better, 1, (size_t)im->n) != NULL;
    }
    if (rc == EXIT_OK)
        rc = pass(a, im, &p, 1);
    for (int64_t i = 0; i < p.count && rc == EXIT_OK; i++) {
        const int64_t from = p.list[i] * size;

        memcpy(im->best + from, p.at + from, (size_t)size * sizeof p.at[0]);
        im->distance[p.list[i]] = attack_distance(a, im->x + from, im->best + from);
    }
    if (rc == EXIT_OK)
        rc = attack_confirm(a, im, p.start);
    points_close(&p);
    return rc;
}
