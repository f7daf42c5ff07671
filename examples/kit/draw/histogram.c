/* SPDX-License-Identifier: MIT */

/* See histogram.h. */

#include "kit/draw/histogram.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kit/base/report.h"
#include "kit/draw/plot.h"
#include "kit/draw/svg_file.h"
#include "kit/stats/sorted.h"

#define BINS   60
#define BEYOND 0.01 /* share of a set that may lie beyond either end of the range */
#define HIGH   40.0 /* percent: a single bin may be higher, and is cut */

/* Widen the range until it holds all of the set but the share BEYOND at each end. */
static int widen(const struct histogram *h, double *low, double *high)
{
    float *sorted = malloc((size_t)h->n * sizeof *sorted);
    const int64_t out = (int64_t)(BEYOND * (double)(h->n - 1));

    if (sorted == NULL)
        return report_no_memory();
    memcpy(sorted, h->values, (size_t)h->n * sizeof *sorted);
    sort_floats(sorted, h->n);
    *low = fmin(*low, (double)sorted[out]);
    *high = fmax(*high, (double)sorted[h->n - 1 - out]);
    free(sorted);
    return EXIT_OK;
}

/* Percent per bin. */
static void fill(const struct histogram *h, double low, double high, double share[BINS])
{
    memset(share, 0, BINS * sizeof *share);
    for (int64_t i = 0; i < h->n; i++) {
        const double at = floor(((double)h->values[i] - low) / (high - low) * BINS);

        share[(int)fmin(fmax(at, 0), BINS - 1)] += 100.0 / (double)h->n;
    }
}

/* How high the sets reach in bins from ... to - 1. */
static double highest(const struct histogram *sets, size_t count, double low, double high,
                      int from, int to)
{
    double most = 0, share[BINS];

    for (size_t i = 0; i < count; i++) {
        fill(&sets[i], low, high, share);
        for (int b = from; b < to; b++)
            most = fmax(most, share[b]);
    }
    return most;
}

int histogram_draw(FILE *out, const char *title, const char *axis, const struct histogram *sets,
                   size_t count)
{
    double low = HUGE_VAL, high = -HUGE_VAL, top, share[BINS];
    plot p;

    for (size_t i = 0; i < count; i++)
        TRY(widen(&sets[i], &low, &high));
    if (!(high > low))
        high = low + 1;
    top = fmin(1.3 * highest(sets, count, low, high, 0, BINS), HIGH);
    plot_begin(&p, out, title, axis, "images (%)", low, high, 0, top);
    p.legend_left = highest(sets, count, low, high, 0, BINS / 3) <
                    highest(sets, count, low, high, 2 * BINS / 3, BINS);
    for (size_t i = count; i-- > 0;) {
        fill(&sets[i], low, high, share);
        plot_histogram(&p, share, BINS, low, high, (int)i, sets[i].name);
    }
    plot_end(&p);
    return EXIT_OK;
}

int histogram_write(const char *folder, const char *name, const char *title, const char *axis,
                    const struct histogram *sets, size_t count)
{
    struct svg_file s;
    int rc, closed;

    TRY(svg_open(&s, folder, name, 1));
    svg_begin_plot(&s);
    rc = histogram_draw(s.out, title, axis, sets, count);
    svg_end_plot(&s);
    closed = svg_close(&s);
    return rc == EXIT_OK ? closed : rc;
}
