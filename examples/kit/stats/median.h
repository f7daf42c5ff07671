/* SPDX-License-Identifier: MIT */
#ifndef KIT_STATS_MEDIAN_H
#define KIT_STATS_MEDIAN_H

#include <stdint.h>

/* Of n >= 1 values, none of them NaN; between the middle two of an even number. NaN when memory
 * ran out, which is reported. */
double median(const double *values, int64_t n);

#endif
