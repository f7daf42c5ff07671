/* SPDX-License-Identifier: MIT */
/* See inject.h. Only what libjem and its programs call is interposed; a call of another function that
 * can fail belongs here too, and faults.py fails on a source that uses one it does not know. */

#define _GNU_SOURCE

#include "inject.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The C library's own allocator. */
void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);
void __libc_free(void *);

#define MAX_TRACE (1 << 18)

struct trace {
    uint8_t kind;
    const char *name;
    void *caller[INJECT_DEPTH];
};

static atomic_int armed = -1; /* a kind, or -1 */
static atomic_long at, counts[INJECT_KINDS], failed, live;
static atomic_int all, every;
static struct trace traces[MAX_TRACE];
static atomic_long traced;
static _Thread_local int inside; /* of this file: its own calls are no events */

/* ---- who calls ---- */

struct module {
    uintptr_t begin, end, base;
    char name[64];
};
static struct module modules[4];
static int module_count;

static int note_module(struct dl_phdr_info *info, size_t size, void *first)
{
    const char *path = info->dlpi_name[0] != '\0' ? info->dlpi_name : program_invocation_name;
    const char *name = strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path;

    (void)size;
    if ((*(int *)first || strncmp(name, "libjem.so", 9) == 0) && module_count < 4) {
        struct module *m = &modules[module_count++];
        m->base = info->dlpi_addr;
        m->begin = UINTPTR_MAX;
        for (int i = 0; i < info->dlpi_phnum; i++) {
            const ElfW(Phdr) *p = &info->dlpi_phdr[i];
            if (p->p_type != PT_LOAD)
                continue;
            if (m->base + p->p_vaddr < m->begin)
                m->begin = m->base + p->p_vaddr;
            if (m->base + p->p_vaddr + p->p_memsz > m->end)
                m->end = m->base + p->p_vaddr + p->p_memsz;
        }
        snprintf(m->name, sizeof m->name, "%s", *(int *)first ? "main" : "libjem");
    }
    *(int *)first = 0;
    return 0;
}

static const struct module *module_of(const void *address)
{
    for (int i = 0; i < module_count; i++)
        if ((uintptr_t)address >= modules[i].begin && (uintptr_t)address < modules[i].end)
            return &modules[i];
    return NULL;
}

static void trace(int kind, const char *name)
{
    const long number = atomic_fetch_add(&traced, 1);
    void *frames[40];

    if (number >= MAX_TRACE)
        return;
    struct trace *t = &traces[number];
    const int depth = backtrace(frames, 40);
    int kept = 0;
    for (int i = 0; i < depth && kept < INJECT_DEPTH; i++)
        if (module_of(frames[i]) != NULL)
            t->caller[kept++] = frames[i];
    for (; kept < INJECT_DEPTH; kept++)
        t->caller[kept] = NULL;
    t->name = name;
    t->kind = (uint8_t)kind;
}

/* ---- events ---- */

/* Must this event fail? */
static int event(int kind, const char *name)
{
    const int now = atomic_load(&armed);
    int fails = 0;

    if (now < 0 || inside)
        return 0;
    const int error = errno;
    inside = 1;
    const long number = atomic_fetch_add(&counts[kind], 1) + 1;
    if (kind == now)
        fails = at > 0 && (all ? number >= at : number == at);
    if (fails)
        atomic_fetch_add(&failed, 1);
    if (every || fails)
        trace(kind, name);
    inside = 0;
    errno = error;
    return fails;
}

static void write_out(void);

/* An I/O event; `changes`: it changes files. */
static int io(const char *name, int changes)
{
    if (changes && event(INJECT_KILL, name)) {
        write_out();
        kill(getpid(), SIGKILL);
    }
    if (!event(INJECT_IO, name))
        return 0;
    errno = EIO;
    return 1;
}

void inject_arm(enum inject_kind kind, long number, int from_there)
{
    for (int i = 0; i < INJECT_KINDS; i++)
        counts[i] = 0;
    failed = 0;
    at = number;
    all = from_there;
    armed = (int)kind;
}

void inject_disarm(void)
{
    armed = -1;
}

long inject_count(enum inject_kind kind)
{
    return counts[kind];
}

long inject_failed(void)
{
    return failed;
}

long inject_live(void)
{
    return live;
}

void inject_trace(int each)
{
    every = each;
}

/* ---- allocation ---- */

static void *counted(void *block)
{
    if (block != NULL)
        atomic_fetch_add(&live, 1);
    return block;
}

static int no_memory(const char *name)
{
    if (!event(INJECT_ALLOC, name))
        return 0;
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t size)
{
    return no_memory("malloc") ? NULL : counted(__libc_malloc(size));
}

void *calloc(size_t n, size_t size)
{
    return no_memory("calloc") ? NULL : counted(__libc_calloc(n, size));
}

void *realloc(void *block, size_t size)
{
    if (no_memory("realloc"))
        return NULL;
    void *larger = __libc_realloc(block, size);
    if (block == NULL)
        return counted(larger);
    if (size == 0 && larger == NULL)
        atomic_fetch_sub(&live, 1);
    return larger;
}

void *aligned_alloc(size_t align, size_t size)
{
    return no_memory("aligned_alloc") ? NULL : counted(__libc_memalign(align, size));
}

int posix_memalign(void **out, size_t align, size_t size)
{
    if (no_memory("posix_memalign"))
        return ENOMEM;
    void *block = counted(__libc_memalign(align, size));
    if (block == NULL)
        return ENOMEM;
    *out = block;
    return 0;
}

void free(void *block)
{
    if (block != NULL)
        atomic_fetch_sub(&live, 1);
    __libc_free(block);
}

/* ---- what stands behind ---- */

#define REAL(type, name, ...)                                                                  \
    static type (*real)(__VA_ARGS__);                                                          \
    if (real == NULL) {                                                                        \
        const int was_inside = inside;                                                         \
        inside = 1;                                                                            \
        *(void **)&real = dlsym(RTLD_NEXT, name);                                              \
        inside = was_inside;                                                                   \
    }

int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *),
                   void *arg)
{
    REAL(int, "pthread_create", pthread_t *, const pthread_attr_t *, void *(*)(void *), void *)
    return event(INJECT_THREAD, "pthread_create") ? EAGAIN : real(thread, attr, start, arg);
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
    return count > 1 && event(INJECT_SHORT, name) ? count / 2 : count;
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
    if (event(INJECT_KILL, "unlink")) {
        write_out();
        kill(getpid(), SIGKILL);
    }
    return real(path);
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

int fprintf(FILE *restrict f, const char *restrict format, ...)
{
    va_list more;

    if (stream_fails(f, "fprintf", 1))
        return -1;
    va_start(more, format);
    const int written = vfprintf(f, format, more);
    va_end(more);
    return written;
}

int printf(const char *restrict format, ...)
{
    va_list more;

    if (stream_fails(stdout, "printf", 1))
        return -1;
    va_start(more, format);
    const int written = vfprintf(stdout, format, more);
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

/* ---- from outside ---- */

static const char *const kinds[INJECT_KINDS] = {"alloc", "io", "thread", "kill", "short"};
static int out_fd = -1;

static void write_out(void)
{
    const long n = traced < MAX_TRACE ? traced : MAX_TRACE;
    static char buffer[1 << 16];
    size_t used = 0;

    armed = -1;
    if (out_fd < 0)
        return;
    inside = 1;
    for (long i = 0; i < n + INJECT_KINDS; i++) {
        if (used > sizeof buffer - 512) {
            (void)!syscall(SYS_write, out_fd, buffer, used);
            used = 0;
        }
        if (i >= n) {
            used += (size_t)snprintf(buffer + used, sizeof buffer - used, "count %s %ld\n",
                                     kinds[i - n], (long)counts[i - n]);
            continue;
        }
        used += (size_t)snprintf(buffer + used, sizeof buffer - used, "%s %s",
                                 kinds[traces[i].kind], traces[i].name);
        for (int c = 0; c < INJECT_DEPTH && traces[i].caller[c] != NULL; c++) {
            const struct module *m = module_of(traces[i].caller[c]);
            used += (size_t)snprintf(buffer + used, sizeof buffer - used, " %s+%lx", m->name,
                                     (unsigned long)((uintptr_t)traces[i].caller[c] - m->base));
        }
        buffer[used++] = '\n';
    }
    (void)!syscall(SYS_write, out_fd, buffer, used);
    syscall(SYS_close, out_fd);
    out_fd = -1;
}

__attribute__((constructor)) static void begin(void)
{
    const char *what = getenv("INJECT"), *out = getenv("INJECT_OUT");
    void *frames[4];
    int first = 1;

    inside = 1;
    (void)backtrace(frames, 4); /* loads what it needs */
    dl_iterate_phdr(note_module, &first);
    inside = 0;
    if (out != NULL)
        out_fd = (int)syscall(SYS_openat, AT_FDCWD, out,
                              O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (what == NULL)
        return;
    for (int i = 0; i < INJECT_KINDS; i++) {
        const size_t length = strlen(kinds[i]);
        if (strncmp(what, kinds[i], length) == 0 && what[length] == ':') {
            char *end;
            const long number = strtol(what + length + 1, &end, 10);
            every = number == 0;
            inject_arm((enum inject_kind)i, number, *end == '+');
        }
    }
}

__attribute__((destructor)) static void end(void)
{
    write_out();
}
