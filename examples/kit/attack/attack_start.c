/* SPDX-License-Identifier: MIT */

/* See attack_start.h. */

#include "kit/attack/attack_start.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kit/base/report.h"

#define POOL  1000 /* images of the set that are looked at */
#define TRIES 5    /* of these per image */

/* What the victim calls the first images of the set. */
static int classify(struct attack *a, int64_t count, int32_t *class)
{
    const int64_t classes = a->victim->classes;
    const int rc = defence_logits(a->victim, a->set, count, a->logits);

    for (int64_t i = 0; i < count && rc == EXIT_OK; i++) {
        const double *f = a->logits + i * classes;

        class[i] = 0;
        for (int32_t k = 1; k < classes; k++)
            if (f[k] > f[class[i]])
                class[i] = k;
    }
    return rc;
}

/* The image of the set that is nearest to x, but further than `beyond`, among those that are not
 * called y; -1: none. The distance goes to `beyond`. */
static int64_t next_nearest(const struct attack *a, int64_t count, const int32_t *class,
                            const float *x, int32_t y, double *beyond)
{
    double nearest = (double)INFINITY;
    int64_t found = -1;

    for (int64_t i = 0; i < count; i++) {
        const double far =
            class[i] != y ? attack_distance(a, x, a->set + i * a->victim->size) : 0;

        if (far > *beyond && far < nearest) {
            nearest = far;
            found = i;
        }
    }
    *beyond = nearest;
    return found;
}

/* One try for each image some[]: its next start in `at`. Those that have none leave the list. */
static int64_t propose(const struct attack *a, const struct attack_images *im, int64_t pool,
                       const int32_t *class, double *beyond, int64_t *some, int64_t count,
                       float *at)
{
    const int64_t size = a->victim->size;
    int64_t kept = 0;

    for (int64_t i = 0; i < count; i++) {
        const int64_t g = some[i], from = next_nearest(a, pool, class, im->x + g * size,
                                                       im->y[g], beyond + g);

        if (from < 0)
            continue;
        memcpy(at + g * size, a->set + from * size, (size_t)size * sizeof at[0]);
        some[kept++] = g;
    }
    return kept;
}

int attack_start_confirm(struct attack *a, const struct attack_images *im, const int64_t *list,
                         int64_t count, const float *at, uint8_t *wrong)
{
    int64_t *hits = malloc(((size_t)count + 1) * sizeof hits[0]), found = 0;
    int rc = hits != NULL ? EXIT_OK : report_no_memory();

    for (int64_t i = 0; i < count && hits != NULL; i++)
        if (wrong[list[i]])
            hits[found++] = list[i];
    if (rc == EXIT_OK && found > 0 && a->victim->random)
        rc = attack_verdict(a, im, hits, found, at, wrong);
    free(hits);
    return rc;
}

int attack_start_elsewhere(struct attack *a, const struct attack_images *im,
                           struct attack_starts *s)
{
    const int64_t pool = a->set_count < POOL ? a->set_count : POOL;
    int32_t *class = calloc((size_t)pool + 1, sizeof class[0]);
    double *beyond = calloc((size_t)im->n, sizeof beyond[0]);
    uint8_t *wrong = calloc((size_t)im->n, 1);
    int64_t left = s->without, started = 0;
    int rc = class != NULL && beyond != NULL && wrong != NULL ? EXIT_OK : report_no_memory();

    if (rc == EXIT_OK && left > 0 && pool > 0) {
        rc = classify(a, pool, class);
        s->queries++;
    }
    for (int t = 0; t < TRIES && rc == EXIT_OK && left > 0; t++) {
        int64_t kept = 0;

        left = propose(a, im, pool, class, beyond, s->some, left, s->at);
        rc = attack_verdict(a, im, s->some, left, s->at, wrong);
        s->queries++;
        for (int64_t i = 0; i < left && rc == EXIT_OK; i++)
            if (wrong[s->some[i]]) {
                s->list[s->count++] = s->some[i];
                started++;
            } else {
                s->some[kept++] = s->some[i];
            }
        left = kept;
    }
    s->without -= started;
    a->no_start = s->without;
    free(class);
    free(beyond);
    free(wrong);
    return rc;
}
