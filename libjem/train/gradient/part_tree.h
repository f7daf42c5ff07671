/* SPDX-License-Identifier: MIT */
#ifndef JEM_TRAIN_PART_TREE_H
#define JEM_TRAIN_PART_TREE_H

/* The sum over the parts of a batch, in one order that nothing but their number decides.
 *
 * A part (nets/lanes.h) has a gradient and sums of scores of its own. The sums of parts
 * 0 .. P - 1 are added by a binary tree: its left branch has the first 2^k parts, where 2^k is
 * the largest power of two below P, its right branch the others, and so on down. So the parts
 * i 2^k .. (i + 1) 2^k - 1 are always a branch: whoever computes them can hand on one sum.
 *
 * Parts come in order and are added as the digits of a binary counter carry over, which needs a
 * block of gradients for each digit of P rather than one for each part. */

#include "train/gradient/loss.h"

#define JEM__TREE_LEVELS 60 /* parts of 16 images that an int64_t can count */
#define JEM__TREE_TAKEN  32 /* blocks taken and not yet pushed, at most */

typedef struct jem__part_sum {
    jem__mem *grads; /* a flat block, laid out like the parameters */
    jem__loss_sums sums;
} jem__part_sum;

typedef struct jem__part_tree {
    jem_context *ctx;  /* for memory, not a reference */
    jem__queue *queue; /* where sums are added; not owned */
    int64_t count;     /* numbers in a block */
    int64_t parts;     /* digit k is 1: level[k] holds the sum of 2^k parts */
    jem__part_sum level[JEM__TREE_LEVELS];
    jem__mem *spare[JEM__TREE_LEVELS + JEM__TREE_TAKEN]; /* blocks that hold nothing */
    int32_t spares;
} jem__part_tree;

void jem__part_tree_init(jem_context *ctx, jem__queue *queue, int64_t count,
                         jem__part_tree *out);
void jem__part_tree_free(jem__part_tree *tree); /* all zero accepted */

/* A block as a tensor. */
jem__tensor jem__part_tree_block(const jem__part_tree *tree, jem__mem *grads);
/* A block for the gradient of a part, with any numbers in it; the caller's until it is pushed.
 * At most JEM__TREE_TAKEN at a time. */
jem_status jem__part_tree_take(jem__part_tree *tree, jem__mem **out);
/* The next part. The block belongs to the tree afterwards, even when this fails. */
jem_status jem__part_tree_push(jem__part_tree *tree, jem__part_sum part);
/* grads += and sums += the sum of all parts. The tree is empty afterwards. */
jem_status jem__part_tree_collect(jem__part_tree *tree, const jem__tensor *grads,
                                  jem__loss_sums *sums);
/* Forget all parts. */
void jem__part_tree_clear(jem__part_tree *tree);

#endif
