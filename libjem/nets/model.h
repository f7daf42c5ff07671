/* SPDX-License-Identifier: MIT */
#ifndef JEM_NETS_MODEL_H
#define JEM_NETS_MODEL_H

/* A network with weights: what the handle jem_model points to. */

#include <pthread.h>
#include <stdatomic.h>

#include <jem/model.h>

#include "core/options.h"
#include "nets/metadata.h"
#include "nets/network.h"

/* A tensor of a file that the network does not use and that goes back into files as it came: of
 * the heads that the official code saves beside the network (io/official.c). */
#define JEM__MODEL_UNUSED 4
typedef struct jem__unused_tensor {
    const char *name, *dtype; /* literals */
    int32_t rank;
    int64_t shape[8];
    void *data; /* owned; NULL: none */
} jem__unused_tensor;

struct jem_model {
    atomic_int refs;
    jem_context *ctx;  /* a reference */
    jem_options *opts; /* a copy; only "model.*" is meant */
    jem__network *net;
    jem__queue *queue;     /* moves parameters */
    pthread_mutex_t *lock; /* guards queue: many threads may read a shared model */
    jem__tensor params;    /* the flat block, owned */
    int64_t c, h, w, classes;
    jem__unused_tensor unused[JEM__MODEL_UNUSED];
    jem__metadata metadata; /* the caller's own */
};

/* The network that the options "model.*" describe, without weights: a few kilobytes, whatever
 * they say. Free it with jem__network_free(). */
jem_status jem__model_network(jem_context *ctx, const jem_options *opts, jem__network **out);

/* Zero weights (for loading); jem__model_init draws them as PyTorch does. */
jem_status jem__model_create(jem_context *ctx, const jem_options *opts, jem_model **out);
jem_status jem__model_init(jem_model *model, int64_t seed);
jem_model *jem__model_ref(jem_model *model);
void jem__model_unref(jem_model *model);

/* All parameters, or any flat block of that layout, to and from row-major order in the order of
 * net->params. `host` holds net->param_count floats. */
jem_status jem__model_upload(jem_model *model, const jem__tensor *block, const float *host);
jem_status jem__model_download(const jem_model *model, const jem__tensor *block, float *host);
/* One parameter of a block; `values` holds params[index].count floats. */
jem_status jem__model_param_upload(jem_model *model, const jem__tensor *block, int32_t index,
                                   const float *values);
jem_status jem__model_param_download(const jem_model *model, const jem__tensor *block,
                                     int32_t index, float *values);
int32_t jem__model_find(const jem_model *model, const char *name); /* -1: none */
int64_t jem__model_image_size(const jem_model *model);             /* c * h * w */

#endif
