/* SPDX-License-Identifier: MIT */
/* Philox4x32-10 and what is made of its words.
 *
 * Numbers are made in groups of BLOCKS Philox blocks held as arrays, so that the compiler can
 * turn each loop into vector instructions. That changes speed only: every number is the same
 * chain of IEEE single-precision +, * and sqrt, each rounded once, whatever the vector width.
 * Hence no fused multiply-add (-ffp-contract=off), and no libm but sqrtf. */

#include "core/random.h"

#include <math.h>
#include <string.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define BLOCKS 16           /* Philox blocks made together */
#define WORDS  (4 * BLOCKS) /* numbers they hold */
#define PAIRS  (2 * BLOCKS) /* Box-Muller pairs */

/* One of the ten rounds (Salmon et al. 2011, section 4.2), for a counter c under a key k. */
static inline void philox_round(uint32_t c[4], uint32_t k0, uint32_t k1)
{
    const uint64_t a = (uint64_t)c[0] * 0xD2511F53u;
    const uint64_t b = (uint64_t)c[2] * 0xCD9E8D57u;
    c[0] = (uint32_t)(b >> 32) ^ c[1] ^ k0;
    c[1] = (uint32_t)b;
    c[2] = (uint32_t)(a >> 32) ^ c[3] ^ k1;
    c[3] = (uint32_t)a;
}

/* Ten rounds in a row and not in a loop: so the loop over blocks around them is an innermost
 * one, which compilers vectorise. The key grows by Weyl constants from round to round. */
static inline void philox(uint32_t c[4], uint32_t k0, uint32_t k1)
{
    const uint32_t w0 = 0x9E3779B9u, w1 = 0xBB67AE85u;
    philox_round(c, k0, k1);
    philox_round(c, k0 + w0, k1 + w1);
    philox_round(c, k0 + 2 * w0, k1 + 2 * w1);
    philox_round(c, k0 + 3 * w0, k1 + 3 * w1);
    philox_round(c, k0 + 4 * w0, k1 + 4 * w1);
    philox_round(c, k0 + 5 * w0, k1 + 5 * w1);
    philox_round(c, k0 + 6 * w0, k1 + 6 * w1);
    philox_round(c, k0 + 7 * w0, k1 + 7 * w1);
    philox_round(c, k0 + 8 * w0, k1 + 8 * w1);
    philox_round(c, k0 + 9 * w0, k1 + 9 * w1);
}

void jem__philox4x32(const uint32_t counter[4], jem__key key, uint32_t out[4])
{
    memcpy(out, counter, 4 * sizeof *out);
    philox(out, key.k0, key.k1);
}

jem__key jem__rng_key(int64_t seed, int64_t stream)
{
    const uint64_t s = (uint64_t)seed, t = (uint64_t)stream;
    const jem__key key = {(uint32_t)s, (uint32_t)(s >> 32)};
    const uint32_t counter[4] = {(uint32_t)t, (uint32_t)(t >> 32), 0x4D454Au /* "JEM" */, 0};
    uint32_t word[4];
    jem__philox4x32(counter, key, word);
    return (jem__key){word[0], word[1]};
}

/* Blocks first .. first + BLOCKS - 1 of an address: word[i][b] is word i of block first + b. */
static void make_blocks(const jem__rng *rng, uint32_t first, uint32_t word[4][BLOCKS])
{
    const uint32_t use = (uint32_t)rng->purpose << 24 | (rng->minor & 0xFFFFFFu);
    const uint32_t low = (uint32_t)rng->index, high = (uint32_t)(rng->index >> 32);
    const uint32_t k0 = rng->key.k0, k1 = rng->key.k1;
    for (uint32_t b = 0; b < BLOCKS; b++) {
        uint32_t c[4] = {first + b, use, low, high};
        philox(c, k0, k1);
        word[0][b] = c[0];
        word[1][b] = c[1];
        word[2][b] = c[2];
        word[3][b] = c[3];
    }
}

/* The three makers of WORDS numbers from block `first` on. */

static void make_words(const jem__rng *rng, uint32_t first, uint32_t out[WORDS])
{
    uint32_t word[4][BLOCKS];
    make_blocks(rng, first, word);
    for (int b = 0; b < BLOCKS; b++) {
        out[4 * b] = word[0][b];
        out[4 * b + 1] = word[1][b];
        out[4 * b + 2] = word[2][b];
        out[4 * b + 3] = word[3][b];
    }
}

static void make_uniform(const jem__rng *rng, uint32_t first, float out[WORDS])
{
    uint32_t word[WORDS];
    make_words(rng, first, word);
    for (int i = 0; i < WORDS; i++)
        out[i] = (float)(int32_t)(word[i] >> 8) * 0x1p-24f;
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
    const float v = (float)(int32_t)(w >> 9) + 0.5f;
    /* The exponent counts from sqrt(1/2) and is biased to keep the number positive. */
    const uint32_t shifted = bits_of(v) - root_half + (64u << 23);
    const float e = (float)((int32_t)(shifted >> 23) - (64 + 23));
    const float f = float_of((shifted & 0x7FFFFFu) + root_half) - 1.0f;
    const float square = f * f;
    float p = -0.07634505626f;
    p = p * f + 0.1276157581f;
    p = p * f - 0.1316017783f;
    p = p * f + 0.1420175783f;
    p = p * f - 0.1662335787f;
    p = p * f + 0.2000122691f;
    p = p * f - 0.2500082102f;
    p = p * f + 0.3333333171f;
    const float tail = p * f * square + e * -2.12194440e-4f - 0.5f * square;
    return -2.0f * ((f + tail) + e * 0.693359375f);
}

/* Cosine and sine of a uniform angle: (pi/2) (q + t), q the upper two bits of w, t in
 * (-1/2, 1/2) the other bits as ((w & 0x3FFFFFFF) >> 6) + 1/2, scaled. Minimax polynomials in
 * (pi/4)^2, relative error 4e-9 and 1e-10; then the quadrant swaps and turns signs. */
static inline void cos_sin(uint32_t w, float *cosine, float *sine)
{
    const float centred = (float)((int32_t)((w & 0x3FFFFFFFu) >> 6) - (1 << 23)) + 0.5f;
    const float a = centred * (1.57079632679f * 0x1p-24f);
    const float square = a * a;
    float s = -0.000195172993f;
    s = s * square + 0.008332178149f;
    s = s * square - 0.1666665494f;
    s = a + a * square * s;
    float c = 2.443845264e-5f;
    c = c * square - 0.001388736753f;
    c = c * square + 0.04166664687f;
    c = 1.0f - (0.5f * square - square * square * c);
    const uint32_t q = w >> 30;
    const uint32_t swap = 0u - (q & 1u); /* all ones in the odd quadrants */
    const uint32_t c_bits = bits_of(c), s_bits = bits_of(s);
    const uint32_t exchange = (c_bits ^ s_bits) & swap;
    *cosine = float_of((c_bits ^ exchange) ^ ((q + 1u) & 2u) << 30);
    *sine = float_of((s_bits ^ exchange) ^ (q & 2u) << 30);
}

/* Square roots are rounded correctly everywhere, so both ways give the same bits. The compiler
 * cannot vectorise sqrtf itself, which may have to set errno. */
static void square_roots(float x[PAIRS])
{
#if defined(__SSE2__)
    for (int i = 0; i < PAIRS; i += 4)
        _mm_storeu_ps(x + i, _mm_sqrt_ps(_mm_loadu_ps(x + i)));
#else
    for (int i = 0; i < PAIRS; i++)
        x[i] = sqrtf(x[i]);
#endif
}

/* Box and Muller (1958): (r cos t, r sin t), r = sqrt(-2 ln u). Words 0 and 1 of a block give
 * its first two numbers, words 2 and 3 the other two. */
static void make_normal(const jem__rng *rng, uint32_t first, float out[WORDS])
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

/* The three public makers differ in the maker above only: whole groups go straight to `out`,
 * the last part by way of a buffer. */

void jem__rng_words(const jem__rng *rng, uint32_t first, int64_t n, uint32_t *out)
{
    uint32_t block = first / 4, rest[WORDS];
    for (; n >= WORDS; n -= WORDS, out += WORDS, block += BLOCKS)
        make_words(rng, block, out);
    if (n > 0) {
        make_words(rng, block, rest);
        memcpy(out, rest, (size_t)n * sizeof *out);
    }
}

void jem__rng_uniform(const jem__rng *rng, uint32_t first, int64_t n, float *out)
{
    uint32_t block = first / 4;
    float rest[WORDS];
    for (; n >= WORDS; n -= WORDS, out += WORDS, block += BLOCKS)
        make_uniform(rng, block, out);
    if (n > 0) {
        make_uniform(rng, block, rest);
        memcpy(out, rest, (size_t)n * sizeof *out);
    }
}

void jem__rng_normal(const jem__rng *rng, uint32_t first, int64_t n, float *out)
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

int64_t jem__rng_below(const uint32_t words[2], int64_t bound)
{
    /* The upper half of the 128-bit product (words[1] : words[0]) * bound. */
    const uint64_t b0 = (uint64_t)bound & 0xFFFFFFFFu, b1 = (uint64_t)bound >> 32;
    const uint64_t middle = words[1] * b0 + (words[0] * b0 >> 32);
    const uint64_t carry = words[0] * b1 + (middle & 0xFFFFFFFFu);
    return (int64_t)(words[1] * b1 + (middle >> 32) + (carry >> 32));
}

void jem__rng_permutation(const jem__rng *rng, int64_t n, int64_t *out)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = i;
    /* Step s swaps entry n - 1 - s; its two words are elements 2 s and 2 s + 1. */
    uint32_t word[WORDS], block = 0;
    for (int64_t step = 0; step < n - 1; step++) {
        const int64_t at = step % PAIRS, i = n - 1 - step;
        if (at == 0) {
            make_words(rng, block, word);
            block += BLOCKS;
        }
        const int64_t j = jem__rng_below(&word[2 * at], i + 1);
        const int64_t entry = out[i];
        out[i] = out[j];
        out[j] = entry;
    }
}
