/* SPDX-License-Identifier: MIT */

/* See record.h: the JSON file, there and back.
 *
 * A table's entry in "tables":
 *
 *     name, title, note, across, figure, only_page    as in struct record_layout
 *     rows      where its rows are, in their order: names of arrays and of single objects, as
 *               "scaled.bins" or "pictures.0.images"; null for a row of which the file has nothing
 *               but "values"
 *     columns   name, title, kind, decimals, unit ... as in struct record_column; for a column
 *               without a name also its "values", and where there are some, "words" for people:
 *               one per row
 *     runs, hidden    numbers of rows, from 0
 *
 * What is read is not trusted: kinds, counts and types are checked, and texts stay texts. */

#include "kit/lab/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kit/base/json_log.h"
#include "kit/base/report.h"
#include "kit/lab/record_inside.h"

#define MOST_TABLES     64
#define MOST_CELLS      (1 << 18) /* of all tables: a short file can name long rows often */
#define MOST_DECIMALS   17
#define MOST_CHARACTERS 64 /* of a unit, or of what joins */
#define WHOLE_FILE      "."
#define JOINS_ARRAY     "[]" /* after a place */

/* --- Writing ------------------------------------------------------------------------------ */

static json_t *cell_json(const struct record_column *c, const struct record_cell *cell)
{
    if (cell->state != RECORD_GIVEN)
        return json_null();
    switch (c->kind) {
    case RECORD_TEXT:
        return json_text(cell->text);
    case RECORD_WHOLE:
        return json_integer((json_int_t)cell->whole);
    case RECORD_TRUTH:
        return json_boolean(cell->whole);
    case RECORD_NUMBER:
    case RECORD_DIGITS:
    case RECORD_KINDS:
        break;
    }
    return json_number(cell->number);
}

/* What a name in a place means: a member of an object, or the number of one in an array. */
static json_t *member(const json_t *of, const char *name)
{
    const int number = *name != '\0' && name[strspn(name, "0123456789")] == '\0';

    return json_is_array(of) && number ? json_array_get(of, (size_t)strtoul(name, NULL, 10))
                                       : json_object_get(of, name);
}

/* The object at "a.b", made where it is not there; NULL: an array on the way has no such number. */
static int object_at(json_t *file, const char *place, json_t **out)
{
    *out = NULL;
    while (*place != '\0' && strcmp(place, WHOLE_FILE) != 0) {
        const size_t length = strcspn(place, ".");
        char *name = strndup(place, length);
        json_t *next;

        if (name == NULL)
            return report_no_memory();
        next = member(file, name);
        if (!json_is_object(next) && !json_is_array(next)) {
            json_object_set_new(file, name, json_object());
            next = json_object_get(file, name);
        }
        free(name);
        if (next == NULL)
            return json_sound();
        file = next;
        place += length + (place[length] == '.');
    }
    *out = file;
    return EXIT_OK;
}

/* Put `value` at "a.b". */
static int put_at(json_t *file, const char *place, json_t *value)
{
    const char *dot = strrchr(place, '.');
    char *above = dot == NULL ? strdup("") : strndup(place, (size_t)(dot - place));
    json_t *object = NULL;
    int rc = above == NULL ? report_no_memory() : object_at(file, above, &object);

    if (json_object_set_new(object, dot == NULL ? place : dot + 1, value) != 0 && rc == EXIT_OK)
        rc = json_sound() != EXIT_OK ? EXIT_FAILED
                                     : report_failed("there is no place \"%s\"", place);
    free(above);
    return rc;
}

/* The members of a row into an object; returns how many. */
static int put_row(const struct record_table *t, const struct record_row *row, json_t *object)
{
    int given = 0;

    for (int c = 0; c < t->layout.count; c++)
        if (t->columns[c].name != NULL && row->cell[c].state != RECORD_ABSENT) {
            json_object_set_new(object, t->columns[c].name,
                                cell_json(&t->columns[c], &row->cell[c]));
            given++;
        }
    return given;
}

/* The length of a place without the "[]" that says that the row joins an array there; 0: it does
 * not say so. */
static size_t array_length(const char *place)
{
    const size_t length = strlen(place), mark = strlen(JOINS_ARRAY);

    return length > mark && strcmp(place + length - mark, JOINS_ARRAY) == 0 ? length - mark : 0;
}

/* Give an object to the array at "a.b[]". */
static int append_at(json_t *file, const char *place, json_t *object)
{
    char *array = strndup(place, array_length(place));
    json_t *found = NULL;
    int rc = array == NULL ? report_no_memory() : EXIT_OK;

    if (rc == EXIT_OK)
        rc = object_at(file, array, &found);
    if (json_array_append_new(found, object) != 0 && rc == EXIT_OK)
        rc = json_sound() != EXIT_OK ? EXIT_FAILED
                                     : report_failed("there is no array \"%s\"", place);
    free(array);
    return rc;
}

/* A row with a place of its own. */
static int put_placed(const struct record_table *t, const struct record_row *row, json_t *file)
{
    json_t *object = json_object(), *there = NULL;
    int rc;

    if (object == NULL)
        return report_no_memory();
    if (array_length(row->place) > 0) {
        put_row(t, row, object);
        return append_at(file, row->place, object);
    }
    if (put_row(t, row, object) == 0 && strcmp(row->place, WHOLE_FILE) != 0) {
        rc = put_at(file, row->place, json_null());
    } else {
        rc = object_at(file, row->place, &there);
        if (json_object_update(there, object) != 0 && rc == EXIT_OK)
            rc = json_sound() != EXIT_OK
                     ? EXIT_FAILED
                     : report_failed("there is no place \"%s\"", row->place);
    }
    json_decref(object);
    return rc;
}

static int put_rows(const struct record_table *t, json_t *file)
{
    json_t *array = t->layout.name == NULL ? NULL : json_array();
    int rc = EXIT_OK, in_array = 0, placed = 0;

    for (int64_t i = 0; i < t->rows && rc == EXIT_OK; i++)
        if (t->row[i].place != NULL) {
            rc = put_placed(t, &t->row[i], file);
            placed++;
        } else if (array != NULL) {
            json_t *one = json_object();

            put_row(t, &t->row[i], one);
            in_array++;
            if (json_array_append_new(array, one) != 0)
                rc = report_no_memory();
        }
    if (rc == EXIT_OK && array != NULL && (in_array > 0 || placed == 0))
        return put_at(file, t->layout.name, array);
    json_decref(array);
    return rc;
}

static void set_if(json_t *object, const char *name, int value)
{
    if (value)
        json_object_set_new(object, name, json_true());
}

static void put_words(const struct record_table *t, int c, json_t *column)
{
    json_t *words = json_array();
    int any = 0;

    for (int64_t i = 0; i < t->rows; i++) {
        const char *one = t->row[i].cell[c].words;

        any |= one != NULL;
        json_array_append_new(words, one == NULL ? json_null() : json_text(one));
    }
    if (any)
        json_object_set(column, "words", words);
    json_decref(words);
}

static json_t *column_json(const struct record_table *t, int c)
{
    const struct record_column *column = &t->columns[c];
    json_t *o = json_object();

    json_set_text(o, "name", column->name);
    json_set_text(o, "title", column->title);
    json_set_text(o, "kind", record_kind_names[column->kind]);
    if (column->kind == RECORD_NUMBER || column->kind == RECORD_DIGITS)
        json_object_set_new(o, "decimals", json_integer(column->decimals));
    set_if(o, "percent", column->percent);
    if (column->unit != NULL)
        json_set_text(o, "unit", column->unit);
    if (column->join != NULL)
        json_set_text(o, "join", column->join);
    set_if(o, "sign", column->sign);
    set_if(o, "group", column->group);
    set_if(o, "right", column->right);
    set_if(o, "left", column->left);
    set_if(o, "heat", column->heat);
    if (column->good != 0 || column->bad != 0) {
        json_set_number(o, "good", column->good);
        json_set_number(o, "bad", column->bad);
    }
    put_words(t, c, o);
    if (column->name == NULL) {
        json_t *values = json_array();

        for (int64_t i = 0; i < t->rows; i++)
            json_array_append_new(values, cell_json(column, &t->row[i].cell[c]));
        json_object_set_new(o, "values", values);
    }
    return o;
}

/* Does row i stand in the same array as the one before? */
static int is_continued(const struct record_table *t, int64_t i)
{
    return i > 0 && t->row[i - 1].place != NULL && array_length(t->row[i].place) > 0 &&
           strcmp(t->row[i - 1].place, t->row[i].place) == 0;
}

static void put_place(const struct record_table *t, int64_t i, json_t *rows)
{
    const char *place = t->row[i].place;
    const size_t array = array_length(place);

    if (!is_continued(t, i))
        json_array_append_new(rows, json_stringn(place, array > 0 ? array : strlen(place)));
}

static json_t *table_json(const struct record_table *t)
{
    json_t *o = json_object(), *rows = json_array(), *columns = json_array();
    json_t *runs = json_array(), *hidden = json_array();
    int in_array = 0;

    json_set_text(o, "name", t->layout.name);
    json_set_text(o, "title", t->layout.title);
    json_set_text(o, "note", t->layout.note);
    if (t->layout.across != NULL) {
        json_set_text(o, "across", t->layout.across);
        json_set_text(o, "figure", t->layout.figure);
    }
    set_if(o, "only_page", t->layout.only_page);
    for (int64_t i = 0; i < t->rows; i++) {
        if (t->row[i].place != NULL)
            put_place(t, i, rows);
        else if (t->layout.name == NULL)
            json_array_append_new(rows, json_null());
        else if (!in_array++)
            json_array_append_new(rows, json_text(t->layout.name));
        if (t->row[i].run)
            json_array_append_new(runs, json_integer(i));
        if (t->row[i].hidden)
            json_array_append_new(hidden, json_integer(i));
    }
    for (int c = 0; c < t->layout.count; c++)
        json_array_append_new(columns, column_json(t, c));
    json_object_set_new(o, "rows", rows);
    json_object_set_new(o, "columns", columns);
    json_object_set_new(o, "runs", runs);
    json_object_set_new(o, "hidden", hidden);
    return o;
}

int record_write_json(const struct record *r, const char *path)
{
    json_t *file = json_deep_copy(r->json), *tables = json_array();
    int rc = record_check(r);

    if (rc == EXIT_OK && (file == NULL || tables == NULL))
        rc = report_no_memory();
    for (int i = 0; i < r->parts && rc == EXIT_OK; i++)
        if (r->part[i].table != NULL && !r->part[i].table->layout.only_text) {
            rc = put_rows(r->part[i].table, file);
            if (!r->part[i].table->layout.only_files)
                json_array_append_new(tables, table_json(r->part[i].table));
        }
    if (rc == EXIT_OK) {
        json_object_set(file, "tables", tables);
        rc = json_write_file(path, json_incref(file));
    }
    json_decref(tables);
    json_decref(file);
    return rc;
}

/* --- Reading ------------------------------------------------------------------------------ */

/* A file that is being read. */
struct reading {
    const json_t *file;
    const char *path;
    struct record *record;
    int64_t cells; /* so far */
};

static int refuse(const struct reading *in, const char *what)
{
    return report_failed("%s: its \"tables\" do not fit: %.60s", in->path, what);
}

/* A text, or none; anything else is refused. */
static int get_text(struct reading *in, const json_t *object, const char *name,
                    const char **out)
{
    const json_t *value = json_object_get(object, name);

    *out = json_string_value(value);
    return value == NULL || json_is_null(value) || json_is_string(value) ? EXIT_OK
                                                                         : refuse(in, name);
}

static int get_short(struct reading *in, const json_t *object, const char *name,
                     const char **out)
{
    const int rc = get_text(in, object, name, out);

    return rc == EXIT_OK && *out != NULL && strlen(*out) > MOST_CHARACTERS ? refuse(in, name)
                                                                           : rc;
}

static int is_set(const json_t *object, const char *name)
{
    return json_is_true(json_object_get(object, name));
}

static int read_kind(struct reading *in, const json_t *object, struct record_column *out)
{
    const char *kind = json_string_value(json_object_get(object, "kind"));
    const json_t *decimals = json_object_get(object, "decimals");

    for (int k = 0; k < RECORD_KINDS; k++)
        if (kind != NULL && strcmp(kind, record_kind_names[k]) == 0) {
            out->kind = (enum record_kind)k;
            out->decimals = (int)json_integer_value(decimals);
            return decimals == NULL ||
                           (json_is_integer(decimals) && json_integer_value(decimals) >= 0 &&
                            json_integer_value(decimals) <= MOST_DECIMALS)
                       ? EXIT_OK
                       : refuse(in, "decimals");
        }
    return refuse(in, "kind");
}

static int read_column(struct reading *in, const json_t *object, struct record_column *out)
{
    int rc = json_is_object(object) ? EXIT_OK : refuse(in, "columns");

    *out = (struct record_column){.name = NULL};
    if (rc == EXIT_OK)
        rc = read_kind(in, object, out);
    if (rc == EXIT_OK)
        rc = get_text(in, object, "name", &out->name);
    if (rc == EXIT_OK)
        rc = get_text(in, object, "title", &out->title);
    if (rc == EXIT_OK)
        rc = get_short(in, object, "unit", &out->unit);
    if (rc == EXIT_OK)
        rc = get_short(in, object, "join", &out->join);
    out->percent = is_set(object, "percent");
    out->sign = is_set(object, "sign");
    out->group = is_set(object, "group") && out->kind == RECORD_TEXT;
    out->right = is_set(object, "right");
    out->left = is_set(object, "left");
    out->heat = is_set(object, "heat");
    out->good = json_number_value(json_object_get(object, "good"));
    out->bad = json_number_value(json_object_get(object, "bad"));
    return rc;
}

/* A value into a cell of the last row; NULL: it is not there. */
static int read_cell(struct reading *in, const json_t *value, struct record_table *t, int c)
{
    struct record_cell *cell = record_last_cell(t, c);
    const enum record_kind kind = t->columns[c].kind;
    const int numeric = kind == RECORD_NUMBER || kind == RECORD_DIGITS;

    if (cell == NULL || value == NULL)
        return EXIT_OK;
    cell->state = json_is_null(value) ? RECORD_MISSING : RECORD_GIVEN;
    if (json_is_null(value))
        return EXIT_OK;
    if (numeric && json_is_number(value))
        cell->number = json_number_value(value);
    else if (kind == RECORD_WHOLE && json_is_integer(value))
        cell->whole = json_integer_value(value);
    else if (kind == RECORD_TRUTH && json_is_boolean(value))
        cell->whole = json_is_true(value);
    else if (kind == RECORD_TEXT && json_is_string(value))
        cell->text = strdup(json_string_value(value));
    else {
        cell->state = RECORD_ABSENT;
        return refuse(in, record_key(&t->columns[c]));
    }
    return kind == RECORD_TEXT && cell->text == NULL ? report_no_memory() : EXIT_OK;
}

/* A row that the file has as an object; NULL: it has none, or only what "values" say. `place`
 * NULL: it is in an array. */
static int read_row(struct reading *in, const json_t *object, const char *place,
                    const json_t *columns, struct record_table *t)
{
    int rc = EXIT_OK;

    in->cells += t->layout.count + 1;
    if (in->cells > MOST_CELLS)
        return refuse(in, "too many rows");
    if (place != NULL)
        record_row_at(t, place);
    else
        record_row(t);
    for (int c = 0; c < t->layout.count && rc == EXIT_OK; c++) {
        const char *name = t->columns[c].name;
        const json_t *column = json_array_get(columns, (size_t)c);
        const json_t *values = json_object_get(column, "values");
        const json_t *words =
            json_array_get(json_object_get(column, "words"), (size_t)t->rows - 1);

        if (json_is_string(words))
            record_words(t, record_key(&t->columns[c]), json_string_value(words));
        rc = read_cell(in,
                       name != NULL ? json_object_get(object, name)
                                    : json_array_get(values, (size_t)t->rows - 1),
                       t, c);
    }
    return rc == EXIT_OK ? record_check(in->record) : rc;
}

static const json_t *value_at(const json_t *file, const char *place)
{
    while (file != NULL && *place != '\0' && strcmp(place, WHOLE_FILE) != 0) {
        const size_t length = strcspn(place, ".");
        char name[MOST_CHARACTERS];

        snprintf(name, sizeof name, "%.*s", (int)length, place);
        file = member(file, name);
        place += length + (place[length] == '.');
    }
    return file;
}

/* The rows at one place: of an array, or one alone. */
static int read_place(struct reading *in, const json_t *place, const json_t *columns,
                      struct record_table *t)
{
    const char *name = json_string_value(place);
    const json_t *value = name == NULL ? NULL : value_at(in->file, name);
    int rc = EXIT_OK;

    if (json_is_null(place) || json_is_object(value) || json_is_null(value))
        return read_row(in, value, name, columns, t);
    if (!json_is_array(value))
        return refuse(in, name == NULL ? "rows" : name);
    for (size_t i = 0; i < json_array_size(value) && rc == EXIT_OK; i++)
        rc = json_is_object(json_array_get(value, i))
                 ? read_row(in, json_array_get(value, i), NULL, columns, t)
                 : refuse(in, name);
    return rc;
}

/* Mark the rows that a list numbers. */
static int read_marks(struct reading *in, const json_t *list, const char *what,
                      struct record_table *t)
{
    if (list != NULL && !json_is_array(list))
        return refuse(in, what);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *number = json_array_get(list, i);
        const json_int_t row = json_integer_value(number);

        if (!json_is_integer(number) || row < 0 || row >= t->rows)
            return refuse(in, what);
        if (strcmp(what, "runs") == 0)
            t->row[row].run = 1;
        else
            t->row[row].hidden = 1;
    }
    return EXIT_OK;
}

static int read_rows(struct reading *in, const json_t *object, struct record_table *t)
{
    const json_t *rows = json_object_get(object, "rows");
    const json_t *columns = json_object_get(object, "columns");
    int rc = json_is_array(rows) ? EXIT_OK : refuse(in, "rows");

    for (size_t i = 0; i < json_array_size(rows) && rc == EXIT_OK; i++)
        rc = read_place(in, json_array_get(rows, i), columns, t);
    if (rc == EXIT_OK)
        rc = read_marks(in, json_object_get(object, "runs"), "runs", t);
    return rc == EXIT_OK ? read_marks(in, json_object_get(object, "hidden"), "hidden", t) : rc;
}

static int read_table(struct reading *in, const json_t *object)
{
    const json_t *list = json_object_get(object, "columns");
    struct record_column columns[RECORD_MOST_COLUMNS];
    struct record_layout layout = {.columns = columns, .count = (int)json_array_size(list)};
    struct record_table *t;
    int rc = EXIT_OK;

    if (!json_is_array(list) || json_array_size(list) > RECORD_MOST_COLUMNS)
        return refuse(in, "columns");
    for (int c = 0; c < layout.count && rc == EXIT_OK; c++)
        rc = read_column(in, json_array_get(list, (size_t)c), &columns[c]);
    if (rc == EXIT_OK)
        rc = get_text(in, object, "name", &layout.name);
    if (rc == EXIT_OK)
        rc = get_text(in, object, "title", &layout.title);
    if (rc == EXIT_OK)
        rc = get_text(in, object, "note", &layout.note);
    if (rc == EXIT_OK)
        rc = get_text(in, object, "across", &layout.across);
    if (rc == EXIT_OK)
        rc = get_text(in, object, "figure", &layout.figure);
    layout.only_page = is_set(object, "only_page");
    if (rc != EXIT_OK)
        return rc;
    t = record_table(in->record, &layout);
    rc = record_check(in->record);
    return rc == EXIT_OK ? read_rows(in, object, t) : rc;
}

int record_read(const json_t *file, const char *path, struct record **out)
{
    const json_t *tables = json_object_get(file, "tables");
    const char *protocol = json_string_value(json_object_get(file, "protocol"));
    struct reading in = {file, path, record_create(), 0};
    int rc = in.record == NULL ? EXIT_FAILED : EXIT_OK;

    *out = NULL;
    if (rc == EXIT_OK && tables != NULL &&
        (!json_is_array(tables) || json_array_size(tables) > MOST_TABLES))
        rc = refuse(&in, "not a list, or too long a one");
    for (size_t i = 0; i < json_array_size(tables) && rc == EXIT_OK; i++)
        rc = read_table(&in, json_array_get(tables, i));
    if (rc == EXIT_OK && protocol != NULL)
        record_protocol(in.record, "%s", protocol);
    if (rc != EXIT_OK) {
        record_free(in.record);
        return rc;
    }
    *out = in.record;
    return EXIT_OK;
}
