/* SPDX-License-Identifier: MIT */

/* Tables for people: columns as wide as their widest cell, numbers right-aligned. */

#include "kit/base/table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "kit/base/report.h"
#include "kit/base/text.h"

#define CELL_BYTES 160

struct table {
    int columns;
    int *right; /* per column: right-aligned */
    int64_t cells, space;
    char (*text)[CELL_BYTES]; /* headings first */
    int broken;               /* memory ran out */
};

static char *new_cell(struct table *t)
{
    if (t->cells == t->space) {
        const int64_t space = t->space * 2 + 64;
        char(*text)[CELL_BYTES] = realloc(t->text, (size_t)space * sizeof t->text[0]);

        if (text == NULL) {
            t->broken = 1;
            return NULL;
        }
        t->text = text;
        t->space = space;
    }
    return t->text[t->cells++];
}

struct table *table_create(const char *const *headings)
{
    struct table *t = calloc(1, sizeof *t);

    if (t == NULL)
        return NULL;
    while (headings[t->columns] != NULL)
        t->columns++;
    t->right = calloc((size_t)t->columns + 1, sizeof t->right[0]);
    if (t->right == NULL) {
        free(t);
        return NULL;
    }
    for (int i = 0; headings[i] != NULL; i++) {
        t->right[i] = headings[i][0] == '>';
        table_cell(t, "%s", headings[i] + t->right[i]);
    }
    return t;
}

void table_cell(struct table *t, const char *format, ...)
{
    char *cell = new_cell(t);
    va_list args;

    if (cell == NULL)
        return;
    va_start(args, format);
    vsnprintf(cell, CELL_BYTES, format, args);
    va_end(args);
    text_trim(cell);
}

static void print_row(const struct table *t, int64_t first, const int *widths, FILE *out)
{
    for (int c = 0; c < t->columns && first + c < t->cells; c++) {
        const char *text = t->text[first + c];

        if (c > 0)
            fputs("  ", out);
        if (t->right[c])
            fprintf(out, "%*s", widths[c], text);
        else if (c + 1 < t->columns)
            fprintf(out, "%-*s", widths[c], text);
        else
            fputs(text, out);
    }
    fputc('\n', out);
}

int table_print(const struct table *t, FILE *out)
{
    int *widths = calloc((size_t)t->columns + 1, sizeof *widths);

    if (widths == NULL || t->broken) {
        free(widths);
        return report_no_memory();
    }
    for (int64_t i = 0; i < t->cells; i++) {
        const int width = (int)strlen(t->text[i]);
        const int c = (int)(i % t->columns);

        if (width > widths[c])
            widths[c] = width;
    }
    for (int64_t i = 0; i < t->cells; i += t->columns)
        print_row(t, i, widths, out);
    free(widths);
    return EXIT_OK;
}

void table_free(struct table *t)
{
    if (t == NULL)
        return;
    free(t->right);
    free(t->text);
    free(t);
}

const char *format_duration(double seconds, char out[32])
{
    const long s = seconds > 0 ? (long)(seconds + 0.5) : 0;

    if (seconds < 10)
        snprintf(out, 32, "%.1f s", seconds > 0 ? seconds : 0.0);
    else if (s < 100)
        snprintf(out, 32, "%ld s", s);
    else if (s < 3600)
        snprintf(out, 32, "%ld min %02ld s", s / 60, s % 60);
    else if (s < 48 * 3600)
        snprintf(out, 32, "%ld h %02ld min", s / 3600, s % 3600 / 60);
    else
        snprintf(out, 32, "%ld days %ld h", s / 86400, s % 86400 / 3600);
    return out;
}
