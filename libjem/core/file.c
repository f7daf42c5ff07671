/* SPDX-License-Identifier: MIT */
/* Files: checked reading, and writing that replaces a file in one step.
 *
 * A checkpoint may be the fruit of days, so a full disk, a crash or a power cut while the next
 * one is written must leave the last one whole: bytes go to a new file beside it, reach the
 * disk (fsync), and only then take the name (rename). */

#include "core/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/arithmetic.h"
#include "core/context.h"
#include "core/error.h"
#include "core/memory.h"

#define MAX_CHUNK     (1 << 30) /* bytes asked of one system call */
#define WRITE_BUFFER  (1 << 16)
#define MAX_TRIES     1000 /* names for a temporary file */
#define SUFFIX_SIZE   48   /* ".tmp-<pid>-<n>" */
#define SHOWN_OF_PATH 200

struct jem__reader {
    jem_context *ctx;
    const char *caller;
    char *path;
    int64_t size;
    int fd;
};

struct jem__writer {
    jem_context *ctx;
    const char *caller;
    char *path;
    char *temporary;
    int64_t used; /* bytes in `buffer` */
    int fd;
    int32_t failed; /* a write failed: finish() must not rename */
    char buffer[WRITE_BUFFER];
};

const char *jem__path_end(const char *path)
{
    const size_t length = strlen(path);

    return length <= SHOWN_OF_PATH ? path : path + length - SHOWN_OF_PATH;
}

/* Fail with the operating system's words: `jem_model_save: cannot open "x": Is a directory`. */
static jem_status fail_system(const char *caller, const char *verb, const char *path, int error)
{
    char words[128];

    if (strerror_r(error, words, sizeof words) != 0)
        snprintf(words, sizeof words, "error %d", error);
    return jem__fail(JEM_E_IO, "%s: cannot %s \"%s\": %s", caller, verb, jem__path_end(path),
                     words);
}

jem_status jem__reader_open(jem_context *ctx, const char *caller, const char *path,
                            struct jem__reader **out)
{
    *out = NULL;
    struct jem__reader *r = jem__alloc(ctx, 1, (int64_t)sizeof *r);
    if (r == NULL)
        return JEM_E_NOMEM;
    r->ctx = ctx;
    r->caller = caller;
    r->fd = -1;
    jem_status status = JEM_E_NOMEM;
    r->path = jem__strdup(ctx, path);
    if (r->path == NULL)
        goto failed;
    /* O_NONBLOCK: opening a named pipe would otherwise wait for a writer. */
    do {
        r->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    } while (r->fd < 0 && errno == EINTR);
    struct stat about;
    if (r->fd < 0 || fstat(r->fd, &about) != 0) {
        status = fail_system(caller, "open", path, errno);
        goto failed;
    }
    if (!S_ISREG(about.st_mode)) {
        status = jem__fail(JEM_E_IO, "%s: cannot read \"%s\": not a regular file", caller,
                           jem__path_end(path));
        goto failed;
    }
    r->size = (int64_t)about.st_size;
    *out = r;
    return JEM_OK;

failed:
    jem__reader_close(r);
    return status;
}

int64_t jem__reader_size(const struct jem__reader *r)
{
    return r->size;
}

jem_status jem__reader_read(struct jem__reader *r, int64_t at, void *out, int64_t bytes)
{
    if (at < 0 || bytes < 0 || bytes > r->size || at > r->size - bytes)
        return jem__fail(JEM_E_FORMAT,
                         "%s: \"%s\" has %" PRId64 " bytes, needed are %" PRId64
                         " bytes from byte %" PRId64 " on",
                         r->caller, jem__path_end(r->path), r->size, bytes, at);
    char *to = out;
    while (bytes > 0) {
        const int64_t chunk = jem__min(bytes, MAX_CHUNK);
        const ssize_t got = pread(r->fd, to, (size_t)chunk, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail_system(r->caller, "read", r->path, errno);
        if (got == 0)
            return jem__fail(JEM_E_FORMAT,
                             "%s: \"%s\" shrank while it was read: it had %" PRId64
                             " bytes and ends at byte %" PRId64 " now",
                             r->caller, jem__path_end(r->path), r->size, at);
        to += got;
        at += got;
        bytes -= got;
    }
    return JEM_OK;
}

void jem__reader_close(struct jem__reader *r)
{
    if (r == NULL)
        return;
    if (r->fd >= 0)
        close(r->fd);
    jem__free(r->ctx, r->path);
    jem__free(r->ctx, r);
}

jem_status jem__file_slurp(jem_context *ctx, const char *caller, const char *path,
                           uint8_t **out, int64_t *out_len)
{
    *out = NULL;
    *out_len = 0;
    struct jem__reader *r = NULL;
    JEM__TRY(jem__reader_open(ctx, caller, path, &r));
    jem_status status = JEM_E_NOMEM;
    uint8_t *bytes = jem__alloc_raw(ctx, r->size, 1);
    if (bytes != NULL)
        status = jem__reader_read(r, 0, bytes, r->size);
    if (status == JEM_OK) {
        *out = bytes;
        *out_len = r->size;
    } else {
        jem__free(ctx, bytes);
    }
    jem__reader_close(r);
    return status;
}

/* What stands at `path` must be nothing or a regular file: renaming over "/dev/null" would,
 * for root, replace the device. */
static jem_status check_target(const char *caller, const char *path)
{
    struct stat about;

    if (stat(path, &about) != 0)
        return errno == ENOENT ? JEM_OK : fail_system(caller, "write", path, errno);
    if (S_ISDIR(about.st_mode))
        return fail_system(caller, "write", path, EISDIR);
    if (!S_ISREG(about.st_mode))
        return jem__fail(JEM_E_IO, "%s: cannot write \"%s\": not a regular file", caller,
                         jem__path_end(path));
    return JEM_OK;
}

/* A new file beside `path`; its name goes to w->temporary. */
static jem_status open_temporary(struct jem__writer *w)
{
    const size_t size = strlen(w->path) + SUFFIX_SIZE;
    char *name = jem__alloc(w->ctx, (int64_t)size, 1);

    if (name == NULL)
        return JEM_E_NOMEM;
    int error = EEXIST;
    for (int n = 0; n < MAX_TRIES && (error == EEXIST || error == EINTR); n++) {
        snprintf(name, size, "%s.tmp-%ld-%d", w->path, (long)getpid(), n);
        w->fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (w->fd >= 0) {
            w->temporary = name;
            return JEM_OK;
        }
        error = errno;
    }
    const jem_status status = fail_system(w->caller, "create", name, error);
    jem__free(w->ctx, name);
    return status;
}

jem_status jem__writer_open(jem_context *ctx, const char *caller, const char *path,
                            struct jem__writer **out)
{
    *out = NULL;
    JEM__TRY(check_target(caller, path));
    struct jem__writer *w = jem__alloc(ctx, 1, (int64_t)sizeof *w);
    if (w == NULL)
        return JEM_E_NOMEM;
    w->ctx = ctx;
    w->caller = caller;
    w->fd = -1;
    w->path = jem__strdup(ctx, path);
    const jem_status status = w->path == NULL ? JEM_E_NOMEM : open_temporary(w);
    if (status != JEM_OK) {
        jem__writer_abandon(w);
        return status;
    }
    *out = w;
    return JEM_OK;
}

static jem_status put(struct jem__writer *w, const char *bytes, int64_t count)
{
    while (count > 0) {
        const int64_t chunk = jem__min(count, MAX_CHUNK);
        const ssize_t written = write(w->fd, bytes, (size_t)chunk);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0) {
            w->failed = 1;
            return fail_system(w->caller, "write", w->temporary, errno);
        }
        bytes += written;
        count -= written;
    }
    return JEM_OK;
}

static jem_status flush(struct jem__writer *w)
{
    const int64_t count = w->used;

    w->used = 0;
    return put(w, w->buffer, count);
}

jem_status jem__writer_write(struct jem__writer *w, const void *bytes, int64_t count)
{
    if (count > WRITE_BUFFER - w->used)
        JEM__TRY(flush(w));
    if (count >= WRITE_BUFFER)
        return put(w, bytes, count);
    if (count > 0)
        memcpy(w->buffer + w->used, bytes, (size_t)count);
    w->used += count;
    return JEM_OK;
}

/* All bytes on the disk, the file closed. */
static jem_status settle(struct jem__writer *w)
{
    if (w->failed)
        return jem__fail(JEM_E_IO, "%s: \"%s\" was not written: an earlier write failed",
                         w->caller, jem__path_end(w->path));
    JEM__TRY(flush(w));
    while (fsync(w->fd) != 0) {
        if (errno != EINTR)
            return fail_system(w->caller, "write", w->temporary, errno);
    }
    const int closed = close(w->fd);
    w->fd = -1;
    if (closed != 0 && errno != EINTR)
        return fail_system(w->caller, "write", w->temporary, errno);
    return JEM_OK;
}

/* Bring the rename itself to the disk. The new file is whole and in place even if this fails, and
 * not every file system supports it, so failures are ignored. Overwrites w->path. */
static void sync_folder(struct jem__writer *w)
{
    char *slash = strrchr(w->path, '/');

    if (slash != NULL)
        slash[slash == w->path ? 1 : 0] = '\0';
    const int fd = open(slash == NULL ? "." : w->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)fsync(fd);
    close(fd);
}

jem_status jem__writer_finish(struct jem__writer *w)
{
    jem_status status = settle(w);

    if (status == JEM_OK && rename(w->temporary, w->path) != 0)
        status = fail_system(w->caller, "replace", w->path, errno);
    if (status == JEM_OK) {
        jem__free(w->ctx, w->temporary); /* the name is gone: nothing to remove */
        w->temporary = NULL;
        sync_folder(w);
    }
    jem__writer_abandon(w);
    return status;
}

void jem__writer_abandon(struct jem__writer *w)
{
    if (w == NULL)
        return;
    if (w->fd >= 0)
        close(w->fd);
    if (w->temporary != NULL)
        unlink(w->temporary);
    jem__free(w->ctx, w->temporary);
    jem__free(w->ctx, w->path);
    jem__free(w->ctx, w);
}
