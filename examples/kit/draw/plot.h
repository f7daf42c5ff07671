/* SPDX-License-Identifier: MIT */
#ifndef KIT_DRAW_PLOT_H
#define KIT_DRAW_PLOT_H

/* Small plots as inline SVG: axes with round tick values and units, curves, histograms, bars.
 * Begin a plot with its ranges, draw into it, end it. The legend stands below the plot, never on
 * what is drawn, and the picture grows with it: a plot is written to its page when it ends. */

#include <stddef.h>
#include <stdio.h>

#define PLOT_WIDTH  420 /* of the picture, in its own units */
#define PLOT_HEIGHT 260 /* without the legend */

/* A page or file with plots needs these rules in its <style>; they have colours for light and dark
 * screens. */
extern const char plot_style[];

typedef struct plot {
    FILE *out;                       /* what is drawn, until the end */
    double x0, x1, y0, y1;           /* data ranges */
    double left, right, top, bottom; /* of the drawing area, in the picture's units */
    int height;                      /* of the picture; known at the end */
    FILE *page;
    char title[160], *drawn;
    size_t drawn_bytes;
    int legend_lines;
    double legend_end; /* of its last line */
} plot;

/* Widen a range, so that no curve touches the frame; one without a length gets one. */
void plot_range(double *low, double *high);

/* An empty range is widened. Labels carry the units: "SGLD step size (1)", "time (s)". Returns an
 * exit code; after a failure nothing may be drawn. */
int plot_begin(plot *p, FILE *out, const char *title, const char *x_label, const char *y_label,
               double x0, double x1, double y0, double y1);

/* A curve; points that are not finite break it, and one between two such gets a dot. `name` NULL: not in the legend. */
void plot_line(plot *p, const double *x, const double *y, size_t n, int colour,
               const char *name);

/* An upright line from low to high at each x, as of intervals. */
void plot_intervals(plot *p, const double *x, const double *low, const double *high, size_t n,
                    int colour);

/* A grey dashed line for orientation. */
void plot_guide(plot *p, double x0, double y0, double x1, double y1);

/* A filled step curve of `bins` equal bins from x0 to x1. */
void plot_histogram(plot *p, const double *heights, size_t bins, double x0, double x1,
                    int colour, const char *name);

/* One bar from (x0, 0) to (x1, height). */
void plot_bar(plot *p, double x0, double x1, double height, int colour);

/* The same from y0 to y1, in either order. */
void plot_box(plot *p, double x0, double x1, double y0, double y1, int colour, double opacity);

/* Small words that begin at (x, y) and run upwards. */
void plot_upright(plot *p, double x, double y, const char *words);

/* An entry of the legend, for what was drawn without a name. Colours are numbers from 0 on; from
 * the eighth on curves are dashed. */
void plot_legend(plot *p, int colour, const char *name);

/* Writes the picture. Returns an exit code. */
int plot_end(plot *p);

/* Text with <, >, & and " escaped, in UTF-8 whatever it is (text.h). */
void html_text(FILE *out, const char *text);

#endif
