/* SPDX-License-Identifier: MIT */

/* Projected gradient descent (Madry et al. 2018), the smallest eps at which it succeeds, and
 * its transfer from another model.
 *
 *     x_0 random in the ball,   x <- project(x + step * direction of d loss / dx)
 *
 * with step = 2.5 eps / steps, so that the walk can cross the ball. */

#include "kit/attack/attack_walk.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kit/base/report.h"

#define STRIDE    2.5  /* the walk's length, in radii */
#define ROUNDS    40   /* of the search for the smallest eps */
#define PRECISION 0.01 /* of that eps, relative */

static int descend(struct attack *a, struct attack_images *im, struct walk *w, int64_t *list,
                   int64_t count)
{
    const int64_t size = a->victim->size;
    int rc = EXIT_OK;

    walk_start(a, im, w, list, count);
    for (int64_t t = 0; t < a->steps && rc == EXIT_OK && count > 0; t++) {
        attack_tell(a, t, a->steps);
        rc = attack_gradients(a, im, list, count, w->at, w->grad, w->margin, w->loss);
        if (rc == EXIT_OK)
            count = walk_note(a, im, w, list, count);
        for (int64_t i = 0; i < count && rc == EXIT_OK; i++) {
            const int64_t g = list[i], from = g * size;
            const double step = STRIDE * im->eps[g] / (double)a->steps;

            attack_ascend(a, w->grad + from, step, w->at + from);
            attack_project(a, im->x + from, im->eps[g], w->at + from);
        }
    }
    if (rc == EXIT_OK && count > 0)
        rc = attack_margins(a, im, list, count, w->at, w->margin);
    if (rc == EXIT_OK)
        walk_note(a, im, w, list, count);
    return rc;
}

int attack_pgd(struct attack *a, struct attack_images *im)
{
    return walk_all(a, im, descend, 1);
}

/* All steps are taken, even where a few of them fool the source: a point that fools it clearly is
 * more likely to transfer. */
int attack_transfer(struct attack *a, struct attack_images *im)
{
    struct defence *const victim = a->victim;
    int rc;

    a->victim = a->source;
    rc = walk_all(a, im, descend, 0);
    a->victim = victim;
    return rc;
}

/* Bisection per image, between the radius `low`, within which pgd failed, and distance[], within
 * which it succeeded. */
struct bisection {
    float *x, *best; /* of the images whose search goes on */
    int32_t *y;
    double *low, *eps, *some_eps;
    uint8_t *wrong;
    int64_t *list, *some;
};

static int bisection_open(struct bisection *b, int64_t n, int64_t size)
{
    b->x = calloc((size_t)(n * size), sizeof b->x[0]);
    b->best = calloc((size_t)(n * size), sizeof b->best[0]);
    b->y = calloc((size_t)n, sizeof b->y[0]);
    b->low = calloc((size_t)n, sizeof b->low[0]);
    b->eps = calloc((size_t)n, sizeof b->eps[0]);
    b->some_eps = calloc((size_t)n, sizeof b->some_eps[0]);
    b->wrong = calloc((size_t)n, 1);
    b->list = attack_everyone(n);
    b->some = attack_everyone(n);
    return b->x != NULL && b->best != NULL && b->y != NULL && b->low != NULL &&
                   b->eps != NULL && b->some_eps != NULL && b->wrong != NULL &&
                   b->list != NULL && b->some != NULL
               ? EXIT_OK
               : report_no_memory();
}

static void bisection_close(struct bisection *b)
{
    free(b->x);
    free(b->best);
    free(b->y);
    free(b->low);
    free(b->eps);
    free(b->some_eps);
    free(b->wrong);
    free(b->list);
    free(b->some);
}

/* pgd within eps[] for the images list[], gathered. */
static int try_once(struct attack *a, struct attack_images *im, struct bisection *b,
                    int64_t count)
{
    const int64_t size = a->victim->size;
    const size_t bytes = (size_t)size * sizeof b->x[0];
    struct attack_images some = {b->x, b->y, b->some_eps, count, b->best, NULL};
    int rc;

    for (int64_t i = 0; i < count; i++) {
        memcpy(b->x + i * size, im->x + b->list[i] * size, bytes);
        memcpy(b->best + i * size, im->x + b->list[i] * size, bytes);
        b->y[i] = im->y[b->list[i]];
        b->some_eps[i] = b->eps[b->list[i]];
        b->some[i] = i;
    }
    rc = attack_pgd(a, &some);
    if (rc == EXIT_OK)
        rc = attack_verdict(a, &some, b->some, count, b->best, b->wrong);
    for (int64_t i = 0; i < count && rc == EXIT_OK; i++) {
        const int64_t g = b->list[i];

        if (b->wrong[i]) {
            memcpy(im->best + g * size, b->best + i * size, bytes);
            im->distance[g] = attack_distance(a, b->x + i * size, b->best + i * size);
        } else {
            b->low[g] = b->eps[g];
        }
    }
    return rc;
}

int attack_pgd_smallest(struct attack *a, struct attack_images *im)
{
    const double all = a->norm == ATTACK_LINF ? 2 : 2 * sqrt((double)a->victim->size);
    struct bisection b;
    int64_t count = im->n;
    int rc = bisection_open(&b, im->n, a->victim->size);

    for (int64_t i = 0; i < im->n && rc == EXIT_OK; i++) {
        im->distance[i] = (double)INFINITY;
        b.eps[i] = fmin(a->widest, all);
    }
    for (int t = 0; t < ROUNDS && rc == EXIT_OK && count > 0; t++) {
        int64_t kept = 0;

        rc = try_once(a, im, &b, count);
        for (int64_t i = 0; i < count; i++) {
            const int64_t g = b.list[i];
            const double high = im->distance[g];

            b.eps[g] = isfinite(high) ? (b.low[g] + high) / 2 : fmin(2 * b.low[g], all);
            if (isfinite(high) ? high - b.low[g] > PRECISION * high : b.low[g] < all)
                b.list[kept++] = g;
        }
        count = kept;
    }
    bisection_close(&b);
    return rc;
}
