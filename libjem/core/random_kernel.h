/* SPDX-License-Identifier: MIT */

/* Philox blocks and the normal numbers made of them: what takes the time in SGLD's noise, in a
 * header so that it can be compiled for several instruction sets (core/random.c for any machine,
 * the kernels of a backend for wider vectors).
 *
 * Numbers are made in groups of BLOCKS Philox blocks held as arrays, so that the compiler can
 * turn each loop into vector instructions. That changes speed only: every number is the same
 * chain of IEEE single-precision +, * and sqrt, each rounded once, whatever the vector width.
 * Hence no fused multiply-add (-ffp-contract=off), and no libm but sqrtf. */

#ifndef JEM_CORE_RANDOM_KERNEL_H
#define JEM_CORE_RANDOM_KERNEL_H

#include "core/random.h"

#include <math.h>
#include <string.h>
#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#elif defined(__SSE2__)
#include <emmintrin.h>
#endif

#define BLOCKS 16           /* Philox blocks made together */
#define WORDS  (4 * BLOCKS) /* numbers they hold */
#define PAIRS  (2 * BLOCKS) /* Box-Muller pairs */

/* A word of WIDE blocks, each in the lower half of a lane of 64 bits: there the instruction that
 * multiplies them wants it, and compilers do not find it by themselves. Upper halves may hold
 * anything; wide_mul() does not look at them, and wide_store() leaves them behind. */
#if defined(__AVX512F__)

#define WIDE 8
typedef __m512i wide;

static inline wide wide_set(uint32_t a)
{
    return _mm512_set1_epi64((int64_t)a);
}

static inline wide wide_count(uint32_t a)
{
    return _mm512_add_epi64(wide_set(a), _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7));
}

static inline wide wide_mul(wide a, wide b)
{
    return _mm512_mul_epu32(a, b);
}

static inline wide wide_high(wide a)
{
    return _mm512_srli_epi64(a, 32);
}

static inline wide wide_xor(wide a, wide b, wide c)
{
    return _mm512_xor_si512(_mm512_xor_si512(a, b), c);
}

static inline void wide_store(uint32_t out[WIDE], wide a)
{
    _mm256_storeu_si256((__m256i *)(void *)out, _mm512_cvtepi64_epi32(a));
}

#elif defined(__AVX2__)

#define WIDE 4
typedef __m256i wide;

static inline wide wide_set(uint32_t a)
{
    return _mm256_set1_epi64x((int64_t)a);
}

static inline wide wide_count(uint32_t a)
{
    return _mm256_add_epi64(wide_set(a), _mm256_setr_epi64x(0, 1, 2, 3));
}

static inline wide wide_mul(wide a, wide b)
{
    return _mm256_mul_epu32(a, b);
}

static inline wide wide_high(wide a)
{
    return _mm256_srli_epi64(a, 32);
}

static inline wide wide_xor(wide a, wide b, wide c)
{
    return _mm256_xor_si256(_mm256_xor_si256(a, b), c);
}

static inline void wide_store(uint32_t out[WIDE], wide a)
{
    const wide low = _mm256_permutevar8x32_epi32(a, _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6));

    _mm_storeu_si128((__m128i *)(void *)out, _mm256_castsi256_si128(low));
}

#elif defined(__SSE2__)

#define WIDE 2
typedef __m128i wide;

static inline wide wide_set(uint32_t a)
{
    return _mm_set1_epi64x((int64_t)a);
}

static inline wide wide_count(uint32_t a)
{
    return _mm_add_epi64(wide_set(a), _mm_set_epi64x(1, 0));
}

static inline wide wide_mul(wide a, wide b)
{
    return _mm_mul_epu32(a, b);
}

static inline wide wide_high(wide a)
{
    return _mm_srli_epi64(a, 32);
}

static inline wide wide_xor(wide a, wide b, wide c)
{
    return _mm_xor_si128(_mm_xor_si128(a, b), c);
}

static inline void wide_store(uint32_t out[WIDE], wide a)
{
    _mm_storel_epi64((__m128i *)(void *)out, _mm_shuffle_epi32(a, _MM_SHUFFLE(2, 0, 2, 0)));
}

#else

#define WIDE 1
typedef uint64_t wide;

static inline wide wide_set(uint32_t a)
{
    return a;
}

static inline wide wide_count(uint32_t a)
{
    return a;
}

static inline wide wide_mul(wide a, wide b)
{
    return (a & 0xFFFFFFFFu) * (b & 0xFFFFFFFFu);
}

static inline wide wide_high(wide a)
{
    return a >> 32;
}

static inline wide wide_xor(wide a, wide b, wide c)
{
    return a ^ b ^ c;
}

static inline void wide_store(uint32_t out[WIDE], wide a)
{
    out[0] = (uint32_t)a;
}

#endif

/* The ten rounds (Salmon et al. 2011, section 4.2) for WIDE counters c under a key k, which grows
 * by Weyl constants from round to round. */
static inline void philox(wide c[4], uint32_t k0, uint32_t k1)
{
    const wide m0 = wide_set(0xD2511F53u), m1 = wide_set(0xCD9E8D57u);

    for (int r = 0; r < 10; r++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
        const wide a = wide_mul(c[0], m0), b = wide_mul(c[2], m1);
        c[0] = wide_xor(wide_high(b), c[1], wide_set(k0));
        c[1] = b;
        c[2] = wide_xor(wide_high(a), c[3], wide_set(k1));
        c[3] = a;
    }
}

/* Blocks first .. first + BLOCKS - 1 of an address: word[i][b] is word i of block first + b. */
static inline void make_blocks(const jem__rng *rng, uint32_t first, uint32_t word[4][BLOCKS])
{
    const uint32_t use = (uint32_t)rng->purpose << 24 | (rng->minor & 0xFFFFFFu);
    const uint32_t low = (uint32_t)rng->index, high = (uint32_t)(rng->index >> 32);

    for (uint32_t b = 0; b < BLOCKS; b += WIDE) {
        wide c[4] = {wide_count(first + b), wide_set(use), wide_set(low), wide_set(high)};
        philox(c, rng->key.k0, rng->key.k1);
        for (int i = 0; i < 4; i++)
            wide_store(word[i] + b, c[i]);
    }
}

static inline uint32_t bits_of(float x)
{
    uint32_t bits;

    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline float float_of(uint32_t bits)
{
    float x;

    memcpy(&x, &bits, sizeof x);
    return x;
}

/* -2 ln u of u = ((w >> 9) + 1/2) 2^-23, which is never 0 or 1 and exact in a float.
 *
 * u = 2^e m with m in [sqrt(1/2), sqrt 2): ln u = e ln 2 + f - f^2/2 + f^3 P(f), f = m - 1. P
 * is the minimax polynomial, relative error of ln u 6e-9 before rounding; ln 2 comes in two
 * parts, so that e times the first is exact. */
static inline float minus_two_log(uint32_t w)
{
    const uint32_t root_half = 0x3F3504F3u; /* bits of sqrt(1/2) */
    const float v = (float)(int32_t)(w >> 9) + 0.5F;

    /* The exponent counts from sqrt(1/2) and is biased to keep the number positive. */
    const uint32_t shifted = bits_of(v) - root_half + (64u << 23);
    const float e = (float)((int32_t)(shifted >> 23) - (64 + 23));
    const float f = float_of((shifted & 0x7FFFFFu) + root_half) - 1.0F;
    const float square = f * f;
    float p = -0.07634505626F;
    p = p * f + 0.1276157581F;
    p = p * f - 0.1316017783F;
    p = p * f + 0.1420175783F;
    p = p * f - 0.1662335787F;
    p = p * f + 0.2000122691F;
    p = p * f - 0.2500082102F;
    p = p * f + 0.3333333171F;
    const float tail = p * f * square + e * -2.12194440e-4F - 0.5F * square;
    return -2.0F * ((f + tail) + e * 0.693359375F);
}

/* Cosine and sine of a uniform angle: (pi/2) (q + t), q the upper two bits of w, t in
 * (-1/2, 1/2) the other bits as ((w & 0x3FFFFFFF) >> 6) + 1/2, scaled. Minimax polynomials in
 * (pi/4)^2, relative error 4e-9 and 1e-10; then the quadrant swaps and turns signs. */
static inline void cos_sin(uint32_t w, float *cosine, float *sine)
{
    const float centred = (float)((int32_t)((w & 0x3FFFFFFFu) >> 6) - (1 << 23)) + 0.5F;
    const float a = centred * (1.57079632679F * 0x1p-24F);
    const float square = a * a;
    float s = -0.000195172993F;

    s = s * square + 0.008332178149F;
    s = s * square - 0.1666665494F;
    s = a + a * square * s;
    float c = 2.443845264e-5F;
    c = c * square - 0.001388736753F;
    c = c * square + 0.04166664687F;
    c = 1.0F - (0.5F * square - square * square * c);
    const uint32_t q = w >> 30;
    const uint32_t swap = 0u - (q & 1u); /* all ones in the odd quadrants */
    const uint32_t c_bits = bits_of(c), s_bits = bits_of(s);
    const uint32_t exchange = (c_bits ^ s_bits) & swap;
    *cosine = float_of((c_bits ^ exchange) ^ ((q + 1u) & 2u) << 30);
    *sine = float_of((s_bits ^ exchange) ^ (q & 2u) << 30);
}

/* Square roots are rounded correctly everywhere, so both ways give the same bits. The compiler
 * cannot vectorise sqrtf itself, which may have to set errno. */
static inline void square_roots(float x[PAIRS])
{
#if defined(__AVX512F__)
    for (int i = 0; i < PAIRS; i += 16)
        _mm512_storeu_ps(x + i, _mm512_sqrt_ps(_mm512_loadu_ps(x + i)));
#elif defined(__AVX2__)
    for (int i = 0; i < PAIRS; i += 8)
        _mm256_storeu_ps(x + i, _mm256_sqrt_ps(_mm256_loadu_ps(x + i)));
#elif defined(__SSE2__)
    for (int i = 0; i < PAIRS; i += 4)
        _mm_storeu_ps(x + i, _mm_sqrt_ps(_mm_loadu_ps(x + i)));
#else
    for (int i = 0; i < PAIRS; i++)
        x[i] = sqrtf(x[i]);
#endif
}

/* Box and Muller (1958): (r cos t, r sin t), r = sqrt(-2 ln u). Words 0 and 1 of a block give
 * its first two numbers, words 2 and 3 the other two. */
static inline void make_normal(const jem__rng *rng, uint32_t first, float out[WORDS])
{
    uint32_t word[4][BLOCKS];
    float radius[PAIRS], cosine[PAIRS], sine[PAIRS];

    make_blocks(rng, first, word);
    for (int half = 0; half < 2; half++) {
        const uint32_t *for_radius = word[2 * half], *for_angle = word[2 * half + 1];
        for (int b = 0; b < BLOCKS; b++)
            radius[half * BLOCKS + b] = minus_two_log(for_radius[b]);
        for (int b = 0; b < BLOCKS; b++)
            cos_sin(for_angle[b], &cosine[half * BLOCKS + b], &sine[half * BLOCKS + b]);
    }
    square_roots(radius);
    for (int b = 0; b < BLOCKS; b++) {
        out[4 * b] = radius[b] * cosine[b];
        out[4 * b + 1] = radius[b] * sine[b];
        out[4 * b + 2] = radius[BLOCKS + b] * cosine[BLOCKS + b];
        out[4 * b + 3] = radius[BLOCKS + b] * sine[BLOCKS + b];
    }
}

/* jem__rng_normal() */
static inline void make_normals(const jem__rng *rng, uint32_t first, int64_t n, float *out)
{
    uint32_t block = first / 4;
    float rest[WORDS];

    for (; n >= WORDS; n -= WORDS, out += WORDS, block += BLOCKS)
        make_normal(rng, block, out);
    if (n > 0) {
        make_normal(rng, block, rest);
        memcpy(out, rest, (size_t)n * sizeof *out);
    }
}

#endif
