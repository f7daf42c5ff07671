/* SPDX-License-Identifier: MIT */
#ifndef KIT_STATS_MEDIAN_H
#define KIT_STATS_MEDIAN_H

#include <stdint.h>

/* Of n >= 1 values, none of them NaN; between the middle two of an even number. NaN when memory
 * ran out, which is reported. */
double median(const double *values, int64_t n);

/* The same of values that ascend, and the value below which the share 0 <= share <= 1 of them
 * lies, between two of them by linear interpolation. */
double median_of_sorted(const double *sorted, int64_t n);
double quantile_of_sorted(const double *sorted, int64_t n, double share);

/* Let n values ascend; none of them is NaN. */
void sort_values(double *values, int64_t n);

#endif
