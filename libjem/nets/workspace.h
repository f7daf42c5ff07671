/* SPDX-License-Identifier: MIT */
#ifndef JEM_NETS_WORKSPACE_H
#define JEM_NETS_WORKSPACE_H

/* The plan of a workspace: what run.c needs to know of the work of workspace.c. */

#include "nets/network.h"

enum { JEM__NO_BLOCK = -1 };

/* Sizes and places are numbers per image until the plan is done, then numbers in `numbers`. */
typedef struct jem__block {
    int64_t size, at;
    int32_t first, last; /* steps, inclusive */
} jem__block;

/* Where one layer's backward pass reads and writes: block numbers. */
typedef struct jem__route {
    int32_t gy;
    struct {
        int32_t so_far, gx; /* the gradient of the input so far, or JEM__NO_BLOCK; and after */
    } in[JEM__LAYER_INPUTS];
} jem__route;

struct jem__workspace {
    const jem__network *net;
    const jem__backend *backend;
    int64_t max_batch, most_bytes;
    int32_t training;
    jem__mem *numbers, *bits;
    jem__block *blocks; /* block v < n_values is value v, then grad_logits, then gradients */
    jem__route *routes; /* per layer */
    int64_t *signs_at;  /* per value; -1: not kept */
    int32_t n_blocks;
    int32_t grad_logits, image_gradient; /* blocks */
    jem__mem *tangent; /* a change of the image, then work of a layer; made when wanted */
};

/* Block `number` with the sizes of value `value`, for n images. */
jem__tensor jem__workspace_tensor(const jem__workspace *ws, int32_t number, int32_t value,
                                  int64_t n);
/* The same in the memory for tangents, `at` numbers per image into it. */
jem__tensor jem__workspace_tangent_tensor(const jem__workspace *ws, int64_t at, int32_t value,
                                          int64_t n);

#endif
