/* SPDX-License-Identifier: MIT */

/* See spread.h. */

#include "kit/stats/spread.h"

#include <math.h>

#include "kit/stats/median.h"

struct spread spread_of(const double *values, int64_t n)
{
    const double none = (double)NAN;
    struct spread s = {n, none, none, none, none, none};
    double squares = 0;

    if (n == 0)
        return s;
    s.mean = 0;
    for (int64_t i = 0; i < n; i++) {
        s.mean += values[i] / (double)n;
        s.min = fmin(s.min, values[i]); /* skips NaN */
        s.max = fmax(s.max, values[i]);
    }
    for (int64_t i = 0; i < n; i++)
        squares += (values[i] - s.mean) * (values[i] - s.mean);
    if (n > 1)
        s.std = sqrt(squares / (double)(n - 1));
    s.median = median(values, n);
    return s;
}
