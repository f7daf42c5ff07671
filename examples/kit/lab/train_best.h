/* SPDX-License-Identifier: MIT */
#ifndef KIT_LAB_TRAIN_BEST_H
#define KIT_LAB_TRAIN_BEST_H

/* A whole training in one call, of which the weights stay that classify held-out images best.
 * jem-train is the same with a log, with saving and with going on. */

#include <jem/jem.h>

#include "kit/base/progress.h"

/* The steps of the schedule: train.steps, or train.epochs of the trainer's data. */
int train_planned_steps(const jem_trainer *trainer, const jem_options *opts, int64_t *steps);

/* The model that is judged and kept: the averaged one where "train.ema" asks for it. */
int train_judged_model(jem_trainer *trainer, const jem_options *opts, jem_model **model);

struct train_best {
    const char *name;       /* what messages call it */
    int64_t validate_every; /* steps; at the end too */

    int64_t steps;          /* that were made */
    int64_t best_step;      /* after which the weights were those that stay */
    int64_t diverged_after; /* step; -1: did not */
    double accuracy;        /* of the held-out images at best_step */
};

/* A new model with the settings `opts`, trained on `data` as long as they say; the best one,
 * or its averaged weights with "train.ema", goes to the file `path`. A training that leaves
 * the finite numbers ends there and what it had by then counts; without a validation before,
 * it fails. */
int train_best(jem_context *ctx, const jem_options *opts, jem_dataset *data,
               const jem_dataset *held_out, const char *path, struct progress *progress,
               struct train_best *b);

#endif
