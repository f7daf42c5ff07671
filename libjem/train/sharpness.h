/* SPDX-License-Identifier: MIT */
#ifndef JEM_TRAIN_SHARPNESS_H
#define JEM_TRAIN_SHARPNESS_H

/* Sharpness-aware minimisation (docs/maths.md): an update by the gradient g' not at the weights w,
 * but at
 *
 *     w' = w + rho T^2 g / ||T g||,   g the gradient at w,
 *
 * T the identity ("sam") or the diagonal matrix of |w| ("adaptive"). Both gradients are those of
 * the same batches, samples included. Weights stay untouched: w' is a block of its own. */

#include "backend/backend.h"
#include "core/options.h"

typedef struct jem__step jem__step; /* trainer.h */

typedef struct jem__sharpness {
    double rho;        /* 0: off */
    int32_t adaptive;  /* T = |w| */
    jem__tensor there; /* w', laid out like the parameters; mem NULL: off */
} jem__sharpness;

/* From "train.sam*"; `there` is the trainer's to make, and to free. */
void jem__sharpness_init(const jem_options *opts, jem__sharpness *out);
/* t->grads, the gradient at the weights, becomes that at w'; step->metrics stay those at the
 * weights. Where it is off, g is 0, or something at w is no number, the gradient is left as it is:
 * the step is judged by it. JEM_E_NUMERIC: the loss at w' is no number, or too large. */
jem_status jem__sharpness_gradient(jem_trainer *t, const jem__step *step);

#endif
