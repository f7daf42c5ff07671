/* SPDX-License-Identifier: MIT */

/* Files and their names. zlib reads plain files as they are, so .gz or not makes no
 * difference to a caller. */

#define _GNU_SOURCE /* fopencookie */

#include "kit/base/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include <zlib.h>

#include "kit/base/report.h"

static int gz_failed(gzFile file, const char *path)
{
    int code = Z_OK;
    const char *text = gzerror(file, &code);

    if (code == Z_ERRNO)
        return report_failed("cannot read %s: %s", path, strerror(errno));
    if (code == Z_MEM_ERROR)
        return report_no_memory();
    if (code == Z_BUF_ERROR)
        return report_failed("%s: the gzip file is cut short; copy or download it again", path);
    return report_failed("%s: not a sound gzip file: %s", path, text);
}

/* At most `size` more bytes of the file; 0 at its end. */
static int read_some(gzFile file, const char *path, uint8_t *out, size_t size, size_t *got)
{
    const int count = gzread(file, out, (unsigned)(size < (1u << 30) ? size : 1u << 30));
    int code = Z_OK;

    if (count < 0 || (count == 0 && (gzerror(file, &code), code != Z_OK)))
        return gz_failed(file, path);
    *got = (size_t)count;
    return EXIT_OK;
}

/* *out has `space` bytes, and grows with the file; it is the caller's also on failure. */
static int read_all(gzFile file, const char *path, size_t space, uint8_t **out, size_t *length)
{
    for (;;) {
        size_t got = 0;

        TRY(read_some(file, path, *out + *length, space - *length, &got));
        if (got == 0)
            return EXIT_OK;
        *length += got;
        if (*length > FILE_CAP)
            return report_failed("%s: more than %zu bytes when unpacked; refused", path,
                                 FILE_CAP);
        if (*length == space) {
            uint8_t *larger = realloc(*out, space * 2);

            if (larger == NULL)
                return report_no_memory();
            *out = larger;
            space *= 2;
        }
    }
}

static int read_open(gzFile file, const char *path, uint8_t **out, size_t *length)
{
    const size_t space = (size_t)1 << 20;
    int rc;

    *out = malloc(space);
    if (*out == NULL)
        return report_no_memory();
    rc = read_all(file, path, space, out, length);
    if (rc != EXIT_OK) {
        free(*out);
        *out = NULL;
    }
    return rc;
}

int file_read(const char *path, uint8_t **out, size_t *out_length)
{
    gzFile file;
    int rc;

    *out = NULL;
    *out_length = 0;
    errno = 0;
    file = gzopen(path, "rb");
    if (file == NULL)
        return report_failed("cannot open %s: %s", path,
                             errno != 0 ? strerror(errno) : "out of memory");
    gzbuffer(file, 1u << 17);
    rc = read_open(file, path, out, out_length);
    gzclose_r(file);
    return rc;
}

int file_exists(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

static int look(const char *path, struct stat *info, int *there)
{
    *there = stat(path, info) == 0;
    if (*there || errno == ENOENT || errno == ENOTDIR)
        return EXIT_OK;
    return report_failed("cannot look at %s: %s", path, strerror(errno));
}

int file_look(const char *path, int *there)
{
    struct stat info;

    return look(path, &info, there);
}

int file_same(const char *a, const char *b, int *same)
{
    struct stat x, y;
    int there = 0;

    *same = 0;
    TRY(look(a, &x, &there));
    if (there)
        TRY(look(b, &y, &there));
    *same = there && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
    return EXIT_OK;
}

/* A stream that is written to memory. */
struct memory {
    char **text;
    size_t *length, space; /* with the zero at the end */
};

static ssize_t keep(void *cookie, const char *bytes, size_t count)
{
    struct memory *m = cookie;

    if (count >= m->space - *m->length) {
        const size_t space = 2 * (m->space + count);
        char *larger = realloc(*m->text, space);

        if (larger == NULL)
            return 0; /* an error, which the stream does not forget */
        *m->text = larger;
        m->space = space;
    }
    memcpy(*m->text + *m->length, bytes, count);
    *m->length += count;
    (*m->text)[*m->length] = '\0';
    return (ssize_t)count;
}

static int forget(void *cookie)
{
    free(cookie);
    return 0;
}

FILE *file_open_memory(char **text, size_t *length)
{
    struct memory *m = malloc(sizeof *m);
    FILE *out = NULL;

    *length = 0;
    *text = calloc(1, 1);
    if (m != NULL && *text != NULL) {
        *m = (struct memory){text, length, 1};
        out = fopencookie(m, "w", (cookie_io_functions_t){.write = keep, .close = forget});
    }
    if (out != NULL)
        return out;
    free(m);
    free(*text);
    *text = NULL;
    return NULL;
}

int file_close_memory(FILE *out, char **text)
{
    const int whole = !ferror(out);

    if (fclose(out) == 0 && whole)
        return 1;
    free(*text);
    *text = NULL;
    return 0;
}

int file_make_folder(const char *path)
{
    char above[FILE_PATH_BYTES];
    struct stat info;

    if (strlen(path) >= sizeof above || path[0] == '\0')
        return report_failed("folder name \"%.60s\": empty or too long", path);
    for (size_t i = 1; i <= strlen(path); i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(above, path, i);
        above[i] = '\0';
        if (mkdir(above, 0777) != 0 && errno != EEXIST)
            return report_failed("cannot make folder %s: %s", above, strerror(errno));
    }
    if (stat(path, &info) != 0 || !S_ISDIR(info.st_mode))
        return report_failed("%s is not a folder; name another one", path);
    return EXIT_OK;
}

int file_join(char out[FILE_PATH_BYTES], const char *folder, const char *name)
{
    const int length = snprintf(out, FILE_PATH_BYTES, "%s/%s", folder, name);

    if (length < 0 || length >= FILE_PATH_BYTES)
        return report_failed("file name too long: %.60s.../%.60s", folder, name);
    return EXIT_OK;
}

const char *file_name_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash == NULL ? path : slash + 1;
}

int file_folder_of(char out[FILE_PATH_BYTES], const char *path)
{
    const char *slash = strrchr(path, '/');
    const size_t length = slash == NULL ? 0 : (size_t)(slash - path);

    if (length >= FILE_PATH_BYTES)
        return report_failed("file name too long: %.60s...", path);
    if (slash == NULL) {
        memcpy(out, ".", 2);
    } else {
        memcpy(out, path, length);
        out[length] = '\0';
        if (length == 0)
            memcpy(out, "/", 2);
    }
    return EXIT_OK;
}

int file_has_ending(const char *path, const char *ending)
{
    const size_t n = strlen(path), m = strlen(ending);

    return n >= m && strcasecmp(path + n - m, ending) == 0;
}
