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
#include "core/threads/threads.h"

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
    return jem__ceil_div(channels, 8);
}

/* The operations: conv.c, conv_weight.c, pointwise.c, vectors.c. */
#define JEM__CPU_DECLARE(name) jem__##name##_fn jem__cpu_##name;
JEM__OPERATIONS(JEM__CPU_DECLARE)

#endif
