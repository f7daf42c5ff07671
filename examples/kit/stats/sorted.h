/* SPDX-License-Identifier: MIT */
#ifndef KIT_STATS_SORTED_H
#define KIT_STATS_SORTED_H

/* Values in rising order. None of them is NaN. */

#include <stdint.h>

void sort_floats(float *values, int64_t n);
void sort_doubles(double *values, int64_t n);

/* order[0] is the number of the smallest value, and so on; of equal ones the first comes first. */
int sort_order(const float *values, int64_t n, int64_t *order);
int sort_order_doubles(const double *values, int64_t n, int64_t *order);

/* Of n >= 1 sorted values: between the middle two of an even number. */
double sorted_median(const double *sorted, int64_t n);

/* The value below which a share of them lies, by linear interpolation between two. */
double sorted_quantile(const double *sorted, int64_t n, double share);

#endif
