/* SPDX-License-Identifier: MIT */
#ifndef KIT_STATS_SPREAD_H
#define KIT_STATS_SPREAD_H

#include <stdint.h>

/* How some values, none of them NaN, lie. All NaN where there are none. */
struct spread {
    int64_t n;
    double mean, std; /* divisor of the variance: n - 1, so the std of one value is NaN */
    double median, min, max;
};

struct spread spread_of(const double *values, int64_t n);

#endif
