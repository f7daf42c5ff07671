/* SPDX-License-Identifier: MIT */
#ifndef KIT_BASE_EVENLY_H
#define KIT_BASE_EVENLY_H

/* Some of many, evenly spaced: what is stored may be sorted by class. */

#include <stdint.h>

/* The number that i of n has among the `of`; never below i. */
static inline int64_t evenly(int64_t i, int64_t n, int64_t of)
{
    return i * of / n;
}

#endif
