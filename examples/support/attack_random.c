/* SPDX-License-Identifier: MIT */

/* See attack_random.h. */

#include "attack_random.h"

#include <math.h>

static uint64_t mix(uint64_t z)
{
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
    z = (z ^ z >> 27) * 0x94d049bb133111ebU;
    return z ^ z >> 31;
}

static uint64_t next_word(struct attack_random *r)
{
    r->state += 0x9e3779b97f4a7c15U;
    return mix(r->state);
}

struct attack_random attack_random_at(int64_t seed, enum attack_purpose purpose, int64_t draw,
                                      int64_t index)
{
    struct attack_random r = {(uint64_t)seed};

    r.state = next_word(&r) ^ (uint64_t)purpose;
    r.state = next_word(&r) ^ (uint64_t)draw;
    r.state = next_word(&r) ^ (uint64_t)index;
    r.state = next_word(&r);
    return r;
}

double attack_random_unit(struct attack_random *r)
{
    return (double)(next_word(r) >> 11) * 0x1p-53;
}

double attack_random_signed(struct attack_random *r)
{
    return 2 * attack_random_unit(r) - 1;
}

double attack_random_sign(struct attack_random *r)
{
    return next_word(r) >> 63 ? 1 : -1;
}

double attack_random_normal(struct attack_random *r)
{
    const double radius = sqrt(-2 * log(1 - attack_random_unit(r)));

    return radius * cos(6.283185307179586 * attack_random_unit(r));
}

int64_t attack_random_below(struct attack_random *r, int64_t bound)
{
    return (int64_t)(attack_random_unit(r) * (double)bound);
}

void attack_random_order(struct attack_random *r, int64_t n, int64_t *out)
{
    for (int64_t i = 0; i < n; i++) {
        const int64_t j = attack_random_below(r, i + 1);

        out[i] = out[j];
        out[j] = i;
    }
}
