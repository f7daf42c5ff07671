/* SPDX-License-Identifier: MIT */

/* See record.h: giving figures. */

#include "kit/lab/record.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kit/base/json_log.h"
#include "kit/base/report.h"
#include "kit/lab/record_inside.h"

const char *const record_kind_names[RECORD_KINDS] = {"number", "digits", "whole", "text",
                                                     "truth"};

struct record *record_create(void)
{
    struct record *r = calloc(1, sizeof *r);

    if (r != NULL)
        r->json = json_object();
    if (r == NULL || r->json == NULL) {
        report_no_memory();
        free(r);
        return NULL;
    }
    return r;
}

static void free_table(struct record_table *t)
{
    if (t == NULL)
        return;
    for (int64_t i = 0; i < t->rows; i++) {
        for (int c = 0; c < t->layout.count; c++) {
            free(t->row[i].cell[c].text);
            free(t->row[i].cell[c].words);
        }
        free(t->row[i].cell);
        free(t->row[i].place);
    }
    for (int c = 0; c < t->layout.count && t->columns != NULL; c++) {
        free((char *)(uintptr_t)t->columns[c].name);
        free((char *)(uintptr_t)t->columns[c].title);
        free((char *)(uintptr_t)t->columns[c].unit);
        free((char *)(uintptr_t)t->columns[c].join);
    }
    free((char *)(uintptr_t)t->layout.name);
    free((char *)(uintptr_t)t->layout.title);
    free((char *)(uintptr_t)t->layout.note);
    free((char *)(uintptr_t)t->layout.across);
    free((char *)(uintptr_t)t->layout.figure);
    free(t->columns);
    free(t->row);
    free(t);
}

void record_free(struct record *r)
{
    if (r == NULL)
        return;
    for (int i = 0; i < r->parts; i++) {
        free_table(r->part[i].table);
        free(r->part[i].words);
    }
    free(r->part);
    json_decref(r->json);
    free(r);
}

json_t *record_json(struct record *r)
{
    return r->json;
}

void record_fault(struct record *r, const char *format, ...)
{
    va_list args;

    if (r->fault[0] != '\0')
        return;
    va_start(args, format);
    vsnprintf(r->fault, sizeof r->fault, format, args);
    va_end(args);
}

int record_check(const struct record *r)
{
    return r->fault[0] == '\0' ? EXIT_OK : report_failed("%s", r->fault);
}

static void lose(struct record *r)
{
    record_fault(r, "out of memory");
}

/* --- Tables ------------------------------------------------------------------------------- */

static struct record_part *add_part(struct record *r)
{
    if (r->parts == r->space) {
        const int space = 2 * r->space + 8;
        struct record_part *part = realloc(r->part, (size_t)space * sizeof *part);

        if (part == NULL) {
            lose(r);
            return NULL;
        }
        r->part = part;
        r->space = space;
    }
    r->part[r->parts] = (struct record_part){NULL, NULL};
    return &r->part[r->parts++];
}

static const char *copy(struct record *r, const char *text)
{
    const char *own = text == NULL ? NULL : strdup(text);

    if (text != NULL && own == NULL)
        lose(r);
    return own;
}

static int find_column(const struct record_table *t, const char *column)
{
    for (int c = 0; c < t->layout.count; c++)
        if (strcmp(record_key(&t->columns[c]), column) == 0)
            return c;
    record_fault(t->record, "there is no column \"%s\"", column);
    return -1;
}

static int copy_layout(struct record_table *t, const struct record_layout *layout)
{
    struct record *r = t->record;

    t->layout = *layout;
    t->layout.name = copy(r, layout->name);
    t->layout.title = copy(r, layout->title);
    t->layout.note = copy(r, layout->note);
    t->layout.across = copy(r, layout->across);
    t->layout.figure = copy(r, layout->figure);
    t->layout.columns = t->columns = calloc((size_t)layout->count + 1, sizeof *t->columns);
    if (t->columns == NULL) {
        lose(r);
        t->layout.count = 0;
        return 0;
    }
    for (int c = 0; c < layout->count; c++) {
        const struct record_column *from = &layout->columns[c];

        t->columns[c] = *from;
        t->columns[c].name = copy(r, from->name);
        t->columns[c].title = copy(r, from->title);
        t->columns[c].unit = copy(r, from->unit);
        t->columns[c].join = copy(r, from->join);
        if ((from->name == NULL && from->title == NULL) || (c == 0 && from->join != NULL))
            record_fault(r, "column %d of table %s has no place", c,
                         layout->name == NULL ? "-" : layout->name);
    }
    if (r->fault[0] == '\0' && layout->across != NULL)
        (void)(find_column(t, layout->across) < 0 ||
               find_column(t, layout->figure == NULL ? "" : layout->figure) < 0);
    return r->fault[0] == '\0';
}

struct record_table *record_table(struct record *r, const struct record_layout *layout)
{
    struct record_table *t = calloc(1, sizeof *t);
    struct record_part *part = t == NULL ? NULL : add_part(r);

    if (part == NULL) {
        lose(r);
        free(t);
        return NULL;
    }
    part->table = t;
    t->record = r;
    return copy_layout(t, layout) ? t : NULL;
}

void record_row(struct record_table *t)
{
    struct record_cell *cell;

    if (t == NULL)
        return;
    if (t->rows == t->space) {
        const int64_t space = 2 * t->space + 16;
        struct record_row *row = realloc(t->row, (size_t)space * sizeof *row);

        if (row == NULL) {
            lose(t->record);
            return;
        }
        t->row = row;
        t->space = space;
    }
    cell = calloc((size_t)t->layout.count + 1, sizeof *cell);
    if (cell == NULL)
        lose(t->record);
    else
        t->row[t->rows++] = (struct record_row){.cell = cell};
}

/* The row that figures go to; NULL: there is none, which is a fault. */
static struct record_row *last_row(struct record_table *t)
{
    if (t == NULL)
        return NULL;
    if (t->rows == 0) {
        record_fault(t->record, "a figure without a row");
        return NULL;
    }
    return &t->row[t->rows - 1];
}

void record_row_at(struct record_table *t, const char *place)
{
    struct record_row *row;

    record_row(t);
    row = last_row(t);
    if (row != NULL && row->place == NULL) {
        row->place = strdup(place);
        if (row->place == NULL)
            lose(t->record);
    }
}

void record_run(struct record_table *t)
{
    struct record_row *row;

    record_row(t);
    row = last_row(t);
    if (row != NULL)
        row->run = 1;
}

void record_hide(struct record_table *t)
{
    struct record_row *row = last_row(t);

    if (row != NULL)
        row->hidden = 1;
}

/* --- Figures ------------------------------------------------------------------------------ */

const char *record_key(const struct record_column *c)
{
    return c->name != NULL ? c->name : c->title;
}

int record_is_shown(const struct record_column *c)
{
    return c->title != NULL && c->join == NULL;
}

struct record_cell *record_last_cell(struct record_table *t, int c)
{
    struct record_row *row = last_row(t);

    return row == NULL ? NULL : &row->cell[c];
}

/* The empty cell of a column; NULL: none fits, which is a fault. */
static struct record_cell *find(struct record_table *t, const char *column,
                                enum record_kind kind)
{
    struct record_row *row = last_row(t);
    const int c = row == NULL ? -1 : find_column(t, column);
    enum record_kind is;

    if (c < 0)
        return NULL;
    is = t->columns[c].kind == RECORD_DIGITS ? RECORD_NUMBER : t->columns[c].kind;
    if (is == kind && row->cell[c].state == RECORD_ABSENT)
        return &row->cell[c];
    if (is == kind)
        record_fault(t->record, "column \"%s\" is given twice", column);
    else
        record_fault(t->record, "column \"%s\" takes a %s, not a %s", column,
                     record_kind_names[t->columns[c].kind], record_kind_names[kind]);
    return NULL;
}

void record_number(struct record_table *t, const char *column, double value)
{
    struct record_cell *cell = find(t, column, RECORD_NUMBER);

    if (cell == NULL)
        return;
    cell->state = isfinite(value) ? RECORD_GIVEN : RECORD_MISSING;
    cell->number = value;
}

void record_whole(struct record_table *t, const char *column, int64_t value)
{
    struct record_cell *cell = find(t, column, RECORD_WHOLE);

    if (cell == NULL)
        return;
    cell->state = RECORD_GIVEN;
    cell->whole = value;
}

void record_truth(struct record_table *t, const char *column, int value)
{
    struct record_cell *cell = find(t, column, RECORD_TRUTH);

    if (cell == NULL)
        return;
    cell->state = RECORD_GIVEN;
    cell->whole = value != 0;
}

void record_text(struct record_table *t, const char *column, const char *text)
{
    struct record_cell *cell = find(t, column, RECORD_TEXT);

    if (cell == NULL)
        return;
    cell->state = text == NULL ? RECORD_MISSING : RECORD_GIVEN;
    cell->text = text == NULL ? NULL : strdup(text);
    if (text != NULL && cell->text == NULL)
        lose(t->record);
}

void record_missing(struct record_table *t, const char *column)
{
    const int c = last_row(t) == NULL ? -1 : find_column(t, column);

    if (c >= 0)
        record_last_cell(t, c)->state = RECORD_MISSING;
}

void record_words(struct record_table *t, const char *column, const char *words)
{
    struct record_row *row = last_row(t);
    const int c = row == NULL ? -1 : find_column(t, column);

    if (c < 0)
        return;
    free(row->cell[c].words);
    row->cell[c].words = strdup(words);
    if (row->cell[c].words == NULL)
        lose(t->record);
}

/* vprintf() into memory of its own; NULL when that ran out. */
static char *compose(const char *format, va_list args) __attribute__((format(printf, 1, 0)));

static char *compose(const char *format, va_list args)
{
    va_list again;
    char *text;
    int length;

    va_copy(again, args);
    length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    text = length < 0 ? NULL : malloc((size_t)length + 1);
    if (text != NULL)
        vsnprintf(text, (size_t)length + 1, format, args);
    return text;
}

void record_say(struct record *r, const char *format, ...)
{
    struct record_part *part = add_part(r);
    va_list args;

    if (part == NULL)
        return;
    va_start(args, format);
    part->words = compose(format, args);
    va_end(args);
    if (part->words == NULL)
        lose(r);
}

void record_protocol(struct record *r, const char *format, ...)
{
    char *text;
    va_list args;

    va_start(args, format);
    text = compose(format, args);
    va_end(args);
    if (text == NULL || json_object_set_new(r->json, "protocol", json_text(text)) != 0)
        lose(r);
    free(text);
}
