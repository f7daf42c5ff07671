/* SPDX-License-Identifier: MIT */
/* Addresses, words and what is made of them; random_kernel.h has the inner loops. */

#include "core/random_kernel.h"

void jem__philox4x32(const uint32_t counter[4], jem__key key, uint32_t out[4])
{
    wide c[4];

    for (int i = 0; i < 4; i++)
        c[i] = wide_set(counter[i]);
    philox(c, key.k0, key.k1);
    for (int i = 0; i < 4; i++) {
        uint32_t words[WIDE];
        wide_store(words, c[i]);
        out[i] = words[0];
    }
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

/* The makers of WORDS numbers from block `first` on; make_normal() is in random_kernel.h. */

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
        out[i] = (float)(int32_t)(word[i] >> 8) * 0x1p-24F;
}

/* Fill `out` with the numbers that `make` gives: whole groups directly, the rest through a
 * buffer. */

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
    make_normals(rng, first, n, out);
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
