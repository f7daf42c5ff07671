/* SPDX-License-Identifier: MIT */
#ifndef JEM_NETS_LANES_H
#define JEM_NETS_LANES_H

/* How a call is spread over threads.
 *
 * A wide network has enough work in every layer for all threads: one lane, whose operations
 * share the pool. In a small network threads would wait for each other at the end of every
 * layer; there each thread has a lane of its own and takes whole images through all layers, and
 * through all steps of a chain, with no meeting in between. Which of the two it is cannot be
 * seen in the results: what a head or a sampler computes belongs to one image, and training,
 * which sums over images, is cut into parts of a fixed size that have sums of their own. */

#include "nets/model.h"

/* Images of a part: the fixed slice of a training batch that is summed on its own. */
#define JEM__PART_IMAGES 16

typedef struct jem__lane {
    jem__queue *queue;
    jem__workspace *ws;
} jem__lane;

typedef struct jem__lanes {
    jem_context *ctx; /* for memory and threads, not a reference */
    const jem__backend *backend;
    jem__lane *list;
    int32_t count;
    int64_t batch;    /* images of a lane at a time; in training those of a part */
    int32_t training; /* workspaces for training */
} jem__lanes;

/* Lanes for calls of up to max_batch images (and longer ones, in turns). In training a
 * workspace may hold fewer images than a part has: see jem__workspace_batch(). */
jem_status jem__lanes_create(const jem_model *model, int64_t max_batch, int32_t training,
                             jem__lanes *out);
void jem__lanes_free(jem__lanes *lanes); /* zeroed ones accepted */

/* Images first .. first + count - 1 of a call, count <= batch, on one lane. In training a part:
 * `first` is a multiple of JEM__PART_IMAGES. */
typedef jem_status (*jem__lane_fn)(void *arg, const jem__lane *lane, int64_t first,
                                   int64_t count);

/* Run n images through `fn`, in any order, by all lanes. After a failure the status and text
 * are those of the first images that failed; images after them may not have run. */
jem_status jem__lanes_run(const jem__lanes *lanes, int64_t n, jem__lane_fn fn, void *arg);

#endif
