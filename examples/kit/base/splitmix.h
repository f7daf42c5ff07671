/* SPDX-License-Identifier: MIT */
#ifndef KIT_BASE_SPLITMIX_H
#define KIT_BASE_SPLITMIX_H

/* The kit's random numbers: SplitMix64 (Steele, Lea and Flood 2014), which is short, and good
 * enough for noise images, drawn labels and bootstraps. libjem has a generator of its own. */

#include <math.h>
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

/* [-1, 1), in steps of 2^-23. */
static inline float splitmix_symmetric(uint64_t *state)
{
    return (float)(splitmix_next(state) >> 40) * 0x1p-23F - 1.0F;
}

/* 0 to bound - 1. (The remainder favours small numbers by less than bound / 2^64.) */
static inline int64_t splitmix_below(uint64_t *state, int64_t bound)
{
    return (int64_t)(splitmix_next(state) % (uint64_t)bound);
}

/* Two normal numbers of the given standard deviation (Box and Muller 1958). */
static inline void splitmix_normal(uint64_t *state, double std, double out[2])
{
    const double radius = std * sqrt(-2 * log(1 - splitmix_uniform(state)));
    const double angle = 6.283185307179586 * splitmix_uniform(state);

    out[0] = radius * cos(angle);
    out[1] = radius * sin(angle);
}

#endif
