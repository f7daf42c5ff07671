/* SPDX-License-Identifier: MIT */
#ifndef KIT_ATTACK_ATTACK_H
#define KIT_ATTACK_ATTACK_H

/* Adversarial attacks on a defence (JEM section 5.4): what they share, and the list of them.
 *
 * An attack looks for images close to given ones that the defence puts into a wrong class.
 * Close is a ball around the image, in the largest change of a value (L-inf) or the Euclidean
 * norm (L2), cut to the box of all images. Images are in [-1, 1], so eps and distances here are
 * twice those of images in [0, 1]. The margin of an image is f[y] less the largest other logit,
 * f being the averaged logits and y its label; an image is wrong when its margin is not above
 * 0. */

#include <stdint.h>

#include "kit/attack/attack_random.h"
#include "kit/attack/defence.h"
#include "kit/base/progress.h"

enum attack_norm { ATTACK_LINF, ATTACK_L2 };

/* Images under attack. Arrays belong to the caller. */
struct attack_images {
    const float *x; /* n images in [-1, 1] */
    const int32_t *y;
    const double *eps; /* n: radii of the balls; unused by attacks that find the smallest */
    int64_t n;
    float *best;      /* n images: what the attack has found; at first x */
    double *distance; /* n: from x to `best`, INFINITY while that is not wrong; used by attacks
                       * that find the smallest ball only */
};

struct attack {
    struct defence *victim;
    struct defence *source; /* the model that "transfer" attacks; or NULL */
    enum attack_norm norm;
    int64_t channels, height, width; /* of the images */
    int64_t steps;                   /* of pgd and apgd */
    int64_t restarts;                /* of pgd and apgd; the worst counts */
    int64_t eot;      /* draws of the defence's noise over which gradients are averaged, and
                       * the margins that square and noise compare */
    int64_t queries;  /* of attacks that ask no gradient, per image */
    int64_t noises;   /* of "noise", per image; the worst counts */
    int64_t votes;    /* draws of the defence's noise that vote in a verdict */
    const float *set; /* set_count images at which attacks that see the class alone may start,
                       * at most as many as attack_open() was told; or NULL */
    int64_t set_count;
    int64_t no_start; /* images for which the last such attack found no start: left alone */
    double widest;    /* the first radius that pgd-min tries */
    int64_t seed, draw;

    struct progress *progress; /* or NULL */
    const char *label;         /* what the progress is shown of */

    /* Memory for one call to the defence. */
    float *x, *grad;
    double *logits;
    int32_t *y;
};

struct attack_kind {
    const char *name;
    /* One of the two. It looks within the ball of eps around each image, or for the smallest
     * ball. */
    int (*within)(struct attack *a, struct attack_images *im);
    int (*smallest)(struct attack *a, struct attack_images *im);
    int gradient; /* asks the victim for gradients */
};

extern const struct attack_kind attack_kinds[];
extern const int attack_count;

/* NULL: there is none of that name. */
const struct attack_kind *attack_find(const char *name);

/* Allocate for calls with n images. The settings are the caller's to fill in. */
int attack_open(struct attack *a, int64_t n);
void attack_close(struct attack *a);

/* The attacks; each file says what it does. */
int attack_pgd(struct attack *a, struct attack_images *im);
int attack_pgd_smallest(struct attack *a, struct attack_images *im);
int attack_transfer(struct attack *a, struct attack_images *im);
int attack_apgd(struct attack *a, struct attack_images *im);
int attack_square(struct attack *a, struct attack_images *im);
int attack_noise(struct attack *a, struct attack_images *im);
int attack_hop_skip_jump(struct attack *a, struct attack_images *im);
int attack_pointwise(struct attack *a, struct attack_images *im);

/* --- What they are made of -----------------------------------------------------------------
 *
 * `list` holds the numbers of `count` images. Arrays have an entry per image, and only those of the
 * list are read and written; `at` holds a point for each. */

/* Margins at the points, with one fresh draw of the defence's noise. */
int attack_margins(struct attack *a, const struct attack_images *im, const int64_t *list,
                   int64_t count, const float *at, double *margin);

/* Margins, losses and the gradients of the losses at the points, averaged over a->eot fresh draws
 * of the defence's noise; over one where the victim has no noise. */
int attack_gradients(struct attack *a, const struct attack_images *im, const int64_t *list,
                     int64_t count, const float *at, float *grad, double *margin, double *loss);

/* Margins and losses (NULL: not wanted) at the points, averaged over `draws` draws of the defence's
 * noise, the first of which has the number `draw`; over one where the victim has no noise.
 *
 * Two points of an image can only be compared on the same draws, with the same list. Otherwise the
 * point that met the kindest noise would win. */
int attack_score(struct attack *a, const struct attack_images *im, const int64_t *list,
                 int64_t count, const float *at, int64_t draw, int64_t draws, double *margin,
                 double *loss);

/* Where a point has a smaller margin than im->best on the same `draws` fresh draws, it becomes
 * im->best. `margin` and `best` hold the margins meanwhile. */
int attack_keep_better(struct attack *a, struct attack_images *im, const int64_t *list,
                       int64_t count, const float *at, int64_t draws, double *margin,
                       double *best);

/* Which points are wrong? The majority of a->votes fresh draws decides, and a tie says wrong; one
 * draw where the victim has no noise. */
int attack_verdict(struct attack *a, const struct attack_images *im, const int64_t *list,
                   int64_t count, const float *at, uint8_t *wrong);

/* The list 0, ..., n - 1; NULL after reporting that memory ran out. */
int64_t *attack_everyone(int64_t n);

/* Take the images with a mark off the list; returns how many stay. */
int64_t attack_drop(int64_t *list, int64_t count, const uint8_t *mark);

/* In the norm of the attack. */
double attack_distance(const struct attack *a, const float *x, const float *at);

/* Bring `at` into the ball of eps around x, and into the box. */
void attack_project(const struct attack *a, const float *x, double eps, float *at);

/* A uniformly random point of the ball of eps around x, then cut to the box. */
void attack_random_point(const struct attack *a, struct attack_random *r, const float *x,
                         double eps, float *at);

/* The step of length `by` that raises the loss most: by * sign(grad) for L-inf,
 * by * grad / ||grad|| for L2. */
void attack_ascend(const struct attack *a, const float *grad, double by, float *at);

/* The end of attacks that look for the smallest ball. Where a verdict on fresh draws calls im->best
 * right after all, the point moves away from the image, a tenth further each time, and then, if
 * `start` is given (n wrong images), towards where the attack began, until a verdict calls it
 * wrong. Then all distances are noted: INFINITY where the point is still right. */
int attack_confirm(struct attack *a, struct attack_images *im, const float *start);

/* Show how far things are, when it is time to. */
void attack_tell(struct attack *a, int64_t done, int64_t of);

#endif
