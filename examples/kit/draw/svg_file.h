/* SPDX-License-Identifier: MIT */
#ifndef KIT_DRAW_SVG_FILE_H
#define KIT_DRAW_SVG_FILE_H

/* Plots (plot.h) in a picture file of their own, one below the other. */

#include <stdio.h>

#include "kit/base/file.h"

struct svg_file {
    FILE *out; /* where plot_begin() draws to */
    char path[FILE_PATH_BYTES];
    int next; /* plot */
};

/* Begin folder/name, with room for `plots` plots. */
int svg_open(struct svg_file *s, const char *folder, const char *name, int plots);

/* Before plot_begin(), and after its plot_end(). */
void svg_begin_plot(struct svg_file *s);
void svg_end_plot(struct svg_file *s);

int svg_close(struct svg_file *s);

#endif
