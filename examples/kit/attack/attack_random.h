/* SPDX-License-Identifier: MIT */
#ifndef KIT_ATTACK_ATTACK_RANDOM_H
#define KIT_ATTACK_ATTACK_RANDOM_H

/* Random numbers of attacks and defences. A generator is opened at an address (seed, purpose,
 * draw, index), so that the numbers of an image or a chain depend on nothing that was drawn
 * before. */

#include <stdint.h>

enum attack_purpose {
    ATTACK_FOR_INPUT = 1, /* noise on the image that a defence looks at */
    ATTACK_FOR_START,     /* where an attack begins */
    ATTACK_FOR_SEARCH     /* proposals of attacks that ask no gradient */
};

struct attack_random {
    uint64_t state;
};

struct attack_random attack_random_at(int64_t seed, enum attack_purpose purpose, int64_t draw,
                                      int64_t index);

/* In [0, 1), with 53 bits. */
double attack_random_unit(struct attack_random *r);

/* In [-1, 1). */
double attack_random_signed(struct attack_random *r);

/* -1 or 1. */
double attack_random_sign(struct attack_random *r);

/* N(0, 1), by Box and Muller. */
double attack_random_normal(struct attack_random *r);

/* In 0, ..., bound - 1; bound >= 1. */
int64_t attack_random_below(struct attack_random *r, int64_t bound);

/* A random order of 0, ..., n - 1. */
void attack_random_order(struct attack_random *r, int64_t n, int64_t *out);

#endif
