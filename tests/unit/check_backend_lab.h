/* SPDX-License-Identifier: MIT */
#ifndef JEM_CHECK_BACKEND_LAB_H
#define JEM_CHECK_BACKEND_LAB_H

/* A bench to run any backend on: a context, a queue, and all memory it hands out.
 *
 * The first failure sticks in `status` and later calls do nothing, so that one scenario serves
 * the oracle tests (which check that nothing failed) and the tests that refuse memory. Every
 * tensor ends at the end of its block: with the guard allocator the next byte is forbidden, and
 * the places in the blocks are as odd as in a flat block of parameters. */

#include <check.h>

#include <jem/context.h>
#include <jem/status.h>

#include "backend/backend.h"
#include "test_support.h"

/* What the tests run on: the reference and, of the CPU backend, each kernel set that this
 * machine has. jem_lab_target_at(0) is the reference, 1 the set that "cpu" chooses. */
typedef struct jem_lab_target {
    const char *name; /* "cpu:avx2" */
    const jem__backend *backend;
    const char *variant; /* "avx2" */
} jem_lab_target;

int jem_lab_targets(void);
const jem_lab_target *jem_lab_target_at(int i);

/* The suite is a table of tests. Each row runs `cases` times, from case `first` on, on every
 * target, or on those that are not the reference. In the test jem_lab_all(_i) or
 * jem_lab_fast(_i) tells which it is. */
typedef struct jem_lab_row {
    const TTest *test;
    int first, cases;
} jem_lab_row;

typedef struct jem_lab_turn {
    const jem_lab_target *target;
    int number; /* of the case */
} jem_lab_turn;

void jem_lab_add_all(TCase *tc, const jem_lab_row *rows, int count);
void jem_lab_add_fast(TCase *tc, const jem_lab_row *rows, int count);
jem_lab_turn jem_lab_all(int i);
jem_lab_turn jem_lab_fast(int i);

#define JEM_LAB_BLOCKS 48

typedef struct jem_lab {
    jem_context *ctx;
    const jem__backend *backend;
    jem__queue *queue;
    jem_status status;
    int guarded; /* a memory of the test's own: guard pages behind host arrays too */
    int blocks;
    jem__mem *block[JEM_LAB_BLOCKS];
} jem_lab;

/* alloc NULL: the C library's. Give it back also after a failure. */
void jem_lab_open(jem_lab *lab, const jem_lab_target *target, int32_t threads,
                  jem_alloc_fn alloc, jem_release_fn release, void *user);
/* How many cases of the common list are run: all that were thought of, and random ones.
 * Sanitizers make each fork and the reference slow: then all but the largest of the former. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define JEM_LAB_SLOW
#endif
#endif
#if defined(JEM_LAB_SLOW) || defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define JEM_LAB_CASES 33
#else
#define JEM_LAB_CASES 128
#endif
void jem_lab_close(jem_lab *lab);
void jem_lab_forget(jem_lab *lab); /* gives the tensors back, keeps the queue */
void jem_lab_note(jem_lab *lab, jem_status status);

/* values NULL: filled with NaN, for outputs. */
jem__tensor jem_lab_tensor(jem_lab *lab, int64_t n, int64_t c, int64_t h, int64_t w,
                           const float *values);
jem__signs jem_lab_signs_space(jem_lab *lab, int64_t n, int64_t c, int64_t h, int64_t w);
/* The signs of x, made by a 1x1 convolution with the identity. */
jem__signs jem_lab_signs_of(jem_lab *lab, const jem__tensor *x);
/* Row-major, in doubles: those of the reference backend themselves, floats of any other. */
void jem_lab_fetch(jem_lab *lab, const jem__tensor *t, double *out);

/* Repeatable numbers in [-1, 1); about one in sixteen is exactly 0. */
void jem_lab_random(uint32_t seed, int64_t n, float *out);
uint32_t jem_lab_next(uint32_t *state);

/* A convolution with everything around it. */
typedef struct jem_lab_case {
    int64_t n, c, h, w, k, kh, kw, stride, pad;
    float slope;
    int32_t bias, add; /* add 2: in backward_x `add` is gx itself */
} jem_lab_case;

typedef struct jem_lab_data {
    float *x, *w, *b, *add_y, *gy, *add_x, *gw, *gb; /* gw, gb: what is added to */
} jem_lab_data;

typedef struct jem_lab_result {
    double *y, *slope, *gx, *gw, *gb; /* slope: 1 or 0.2, from the signs of y */
    int64_t count[5];
} jem_lab_result;

jem__conv jem_lab_conv(const jem_lab_case *what);
void jem_lab_data_make(const jem_lab_case *what, uint32_t seed, jem_lab_data *out);
void jem_lab_data_free(jem_lab_data *data);
void jem_lab_result_make(const jem_lab_case *what, jem_lab_result *out);
void jem_lab_result_free(jem_lab_result *result);
void jem_lab_run(jem_lab *lab, const jem_lab_case *what, const jem_lab_data *data,
                 jem_lab_result *out);
/* A text that names the case, in a static array. */
const char *jem_lab_name(const jem_lab_case *what);

/* Case number i of the common list. */
jem_lab_case jem_lab_case_at(int i);

/* The parts of the suite, one per file. */
TCase *jem_backend_targets_case(void);   /* check_backend_lab.c */
TCase *jem_backend_closed_case(void);    /* check_backend_closed.c */
TCase *jem_backend_oracle_case(void);    /* check_backend_oracle.c */
TCase *jem_backend_vectors_case(void);   /* check_backend_vectors.c */
TCase *jem_backend_kernels_case(void);   /* check_backend_kernels.c */
TCase *jem_backend_same_bits_case(void); /* check_backend_guard.c */
TCase *jem_backend_memory_case(void);

#endif
