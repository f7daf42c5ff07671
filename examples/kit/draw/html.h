/* SPDX-License-Identifier: MIT */
#ifndef KIT_DRAW_HTML_H
#define KIT_DRAW_HTML_H

/* Self-contained HTML pages: style inside, pictures as data. They fit a phone, light and dark
 * screens and paper. Classes of the style for pages that write tags themselves:
 *
 *     div.wide       around a table: it scrolls there, and not the page
 *     table.sort     with <thead> and <tbody>: headings sort it
 *     .text          of <th>, <td>: left-aligned, and sorted as words; others are figures
 *     td.heat        shaded by style="--share:0.4", 0 to 1
 *     div.labelled   a picture of rows of equal height, after an <ol> with a line for each
 *     p.verdict      what the figures of a section say
 *     p.soft, p.failed, p.key, div.row with <figure> in it, div.tiles */

#include <stdio.h>

void html_begin(FILE *out, const char *title);

/* The same of a page that is loaded again every so many seconds; 0: never. */
void html_begin_live(FILE *out, const char *title, int seconds);
void html_end(FILE *out);

/* A heading with its place, and a list of links to several. An id is of letters, digits and "-". */
struct html_heading {
    const char *id, *title;
};
void html_contents(FILE *out, const struct html_heading *headings, int count);
void html_heading(FILE *out, const struct html_heading *heading);

/* A PNG file as an inline picture. Returns an exit code, after reporting an error. */
int html_picture(FILE *out, const char *path, const char *alt);

/* A file of svg_file.h, inline. */
int html_svg(FILE *out, const char *path);

/* What the rows of a picture are, a label each: begin, labels, the picture, end. */
void html_labels_begin(FILE *out);
void html_label(FILE *out, const char *text);
void html_labels_picture(FILE *out);
void html_labels_end(FILE *out);

/* A tile with one number. `format` is the number of decimals, one digit, and the unit: "1 %". */
void html_tile(FILE *out, const char *name, const char *format, double value,
               const char *remark);

#endif
