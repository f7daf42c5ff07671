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

double median(const double *values, int64_t n)
{
    double *sorted = malloc((size_t)n * sizeof sorted[0]), middle;

    if (sorted == NULL) {
        report_no_memory();
        return (double)NAN;
    }
    memcpy(sorted, values, (size_t)n * sizeof sorted[0]);
    qsort(sorted, (size_t)n, sizeof sorted[0], compare);
    middle = (sorted[(n - 1) / 2] + sorted[n / 2]) / 2;
    free(sorted);
    return middle;
}
