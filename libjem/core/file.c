/* SPDX-License-Identifier: MIT */
/* Files: checked reading, and writing that replaces a file in one step.
 *
 * A checkpoint may be the fruit of days, so a full disk, a crash or a power cut while the next
 * one is written must leave the last one whole: bytes go to a new file beside it, reach the
 * disk (fsync), and only then take the name (rename). */

#define _DEFAULT_SOURCE /* flock, getrandom */

#include "core/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/arithmetic.h"
#include "core/context.h"
#include "core/error.h"
#include "core/memory.h"

#define MAX_CHUNK        (1 << 30) /* bytes asked of one system call */
#define WRITE_BUFFER     (1 << 16)
#define MAX_TRIES        100 /* names for a temporary file */
#define SUFFIX_SIZE      48  /* room for the next two */
#define TEMPORARY        ".tmp-"
#define TEMPORARY_DIGITS 16 /* hexadecimal, after it */
#define SHOWN_OF_PATH    200

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
    char *temporary; /* NULL: written directly */
    int64_t used;    /* bytes in `buffer` */
    int fd;
    int32_t direct; /* there is nothing to rename */
    int32_t failed; /* a write failed: finish() must not rename */
    char buffer[WRITE_BUFFER];
};

const char *jem__path_end(const char *path)
{
    const size_t length = strlen(path);
    const char *end = length <= SHOWN_OF_PATH ? path : path + length - SHOWN_OF_PATH;

    while (end != path && ((unsigned char)*end & 0xC0) == 0x80) /* within a character */
        end++;
    return end;
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

/* ---- where a file goes ---- */

#define MAX_LINKS 40 /* as many as Linux follows */

/* The number of a file descriptor that a path names, -1: it names none. Opening "/proc/self/fd/1"
 * anew would begin at the start of a file that is being appended to. */
static int descriptor_of(const char *path)
{
    static const char *const places[] = {"/proc/self/fd/", "/dev/fd/"};

    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        const size_t length = strlen(places[i]);
        const char *digits = path + length;
        if (strncmp(path, places[i], length) == 0 && digits[0] != '\0' &&
            strspn(digits, "0123456789") == strlen(digits) && strlen(digits) <= 6)
            return (int)strtol(digits, NULL, 10);
    }
    return -1;
}

/* What the symbolic link `path` says, seen from where `path` is seen; *out NULL: it is no link. */
static jem_status read_link(struct jem__writer *w, const char *path, char **out)
{
    char text[PATH_MAX];
    const ssize_t length = readlink(path, text, sizeof text - 1);

    *out = NULL;
    if (length < 0 && (errno == EINVAL || errno == ENOENT))
        return JEM_OK;
    if (length < 0)
        return fail_system(w->caller, "write", path, errno);
    text[length] = '\0';
    const char *slash = strrchr(path, '/');
    const size_t folder = text[0] == '/' || slash == NULL ? 0 : (size_t)(slash - path) + 1;
    *out = jem__alloc(w->ctx, (int64_t)(folder + (size_t)length) + 1, 1);
    if (*out == NULL)
        return JEM_E_NOMEM;
    memcpy(*out, path, folder);
    memcpy(*out + folder, text, (size_t)length);
    return JEM_OK;
}

/* w->path becomes what it leads to, so that a link stays and its target is replaced; a link to
 * nothing makes its target. Stops at a file descriptor. */
static jem_status follow_links(struct jem__writer *w)
{
    for (int32_t i = 0; i < MAX_LINKS && descriptor_of(w->path) < 0; i++) {
        char *next;
        JEM__TRY(read_link(w, w->path, &next));
        if (next == NULL)
            return JEM_OK;
        jem__free(w->ctx, w->path);
        w->path = next;
    }
    if (descriptor_of(w->path) >= 0)
        return JEM_OK;
    return fail_system(w->caller, "write", w->path, ELOOP);
}

/* What is no regular file (a named pipe, a device, an open descriptor) is written to as it is. */
static jem_status open_direct(struct jem__writer *w)
{
    const int number = descriptor_of(w->path);

    do {
        w->fd = number >= 0 ? fcntl(number, F_DUPFD_CLOEXEC, 0)
                            : open(w->path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    } while (w->fd < 0 && errno == EINTR);
    if (w->fd < 0)
        return fail_system(w->caller, "write", w->path, errno);
    w->direct = 1;
    return JEM_OK;
}

/* ---- temporary files ---- */

/* A name that no other process, living or dead, has: containers give each the same number. */
static void name_temporary(const struct jem__writer *w, char *name, size_t size)
{
    struct timespec now = {0, 0};
    uint64_t salt = 0;

    if (getrandom(&salt, sizeof salt, GRND_NONBLOCK) != (ssize_t)sizeof salt) {
        (void)clock_gettime(CLOCK_REALTIME, &now);
        salt = (uint64_t)now.tv_sec * UINT64_C(1000000007) + (uint64_t)now.tv_nsec +
               (uint64_t)(uintptr_t)w * UINT64_C(0x9E3779B97F4A7C15) + (uint64_t)getpid();
    }
    (void)snprintf(name, size, "%s" TEMPORARY "%016" PRIx64, w->path, salt);
}

/* Its writer holds a lock on a temporary file while it lives, so one that can be locked was left by
 * a process that did not end well. */
static void remove_if_left(int folder, const char *name)
{
    struct stat about;
    const int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

    if (fd < 0)
        return;
    if (fstat(fd, &about) == 0 && S_ISREG(about.st_mode) && flock(fd, LOCK_EX | LOCK_NB) == 0)
        (void)unlinkat(folder, name, 0);
    (void)close(fd);
}

static int32_t is_temporary(const char *name, const char *target)
{
    const size_t length = strlen(target), tail = strlen(TEMPORARY);

    return strncmp(name, target, length) == 0 && strncmp(name + length, TEMPORARY, tail) == 0 &&
           strspn(name + length + tail, "0123456789abcdef") == TEMPORARY_DIGITS &&
           name[length + tail + TEMPORARY_DIGITS] == '\0';
}

/* The leftovers of earlier saves of the same target. It is no failure when they stay. */
static void remove_leftovers(const struct jem__writer *w)
{
    const char *slash = strrchr(w->path, '/'), *target = slash == NULL ? w->path : slash + 1;
    char folder[PATH_MAX] = ".";

    if (slash != NULL) {
        const size_t length = slash == w->path ? 1 : (size_t)(slash - w->path);
        if (length >= sizeof folder)
            return;
        memcpy(folder, w->path, length);
        folder[length] = '\0';
    }
    DIR *list = opendir(folder);
    if (list == NULL)
        return;
    for (const struct dirent *entry; (entry = readdir(list)) != NULL;) {
        if (is_temporary(entry->d_name, target))
            remove_if_left(dirfd(list), entry->d_name);
    }
    (void)closedir(list);
}

/* Is the file that was just made and locked still in its folder? Another process may have taken it
 * for a leftover before it was locked. */
static int32_t still_there(int fd)
{
    struct stat about;

    return fstat(fd, &about) == 0 && about.st_nlink > 0;
}

/* A new file beside w->path; its name goes to w->temporary. */
static jem_status open_temporary(struct jem__writer *w)
{
    const size_t size = strlen(w->path) + SUFFIX_SIZE;
    char *name = jem__alloc(w->ctx, (int64_t)size, 1);

    if (name == NULL)
        return JEM_E_NOMEM;
    int error = EEXIST;
    for (int n = 0; n < MAX_TRIES && (error == EEXIST || error == EINTR); n++) {
        name_temporary(w, name, size);
        w->fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (w->fd < 0) {
            error = errno;
            continue;
        }
        (void)flock(w->fd, LOCK_EX | LOCK_NB); /* not every file system can */
        if (still_there(w->fd)) {
            w->temporary = name;
            return JEM_OK;
        }
        (void)unlink(name); /* it may be there and only not be seen */
        (void)close(w->fd);
        w->fd = -1;
    }
    const jem_status status = fail_system(w->caller, "create", name, error);
    jem__free(w->ctx, name);
    return status;
}

/* The new file gets the owner, as far as that is allowed, and the mode of the one it replaces. */
static void keep_mode(const struct jem__writer *w, const struct stat *old)
{
    struct stat mine;
    mode_t mode = old->st_mode & 07777;

    if (fstat(w->fd, &mine) != 0)
        return;
    if ((mine.st_uid != old->st_uid || mine.st_gid != old->st_gid) &&
        fchown(w->fd, old->st_uid, old->st_gid) != 0)
        mode &= 0777;
    (void)fchmod(w->fd, mode);
}

static jem_status open_target(struct jem__writer *w)
{
    struct stat about;

    JEM__TRY(follow_links(w));
    if (descriptor_of(w->path) >= 0)
        return open_direct(w);
    const int32_t there = stat(w->path, &about) == 0;
    if (!there && errno != ENOENT)
        return fail_system(w->caller, "write", w->path, errno);
    if (there && S_ISDIR(about.st_mode))
        return fail_system(w->caller, "write", w->path, EISDIR);
    if (there && !S_ISREG(about.st_mode))
        return open_direct(w);
    remove_leftovers(w);
    JEM__TRY(open_temporary(w));
    if (there)
        keep_mode(w, &about);
    return JEM_OK;
}

jem_status jem__writer_open(jem_context *ctx, const char *caller, const char *path,
                            struct jem__writer **out)
{
    *out = NULL;
    struct jem__writer *w = jem__alloc(ctx, 1, (int64_t)sizeof *w);
    if (w == NULL)
        return JEM_E_NOMEM;
    w->ctx = ctx;
    w->caller = caller;
    w->fd = -1;
    w->path = jem__strdup(ctx, path);
    const jem_status status = w->path == NULL ? JEM_E_NOMEM : open_target(w);
    if (status != JEM_OK) {
        jem__writer_abandon(w);
        return status;
    }
    *out = w;
    return JEM_OK;
}

/* ---- writing ---- */

/* write() to a pipe that nobody reads any more fails, instead of ending the process by SIGPIPE. */
static ssize_t write_quietly(int fd, const char *bytes, size_t count)
{
    static const struct timespec at_once = {0, 0};
    sigset_t pipe_signal, before, pending;

    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    sigpending(&pending);
    const int32_t was_pending = sigismember(&pending, SIGPIPE);
    if (pthread_sigmask(SIG_BLOCK, &pipe_signal, &before) != 0)
        return write(fd, bytes, count);
    const ssize_t written = write(fd, bytes, count);
    const int error = errno;
    if (written < 0 && error == EPIPE && !was_pending)
        (void)sigtimedwait(&pipe_signal, NULL, &at_once);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return written;
}

static const char *written_name(const struct jem__writer *w)
{
    return w->direct ? w->path : w->temporary;
}

static jem_status put(struct jem__writer *w, const char *bytes, int64_t count)
{
    while (count > 0) {
        const int64_t chunk = jem__min(count, MAX_CHUNK);
        const ssize_t written = w->direct ? write_quietly(w->fd, bytes, (size_t)chunk)
                                          : write(w->fd, bytes, (size_t)chunk);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0) {
            w->failed = 1;
            return fail_system(w->caller, "write", written_name(w), errno);
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

/* All bytes on the disk. The file stays open, since its lock says that it is no leftover. */
static jem_status settle(struct jem__writer *w)
{
    if (w->failed)
        return jem__fail(JEM_E_IO, "%s: \"%s\" was not written: an earlier write failed",
                         w->caller, jem__path_end(w->path));
    JEM__TRY(flush(w));
    while (fsync(w->fd) != 0) {
        if (w->direct && (errno == EINVAL || errno == EROFS || errno == ENOTSUP))
            break; /* pipes and devices have nothing to sync */
        if (errno != EINTR)
            return fail_system(w->caller, "write", written_name(w), errno);
    }
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

    if (status == JEM_OK && !w->direct) {
        if (rename(w->temporary, w->path) != 0) {
            status = fail_system(w->caller, "replace", w->path, errno);
        } else {
            jem__free(w->ctx, w->temporary); /* the name is gone: nothing to remove */
            w->temporary = NULL;
            sync_folder(w);
        }
    }
    jem__writer_abandon(w);
    return status;
}

void jem__writer_abandon(struct jem__writer *w)
{
    if (w == NULL)
        return;
    if (w->temporary != NULL)
        unlink(w->temporary);
    if (w->fd >= 0)
        close(w->fd);
    jem__free(w->ctx, w->temporary);
    jem__free(w->ctx, w->path);
    jem__free(w->ctx, w);
}
