/* SPDX-License-Identifier: MIT */
#ifndef KIT_ATTACK_ATTACK_H
#define KIT_ATTACK_ATTACK_H

/* Adversarial attacks on a defence (JEM section 5.4): what they share, and the list of them.
 *
 * An attack looks for images close to given ones that the defence puts into a wrong class.
 * Close is a ball around the image, in the largest change of a value (L-inf) or the Euclidean
 * norm (L2), cut to the box of all images. Images are in [-1, 1], so eps and distances here are
 * twice those of images in [0, 1]. An image counts as wrong when its label's averaged logit is
 * not the largest one alone: margin f[y] - max other <= 0. */

#include <stdint.h>

#include "kit/attack/attack_random.h"
#include "kit/attack/defence.h"
#include "kit/base/progress.h"

enum attack_norm { ATTACK_LINF, ATTACK_L2 };

/* Images under attack. Arrays belong to the caller. */
struct attack_images {
    const float *x; /* n images in [-1, 1] */
    const int32_t *y;
    const double *eps; /* n: how far an attack may go; unused by those that find the smallest */
    int64_t n;
    float *best;      /* n images: the worst for the defence found so far; at first x */
    double *distance; /* n: of `best`, INFINITY while it is not wrong; only used by attacks that
                       * find the smallest */
};

struct attack {
    struct defence *victim;
    struct defence *source; /* the model that "transfer" attacks; or NULL */
    enum attack_norm norm;
    int64_t channels, height, width; /* of the images */
    int64_t steps;                   /* of pgd and apgd */
    int64_t restarts;                /* of pgd and apgd; the worst counts */
    int64_t eot;      /* gradients, or margins, of fresh noise that are averaged into one */
    int64_t queries;  /* of attacks that ask no gradient, per image */
    int64_t noises;   /* of "noise", per image; the worst counts */
    int64_t votes;    /* draws of the defence's noise that a verdict is the majority of */
    const float *set; /* the first images of the attacked set, set_count of them, as many as
                       * attack_open() was told at most: attacks that see the class alone may
                       * start there. NULL with 0: none */
    int64_t set_count;
    int64_t no_start; /* images that the last such attack found no start for: not attacked */
    double widest;    /* where the search for the smallest ball begins */
    int64_t seed, draw;

    struct progress *progress; /* or NULL */
    const char *label;         /* what it says before how far things are */

    /* Room for one call to the defence. */
    float *x, *grad;
    double *logits;
    int32_t *y;
};

struct attack_kind {
    const char *name, *what;
    /* Exactly one of these. Within the ball of eps around each image; or the smallest ball. */
    int (*within)(struct attack *a, struct attack_images *im);
    int (*smallest)(struct attack *a, struct attack_images *im);
    int gradient; /* asks the victim for gradients */
};

extern const struct attack_kind attack_kinds[];
extern const int attack_count;

/* NULL: there is none of that name. */
const struct attack_kind *attack_find(const char *name);

/* Make room for calls with n images. The settings are the caller's to fill in. */
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

/* --- What they are made of; `list` holds the numbers of `count` images -------------------- */

/* Margins (and losses, gradients of the loss) at the images list[] of `at`, with one fresh draw
 * (gradients: `eot` of them, averaged) of the defence's noise. Only entries list[] are written. */
int attack_margins(struct attack *a, const struct attack_images *im, const int64_t *list,
                   int64_t count, const float *at, double *margin);
int attack_gradients(struct attack *a, const struct attack_images *im, const int64_t *list,
                     int64_t count, const float *at, float *grad, double *margin, double *loss);

/* Margins and losses (NULL: not wanted) at the images list[] of `at`, averaged over the draws from number `draw` on: `draws` of
 * them, or one where the victim has no noise. Two points of an image are compared on the same
 * draws, with the same list: the smallest of margins that were seen with different noise is that
 * of the luckiest noise. */
int attack_score(struct attack *a, const struct attack_images *im, const int64_t *list,
                 int64_t count, const float *at, int64_t draw, int64_t draws, double *margin,
                 double *loss);

/* Keep the points list[] of `at` that score lower on `draws` fresh draws than im->best does on the
 * same. `margin` and `best`: room for the scores, n each. */
int attack_keep_better(struct attack *a, struct attack_images *im, const int64_t *list,
                       int64_t count, const float *at, int64_t draws, double *margin,
                       double *best);

/* Which images list[] of `at` are wrong by the majority of a->votes fresh draws (a tie: wrong)?
 * One draw where the victim has no noise. */
int attack_verdict(struct attack *a, const struct attack_images *im, const int64_t *list,
                   int64_t count, const float *at, uint8_t *wrong);

/* The list 0, ..., n - 1; NULL after reporting that memory ran out. */
int64_t *attack_everyone(int64_t n);

/* Keep those of the list whose mark is 0; returns how many. */
int64_t attack_drop(int64_t *list, int64_t count, const uint8_t *mark);

double attack_distance(const struct attack *a, const float *x, const float *at);

/* Bring `at` back into the ball of eps around x, and the box. */
void attack_project(const struct attack *a, const float *x, double eps, float *at);

/* A random point of the ball of eps around x, cut to the box: uniform for L-inf, uniform but
 * for the cut for L2. */
void attack_random_point(const struct attack *a, struct attack_random *r, const float *x,
                         double eps, float *at);

/* One step of length `by` that raises the loss most: by * sign(grad), or
 * by * grad / ||grad||. */
void attack_ascend(const struct attack *a, const float *grad, double by, float *at);

/* Ends of the attacks that find the smallest: where fresh noise calls im->best right after all,
 * go on in its direction, a tenth further each time, then, with `start` (n wrong images, or NULL),
 * towards where the attack began, until it is wrong; else its distance is infinite. Then note all
 * distances. */
int attack_confirm(struct attack *a, struct attack_images *im, const float *start);

/* Show how far things are, when it is time to. */
void attack_tell(struct attack *a, int64_t done, int64_t of);

#endif
