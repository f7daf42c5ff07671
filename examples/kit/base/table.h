/* SPDX-License-Identifier: MIT */
#ifndef KIT_BASE_TABLE_H
#define KIT_BASE_TABLE_H

/* Aligned tables of text: cells are added row by row, widths are found when printing. */

#include <stdint.h>
#include <stdio.h>

struct table;

/* `headings`: one per column, ended by NULL. One that begins with '>' is right-aligned (and
 * shown without it). Returns NULL when memory ran out. */
struct table *table_create(const char *const *headings);

/* The next cell, left to right, row by row. Lost memory is noticed by table_print(). */
void table_cell(struct table *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Returns an exit code, after reporting an error. */
int table_print(const struct table *t, FILE *out);

void table_free(struct table *t);

/* "2.5 s", "42 s", "3 min 20 s", "5 h 02 min". Returns `out`. */
const char *format_duration(double seconds, char out[32]);

#endif
