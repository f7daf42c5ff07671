/* SPDX-License-Identifier: MIT */
#ifndef JEM_CORE_RANDOM_H
#define JEM_CORE_RANDOM_H

/* Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror and Shaw 2011).
 *
 * There is no state to carry, only an address:
 *
 *     key     = (seed, stream), mixed to 64 bits by Philox itself
 *     counter = element block (32 bits) | purpose (8) and minor (24) | index (64)
 *
 * `index` is the number of the thing that is random on its own (a chain, an image drawn, an
 * epoch), `minor` a step within it, and the element block counts groups of four numbers in
 * it. So a number depends neither on threads, nor on batches, nor on what ran before. */

#include <stdint.h>

/* What a number is for. Values are part of the results: never change or reuse one. */
enum jem__purpose {
    JEM__RNG_INIT = 1,          /* initial weights; index = parameter number */
    JEM__RNG_START = 2,         /* draw from p0; index = start number */
    JEM__RNG_START_CLASS = 3,   /* class of a start; index = start number */
    JEM__RNG_SGLD = 4,          /* SGLD noise; index = chain, minor = step */
    JEM__RNG_SLOT = 5,          /* slot and restart decision of a draw; index = draw number */
    JEM__RNG_SHUFFLE_PX = 6,    /* order of x_d; index = epoch */
    JEM__RNG_SHUFFLE_PYX = 7,   /* order of x_l; index = epoch */
    JEM__RNG_AUGMENT_PX = 8,    /* crop and flip of x_d; index = image number in training */
    JEM__RNG_AUGMENT_PYX = 9,   /* crop and flip of x_l */
    JEM__RNG_NOISE_PX = 10,     /* input noise of x_d */
    JEM__RNG_NOISE_PYX = 11,    /* input noise of x_l */
    JEM__RNG_SAMPLE_CLASS = 12, /* class of a class-conditional chain; index = draw number */
    JEM__RNG_SPLIT = 13         /* random parts of a data set */
};

typedef struct jem__key {
    uint32_t k0, k1;
} jem__key;

/* Where numbers come from; see the top. minor < 2^24. */
typedef struct jem__rng {
    jem__key key;
    enum jem__purpose purpose;
    uint32_t minor;
    uint64_t index;
} jem__rng;

/* The bare generator: 4 words from a counter and a key, 10 rounds. */
void jem__philox4x32(const uint32_t counter[4], jem__key key, uint32_t out[4]);

jem__key jem__rng_key(int64_t seed, int64_t stream);

/* Elements first .. first + n - 1 of an address; `first` must be a multiple of 4.
 * uniform: (w >> 8) * 2^-24, in [0, 1). normal: Box-Muller on pairs (w0, w1), (w2, w3), with
 * own polynomials for log, sin and cos made of +, * and sqrt only: the same bits whatever libm,
 * CPU or vector width (build with -ffp-contract=off); none is larger than 5.8 in magnitude. */
void jem__rng_words(const jem__rng *rng, uint32_t first, int64_t n, uint32_t *out);
void jem__rng_uniform(const jem__rng *rng, uint32_t first, int64_t n, float *out);
void jem__rng_normal(const jem__rng *rng, uint32_t first, int64_t n, float *out);

/* A number in [0, bound), bound >= 1, from 64 random bits (multiply-shift). */
int64_t jem__rng_below(const uint32_t words[2], int64_t bound);

/* A random order of 0 .. n - 1 (Fisher-Yates from the end). */
void jem__rng_permutation(const jem__rng *rng, int64_t n, int64_t *out);

#endif
