/* SPDX-License-Identifier: MIT */
#ifndef KIT_DATA_HOLDOUT_H
#define KIT_DATA_HOLDOUT_H

/* The training images that jem-train does not train on, to validate with them. */

#include <stdint.h>

#define HOLDOUT_SPLIT_SEED 1 /* unless --split-seed says otherwise */

struct holdout {
    int64_t count, split_seed;
    int own_split; /* not held out: the images are the data set's split "validation" */
    int assumed;   /* nobody gave one of them, so it is jem-train's default */
};

/* How many of n images that is unless --validation says otherwise. */
int64_t holdout_default(int64_t n);

/* What was held out when a model was trained: `count` and `split_seed` if they are given (not
 * NULL), else what train.json beside the model says, else jem-train's default for n images. */
int holdout_find(const char *model, const int64_t *count, const int64_t *split_seed, int64_t n,
                 struct holdout *out);

#endif
