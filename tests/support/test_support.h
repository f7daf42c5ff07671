/* SPDX-License-Identifier: MIT */
#ifndef JEM_TEST_SUPPORT_H
#define JEM_TEST_SUPPORT_H

/* What all suites need beside Check: arrays that should be close, calls that should fail with
 * a certain text, memory that fails on purpose, memory with guard pages. */

#include <stdatomic.h>
#include <stdint.h>

#include <jem/context.h>

/* Every |actual[i] - expected[i]| <= atol + rtol * |expected[i]|. NaN is close to nothing but
 * NaN, infinity to itself. On failure: the worst index, both values, and the error divided by
 * what was allowed. */
#define jem_check_close(actual, expected, n, rtol, atol)                                       \
    jem_check_close_f32(__FILE__, __LINE__, #actual, actual, expected, n, rtol, atol)
#define jem_check_close_double(actual, expected, n, rtol, atol)                                \
    jem_check_close_f64(__FILE__, __LINE__, #actual, actual, expected, n, rtol, atol)
void jem_check_close_f32(const char *file, int line, const char *what, const float *actual,
                         const float *expected, int64_t n, double rtol, double atol);
void jem_check_close_f64(const char *file, int line, const char *what, const double *actual,
                         const double *expected, int64_t n, double rtol, double atol);

/* Bit for bit the same; on failure the first index that differs. */
#define jem_check_same(actual, expected, n)                                                    \
    jem_check_same_f32(__FILE__, __LINE__, #actual, actual, expected, n)
void jem_check_same_f32(const char *file, int line, const char *what, const float *actual,
                        const float *expected, int64_t n);

/* || actual - expected ||_2 / || expected ||_2, in double. */
double jem_relative_l2(const float *actual, const float *expected, int64_t n);

/* A call that should succeed, and one that should fail with `status` and a jem_last_error()
 * that contains `text`. */
#define jem_check_ok(call) jem_check_status(__FILE__, __LINE__, #call, call, JEM_OK, "")
#define jem_check_fails(call, status, text)                                                    \
    jem_check_status(__FILE__, __LINE__, #call, call, status, text)
void jem_check_status(const char *file, int line, const char *what, jem_status actual,
                      jem_status expected, const char *text);

/* An allocator for jem_context_create_with_allocator() that counts, and fails at one call.
 * Release checks that pointer and size are those that alloc gave. Thread-safe. */
typedef struct jem_test_memory {
    atomic_llong calls;   /* of alloc, so far */
    atomic_llong fail_at; /* the call to refuse, 1 is the first; 0: none */
    atomic_llong blocks;  /* outstanding */
    atomic_llong bytes;   /* outstanding */
    atomic_llong peak;    /* the largest `bytes` seen */
    atomic_int broken;    /* releases of something that was not allocated so */
} jem_test_memory;
void *jem_test_alloc(int64_t size, int64_t align, void *memory);
void jem_test_release(void *block, int64_t size, void *memory);

/* The same where each block ends at a page that nobody may touch, and begins after one: an
 * access out of bounds is a SIGSEGV there and then. Bytes between the end of a block and the
 * page (its length need not be a multiple of the alignment) are checked at release. */
void *jem_test_guard_alloc(int64_t size, int64_t align, void *memory);
void jem_test_guard_release(void *block, int64_t size, void *memory);

/* Nothing outstanding, nothing broken. */
#define jem_check_no_leak(memory) jem_check_memory(__FILE__, __LINE__, memory)
void jem_check_memory(const char *file, int line, jem_test_memory *memory);

/* Run `scenario` with memory failing at the 1st, 2nd, 3rd, ... call until it comes through. It
 * must make its context from `memory`, give everything back, and return the first status that
 * is not JEM_OK. Each such run must end with JEM_E_NOMEM (or JEM_OK, where the library can do
 * without) and leak nothing. Returns how many calls the undisturbed run made. */
typedef jem_status (*jem_test_scenario)(jem_test_memory *memory, void *arg);
int64_t jem_check_survives_no_memory(jem_test_scenario scenario, void *arg);

/* A file name in a folder of this process's own: "/tmp/jem-test-XXXX/NAME". The folder is made
 * by the first call in a process and removed with its files when the process exits. */
#define JEM_TEST_PATH 256
void jem_test_path(const char *name, char out[JEM_TEST_PATH]);

#endif
