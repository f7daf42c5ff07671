/* SPDX-License-Identifier: MIT */

/* The tile kernel with AVX2 and FMA: 8 floats a vector, tiles of 6 x 16. Compiled with -mavx2
 * -mfma; nothing in here may run before cpu.c has asked the processor. */

#include "backend/cpu/kernels.h"

#if defined(__AVX2__) && defined(__FMA__)

#include <immintrin.h>

#include "core/random_kernel.h"

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

static inline __attribute__((always_inline)) vec v_leak(const uint8_t *bits, vec a, vec slope)
{
    const __m256i lane = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    const __m256i set = _mm256_and_si256(_mm256_set1_epi32(*bits), lane);
    const vec positive = _mm256_castsi256_ps(_mm256_cmpeq_epi32(set, lane));

    return _mm256_blendv_ps(a * slope, a, positive);
}

static inline __attribute__((always_inline)) vec v_leak_byte(uint8_t bits, vec a, vec slope)
{
    return v_leak(&bits, a, slope);
}

/* A load for several uses; compilers do the right thing here, unlike with AVX-512. */
static inline __attribute__((always_inline)) vec v_load_once(const float *p)
{
    return v_load(p);
}

/* The first n lanes of a vector, 0 < n <= WIDTH; zeros behind them. */
static inline __m256i first_lanes(int64_t n)
{
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);

    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int32_t)n), lane);
}

static inline vec v_load_part(const float *p, int64_t n)
{
    return _mm256_maskload_ps(p, first_lanes(n));
}

static inline void v_store_part(float *p, vec a, int64_t n)
{
    _mm256_maskstore_ps(p, first_lanes(n), a);
}

/* Lane i: the sum of the lanes of a[i]. Each step adds the halves (quarters, eighths) of two
 * vectors into one; lanes that are paired differ in one bit of their number, from the highest
 * down, for every i, and the order within a pair does not change a sum. */
static inline __attribute__((always_inline)) vec v_sums(vec a[WIDTH])
{
    for (int i = 0; i < 4; i++)
        a[i] = _mm256_blend_ps(a[i], a[i + 4], 0xF0) +
               _mm256_permute2f128_ps(a[i], a[i + 4], 0x21);
    for (int i = 0; i < 2; i++)
        a[i] = _mm256_blend_ps(a[i], a[i + 2], 0xCC) +
               _mm256_shuffle_ps(a[i], a[i + 2], _MM_SHUFFLE(1, 0, 3, 2));
    const vec other = _mm256_blend_ps(a[0], a[1], 0x55);
    return _mm256_blend_ps(a[0], a[1], 0xAA) +
           _mm256_permute_ps(other, _MM_SHUFFLE(2, 3, 0, 1));
}

#include "backend/cpu/tile/tile_kernel.h"

#include "backend/cpu/convolution/direct_kernel.h"
#include "backend/cpu/winograd/winograd_kernel.h"

static void normal(const jem__rng *rng, uint32_t first, int64_t n, float *out)
{
    make_normals(rng, first, n, out);
}

const jem__kernels jem__kernels_avx2 = {.name = "avx2",
                                        .cols = 2 * WIDTH,
                                        .gemm = tiles,
                                        .epilogue_forward = epilogue_forward,
                                        .epilogue_backward = epilogue_backward,
                                        .rows = TILE_ROWS,
                                        .winograd = winograd,
                                        .direct = &direct,
                                        .normal = normal};

#endif
