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
 * finish_forward and finish_backward, the epilogues of one pixel of n channels:
 *
 *     out = in + bias + add, bits = (out > 0)        bias, add, bits may be NULL
 *     out = in * (bit ? 1 : leak) + add              bits, add may be NULL */

#include <stdint.h>

#include "backend/cpu/direct.h"
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
} jem__gemm;

typedef struct jem__kernels {
    const char *name; /* "avx512", as in jem_context_create("cpu:avx512") */
    int64_t cols;     /* columns of a panel of B */
    void (*gemm)(const jem__gemm *g);
    void (*finish_forward)(const float *in, const float *bias, const float *add, float *out,
                           uint8_t *bits, int64_t n);
    void (*finish_backward)(const float *in, const uint8_t *bits, const float *add, float *out,
                            int64_t n);
    /* Winograd's transforms of one tile, see winograd_kernel.h: 36 pixels of c channels to 36
     * planes `plane` floats apart; 36 planes to 16 pixels of k channels. c and k are multiples of
     * 16. NULL: not available. */
    void (*winograd_input)(const float *const pixels[36], int64_t c, int32_t leaky, float *v,
                           int64_t plane);
    void (*winograd_output)(const float *m, int64_t plane, int64_t k, float *out);
    const jem__direct_kernels *direct; /* few input channels; NULL: not available */
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
void jem__finish_forward_plain(const float *in, const float *bias, const float *add, float *out,
                               uint8_t *bits, int64_t from, int64_t n);
void jem__finish_backward_plain(const float *in, const uint8_t *bits, const float *add,
                                float *out, int64_t from, int64_t n);

/* gemm_blis.c: the version of BLIS that runs, for people. */
const char *jem__blis_version(void);

#endif
