/* SPDX-License-Identifier: MIT */
#ifndef KIT_LAB_RECORD_INSIDE_H
#define KIT_LAB_RECORD_INSIDE_H

/* What the files of the record share. */

#include "kit/lab/record.h"

enum record_state { RECORD_ABSENT, RECORD_MISSING, RECORD_GIVEN };

struct record_cell {
    enum record_state state;
    double number; /* of a truth: 0 or 1 */
    int64_t whole;
    char *text;
    char *words; /* shown instead; or NULL */
};

struct record_row {
    char *place; /* NULL: in the table's array */
    int run, hidden;
    struct record_cell *cell; /* a column each */
};

struct record_table {
    struct record *record;
    struct record_layout layout;   /* its texts are the table's own */
    struct record_column *columns; /* the same as layout.columns */
    struct record_row *row;
    int64_t rows, space;
};

/* A table, or words. */
struct record_part {
    struct record_table *table;
    char *words;
};

struct record {
    json_t *json;
    struct record_part *part;
    int parts, space, printed;
    char fault[160]; /* the first thing that went wrong; empty: none */
};

#define RECORD_MOST_COLUMNS 64

/* Keep what went wrong. */
void record_fault(struct record *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* EXIT_OK, or EXIT_FAILED after reporting the fault. */
int record_check(const struct record *r);

/* The cell of column `c` in a row, with all that joins it, as people see it. */
char *record_cell_text(const struct record_table *t, int64_t row, int c);

/* Has the column a place of its own in tables for people? */
int record_is_shown(const struct record_column *c);

/* What a table is called: its name, or its title. */
const char *record_table_name(const struct record_table *t);

/* What columns are called in files: the name, or the title. */
const char *record_key(const struct record_column *c);

/* Cell c of the last row; NULL: there is no row. */
struct record_cell *record_last_cell(struct record_table *t, int c);

extern const char *const record_kind_names[RECORD_KINDS];

#endif
