/* SPDX-License-Identifier: MIT */

/* NumPy arrays: what a file says. The header is a Python dictionary in text; only the three keys
 * that the format defines are understood, and anything unexpected is an error, never a guess.
 *
 * Format: "\x93NUMPY", major, minor, header length (2 bytes, from version 2 on 4 bytes,
 * little-endian), header, values. */

#include "kit/formats/npy.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "kit/base/file.h"
#include "kit/base/report.h"

#define TYPES "f2 f4 f8 i1 i2 i4 i8 u1 u2 u4 u8 b1"

/* The header's text, within the bytes of the file. */
struct text {
    const char *name;
    const char *file, *at, *end;
};

static int failed_at(const struct text *t, const char *what)
{
    return report_failed("%s: the .npy header cannot be read at byte %zu: %s", t->name,
                         (size_t)(t->at - t->file), what);
}

static void skip_spaces(struct text *t)
{
    while (t->at < t->end && (*t->at == ' ' || *t->at == '\n' || *t->at == '\t'))
        t->at++;
}

/* Is the next thing this text? Then go past it. */
static int accept(struct text *t, const char *wanted)
{
    const size_t length = strlen(wanted);

    skip_spaces(t);
    if ((size_t)(t->end - t->at) < length || memcmp(t->at, wanted, length) != 0)
        return 0;
    t->at += length;
    return 1;
}

/* Printable ASCII only, because messages repeat it. */
static int accept_string(struct text *t, char *out, size_t size)
{
    const char *at;
    size_t length = 0;
    char quote;

    skip_spaces(t);
    if (t->at == t->end || (*t->at != '\'' && *t->at != '"'))
        return 0;
    quote = *t->at;
    for (at = t->at + 1; at < t->end && *at != quote; at++) {
        if (length + 1 == size || *at < ' ' || *at > '~')
            return 0;
        out[length++] = *at;
    }
    if (at == t->end)
        return 0;
    t->at = at + 1;
    out[length] = '\0';
    return 1;
}

static int parse_size(struct text *t, int64_t *out)
{
    const char *first;
    int64_t value = 0;

    skip_spaces(t);
    first = t->at;
    if (t->at < t->end && *t->at == '-')
        return failed_at(t, "a size is negative");
    for (; t->at < t->end && *t->at >= '0' && *t->at <= '9'; t->at++) {
        const int digit = *t->at - '0';

        if (value > (INT64_MAX - digit) / 10)
            return failed_at(t, "a size overflows 2^63 - 1");
        value = value * 10 + digit;
    }
    if (t->at == first)
        return failed_at(t, "a size must be a whole number");
    if (*first == '0' && t->at - first > 1)
        return failed_at(t, "a size begins with 0");
    if (t->at < t->end && *t->at == 'L')
        return failed_at(t, "a size has the suffix L, as Python 2 wrote it; load the array "
                            "with NumPy and save it again");
    *out = value;
    return EXIT_OK;
}

static int parse_shape(struct text *t, struct npy_array *a)
{
    int comma = 1;

    if (!accept(t, "("))
        return failed_at(t, "'shape' must be sizes in parentheses");
    while (!accept(t, ")")) {
        if (!comma)
            return failed_at(t, "after a size stands ',' or ')'");
        if (a->dims == NPY_DIMS)
            return failed_at(t, "the shape has more than 64 sizes");
        TRY(parse_size(t, &a->shape[a->dims]));
        a->dims++;
        comma = accept(t, ",");
    }
    /* "(5)" is a number in Python, not a shape. */
    return a->dims == 1 && !comma ? failed_at(t, "one size alone needs a comma, \"(5,)\"")
                                  : EXIT_OK;
}

static int refuse_type(const char *name, const char *type)
{
    static const struct {
        char kind;
        const char *what;
    } known[] = {{'O', "Python objects"},   {'S', "byte strings"}, {'U', "text"},
                 {'c', "complex numbers"},  {'M', "dates"},        {'m', "spans of time"},
                 {'V', "records of bytes"}, {'f', "floats"},       {'i', "integers"}};
    const char *what = "values";

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (type[0] != '\0' && type[1] == known[i].kind)
            what = known[i].what;
    return report_failed("%s: holds %s of type '%s'; read are " TYPES " (< or >); save with "
                         ".astype(numpy.float32) or the like",
                         name, what, type);
}

static int parse_type(struct text *t, struct npy_array *a)
{
    static const char types[][3] = {"f2", "f4", "f8", "i1", "i2", "i4",
                                    "i8", "u1", "u2", "u4", "u8", "b1"};
    char type[32] = "";

    if (accept(t, "[") || accept(t, "("))
        return report_failed("%s: holds values with fields (a structured type); save one "
                             "field as an array of its own",
                             t->name);
    if (!accept_string(t, type, sizeof type))
        return failed_at(t, "'descr' must be the name of a type in quotes");
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        /* "|" means that there is no byte order, which only single bytes can do without. */
        if (type[0] != '\0' && strcmp(type + 1, types[i]) == 0 &&
            strchr(type[2] == '1' ? "|<>" : "<>", type[0]) != NULL) {
            a->type = type[1];
            a->item = type[2] - '0';
            a->big_endian = type[0] == '>';
            return EXIT_OK;
        }
    }
    return refuse_type(t->name, type);
}

static int parse_order(struct text *t, struct npy_array *a)
{
    a->fortran = accept(t, "True");
    if (!a->fortran && !accept(t, "False"))
        return failed_at(t, "'fortran_order' must be True or False");
    return EXIT_OK;
}

static const struct {
    const char *key;
    int (*parse)(struct text *t, struct npy_array *a);
} entries[] = {{"descr", parse_type}, {"fortran_order", parse_order}, {"shape", parse_shape}};
#define ENTRIES ((int)(sizeof entries / sizeof entries[0]))

static int parse_entry(struct text *t, int seen[ENTRIES], struct npy_array *a)
{
    const char *start = t->at;
    char key[32];
    int i = 0;

    if (!accept_string(t, key, sizeof key))
        return failed_at(t, "a key in quotes is missing");
    while (i < ENTRIES && strcmp(key, entries[i].key) != 0)
        i++;
    if (i == ENTRIES || seen[i]) {
        t->at = start;
        return failed_at(t, i == ENTRIES ? "unknown key; there are 'descr', 'fortran_order' "
                                           "and 'shape'"
                                         : "a key stands there twice");
    }
    seen[i] = 1;
    if (!accept(t, ":"))
        return failed_at(t, "after a key stands ':'");
    return entries[i].parse(t, a);
}

static int parse_header(struct text *t, struct npy_array *a)
{
    int seen[ENTRIES] = {0}, comma = 1;

    if (!accept(t, "{"))
        return failed_at(t, "it must begin with '{'");
    while (!accept(t, "}")) {
        if (!comma)
            return failed_at(t, "after an entry stands ',' or '}'");
        TRY(parse_entry(t, seen, a));
        comma = accept(t, ",");
    }
    skip_spaces(t);
    if (t->at != t->end)
        return failed_at(t, "only spaces may follow '}'");
    for (int i = 0; i < ENTRIES; i++)
        if (!seen[i])
            return report_failed("%s: the .npy header cannot be read: '%s' is missing", t->name,
                                 entries[i].key);
    return EXIT_OK;
}

/* As in NumPy the sizes other than 0 must have a product, even when there is no value. */
static int set_count(const char *name, struct npy_array *a)
{
    int64_t bytes = a->item;
    int empty = 0;

    for (int i = 0; i < a->dims; i++) {
        if (a->shape[i] == 0) {
            empty = 1;
            continue;
        }
        if (bytes > INT64_MAX / a->shape[i])
            return report_failed("%s: the sizes of its shape overflow (size %d of %d is "
                                 "%" PRId64 ")",
                                 name, i + 1, a->dims, a->shape[i]);
        bytes *= a->shape[i];
    }
    a->count = empty ? 0 : bytes / a->item;
    return EXIT_OK;
}

/* All that stands before the values; `start` is where they begin. */
static int parse_front(const uint8_t *b, size_t length, const char *name, struct npy_array *a,
                       size_t *start)
{
    const size_t fixed = length > 6 && b[6] > 1 ? 12 : 10;
    struct text text = {name, (const char *)b, NULL, NULL};
    size_t header;

    memset(a, 0, sizeof *a);
    if (length < 6 || memcmp(b, "\x93NUMPY", 6) != 0)
        return report_failed("%s: not a .npy file", name);
    if (length > 7 && (b[6] < 1 || b[6] > 3 || b[7] != 0))
        return report_failed("%s: .npy version %d.%d; read are 1.0, 2.0 and 3.0", name, b[6],
                             b[7]);
    if (length < fixed)
        return report_failed("%s: cut short: %zu bytes, before the header %zu are needed", name,
                             length, fixed);
    header = (size_t)b[8] | (size_t)b[9] << 8;
    if (fixed == 12)
        header |= (size_t)b[10] << 16 | (size_t)b[11] << 24;
    if (header > NPY_HEADER_BYTES)
        return report_failed("%s: a .npy header of %zu bytes; at most %d are read", name,
                             header, NPY_HEADER_BYTES);
    if (header > length - fixed)
        return report_failed("%s: cut short: the header needs %zu bytes, the file has %zu",
                             name, header, length - fixed);
    text.at = text.file + fixed;
    text.end = text.at + header;
    *start = fixed + header;
    TRY(parse_header(&text, a));
    return set_count(name, a);
}

int npy_length(const uint8_t *bytes, size_t length, const char *name, uint64_t *out)
{
    struct npy_array a;
    size_t start = 0;

    *out = 0;
    TRY(parse_front(bytes, length, name, &a, &start));
    *out = start + (uint64_t)a.count * (uint64_t)a.item;
    return EXIT_OK;
}

static int parse(const uint8_t *bytes, size_t length, const char *name, struct npy_array *out)
{
    size_t start = 0;
    uint64_t needed;

    TRY(parse_front(bytes, length, name, out, &start));
    needed = (uint64_t)out->count * (uint64_t)out->item;
    if (needed != length - start)
        return report_failed("%s: the shape needs %" PRIu64
                             " bytes of values, the file has %zu",
                             name, needed, length - start);
    out->values = bytes + start;
    return EXIT_OK;
}

int npy_parse(const uint8_t *bytes, size_t length, const char *name, struct npy_array *out)
{
    const int rc = parse(bytes, length, name, out);

    if (rc != EXIT_OK)
        memset(out, 0, sizeof *out);
    return rc;
}

int npy_read(const char *path, struct npy_array *out)
{
    uint8_t *bytes = NULL;
    size_t length = 0;
    int rc;

    memset(out, 0, sizeof *out);
    TRY(file_read(path, &bytes, &length));
    rc = npy_parse(bytes, length, path, out);
    out->bytes = bytes;
    if (rc != EXIT_OK)
        npy_free(out);
    return rc;
}

void npy_free(struct npy_array *a)
{
    free(a->bytes);
    memset(a, 0, sizeof *a);
}
