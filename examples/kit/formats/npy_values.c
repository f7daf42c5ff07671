/* SPDX-License-Identifier: MIT */

/* The values of an array: out of the file's bytes, into the caller's type, and back into bytes.
 * Bytes are put together by shifts, so that the machine's own byte order does not matter. */

#include "kit/formats/npy.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kit/base/file.h"
#include "kit/base/file_writer.h"
#include "kit/base/report.h"

/* --- Reading ------------------------------------------------------------------------------ */

/* A value without loss; `type` says which member. */
struct number {
    char type; /* 'f', 'i', 'u' */
    double f;
    int64_t i;
    uint64_t u;
};

static double from_half(uint64_t bits)
{
    const double sign = (bits & 0x8000) != 0 ? -1.0 : 1.0, fraction = (double)(bits & 0x3ff);
    const int exponent = (int)(bits >> 10 & 31);

    if (exponent == 31)
        return fraction != 0.0 ? (double)NAN : sign * (double)INFINITY;
    return exponent == 0 ? sign * ldexp(fraction, -24)
                         : sign * ldexp(1024.0 + fraction, exponent - 25);
}

static double from_float_bits(uint64_t bits, int item)
{
    const uint32_t low = (uint32_t)bits;
    float narrow;
    double wide;

    if (item == 2)
        return from_half(bits);
    memcpy(&narrow, &low, sizeof narrow);
    memcpy(&wide, &bits, sizeof wide);
    return item == 4 ? (double)narrow : wide;
}

static struct number number_at(const struct npy_array *a, const uint8_t *b)
{
    struct number n = {a->type, 0.0, 0, 0};
    uint64_t bits = 0;

    for (int k = 0; k < a->item; k++)
        bits = bits << 8 | b[a->big_endian ? k : a->item - 1 - k];
    if (a->type == 'f') {
        n.f = from_float_bits(bits, a->item);
    } else if (a->type == 'i') {
        const uint64_t sign = UINT64_C(1) << (8 * a->item - 1);

        n.i = (int64_t)((bits ^ sign) - sign);
    } else {
        n.type = 'u';
        n.u = a->type == 'b' ? bits != 0 : bits;
    }
    return n;
}

/* Steps through the values in C order, whatever their order in the file. */
struct walk {
    int64_t index[NPY_DIMS], stride[NPY_DIMS];
    int64_t offset; /* in bytes */
};

static void walk_begin(const struct npy_array *a, struct walk *w)
{
    int64_t stride = a->item;

    memset(w, 0, sizeof *w);
    for (int k = 0; k < a->dims; k++) {
        const int d = a->fortran ? k : a->dims - 1 - k;

        w->stride[d] = stride;
        stride *= a->shape[d];
    }
}

static void walk_next(const struct npy_array *a, struct walk *w)
{
    for (int d = a->dims - 1; d >= 0; d--) {
        w->offset += w->stride[d];
        if (++w->index[d] < a->shape[d])
            return;
        w->offset -= w->stride[d] * a->shape[d];
        w->index[d] = 0;
    }
}

static int refuse_value(const char *name, int64_t i, const struct number *n, const char *target)
{
    char text[32];

    if (n->type == 'f')
        snprintf(text, sizeof text, "%.17g", n->f);
    else if (n->type == 'i')
        snprintf(text, sizeof text, "%" PRId64, n->i);
    else
        snprintf(text, sizeof text, "%" PRIu64, n->u);
    return report_failed("%s: value %" PRId64 " is %s, which is no %s", name, i, text, target);
}

/* Put a number into element i of `out`; 0: it does not fit. */
typedef int put_number(const struct number *n, void *out, int64_t i);

static int get(const struct npy_array *a, const char *name, const char *target, put_number *put,
               void *out)
{
    struct walk w;

    if (a->count == 0)
        return EXIT_OK;
    walk_begin(a, &w);
    for (int64_t i = 0; i < a->count; i++, walk_next(a, &w)) {
        const struct number n = number_at(a, a->values + w.offset);

        if (!put(&n, out, i))
            return refuse_value(name, i, &n, target);
    }
    return EXIT_OK;
}

static int put_f64(const struct number *n, void *out, int64_t i)
{
    ((double *)out)[i] = n->type == 'f' ? n->f : n->type == 'i' ? (double)n->i : (double)n->u;
    return 1;
}

/* Integers go straight to float: by way of double they would be rounded twice. */
static int put_f32(const struct number *n, void *out, int64_t i)
{
    const double limit = 0x1.ffffffp127; /* from here on the nearest float is infinity */

    if (n->type == 'f' && isfinite(n->f) && fabs(n->f) >= limit)
        return 0;
    ((float *)out)[i] = n->type == 'f'   ? (float)n->f
                        : n->type == 'i' ? (float)n->i
                                         : (float)n->u;
    return 1;
}

static int put_i64(const struct number *n, void *out, int64_t i)
{
    const double limit = 0x1p63;
    const int fits = n->type == 'f'   ? n->f >= -limit && n->f < limit && floor(n->f) == n->f
                     : n->type == 'u' ? n->u <= INT64_MAX
                                      : 1;

    if (fits)
        ((int64_t *)out)[i] = n->type == 'f'   ? (int64_t)n->f
                              : n->type == 'u' ? (int64_t)n->u
                                               : n->i;
    return fits;
}

static int put_i32(const struct number *n, void *out, int64_t i)
{
    int64_t v = 0;
    const int fits = put_i64(n, &v, 0) && v >= INT32_MIN && v <= INT32_MAX;

    if (fits)
        ((int32_t *)out)[i] = (int32_t)v;
    return fits;
}

int npy_get_f32(const struct npy_array *a, const char *name, float *out)
{
    return get(a, name, "32-bit float", put_f32, out);
}

int npy_get_f64(const struct npy_array *a, const char *name, double *out)
{
    return get(a, name, "64-bit float", put_f64, out);
}

int npy_get_i32(const struct npy_array *a, const char *name, int32_t *out)
{
    return get(a, name, "32-bit integer", put_i32, out);
}

int npy_get_i64(const struct npy_array *a, const char *name, int64_t *out)
{
    return get(a, name, "64-bit integer", put_i64, out);
}

/* --- Writing ------------------------------------------------------------------------------ */

/* Enough for 64 sizes of up to 19 digits; version 1.0 can hold 65535. */
#define HEADER_BYTES 2048

/* What precedes the values; its length is a multiple of 64. */
static size_t make_header(const char *type, int dims, const int64_t *shape,
                          uint8_t out[HEADER_BYTES])
{
    static const uint8_t magic[8] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0};
    char *text = (char *)out;
    size_t at = sizeof magic + 2;

    at += (size_t)snprintf(text + at, HEADER_BYTES - at,
                           "{'descr': '%s', 'fortran_order': False, 'shape': (", type);
    for (int i = 0; i < dims; i++)
        at += (size_t)snprintf(text + at, HEADER_BYTES - at, "%s%" PRId64, i > 0 ? ", " : "",
                               shape[i]);
    at += (size_t)snprintf(text + at, HEADER_BYTES - at, "%s), }", dims == 1 ? "," : "");
    while (at % 64 != 63)
        out[at++] = ' ';
    out[at++] = '\n';
    memcpy(out, magic, sizeof magic);
    out[8] = (uint8_t)((at - 10) & 255);
    out[9] = (uint8_t)((at - 10) >> 8);
    return at;
}

static void put_bytes(const uint8_t *value, size_t item, uint8_t *out)
{
    uint64_t bits = *value;
    uint32_t word;

    if (item == 4) {
        memcpy(&word, value, sizeof word);
        bits = word;
    } else if (item == 8) {
        memcpy(&bits, value, sizeof bits);
    }
    for (size_t k = 0; k < item; k++)
        out[k] = (uint8_t)(bits >> (8 * k));
}

static int write_values(FILE *file, const uint8_t *values, size_t item, size_t count)
{
    uint8_t chunk[4096];
    const size_t most = sizeof chunk / item;

    while (count > 0) {
        const size_t n = count < most ? count : most;

        for (size_t i = 0; i < n; i++)
            put_bytes(values + i * item, item, chunk + i * item);
        if (fwrite(chunk, item, n, file) != n)
            return 0;
        values += n * item;
        count -= n;
    }
    return 1;
}

static int write_array(const char *path, const char *type, const void *values, int dims,
                       const int64_t *shape)
{
    uint8_t header[HEADER_BYTES];
    const size_t start = make_header(type, dims, shape, header);
    size_t count = 1;
    struct file_writer w;
    const int rc = file_writer_open(&w, path);

    if (rc != EXIT_OK)
        return rc;
    for (int i = 0; i < dims; i++)
        count *= (size_t)shape[i];
    return file_writer_close(
        &w, fwrite(header, 1, start, w.stream) == start &&
                write_values(w.stream, values, (size_t)(type[2] - '0'), count));
}

int npy_write_f32(const char *path, const float *values, int dims, const int64_t *shape)
{
    return write_array(path, "<f4", values, dims, shape);
}

int npy_write_f64(const char *path, const double *values, int dims, const int64_t *shape)
{
    return write_array(path, "<f8", values, dims, shape);
}

int npy_write_i32(const char *path, const int32_t *values, int dims, const int64_t *shape)
{
    return write_array(path, "<i4", values, dims, shape);
}

int npy_write_i64(const char *path, const int64_t *values, int dims, const int64_t *shape)
{
    return write_array(path, "<i8", values, dims, shape);
}

int npy_write_u8(const char *path, const uint8_t *values, int dims, const int64_t *shape)
{
    return write_array(path, "|u1", values, dims, shape);
}
