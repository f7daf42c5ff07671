/* SPDX-License-Identifier: MIT */

/* See median.h. */

#include "kit/stats/median.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kit/base/report.h"

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

void sort_values(double *values, int64_t n)
{
    qsort(values, (size_t)n, sizeof *values, compare);
}

double median_of_sorted(const double *sorted, int64_t n)
{
    return (sorted[(n - 1) / 2] + sorted[n / 2]) / 2;
}

double quantile_of_sorted(const double *sorted, int64_t n, double share)
{
    const double at = share * (double)(n - 1);
    const int64_t below = (int64_t)floor(at);
    const double next = sorted[below + 1 < n ? below + 1 : below];

    return sorted[below] + (at - (double)below) * (next - sorted[below]);
}

double median(const double *values, int64_t n)
{
    double *sorted = malloc((size_t)n * sizeof sorted[0]), middle;

    if (sorted == NULL) {
        report_no_memory();
        return (double)NAN;
    }
    memcpy(sorted, values, (size_t)n * sizeof sorted[0]);
    sort_values(sorted, n);
    middle = median_of_sorted(sorted, n);
    free(sorted);
    return middle;
}
