/* SPDX-License-Identifier: MIT */

/* HopSkipJump (Chen, Jordan and Wainwright 2020), the successor of the boundary attack
 * (Brendel, Rauber and Bethge 2018): a decision-based attack, which sees the class alone. It
 * begins at a wrong point, noise or another image (attack_start.h), and until the queries are
 * used up it repeats:
 *
 *     bisection towards the image, to the boundary of its class;
 *     an estimate of the boundary's normal there, from the decisions at random points around;
 *     a step along the normal, which is halved until it ends at a wrong point.
 *
 * Of all wrong points the nearest is kept. */

#include "kit/attack/attack_start.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kit/base/report.h"

#define STARTS     50 /* noise images tried as a start */
#define BISECTIONS 25 /* more would change no float */
#define HALVINGS   20
#define FIRST      100 /* random points in the first round; times sqrt(round) later */
#define MOST       10000

struct hop {
    float *at; /* wrong points: on the boundary after a bisection */
    float *start;
    float *trial;
    float *normal; /* estimates */
    double *low, *high, *margin;
    uint8_t *wrong;
    int64_t *list;          /* images that have a wrong point */
    int64_t *some;          /* those that a step is taken for */
    int64_t count, queries; /* queries: per image so far */
};

static int hop_open(struct hop *h, int64_t n, int64_t size)
{
    memset(h, 0, sizeof *h);
    h->at = calloc((size_t)(n * size), sizeof h->at[0]);
    h->start = calloc((size_t)(n * size), sizeof h->start[0]);
    h->trial = calloc((size_t)(n * size), sizeof h->trial[0]);
    h->normal = calloc((size_t)(n * size), sizeof h->normal[0]);
    h->low = calloc((size_t)n, sizeof h->low[0]);
    h->high = calloc((size_t)n, sizeof h->high[0]);
    h->margin = calloc((size_t)n, sizeof h->margin[0]);
    h->wrong = calloc((size_t)n, 1);
    h->list = attack_everyone(n);
    h->some = attack_everyone(n);
    return h->at != NULL && h->start != NULL && h->trial != NULL && h->normal != NULL &&
                   h->low != NULL && h->high != NULL && h->margin != NULL && h->wrong != NULL &&
                   h->list != NULL && h->some != NULL
               ? EXIT_OK
               : report_no_memory();
}

static void hop_close(struct hop *h)
{
    free(h->at);
    free(h->start);
    free(h->trial);
    free(h->normal);
    free(h->low);
    free(h->high);
    free(h->margin);
    free(h->wrong);
    free(h->list);
    free(h->some);
}

/* One query at the points h->trial of images list[]: h->wrong. */
static int decide(struct attack *a, const struct attack_images *im, struct hop *h,
                  const int64_t *list, int64_t count)
{
    const int rc = attack_margins(a, im, list, count, h->trial, h->margin);

    for (int64_t i = 0; i < count && rc == EXIT_OK; i++)
        h->wrong[list[i]] = h->margin[list[i]] <= 0;
    h->queries++;
    return rc;
}

/* Noise images that are wrong: h->at, h->list. */
static int find_starts(struct attack *a, const struct attack_images *im, struct hop *h)
{
    const int64_t size = a->victim->size;
    struct attack_starts starts;
    int64_t count = im->n;
    int rc = EXIT_OK;

    for (int t = 0; t < STARTS && rc == EXIT_OK && count > 0; t++, a->draw++) {
        for (int64_t i = 0; i < count; i++) {
            struct attack_random r =
                attack_random_at(a->seed, ATTACK_FOR_START, a->draw, h->some[i]);

            for (int64_t j = 0; j < size; j++)
                h->trial[h->some[i] * size + j] = (float)attack_random_signed(&r);
        }
        rc = decide(a, im, h, h->some, count);
        if (rc == EXIT_OK)
            rc = attack_start_confirm(a, im, h->some, count, h->trial, h->wrong);
        for (int64_t i = 0; i < count && rc == EXIT_OK; i++)
            if (h->wrong[h->some[i]]) {
                const int64_t from = h->some[i] * size;

                memcpy(h->at + from, h->trial + from, (size_t)size * sizeof h->at[0]);
                h->list[h->count++] = h->some[i];
            }
        count = attack_drop(h->some, count, h->wrong);
    }
    starts = (struct attack_starts){h->at, h->list, h->count, h->some, count, h->queries};
    if (rc == EXIT_OK)
        rc = attack_start_elsewhere(a, im, &starts);
    h->count = starts.count;
    h->queries = starts.queries;
    memcpy(h->start, h->at, (size_t)(im->n * size) * sizeof h->at[0]);
    return rc;
}

/* The point between x (t = 0) and `at` (t = 1): on the line for L2; for L-inf `at` cut to the ball
 * of t times its distance. */
static void between(const struct attack *a, const float *x, const float *at, double t,
                    float *out)
{
    const double far = a->norm == ATTACK_LINF ? attack_distance(a, x, at) : 0;

    for (int64_t j = 0; j < a->victim->size; j++) {
        const double change = (double)at[j] - (double)x[j];

        out[j] = (float)((double)x[j] + (a->norm == ATTACK_LINF
                                             ? fmin(fmax(change, -t * far), t * far)
                                             : t * change));
    }
}

/* Move h->at towards the images as far as it stays wrong, and keep the nearest. */
static int to_boundary(struct attack *a, struct attack_images *im, struct hop *h)
{
    const int64_t size = a->victim->size;
    const double d = (double)size;
    const double precision = a->norm == ATTACK_LINF ? 1 / (d * d) : 1 / (d * sqrt(d));
    int rc = EXIT_OK;

    for (int64_t i = 0; i < h->count; i++) {
        h->low[h->list[i]] = 0;
        h->high[h->list[i]] = 1;
    }
    for (int t = 0; t < BISECTIONS && ldexp(1, -t) > precision && rc == EXIT_OK; t++) {
        for (int64_t i = 0; i < h->count; i++) {
            const int64_t g = h->list[i], from = g * size;

            between(a, im->x + from, h->at + from, (h->low[g] + h->high[g]) / 2,
                    h->trial + from);
        }
        rc = decide(a, im, h, h->list, h->count);
        for (int64_t i = 0; i < h->count && rc == EXIT_OK; i++) {
            const int64_t g = h->list[i];

            *(h->wrong[g] ? &h->high[g] : &h->low[g]) = (h->low[g] + h->high[g]) / 2;
        }
    }
    for (int64_t i = 0; i < h->count && rc == EXIT_OK; i++) {
        const int64_t g = h->list[i], from = g * size;
        double distance;

        between(a, im->x + from, h->at + from, h->high[g], h->trial + from);
        memcpy(h->at + from, h->trial + from, (size_t)size * sizeof h->at[0]);
        distance = attack_distance(a, im->x + from, h->at + from);
        if (distance < im->distance[g]) {
            im->distance[g] = distance;
            memcpy(im->best + from, h->at + from, (size_t)size * sizeof h->at[0]);
        }
    }
    return rc;
}

/* A random direction of length `by` from `at`, cut to the box. */
static void stray(const struct attack *a, struct attack_random *r, const float *at, double by,
                  float *out)
{
    const int64_t size = a->victim->size;
    double squares = 0;

    for (int64_t j = 0; j < size; j++) {
        const double v =
            a->norm == ATTACK_LINF ? attack_random_signed(r) : attack_random_normal(r);

        out[j] = (float)v;
        squares += v * v;
    }
    for (int64_t j = 0; j < size; j++)
        out[j] = (float)fmin(fmax((double)at[j] + by * (double)out[j] / sqrt(squares), -1), 1);
}

/* The normal at h->at of image g from the decisions at `points` random points: their mean,
 * weighted 1 where wrong and -1 where right, less the mean weight. */
static int estimate(struct attack *a, const struct attack_images *im, struct hop *h, int64_t g,
                    int64_t points, double by)
{
    struct defence *d = a->victim;
    const int64_t size = d->size;
    const float *at = h->at + g * size;
    float *normal = h->normal + g * size;
    float *around = malloc((size_t)(points * size) * sizeof around[0]);
    double *logits = malloc((size_t)(points * d->classes) * sizeof logits[0]);
    struct attack_random r = attack_random_at(a->seed, ATTACK_FOR_SEARCH, a->draw, g);
    double mean = 0;
    int rc = around != NULL && logits != NULL ? EXIT_OK : report_no_memory();

    for (int64_t p = 0; p < points && rc == EXIT_OK; p++)
        stray(a, &r, at, by, around + p * size);
    if (rc == EXIT_OK)
        rc = defence_logits(d, around, points, logits);
    for (int64_t p = 0; p < points && rc == EXIT_OK; p++)
        mean += (defence_margin(d, logits + p * d->classes, im->y[g]) <= 0 ? 1 : -1) /
                (double)points;
    memset(normal, 0, (size_t)size * sizeof normal[0]);
    for (int64_t p = 0; p < points && rc == EXIT_OK; p++) {
        const int wrong = defence_margin(d, logits + p * d->classes, im->y[g]) <= 0;
        const double weight = (wrong ? 1 : -1) - (fabs(mean) < 1 ? mean : 0);

        for (int64_t j = 0; j < size; j++)
            normal[j] += (float)(weight * ((double)around[p * size + j] - (double)at[j]) / by);
    }
    free(around);
    free(logits);
    return rc;
}

/* A step along each normal, at first `first` times the distance long, and halved until it ends at
 * a wrong point. */
static int jump(struct attack *a, const struct attack_images *im, struct hop *h, double first)
{
    const int64_t size = a->victim->size;
    int64_t count = h->count;
    int rc = EXIT_OK;

    memcpy(h->some, h->list, (size_t)count * sizeof h->some[0]);
    for (int t = 0; t < HALVINGS && rc == EXIT_OK && count > 0; t++) {
        for (int64_t i = 0; i < count; i++) {
            const int64_t g = h->some[i], from = g * size;
            const double by = ldexp(first, -t) * attack_distance(a, im->x + from, h->at + from);

            memcpy(h->trial + from, h->at + from, (size_t)size * sizeof h->at[0]);
            attack_ascend(a, h->normal + from, by, h->trial + from);
            for (int64_t j = from; j < from + size; j++)
                h->trial[j] = fminf(fmaxf(h->trial[j], -1), 1);
        }
        rc = decide(a, im, h, h->some, count);
        for (int64_t i = 0; i < count && rc == EXIT_OK; i++) {
            const int64_t from = h->some[i] * size;

            if (h->wrong[h->some[i]])
                memcpy(h->at + from, h->trial + from, (size_t)size * sizeof h->at[0]);
        }
        count = attack_drop(h->some, count, h->wrong);
    }
    return rc;
}

/* The random points of round t = 1, 2, ... */
static int64_t points_of(int64_t t)
{
    const double points = FIRST * sqrt((double)t);

    return points < MOST ? (int64_t)points : MOST;
}

/* How far the random points lie: the paper's delta, but no nearer than float resolves. */
static double reach(const struct attack *a, double distance, int64_t t)
{
    const double d = (double)a->victim->size;

    return t == 1 ? 0.2 : fmax(distance / d, 1e-4);
}

int attack_hop_skip_jump(struct attack *a, struct attack_images *im)
{
    const int64_t size = a->victim->size;
    struct hop h;
    int rc = hop_open(&h, im->n, size);

    for (int64_t i = 0; i < im->n; i++)
        im->distance[i] = (double)INFINITY;
    if (rc == EXIT_OK)
        rc = find_starts(a, im, &h);
    if (rc == EXIT_OK)
        rc = to_boundary(a, im, &h);
    for (int64_t t = 1; rc == EXIT_OK && h.count > 0; t++) {
        if (h.queries + points_of(t) + HALVINGS + BISECTIONS > a->queries)
            break;
        attack_tell(a, h.queries, a->queries);
        for (int64_t i = 0; i < h.count && rc == EXIT_OK; i++) {
            const int64_t from = h.list[i] * size;
            const double far = attack_distance(a, im->x + from, h.at + from);

            rc = estimate(a, im, &h, h.list[i], points_of(t), reach(a, far, t));
        }
        a->draw++;
        h.queries += points_of(t);
        if (rc == EXIT_OK)
            rc = jump(a, im, &h, 1 / sqrt((double)t));
        if (rc == EXIT_OK)
            rc = to_boundary(a, im, &h);
    }
    if (rc == EXIT_OK)
        rc = attack_confirm(a, im, h.start);
    hop_close(&h);
    return rc;
}
