/* SPDX-License-Identifier: MIT */
#ifndef JEM_CORE_ARITHMETIC_H
#define JEM_CORE_ARITHMETIC_H

/* Whole numbers: the smaller, the larger, rounding up, and sums and products that cannot
 * overflow unnoticed. */

#include <stdint.h>

static inline int64_t jem__min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t jem__max(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* a / b rounded up, for a >= 0 and b > 0. */
static inline int64_t jem__ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

/* The smallest multiple of `unit` that is at least a, for a >= 0 and unit > 0. */
static inline int64_t jem__round_up(int64_t a, int64_t unit)
{
    return jem__ceil_div(a, unit) * unit;
}

/* a * b in *out; 0 when it overflows or a factor is negative, else 1. */
static inline int32_t jem__mul(int64_t a, int64_t b, int64_t *out)
{
    return a >= 0 && b >= 0 && !__builtin_mul_overflow(a, b, out);
}

/* a + b in *out; 0 when it overflows or a term is negative, else 1. */
static inline int32_t jem__add(int64_t a, int64_t b, int64_t *out)
{
    return a >= 0 && b >= 0 && !__builtin_add_overflow(a, b, out);
}

#endif
