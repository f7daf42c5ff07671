/* SPDX-License-Identifier: MIT */

/* See median.h. */

#include "kit/stats/median.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kit/base/report.h"
#include "kit/stats/sorted.h"

double median(const double *values, int64_t n)
{
    double *sorted = malloc((size_t)n * sizeof *sorted), middle;

    if (sorted == NULL) {
        report_no_memory();
        report_incomplete();
        return (double)NAN;
    }
    memcpy(sorted, values, (size_t)n * sizeof *sorted);
    sort_doubles(sorted, n);
    middle = sorted_median(sorted, n);
    free(sorted);
    return middle;
}
