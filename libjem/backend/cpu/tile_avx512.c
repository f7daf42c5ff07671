/* SPDX-License-Identifier: MIT */

/* The tile kernel with AVX-512F: 16 floats a vector, tiles of 14 x 32. Compiled with -mavx512f;
 * nothing in here may run before cpu.c has asked the processor. */

#include "backend/cpu/kernels.h"

#if defined(__AVX512F__)

#include <immintrin.h>
#include <string.h>

#include "backend/backend.h"

#define WIDTH     16
#define TILE_ROWS 14

typedef __m512 vec;

static inline __attribute__((always_inline)) vec v_load(const float *p)
{
    return _mm512_loadu_ps(p);
}

static inline __attribute__((always_inline)) void v_store(float *p, vec a)
{
    _mm512_storeu_ps(p, a);
}

static inline __attribute__((always_inline)) vec v_broadcast(float a)
{
    return _mm512_set1_ps(a);
}

static inline __attribute__((always_inline)) vec v_fma(vec a, vec b, vec c)
{
    return _mm512_fmadd_ps(a, b, c);
}

static inline __attribute__((always_inline)) vec v_fnma(vec a, vec b, vec c) /* c - a b */
{
    return _mm512_fnmadd_ps(a, b, c);
}

static inline __attribute__((always_inline)) vec v_max(vec a, vec b)
{
    return _mm512_max_ps(a, b);
}

static inline __attribute__((always_inline)) void v_bits(uint8_t *bits, vec a)
{
    const uint16_t mask = _mm512_cmp_ps_mask(a, _mm512_setzero_ps(), _CMP_GT_OQ);

    memcpy(bits, &mask, sizeof mask);
}

static inline __attribute__((always_inline)) vec v_leak(const uint8_t *bits, vec a)
{
    uint16_t mask;

    memcpy(&mask, bits, sizeof mask);
    return _mm512_mask_blend_ps(mask, a * v_broadcast(JEM__LEAK), a);
}

#include "backend/cpu/tile_kernel.h"
#include "backend/cpu/winograd_kernel.h"

const jem__kernels jem__kernels_avx512 = {.name = "avx512",
                                          .cols = 2 * WIDTH,
                                          .gemm = tiles,
                                          .finish_forward = finish_forward,
                                          .finish_backward = finish_backward,
                                          .rows = TILE_ROWS,
                                          .winograd = winograd};

#endif
