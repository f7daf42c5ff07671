/* SPDX-License-Identifier: MIT */
#ifndef JEM_TRAIN_STATE_H
#define JEM_TRAIN_STATE_H

/* What a training is beside its settings, its data and the start of its chains, none of which
 * change: the one list that files (state.c) and snapshots (snapshot.c) follow. */

#include "train/trainer.h"

#define JEM__STATE_BLOCKS   (2 + JEM__OPTIMIZER_BLOCKS)
#define JEM__STATE_COUNTERS 5

/* A block laid out like the parameters. */
typedef struct jem__state_block {
    const char *prefix; /* of its tensors in files; NULL: these are the weights */
    const jem__tensor *tensor;
    int32_t squares; /* 1: no number is negative */
} jem__state_block;

typedef struct jem__state {
    jem__state_block blocks[JEM__STATE_BLOCKS]; /* the weights first */
    int32_t n_blocks;
    float *images; /* of the replay buffer; NULL: there is none */
    int64_t *ages; /* of its chains */
    int64_t capacity, image_size;
    double running_auc;
    /* step, attempts, next_chain, next_start, next_draw; the last three 0 without samples. */
    int64_t counters[JEM__STATE_COUNTERS];
} jem__state;

jem__state jem__state_list(const jem_trainer *t);
void jem__state_counters(const jem_trainer *t, int64_t out[JEM__STATE_COUNTERS]);
void jem__state_set_counters(jem_trainer *t, const int64_t counters[JEM__STATE_COUNTERS]);

#endif
