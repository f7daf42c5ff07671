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

/* All but the end of the plot. */
static int draw(plot *p, FILE *out, const char *title, const char *axis,
                const struct histogram *sets, size_t count)
{
    double low = HUGE_VAL, high = -HUGE_VAL, top = 0, share[BINS];

    for (size_t i = 0; i < count; i++)
        TRY(widen(&sets[i], &low, &high));
    if (!(high > low))
        high = low + 1;
    for (size_t i = 0; i < count; i++) {
        fill(&sets[i], low, high, share);
        for (int b = 0; b < BINS; b++)
            top = fmax(top, share[b]);
    }
    TRY(plot_begin(p, out, title, axis, "images (%)", low, high, 0, 1.06 * top));
    for (size_t i = count; i-- > 0;) {
        fill(&sets[i], low, high, share);
        plot_histogram(p, share, BINS, low, high, (int)i, NULL);
    }
    for (size_t i = 0; i < count; i++)
        plot_legend(p, (int)i, sets[i].name);
    return EXIT_OK;
}

int histogram_draw(FILE *out, const char *title, const char *axis, const struct histogram *sets,
                   size_t count)
{
    plot p;

    TRY(draw(&p, out, title, axis, sets, count));
    return plot_end(&p);
}

int histogram_write(const char *folder, const char *name, const char *title, const char *axis,
                    const struct histogram *sets, size_t count)
{
    struct svg_file s;
    plot p;
    int rc, closed;

    TRY(svg_open(&s, folder, name));
    svg_begin_plot(&s);
    rc = draw(&p, s.out, title, axis, sets, count);
    if (rc == EXIT_OK)
        rc = svg_end_plot(&s, &p);
    closed = svg_close(&s, rc == EXIT_OK);
    return rc == EXIT_OK ? closed : rc;
}
