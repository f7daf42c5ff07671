/* SPDX-License-Identifier: MIT */

/* The tile kernel with AVX2 and FMA: 8 floats a vector, tiles of 6 x 16. Compiled with -mavx2 -mfma;
 * nothing in here may run before cpu.c has asked the processor. */

#include "backend/cpu/kernels.h"

#if defined(__AVX2__) && defined(__FMA__)

#include <immintrin.h>

#include "backend/backend.h"

#define WIDTH     8
#define TILE_ROWS 6

typedef __m256 vec;

static inline __attribute__((always_inline)) vec v_load(const float *p)
{
    return _mm256_loadu_ps(p);
}

static inline __attribute__((always_inline)) void v_store(float *p, vec a)
{
    _mm256_storeu_ps(p, a);
}

static inline __attribute__((always_inline)) vec v_broadcast(float a)
{
    return _mm256_set1_ps(a);
}

static inline __attribute__((always_inline)) vec v_fma(vec a, vec b, vec c)
{
    return _mm256_fmadd_ps(a, b, c);
}

static inline __attribute__((always_inline)) vec v_fnma(vec a, vec b, vec c) /* c - a b */
{
    return _mm256_fnmadd_ps(a, b, c);
}

static inline __attribute__((always_inline)) vec v_max(vec a, vec b)
{
    return _mm256_max_ps(a, b);
}

static inline __attribute__((always_inline)) void v_bits(uint8_t *bits, vec a)
{
    *bits = (uint8_t)_mm256_movemask_ps(_mm256_cmp_ps(a, _mm256_setzero_ps(), _CMP_GT_OQ));
}

static inline __attribute__((always_inline)) vec v_leak(const uint8_t *bits, vec a)
{
    const __m256i lane = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    const __m256i set = _mm256_and_si256(_mm256_set1_epi32(*bits), lane);
    const vec positive = _mm256_castsi256_ps(_mm256_cmpeq_epi32(set, lane));

    return _mm256_blendv_ps(a * v_broadcast(JEM__LEAK), a, positive);
}

#include "backend/cpu/tile_kernel.h"
#include "backend/cpu/winograd_kernel.h"

const jem__kernels jem__kernels_avx2 = {.name = "avx2",
                                        .cols = 2 * WIDTH,
                                        .gemm = tiles,
                                        .finish_forward = finish_forward,
                                        .finish_backward = finish_backward,
                                        .rows = TILE_ROWS,
                                        .winograd = winograd};

#endif
