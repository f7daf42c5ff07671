/* SPDX-License-Identifier: MIT */

/* See bootstrap.h. Scores are sorted once; a draw then only counts how often each distinct
 * score came up. */

#include "kit/stats/bootstrap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kit/base/report.h"
#include "kit/base/splitmix.h"
#include "kit/stats/median.h"

struct ranks {
    int64_t n_in, n_all;
    int64_t levels;      /* distinct scores */
    int64_t *level;      /* n_all, those of `in` first: the place of each score among them */
    int64_t *in, *other; /* per level: how often a draw has it */
};

struct entry {
    float score;
    int64_t at;
};

static int rising(const void *a, const void *b)
{
    const float x = ((const struct entry *)a)->score, y = ((const struct entry *)b)->score;

    return (x > y) - (x < y);
}

static int rank_scores(const float *in, const float *other, struct ranks *r)
{
    struct entry *all = malloc((size_t)r->n_all * sizeof *all);

    r->level = malloc((size_t)r->n_all * sizeof *r->level);
    r->in = malloc((size_t)r->n_all * sizeof *r->in);
    r->other = malloc((size_t)r->n_all * sizeof *r->other);
    if (all == NULL || r->level == NULL || r->in == NULL || r->other == NULL) {
        free(all);
        return report_no_memory();
    }
    for (int64_t i = 0; i < r->n_all; i++)
        all[i] = (struct entry){i < r->n_in ? in[i] : other[i - r->n_in], i};
    qsort(all, (size_t)r->n_all, sizeof *all, rising);
    for (int64_t i = 0; i < r->n_all; i++) {
        r->levels += i == 0 || all[i].score > all[i - 1].score;
        r->level[all[i].at] = r->levels - 1;
    }
    free(all);
    return EXIT_OK;
}

/* `n` draws among the n scores from `first` on. */
static void draw(const struct ranks *r, int64_t first, int64_t n, uint64_t *state,
                 int64_t *counts)
{
    memset(counts, 0, (size_t)r->levels * sizeof *counts);
    for (int64_t i = 0; i < n; i++)
        counts[r->level[first + (int64_t)(splitmix_next(state) % (uint64_t)n)]]++;
}

/* Pairs in which the one of `in` scores higher, a tie counting one half. */
static double area(const struct ranks *r)
{
    int64_t below = 0;
    double twice = 0;

    for (int64_t k = 0; k < r->levels; k++) {
        twice += (double)r->in[k] * (double)(2 * below + r->other[k]);
        below += r->other[k];
    }
    return twice / (2 * (double)r->n_in * (double)(r->n_all - r->n_in));
}

int bootstrap_auroc(const float *in, int64_t n_in, const float *other, int64_t n_other,
                    int64_t draws, int64_t seed, double *low, double *high)
{
    struct ranks r = {.n_in = n_in, .n_all = n_in + n_other};
    double *areas;
    uint64_t state = splitmix_begin(seed, 0);
    int rc;

    *low = *high = (double)NAN;
    if (draws == 0)
        return EXIT_OK;
    areas = malloc((size_t)draws * sizeof *areas);
    rc = areas == NULL ? report_no_memory() : rank_scores(in, other, &r);
    for (int64_t b = 0; b < draws && rc == EXIT_OK; b++) {
        draw(&r, 0, n_in, &state, r.in);
        draw(&r, n_in, n_other, &state, r.other);
        areas[b] = area(&r);
    }
    if (rc == EXIT_OK) {
        sort_values(areas, draws);
        *low = quantile_of_sorted(areas, draws, 0.025);
        *high = quantile_of_sorted(areas, draws, 0.975);
    }
    free(areas);
    free(r.level);
    free(r.in);
    free(r.other);
    return rc;
}
