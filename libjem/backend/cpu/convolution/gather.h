/* SPDX-License-Identifier: MIT */
#ifndef JEM_BACKEND_CPU_CONVOLUTION_GATHER_H
#define JEM_BACKEND_CPU_CONVOLUTION_GATHER_H

/* Convolutions as matrix products: which numbers of the source each output pixel reads.
 *
 * For output pixel (qy, qx) of a grid, tap (i, j) reads the source pixel
 *
 *     (qy * stride + dy + i,  qx * stride + dx + j)
 *
 * and weight (ky + i * kstep, kx + j * kstep). That covers
 *   - the forward pass: grid = output, dy = dx = -pad, ky = kx = 0, kstep 1;
 *   - the input gradient: with stride s the input pixels of one parity (py, px) form a grid
 *     whose taps are every s-th weight, last one first (kstep -s); one gather per parity, so
 *     that no multiplication by an inserted zero is made.
 * Row q of the matrix holds the taps' channels one after another: column (tap, channel). */

#include "backend/cpu/cpu.h"

typedef struct jem__gather {
    int64_t c, h, w;        /* source image, channels last */
    int64_t grid_h, grid_w; /* output pixels per image */
    int64_t stride, dy, dx; /* where taps read */
    int64_t taps_h, taps_w;
    int64_t ky, kx, kstep; /* which weights they are */
    int64_t block;         /* columns of one block: at most GATHER_BLOCK */
    float slope;           /* of the activation that numbers go through */
} jem__gather;

/* Columns are worked on in blocks of whole taps, or of some channels of a wide tap, so that a
 * band of rows of a block stays in the first- and second-level caches. */
#define GATHER_BLOCK 512
#define GATHER_BAND  112 /* rows: a multiple of the 14 rows of a tile */

/* A block of columns: `taps` whole taps from first_tap on, or `channels` channels of that tap
 * from c0 on. `width` is the number of columns. */
typedef struct jem__gather_block {
    int64_t first_tap, taps, c0, channels, width;
} jem__gather_block;

void jem__gather_forward(jem__gather *g, const jem__conv *conv);
/* Parity (py, px) of the input gradient; taps_h or taps_w may become 0: nothing is read. */
void jem__gather_backward(jem__gather *g, const jem__conv *conv, int64_t py, int64_t px);

int64_t jem__gather_blocks(const jem__gather *g);
jem__gather_block jem__gather_block_at(const jem__gather *g, int64_t index);
int64_t jem__gather_columns(const jem__gather *g); /* taps x channels */

/* Rows q0 .. q0 + rows - 1 (counted over all images) of a block, `ld` floats apart. */
void jem__gather_rows(const jem__gather *g, const jem__gather_block *block, const float *src,
                      int64_t q0, int64_t rows, float *out, int64_t ld);

#endif
