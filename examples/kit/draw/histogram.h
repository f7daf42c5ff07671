/* SPDX-License-Identifier: MIT */
#ifndef KIT_DRAW_HISTOGRAM_H
#define KIT_DRAW_HISTOGRAM_H

/* Histograms of several sets of values over each other. */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct histogram {
    const char *name; /* in the legend */
    const float *values;
    int64_t n; /* >= 1 */
};

/* Percent of each set per bin, over the range in which nearly all of each set lies; the
 * outermost bins hold what lies beyond. The first set is drawn last, on top. As inline SVG. */
int histogram_draw(FILE *out, const char *title, const char *axis, const struct histogram *sets,
                   size_t count);

/* The same as a picture file, folder/name. */
int histogram_write(const char *folder, const char *name, const char *title, const char *axis,
                    const struct histogram *sets, size_t count);

#endif
