/* SPDX-License-Identifier: MIT */

/* See robustness.h: the curves as pictures. */

#include <inttypes.h>
#include <string.h>

#include "kit/draw/plot.h"
#include "kit/draw/svg_file.h"
#include "robustness.h"

/* Of the largest eps: how far apart curves are drawn, whose intervals would hide each other; and
 * what is free at both ends. 16 curves fit. */
#define APART  0.008
#define MARGIN 0.07

/* One curve with its intervals, from eps 0 on, moved sideways by `shift`. */
static void draw_curve(plot *p, const struct robustness *r, const struct robustness_row *row,
                       int colour, double shift)
{
    const int has_gradient = strcmp(row->gradient, "none") != 0;
    double x[ROBUSTNESS_EPS + 1] = {0}, y[ROBUSTNESS_EPS + 1];
    double low[ROBUSTNESS_EPS + 1], high[ROBUSTNESS_EPS + 1];
    char name[64];

    for (int e = 0; e <= r->eps.count; e++) {
        const double eps = e > 0 ? r->eps.value[e - 1] : 0;
        const struct robustness_share share = robustness_share(r, row, eps);

        x[e] = eps + shift;
        y[e] = 100 * share.right;
        low[e] = 100 * share.low;
        high[e] = 100 * share.high;
    }
    plot_intervals(p, x, low, high, (size_t)r->eps.count + 1, colour);
    snprintf(name, sizeof name, "JEM-%" PRId64 "%s%s", row->refine, has_gradient ? ", " : "",
             has_gradient ? row->gradient : "");
    plot_line(p, x, y, (size_t)r->eps.count + 1, colour, name);
}

static void draw_attack(struct lab *lab, const struct robustness *r, const char *attack)
{
    const double last = r->eps.value[r->eps.count - 1];
    double low = 0, high = 100;
    int curves = 0, colour = 0;
    struct svg_file svg;
    plot p;

    for (int i = 0; i < r->count; i++)
        curves += strcmp(r->rows[i].attack, attack) == 0;
    plot_range(&low, &high);
    must(svg_open(&svg, lab->out, lab_text(lab, "%s.svg", attack)));
    svg_begin_plot(&svg);
    must(
        plot_begin(&p, svg.out,
                   lab_text(lab, "Accuracy under attack: %s, %" PRId64 " images", attack, r->n),
                   lab_text(lab, "eps (%s, of images in [0, 1])%s", robustness_norm(r),
                            curves > 1 ? "; curves drawn a little apart" : ""),
                   "accuracy (%)", -MARGIN * last, (1 + MARGIN) * last, low, high));
    for (int i = 0; i < r->count; i++)
        if (strcmp(r->rows[i].attack, attack) == 0) {
            draw_curve(&p, r, &r->rows[i], colour,
                       (colour - (curves - 1) / 2.0) * APART * last);
            colour++;
        }
    must(svg_end_plot(&svg, &p));
    must(svg_close(&svg, 1));
}

void robustness_draw(struct lab *lab, const struct robustness *r)
{
    for (int i = 0; i < r->count; i++) {
        int drawn = 0;

        for (int j = 0; j < i; j++)
            drawn |= strcmp(r->rows[j].attack, r->rows[i].attack) == 0;
        if (!drawn)
            draw_attack(lab, r, r->rows[i].attack);
    }
}
