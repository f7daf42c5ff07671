/* SPDX-License-Identifier: MIT */
#ifndef JEM_TRAIN_GRADIENT_H
#define JEM_TRAIN_GRADIENT_H

/* The gradient of the loss in the parameters, for batches of any size.
 *
 * A batch goes through the network in parts. Each has a gradient and sums of its own, which
 * part_tree.h adds, so that a result shows neither threads nor lanes nor how many parts were in
 * memory at a time. */

#include "nets/lanes.h"
#include "train/gradient/part_tree.h"

/* What gradient passes need beside their arguments. */
typedef struct jem__gradient {
    const jem_model *model; /* for its network and context, not a reference */
    jem__lanes lanes;
    float *logits; /* of a part, one block per lane */
    jem__part_tree tree;
    int64_t round; /* parts that are computed before their sums are added */
    jem__part_sum parts[JEM__TREE_TAKEN]; /* those of a round */
} jem__gradient;

/* For batches of up to `batch` images (and longer ones). Sums are added on `queue`. */
jem_status jem__gradient_create(const jem_model *model, jem__queue *queue, int64_t batch,
                                jem__gradient *out);
void jem__gradient_free(jem__gradient *g); /* all zero accepted */

/* grads += the gradient at `params` of the loss of a batch, sums += its scores. Numbers are not
 * judged: they may be NaN. */
jem_status jem__gradient_add(jem__gradient *g, const jem__tensor *params,
                             const jem__batch *batch, const jem__density *coefficients,
                             const jem__tensor *grads, jem__loss_sums *sums);

#endif
