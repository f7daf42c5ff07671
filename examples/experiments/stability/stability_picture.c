/* SPDX-License-Identifier: MIT */

/* See stability_report.h: the picture. */

#include "stability_report.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "kit/draw/plot.h"
#include "kit/draw/svg_file.h"

#define SMALLEST_GAP 1e-2 /* that a plot tells from 0 */
#define MOST_KEYS    10   /* entries of a plot's legend */
#define TITLE_LENGTH 52   /* characters of a plot's title */

/* Gaps before a divergence are millions of times larger than those of a calm training. */
static double height_of(double gap)
{
    return log10(fmax(fabs(gap), SMALLEST_GAP));
}

struct ranges {
    double steps, low, high;
};

static struct ranges find_ranges(const struct stability *s)
{
    struct ranges all = {1, (double)NAN, (double)NAN};

    for (int64_t i = 0; i < s->variants * s->seeds; i++) {
        const struct stability_run *r = &s->run[i];

        all.steps = fmax(all.steps, (double)r->planned);
        for (int k = 0; k < STABILITY_POINTS && r->planned > 0; k++)
            if (!isnan(r->gap[k])) {
                all.low = fmin(all.low, height_of(r->gap[k])); /* skips NaN */
                all.high = fmax(all.high, height_of(r->gap[k]));
            }
    }
    if (isnan(all.low))
        all.low = all.high = 0;
    all.low = floor(all.low);
    all.high = ceil(all.high);
    plot_range(&all.low, &all.high);
    return all;
}

static void draw_run(plot *p, const struct stability_run *r, int colour)
{
    double step[STABILITY_POINTS], height[STABILITY_POINTS];
    char name[64];
    size_t n = 0;

    for (int k = 0; k < STABILITY_POINTS; k++)
        if (!isnan(r->gap[k])) {
            step[n] = r->step[k];
            height[n++] = height_of(r->gap[k]);
        }
    if (r->end.diverged)
        plot_guide(p, (double)r->end.steps, p->y0, (double)r->end.steps, p->y1);
    snprintf(name, sizeof name, "seed %" PRId64, r->seed);
    if (r->end.diverged)
        snprintf(name, sizeof name, "seed %" PRId64 ", diverged after step %" PRId64, r->seed,
                 r->end.steps);
    plot_line(p, step, height, n, colour, colour < MOST_KEYS ? name : NULL);
}

void stability_draw(const struct stability *s)
{
    const struct ranges ranges = find_ranges(s);
    struct svg_file file;

    must(svg_open(&file, s->lab->out, "gap.svg"));
    for (int64_t v = 0; v < s->variants; v++) {
        char title[TITLE_LENGTH + 1];
        plot p;

        if (snprintf(title, sizeof title, "Variant %" PRId64 ": %s", v,
                     stability_text(&s->variant[v])) > TITLE_LENGTH)
            snprintf(title, sizeof title, "Variant %" PRId64,
                     v); /* the table has its settings */
        svg_begin_plot(&file);
        must(plot_begin(&p, file.out, title, "training step", "log10 of |energy gap| in nats",
                        0, ranges.steps, ranges.low, ranges.high));
        for (int64_t i = 0; i < s->seeds; i++)
            if (s->run[v * s->seeds + i].planned > 0) /* it was begun */
                draw_run(&p, &s->run[v * s->seeds + i], (int)i);
        must(svg_end_plot(&file, &p));
    }
    must(svg_close(&file, 1));
}
