/* SPDX-License-Identifier: MIT */

/* A zip file is read from its end: end record, central directory, members. Every header that a
 * member has beside its entry in the directory must agree with it, so that no two readers can
 * see different files. Numbers are little-endian. Names of fields as in PKWARE's APPNOTE. */

#include "kit/formats/zip.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ZLIB_CONST /* zlib does not write to what it unpacks */
#include <zlib.h>

#include "kit/base/file.h"
#include "kit/base/report.h"

#define END_BYTES     22
#define LOCATOR_BYTES 20
#define END64_BYTES   56
#define ENTRY_BYTES   46 /* in the central directory, without its names */
#define LOCAL_BYTES   30 /* before the data, without its names */

#define ONES_16 0xffffu
#define ONES_32 0xffffffffu

/* One byte of deflate makes 1032 at most. */
#define LARGEST_RATIO 1032

static unsigned le16(const uint8_t *b)
{
    return (unsigned)b[0] | (unsigned)b[1] << 8;
}

static uint32_t le32(const uint8_t *b)
{
    return le16(b) | (uint32_t)le16(b + 2) << 16;
}

static uint64_t le64(const uint8_t *b)
{
    return le32(b) | (uint64_t)le32(b + 4) << 32;
}

static int bad(const struct zip *z, const char *what)
{
    return report_failed("%s: not a sound zip file: %s", z->path, what);
}

static int bad_member(const struct zip *z, const struct zip_member *m, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int bad_member(const struct zip *z, const struct zip_member *m, const char *format, ...)
{
    char what[160];
    va_list args;

    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    return report_failed("%s: member \"%.*s\": %s", z->path,
                         m->name_length < 80 ? m->name_length : 80, m->name, what);
}

/* --- The end record -------------------------------------------------------------------------- */

struct directory {
    uint64_t count, size, offset;
    uint64_t limit; /* where it must end */
};

static int fits_short(uint64_t small, uint64_t ones, uint64_t value)
{
    return small == ones || small == value;
}

/* The zip64 end record; `end` is the plain one, whose full fields say less. */
static int read_end64(const struct zip *z, const uint8_t *end, struct directory *d)
{
    const uint8_t *locator = end - LOCATOR_BYTES;
    const uint64_t at = (uint64_t)(locator - z->bytes), offset = le64(locator + 8);
    const uint8_t *b;

    if (le32(locator + 4) != 0 || le32(locator + 16) > 1)
        return bad(z, "it is one of several disks");
    if (at < END64_BYTES || offset > at - END64_BYTES)
        return bad(z, "the zip64 end record is not where its locator says");
    b = z->bytes + offset;
    if (memcmp(b, "PK\x06\x06", 4) != 0 || le64(b + 4) != at - offset - 12)
        return bad(z, "the zip64 end record is not where its locator says");
    if (le32(b + 16) != 0 || le32(b + 20) != 0 || le64(b + 24) != le64(b + 32))
        return bad(z, "it is one of several disks");
    d->count = le64(b + 32);
    d->size = le64(b + 40);
    d->offset = le64(b + 48);
    d->limit = offset;
    if (!fits_short(le16(end + 10), ONES_16, d->count) ||
        !fits_short(le32(end + 12), ONES_32, d->size) ||
        !fits_short(le32(end + 16), ONES_32, d->offset))
        return bad(z, "its two end records contradict each other");
    return EXIT_OK;
}

static int read_end(const struct zip *z, const uint8_t *end, struct directory *d)
{
    const uint64_t at = (uint64_t)(end - z->bytes);
    const int is_64 = at >= LOCATOR_BYTES && memcmp(end - LOCATOR_BYTES, "PK\x06\x07", 4) == 0;

    for (int i = 4; i <= 6; i += 2)
        if (le16(end + i) != 0 && !(is_64 && le16(end + i) == ONES_16))
            return bad(z, "it is one of several disks");
    if (le16(end + 8) != le16(end + 10))
        return bad(z, "it is one of several disks");
    if (is_64)
        return read_end64(z, end, d);
    d->count = le16(end + 10);
    d->size = le32(end + 12);
    d->offset = le32(end + 16);
    d->limit = at;
    return EXIT_OK;
}

/* The end record is the last one whose comment reaches to the end of the file. */
static int find_directory(const struct zip *z, struct directory *d)
{
    for (size_t comment = 0; comment <= ONES_16 && comment + END_BYTES <= z->length;
         comment++) {
        const uint8_t *end = z->bytes + z->length - comment - END_BYTES;
        int rc;

        if (memcmp(end, "PK\x05\x06", 4) != 0 || le16(end + 20) != comment)
            continue;
        rc = read_end(z, end, d);
        if (rc != EXIT_OK)
            return rc;
        if (d->offset > d->limit || d->size != d->limit - d->offset)
            return report_failed("%s: not a sound zip file: its directory of %" PRIu64
                                 " bytes at byte %" PRIu64 " does not end at byte %" PRIu64
                                 ", where the end record begins",
                                 z->path, d->size, d->offset, d->limit);
        if (d->count > d->size / ENTRY_BYTES)
            return report_failed("%s: not a sound zip file: %" PRIu64
                                 " members in a directory of %" PRIu64 " bytes",
                                 z->path, d->count, d->size);
        if (d->count > ZIP_MEMBERS)
            return report_failed("%s: %" PRIu64 " members; at most %d are read", z->path,
                                 d->count, ZIP_MEMBERS);
        return EXIT_OK;
    }
    return bad(z, "no end record; it may be cut short");
}

/* --- Members --------------------------------------------------------------------------------- */

/* The fields that zip64 can replace. */
struct fields {
    uint64_t size, packed, start, disk;
};

/* The zip64 values stand in this order, each only if its short field is all ones. */
static int widen(const struct zip *z, const struct zip_member *m, const uint8_t *extra,
                 size_t length, struct fields *f)
{
    uint64_t *const wide[3] = {&f->size, &f->packed, &f->start};
    const uint8_t *value = extra;
    size_t left = 0;
    int found = 0;

    while (length >= 4 && !found) {
        left = le16(extra + 2);
        value = extra + 4;
        if (left > length - 4)
            return bad_member(z, m, "an extra field is longer than its room");
        found = le16(extra) == 1;
        extra += 4 + left;
        length -= 4 + left;
    }
    left = found ? left : 0;
    for (int i = 0; i < 3; i++) {
        if (*wide[i] != ONES_32)
            continue;
        if (left < 8)
            return bad_member(z, m, "its zip64 sizes are missing");
        *wide[i] = le64(value);
        value += 8;
        left -= 8;
    }
    if (f->disk != ONES_16)
        return EXIT_OK;
    if (left < 4)
        return bad_member(z, m, "its zip64 sizes are missing");
    f->disk = le32(value);
    return EXIT_OK;
}

static int check_member(const struct zip *z, const struct zip_member *m, unsigned flags)
{
    if ((flags & (1u << 0 | 1u << 6 | 1u << 13)) != 0)
        return bad_member(z, m, "it is encrypted");
    if ((flags & 1u << 5) != 0)
        return bad_member(z, m, "it is a patch for another file");
    if (m->method != 0 && m->method != Z_DEFLATED)
        return bad_member(z, m, "packed by method %d; read are 0 (stored) and 8 (deflated)",
                          m->method);
    if (m->packed > FILE_CAP || m->size > FILE_CAP)
        return bad_member(z, m, "%" PRIu64 " bytes, %" PRIu64 " unpacked; at most %zu are read",
                          m->packed, m->size, FILE_CAP);
    if (m->method == 0 ? m->size != m->packed : m->size / LARGEST_RATIO > m->packed)
        return bad_member(z, m, "%" PRIu64 " bytes cannot unpack to %" PRIu64, m->packed,
                          m->size);
    return EXIT_OK;
}

/* The header before the data, which must lie below `limit`. */
static int read_local(const struct zip *z, uint64_t limit, unsigned flags, struct zip_member *m)
{
    const uint8_t *b;
    uint64_t names;
    struct fields f;
    int rc;

    if (limit < LOCAL_BYTES || m->start > limit - LOCAL_BYTES)
        return bad_member(z, m, "its header lies beyond the members");
    b = z->bytes + m->start;
    if (memcmp(b, "PK\x03\x04", 4) != 0)
        return bad_member(z, m, "its header is not where the directory says");
    names = (uint64_t)le16(b + 26) + le16(b + 28);
    if (names > limit - LOCAL_BYTES - m->start ||
        m->packed > limit - LOCAL_BYTES - m->start - names)
        return bad_member(z, m, "its bytes reach beyond the members");
    if (le16(b + 8) != (unsigned)m->method || le16(b + 26) != (unsigned)m->name_length ||
        memcmp(b + LOCAL_BYTES, m->name, (size_t)m->name_length) != 0)
        return bad_member(z, m, "its header contradicts the directory");
    m->data = b + LOCAL_BYTES + names;
    if ((flags & 1u << 3) != 0) /* written before its sizes were known */
        return EXIT_OK;
    f = (struct fields){le32(b + 22), le32(b + 18), 0, 0};
    rc = widen(z, m, b + LOCAL_BYTES + m->name_length, le16(b + 28), &f);
    if (rc == EXIT_OK && (f.size != m->size || f.packed != m->packed || le32(b + 14) != m->crc))
        rc = bad_member(z, m, "its header contradicts the directory");
    return rc;
}

/* The entry at *at of the directory, of which `left` bytes remain. */
static int read_entry(const struct zip *z, const struct directory *d, uint64_t *at,
                      struct zip_member *m)
{
    const uint8_t *b = z->bytes + *at;
    const uint64_t left = d->limit - *at;
    uint64_t length;
    struct fields f;
    int rc;

    if (left < ENTRY_BYTES || memcmp(b, "PK\x01\x02", 4) != 0)
        return bad(z, "its directory is broken");
    length = (uint64_t)ENTRY_BYTES + le16(b + 28) + le16(b + 30) + le16(b + 32);
    if (length > left)
        return bad(z, "its directory is broken");
    *at += length;
    m->name = (const char *)b + ENTRY_BYTES;
    m->name_length = (int)le16(b + 28);
    for (int i = 0; i < m->name_length; i++)
        if ((uint8_t)m->name[i] < ' ' || m->name[i] == 127)
            return bad(z, "the name of a member has control characters");
    m->method = (int)le16(b + 10);
    m->crc = le32(b + 16);
    f = (struct fields){le32(b + 24), le32(b + 20), le32(b + 42), le16(b + 34)};
    rc = widen(z, m, b + ENTRY_BYTES + m->name_length, le16(b + 30), &f);
    if (rc != EXIT_OK)
        return rc;
    m->size = f.size;
    m->packed = f.packed;
    m->start = f.start;
    if (f.disk != 0)
        return bad_member(z, m, "it begins on another disk");
    rc = check_member(z, m, le16(b + 8));
    return rc == EXIT_OK ? read_local(z, d->offset, le16(b + 8), m) : rc;
}

static int by_name(const void *a, const void *b)
{
    const struct zip_member *x = a, *y = b;
    const int shorter = x->name_length < y->name_length ? x->name_length : y->name_length;
    const int order = memcmp(x->name, y->name, (size_t)shorter);

    return order != 0 ? order : x->name_length - y->name_length;
}

static int by_start(const void *a, const void *b)
{
    const struct zip_member *x = a, *y = b;

    return (x->start > y->start) - (x->start < y->start);
}

/* Leaves the members in the order of the file. */
static int check_distinct(struct zip *z)
{
    qsort(z->members, z->count, sizeof z->members[0], by_name);
    for (size_t i = 1; i < z->count; i++)
        if (by_name(&z->members[i - 1], &z->members[i]) == 0)
            return bad_member(z, &z->members[i], "there are two of this name");
    qsort(z->members, z->count, sizeof z->members[0], by_start);
    for (size_t i = 1; i < z->count; i++) {
        const struct zip_member *m = &z->members[i - 1];

        if (m->data + m->packed > z->bytes + z->members[i].start)
            return bad_member(z, &z->members[i], "it overlaps the member before it");
    }
    return EXIT_OK;
}

int zip_parse(const uint8_t *bytes, size_t length, const char *path, struct zip *out)
{
    struct directory d = {0, 0, 0, 0};
    uint64_t at;
    int rc;

    *out = (struct zip){path, bytes, length, NULL, 0};
    rc = find_directory(out, &d);
    if (rc != EXIT_OK)
        return rc;
    out->members = calloc((size_t)d.count + 1, sizeof out->members[0]);
    if (out->members == NULL)
        return report_no_memory();
    at = d.offset;
    for (; out->count < d.count && rc == EXIT_OK; out->count++)
        rc = read_entry(out, &d, &at, &out->members[out->count]);
    if (rc == EXIT_OK && at != d.limit)
        rc = bad(out, "its directory has more than the members it counts");
    if (rc == EXIT_OK)
        rc = check_distinct(out);
    if (rc != EXIT_OK)
        zip_free(out);
    return rc;
}

void zip_free(struct zip *z)
{
    free(z->members);
    memset(z, 0, sizeof *z);
}

/* --- Unpacking ------------------------------------------------------------------------------- */

static int unpack_deflated(const struct zip *z, const struct zip_member *m, uint8_t *out,
                           size_t n)
{
    uint8_t nothing; /* zlib wants a place even for no byte */
    z_stream s;
    int code;

    memset(&s, 0, sizeof s);
    s.next_in = m->data;
    s.avail_in = (uInt)m->packed;
    s.next_out = n > 0 ? out : &nothing;
    s.avail_out = (uInt)n;
    if (inflateInit2(&s, -MAX_WBITS) != Z_OK)
        return report_no_memory();
    code = inflate(&s, n == m->size ? Z_FINISH : Z_SYNC_FLUSH);
    inflateEnd(&s);
    if (code == Z_MEM_ERROR)
        return report_no_memory();
    if (code == Z_DATA_ERROR || code == Z_NEED_DICT)
        return bad_member(z, m, "its deflated bytes are broken");
    if (s.avail_out > 0)
        return bad_member(z, m, "ends after %lu of %" PRIu64 " bytes", s.total_out, m->size);
    if (n == m->size && code != Z_STREAM_END)
        return bad_member(z, m, "does not end after %" PRIu64 " bytes", m->size);
    if (n == m->size && s.avail_in > 0)
        return bad_member(z, m, "%u bytes follow the end of its deflated ones", s.avail_in);
    return EXIT_OK;
}

int zip_unpack(const struct zip *z, const struct zip_member *m, uint8_t *out, size_t n)
{
    int rc = EXIT_OK;

    if (m->method == 0)
        memcpy(out, m->data, n);
    else
        rc = unpack_deflated(z, m, out, n);
    if (rc == EXIT_OK && n == m->size && crc32(0, out, (uInt)n) != m->crc)
        rc = bad_member(z, m, "its bytes do not agree with its CRC");
    return rc;
}
