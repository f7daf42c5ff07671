/* SPDX-License-Identifier: MIT */

/* MAT-files. The file is read front to back and unpacked on the way into the caller's array, so
 * that one of more than a gigabyte takes no memory beside it.
 *
 * Format ("MAT-File Format", MathWorks): a header of 128 bytes, then elements. An element is a
 * tag, its type and its bytes as 32-bit numbers, and the bytes; up to 4 of them may lie in the
 * tag. An array is an element of elements: flags, sizes, name, numbers. It may be packed: then
 * its element holds a zlib stream of it. Numbers may be stored in a narrower type than that of
 * their array. */

#include "kit/formats/mat.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "kit/base/report.h"

#define HEADER_BYTES  128
#define NAME_BYTES    64   /* longer names than MATLAB's 63 characters match nothing */
#define DEFLATE_MAX   1032 /* zlib packs at most so many bytes into one */
#define INPUT_BYTES   32768
#define SKIPPED_BYTES 256

enum element { INT8 = 1, UINT8, INT16, UINT16, INT32, UINT32, SINGLE, DOUBLE = 9 };
enum { MATRIX = 14, PACKED = 15 };
enum { CLASS_DOUBLE = 6, CLASS_UINT8 = 9, CLASS_UINT32 = 13, FLAG_COMPLEX = 0x0800 };

struct tag {
    uint32_t type, bytes;
    int small; /* the bytes lie in `data` */
    uint8_t data[4];
};

struct mat_file {
    const char *path;
    FILE *file;
    int64_t bytes;
    int big;

    /* The array that is being read. */
    int packed, unpacking, ended; /* z is in use; it has come to the end of its stream */
    int64_t in_file;              /* bytes of the element that are still in the file */
    int64_t left;                 /* bytes of the array, unpacked */
    struct tag numbers;
    z_stream z;
    uint8_t input[INPUT_BYTES];
    uint8_t skipped[SKIPPED_BYTES]; /* nobody reads them */
};

static int damaged(const struct mat_file *f, const char *what)
{
    return report_failed("%s: a damaged MAT-file: %s", f->path, what);
}

static uint32_t number(const struct mat_file *f, const uint8_t *b)
{
    return f->big ? (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3]
                  : (uint32_t)b[3] << 24 | (uint32_t)b[2] << 16 | (uint32_t)b[1] << 8 | b[0];
}

/* --- Bytes -------------------------------------------------------------------------------- */

static int read_file(struct mat_file *f, void *out, size_t size)
{
    errno = 0;
    if (fread(out, 1, size, f->file) == size)
        return EXIT_OK;
    if (ferror(f->file))
        return report_failed("cannot read %s: %s", f->path, strerror(errno));
    return damaged(f, "cut short");
}

static int refill(struct mat_file *f)
{
    const size_t size = f->in_file < INPUT_BYTES ? (size_t)f->in_file : INPUT_BYTES;

    f->in_file -= (int64_t)size;
    f->z.next_in = f->input;
    f->z.avail_in = (uInt)size;
    return read_file(f, f->input, size);
}

/* Unpack into z.next_out until avail_out is 0 or the stream ends. */
static int unpack(struct mat_file *f)
{
    while (f->z.avail_out > 0 && !f->ended) {
        int code;

        if (f->z.avail_in == 0 && f->in_file > 0)
            TRY(refill(f));
        code = inflate(&f->z, Z_NO_FLUSH);
        if (code == Z_STREAM_END)
            f->ended = 1;
        else if (code == Z_MEM_ERROR)
            return report_no_memory();
        else if (code == Z_BUF_ERROR && f->z.avail_in == 0 && f->in_file == 0)
            return damaged(f, "the packed array is cut short");
        else if (code != Z_OK && code != Z_BUF_ERROR)
            return damaged(f, f->z.msg != NULL ? f->z.msg : "the packed array");
    }
    return EXIT_OK;
}

static int unpack_bytes(struct mat_file *f, uint8_t *out, size_t size)
{
    f->z.next_out = out;
    while (size > 0) {
        const uInt step = size < (1u << 30) ? (uInt)size : 1u << 30;

        f->z.avail_out = step;
        TRY(unpack(f));
        if (f->z.avail_out > 0)
            return damaged(f, "the packed array ends too early");
        size -= step;
    }
    return EXIT_OK;
}

/* The end of the packed array, where its checksum is. */
static int unpack_end(struct mat_file *f)
{
    uint8_t more;

    f->z.next_out = &more;
    f->z.avail_out = 1;
    TRY(unpack(f));
    if (f->z.avail_out == 0)
        return damaged(f, "the packed array goes on behind its end");
    return EXIT_OK;
}

/* The next `size` bytes of the array. */
static int take(struct mat_file *f, void *out, size_t size)
{
    if (size > (uint64_t)f->left)
        return damaged(f, "an array is shorter than what it holds");
    f->left -= (int64_t)size;
    if (f->packed)
        return unpack_bytes(f, out, size);
    return read_file(f, out, size);
}

static int skip(struct mat_file *f, uint32_t size)
{
    while (size > 0) {
        const uint32_t step = size < SKIPPED_BYTES ? size : SKIPPED_BYTES;

        TRY(take(f, f->skipped, step));
        size -= step;
    }
    return EXIT_OK;
}

/* How many bytes fill an element up to a multiple of 8. */
static uint32_t padding(const struct tag *t)
{
    return t->small ? 0 : -t->bytes & 7;
}

static int take_tag(struct mat_file *f, struct tag *out)
{
    uint8_t b[8] = {0};

    TRY(take(f, b, sizeof b));
    out->type = number(f, b);
    out->bytes = number(f, b + 4);
    out->small = out->type >> 16 != 0;
    if (out->small) {
        out->bytes = out->type >> 16;
        out->type &= 0xffff;
        memcpy(out->data, b + 4, 4);
        if (out->bytes > 4)
            return damaged(f, "a small element with more than 4 bytes");
    }
    return EXIT_OK;
}

static int expect_tag(struct mat_file *f, uint32_t type, const char *what, struct tag *out)
{
    TRY(take_tag(f, out));
    return out->type == type ? EXIT_OK : damaged(f, what);
}

/* The bytes of a tag's element, at most `most`, and its padding. */
static int take_element(struct mat_file *f, const struct tag *t, void *out, size_t most)
{
    if (t->bytes > most)
        return damaged(f, "an element is longer than it can be");
    if (t->small) {
        memcpy(out, t->data, t->bytes < sizeof t->data ? t->bytes : sizeof t->data);
        return EXIT_OK;
    }
    TRY(take(f, out, t->bytes));
    return skip(f, padding(t));
}

/* --- Opening ------------------------------------------------------------------------------ */

static int read_header(struct mat_file *f)
{
    uint8_t h[HEADER_BYTES];
    int version;

    if (fseeko(f->file, 0, SEEK_END) != 0 || (f->bytes = ftello(f->file)) < 0 ||
        fseeko(f->file, 0, SEEK_SET) != 0)
        return report_failed("cannot read %s: %s", f->path, strerror(errno));
    if (f->bytes < HEADER_BYTES)
        return report_failed("%s: not a MAT-file: %" PRId64 " bytes, its header alone has %d",
                             f->path, f->bytes, HEADER_BYTES);
    TRY(read_file(f, h, sizeof h));
    f->big = h[126] == 'M' && h[127] == 'I';
    if (!f->big && (h[126] != 'I' || h[127] != 'M'))
        return report_failed("%s: not a MAT-file of version 5", f->path);
    version = f->big ? h[124] << 8 | h[125] : h[125] << 8 | h[124];
    if (version != 0x0100)
        return report_failed("%s: a MAT-file of version 0x%04x; read is 0x0100 (save it with "
                             "-v7, not with -v7.3)",
                             f->path, (unsigned)version);
    return EXIT_OK;
}

int mat_open(const char *path, struct mat_file **out)
{
    struct mat_file *f = calloc(1, sizeof *f);

    *out = NULL;
    if (f == NULL)
        return report_no_memory();
    f->path = path;
    f->file = fopen(path, "rb");
    if (f->file == NULL) {
        free(f);
        return report_failed("cannot open %s: %s", path, strerror(errno));
    }
    if (read_header(f) != EXIT_OK) {
        mat_close(f);
        return EXIT_FAILED;
    }
    *out = f;
    return EXIT_OK;
}

static void end_unpacking(struct mat_file *f)
{
    if (f->unpacking)
        inflateEnd(&f->z);
    f->unpacking = 0;
}

void mat_close(struct mat_file *file)
{
    if (file == NULL)
        return;
    end_unpacking(file);
    fclose(file->file);
    free(file);
}

/* --- Finding ------------------------------------------------------------------------------ */

/* Begin to read an element of `bytes` bytes, which is an array, packed or not. */
static int begin_array(struct mat_file *f, int packed, uint32_t bytes)
{
    struct tag inner;

    end_unpacking(f);
    f->ended = 0;
    f->packed = packed;
    f->left = bytes;
    if (!packed)
        return EXIT_OK;
    memset(&f->z, 0, sizeof f->z);
    if (inflateInit(&f->z) != Z_OK)
        return report_no_memory();
    f->unpacking = 1;
    f->in_file = bytes;
    f->left = 8; /* the tag of what is packed */
    TRY(take_tag(f, &inner));
    if (inner.type != MATRIX || inner.small)
        return damaged(f, "what is packed is no array");
    if (inner.bytes / DEFLATE_MAX > bytes)
        return report_failed("%s: an array of %" PRIu32 " bytes cannot be packed into %" PRIu32,
                             f->path, inner.bytes, bytes);
    f->left = inner.bytes;
    return EXIT_OK;
}

/* Flags, sizes and name. */
static int take_head(struct mat_file *f, uint32_t *flags, int32_t dims[MAT_DIMS],
                     uint32_t *rank, char name[NAME_BYTES])
{
    uint8_t b[4 * MAT_DIMS] = {0};
    struct tag t;

    TRY(expect_tag(f, UINT32, "an array without its flags", &t));
    if (t.bytes != 8)
        return damaged(f, "the flags of an array are not 8 bytes");
    TRY(take_element(f, &t, b, sizeof b));
    *flags = number(f, b);
    TRY(expect_tag(f, INT32, "an array without its sizes", &t));
    *rank = t.bytes / 4;
    if (t.bytes <= sizeof b) {
        TRY(take_element(f, &t, b, sizeof b));
        for (uint32_t i = 0; i < *rank; i++)
            dims[i] = (int32_t)number(f, b + 4 * (size_t)i);
    } else { /* more than are read; but the array may not be the wanted one */
        TRY(skip(f, t.bytes));
        TRY(skip(f, padding(&t)));
    }
    TRY(expect_tag(f, INT8, "an array without its name", &t));
    memset(name, 0, NAME_BYTES);
    if (t.bytes < NAME_BYTES)
        return take_element(f, &t, name, NAME_BYTES - 1);
    TRY(skip(f, t.bytes));
    return skip(f, padding(&t));
}

/* Bytes of a stored number; 0: not a type of numbers that is read. */
static uint32_t item_bytes(uint32_t type)
{
    switch (type) {
    case INT8:
    case UINT8:
        return 1;
    case INT16:
    case UINT16:
        return 2;
    case INT32:
    case UINT32:
    case SINGLE:
        return 4;
    case DOUBLE:
        return 8;
    default:
        return 0;
    }
}

/* Is the array one that is read, and are all its numbers there? */
static int check_array(struct mat_file *f, uint32_t flags, const int32_t *dims, uint32_t rank,
                       struct mat_array *out)
{
    const unsigned class = flags & 0xff;
    struct tag *t = &f->numbers;
    int64_t size;

    if (class < CLASS_DOUBLE || class > CLASS_UINT32 || (flags & FLAG_COMPLEX) != 0)
        return report_failed(
            "%s: %s is of class %u%s; read are real numbers (%d to %d)", f->path, out->name,
            class, (flags & FLAG_COMPLEX) != 0 ? ", complex" : "", CLASS_DOUBLE, CLASS_UINT32);
    if (rank < 2 || rank > MAT_DIMS)
        return report_failed("%s: %s has %" PRIu32 " dimensions; read are 2 to %d", f->path,
                             out->name, rank, MAT_DIMS);
    out->bytes = class == CLASS_UINT8;
    out->dims = (int)rank;
    out->count = 1;
    for (uint32_t i = 0; i < rank; i++) {
        out->shape[i] = dims[i];
        if (dims[i] < 0 || __builtin_mul_overflow(out->count, out->shape[i], &out->count))
            return report_failed("%s: the sizes of %s are negative or overflow", f->path,
                                 out->name);
    }
    TRY(take_tag(f, t));
    if (item_bytes(t->type) == 0 || (out->bytes && t->type != UINT8))
        return report_failed("%s: the numbers of %s are stored as type %" PRIu32
                             ", which is not read",
                             f->path, out->name, t->type);
    if (__builtin_mul_overflow(out->count, (int64_t)item_bytes(t->type), &size) ||
        size != t->bytes || (!t->small && size > f->left))
        return report_failed("%s: %s has %" PRId64 " numbers and %" PRIu32
                             " bytes for them, of which %" PRId64 " exist",
                             f->path, out->name, out->count, t->bytes,
                             t->small ? t->bytes : f->left);
    return EXIT_OK;
}

int mat_find(struct mat_file *f, const char *name, struct mat_array *out)
{
    int64_t at = HEADER_BYTES;

    memset(out, 0, sizeof *out);
    out->name = name;
    while (at < f->bytes) {
        char found[NAME_BYTES];
        int32_t dims[MAT_DIMS] = {0};
        uint32_t flags = 0, rank = 0, type, bytes;
        uint8_t tag[8] = {0};

        if (fseeko(f->file, (off_t)at, SEEK_SET) != 0)
            return report_failed("cannot read %s: %s", f->path, strerror(errno));
        TRY(read_file(f, tag, sizeof tag));
        type = number(f, tag);
        bytes = number(f, tag + 4);
        at += 8;
        if (bytes > f->bytes - at)
            return report_failed("%s: cut short: an element of %" PRIu32
                                 " bytes at byte %" PRId64 ", %" PRId64 " follow",
                                 f->path, bytes, at - 8, f->bytes - at);
        at += bytes;
        if (type != MATRIX && type != PACKED)
            continue;
        TRY(begin_array(f, type == PACKED, bytes));
        TRY(take_head(f, &flags, dims, &rank, found));
        if (strcmp(found, name) == 0)
            return check_array(f, flags, dims, rank, out);
    }
    return report_failed("%s: there is no variable %s in it", f->path, name);
}

/* --- Numbers ------------------------------------------------------------------------------ */

/* What follows the numbers. */
static int end_array(struct mat_file *f)
{
    const uint32_t rest = padding(&f->numbers);

    TRY(skip(f, rest < f->left ? rest : (uint32_t)f->left));
    return f->packed ? unpack_end(f) : EXIT_OK;
}

int mat_read_bytes(struct mat_file *f, const struct mat_array *a, uint8_t *out)
{
    if (f->numbers.small)
        memcpy(out, f->numbers.data, (size_t)a->count);
    else
        TRY(take(f, out, (size_t)a->count));
    return end_array(f);
}

static double value_of(const struct mat_file *f, const uint8_t *b)
{
    const uint32_t item = item_bytes(f->numbers.type);
    uint64_t bits = 0;
    double d;
    float s;

    for (uint32_t k = 0; k < item; k++)
        bits = bits << 8 | b[f->big ? k : item - 1 - k];
    switch (f->numbers.type) {
    case INT8:
        return (double)(int8_t)bits;
    case INT16:
        return (double)(int16_t)bits;
    case INT32:
        return (double)(int32_t)bits;
    case SINGLE: {
        const uint32_t low = (uint32_t)bits;

        memcpy(&s, &low, sizeof s);
        return (double)s;
    }
    case DOUBLE:
        memcpy(&d, &bits, sizeof d);
        return d;
    default:
        return (double)bits;
    }
}

int mat_read_doubles(struct mat_file *f, const struct mat_array *a, double *out)
{
    const uint32_t item = item_bytes(f->numbers.type);
    uint8_t b[8] = {0};

    for (int64_t i = 0; i < a->count; i++) {
        if (f->numbers.small)
            memcpy(b, f->numbers.data + i * item, item);
        else
            TRY(take(f, b, item));
        out[i] = value_of(f, b);
    }
    return end_array(f);
}
