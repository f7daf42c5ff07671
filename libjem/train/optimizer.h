/* SPDX-License-Identifier: MIT */
#ifndef JEM_TRAIN_OPTIMIZER_H
#define JEM_TRAIN_OPTIMIZER_H

/* The rules that change the weights. A rule is a row of the table: the choice by
 * "train.optimizer", the blocks that a trainer keeps, files and snapshots follow from it.
 *
 * A rule runs after the gradient of the step was judged; sharpness.h says at which weights it was
 * taken. */

#include <stdint.h>

#include <jem/train.h>

#define JEM__OPTIMIZERS       2
#define JEM__OPTIMIZER_BLOCKS 2 /* of one rule, at most */

typedef struct jem__step jem__step; /* trainer.h */

/* What a rule remembers from step to step: a block laid out like the parameters, zero at first. */
typedef struct jem__optimizer_block {
    const char *prefix; /* of its tensors in files; NULL: none */
    int32_t squares;    /* 1: no number is negative */
} jem__optimizer_block;

typedef struct jem__optimizer {
    const char *name;
    jem__optimizer_block blocks[JEM__OPTIMIZER_BLOCKS]; /* of t->moments, in this order */
    /* Weights and t->moments by t->grads times step->grad_scale. */
    jem_status (*update)(jem_trainer *t, const jem__step *step);
} jem__optimizer;

extern const jem__optimizer jem__optimizers[JEM__OPTIMIZERS];

/* By a value of "train.optimizer", which the table of options has checked. */
const jem__optimizer *jem__optimizer_find(const char *name);

#endif
