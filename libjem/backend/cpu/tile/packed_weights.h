/* SPDX-License-Identifier: MIT */
#ifndef JEM_BACKEND_CPU_TILE_PACKED_WEIGHTS_H
#define JEM_BACKEND_CPU_TILE_PACKED_WEIGHTS_H

/* Weights in the form that the kernels read, made once per weight update.
 *
 * A block of parameters (jem__mem) keeps the packed forms of its layers with the version of the
 * numbers they were made from; an operation that writes to the block raises the version. All
 * heads of a model share them. */

#include <pthread.h>

#include "backend/backend.h"

typedef struct jem__packed_form {
    int64_t at; /* of the tensor in its block */
    int32_t form;
    int64_t version, count;
    float *numbers;
} jem__packed_form;

typedef struct jem__packed {
    pthread_mutex_t lock;
    int64_t version;
    jem__packed_form *list;
    int64_t n, capacity;
} jem__packed;

jem_status jem__packed_init(jem__packed *packed);
void jem__packed_clear(jem_context *ctx, jem__packed *packed);

/* Fill `out` from the weights; may run on the pool. */
typedef void (*jem__pack_fn)(const jem__queue *queue, void *arg, float *out);

/* The packed form number `form` of the weights w: `count` floats, made with `pack` when there
 * is none of this version. Safe from several threads. */
jem_status jem__packed_get(const jem__queue *queue, const jem__tensor *w, int32_t form,
                           int64_t count, jem__pack_fn pack, void *arg, const float **out);

#endif
