/* SPDX-License-Identifier: MIT */
#ifndef KIT_DRAW_HTML_H
#define KIT_DRAW_HTML_H

/* Self-contained HTML pages: style inside, pictures as data. */

#include <stdio.h>

void html_begin(FILE *out, const char *title);
void html_end(FILE *out);

/* A PNG file as an inline picture. Returns an exit code, after reporting an error. */
int html_picture(FILE *out, const char *path, const char *alt);

/* An SVG file of ours (svg_file.h), inline. */
int html_svg(FILE *out, const char *path);

/* A tile with one number. `format`: a digit, the decimals, and then the unit: "1 %". */
void html_tile(FILE *out, const char *name, const char *format, double value,
               const char *remark);

#endif
