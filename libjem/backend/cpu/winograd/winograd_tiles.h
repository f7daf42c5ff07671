/* SPDX-License-Identifier: MIT */
#ifndef JEM_BACKEND_CPU_WINOGRAD_WINOGRAD_TILES_H
#define JEM_BACKEND_CPU_WINOGRAD_WINOGRAD_TILES_H

/* The geometry of Winograd's tiles: which pixels a tile reads and writes, and which products
 * connect its numbers in the transformed domain. See winograd.c for the algorithm. */

#include "backend/cpu/cpu.h"

#define WINOGRAD_MOST 81 /* numbers of a transformed tile, at most */

/* One direction of a layer. A tile is 4 x 4 (or 2 x 2) pixels of the layer's output y and what
 * belongs to it on the side of the layer's input x. Transformed it is
 *
 *     stride 1:  36 numbers of x and 36 of y, joined one to one
 *     stride 2:  81 numbers of x and 25 of y: 16 of y with four of x each, 8 with two, 1 with one;
 *                in tiles of 2 x 2, 25 and 9: 4 with four, 4 with two, 1 with one
 *
 * Product p multiplies number in[p] of the source (x forward, gy backward) with its weights,
 * and adds to number out[p] of the result; products are sorted by result, and those of result o
 * are first[o] .. first[o + 1] - 1. filter[p] is the place of the weights in
 * jem__winograd_kernels' filter transform. */
typedef struct jem__winograd_tiles {
    enum jem__winograd_kind kind;
    int32_t backward;
    int32_t ones; /* number of y at which both points are 1 */
    int32_t products, sources, results;
    uint8_t in[WINOGRAD_MOST], out[WINOGRAD_MOST], filter[WINOGRAD_MOST];
    uint8_t first[WINOGRAD_MOST + 1];
    int64_t tiles_h, tiles_w;
    /* Pixels of a tile: side x side, `step` from tile to tile, the first one at `origin`. */
    int64_t src_side, src_step, src_origin, src_h, src_w;
    int64_t dst_side, dst_step, dst_h, dst_w;
} jem__winograd_tiles;

void jem__winograd_tiles_init(jem__winograd_tiles *t, const jem__conv *conv, int32_t backward);

/* The tiles of gy in the weight gradient, beside those of x: the pixels of y, as sources. */
void jem__winograd_tiles_gradient(jem__winograd_tiles *gy, const jem__winograd_tiles *x);

/* What tiles are transformed from, and where to: number j of tile i becomes the row
 * v + j * plane + i * row of c channels, row being c rounded up by jem__winograd_row(). */
static inline int64_t jem__winograd_row(int64_t channels)
{
    return jem__round_up(channels, 16);
}

typedef struct jem__winograd_source {
    jem__winograd_transform transform;
    const float *images; /* n, h, w, c */
    int64_t c;
    float slope;          /* of the activation on the way */
    const float *outside; /* c zeros: pixels beyond the border */
    int64_t first;        /* tile that becomes row 0, counted over all images */
    float *v;
    int64_t plane;
} jem__winograd_source;

/* Transform rows from .. to - 1. */
void jem__winograd_transform_tiles(const jem__winograd_tiles *t, const jem__winograd_source *s,
                                   int64_t from, int64_t to);

/* The pixels that a tile writes, counted over all images; -1: beyond the border. */
void jem__winograd_target(const jem__winograd_tiles *t, int64_t tile, int64_t *pixel);

#endif
