/* SPDX-License-Identifier: MIT */
/* See part_tree.h. */

#include "train/gradient/part_tree.h"

#include <stddef.h>

#include "core/context.h"
#include "core/error.h"

void jem__part_tree_init(jem_context *ctx, jem__queue *queue, int64_t count,
                         jem__part_tree *out)
{
    *out = (jem__part_tree){.ctx = ctx, .queue = queue, .count = count};
}

void jem__part_tree_free(jem__part_tree *tree)
{
    jem__part_tree_clear(tree);
    for (int32_t i = 0; i < tree->spares; i++)
        tree->ctx->backend->mem_free(tree->ctx, tree->spare[i]);
    *tree = (jem__part_tree){.ctx = NULL};
}

jem__tensor jem__part_tree_block(const jem__part_tree *tree, jem__mem *grads)
{
    return (jem__tensor){.mem = grads, .n = 1, .c = tree->count, .h = 1, .w = 1};
}

jem_status jem__part_tree_take(jem__part_tree *tree, jem__mem **out)
{
    if (tree->spares == 0)
        return tree->ctx->backend->mem_create(tree->ctx, tree->count, out);
    *out = tree->spare[--tree->spares];
    return JEM_OK;
}

static void put_aside(jem__part_tree *tree, jem__part_sum *sum)
{
    tree->spare[tree->spares++] = sum->grads;
    *sum = (jem__part_sum){.grads = NULL};
}

/* sum += the sum of one level, which is empty afterwards. */
static jem_status absorb(jem__part_tree *tree, int32_t level, jem__part_sum *sum)
{
    const jem__tensor from = jem__part_tree_block(tree, tree->level[level].grads);
    const jem__tensor to = jem__part_tree_block(tree, sum->grads);

    JEM__TRY(tree->ctx->backend->add(tree->queue, &from, &to));
    jem__loss_add_sums(&sum->sums, &tree->level[level].sums);
    put_aside(tree, &tree->level[level]);
    return JEM_OK;
}

jem_status jem__part_tree_push(jem__part_tree *tree, jem__part_sum part)
{
    int32_t level = 0;

    for (; (tree->parts >> level & 1) != 0; level++) {
        const jem_status status = absorb(tree, level, &part);
        if (status != JEM_OK) {
            put_aside(tree, &part);
            jem__part_tree_clear(tree);
            return status;
        }
    }
    tree->level[level] = part;
    tree->parts++;
    return JEM_OK;
}

jem_status jem__part_tree_collect(jem__part_tree *tree, const jem__tensor *grads,
                                  jem__loss_sums *sums)
{
    int32_t top = 0;

    if (tree->parts == 0)
        return JEM_OK;
    while (tree->level[top].grads == NULL)
        top++;
    /* From the shortest branch up: each is the right one of the next. */
    for (int32_t next = top + 1; tree->parts >> next != 0; next++) {
        if (tree->level[next].grads == NULL)
            continue;
        JEM__TRY(absorb(tree, top, &tree->level[next]));
        top = next;
    }
    const jem__tensor total = jem__part_tree_block(tree, tree->level[top].grads);
    JEM__TRY(tree->ctx->backend->add(tree->queue, &total, grads));
    jem__loss_add_sums(sums, &tree->level[top].sums);
    jem__part_tree_clear(tree);
    return JEM_OK;
}

void jem__part_tree_clear(jem__part_tree *tree)
{
    for (int32_t i = 0; i < JEM__TREE_LEVELS; i++) {
        if (tree->level[i].grads != NULL)
            put_aside(tree, &tree->level[i]);
    }
    tree->parts = 0;
}
