/* SPDX-License-Identifier: MIT */
#ifndef KIT_STATS_MEDIAN_H
#define KIT_STATS_MEDIAN_H

#include <stdint.h>

/* The median of n >= 1 values in any order, none of them NaN; NaN when memory ran out, which is
 * reported. */
double median(const double *values, int64_t n);

#endif
