/* SPDX-License-Identifier: MIT */

/* See bootstrap.h. Scores are sorted once; a draw then only counts how often each distinct
 * score came up. */

#include "kit/stats/bootstrap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kit/base/report.h"
#include "kit/base/splitmix.h"
#include "kit/stats/sorted.h"

/* The scores of both sets, those of `in` first, and what is drawn of them. */
struct ranks {
    int64_t n_in, n_all;
    float *score;
    int64_t *order;      /* their numbers by rising score */
    int64_t levels;      /* distinct scores */
    int64_t *level;      /* the place of each score among them */
    int64_t *in, *other; /* per level: how often a draw has it */
    double *areas;       /* one per draw */
};

static int allocate(struct ranks *r, int64_t draws)
{
    r->score = malloc((size_t)r->n_all * sizeof *r->score);
    r->order = malloc((size_t)r->n_all * sizeof *r->order);
    r->level = malloc((size_t)r->n_all * sizeof *r->level);
    r->in = malloc((size_t)r->n_all * sizeof *r->in);
    r->other = malloc((size_t)r->n_all * sizeof *r->other);
    r->areas = malloc((size_t)draws * sizeof *r->areas);
    if (r->score == NULL || r->order == NULL || r->level == NULL || r->in == NULL ||
        r->other == NULL || r->areas == NULL)
        return report_no_memory();
    return EXIT_OK;
}

static int rank_scores(struct ranks *r, const float *in, const float *other)
{
    memcpy(r->score, in, (size_t)r->n_in * sizeof *in);
    memcpy(r->score + r->n_in, other, (size_t)(r->n_all - r->n_in) * sizeof *other);
    TRY(sort_order(r->score, r->n_all, r->order));
    for (int64_t i = 0; i < r->n_all; i++) {
        r->levels += i == 0 || r->score[r->order[i]] > r->score[r->order[i - 1]];
        r->level[r->order[i]] = r->levels - 1;
    }
    return EXIT_OK;
}

/* `n` draws among the n scores from `first` on. */
static void draw(const struct ranks *r, int64_t first, int64_t n, uint64_t *state,
                 int64_t *counts)
{
    memset(counts, 0, (size_t)r->levels * sizeof *counts);
    for (int64_t i = 0; i < n; i++)
        counts[r->level[first + splitmix_below(state, n)]]++;
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

static int draw_areas(struct ranks *r, const float *in, const float *other, int64_t draws,
                      int64_t seed)
{
    uint64_t state = splitmix_begin(seed, 0);

    TRY(allocate(r, draws));
    TRY(rank_scores(r, in, other));
    for (int64_t b = 0; b < draws; b++) {
        draw(r, 0, r->n_in, &state, r->in);
        draw(r, r->n_in, r->n_all - r->n_in, &state, r->other);
        r->areas[b] = area(r);
    }
    sort_doubles(r->areas, draws);
    return EXIT_OK;
}

int bootstrap_auroc(const float *in, int64_t n_in, const float *other, int64_t n_other,
                    int64_t draws, int64_t seed, double *low, double *high)
{
    struct ranks r = {.n_in = n_in, .n_all = n_in + n_other};
    int rc;

    *low = *high = (double)NAN;
    if (draws == 0)
        return EXIT_OK;
    rc = draw_areas(&r, in, other, draws, seed);
    if (rc == EXIT_OK) {
        *low = sorted_quantile(r.areas, draws, 0.025);
        *high = sorted_quantile(r.areas, draws, 0.975);
    }
    free(r.score);
    free(r.order);
    free(r.level);
    free(r.in);
    free(r.other);
    free(r.areas);
    return rc;
}
