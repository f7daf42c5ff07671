/* SPDX-License-Identifier: MIT */
#ifndef KIT_LAB_RECORD_H
#define KIT_LAB_RECORD_H

/* What an experiment has found. Each figure is given once, under the name of its column; the
 * text table on stdout, JSON, CSV and the HTML page are printed from that.
 *
 *     static const struct record_column columns[] = {
 *         {"out", "other images", .kind = RECORD_TEXT, .group = 1},
 *         {"n_out", "n", .kind = RECORD_WHOLE},
 *         {"auroc", "AUROC", .decimals = 4, .good = 0.9, .bad = 0.5},
 *         {"auroc_low", "95 %", .decimals = 4},
 *         {"auroc_high", NULL, .decimals = 4, .join = " to "},
 *     };
 *     static const struct record_layout results = {"results", RECORD_COLUMNS(columns)};
 *
 *     t = record_table(r, &results);
 *     record_row(t);
 *     record_text(t, "out", "noise");
 *     record_number(t, "auroc", 0.9713);
 *
 * A figure that is NaN (or a text that is NULL) is shown as "-" and is null in the file. One that
 * is not given at all is shown as "-" and is no member of its row.
 *
 * In the file a table is an array of row objects under its name. A row can stand elsewhere
 * instead, as an object of its own (record_row_at). The file's member "tables" says how the
 * tables are laid out, so that a page can be made of it without a second list of columns:
 * record_read(), record_write_html(). What such a file says is never taken for a format.
 *
 * Nothing here ends the program. What goes wrong between (no memory, a column that is not there,
 * a figure of another kind) is kept, and reported by what prints or writes. */

#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

enum record_kind {
    RECORD_NUMBER, /* with so many decimals */
    RECORD_DIGITS, /* with so many significant digits */
    RECORD_WHOLE,  /* a whole number */
    RECORD_TEXT,
    RECORD_TRUTH, /* yes or no */
    RECORD_KINDS
};

struct record_column {
    const char *name;  /* a row's member in JSON; NULL: none, it is for people */
    const char *title; /* heading; NULL: in files alone, unless it joins another */
    enum record_kind kind;
    int decimals;
    int percent;      /* shown a hundredfold */
    const char *unit; /* shown behind a figure: " %" */
    const char *join; /* shown in the cell before it, after this text; nothing if missing */
    int sign;         /* shown with + as well */
    int group;        /* of equal texts in a run only the first is shown */
    int right;        /* a text that is right-aligned, as numbers are */
    int left;         /* a figure that is left-aligned: people see words (record_words) */

    /* The page colours a figure that is good enough, or too bad; which way is up follows from
     * the two. Both 0: no colours. */
    double good, bad;

    int heat; /* a RECORD_WHOLE figure that the page shades by its share of the line's sum */
};

struct record_layout {
    const char *name;  /* of the array in the file; "a.b": b in the object a. NULL: no array */
    const char *title; /* on the page; NULL: none */
    const char *note;  /* a remark below it on the page; NULL: none */
    const struct record_column *columns;
    int count; /* of columns */

    /* On the page the values of the column `across` become columns, which show the column
     * `figure`; rows that agree in all shown columns before `across` share a line there. NULL:
     * a line per row. */
    const char *across, *figure;

    int only_files; /* neither on stdout nor on a page */
    int only_page;  /* not on stdout */
    int only_text;  /* on stdout alone: its figures are those of other tables */
};

/* The members of a layout that an array of columns gives. */
#define RECORD_COLUMNS(array)                                                                  \
    .columns = (array), .count = (int)(sizeof(array) / sizeof(array)[0])

struct record;
struct record_table;

struct record *record_create(void); /* NULL: no memory, which is reported */
void record_free(struct record *r);

/* The object that will be the file, for what is no figure of a table. Borrowed. */
json_t *record_json(struct record *r);

/* --- Giving figures --- */

/* A new table below the others. Its layout is copied. */
struct record_table *record_table(struct record *r, const struct record_layout *layout);

/* A new row; what follows belongs to it. */
void record_row(struct record_table *t);

/* A row that is an object of its own in the file, at "scaled" or "a.b"; ".": its figures are
 * members of the whole file. Without any figure it is null there, and "-" for people. At
 * "pictures.3.images[]" it joins an array, which is that of pictures[3] in record_json(). */
void record_row_at(struct record_table *t, const char *place);

/* record_row(), and a run of equal texts ends above it, even if its texts are those above. */
void record_run(struct record_table *t);

/* The last row is for files alone. */
void record_hide(struct record_table *t);

/* A figure of the last row. `column`: its name, or its title where it has none. */
void record_number(struct record_table *t, const char *column, double value);
void record_whole(struct record_table *t, const char *column, int64_t value);
void record_truth(struct record_table *t, const char *column, int value);
void record_text(struct record_table *t, const char *column, const char *text);

/* There is no such figure; null in the file, as NaN is. */
void record_missing(struct record_table *t, const char *column);

/* What people see in the place of the last row's figure, which the file has as it is. */
void record_words(struct record_table *t, const char *column, const char *words);

/* Words between the tables on stdout, as they are, with their own line ends. */
void record_say(struct record *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* How the figures are made, for people: one sentence or a few. */
void record_protocol(struct record *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* --- Showing them; each returns an exit code, after reporting an error --- */

/* Tables and words that have not been printed yet. */
int record_print(struct record *r, FILE *out);

/* The protocol, wrapped, after an empty line. */
int record_print_protocol(const struct record *r, FILE *out);

/* All tables, an empty line between two. The first column says which table a line is of. */
int record_print_csv(const struct record *r, FILE *out);
int record_write_csv(const struct record *r, const char *path);

int record_write_json(const struct record *r, const char *path);

/* One table of a record as text, with the rows that are for files alone. */
int record_write_text(const struct record *r, const struct record_table *t, const char *path);

/* --- Reading them back --- */

/* The record that a program's JSON holds. An object without "tables" has none; one whose tables
 * do not fit its rows is refused. `path` is what errors call it. */
int record_read(const json_t *file, const char *path, struct record **out);

/* A record on a page, with what stands before its rows: one text per lead. */
struct record_source {
    const struct record *record;
    const char *const *leads;
};

/* The table `name` (or, where it has no name, with that title) of several records under one
 * heading, that of the first that has it. `leads`: headings of the leading columns, ended by
 * NULL. Nothing is written when no record has a row of it. */
int record_write_html(FILE *out, const char *name, const char *const *leads,
                      const struct record_source *sources, int count);

#endif
