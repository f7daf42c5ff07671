/* SPDX-License-Identifier: MIT */
/* See inject.h: what counts events and lets them fail, and the functions that allocate or begin threads.
 * Those of files stand in inject_files.c. Only what libjem and its programs call is interposed; functions.py
 * knows all of it, and faults.py fails where a function that is called there is not known. */

#define _GNU_SOURCE

#include "inject.h"
#include "inject_event.h"

#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
_Thread_local int inject_inside;

/* ---- who calls ---- */

struct module {
    uintptr_t begin, end, base;
    char name[64];
};
static struct module modules[4], guests[8];
static int module_count, guest_count;

/* Libraries that end the process, or crash, where they get no memory or no thread; that they do is known
 * (docs/decisions.md), and nothing could be done here. What they ask for is no event. */
static const char *const guest_names[] = {"libblis.so", "libblas.so", "libdnnl.so",
                                          "libgomp.so", "libstdc++.so"};

static void note(const struct dl_phdr_info *info, struct module *m)
{
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
}

static int note_module(struct dl_phdr_info *info, size_t size, void *first)
{
    const char *path = info->dlpi_name[0] != '\0' ? info->dlpi_name : program_invocation_name;
    const char *name = strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path;

    (void)size;
    if ((*(int *)first || strncmp(name, "libjem.so", 9) == 0) && module_count < 4) {
        struct module *m = &modules[module_count++];
        note(info, m);
        snprintf(m->name, sizeof m->name, "%s", *(int *)first ? "main" : "libjem");
    }
    *(int *)first = 0;
    for (size_t i = 0; i < sizeof guest_names / sizeof guest_names[0]; i++)
        if (strncmp(name, guest_names[i], strlen(guest_names[i])) == 0 && guest_count < 8)
            note(info, &guests[guest_count++]);
    return 0;
}

static const struct module
    *target_module; /* events whose callers have this place fail; NULL: numbers */
static uintptr_t target;

/* "MODULE+OFFSET", as write_out() names a caller. */
static char *aim(const char *text)
{
    char *end = (char *)(uintptr_t)text;

    for (int i = 0; i < module_count; i++) {
        const size_t length = strlen(modules[i].name);
        if (strncmp(text, modules[i].name, length) == 0 && text[length] == '+') {
            target_module = &modules[i];
            target = modules[i].base + strtoul(text + length + 1, &end, 16);
        }
    }
    return end;
}

static int comes_from_target(void)
{
    void *frames[40];
    const int depth = backtrace(frames, 40);

    for (int i = 0; i < depth; i++)
        if ((uintptr_t)frames[i] == target)
            return 1;
    return 0;
}

static int is_guest(const void *address)
{
    for (int i = 0; i < guest_count; i++)
        if ((uintptr_t)address >= guests[i].begin && (uintptr_t)address < guests[i].end)
            return 1;
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

int inject_event(int kind, const char *name)
{
    const int now = atomic_load(&armed);
    int fails = 0;

    if (now < 0 || inject_inside)
        return 0;
    const int error = errno;
    inject_inside = 1;
    const long number = atomic_fetch_add(&counts[kind], 1) + 1;
    if (kind == now && target_module != NULL)
        fails = failed > 0 ? all : comes_from_target();
    else if (kind == now)
        fails = at > 0 && (all ? number >= at : number == at);
    if (fails)
        atomic_fetch_add(&failed, 1);
    if (every || fails)
        trace(kind, name);
    inject_inside = 0;
    errno = error;
    return fails;
}

static void write_out(void);

void inject_kill(const char *name)
{
    if (!inject_event(INJECT_KILL, name))
        return;
    write_out();
    kill(getpid(), SIGKILL);
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

static int no_memory(const char *name, const void *caller)
{
    if (is_guest(caller) || !inject_event(INJECT_ALLOC, name))
        return 0;
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t size)
{
    return no_memory("malloc", __builtin_return_address(0)) ? NULL
                                                            : counted(__libc_malloc(size));
}

void *calloc(size_t n, size_t size)
{
    return no_memory("calloc", __builtin_return_address(0)) ? NULL
                                                            : counted(__libc_calloc(n, size));
}

void *realloc(void *block, size_t size)
{
    if (no_memory("realloc", __builtin_return_address(0)))
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
    return no_memory("aligned_alloc", __builtin_return_address(0))
               ? NULL
               : counted(__libc_memalign(align, size));
}

int posix_memalign(void **out, size_t align, size_t size)
{
    if (no_memory("posix_memalign", __builtin_return_address(0)))
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

/* The C library has the "C" locale ready, but another need not. */
locale_t newlocale(int parts, const char *name, locale_t base)
{
    REAL(locale_t, "newlocale", int, const char *, locale_t)
    return no_memory("newlocale", __builtin_return_address(0)) ? (locale_t)0
                                                               : real(parts, name, base);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *),
                   void *arg)
{
    REAL(int, "pthread_create", pthread_t *, const pthread_attr_t *, void *(*)(void *), void *)
    const int fails =
        !is_guest(__builtin_return_address(0)) && inject_event(INJECT_THREAD, "pthread_create");
    return fails ? EAGAIN : real(thread, attr, start, arg);
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
    inject_inside = 1;
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

    inject_inside = 1;
    (void)backtrace(frames, 4); /* loads what it needs */
    dl_iterate_phdr(note_module, &first);
    inject_inside = 0;
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
            if (*end == '@')
                end = aim(end + 1);
            every = number == 0 && target_module == NULL;
            inject_arm((enum inject_kind)i, number, *end == '+');
        }
    }
}

__attribute__((destructor)) static void end(void)
{
    write_out();
}
