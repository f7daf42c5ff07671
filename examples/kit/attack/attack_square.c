/* SPDX-License-Identifier: MIT */

/* Square attack (Andriushchenko, Croce, Flammarion and Hein 2020): random search that asks only
 * for logits. A proposal changes one square of the perturbation, and is kept when the margin
 * falls. The squares shrink on the paper's schedule; the first covers 80 % of the image, as in
 * AutoAttack. Without noise in the victim an image is left alone once it is wrong. With noise
 * the margins of both the best point and the proposal are averaged over the same a->eot fresh
 * draws each time, and all of these count as queries: a margin that was kept from an earlier draw
 * would keep that draw's luck. */

#include "kit/attack/attack.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kit/base/report.h"

#define FIRST_SHARE 0.8

/* A square of the image, all channels. */
struct window {
    int64_t row, column, side;
};

struct shape {
    int64_t channels, height, width;
};

/* The share of the image that a square covers. It is halved at the numbers of the list, which are
 * those for 10,000 queries. */
static double share_at(int64_t query, int64_t queries)
{
    static const int at[] = {10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000};
    const double scaled = (double)query / (double)queries * 10000;
    double share = FIRST_SHARE;

    for (size_t i = 0; i < sizeof at / sizeof at[0]; i++)
        if (scaled > at[i])
            share /= 2;
    return share;
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* `odd`: an odd side of at least 3, for the pattern of L2. Never larger than the image. */
static int64_t side_at(double share, const struct shape *s, int odd)
{
    const int64_t most = smaller(s->height, s->width);
    int64_t side = (int64_t)lround(sqrt(share * (double)(s->height * s->width)));

    if (odd && side < 3)
        side = 3;
    if (odd && side % 2 == 0)
        side++;
    if (side > most)
        side = odd && most % 2 == 0 ? most - 1 : most;
    return side > 1 ? side : 1;
}

static struct window random_window(struct attack_random *r, const struct shape *s, int64_t side)
{
    struct window w = {0, 0, side};

    w.row = attack_random_below(r, s->height - side + 1);
    w.column = attack_random_below(r, s->width - side + 1);
    return w;
}

/* Where value (row, column) of a window lies in the image. */
static int64_t place(const struct shape *s, const struct window *w, int64_t channel,
                     int64_t row, int64_t column)
{
    return (channel * s->height + w->row + row) * s->width + w->column + column;
}

static int inside(const struct window *w, int64_t row, int64_t column)
{
    return row >= w->row && row < w->row + w->side && column >= w->column &&
           column < w->column + w->side;
}

/* --- L-inf: every value of the perturbation is eps or -eps -------------------------------- */

/* Vertical stripes of one pixel. */
static void start_linf(struct attack_random *r, const struct shape *s, double eps, double *d)
{
    for (int64_t c = 0; c < s->channels; c++)
        for (int64_t j = 0; j < s->width; j++) {
            const double value = eps * attack_random_sign(r);

            for (int64_t i = 0; i < s->height; i++)
                d[(c * s->height + i) * s->width + j] = value;
        }
}

static void propose_linf(struct attack_random *r, const struct shape *s, double share,
                         double eps, double *d)
{
    const struct window w = random_window(r, s, side_at(share, s, 0));

    for (int64_t c = 0; c < s->channels; c++) {
        const double value = eps * attack_random_sign(r);

        for (int64_t i = 0; i < w.side; i++)
            for (int64_t j = 0; j < w.side; j++)
                d[place(s, &w, c, i, j)] = value;
    }
}

/* --- L2: the perturbation has norm eps; a square takes over the mass of another ----------- */

/* The pattern of one half: squares around its middle, one inside the other, that weigh
 * 1 / 1^2, 1 / 2^2, ...; outer ones are cut at the edges. */
static double half_pattern(int64_t rows, int64_t columns, int64_t i, int64_t j)
{
    const int64_t up = llabs(i - rows / 2), across = llabs(j - columns / 2);
    const int64_t first = up > across ? up : across;
    const int64_t last = (rows > columns ? rows : columns) / 2;
    double sum = 0;

    for (int64_t m = first; m <= last; m++)
        sum += 1 / ((double)(m + 1) * (double)(m + 1));
    return sum;
}

/* side x side values of norm 1: a half above, a half with the other sign below, or turned. */
static void make_pattern(struct attack_random *r, int64_t side, double *out)
{
    const int64_t top = side / 2;
    const int turned = attack_random_sign(r) > 0;
    double squares = 0;

    for (int64_t i = 0; i < side; i++)
        for (int64_t j = 0; j < side; j++) {
            const double value = i < top ? half_pattern(top, side, i, j)
                                         : -half_pattern(side - top, side, i - top, j);

            out[turned ? j * side + i : i * side + j] = value;
            squares += value * value;
        }
    for (int64_t k = 0; k < side * side; k++)
        out[k] /= sqrt(squares);
}

/* A grid of 5 x 5 patterns. `pattern`: memory for one. */
static void start_l2(struct attack_random *r, const struct shape *s, double eps, double *d,
                     double *pattern)
{
    const int64_t size = s->channels * s->height * s->width;
    const int64_t fifth = smaller(s->height, s->width) / 5, side = fifth > 0 ? fifth : 1;
    double squares = 0;

    memset(d, 0, (size_t)size * sizeof d[0]);
    for (int64_t row = 0; row + side <= s->height; row += side)
        for (int64_t column = 0; column + side <= s->width; column += side) {
            const struct window w = {row, column, side};

            make_pattern(r, side, pattern);
            for (int64_t c = 0; c < s->channels; c++) {
                const double sign = attack_random_sign(r);

                for (int64_t k = 0; k < side * side; k++)
                    d[place(s, &w, c, k / side, k % side)] = sign * pattern[k];
            }
        }
    for (int64_t j = 0; j < size; j++)
        squares += d[j] * d[j];
    for (int64_t j = 0; j < size; j++)
        d[j] *= eps / sqrt(squares);
}

/* The sum of squares of channel c in one window or the other. */
static double mass_of(const struct shape *s, const double *d, int64_t c, const struct window *a,
                      const struct window *b)
{
    double sum = 0;

    for (int64_t i = 0; i < s->height; i++)
        for (int64_t j = 0; j < s->width; j++)
            if (inside(a, i, j) || inside(b, i, j)) {
                const double v = d[(c * s->height + i) * s->width + j];

                sum += v * v;
            }
    return sum;
}

static void propose_l2(struct attack_random *r, const struct shape *s, double share, double eps,
                       double *d, double *pattern)
{
    const int64_t size = s->channels * s->height * s->width, side = side_at(share, s, 1);
    const struct window to = random_window(r, s, side), from = random_window(r, s, side);
    double unused = eps * eps;

    for (int64_t j = 0; j < size; j++)
        unused -= d[j] * d[j];
    make_pattern(r, side, pattern);
    for (int64_t c = 0; c < s->channels; c++) {
        const double sign = attack_random_sign(r), old = sqrt(mass_of(s, d, c, &to, &to));
        const double mass =
            mass_of(s, d, c, &to, &from) + fmax(unused, 0) / (double)s->channels;
        double squares = 0;

        for (int64_t i = 0; i < side; i++)
            for (int64_t j = 0; j < side; j++)
                d[place(s, &to, c, i, j)] = sign * pattern[i * side + j] +
                                            (old > 0 ? d[place(s, &to, c, i, j)] / old : 0);
        for (int64_t i = 0; i < side; i++)
            for (int64_t j = 0; j < side; j++) {
                if (!inside(&to, from.row + i, from.column + j))
                    d[place(s, &from, c, i, j)] = 0;
                squares += d[place(s, &to, c, i, j)] * d[place(s, &to, c, i, j)];
            }
        for (int64_t i = 0; i < side; i++)
            for (int64_t j = 0; j < side; j++)
                d[place(s, &to, c, i, j)] *= squares > 0 ? sqrt(mass / squares) : 0;
    }
}

/* --- The search --------------------------------------------------------------------------- */

/* Proposal number `query` of `queries` for image g: im->best with one square changed; number 0
 * is the start. `scratch`: 2 x size numbers. */
static void propose(const struct attack *a, const struct attack_images *im, int64_t g,
                    int64_t query, int64_t queries, double *scratch, float *at)
{
    const struct shape s = {a->channels, a->height, a->width};
    const int64_t size = a->victim->size;
    const double eps = im->eps[g], share = share_at(query - 1, queries);
    struct attack_random r = attack_random_at(a->seed, ATTACK_FOR_SEARCH, a->draw + query, g);
    const float *x = im->x + g * size, *best = im->best + g * size;
    double *d = scratch, *pattern = scratch + size;

    for (int64_t j = 0; j < size; j++)
        d[j] = (double)best[j] - (double)x[j];
    if (a->norm == ATTACK_LINF && query == 0)
        start_linf(&r, &s, eps, d);
    else if (a->norm == ATTACK_LINF)
        propose_linf(&r, &s, share, eps, d);
    else if (query == 0)
        start_l2(&r, &s, eps, d, pattern);
    else
        propose_l2(&r, &s, share, eps, d, pattern);
    for (int64_t j = 0; j < size; j++)
        at[j] = (float)((double)x[j] + d[j]);
    attack_project(a, x, eps, at);
}

/* As attack_keep_better(), for a victim without noise: best[] holds the margins of im->best. */
static int keep_better(struct attack *a, struct attack_images *im, const int64_t *list,
                       int64_t count, const float *at, double *margin, double *best)
{
    const int64_t size = a->victim->size;
    const int rc = attack_margins(a, im, list, count, at, margin);

    for (int64_t i = 0; i < count && rc == EXIT_OK; i++) {
        const int64_t g = list[i];

        if (margin[g] >= best[g])
            continue;
        best[g] = margin[g];
        memcpy(im->best + g * size, at + g * size, (size_t)size * sizeof at[0]);
    }
    return rc;
}

int attack_square(struct attack *a, struct attack_images *im)
{
    const int64_t size = a->victim->size, asked = a->victim->random ? 2 * a->eot : 1;
    const int64_t proposals = a->queries > asked ? a->queries / asked : 1;
    int64_t *list = attack_everyone(im->n), count = im->n;
    float *at = calloc((size_t)(im->n * size), sizeof at[0]);
    double *scratch = calloc((size_t)size * 2, sizeof scratch[0]);
    double *margin = calloc((size_t)im->n, sizeof margin[0]);
    double *best = calloc((size_t)im->n, sizeof best[0]);
    uint8_t *done = calloc((size_t)im->n, 1);
    int rc = list != NULL && at != NULL && scratch != NULL && margin != NULL && best != NULL &&
                     done != NULL
                 ? EXIT_OK
                 : report_no_memory();

    for (int64_t i = 0; i < im->n && rc == EXIT_OK; i++)
        best[i] = (double)INFINITY;
    for (int64_t q = 0; q < proposals && rc == EXIT_OK && count > 0; q++) {
        attack_tell(a, q, proposals);
        for (int64_t i = 0; i < count; i++)
            propose(a, im, list[i], q, proposals, scratch, at + list[i] * size);
        if (!a->victim->random)
            rc = keep_better(a, im, list, count, at, margin, best);
        else if (q == 0)
            memcpy(im->best, at, (size_t)(im->n * size) * sizeof at[0]);
        else
            rc = attack_keep_better(a, im, list, count, at, a->eot, margin, best);
        for (int64_t i = 0; i < count && rc == EXIT_OK; i++)
            done[list[i]] = !a->victim->random && best[list[i]] <= 0;
        count = attack_drop(list, count, done);
    }
    a->draw += a->queries;
    free(list);
    free(at);
    free(scratch);
    free(margin);
    free(best);
    free(done);
    return rc;
}
