/* SPDX-License-Identifier: MIT */
#ifndef KIT_DRAW_SVG_FILE_H
#define KIT_DRAW_SVG_FILE_H

/* Plots (plot.h) in a picture file of their own, one below the other. */

#include <stdio.h>

#include "kit/base/file.h"

struct svg_file {
    FILE *out; /* where plot_begin() draws to */
    char path[FILE_PATH_BYTES];
    int next; /* the number of the next plot */
};

/* Begin the file folder/name, which is as high as `plots` plots. */
int svg_open(struct svg_file *s, const char *folder, const char *name, int plots);

/* Around each plot: before plot_begin() and after plot_end(). */
void svg_begin_plot(struct svg_file *s);
void svg_end_plot(struct svg_file *s);

int svg_close(struct svg_file *s);

#endif
