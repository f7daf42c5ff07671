/* SPDX-License-Identifier: MIT */
#ifndef JEM_TRAIN_SCHEDULE_H
#define JEM_TRAIN_SCHEDULE_H

/* The learning rate, and the weight of the term for log p(x), as pure functions of the step, so
 * that a resumed training needs no more than its step number to go on. */

#include "core/options.h"

#define JEM__MAX_MILESTONES 32 /* what fits a text option */

enum jem__schedule_kind {
    JEM__SCHEDULE_MILESTONES, /* times decay_rate at each epoch of a list */
    JEM__SCHEDULE_COSINE,     /* half a cosine, from the full rate to 0 */
    JEM__SCHEDULE_CONSTANT
};

typedef struct jem__schedule {
    enum jem__schedule_kind kind;
    double lr, decay_rate;
    int64_t hold, warmup, px_ramp, total, batches_per_epoch; /* in steps */
    int32_t n_milestones;
    int64_t milestones[JEM__MAX_MILESTONES]; /* epochs, increasing */
} jem__schedule;

/* From "train.*". */
jem_status jem__schedule_create(const jem_options *opts, int64_t batches_per_epoch,
                                jem__schedule *out);
/* The rate of step 0, 1, ... */
double jem__schedule_lr(const jem__schedule *s, int64_t step);
/* The share of "train.weight_px" in force in it, 0 to 1. */
double jem__schedule_px_share(const jem__schedule *s, int64_t step);

#endif
