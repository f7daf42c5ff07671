/* SPDX-License-Identifier: MIT */

/* See record.h: text and CSV. */

#include "kit/lab/record.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kit/base/file.h"
#include "kit/base/file_writer.h"
#include "kit/base/report.h"
#include "kit/base/table.h"
#include "kit/base/text.h"
#include "kit/lab/record_inside.h"

#define LINE 96 /* characters of a line of prose */

/* --- Cells -------------------------------------------------------------------------------- */

static void put_figure(FILE *out, const struct record_column *c, const struct record_cell *cell)
{
    const double value = c->percent ? 100 * cell->number : cell->number;

    switch (c->kind) {
    case RECORD_NUMBER:
        fprintf(out, c->sign ? "%+.*f" : "%.*f", c->decimals, value);
        break;
    case RECORD_DIGITS:
        fprintf(out, c->sign ? "%+.*g" : "%.*g", c->decimals, value);
        break;
    case RECORD_WHOLE:
        fprintf(out, "%" PRId64, cell->whole);
        break;
    case RECORD_TRUTH:
        fputs(cell->whole ? "yes" : "no", out);
        break;
    case RECORD_TEXT:
    case RECORD_KINDS:
        fputs(cell->text == NULL ? "" : cell->text, out);
        break;
    }
}

/* A unit stands at the end of all that joins the figure. */
static void put_cell(FILE *out, const struct record_table *t, const struct record_row *row,
                     int c)
{
    if (row->cell[c].words != NULL || row->cell[c].state != RECORD_GIVEN) {
        fputs(row->cell[c].words != NULL ? row->cell[c].words : "-", out);
        return;
    }
    put_figure(out, &t->columns[c], &row->cell[c]);
    for (int k = c + 1; k < t->layout.count && t->columns[k].join != NULL; k++)
        if (row->cell[k].state == RECORD_GIVEN) {
            fputs(t->columns[k].join, out);
            put_figure(out, &t->columns[k], &row->cell[k]);
            if (t->columns[k].unit != NULL)
                fputs(t->columns[k].unit, out);
        }
    if (t->columns[c].unit != NULL)
        fputs(t->columns[c].unit, out);
}

char *record_cell_text(const struct record_table *t, int64_t row, int c)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = file_open_memory(&text, &length);

    if (out == NULL)
        return NULL;
    put_cell(out, t, &t->row[row], c);
    (void)file_close_memory(out, &text);
    return text;
}

/* Is the text that of the row shown above, in the same run? */
static int is_repeated(const struct record_table *t, int64_t row, int c)
{
    const struct record_cell *above;

    if (!t->columns[c].group || t->row[row].run)
        return 0;
    do {
        if (row-- == 0)
            return 0;
    } while (t->row[row].hidden);
    above = &t->row[row].cell[c];
    return above->state == RECORD_GIVEN && t->row[row + 1].cell[c].state == RECORD_GIVEN &&
           strcmp(above->text, t->row[row + 1].cell[c].text) == 0;
}

const char *record_table_name(const struct record_table *t)
{
    return t->layout.name != NULL    ? t->layout.name
           : t->layout.title != NULL ? t->layout.title
                                     : "";
}

/* --- Text --------------------------------------------------------------------------------- */

static int is_right(const struct record_column *c)
{
    return c->right || (!c->left && c->kind != RECORD_TEXT && c->kind != RECORD_TRUTH);
}

static struct table *begin_text(const struct record_table *t)
{
    const char *headings[RECORD_MOST_COLUMNS + 1] = {NULL};
    char text[RECORD_MOST_COLUMNS][96];
    int shown = 0;

    for (int c = 0; c < t->layout.count && shown < RECORD_MOST_COLUMNS; c++)
        if (record_is_shown(&t->columns[c])) {
            snprintf(text[shown], sizeof text[shown], "%s%s",
                     is_right(&t->columns[c]) ? ">" : "", t->columns[c].title);
            headings[shown] = text[shown];
            shown++;
        }
    return table_create(headings);
}

/* `all`: hidden rows too. */
static int print_table(const struct record_table *t, int all, FILE *out)
{
    struct table *text = begin_text(t);
    int rc = text == NULL ? report_no_memory() : EXIT_OK;

    for (int64_t i = 0; i < t->rows && rc == EXIT_OK; i++)
        for (int c = 0; c < t->layout.count && (all || !t->row[i].hidden); c++) {
            char *cell;

            if (!record_is_shown(&t->columns[c]))
                continue;
            cell = is_repeated(t, i, c) ? strdup("") : record_cell_text(t, i, c);
            if (cell == NULL)
                rc = report_no_memory();
            else
                table_cell(text, "%s", cell);
            free(cell);
        }
    if (rc == EXIT_OK)
        rc = table_print(text, out);
    table_free(text);
    return rc;
}

int record_print(struct record *r, FILE *out)
{
    int rc = record_check(r);

    for (; r->printed < r->parts && rc == EXIT_OK; r->printed++) {
        const struct record_part *part = &r->part[r->printed];

        if (part->words != NULL)
            fputs(part->words, out);
        else if (!part->table->layout.only_files && !part->table->layout.only_page)
            rc = print_table(part->table, 0, out);
    }
    return rc;
}

int record_write_text(const struct record *r, const struct record_table *t, const char *path)
{
    struct file_writer w;
    int rc = record_check(r); /* and t is not NULL */

    if (rc == EXIT_OK)
        rc = file_writer_open(&w, path);
    if (rc != EXIT_OK)
        return rc;
    return file_writer_close(&w, print_table(t, 1, w.stream) == EXIT_OK);
}

int record_print_protocol(const struct record *r, FILE *out)
{
    const char *word = json_string_value(json_object_get(r->json, "protocol"));
    const int rc = record_check(r);
    size_t column = 0;

    if (rc != EXIT_OK)
        return rc;
    fputc('\n', out);
    while (word != NULL && *word != '\0') {
        const int length = (int)strcspn(word, " ");

        if (column > 0 && column + 1 + (size_t)length > LINE) {
            fputc('\n', out);
            column = 0;
        }
        fprintf(out, "%s%.*s", column > 0 ? " " : "", length, word);
        column += (size_t)length + (column > 0);
        word += length + (int)strspn(word + length, " ");
    }
    fputc('\n', out);
    return EXIT_OK;
}

/* --- CSV (RFC 4180, with line ends of Unix) ------------------------------------------------- */

static void double_quote(FILE *out, char c)
{
    fprintf(out, "%c%c", c, c);
}

static void put_quoted(FILE *out, const char *text)
{
    const char *quote = strpbrk(text, ",\"\r\n") == NULL ? "" : "\"";

    fputs(quote, out);
    text_write(out, text, quote, double_quote);
    fputs(quote, out);
}

static void put_csv_cell(FILE *out, const struct record_column *c,
                         const struct record_cell *cell)
{
    if (cell->state != RECORD_GIVEN)
        return;
    switch (c->kind) {
    case RECORD_NUMBER:
    case RECORD_DIGITS:
        fprintf(out, "%.12g", cell->number);
        break;
    case RECORD_WHOLE:
        fprintf(out, "%" PRId64, cell->whole);
        break;
    case RECORD_TRUTH:
        fputs(cell->whole ? "true" : "false", out);
        break;
    case RECORD_TEXT:
    case RECORD_KINDS:
        put_quoted(out, cell->text);
        break;
    }
}

static void put_csv_table(FILE *out, const struct record_table *t)
{
    fputs("table", out);
    for (int c = 0; c < t->layout.count; c++) {
        fputc(',', out);
        put_quoted(out, record_key(&t->columns[c]));
    }
    fputc('\n', out);
    for (int64_t i = 0; i < t->rows; i++) {
        put_quoted(out, record_table_name(t));
        for (int c = 0; c < t->layout.count; c++) {
            fputc(',', out);
            put_csv_cell(out, &t->columns[c], &t->row[i].cell[c]);
        }
        fputc('\n', out);
    }
}

int record_print_csv(const struct record *r, FILE *out)
{
    const int rc = record_check(r);
    int tables = 0;

    if (rc != EXIT_OK)
        return rc;
    for (int i = 0; i < r->parts; i++)
        if (r->part[i].table != NULL && !r->part[i].table->layout.only_text) {
            if (tables++ > 0)
                fputc('\n', out);
            put_csv_table(out, r->part[i].table);
        }
    return EXIT_OK;
}

int record_write_csv(const struct record *r, const char *path)
{
    struct file_writer w;
    int rc = record_check(r);

    if (rc == EXIT_OK)
        rc = file_writer_open(&w, path);
    if (rc != EXIT_OK)
        return rc;
    return file_writer_close(&w, record_print_csv(r, w.stream) == EXIT_OK);
}
