/* SPDX-License-Identifier: MIT */
#ifndef KIT_ATTACK_ATTACK_WALK_H
#define KIT_ATTACK_ATTACK_WALK_H

/* Attacks that walk along the gradient from a random start, several times: what pgd and apgd
 * share. Of all points of all walks the one with the smallest margin is kept. Where the victim has
 * noise that would be the luckiest point: there a walk ends with a choice between the point with
 * the smallest margin seen, the last one, and what earlier walks left, on fresh draws that are the
 * same for all three. */

#include "kit/attack/attack.h"

struct walk {
    float *at, *grad; /* points, and gradients of the loss there */
    double *margin, *loss;
    double *best;          /* the smallest margin so far; its point is in the images' `best` */
    float *lucky;          /* its point where the victim has noise, in this walk */
    uint8_t *done;         /* images that need not go on */
    int stop;              /* an image that is wrong need not go on */
    float *old;            /* apgd: the points before */
    float *top, *top_grad; /* apgd: where the loss was largest, and its gradient */
    double *step, *top_loss, *last_loss, *last_top; /* apgd */
    int64_t *risen;                                 /* apgd */
    uint8_t *halved;                                /* apgd */
};

/* One walk for the images list[]. */
typedef int walk_function(struct attack *a, struct attack_images *im, struct walk *w,
                          int64_t *list, int64_t count);

/* a->restarts walks. With `stop`, images that are wrong do not walk on: at once where the
 * victim has no noise, else when a verdict says so after a walk. */
int walk_all(struct attack *a, struct attack_images *im, walk_function *walk, int stop);

/* A random start for each image of the list. */
void walk_start(struct attack *a, const struct attack_images *im, struct walk *w,
                const int64_t *list, int64_t count);

/* Note what was found at the points of the list; returns how many of them go on. */
int64_t walk_note(struct attack *a, struct attack_images *im, struct walk *w, int64_t *list,
                  int64_t count);

#endif
