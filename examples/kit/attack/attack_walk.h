/* SPDX-License-Identifier: MIT */
#ifndef KIT_ATTACK_ATTACK_WALK_H
#define KIT_ATTACK_ATTACK_WALK_H

/* Attacks that walk along the gradient from a random start, several times: what pgd and apgd
 * share. Where the victim has no noise, the point with the smallest margin of all walks is kept.
 * With noise that would be the point that met the kindest draw. Therefore, at the end of each walk,
 * the point with its smallest margin and then its last point are compared with what earlier walks
 * left, both times on fresh draws that are the same for the two. */

#include "kit/attack/attack.h"

struct walk {
    float *at, *grad; /* points, and gradients of the loss there */
    double *margin, *loss;
    double *best;          /* the smallest margin so far; its point is in the images' `best` */
    float *lucky;          /* where the victim has noise: its point, of this walk */
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

/* a->restarts walks. With `stop`, an image that is wrong does not go on: without noise in the
 * victim it stops at once; with noise a verdict decides at the end of a walk. */
int walk_all(struct attack *a, struct attack_images *im, walk_function *walk, int stop);

/* A random start for each image of the list. */
void walk_start(struct attack *a, const struct attack_images *im, struct walk *w,
                const int64_t *list, int64_t count);

/* Note what was found at the points of the list; returns how many of them go on. */
int64_t walk_note(struct attack *a, struct attack_images *im, struct walk *w, int64_t *list,
                  int64_t count);

#endif
