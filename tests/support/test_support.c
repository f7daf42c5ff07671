/* SPDX-License-Identifier: MIT */

/* Helpers of the test suites; see test_support.h. Nothing here is part of the library, so plain
 * malloc and messages are fine. */

#define _DEFAULT_SOURCE /* MAP_ANONYMOUS, mkdtemp */

#include "test_support.h"

#include <check.h>
#include <dirent.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <jem/status.h>

/* --- Arrays ------------------------------------------------------------------------------ */

/* Error over what is allowed: at most 1 is close. */
static double excess(double actual, double expected, double rtol, double atol)
{
    if (isnan(actual) || isnan(expected))
        return isnan(actual) && isnan(expected) ? 0.0 : (double)INFINITY;
    if (isinf(actual) || isinf(expected))
        return signbit(actual) == signbit(expected) && isinf(actual) && isinf(expected)
                   ? 0.0
                   : (double)INFINITY;
    const double error = fabs(actual - expected);
    const double allowed = atol + rtol * fabs(expected);
    if (error <= allowed)
        return allowed > 0.0 ? error / allowed : 0.0;
    return allowed > 0.0 ? error / allowed : (double)INFINITY;
}

void jem_check_close_f64(const char *file, int line, const char *what, const double *actual,
                         const double *expected, int64_t n, double rtol, double atol)
{
    double worst = 0.0;
    int64_t at = 0;
    for (int64_t i = 0; i < n; i++) {
        const double e = excess(actual[i], expected[i], rtol, atol);
        if (e > worst) {
            worst = e;
            at = i;
        }
    }
    if (n > 0 && worst > 1.0)
        ck_abort_msg("%s:%d: %s[%" PRId64 "] = %.9g, expected %.9g: %.3g times the allowed "
                     "error (rtol %g, atol %g, n %" PRId64 ")",
                     file, line, what, at, actual[at], expected[at], worst, rtol, atol, n);
}

static double *widen(const float *x, int64_t n)
{
    double *wide = malloc((size_t)(n > 0 ? n : 1) * sizeof *wide);
    if (wide == NULL)
        ck_abort_msg("test_support: no memory for %" PRId64 " doubles", n);
    for (int64_t i = 0; i < n; i++)
        wide[i] = (double)x[i];
    return wide;
}

void jem_check_close_f32(const char *file, int line, const char *what, const float *actual,
                         const float *expected, int64_t n, double rtol, double atol)
{
    double *a = widen(actual, n), *e = widen(expected, n);
    jem_check_close_f64(file, line, what, a, e, n, rtol, atol);
    free(a);
    free(e);
}

void jem_check_same_f32(const char *file, int line, const char *what, const float *actual,
                        const float *expected, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (memcmp(&actual[i], &expected[i], sizeof *actual) != 0)
            ck_abort_msg("%s:%d: %s[%" PRId64 "] = %a (%.9g), expected exactly %a (%.9g)", file,
                         line, what, i, (double)actual[i], (double)actual[i],
                         (double)expected[i], (double)expected[i]);
}

double jem_relative_l2(const float *actual, const float *expected, int64_t n)
{
    double error = 0.0, norm = 0.0;
    for (int64_t i = 0; i < n; i++) {
        const double d = (double)actual[i] - (double)expected[i];
        error += d * d;
        norm += (double)expected[i] * (double)expected[i];
    }
    if (norm > 0.0)
        return sqrt(error / norm);
    return error > 0.0 ? (double)INFINITY : 0.0;
}

void jem_check_status(const char *file, int line, const char *what, jem_status actual,
                      jem_status expected, const char *text)
{
    const char *said = jem_last_error();
    if (actual != expected)
        ck_abort_msg("%s:%d: %s gave %s, expected %s; last error: \"%s\"", file, line, what,
                     jem_status_name(actual), jem_status_name(expected), said);
    if (expected != JEM_OK && strstr(said, text) == NULL)
        ck_abort_msg("%s:%d: %s said \"%s\", expected it to contain \"%s\"", file, line, what,
                     said, text);
}

/* --- Memory that counts and fails -------------------------------------------------------- */

struct block_note { /* kept in the bytes before a block */
    uint64_t magic;
    int64_t size;
    void *base;
};

#define BLOCK_MAGIC 0x6a656d2d74657374u /* "jem-test" */

/* 1 when this call is the one to refuse. */
static int refuse(jem_test_memory *m)
{
    return atomic_fetch_add(&m->calls, 1) + 1 == atomic_load(&m->fail_at);
}

static void count_in(jem_test_memory *m, int64_t size)
{
    atomic_fetch_add(&m->blocks, 1);
    const long long now = atomic_fetch_add(&m->bytes, size) + size;
    long long peak = atomic_load(&m->peak);
    while (now > peak && !atomic_compare_exchange_weak(&m->peak, &peak, now))
        ;
}

static void count_out(jem_test_memory *m, int64_t size)
{
    atomic_fetch_sub(&m->blocks, 1);
    atomic_fetch_sub(&m->bytes, size);
}

void *jem_test_alloc(int64_t size, int64_t align, void *memory)
{
    jem_test_memory *m = memory;
    if (refuse(m))
        return NULL;

    const size_t lead = (size_t)align > sizeof(struct block_note) ? (size_t)align : 64;
    unsigned char *base = NULL;
    if (posix_memalign((void **)&base, lead, lead + (size_t)size) != 0)
        return NULL;
    memset(base, 0xa5, lead + (size_t)size); /* fresh memory is not zero */
    const struct block_note note = {BLOCK_MAGIC, size, base};
    memcpy(base + lead - sizeof note, &note, sizeof note);
    count_in(m, size);
    return base + lead;
}

void jem_test_release(void *block, int64_t size, void *memory)
{
    jem_test_memory *m = memory;
    struct block_note note;
    if (block == NULL) {
        atomic_store(&m->broken, 1);
        return;
    }
    memcpy(&note, (unsigned char *)block - sizeof note, sizeof note);
    if (note.magic != BLOCK_MAGIC || note.size != size) {
        atomic_store(&m->broken, 1);
        return;
    }
    memset((unsigned char *)block - sizeof note, 0, sizeof note);
    count_out(m, size);
    free(note.base);
}

/* --- Memory with guard pages ------------------------------------------------------------- */

/* Pages: note | guard | body ... body | guard. A block ends `tail` bytes before the last guard;
 * tail is shorter than the alignment, so note and guards are found from block and size. */

struct guard_note {
    int64_t size, tail;
    size_t mapped;
};

void *jem_test_guard_alloc(int64_t size, int64_t align, void *memory)
{
    jem_test_memory *m = memory;
    if (refuse(m))
        return NULL;

    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t padded = ((size_t)size + (size_t)align - 1) / (size_t)align * (size_t)align;
    const size_t body = (padded + page - 1) / page * page;
    const struct guard_note note = {size, (int64_t)(padded - (size_t)size), body + 3 * page};
    unsigned char *base =
        mmap(NULL, note.mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED)
        return NULL;

    memcpy(base, &note, sizeof note);
    memset(base + 2 * page, 0xa5, body);
    mprotect(base + page, page, PROT_NONE);
    mprotect(base + 2 * page + body, page, PROT_NONE);
    count_in(m, size);
    return base + 2 * page + body - padded;
}

void jem_test_guard_release(void *block, int64_t size, void *memory)
{
    jem_test_memory *m = memory;
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    unsigned char *base = (unsigned char *)block - (uintptr_t)block % page - 2 * page;
    const unsigned char *end = (unsigned char *)block + size;
    struct guard_note note;
    memcpy(&note, base, sizeof note); /* a block that is not ours faults here */
    if (note.size != size) {
        atomic_store(&m->broken, 1);
        return;
    }
    for (int64_t i = 0; i < note.tail; i++)
        if (end[i] != 0xa5)
            atomic_store(&m->broken, 1);
    count_out(m, size);
    munmap(base, note.mapped);
}

void jem_check_memory(const char *file, int line, jem_test_memory *memory)
{
    if (atomic_load(&memory->broken) != 0)
        ck_abort_msg("%s:%d: a block was released with another size, twice, or was overrun",
                     file, line);
    if (atomic_load(&memory->blocks) != 0)
        ck_abort_msg("%s:%d: %lld blocks (%lld bytes) were not given back", file, line,
                     atomic_load(&memory->blocks), atomic_load(&memory->bytes));
}

int64_t jem_check_survives_no_memory(jem_test_scenario scenario, void *arg)
{
    for (int64_t k = 1;; k++) {
        jem_test_memory memory = {.fail_at = k};
        const jem_status status = scenario(&memory, arg);
        const int64_t calls = (int64_t)atomic_load(&memory.calls);
        jem_check_memory(__FILE__, __LINE__, &memory);
        if (calls < k) { /* nothing was refused */
            if (status != JEM_OK)
                ck_abort_msg("with enough memory: %s: %s", jem_status_name(status),
                             jem_last_error());
            return calls;
        }
        if (status != JEM_E_NOMEM && status != JEM_OK)
            ck_abort_msg("allocation %" PRId64 " refused: %s instead of JEM_E_NOMEM", k,
                         jem_status_name(status));
    }
}

/* --- Files ------------------------------------------------------------------------------- */

static char folder[64]; /* "" until the first call */
static pid_t folder_owner;

/* Check runs each test in a fork that ends with exit(), so the folder goes with its maker. */
static void remove_folder(void)
{
    DIR *dir = folder_owner == getpid() ? opendir(folder) : NULL;
    if (dir == NULL)
        return;
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        char path[JEM_TEST_PATH + 64];
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        unlink(path);
    }
    closedir(dir);
    rmdir(folder);
}

void jem_test_path(const char *name, char out[JEM_TEST_PATH])
{
    if (folder_owner != getpid()) {
        strcpy(folder, "/tmp/jem-test-XXXXXX");
        if (mkdtemp(folder) == NULL)
            ck_abort_msg("test_support: cannot make a folder in /tmp");
        folder_owner = getpid();
        atexit(remove_folder);
    }
    snprintf(out, JEM_TEST_PATH, "%s/%s", folder, name);
}
