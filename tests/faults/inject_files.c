/* SPDX-License-Identifier: MIT */
/* See inject.h: the functions of files, whose events are I/O. */

#define _GNU_SOURCE

#include "inject.h"
#include "inject_event.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* An I/O event; `changes`: it changes files. */
static int io(const char *name, int changes)
{
    if (changes)
        inject_kill(name);
    if (!inject_event(INJECT_IO, name))
        return 0;
    errno = EIO;
    return 1;
}

/* ---- file descriptors ---- */

#define MODE(flags)                                                                            \
    mode_t mode = 0;                                                                           \
    if (((flags)&O_CREAT) != 0) {                                                              \
        va_list more;                                                                          \
        va_start(more, flags);                                                                 \
        mode = va_arg(more, mode_t);                                                           \
        va_end(more);                                                                          \
    }

int open(const char *path, int flags, ...)
{
    MODE(flags)
    return io("open", (flags & O_CREAT) != 0)
               ? -1
               : (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    MODE(flags)
    return io("open", (flags & O_CREAT) != 0)
               ? -1
               : (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int openat(int folder, const char *path, int flags, ...)
{
    MODE(flags)
    return io("openat", (flags & O_CREAT) != 0)
               ? -1
               : (int)syscall(SYS_openat, folder, path, flags, mode);
}

static size_t shorter(const char *name, size_t count)
{
    return count > 1 && inject_event(INJECT_SHORT, name) ? count / 2 : count;
}

ssize_t read(int fd, void *out, size_t count)
{
    REAL(ssize_t, "read", int, void *, size_t)
    return io("read", 0) ? -1 : real(fd, out, shorter("read", count));
}

ssize_t pread(int fd, void *out, size_t count, off_t from)
{
    REAL(ssize_t, "pread", int, void *, size_t, off_t)
    return io("pread", 0) ? -1 : real(fd, out, shorter("pread", count), from);
}

ssize_t write(int fd, const void *bytes, size_t count)
{
    REAL(ssize_t, "write", int, const void *, size_t)
    if (fd == 2)
        return real(fd, bytes, count);
    return io("write", 1) ? -1 : real(fd, bytes, shorter("write", count));
}

/* The descriptor is given back whatever close() says. */
int close(int fd)
{
    REAL(int, "close", int)
    const int fails = io("close", 0), code = real(fd);
    if (fails)
        errno = EIO;
    return fails ? -1 : code;
}

#define SIMPLE(name, changes, parameters, arguments, ...)                                      \
    int name parameters                                                                        \
    {                                                                                          \
        REAL(int, #name, __VA_ARGS__)                                                          \
        return io(#name, changes) ? -1 : real arguments;                                       \
    }

SIMPLE(fsync, 1, (int fd), (fd), int)
SIMPLE(fstat, 0, (int fd, struct stat *out), (fd, out), int, struct stat *)
SIMPLE(stat, 0, (const char *path, struct stat *out), (path, out), const char *, struct stat *)
SIMPLE(lstat, 0, (const char *path, struct stat *out), (path, out), const char *, struct stat *)
SIMPLE(rename, 1, (const char *from, const char *to), (from, to), const char *, const char *)
SIMPLE(mkdir, 1, (const char *path, mode_t mode), (path, mode), const char *, mode_t)
SIMPLE(flock, 0, (int fd, int what), (fd, what), int, int)
SIMPLE(fchmod, 1, (int fd, mode_t mode), (fd, mode), int, mode_t)
SIMPLE(fchown, 1, (int fd, uid_t user, gid_t group), (fd, user, group), int, uid_t, gid_t)
SIMPLE(unlinkat, 1, (int fd, const char *path, int flags), (fd, path, flags), int, const char *,
       int)

/* One that fails leaves a file behind, rightly; so it is only a place to be killed at. */
int unlink(const char *path)
{
    REAL(int, "unlink", const char *)
    inject_kill("unlink");
    return real(path);
}

SIMPLE(access, 0, (const char *path, int how), (path, how), const char *, int)
SIMPLE(dup2, 0, (int from, int to), (from, to), int, int)
SIMPLE(ftruncate, 1, (int fd, off_t size), (fd, size), int, off_t)

/* What libjem and its programs ask for has a number as argument, or none. */
int fcntl(int fd, int what, ...)
{
    REAL(int, "fcntl", int, int, ...)
    va_list more;

    va_start(more, what);
    const long argument = va_arg(more, long);
    va_end(more);
    return io("fcntl", 0) ? -1 : real(fd, what, argument);
}

char *getcwd(char *out, size_t size)
{
    REAL(char *, "getcwd", char *, size_t)
    return io("getcwd", 0) ? NULL : real(out, size);
}

ssize_t readlink(const char *restrict path, char *restrict out, size_t size)
{
    REAL(ssize_t, "readlink", const char *, char *, size_t)
    return io("readlink", 0) ? -1 : real(path, out, size);
}

ssize_t getrandom(void *out, size_t size, unsigned int flags)
{
    return io("getrandom", 0) ? -1 : syscall(SYS_getrandom, out, size, flags);
}

DIR *opendir(const char *path)
{
    REAL(DIR *, "opendir", const char *)
    return io("opendir", 0) ? NULL : real(path);
}

struct dirent *readdir(DIR *folder)
{
    REAL(struct dirent *, "readdir", DIR *)
    return io("readdir", 0) ? NULL : real(folder);
}

/* ---- streams ---- */

/* A stream whose write or read failed says so to ferror(). */
static int stream_fails(FILE *f, const char *name, int changes)
{
    if (f == stderr || !io(name, changes))
        return 0;
    f->_flags |= 0x20; /* glibc's _IO_ERR_SEEN */
    return 1;
}

FILE *fopen(const char *restrict path, const char *restrict mode)
{
    REAL(FILE *, "fopen", const char *, const char *)
    return io("fopen", mode[0] != 'r') ? NULL : real(path, mode);
}

FILE *fdopen(int fd, const char *mode)
{
    REAL(FILE *, "fdopen", int, const char *)
    return io("fdopen", 0) ? NULL : real(fd, mode);
}

size_t fread(void *restrict out, size_t size, size_t n, FILE *restrict f)
{
    REAL(size_t, "fread", void *, size_t, size_t, FILE *)
    return stream_fails(f, "fread", 0) ? 0 : real(out, size, n, f);
}

size_t fwrite(const void *restrict bytes, size_t size, size_t n, FILE *restrict f)
{
    REAL(size_t, "fwrite", const void *, size_t, size_t, FILE *)
    return stream_fails(f, "fwrite", 1) ? 0 : real(bytes, size, n, f);
}

int fputs(const char *restrict text, FILE *restrict f)
{
    REAL(int, "fputs", const char *, FILE *)
    return stream_fails(f, "fputs", 1) ? EOF : real(text, f);
}

int fputc(int c, FILE *f)
{
    REAL(int, "fputc", int, FILE *)
    return stream_fails(f, "fputc", 1) ? EOF : real(c, f);
}

int putc(int c, FILE *f)
{
    REAL(int, "putc", int, FILE *)
    return stream_fails(f, "putc", 1) ? EOF : real(c, f);
}

int puts(const char *text)
{
    REAL(int, "puts", const char *)
    return stream_fails(stdout, "puts", 1) ? EOF : real(text);
}

int putchar(int c)
{
    REAL(int, "putchar", int)
    return stream_fails(stdout, "putchar", 1) ? EOF : real(c);
}

char *fgets(char *restrict out, int size, FILE *restrict f)
{
    REAL(char *, "fgets", char *, int, FILE *)
    return stream_fails(f, "fgets", 0) ? NULL : real(out, size, f);
}

static int print(FILE *f, const char *name, const char *format, va_list more)
{
    REAL(int, "vfprintf", FILE *, const char *, va_list)
    return stream_fails(f, name, 1) ? -1 : real(f, format, more);
}

int vfprintf(FILE *restrict f, const char *restrict format, va_list more)
{
    return print(f, "vfprintf", format, more);
}

int fprintf(FILE *restrict f, const char *restrict format, ...)
{
    va_list more;

    va_start(more, format);
    const int written = print(f, "fprintf", format, more);
    va_end(more);
    return written;
}

int printf(const char *restrict format, ...)
{
    va_list more;

    va_start(more, format);
    const int written = print(stdout, "printf", format, more);
    va_end(more);
    return written;
}

int fflush(FILE *f)
{
    REAL(int, "fflush", FILE *)
    return f != NULL && stream_fails(f, "fflush", 1) ? EOF : real(f);
}

/* The stream is given back whatever fclose() says. */
int fclose(FILE *f)
{
    REAL(int, "fclose", FILE *)
    const int fails = f != stderr && io("fclose", 1), code = real(f);
    if (fails)
        errno = EIO;
    return fails ? EOF : code;
}

int fseeko(FILE *f, off_t to, int from)
{
    REAL(int, "fseeko", FILE *, off_t, int)
    return io("fseeko", 0) ? -1 : real(f, to, from);
}

off_t ftello(FILE *f)
{
    REAL(off_t, "ftello", FILE *)
    return io("ftello", 0) ? -1 : real(f);
}
