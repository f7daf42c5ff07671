/* SPDX-License-Identifier: MIT */
#ifndef KIT_BASE_SPLITMIX_H
#define KIT_BASE_SPLITMIX_H

/* SplitMix64 (Steele, Lea and Flood 2014): good enough for noise images, drawn labels and
 * bootstraps, and short. Numbers of libjem itself come from elsewhere. */

#include <stdint.h>

static inline uint64_t splitmix_next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15U;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
    z = (z ^ z >> 27) * 0x94d049bb133111ebU;
    return z ^ z >> 31;
}

/* The state that begins stream number `stream` of a seed. */
static inline uint64_t splitmix_begin(int64_t seed, uint64_t stream)
{
    uint64_t state = (uint64_t)seed;

    state = splitmix_next(&state) + stream;
    return splitmix_next(&state);
}

/* [0, 1), in steps of 2^-53. */
static inline double splitmix_uniform(uint64_t *state)
{
    return (double)(splitmix_next(state) >> 11) * 0x1p-53;
}

#endif
