/* SPDX-License-Identifier: MIT */
#ifndef JEM_BACKEND_CPU_CPU_H
#define JEM_BACKEND_CPU_CPU_H

/* What the files of the CPU backend share.
 *
 * Numbers are float. Images lie as n, h, w, c (channels last): the channels of a pixel are one
 * run of memory, so a convolution's inner loop and every epilogue walk straight ahead. Weights
 * lie as k, kh, kw, c by the same rule. A sign row of a pixel is padded to whole bytes, so that
 * two tasks never write the same byte. */

#include <stddef.h>

#include "backend/backend.h"
#include "backend/cpu/kernels.h"
#include "backend/cpu/tile/packed_weights.h"
#include "core/arithmetic.h"
#include "core/context.h"
#include "core/error.h"
#include "core/threads.h"

struct jem__mem {
    float *floats;      /* or NULL */
    uint8_t *bits;      /* or NULL */
    jem__packed packed; /* packed forms of the numbers, if they are weights */
};

struct jem__queue {
    jem_context *ctx;
    const jem__kernels *kernels;
    int32_t alone; /* one worker: the calling thread */
    float *scratch;
    int64_t scratch_floats;
};

/* Run tasks 0 .. count - 1 on the pool, or, alone, here. */
void jem__cpu_for(const jem__queue *queue, int64_t count, jem__task_fn task, void *arg);

/* Scratch of one operation: `shared` floats and then `per_worker` floats for every worker. NULL
 * after an error. Valid until the next call. */
typedef struct jem__scratch {
    float *shared;
    float *workers;
    int64_t per_worker;
} jem__scratch;
jem_status jem__cpu_scratch(jem__queue *queue, int64_t shared, int64_t per_worker,
                            jem__scratch *out);

static inline float *jem__floats(const jem__tensor *t)
{
    return t->mem->floats + t->at;
}

static inline uint8_t *jem__bits(const jem__signs *s)
{
    return s->mem->bits + s->at;
}

/* Bytes of the sign row of one pixel. */
static inline int64_t jem__sign_row(int64_t channels)
{
    return (channels + 7) / 8;
}

/* conv.c, conv_weight.c */
jem_status jem__cpu_conv_forward(jem__queue *queue, const jem__conv *conv, const jem__tensor *x,
                                 const jem__tensor *w, const jem__tensor *b,
                                 const jem__tensor *add, const jem__tensor *y,
                                 const jem__signs *signs_y);
jem_status jem__cpu_conv_backward_x(jem__queue *queue, const jem__conv *conv,
                                    const jem__tensor *gy, const jem__tensor *w,
                                    const jem__signs *signs_x, const jem__tensor *add,
                                    const jem__tensor *gx);
jem_status jem__cpu_conv_backward_w(jem__queue *queue, const jem__conv *conv,
                                    const jem__tensor *x, const jem__tensor *gy,
                                    const jem__tensor *gw, const jem__tensor *gb);

/* pointwise.c */
jem_status jem__cpu_leak(jem__queue *queue, const jem__tensor *x, const jem__signs *signs,
                         const jem__tensor *y);
jem_status jem__cpu_pool_forward(jem__queue *queue, const jem__tensor *x,
                                 const jem__signs *signs, const jem__tensor *y);
jem_status jem__cpu_pool_backward(jem__queue *queue, const jem__tensor *gy,
                                  const jem__signs *signs_x, const jem__tensor *gx);
jem_status jem__cpu_density(jem__queue *queue, const jem__density *what,
                            const jem__tensor *logits, const int32_t *y, double *log_px,
                            double *log_pxy, const jem__tensor *grad_logits);
jem_status jem__cpu_softmax_tangent(jem__queue *queue, const jem__tensor *t,
                                    const jem__tensor *p);
jem_status jem__cpu_sgld_step(jem__queue *queue, const jem__sgld_step *what,
                              const jem__tensor *g, const jem__tensor *x);

/* vectors.c */
jem_status jem__cpu_fill(jem__queue *queue, const jem__tensor *x, float value);
jem_status jem__cpu_copy(jem__queue *queue, const jem__tensor *src, const jem__tensor *dst);
jem_status jem__cpu_add(jem__queue *queue, const jem__tensor *src, const jem__tensor *x);
jem_status jem__cpu_lerp(jem__queue *queue, double t, const jem__tensor *to,
                         const jem__tensor *x);
jem_status jem__cpu_sum_squares(jem__queue *queue, const jem__tensor *x, double *out);
jem_status jem__cpu_adam_step(jem__queue *queue, const jem__adam *what, const jem__tensor *grad,
                              const jem__tensor *m, const jem__tensor *v,
                              const jem__tensor *param);
jem_status jem__cpu_sgd_step(jem__queue *queue, const jem__sgd *what, const jem__tensor *grad,
                             const jem__tensor *velocity, const jem__tensor *param);

#endif
