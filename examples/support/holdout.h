/* SPDX-License-Identifier: MIT */
#ifndef EXAMPLES_SUPPORT_HOLDOUT_H
#define EXAMPLES_SUPPORT_HOLDOUT_H

/* The training images that jem-train keeps from the training, to validate on. */

#include <stdint.h>

/* How many of n images that is unless --validation says otherwise. */
int64_t holdout_default(int64_t n);

/* What train.json beside a model says it was; what the file does not say, and all of it where
 * there is no file, is left alone. */
int holdout_recorded(const char *model, int64_t *count, int64_t *split_seed);

#endif
