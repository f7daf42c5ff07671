/* SPDX-License-Identifier: MIT */

/* Noise that knows nothing of the model: for L-inf every value uniform in [-eps, eps], for L2 a
 * random direction of length eps; then the box. Of several draws the one with the smallest
 * margin is kept, compared as attack_keep_better() does. */

#include "kit/attack/attack.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kit/base/report.h"

static void draw_noise(const struct attack *a, struct attack_random *r, const float *x,
                       double eps, float *at)
{
    const int64_t size = a->victim->size;
    float *const direction = a->grad; /* free between two calls to the defence */

    if (a->norm == ATTACK_LINF) {
        attack_random_point(a, r, x, eps, at);
        return;
    }
    for (int64_t j = 0; j < size; j++)
        direction[j] = (float)attack_random_normal(r);
    memcpy(at, x, (size_t)size * sizeof at[0]);
    attack_ascend(a, direction, eps, at);
    attack_project(a, x, eps, at);
}

int attack_noise(struct attack *a, struct attack_images *im)
{
    const int64_t size = a->victim->size;
    int64_t *list = attack_everyone(im->n);
    float *at = calloc((size_t)(im->n * size), sizeof at[0]);
    double *margin = calloc((size_t)im->n, sizeof margin[0]);
    double *best = calloc((size_t)im->n, sizeof best[0]);
    int rc = list != NULL && at != NULL && margin != NULL && best != NULL ? EXIT_OK
                                                                          : report_no_memory();

    for (int64_t t = 0; t < a->noises && rc == EXIT_OK; t++, a->draw++) {
        attack_tell(a, t, a->noises);
        for (int64_t i = 0; i < im->n; i++) {
            struct attack_random r = attack_random_at(a->seed, ATTACK_FOR_SEARCH, a->draw, i);

            draw_noise(a, &r, im->x + i * size, im->eps[i], at + i * size);
        }
        if (t == 0)
            memcpy(im->best, at, (size_t)(im->n * size) * sizeof at[0]);
        else
            rc = attack_keep_better(a, im, list, im->n, at, a->eot, margin, best);
    }
    free(list);
    free(at);
    free(margin);
    free(best);
    return rc;
}
