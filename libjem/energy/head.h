/* SPDX-License-Identifier: MIT */
#ifndef JEM_ENERGY_HEAD_H
#define JEM_ENERGY_HEAD_H

/* Densities of a model, with the workspace to compute them. `caller` is the public function,
 * for error texts. Inputs are checked for NaN and infinity as they are uploaded. */

#include <stdatomic.h>

#include <jem/energy.h>

#include "core/check.h"
#include "core/threads/use.h"
#include "nets/lanes.h"

struct jem_head {
    atomic_int refs;
    jem_model *model; /* a reference */
    jem__lanes lanes;
    int64_t max_batch;
    int64_t image_size; /* c * h * w */
    float *host;        /* the sampler's results: max_batch x image_size */
    jem__use use;
};

jem_status jem__head_create(jem_model *model, int64_t max_batch, jem_head **out);
jem_head *jem__head_ref(jem_head *head);
void jem__head_unref(jem_head *head);

/* What a forward pass gives, n rows each; NULL: not wanted. */
typedef struct jem__wanted {
    float *logits, *prob_y, *log_px, *features;
} jem__wanted;

/* y NULL: log_px is log p(x), else log p(x|y). */
jem_status jem__head_infer(jem_head *head, const char *caller, const float *x, const int32_t *y,
                           int64_t n, const jem__wanted *wanted);
/* Gradient in x of alpha * F + beta * f_y: alpha 1, beta 0 with y NULL is log p(x). */
jem_status jem__head_gradient(jem_head *head, const char *caller, const float *x,
                              const int32_t *y, int64_t n, double alpha, double beta,
                              float *out);
/* Gradient in x of sum_k weights[k] f[k], n x classes weights. */
jem_status jem__head_grad_logits(jem_head *head, const char *caller, const float *x,
                                 const float *weights, int64_t n, float *out);
/* A pass in both directions on each lane, of zeros. */
jem_status jem__head_warm_up(jem_head *head);
jem_status jem__head_mass(jem_head *head, const char *caller, const float *x, int64_t n,
                          float *out);

#endif
