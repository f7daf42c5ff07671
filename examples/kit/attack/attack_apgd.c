/* SPDX-License-Identifier: MIT */

/* APGD-CE (Croce and Hein 2020, "Reliable evaluation of adversarial robustness with an ensemble
 * of diverse parameter-free attacks", algorithm 1): projected gradient ascent of the cross
 * entropy with momentum
 *
 *     z = project(x + step * direction),   x' = project(x + 0.75 (z - x) + 0.25 (x - x_before))
 *
 * and a step that begins at 2 eps. At a checkpoint it is halved, and the walk goes back to the
 * point with the largest loss so far, if one of these holds for the image:
 *
 *     its loss rose in less than 75 % of the steps since the last checkpoint;
 *     its step was not halved at the last checkpoint, and its largest loss has not grown since.
 *
 * Where the victim has noise, the largest loss may be due to a lucky draw, and the walk would go
 * back to its point again and again. There the loss of that point is computed anew in each step,
 * with the noise of that step. */

#include "kit/attack/attack_walk.h"

#include <math.h>
#include <string.h>

#include "kit/base/report.h"

#define MOMENTUM 0.75
#define RISING   0.75

/* Checkpoints as shares of all steps: 0.22, then each distance 0.03 less than the one before,
 * but at least 0.06. */
struct checkpoints {
    double now, distance;
};

static int64_t next_checkpoint(struct checkpoints *c, int64_t steps)
{
    c->distance = c->now > 0 ? fmax(c->distance - 0.03, 0.06) : 0.22;
    c->now += c->distance;
    return (int64_t)ceil(c->now * (double)steps);
}

static void move(const struct attack *a, const struct attack_images *im, struct walk *w,
                 int64_t g, double momentum)
{
    const int64_t size = a->victim->size, from = g * size;
    float *at = w->at + from, *old = w->old + from, *z = a->x; /* free between two calls */

    memcpy(z, at, (size_t)size * sizeof at[0]);
    attack_ascend(a, w->grad + from, w->step[g], z);
    attack_project(a, im->x + from, im->eps[g], z);
    for (int64_t j = 0; j < size; j++) {
        const double x = (double)at[j];

        at[j] =
            (float)(x + momentum * ((double)z[j] - x) + (1 - momentum) * (x - (double)old[j]));
        old[j] = (float)x;
    }
    attack_project(a, im->x + from, im->eps[g], at);
}

/* After a gradient was taken: does the loss rise, and is it the largest so far? */
static void note_loss(const struct attack *a, struct walk *w, int64_t g)
{
    const int64_t size = a->victim->size, from = g * size;
    const size_t bytes = (size_t)size * sizeof w->at[0];

    w->risen[g] += w->loss[g] > w->last_loss[g];
    w->last_loss[g] = w->loss[g];
    if (w->loss[g] > w->top_loss[g]) {
        w->top_loss[g] = w->loss[g];
        memcpy(w->top + from, w->at + from, bytes);
        memcpy(w->top_grad + from, w->grad + from, bytes);
    }
}

static void check(const struct attack *a, struct walk *w, int64_t g, int64_t since)
{
    const int64_t size = a->victim->size, from = g * size;
    const size_t bytes = (size_t)size * sizeof w->at[0];
    const int stuck = !w->halved[g] && w->top_loss[g] <= w->last_top[g];

    w->halved[g] = stuck || (double)w->risen[g] < RISING * (double)since;
    w->last_top[g] = w->top_loss[g];
    w->risen[g] = 0;
    if (!w->halved[g])
        return;
    w->step[g] /= 2;
    w->last_loss[g] = w->top_loss[g];
    memcpy(w->at + from, w->top + from, bytes);
    memcpy(w->grad + from, w->top_grad + from, bytes);
}

static void begin(const struct attack *a, const struct attack_images *im, struct walk *w,
                  int64_t g)
{
    const int64_t size = a->victim->size, from = g * size;

    memcpy(w->old + from, w->at + from, (size_t)size * sizeof w->at[0]);
    w->step[g] = 2 * im->eps[g];
    w->top_loss[g] = -(double)INFINITY;
    note_loss(a, w, g);
    w->last_top[g] = w->top_loss[g];
    w->risen[g] = 0;
    w->halved[g] = 1; /* so that the second condition does not hold at the first checkpoint */
}

/* Gradients, losses and margins at the points of the list; where the victim has noise, also the
 * losses at the points with the largest loss so far, on the same draws. */
static int look(struct attack *a, const struct attack_images *im, struct walk *w,
                const int64_t *list, int64_t count, int first)
{
    const int64_t draw = a->victim->draw;
    int rc = EXIT_OK;

    if (a->victim->random && !first)
        rc = attack_score(a, im, list, count, w->top, draw, a->eot, w->margin, w->top_loss);
    a->victim->draw = draw;
    if (rc == EXIT_OK)
        rc = attack_gradients(a, im, list, count, w->at, w->grad, w->margin, w->loss);
    return rc;
}

static int climb(struct attack *a, struct attack_images *im, struct walk *w, int64_t *list,
                 int64_t count)
{
    struct checkpoints c = {0, 0};
    int64_t last = 0, next = next_checkpoint(&c, a->steps);
    int rc;

    walk_start(a, im, w, list, count);
    rc = look(a, im, w, list, count, 1);
    if (rc == EXIT_OK)
        count = walk_note(a, im, w, list, count);
    for (int64_t i = 0; i < count && rc == EXIT_OK; i++)
        begin(a, im, w, list[i]);
    for (int64_t t = 1; t <= a->steps && rc == EXIT_OK && count > 0; t++) {
        attack_tell(a, t, a->steps);
        for (int64_t i = 0; i < count; i++)
            move(a, im, w, list[i], t == 1 ? 1 : MOMENTUM);
        rc = look(a, im, w, list, count, 0);
        if (rc == EXIT_OK)
            count = walk_note(a, im, w, list, count);
        for (int64_t i = 0; i < count && rc == EXIT_OK; i++) {
            note_loss(a, w, list[i]);
            if (t == next)
                check(a, w, list[i], next - last);
        }
        if (t == next) {
            last = next;
            next = next_checkpoint(&c, a->steps);
        }
    }
    return rc;
}

int attack_apgd(struct attack *a, struct attack_images *im)
{
    return walk_all(a, im, climb, 1);
}
