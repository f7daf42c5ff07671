/* SPDX-License-Identifier: MIT */

/* See share.h. */

#include "kit/stats/share.h"

#include <math.h>

void share_interval(int64_t hits, int64_t n, double *low, double *high)
{
    const double z = 1.959963984540054, m = (double)n, p = (double)hits / m;
    const double centre = p + z * z / (2 * m);
    const double half = z * sqrt(p * (1 - p) / m + z * z / (4 * m * m));

    *low = fmax(0, (centre - half) / (1 + z * z / m));
    *high = fmin(1, (centre + half) / (1 + z * z / m));
}
