/* SPDX-License-Identifier: MIT */
#ifndef JEM_NETS_LANES_H
#define JEM_NETS_LANES_H

/* How a head spreads a call over threads.
 *
 * A wide network has enough work in every layer for all threads: one lane, whose operations
 * share the pool. In a small network threads would wait for each other at the end of every
 * layer; there each thread has a lane of its own and takes whole images through all layers, and
 * through all steps of a chain, with no meeting in between. Which of the two it is cannot be
 * seen in the results, because all that is computed belongs to one image. In training the sums
 * over images would show it: there batches have one size, whatever the threads, and each has
 * sums of its own. */

#include "nets/model.h"

typedef struct jem__lane {
    jem__queue *queue;
    jem__workspace *ws;
} jem__lane;

typedef struct jem__lanes {
    jem_context *ctx; /* for memory and threads, not a reference */
    const jem__backend *backend;
    jem__lane *list;
    int32_t count;
    int64_t batch;    /* images of a lane at a time */
    int32_t training; /* workspaces for training, batches all of that size */
    int32_t small;    /* the network is; does not depend on threads */
} jem__lanes;

/* Lanes for calls of up to max_batch images (and longer ones, in turns). */
jem_status jem__lanes_create(const jem_model *model, int64_t max_batch, int32_t training,
                             jem__lanes *out);
void jem__lanes_free(jem__lanes *lanes); /* zeroed ones accepted */

/* Images first .. first + count - 1 of a call, count <= batch, on one lane. */
typedef jem_status (*jem__lane_fn)(void *arg, const jem__lane *lane, int64_t first,
                                   int64_t count);

/* Run n images through `fn`, in any order, by all lanes. After a failure the status and text
 * are those of the first images that failed; images after them may not have run. */
jem_status jem__lanes_run(const jem__lanes *lanes, int64_t n, jem__lane_fn fn, void *arg);

#endif
