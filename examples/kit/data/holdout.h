/* SPDX-License-Identifier: MIT */
#ifndef KIT_DATA_HOLDOUT_H
#define KIT_DATA_HOLDOUT_H

/* The training images that jem-train keeps from the training, to validate on. */

#include <stdint.h>

#define HOLDOUT_SPLIT_SEED 1 /* unless --split-seed says otherwise */

struct holdout {
    int64_t count, split_seed;
    int assumed; /* a part of it is only jem-train's default: nobody said so */
};

/* How many of n images that is unless --validation says otherwise. */
int64_t holdout_default(int64_t n);

/* How it was for a model: `count` and `split_seed` where the user gave them, or else what
 * train.json beside the model says, or else what jem-train does with n images unless it is told
 * otherwise. NULL: not given. */
int holdout_find(const char *model, const int64_t *count, const int64_t *split_seed, int64_t n,
                 struct holdout *out);

#endif
