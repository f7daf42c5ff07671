/* SPDX-License-Identifier: MIT */

/* See attack_random.h. */

#include "kit/attack/attack_random.h"

#include <math.h>

#include "kit/base/splitmix.h"

struct attack_random attack_random_at(int64_t seed, enum attack_purpose purpose, int64_t draw,
                                      int64_t index)
{
    struct attack_random r = {(uint64_t)seed};

    r.state = splitmix_next(&r.state) ^ (uint64_t)purpose;
    r.state = splitmix_next(&r.state) ^ (uint64_t)draw;
    r.state = splitmix_next(&r.state) ^ (uint64_t)index;
    r.state = splitmix_next(&r.state);
    return r;
}

double attack_random_unit(struct attack_random *r)
{
    return splitmix_uniform(&r->state);
}

double attack_random_signed(struct attack_random *r)
{
    return 2 * attack_random_unit(r) - 1;
}

double attack_random_sign(struct attack_random *r)
{
    return splitmix_next(&r->state) >> 63 ? 1 : -1;
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
