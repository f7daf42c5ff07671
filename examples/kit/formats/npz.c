/* SPDX-License-Identifier: MIT */

#include "kit/formats/npz.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <zip.h>
#include <zlib.h>

#include "kit/base/file.h"
#include "kit/base/report.h"

#define FRONT_BYTES   (NPY_HEADER_BYTES + 12)
#define MEMBERS       65536 /* at most */
#define ENDING        4     /* the length of ".npy" */
#define LARGEST_RATIO 1032  /* bytes that one of deflate makes at most */

/* --- Opening --------------------------------------------------------------------------------- */

static int is_no_memory(const zip_error_t *error)
{
    const int code = zip_error_code_zip(error);

    return code == ZIP_ER_MEMORY ||
           (code == ZIP_ER_ZLIB && zip_error_code_system(error) == Z_MEM_ERROR);
}

static int bad_zip(const struct npz *z, zip_error_t *error)
{
    char other[96];
    const char *what = other;

    /* libzip says of some allocations that the directory is broken. */
    if (errno == ENOMEM)
        return report_no_memory();
    switch (zip_error_code_zip(error)) {
    case ZIP_ER_OK: /* so libzip 1.7.3 says that a part of the directory found no memory */
    case ZIP_ER_MEMORY:
        return report_no_memory();
    case ZIP_ER_EXISTS:
        what = "there are two members of one name";
        break;
    case ZIP_ER_NOZIP:
        what = "it has no directory, or a broken one; it may be cut short";
        break;
    case ZIP_ER_INCONS:
        what = "its headers contradict each other";
        break;
    case ZIP_ER_MULTIDISK:
        what = "it is one of several disks";
        break;
    default:
        snprintf(other, sizeof other, "its directory is broken (%s)",
                 zip_error_strerror(error));
    }
    return report_failed("%s: not a sound zip file: %s", z->path, what);
}

static int bad_member(const struct npz *z, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int bad_member(const struct npz *z, const char *name, const char *format, ...)
{
    char what[160];
    va_list args;

    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    return report_failed("%s: member \"%.80s\": %s", z->path, name, what);
}

static int is_array(const char *name)
{
    const size_t length = strlen(name);

    return length > ENDING && strcmp(name + length - ENDING, ".npy") == 0;
}

static int check_name(const struct npz *z, const char *name)
{
    for (const char *at = name; *at != '\0'; at++)
        if ((unsigned char)*at < ' ' || *at == 127)
            return report_failed("%s: not a sound zip file: the name of a member has control "
                                 "characters",
                                 z->path);
    return EXIT_OK;
}

static int check_member(const struct npz *z, const zip_stat_t *m)
{
    if (m->encryption_method != ZIP_EM_NONE)
        return bad_member(z, m->name, "it is encrypted");
    if (m->comp_method != ZIP_CM_STORE && m->comp_method != ZIP_CM_DEFLATE)
        return bad_member(z, m->name,
                          "packed by method %d; read are 0 (stored) and 8 (deflated)",
                          (int)m->comp_method);
    if (m->comp_size > FILE_CAP || m->size > FILE_CAP)
        return bad_member(z, m->name,
                          "%" PRIu64 " bytes, %" PRIu64 " unpacked; at most %zu are read",
                          m->comp_size, m->size, FILE_CAP);
    if (m->comp_method == ZIP_CM_STORE ? m->size != m->comp_size
                                       : m->size / LARGEST_RATIO > m->comp_size)
        return bad_member(z, m->name, "%" PRIu64 " bytes cannot unpack to %" PRIu64,
                          m->comp_size, m->size);
    return EXIT_OK;
}

static int list_arrays(struct npz *z)
{
    const zip_int64_t count = zip_get_num_entries(z->archive, 0);
    int rc = EXIT_OK;

    if (count > MEMBERS)
        return report_failed("%s: %" PRId64 " members; at most %d are read", z->path,
                             (int64_t)count, MEMBERS);
    z->members = calloc((size_t)count + 1, sizeof *z->members);
    if (z->members == NULL)
        return report_no_memory();
    for (zip_uint64_t i = 0; i < (zip_uint64_t)count && rc == EXIT_OK; i++) {
        zip_stat_t m;

        if (zip_stat_index(z->archive, i, ZIP_FL_ENC_RAW, &m) != 0)
            return bad_zip(z, zip_get_error(z->archive));
        rc = check_name(z, m.name);
        if (rc == EXIT_OK)
            rc = check_member(z, &m);
        if (rc == EXIT_OK && is_array(m.name))
            z->members[z->count++] =
                (struct npz_member){m.name, (int)strlen(m.name) - ENDING, i, m.size};
    }
    return rc;
}

int npz_parse(const uint8_t *bytes, size_t length, const char *path, struct npz *out)
{
    zip_source_t *source;
    zip_error_t error;
    int rc;

    *out = (struct npz){.path = path};
    zip_error_init(&error);
    errno = 0;
    source = zip_source_buffer_create(bytes, length, 0, &error);
    if (source != NULL)
        out->archive = zip_open_from_source(source, ZIP_RDONLY | ZIP_CHECKCONS, &error);
    if (out->archive != NULL) {
        rc = list_arrays(out);
    } else {
        rc = bad_zip(out, &error);
        zip_source_free(source);
    }
    zip_error_fini(&error);
    if (rc != EXIT_OK)
        npz_close(out);
    return rc;
}

int npz_open(const char *path, struct npz *out)
{
    uint8_t *bytes = NULL;
    size_t length = 0;
    int rc;

    memset(out, 0, sizeof *out);
    rc = file_read(path, &bytes, &length);
    if (rc == EXIT_OK)
        rc = npz_parse(bytes, length, path, out);
    if (rc == EXIT_OK)
        out->bytes = bytes;
    else
        free(bytes);
    return rc;
}

void npz_close(struct npz *z)
{
    if (z->archive != NULL)
        zip_discard(z->archive);
    free(z->members);
    free(z->bytes);
    memset(z, 0, sizeof *z);
}

/* --- Reading --------------------------------------------------------------------------------- */

/* Read to the end as well, which is where libzip compares the CRC. */
static int unpack_all(zip_file_t *file, const struct npz *z, const char *name, uint8_t *out,
                      size_t n, uint64_t size)
{
    uint8_t beyond;
    size_t done = 0;
    zip_int64_t got = 1;

    while (done < n && got > 0) {
        got = zip_fread(file, out + done, n - done);
        done += got > 0 ? (size_t)got : 0;
    }
    if (got >= 0 && done == n && n == size) {
        got = zip_fread(file, &beyond, 1);
        if (got > 0)
            return bad_member(z, name, "does not end after %" PRIu64 " bytes", size);
    }
    if (got < 0) {
        zip_error_t *error = zip_file_get_error(file);
        const int code = zip_error_code_zip(error);

        if (is_no_memory(error))
            return report_no_memory();
        return bad_member(z, name, "%s",
                          code == ZIP_ER_CRC ? "its bytes do not agree with its CRC"
                                             : zip_error_strerror(error));
    }
    if (done < n)
        return bad_member(z, name, "ends after %zu of %" PRIu64 " bytes", done, size);
    return EXIT_OK;
}

int npz_unpack(const struct npz *z, const struct npz_member *m, uint8_t *out, size_t n)
{
    zip_file_t *file = zip_fopen_index(z->archive, m->index, 0);
    int rc;

    if (file == NULL && is_no_memory(zip_get_error(z->archive)))
        return report_no_memory();
    if (file == NULL)
        return bad_member(z, m->name, "%s", zip_strerror(z->archive));
    rc = unpack_all(file, z, m->name, out, n, m->size);
    zip_fclose(file);
    return rc;
}

/* "a, b, c and 4 more" */
static const char *list_names(const struct npz *z, char out[256])
{
    size_t at = 0, i = 0;

    out[0] = '\0';
    for (; i < z->count; i++) {
        const struct npz_member *m = &z->members[i];

        if (at + (size_t)m->length > 200)
            break;
        at += (size_t)snprintf(out + at, 256 - at, "%s%.*s", i > 0 ? ", " : "", m->length,
                               m->name);
    }
    if (i < z->count)
        snprintf(out + at, 256 - at, "%s%zu more", i > 0 ? " and " : "", z->count - i);
    return out;
}

/* NULL after a report. */
static const struct npz_member *find_array(const struct npz *z, const char *name)
{
    char names[256];

    if (z->count == 0) {
        report_failed("%s holds no array (a member whose name ends in .npy)", z->path);
        return NULL;
    }
    if (name == NULL && z->count > 1) {
        report_failed("%s holds %zu arrays: %s; say which, as in FILE.npz:NAME", z->path,
                      z->count, list_names(z, names));
        return NULL;
    }
    for (size_t i = 0; i < z->count; i++) {
        const struct npz_member *m = &z->members[i];

        if (name == NULL ||
            (strlen(name) == (size_t)m->length && memcmp(name, m->name, strlen(name)) == 0))
            return m;
    }
    report_failed("%s holds no array \"%.80s\"; it has: %s", z->path, name,
                  list_names(z, names));
    return NULL;
}

/* The size that the array's header asks for must be the member's. */
static int check_front(const struct npz *z, const struct npz_member *m, const char *where)
{
    const size_t n = m->size < FRONT_BYTES ? (size_t)m->size : FRONT_BYTES;
    uint8_t *front = malloc(FRONT_BYTES);
    uint64_t needed = 0;
    int rc;

    if (front == NULL)
        return report_no_memory();
    rc = npz_unpack(z, m, front, n);
    if (rc == EXIT_OK)
        rc = npy_length(front, n, where, &needed);
    free(front);
    if (rc == EXIT_OK && needed != m->size)
        rc = report_failed("%s: its header asks for %" PRIu64 " bytes, the member has %" PRIu64,
                           where, needed, m->size);
    return rc;
}

int npz_read(const struct npz *z, const char *name, struct npy_array *out)
{
    char where[FILE_PATH_BYTES + 128];
    const struct npz_member *m = find_array(z, name);
    uint8_t *bytes;
    int rc;

    memset(out, 0, sizeof *out);
    if (m == NULL)
        return EXIT_FAILED;
    snprintf(where, sizeof where, "%s:%.*s", z->path, m->length < 100 ? m->length : 100,
             m->name);
    rc = check_front(z, m, where);
    if (rc != EXIT_OK)
        return rc;
    bytes = malloc((size_t)m->size + 1); /* not malloc(0), whatever npy_length() says */
    if (bytes == NULL)
        return report_no_memory();
    rc = npz_unpack(z, m, bytes, (size_t)m->size);
    if (rc == EXIT_OK)
        rc = npy_parse(bytes, (size_t)m->size, where, out);
    if (rc == EXIT_OK)
        out->bytes = bytes;
    else
        free(bytes);
    return rc;
}

/* --- Names on the command line --------------------------------------------------------------- */

/* The colon after ".npz"; NULL when there is none. */
static const char *find_colon(const char *text)
{
    const char *colon = strchr(text, ':');

    while (colon != NULL && !(colon - text > 4 && strncasecmp(colon - 4, ".npz", 4) == 0))
        colon = strchr(colon + 1, ':');
    return colon;
}

int npz_names_array(const char *text)
{
    return find_colon(text) != NULL || file_has_ending(text, ".npz") ||
           file_has_ending(text, ".npy");
}

int npz_read_named(const char *text, struct npy_array *out)
{
    const char *colon = find_colon(text);
    const size_t length = colon == NULL ? strlen(text) : (size_t)(colon - text);
    char path[FILE_PATH_BYTES];
    struct npz z;
    int rc;

    memset(out, 0, sizeof *out);
    if (colon == NULL && !file_has_ending(text, ".npz"))
        return npy_read(text, out);
    if (length >= sizeof path)
        return report_failed("file name too long: %.60s...", text);
    memcpy(path, text, length);
    path[length] = '\0';
    rc = npz_open(path, &z);
    if (rc == EXIT_OK)
        rc = npz_read(&z, colon == NULL ? NULL : colon + 1, out);
    npz_close(&z);
    return rc;
}
