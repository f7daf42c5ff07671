/* SPDX-License-Identifier: MIT */

/* See attack_walk.h. */

#include "kit/attack/attack_walk.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kit/base/report.h"

static int walk_open(struct walk *w, int64_t n, int64_t size)
{
    float **const points[] = {&w->at, &w->grad, &w->lucky, &w->old, &w->top, &w->top_grad};
    double **const numbers[] = {&w->margin,   &w->loss,      &w->best,    &w->step,
                                &w->top_loss, &w->last_loss, &w->last_top};
    int missing = 0;

    memset(w, 0, sizeof *w);
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
        *points[i] = calloc((size_t)(n * size), sizeof w->at[0]);
        missing |= *points[i] == NULL;
    }
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        *numbers[i] = calloc((size_t)n, sizeof w->margin[0]);
        missing |= *numbers[i] == NULL;
    }
    w->done = calloc((size_t)n, 1);
    w->halved = calloc((size_t)n, 1);
    w->risen = calloc((size_t)n, sizeof w->risen[0]);
    missing |= w->done == NULL || w->halved == NULL || w->risen == NULL;
    return missing ? report_no_memory() : EXIT_OK;
}

static void walk_close(struct walk *w)
{
    free(w->at);
    free(w->grad);
    free(w->lucky);
    free(w->old);
    free(w->top);
    free(w->top_grad);
    free(w->margin);
    free(w->loss);
    free(w->best);
    free(w->step);
    free(w->top_loss);
    free(w->last_loss);
    free(w->last_top);
    free(w->done);
    free(w->halved);
    free(w->risen);
}

void walk_start(struct attack *a, const struct attack_images *im, struct walk *w,
                const int64_t *list, int64_t count)
{
    const int64_t size = a->victim->size;

    for (int64_t i = 0; i < count; i++) {
        const int64_t g = list[i];
        struct attack_random r = attack_random_at(a->seed, ATTACK_FOR_START, a->draw, g);

        attack_random_point(a, &r, im->x + g * size, im->eps[g], w->at + g * size);
    }
    a->draw++;
}

int64_t walk_note(struct attack *a, struct attack_images *im, struct walk *w, int64_t *list,
                  int64_t count)
{
    const int64_t size = a->victim->size;
    float *const best = a->victim->random ? w->lucky : im->best;

    for (int64_t i = 0; i < count; i++) {
        const int64_t g = list[i];

        if (w->margin[g] < w->best[g]) {
            w->best[g] = w->margin[g];
            memcpy(best + g * size, w->at + g * size, (size_t)size * sizeof w->at[0]);
        }
        w->done[g] = w->stop && !a->victim->random && w->margin[g] <= 0;
    }
    return attack_drop(list, count, w->done);
}

/* At the end of a walk, where the victim has noise: what is kept (see attack_walk.h). */
static int choose(struct attack *a, struct attack_images *im, struct walk *w,
                  const int64_t *list, int64_t count)
{
    int rc = attack_keep_better(a, im, list, count, w->lucky, a->votes, w->margin, w->best);

    if (rc == EXIT_OK)
        rc = attack_keep_better(a, im, list, count, w->at, a->votes, w->margin, w->best);
    for (int64_t i = 0; i < count; i++)
        w->best[list[i]] = (double)INFINITY;
    return rc;
}

int walk_all(struct attack *a, struct attack_images *im, walk_function *walk, int stop)
{
    struct walk w;
    int64_t *list = attack_everyone(im->n), *walking = attack_everyone(im->n), count = im->n;
    uint8_t *wrong = calloc((size_t)im->n, 1);
    int rc = walk_open(&w, im->n, a->victim->size);

    if (list == NULL || walking == NULL || wrong == NULL)
        rc = report_no_memory();
    w.stop = stop;
    for (int64_t i = 0; i < im->n && rc == EXIT_OK; i++)
        w.best[i] = (double)INFINITY;
    for (int64_t t = 0; t < a->restarts && rc == EXIT_OK && count > 0; t++) {
        memcpy(walking, list, (size_t)count * sizeof list[0]);
        rc = walk(a, im, &w, walking, count);
        if (rc == EXIT_OK && a->victim->random)
            rc = choose(a, im, &w, list, count);
        if (rc == EXIT_OK && stop && t + 1 < a->restarts) {
            rc = attack_verdict(a, im, list, count, im->best, wrong);
            count = attack_drop(list, count, wrong);
        }
    }
    walk_close(&w);
    free(list);
    free(walking);
    free(wrong);
    return rc;
}
