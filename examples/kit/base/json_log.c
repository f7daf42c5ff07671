/* SPDX-License-Identifier: MIT */

/* JSON through jansson. */

#define _DEFAULT_SOURCE /* fseeko, ftruncate */

#include "kit/base/json_log.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kit/base/file.h"
#include "kit/base/file_writer.h"
#include "kit/base/report.h"
#include "kit/base/text.h"

#define NAME_BYTES 128 /* of a member */

#define LOG_DIGITS  JSON_REAL_PRECISION(7)
#define FILE_DIGITS JSON_REAL_PRECISION(12) /* enough to check a figure, no rounding dust */

static int lost;
static jmp_buf
    *reading; /* where to go when memory runs out while a text is read; NULL: nowhere */

static void *noting_malloc(size_t size)
{
    void *block = malloc(size);

    if (block != NULL)
        return block;
    lost = 1;
    if (reading != NULL)
        longjmp(*reading, 1);
    return NULL;
}

void json_start(void)
{
    json_set_alloc_funcs(noting_malloc, free);
}

int json_sound(void)
{
    return lost ? report_no_memory() : EXIT_OK;
}

int json_log_open(const char *path, int append, FILE **out)
{
    *out = fopen(path, append ? "a" : "w");
    if (*out == NULL)
        return report_failed("cannot write %s: %s", path, strerror(errno));
    return EXIT_OK;
}

/* Take away what was written of a line, so that the next one does not continue it. */
static void forget_line(FILE *log, off_t begin)
{
    __fpurge(log);
    clearerr(log);
    if (begin >= 0 && ftruncate(fileno(log), begin) == 0)
        (void)fseeko(log, begin, SEEK_SET);
}

static int write_line(FILE *log, const json_t *object)
{
    const off_t begin = fseeko(log, 0, SEEK_END) == 0 ? ftello(log) : -1;

    if (json_dumpf(object, log, JSON_COMPACT | LOG_DIGITS) == 0 && fputc('\n', log) != EOF &&
        fflush(log) == 0 && !ferror(log))
        return EXIT_OK;
    const int error = errno;
    forget_line(log, begin);
    return lost ? report_no_memory()
                : report_failed("cannot write the log: %s", strerror(error));
}

int json_log_line(FILE *log, json_t *object)
{
    int rc = object == NULL ? report_no_memory() : json_sound();

    if (rc == EXIT_OK)
        rc = write_line(log, object);
    json_decref(object);
    return rc;
}

json_t *json_number(double value)
{
    const int whole = floor(value) == value && fabs(value) < 1e15;

    if (!isfinite(value))
        return json_null();
    return whole ? json_integer((json_int_t)value) : json_real(value);
}

void json_set_number(json_t *object, const char *name, double value)
{
    json_object_set_new(object, name, json_number(value));
}

json_t *json_text(const char *text)
{
    char *shown = text_shown(text);
    json_t *value = shown == NULL ? NULL : json_string(shown);

    lost |= value == NULL;
    free(shown);
    return value;
}

/* The member's name beside `name`. */
static int name_bytes(char out[NAME_BYTES], const char *name)
{
    return snprintf(out, NAME_BYTES, "%s_bytes", name) < NAME_BYTES;
}

void json_set_text(json_t *object, const char *name, const char *text)
{
    char beside[NAME_BYTES];

    json_object_set_new(object, name, text == NULL ? json_null() : json_text(text));
    if (text == NULL || text_is_utf8(text) || !name_bytes(beside, name))
        return;
    char *bytes = text_percent(text);
    lost |= bytes == NULL;
    if (bytes != NULL)
        json_object_set_new(object, beside, json_string(bytes));
    free(bytes);
}

char *json_get_text(const json_t *object, const char *name)
{
    char beside[NAME_BYTES];
    const char *text = json_string_value(json_object_get(object, name));
    const char *bytes =
        name_bytes(beside, name) ? json_string_value(json_object_get(object, beside)) : NULL;

    if (bytes != NULL)
        return text_from_percent(bytes);
    return text == NULL ? NULL : strdup(text);
}

int json_write_file(const char *path, json_t *object)
{
    struct file_writer w;
    int rc = object == NULL ? report_no_memory() : json_sound();

    if (rc == EXIT_OK)
        rc = file_writer_open(&w, path);
    if (rc == EXIT_OK) {
        const int whole = json_dumpf(object, w.stream, JSON_INDENT(2) | FILE_DIGITS) == 0 &&
                          fputc('\n', w.stream) != EOF;
        (void)json_sound();
        rc = file_writer_close(&w, whole && !lost);
    }
    json_decref(object);
    return rc;
}

/* A parser of jansson (2.14) that cannot keep a character goes on without it, and then reads and frees
 * what is not its own. So it is left at once; what it has until then is lost, in a program that ends. */
json_t *json_read_text(const char *text, size_t length, size_t flags, json_error_t *error)
{
    jmp_buf here;
    json_t *value;

    if (setjmp(here) != 0) {
        reading = NULL;
        return NULL;
    }
    reading = &here;
    value = json_loadb(text, length, flags, error);
    reading = NULL;
    return value;
}

int json_parse(const char *what, const char *text, size_t length, json_t **out)
{
    json_error_t error = {0};

    *out = json_read_text(text, length, JSON_REJECT_DUPLICATES, &error);
    if (lost) {
        json_decref(*out);
        *out = NULL;
        return report_no_memory();
    }
    return *out != NULL ? EXIT_OK
                        : report_failed("%s, line %d: %s", what, error.line, error.text);
}

int json_read_file(const char *path, json_t **out)
{
    uint8_t *text;
    size_t length;

    *out = NULL;
    if (!file_exists(path))
        return EXIT_OK;
    TRY(file_read(path, &text, &length));
    const int rc = json_parse(path, (const char *)text, length, out);
    free(text);
    return rc;
}
