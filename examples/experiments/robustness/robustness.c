/* SPDX-License-Identifier: MIT */

/* See robustness.h: rows, and the tables of their figures. */

#include "robustness.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "kit/stats/median.h"
#include "kit/stats/share.h"

struct robustness_row *robustness_add(struct lab *lab, struct robustness *r, const char *attack,
                                      const char *gradient, int64_t refine)
{
    double *reach = lab_array(lab, r->n, sizeof *reach);

    r->rows[r->count] = (struct robustness_row){attack, gradient, refine, 0, 0, reach};
    return &r->rows[r->count++];
}

void robustness_add_worst(struct lab *lab, struct robustness *r, int first)
{
    const int last = r->count;
    struct robustness_row *worst;

    if (last - first < 2)
        return;
    worst = robustness_add(lab, r, "worst", "none", r->rows[first].refine);
    for (int64_t i = 0; i < r->n; i++) {
        worst->reach[i] = (double)INFINITY;
        for (int k = first; k < last; k++)
            worst->reach[i] = fmin(worst->reach[i], r->rows[k].reach[i]);
    }
}

const char *robustness_norm(const struct robustness *r)
{
    return strcmp(r->norm, "l2") == 0 ? "L2" : "L-inf";
}

/* A perturbation as long as eps but for rounding is within it. */
struct robustness_share robustness_share(const struct robustness *r,
                                         const struct robustness_row *row, double eps)
{
    struct robustness_share share;
    int64_t right = 0;

    for (int64_t i = 0; i < r->n; i++)
        right += row->reach[i] > eps * (1 + 1e-6);
    share.right = (double)right / (double)r->n;
    share_interval(right, r->n, &share.low, &share.high);
    return share;
}

static void tell_share(struct record_table *t, const struct robustness_share *share,
                       const char *right, const char *low, const char *high)
{
    record_number(t, right, share->right);
    record_number(t, low, share->low);
    record_number(t, high, share->high);
}

/* --- On stdout: a row per attack, a column per eps ---------------------------------------- */

/* The names of columns at one eps. */
struct names {
    const char *right, *low, *high;
};

static struct names names_at(struct lab *lab, const char *eps)
{
    return (struct names){eps, lab_text(lab, "low at %s", eps),
                          lab_text(lab, "high at %s", eps)};
}

static int any_smallest(const struct robustness *r)
{
    for (int i = 0; i < r->count; i++)
        if (r->rows[i].smallest)
            return 1;
    return 0;
}

static struct record_table *wide_table(struct lab *lab, const struct robustness *r,
                                       const struct names *at)
{
    struct record_column columns[3 + 3 * (ROBUSTNESS_EPS + 1) + 1] = {
        {NULL, "defence", .kind = RECORD_TEXT},
        {NULL, "attack", .kind = RECORD_TEXT},
        {NULL, "gradient", .kind = RECORD_TEXT},
    };
    struct record_layout layout = {.only_text = 1, .columns = columns, .count = 3};

    for (int e = 0; e <= r->eps.count; e++) {
        struct record_column *to = columns + layout.count;

        to[0] = (struct record_column){NULL, at[e].right, .percent = 1, .decimals = 1};
        to[1] = (struct record_column){at[e].low, NULL, .percent = 1, .join = " ["};
        to[2] =
            (struct record_column){at[e].high, NULL, .percent = 1, .join = ", ", .unit = "]"};
        layout.count += 3;
    }
    if (any_smallest(r))
        columns[layout.count++] =
            (struct record_column){NULL, "median", .kind = RECORD_DIGITS, .decimals = 4};
    return record_table(lab->record, &layout);
}

static void tell_wide(struct lab *lab, const struct robustness *r)
{
    struct names at[ROBUSTNESS_EPS + 1] = {names_at(lab, "eps 0")};
    struct record_table *t;

    for (int e = 0; e < r->eps.count; e++)
        at[e + 1] = names_at(lab, r->eps.text[e]);
    t = wide_table(lab, r, at);
    for (int i = 0; i < r->count; i++) {
        const struct robustness_row *row = &r->rows[i];

        record_row(t);
        record_text(t, "defence", lab_text(lab, "JEM-%" PRId64, row->refine));
        record_text(t, "attack", row->attack);
        record_text(t, "gradient", row->gradient);
        for (int e = 0; e <= r->eps.count; e++) {
            const struct robustness_share share =
                robustness_share(r, row, e > 0 ? r->eps.value[e - 1] : 0);

            tell_share(t, &share, at[e].right, at[e].low, at[e].high);
        }
        if (row->smallest)
            record_number(t, "median", median(row->reach, r->n));
    }
}

/* --- In files: a row per attack and eps --------------------------------------------------- */

static void tell_point(struct lab *lab, const struct robustness *r,
                       const struct robustness_row *row, int e, struct record_table *t)
{
    const double eps = e > 0 ? r->eps.value[e - 1] : 0;
    const struct robustness_share share = robustness_share(r, row, eps);

    record_row(t);
    record_whole(t, "refine_steps", row->refine);
    record_words(t, "refine_steps", lab_text(lab, "JEM-%" PRId64, row->refine));
    record_number(t, "input noise", r->input_noise);
    record_text(t, "attack", e > 0 ? row->attack : "none");
    record_text(t, "gradient", e > 0 ? row->gradient : "none");
    record_text(t, "norm", r->norm);
    record_whole(t, "n", r->n);
    record_number(t, "eps", eps);
    record_words(t, "eps", e > 0 ? r->eps.text[e - 1] : "eps 0");
    tell_share(t, &share, "accuracy", "low", "high");
}

/* The points of all curves; that without an attack once for each defence. */
static void tell_curves(struct lab *lab, const struct robustness *r)
{
    static const struct record_column columns[] = {
        {"refine_steps", "defence", .kind = RECORD_WHOLE, .left = 1},
        {NULL, "input noise", .kind = RECORD_DIGITS, .decimals = 6},
        {"attack", "attack", .kind = RECORD_TEXT},
        {"gradient", "gradient", .kind = RECORD_TEXT},
        {"norm", "norm", .kind = RECORD_TEXT},
        {"n", "images", .kind = RECORD_WHOLE},
        {"eps", "eps", .kind = RECORD_DIGITS, .decimals = 4},
        {"accuracy", "accuracy", .percent = 1},
        {"low", NULL, .percent = 1, .join = " ["},
        {"high", NULL, .percent = 1, .join = ", ", .unit = "]"},
    };
    static const struct record_layout layout = {
        .name = "curve",
        .note = "Accuracy in % under attack, with 95 % intervals (Wilson), by the size eps of "
                "the perturbation (of images in [0, 1]). Attacks on defences with noise ask it "
                "anew each time.",
        .across = "eps",
        .figure = "accuracy",
        .only_page = 1,
        RECORD_COLUMNS(columns),
    };
    struct record_table *t = record_table(lab->record, &layout);

    for (int i = 0; i < r->count; i++) {
        const int first = i == 0 || r->rows[i].refine != r->rows[i - 1].refine;

        for (int e = first ? 0 : 1; e <= r->eps.count; e++)
            tell_point(lab, r, &r->rows[i], e, t);
    }
}

/* The attacks that find the smallest perturbation. */
static void tell_smallest(struct lab *lab, const struct robustness *r)
{
    static const struct record_column columns[] = {
        {"refine_steps", "defence", .kind = RECORD_WHOLE, .left = 1},
        {"attack", "attack", .kind = RECORD_TEXT},
        {"gradient", "gradient", .kind = RECORD_TEXT},
        {"norm", "norm", .kind = RECORD_TEXT},
        {"n", "images", .kind = RECORD_WHOLE},
        {"no_start", "not attacked", .kind = RECORD_WHOLE},
        {"median", "median", .kind = RECORD_DIGITS, .decimals = 4},
    };
    static const struct record_layout layout = {
        .name = "smallest",
        .note = "Median of the smallest perturbations found, 0 for images that are wrong "
                "without one; images that are not attacked count as right.",
        .only_page = 1,
        RECORD_COLUMNS(columns),
    };
    struct record_table *t = record_table(lab->record, &layout);

    for (int i = 0; i < r->count; i++) {
        const struct robustness_row *row = &r->rows[i];

        if (!row->smallest)
            continue;
        record_row(t);
        record_whole(t, "refine_steps", row->refine);
        record_words(t, "refine_steps", lab_text(lab, "JEM-%" PRId64, row->refine));
        record_text(t, "attack", row->attack);
        record_text(t, "gradient", row->gradient);
        record_text(t, "norm", r->norm);
        record_whole(t, "n", r->n);
        record_whole(t, "no_start", row->no_start);
        record_number(t, "median", median(row->reach, r->n));
    }
}

void robustness_record(struct lab *lab, const struct robustness *r)
{
    record_say(lab->record,
               "accuracy in %% of %" PRId64
               " images, with 95 %% intervals, at eps (%s, of images in "
               "[0, 1])\n\n",
               r->n, r->norm);
    tell_wide(lab, r);
    tell_curves(lab, r);
    tell_smallest(lab, r);
    if (any_smallest(r))
        record_say(lab->record,
                   "\nmedian: of the smallest perturbations found, 0 for images that are wrong "
                   "without one\n");
    for (int i = 0; i < r->count; i++)
        if (r->rows[i].no_start > 0)
            record_say(
                lab->record,
                "\n%" PRId64 " of %" PRId64 " images not attacked by %s on JEM-%" PRId64
                ", and counted as right: no start, all noise\nand the other images tried "
                "are of their class for the model\n",
                r->rows[i].no_start, r->n, r->rows[i].attack, r->rows[i].refine);
}
