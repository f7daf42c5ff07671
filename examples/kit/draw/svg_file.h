/* SPDX-License-Identifier: MIT */
#ifndef KIT_DRAW_SVG_FILE_H
#define KIT_DRAW_SVG_FILE_H

/* Plots (plot.h) in a picture file of their own, one below the other. */

#include <stdio.h>

#include "kit/base/file.h"
#include "kit/draw/plot.h"

struct svg_file {
    FILE *out; /* where plot_begin() draws to */
    char path[FILE_PATH_BYTES];
    char *drawn;
    size_t drawn_bytes;
    int height; /* so far */
};

/* Begin the file folder/name. */
int svg_open(struct svg_file *s, const char *folder, const char *name);

/* Around each plot: before plot_begin(), and instead of plot_end(). */
void svg_begin_plot(struct svg_file *s);
int svg_end_plot(struct svg_file *s, plot *p);

/* Write it; `sound` 0: it is of no use, so that a file stays as it was. */
int svg_close(struct svg_file *s, int sound);

#endif
