/* SPDX-License-Identifier: MIT */
#ifndef KIT_DRAW_HTML_H
#define KIT_DRAW_HTML_H

/* Self-contained HTML pages: style inside, pictures as data. */

#include <stdio.h>

void html_begin(FILE *out, const char *title);
void html_end(FILE *out);

/* A PNG file as an inline picture. Returns an exit code, after reporting an error. */
int html_picture(FILE *out, const char *path, const char *alt);

/* A file of svg_file.h, inline. */
int html_svg(FILE *out, const char *path);

/* A tile with one number. `format` is the number of decimals, one digit, and the unit: "1 %". */
void html_tile(FILE *out, const char *name, const char *format, double value,
               const char *remark);

#endif
