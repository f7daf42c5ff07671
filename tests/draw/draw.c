/* SPDX-License-Identifier: MIT */

/* Plots of what is hard to draw, for draw.sh and for Chromium: draw FOLDER writes an SVG file of
 * each. */

#include <math.h>
#include <stdio.h>

#include "kit/base/report.h"
#include "kit/draw/plot.h"
#include "kit/draw/svg_file.h"

struct hard {
    const char *file;
    double x0, x1; /* of the axis */
    size_t n;
    double x[4], y[4];
};

static const struct hard all[] = {
    {"usual.svg", 0, 200, 3, {0, 100, 200}, {-0.4, 0.2, 0.8}},
    {"large.svg", 0, 890000, 2, {0, 890000}, {-98765432, 123456789}},
    {"steps.svg", 0, 200000, 2, {0, 200000}, {-0.0012345, 0.0012345}},
    {"narrow.svg", 0, 20, 2, {0, 20}, {1234567.1, 1234567.9}},
    {"far.svg", 0, 20, 2, {0, 20}, {1e12, 1e12 + 1}},
    {"small.svg", 0, 1, 2, {0, 1}, {1.25e-7, 9.5e-7}},
    {"point.svg", 0, 50, 1, {50}, {37.5}},
    {"far_point.svg", 0, 50, 1, {50}, {-3e20}},
    {"gaps.svg", 0, 4, 4, {1, 2, 3, 4}, {0.1, NAN, 0.3, 0.2}},
};

static int draw(const char *folder, const struct hard *h)
{
    double low = HUGE_VAL, high = -HUGE_VAL;
    struct svg_file file;
    plot p;

    for (size_t i = 0; i < h->n; i++) {
        low = fmin(low, h->y[i]);
        high = fmax(high, h->y[i]);
    }
    plot_range(&low, &high);
    TRY(svg_open(&file, folder, h->file));
    svg_begin_plot(&file);
    TRY(plot_begin(&p, file.out, h->file, "training step", "mean over a batch (nats)", h->x0,
                   h->x1, low, high));
    plot_line(&p, h->x, h->y, h->n, 0, "a curve");
    TRY(svg_end_plot(&file, &p));
    return svg_close(&file, 1);
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return report_usage("draw FOLDER");
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        TRY(draw(argv[1], &all[i]));
    return EXIT_OK;
}
