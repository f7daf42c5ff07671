/* SPDX-License-Identifier: MIT */
#ifndef JEM_ENERGY_SGLD_H
#define JEM_ENERGY_SGLD_H

/* Stochastic gradient Langevin dynamics: the handle jem_sampler. */

#include <stdatomic.h>

#include <jem/sampler.h>

#include "energy/head.h"
#include "energy/start.h"

struct jem_sampler {
    atomic_int refs;
    jem_head *head;    /* a reference */
    jem__start *start; /* p0, owned */
    float step_size, noise_std, clamp_grad, clamp_x;
    int64_t steps;
    jem__key key;
    uint64_t next_chain; /* number of the next chain */
    uint64_t next_start; /* number of the next draw from p0 */
};

jem_status jem__sampler_create(jem_head *head, const jem_options *opts, jem_sampler **out);
jem_sampler *jem__sampler_ref(jem_sampler *s);
void jem__sampler_unref(jem_sampler *s);
void jem__sampler_seed(jem_sampler *s, int64_t seed, int64_t stream);
jem_status jem__sampler_init(jem_sampler *s, const char *caller, const int32_t *y, float *x,
                             int64_t n);
/* In place; unchanged on failure. Upload, `steps` times (forward, gradient in the logits, backward, update),
 * download; all between runs below the seam. steps < 0: the option. */
jem_status jem__sampler_run(jem_sampler *s, const char *caller, float *x, const int32_t *y,
                            int64_t n, int64_t steps);
/* The same, with all states kept: trace gets steps + 1 blocks of n images, the first is x. */
jem_status jem__sampler_trace(jem_sampler *s, const char *caller, const float *x,
                              const int32_t *y, int64_t n, int64_t steps, float *trace);
/* sgld_backward.c: the gradient of a loss in the ends of such chains, in `grad`, becomes that
 * in their starts; unchanged on failure. */
jem_status jem__sampler_backward(jem_sampler *s, const char *caller, const float *trace,
                                 const int32_t *y, int64_t n, int64_t steps, float *grad);

#endif
