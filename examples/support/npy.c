/* SPDX-License-Identifier: MIT */

/* NumPy arrays. The header is a Python dictionary in text; only the three keys that the
 * format defines are understood, and anything unexpected is an error, never a guess.
 *
 * Format: "\x93NUMPY", major, minor, header length (2 bytes, from version 2 on 4 bytes,
 * little-endian), header, values. */

#include "npy.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "report.h"

/* A place in the header text. */
struct cursor {
    const char *at, *end;
};

static void skip_spaces(struct cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\n' || *c->at == '\t'))
        c->at++;
}

/* Is the next thing this text? Then go past it. */
static int accept(struct cursor *c, const char *text)
{
    const size_t length = strlen(text);

    skip_spaces(c);
    if ((size_t)(c->end - c->at) < length || memcmp(c->at, text, length) != 0)
        return 0;
    c->at += length;
    return 1;
}

static int accept_string(struct cursor *c, char *out, size_t room)
{
    size_t length = 0;
    char quote;

    skip_spaces(c);
    if (c->at == c->end || (*c->at != '\'' && *c->at != '"'))
        return 0;
    quote = *c->at++;
    while (c->at < c->end && *c->at != quote && length + 1 < room)
        out[length++] = *c->at++;
    if (c->at == c->end || *c->at != quote)
        return 0;
    c->at++;
    out[length] = '\0';
    return 1;
}

static int accept_size(struct cursor *c, int64_t *out)
{
    int64_t value = 0;
    int digits = 0;

    skip_spaces(c);
    while (c->at < c->end && *c->at >= '0' && *c->at <= '9') {
        if (++digits > 18)
            return 0;
        value = value * 10 + (*c->at++ - '0');
    }
    *out = value;
    return digits > 0;
}

static int parse_shape(struct cursor *c, struct npy_array *a)
{
    if (!accept(c, "("))
        return 0;
    a->dims = 0;
    while (!accept(c, ")")) {
        if (a->dims == NPY_DIMS || !accept_size(c, &a->shape[a->dims]))
            return 0;
        a->dims++;
        if (!accept(c, ",")) {
            /* "(5)" is a number in Python, not a shape: one dimension needs its comma. */
            return a->dims > 1 && accept(c, ")");
        }
    }
    return 1;
}

static int parse_type(const char *path, const char *text, struct npy_array *a)
{
    static const char *const known[] = {"<f4", "<f8", "|u1", "<i4", "<i8"};

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(text, known[i]) == 0) {
            a->type = text[1];
            a->item = text[2] - '0';
            return EXIT_OK;
        }
    }
    return report_failed("%s: values of type '%s'; read are '<f4', '<f8', '|u1', '<i4' and "
                         "'<i8' (save with .astype(numpy.float32))",
                         path, text);
}

static int parse_header(const char *path, struct cursor c, struct npy_array *a)
{
    char key[32], type[32] = "";
    int seen_shape = 0, seen_order = 0, ok = accept(&c, "{"), fortran = 0;

    while (ok && !accept(&c, "}")) {
        ok = accept_string(&c, key, sizeof key) && accept(&c, ":");
        if (ok && strcmp(key, "descr") == 0) {
            ok = type[0] == '\0' && accept_string(&c, type, sizeof type);
        } else if (ok && strcmp(key, "fortran_order") == 0) {
            fortran = accept(&c, "True");
            ok = !seen_order++ && (fortran || accept(&c, "False"));
        } else {
            ok = ok && strcmp(key, "shape") == 0 && !seen_shape++ && parse_shape(&c, a);
        }
        if (ok && !accept(&c, ",")) {
            ok = accept(&c, "}");
            break;
        }
    }
    skip_spaces(&c);
    if (!ok || type[0] == '\0' || !seen_order || !seen_shape || c.at != c.end)
        return report_failed("%s: the .npy header cannot be read; it needs 'descr' (one plain "
                             "type), 'fortran_order' and 'shape' (at most %d sizes)",
                             path, NPY_DIMS);
    if (fortran && a->dims > 1)
        return report_failed("%s: stored in Fortran order; save it with "
                             "numpy.ascontiguousarray()",
                             path);
    return parse_type(path, type, a);
}

static int check_size(const char *path, size_t room, struct npy_array *a)
{
    a->count = 1;
    for (int i = 0; i < a->dims; i++) {
        if (a->shape[i] > 0 && a->count > INT64_MAX / 8 / a->shape[i])
            return report_failed("%s: the sizes of its shape overflow", path);
        a->count *= a->shape[i];
    }
    if ((uint64_t)a->count * (uint64_t)a->item != room)
        return report_failed("%s: the shape needs %" PRIu64
                             " bytes of values, the file has %zu",
                             path, (uint64_t)a->count * (uint64_t)a->item, room);
    return EXIT_OK;
}

static int parse(const char *path, size_t length, struct npy_array *a)
{
    const uint8_t *b = a->bytes;
    size_t start, header;
    struct cursor text;
    int rc;

    if (length < 12 || memcmp(b, "\x93NUMPY", 6) != 0)
        return report_failed("%s: not a .npy file", path);
    if (b[6] < 1 || b[6] > 3)
        return report_failed("%s: .npy version %d; read are 1 to 3", path, b[6]);
    start = b[6] == 1 ? 10 : 12;
    header = (size_t)b[8] | (size_t)b[9] << 8;
    if (b[6] > 1)
        header |= (size_t)b[10] << 16 | (size_t)b[11] << 24;
    if (header > length - start)
        return report_failed("%s: cut short: the header needs %zu bytes, the file has %zu",
                             path, header, length - start);
    text.at = (const char *)b + start;
    text.end = text.at + header;
    rc = parse_header(path, text, a);
    if (rc != EXIT_OK)
        return rc;
    a->values = b + start + header;
    return check_size(path, length - start - header, a);
}

int npy_read(const char *path, struct npy_array *out)
{
    size_t length = 0;
    int rc;

    memset(out, 0, sizeof *out);
    rc = file_read(path, &out->bytes, &length);
    if (rc == EXIT_OK)
        rc = parse(path, length, out);
    if (rc != EXIT_OK)
        npy_free(out);
    return rc;
}

void npy_free(struct npy_array *a)
{
    free(a->bytes);
    memset(a, 0, sizeof *a);
}

double npy_value(const struct npy_array *a, int64_t i)
{
    const uint8_t *b = a->values + i * a->item;
    uint64_t bits = 0;

    for (int k = a->item - 1; k >= 0; k--)
        bits = bits << 8 | b[k];
    if (a->type == 'f' && a->item == 8) {
        double value;
        memcpy(&value, &bits, sizeof value);
        return value;
    }
    if (a->type == 'f') {
        const uint32_t low = (uint32_t)bits;
        float value;
        memcpy(&value, &low, sizeof value);
        return (double)value;
    }
    if (a->type == 'i' && a->item == 4)
        return (double)(int32_t)(uint32_t)bits;
    return a->type == 'i' ? (double)(int64_t)bits : (double)bits;
}

/* Four bytes, little-endian on every machine. */
static int write_word(const uint8_t *word, FILE *file)
{
    uint32_t w;
    uint8_t b[4];

    memcpy(&w, word, 4);
    for (int k = 0; k < 4; k++)
        b[k] = (uint8_t)(w >> (8 * k));
    return fwrite(b, 1, 4, file) == 4;
}

/* Values of one byte or of four, given by their bits. */
static int write_values(const char *path, const char *type, const uint8_t *values, int dims,
                        const int64_t *shape)
{
    const int words = type[2] == '4';
    char header[512];
    int at = snprintf(header, sizeof header,
                      "{'descr': '%s', 'fortran_order': False, 'shape': (", type);
    size_t count = 1, pad;
    FILE *file = fopen(path, "wb");
    int ok;

    if (file == NULL)
        return report_failed("cannot write %s: %s", path, strerror(errno));
    for (int i = 0; i < dims; i++) {
        at += snprintf(header + at, sizeof header - (size_t)at, "%" PRId64 ", ", shape[i]);
        count *= (size_t)shape[i];
    }
    at += snprintf(header + at, sizeof header - (size_t)at, "), }");
    pad = 63 - ((size_t)at + 10) % 64; /* values begin at a multiple of 64 */
    at += (int)pad + 1;
    memset(header + at - (int)pad - 1, ' ', pad);
    header[at - 1] = '\n';
    ok = fwrite("\x93NUMPY\x01\x00", 1, 8, file) == 8;
    ok = ok && fputc(at & 255, file) != EOF && fputc(at >> 8, file) != EOF;
    ok = ok && fwrite(header, 1, (size_t)at, file) == (size_t)at;
    if (!words)
        ok = ok && fwrite(values, 1, count, file) == count;
    for (size_t i = 0; ok && words && i < count; i++)
        ok = write_word(values + 4 * i, file);
    if (fclose(file) != 0 || !ok)
        return report_failed("cannot write %s: %s", path, strerror(errno));
    return EXIT_OK;
}

int npy_write_f32(const char *path, const float *values, int dims, const int64_t *shape)
{
    return write_values(path, "<f4", (const uint8_t *)values, dims, shape);
}

int npy_write_u8(const char *path, const uint8_t *values, int dims, const int64_t *shape)
{
    return write_values(path, "|u1", values, dims, shape);
}

int npy_write_i32(const char *path, const int32_t *values, int dims, const int64_t *shape)
{
    return write_values(path, "<i4", (const uint8_t *)values, dims, shape);
}
