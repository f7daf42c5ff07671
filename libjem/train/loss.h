/* SPDX-License-Identifier: MIT */
#ifndef JEM_TRAIN_LOSS_H
#define JEM_TRAIN_LOSS_H

/* The loss of one step and its gradient, for batches of any size. */

#include "train/trainer.h"

/* What a batch does in the loss; a shared batch does two things at once. */
#define JEM__ROLE_DATA     1u /* x_d */
#define JEM__ROLE_LABELLED 2u /* x_l */
#define JEM__ROLE_SAMPLE   4u /* x_q */

typedef struct jem__part {
    const float *x;
    const int32_t *y; /* classes; may be NULL where no term needs them */
    int64_t n;        /* 0 accepted */
    uint32_t roles;   /* 0: left out */
} jem__part;

jem__step_metrics jem__no_metrics(void); /* all NaN */

/* Losses, log densities, accuracy and grad_norm into `m`, what was not produced left as it is; the
 * gradient into t->grads. No number is judged here. */
jem_status jem__loss(jem_trainer *t, const jem__part *parts, int32_t count,
                     jem__step_metrics *m);

#endif
