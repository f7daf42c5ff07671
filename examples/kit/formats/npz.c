/* SPDX-License-Identifier: MIT */

/* Arrays in a zip file. An array's header is unpacked first, and memory for the whole of it is
 * only asked for when header and directory agree on its size. */

#include "kit/formats/npz.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "kit/base/file.h"
#include "kit/base/report.h"

#define FRONT_BYTES (NPY_HEADER_BYTES + 12)

/* --- Opening --------------------------------------------------------------------------------- */

static int is_array(const struct zip_member *m)
{
    return m->name_length > 4 && memcmp(m->name + m->name_length - 4, ".npy", 4) == 0;
}

int npz_parse(const uint8_t *bytes, size_t length, const char *path, struct npz *out)
{
    const int rc = zip_parse(bytes, length, path, &out->zip);
    size_t count = 0;

    out->bytes = NULL;
    for (size_t i = 0; i < out->zip.count; i++)
        if (is_array(&out->zip.members[i]))
            out->zip.members[count++] = out->zip.members[i];
    out->zip.count = count;
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
    zip_free(&z->zip);
    free(z->bytes);
    memset(z, 0, sizeof *z);
}

/* --- Reading --------------------------------------------------------------------------------- */

const char *npz_name(const struct npz *z, size_t i, int *length)
{
    *length = z->zip.members[i].name_length - 4;
    return z->zip.members[i].name;
}

/* "a, b, c and 4 more" */
static const char *list_names(const struct npz *z, char out[256])
{
    size_t at = 0, i = 0;

    out[0] = '\0';
    for (; i < z->zip.count; i++) {
        int length;
        const char *name = npz_name(z, i, &length);

        if (at + (size_t)length > 200)
            break;
        at += (size_t)snprintf(out + at, 256 - at, "%s%.*s", i > 0 ? ", " : "", length, name);
    }
    if (i < z->zip.count)
        snprintf(out + at, 256 - at, "%s%zu more", i > 0 ? " and " : "", z->zip.count - i);
    return out;
}

static int find_array(const struct npz *z, const char *name, size_t *out)
{
    const size_t count = z->zip.count;
    const char *path = z->zip.path;
    char names[256];

    *out = 0;
    if (count == 0)
        return report_failed("%s holds no array (a member whose name ends in .npy)", path);
    if (name == NULL && count > 1)
        return report_failed("%s holds %zu arrays: %s; say which, as in FILE.npz:NAME", path,
                             count, list_names(z, names));
    for (; name != NULL && *out < count; ++*out) {
        int length;
        const char *other = npz_name(z, *out, &length);

        if (strlen(name) == (size_t)length && memcmp(name, other, (size_t)length) == 0)
            break;
    }
    if (*out == count)
        return report_failed("%s holds no array \"%.80s\"; it has: %s", path, name,
                             list_names(z, names));
    return EXIT_OK;
}

/* The size that the array's header asks for must be the member's. */
static int check_front(const struct npz *z, const struct zip_member *m, const char *where)
{
    const size_t n = m->size < FRONT_BYTES ? (size_t)m->size : FRONT_BYTES;
    uint8_t *front = malloc(FRONT_BYTES);
    uint64_t needed = 0;
    int rc;

    if (front == NULL)
        return report_no_memory();
    rc = zip_unpack(&z->zip, m, front, n);
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
    const struct zip_member *m;
    uint8_t *bytes;
    size_t i;
    int rc;

    memset(out, 0, sizeof *out);
    rc = find_array(z, name, &i);
    if (rc != EXIT_OK)
        return rc;
    m = &z->zip.members[i];
    snprintf(where, sizeof where, "%s:%.*s", z->zip.path,
             m->name_length - 4 < 100 ? m->name_length - 4 : 100, m->name);
    rc = check_front(z, m, where);
    if (rc != EXIT_OK)
        return rc;
    bytes = malloc((size_t)m->size);
    if (bytes == NULL)
        return report_no_memory();
    rc = zip_unpack(&z->zip, m, bytes, (size_t)m->size);
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
