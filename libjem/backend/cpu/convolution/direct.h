/* SPDX-License-Identifier: MIT */
#ifndef JEM_BACKEND_CPU_CONVOLUTION_DIRECT_H
#define JEM_BACKEND_CPU_CONVOLUTION_DIRECT_H

/* The inner loops of convolutions with few input channels (conv_direct.c), which work on rows
 * of pixels. Written once for every vector width in direct_kernel.h.
 *
 * Output channels come in groups of `width`, the numbers of a vector; weights are packed as
 * groups x taps x width, where a tap is a (ky, kx, c), zero behind the last channel. */

#include <stdint.h>

/* A row of output pixels: forward, and the gradient in the weights. The input lies in padded
 * planes, one per channel and phase of the stride, so that neighbours are neighbours:
 * tap j of pixel i is x[offset[j] + i]. */
typedef struct jem__direct_row {
    int64_t pixels, k, taps;
    const float *x;
    const int64_t *offset;
    const float *w;          /* forward: packed */
    const float *bias, *add; /* forward, or NULL */
    float *out;              /* forward: pixels x k */
    uint8_t *bits;           /* forward, or NULL */
    const float *gy;         /* weights: pixels x k */
    float *sums; /* weights: groups x (taps + 1) x width, added to; the last is the bias */
} jem__direct_row;

/* Input pixels of one row which have the same taps: every `stride`-th. The gradient of the
 * output lies in padded rows of groups x columns x width. Of tap (t, u), pixel i, group g
 *
 *     gy[g * gy_group + i * width - t * gy_row - u * width]
 *     w[g * w_group + t * w_row + u * w_step + channel * width]
 *
 * are multiplied. Up to width - 1 pixels more are read, and thrown away. */
typedef struct jem__direct_line {
    int64_t pixels, c, stride, groups, taps_h, taps_w;
    const float *gy, *w;
    int64_t gy_group, gy_row, w_group, w_row, w_step;
    const float *add; /* or NULL; may be out */
    float *out;
    const uint8_t *bits; /* or NULL */
    float slope;
} jem__direct_line;

/* Planes of a row of w pixels: column i of (channel, phase) is channel `channel` of pixel
 * i * stride + phase - pad through the activation of `slope`, zero where there is none. */
typedef struct jem__direct_planes {
    int64_t w, c, stride, pad, columns;
    float slope;
} jem__direct_planes;

#define DIRECT_MOST 4 /* channels of the input */

typedef struct jem__direct_kernels {
    int64_t width;
    void (*forward)(const jem__direct_row *row);
    void (*weights)(const jem__direct_row *row);
    void (*gradient)(const jem__direct_line *line);
    /* A row of input into its planes. */
    void (*planes)(const jem__direct_planes *shape, const float *x, float *out);
    /* `pixels` of k channels into groups `group` floats apart. */
    void (*groups)(const float *gy, int64_t pixels, int64_t k, float *out, int64_t group);
} jem__direct_kernels;

#endif
