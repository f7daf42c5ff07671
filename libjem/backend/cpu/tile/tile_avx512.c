/* SPDX-License-Identifier: MIT */

/* The tile kernel with AVX-512F: 16 floats a vector, tiles of 14 x 32. Compiled with -mavx512f;
 * nothing in here may run before cpu.c has asked the processor. */

#include "backend/cpu/kernels.h"

#if defined(__AVX512F__)

#include <immintrin.h>
#include <string.h>

#include "core/random_kernel.h"

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

static inline __attribute__((always_inline)) vec v_leak(const uint8_t *bits, vec a, vec slope)
{
    uint16_t mask;

    memcpy(&mask, bits, sizeof mask);
    return _mm512_mask_blend_ps(mask, a * slope, a);
}

/* The same from one byte, for the lower eight lanes. */
static inline __attribute__((always_inline)) vec v_leak_byte(uint8_t bits, vec a, vec slope)
{
    return _mm512_mask_blend_ps((__mmask16)bits, a * slope, a);
}

/* A load for several uses: gcc would rather load again in each of them, and the loads are what
 * the kernels wait for. */
static inline __attribute__((always_inline)) vec v_load_once(const float *p)
{
    vec a = v_load(p);

    __asm__("" : "+v"(a));
    return a;
}

/* The first n lanes of a vector, 0 < n <= WIDTH; zeros behind them. */
static inline __mmask16 first_lanes(int64_t n)
{
    return n < WIDTH ? (__mmask16)((1U << n) - 1U) : (__mmask16)0xFFFFU;
}

static inline vec v_load_part(const float *p, int64_t n)
{
    return _mm512_maskz_loadu_ps(first_lanes(n), p);
}

static inline void v_store_part(float *p, vec a, int64_t n)
{
    _mm512_mask_storeu_ps(p, first_lanes(n), a);
}

/* Lane i: the sum of the lanes of a[i]. Each step adds the halves (quarters, ...) of two
 * vectors into one; lanes that are paired differ in one bit of their number, from the highest
 * down, for every i, and the order within a pair does not change a sum. */
static inline __attribute__((always_inline)) vec v_sums(vec a[WIDTH])
{
    for (int i = 0; i < 8; i++)
        a[i] = _mm512_mask_blend_ps(0xFF00, a[i], a[i + 8]) +
               _mm512_shuffle_f32x4(a[i], a[i + 8], _MM_SHUFFLE(1, 0, 3, 2));
    for (int i = 0; i < 4; i++) {
        const vec other = _mm512_mask_blend_ps(0x0F0F, a[i], a[i + 4]);
        a[i] = _mm512_mask_blend_ps(0xF0F0, a[i], a[i + 4]) +
               _mm512_shuffle_f32x4(other, other, _MM_SHUFFLE(2, 3, 0, 1));
    }
    for (int i = 0; i < 2; i++)
        a[i] = _mm512_mask_blend_ps(0xCCCC, a[i], a[i + 2]) +
               _mm512_shuffle_ps(a[i], a[i + 2], _MM_SHUFFLE(1, 0, 3, 2));
    const vec other = _mm512_mask_blend_ps(0x5555, a[0], a[1]);
    return _mm512_mask_blend_ps(0xAAAA, a[0], a[1]) +
           _mm512_permute_ps(other, _MM_SHUFFLE(2, 3, 0, 1));
}

#include "backend/cpu/tile/tile_kernel.h"

#include "backend/cpu/convolution/direct_kernel.h"
#include "backend/cpu/winograd/winograd_kernel.h"

static void normal(const jem__rng *rng, uint32_t first, int64_t n, float *out)
{
    make_normals(rng, first, n, out);
}

const jem__kernels jem__kernels_avx512 = {.name = "avx512",
                                          .cols = 2 * WIDTH,
                                          .gemm = tiles,
                                          .epilogue_forward = epilogue_forward,
                                          .epilogue_backward = epilogue_backward,
                                          .rows = TILE_ROWS,
                                          .winograd = winograd,
                                          .direct = &direct,
                                          .normal = normal};

#endif
