/* SPDX-License-Identifier: MIT */
#ifndef KIT_ATTACK_DEFENCE_H
#define KIT_ATTACK_DEFENCE_H

/* The classifier under attack, JEM-k (JEM section 5.4): noise on the image, k steps of SGLD on
 * log p(x) from there, and logits averaged over n such chains,
 *
 *     x_0 = x + input_noise * N(0, I),   x_k = SGLD^k(x_0),   f = 1/n sum over chains f(x_k)
 *
 * k = 0 without noise is the plain classifier. The loss is the cross entropy of f; its gradient
 * in x goes back through each chain exactly, the noise held fixed, or takes d x_k / d x for I
 * ("straight-through", what the official code attacks with). */

#include <jem/jem.h>

struct defence {
    int64_t steps, chains; /* k, n */
    double input_noise;    /* standard deviation, of images in [-1, 1] */
    int exact;             /* the gradient; may be changed between two calls */
    int random;            /* whether two calls differ */
    int64_t seed;
    int64_t draw; /* number of the next call, whose noise is a function of (seed, draw); a call
                   * with the number of an earlier one has the same noise */

    int64_t size, classes; /* values of an image, logits */
    jem_head *head;
    jem_sampler *sampler; /* NULL for k = 0 */
    int64_t block;        /* images at a time */

    /* Of a block's chains. */
    float *ends;        /* x_k */
    float *slopes;      /* d loss / d x_k, then d loss / d x_0 */
    float *trace;       /* all states; made when first asked for */
    float *logits;      /* f(x_k) */
    float *grad_logits; /* d loss / d f(x_k) */
};

/* Reads "sgld.*" from opts. The arguments are stored under their names. */
int defence_open(jem_model *model, const jem_options *opts, int64_t steps, int64_t chains,
                 double input_noise, int64_t seed, struct defence *out);
void defence_close(struct defence *d);

/* The averaged logits of n images, n x classes. */
int defence_logits(struct defence *d, const float *x, int64_t n, double *logits);

/* The same, and the gradient of each image's cross entropy in the image. */
int defence_gradient(struct defence *d, const float *x, const int32_t *y, int64_t n,
                     double *logits, float *grad);

/* Of one image's logits: the cross entropy, and f[y] minus the largest other logit. */
double defence_loss(const struct defence *d, const double *logits, int32_t y);
double defence_margin(const struct defence *d, const double *logits, int32_t y);

#endif
