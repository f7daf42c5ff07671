/* SPDX-License-Identifier: MIT */
#ifndef JEM_BACKEND_CPU_KERNELS_H
#define JEM_BACKEND_CPU_KERNELS_H

/* The inner loops that take the time, in several instruction sets.
 *
 * gemm, the inner product that convolutions are built on:
 *
 *     C[i, j] (+)= sum_p A[i, p] * B[p, j],      i < m, j < n, p < k
 *
 *     A[i, p] = a[i * a_row + p * a_step]
 *     B[p, j] = b[(j / cols) * b_panel + p * b_step + j % cols]
 *     C[i, j] = c[i * c_row + j]
 *
 * B comes in panels of `cols` columns; reading up to `cols` numbers from the start of every row
 * of a panel must be allowed, also in the last one. Every C[i, j] is made by the same sequence
 * of multiply-adds (p ascending) whatever m, n and the neighbours are, so results do not depend
 * on how work was cut.
 *
 * epilogue_forward and epilogue_backward, the epilogues of one pixel of n channels:
 *
 *     out = in + bias + add, bits = (out > 0)        bias, add, bits may be NULL
 *     out = in * (bit ? 1 : slope) + add             bits, add may be NULL */

#include <stdint.h>

#include "backend/cpu/convolution/direct.h"
#include "core/random.h"

typedef struct jem__gemm {
    int64_t m, n, k;
    const float *a;
    int64_t a_row, a_step;
    const float *b;
    int64_t b_panel, b_step;
    float *c;
    int64_t c_row;
    int32_t accumulate; /* 1: add to C, 0: overwrite it */
    const float *next;  /* what the next call will read as b, or NULL: a hint for the caches */
} jem__gemm;

/* Winograd's methods: stride 1 in tiles of 4 x 4 output pixels, stride 2 in tiles of 4 x 4 or 2
 * x 2. */
enum jem__winograd_kind { JEM__WINOGRAD_S1, JEM__WINOGRAD_S2, JEM__WINOGRAD_S2_SHORT };

/* Winograd's transforms of one tile, n channels (a multiple of 8): winograd_kernel.h. `in` and
 * `out` hold a pointer for each number of the tile, row by row: to its first channel, or, on
 * the side of the products, to where the first channel of tile 0 is; this tile is `at` floats
 * on. There the channels take up a multiple of 16 floats; the transform sets those behind the
 * last channel to zero. */
typedef void (*jem__winograd_transform)(const float *const *in, float slope, float *const *out,
                                        int64_t at, int64_t n);

/* Inverse transforms end with an epilogue, as above: forward with bias, add and bits, backward
 * with bits, slope and add; pointers may be NULL. */
typedef struct jem__winograd_pixels {
    const float *const *in; /* `at` floats on */
    int64_t at;
    const float *bias;
    const float *const *add;
    float *const *out;
    uint8_t *const *bits;
    float slope;
} jem__winograd_pixels;
typedef void (*jem__winograd_inverse)(const jem__winograd_pixels *p, int64_t n);

typedef struct jem__winograd_kernels {
    jem__winograd_transform input;      /* of the layer's input: the forward pass */
    jem__winograd_inverse output;       /* to pixels of the layer's output */
    jem__winograd_transform input_back; /* of the output's gradient, for the input gradient */
    jem__winograd_inverse output_back;  /* to pixels of the input gradient */
    jem__winograd_transform gradient;   /* of the output's gradient, for the weight gradient */
    jem__winograd_transform filter;     /* of nine taps */
    jem__winograd_inverse taps;         /* to nine taps, added to `add` */
} jem__winograd_kernels;

typedef struct jem__kernels {
    const char *name; /* "avx512", as in jem_context_create("cpu:avx512") */
    int64_t cols;     /* columns of a panel of B */
    void (*gemm)(const jem__gemm *g);
    void (*epilogue_forward)(const float *in, const float *bias, const float *add, float *out,
                             uint8_t *bits, int64_t n);
    void (*epilogue_backward)(const float *in, const uint8_t *bits, float slope,
                              const float *add, float *out, int64_t n);
    int64_t rows; /* rows of a register tile: gemm is fastest where m is a multiple */
    const jem__winograd_kernels *winograd; /* by kind; NULL: not available */
    const jem__direct_kernels *direct;     /* few input channels; NULL: not available */
    /* jem__rng_normal(), the same bits in all sets. */
    void (*normal)(const jem__rng *rng, uint32_t first, int64_t n, float *out);
} jem__kernels;

#if defined(__x86_64__)
extern const jem__kernels jem__kernels_avx512; /* tile_avx512.c */
extern const jem__kernels jem__kernels_avx2;   /* tile_avx2.c */
#endif
extern const jem__kernels jem__kernels_blis; /* gemm_blis.c: any machine */

/* The epilogues from channel `from` on, number by number: for the last channels of a row, and
 * where there are no vectors. `from` is a multiple of 8. */
void jem__epilogue_forward_plain(const float *in, const float *bias, const float *add,
                                 float *out, uint8_t *bits, int64_t from, int64_t n);
void jem__epilogue_backward_plain(const float *in, const uint8_t *bits, float slope,
                                  const float *add, float *out, int64_t from, int64_t n);

/* gemm_blis.c: the version of BLIS that runs, for people. */
const char *jem__blis_version(void);

#endif
