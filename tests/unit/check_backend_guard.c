/* SPDX-License-Identifier: MIT */
/* What results do not show. Equal bits for any number of threads and any cut of a batch; every
 * block between forbidden pages, so that one byte read too far is a crash here; memory refused
 * at every call in turn. */

#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */

#include "check_backend_lab.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/context.h"

/* --- Equal bits --------------------------------------------------------------------------- */

static void run_alone(const jem_lab_target *target, const jem_lab_case *q,
                      const jem_lab_data *data, int32_t threads, jem_lab_result *out)
{
    jem_lab lab;

    jem_lab_open(&lab, target, threads, NULL, NULL, NULL);
    jem_lab_run(&lab, q, data, out);
    jem_check_ok(lab.status);
    jem_lab_close(&lab);
}

static void check_bits(const jem_lab_case *q, const char *part, const double *a,
                       const double *b, int64_t n)
{
    ck_assert_msg(memcmp(a, b, (size_t)n * sizeof *a) == 0, "%s differs; %s", part,
                  jem_lab_name(q));
}

static void check_threads(const jem_lab_target *target, int i)
{
    const jem_lab_case q = jem_lab_case_at(i);
    jem_lab_data data;
    jem_lab_result one, many;

    jem_lab_data_make(&q, 77, &data);
    jem_lab_result_make(&q, &one);
    jem_lab_result_make(&q, &many);
    run_alone(target, &q, &data, 1, &one);
    for (int32_t threads = 2; threads <= 3; threads++) {
        run_alone(target, &q, &data, threads, &many);
        check_bits(&q, "y", one.y, many.y, one.count[0]);
        check_bits(&q, "slope", one.slope, many.slope, one.count[1]);
        check_bits(&q, "gx", one.gx, many.gx, one.count[2]);
        check_bits(&q, "gw", one.gw, many.gw, one.count[3]);
        check_bits(&q, "gb", one.gb, many.gb, one.count[4]);
    }
    jem_lab_data_free(&data);
    jem_lab_result_free(&one);
    jem_lab_result_free(&many);
}

/* Images first .. first + n - 1 of a batch by themselves give the same rows. */
static void check_part(const jem_lab_target *target, const jem_lab_case *q,
                       const jem_lab_data *data, const jem_lab_result *whole, int64_t first,
                       int64_t n)
{
    const int64_t in = whole->count[2] / q->n, made = whole->count[0] / q->n;
    jem_lab_case part = *q;
    jem_lab_data cut = *data;
    jem_lab_result some;

    part.n = n;
    cut.x += first * in;
    cut.add_x += first * in;
    cut.gy += first * made;
    cut.add_y += first * made;
    jem_lab_result_make(&part, &some);
    run_alone(target, &part, &cut, 1, &some);
    check_bits(q, "y of a part", whole->y + first * made, some.y, n * made);
    check_bits(q, "slope of a part", whole->slope + first * made, some.slope, n * made);
    check_bits(q, "gx of a part", whole->gx + first * in, some.gx, n * in);
    jem_lab_result_free(&some);
}

static void check_neighbours(const jem_lab_target *target, int i)
{
    jem_lab_case q = jem_lab_case_at(i);
    jem_lab_data data;
    jem_lab_result whole;

    if (q.n < 2)
        q.n = 3;
    jem_lab_data_make(&q, 78, &data);
    jem_lab_result_make(&q, &whole);
    run_alone(target, &q, &data, 2, &whole);
    check_part(target, &q, &data, &whole, 0, q.n / 2);
    check_part(target, &q, &data, &whole, q.n / 2, q.n - q.n / 2);
    check_part(target, &q, &data, &whole, q.n - 1, 1);
    jem_lab_data_free(&data);
    jem_lab_result_free(&whole);
}

START_TEST(threads_do_not_change_a_bit)
{
    const jem_lab_turn turn = jem_lab_fast(_i);

    check_threads(turn.target, turn.number);
}
END_TEST

START_TEST(neighbours_do_not_change_a_bit)
{
    const jem_lab_turn turn = jem_lab_fast(_i);

    check_neighbours(turn.target, turn.number);
}
END_TEST

/* Pooling, densities and SGLD steps of a batch and of its images one by one. */
static void run_pointwise(const jem_lab_target *target, int64_t first, int64_t n,
                          int32_t threads, const float *x, const float *f, const int32_t *y,
                          double *out)
{
    const jem__density what = {0.5, 0.25, 1, 0.75, 0.5, 2};
    const jem__sgld_step step = {.step_size = 1,
                                 .noise_std = 0.1F,
                                 .clamp_x = 1,
                                 .key = jem__rng_key(9, 9),
                                 .first_chain = (uint64_t)first,
                                 .step = 4};
    double *log_px = out, *log_pxy = log_px + n, *grad = log_pxy + n;
    double *pooled = grad + n * 19, *chain = pooled + n * 5;
    jem_lab lab;
    jem__tensor tx, tf, ts, tp, tg;

    jem_lab_open(&lab, target, threads, NULL, NULL, NULL);
    tx = jem_lab_tensor(&lab, n, 5, 3, 7, x + first * 105);
    tg = jem_lab_tensor(&lab, n, 5, 3, 7, x + first * 105);
    tf = jem_lab_tensor(&lab, n, 19, 1, 1, f + first * 19);
    ts = jem_lab_tensor(&lab, n, 19, 1, 1, NULL);
    tp = jem_lab_tensor(&lab, n, 5, 1, 1, NULL);
    jem_lab_note(&lab, lab.backend->pool_forward(lab.queue, &tx, NULL, 0.2F, &tp));
    jem_lab_note(&lab,
                 lab.backend->density(lab.queue, &what, &tf, y + first, log_px, log_pxy, &ts));
    jem_lab_note(&lab, lab.backend->sgld_step(lab.queue, &step, &tg, &tx));
    jem_lab_fetch(&lab, &ts, grad);
    jem_lab_fetch(&lab, &tp, pooled);
    jem_lab_fetch(&lab, &tx, chain);
    jem_check_ok(lab.status);
    jem_lab_close(&lab);
}

START_TEST(pointwise_operations_are_per_image)
{
    enum { N = 67, EACH = 2 + 19 + 5 + 105 };
    const jem_lab_target *target = jem_lab_fast(_i).target;
    static const int64_t widths[] = {1, 1, 19, 5, 105};
    float *x = calloc(N * 105, sizeof *x), *f = calloc(N * 19, sizeof *f);
    double *whole = calloc(N * EACH, sizeof *whole), *one = calloc(EACH, sizeof *one);
    double *threads = calloc(N * EACH, sizeof *threads);
    int32_t y[N];

    jem_lab_random(1, N * 105, x);
    jem_lab_random(2, N * 19, f);
    for (int i = 0; i < N; i++)
        y[i] = i % 19;
    run_pointwise(target, 0, N, 1, x, f, y, whole);
    for (int32_t t = 2; t <= 3; t++) {
        run_pointwise(target, 0, N, t, x, f, y, threads);
        ck_assert_mem_eq(whole, threads, N * EACH * sizeof *whole);
    }
    for (int64_t i = 0; i < N; i++) {
        const double *at = whole;
        const double *single = one;

        run_pointwise(target, i, 1, 1, x, f, y, one);
        for (int part = 0; part < 5; part++) {
            ck_assert_mem_eq(at + i * widths[part], single,
                             (size_t)widths[part] * sizeof *whole);
            at += N * widths[part];
            single += widths[part];
        }
    }
    free(x);
    free(f);
    free(whole);
    free(one);
    free(threads);
}
END_TEST

TCase *jem_backend_same_bits_case(void)
{
    const jem_lab_row rows[] = {
        {threads_do_not_change_a_bit, 0, JEM_LAB_CASES / 2},
        {neighbours_do_not_change_a_bit, 1, JEM_LAB_CASES / 2},
        {pointwise_operations_are_per_image, 0, 1},
    };

    TCase *tc = tcase_create("same bits");

    tcase_set_timeout(tc, 120);
    jem_lab_add_fast(tc, rows, sizeof rows / sizeof rows[0]);
    return tc;
}

/* --- Guard pages -------------------------------------------------------------------------- */

/* A block begins right after a forbidden page: reads in front of it. The size in front of the
 * page is not needed: release is told. */
static void *front_alloc(int64_t size, int64_t align, void *user)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *base = mmap(NULL, (size_t)size + page, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)align; /* a page is more */
    (void)user;
    if (base == MAP_FAILED)
        return NULL;
    memset(base + page, 0xa5, (size_t)size);
    mprotect(base, page, PROT_NONE);
    return base + page;
}

static void front_release(void *block, int64_t size, void *user)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);

    (void)user;
    munmap((uint8_t *)block - page, (size_t)size + page);
}

/* Everything but convolutions, once. Class numbers and scores lie before forbidden bytes
 * too. */
static void call_rest(jem_lab *lab, const jem__tensor *x, const jem__tensor *g,
                      const jem__tensor *a, const jem__tensor *b, const jem__tensor *pooled,
                      const jem__tensor *grad)
{
    const jem__density what = {0.5, 0.25, 1, 0.75, 0.5, 2};
    const jem__sgld_step step = {1, 0.1F, 0.5F, 1, jem__rng_key(1, 2), 3, 4};
    const jem__adam adam = {1e-3, 0.9, 0.999, 1e-8, 0.1, 1, 1};
    const jem__sgd sgd = {1e-3, 0.9, 0.1, 1, 1};
    const jem__backend *run = lab->backend;
    const int64_t n = x->n;
    jem_test_memory memory = {0};
    int32_t *y = jem_test_guard_alloc(n * 4 + 4, 4, &memory);
    double *scores = jem_test_guard_alloc(n * 16 + 8, 8, &memory);
    double sum = 0;

    memset(y, 0, (size_t)n * 4 + 4);
    jem_lab_note(lab, run->pool_forward(lab->queue, x, NULL, 0.2F, pooled));
    jem_lab_note(
        lab, run->density(lab->queue, &what, pooled, y + 1, scores + 1, scores + 1 + n, grad));
    jem_lab_note(lab, run->sgld_step(lab->queue, &step, g, x));
    jem_lab_note(lab, run->sum_squares(lab->queue, x, &sum));
    jem_lab_note(lab, run->fill(lab->queue, a, 0));
    jem_lab_note(lab, run->copy(lab->queue, a, b));
    jem_lab_note(lab, run->add(lab->queue, a, b));
    jem_lab_note(lab, run->lerp(lab->queue, 0.5, a, b));
    jem_lab_note(lab, run->multiply_add(lab->queue, 0.5, a, b, g, b));
    jem_lab_note(lab, run->adam_step(lab->queue, &adam, g, a, b, x));
    jem_lab_note(lab, run->sgd_step(lab->queue, &sgd, g, a, x));
    jem_test_guard_release(y, n * 4 + 4, &memory);
    jem_test_guard_release(scores, n * 16 + 8, &memory);
}

static void run_rest(jem_lab *lab, int64_t n, int64_t c, int64_t h, int64_t w)
{
    const int64_t count = n * c * h * w;
    float *values = calloc((size_t)(count + 1), sizeof *values);
    jem__tensor x, g, a, b, pooled, grad;

    jem_lab_random(3, count, values);
    x = jem_lab_tensor(lab, n, c, h, w, values);
    g = jem_lab_tensor(lab, n, c, h, w, values);
    a = jem_lab_tensor(lab, n, c, h, w, values);
    b = jem_lab_tensor(lab, n, c, h, w, values);
    pooled = jem_lab_tensor(lab, n, c, 1, 1, NULL);
    grad = jem_lab_tensor(lab, n, c, 1, 1, NULL);
    if (lab->status == JEM_OK)
        call_rest(lab, &x, &g, &a, &b, &pooled, &grad);
    jem_lab_forget(lab);
    free(values);
}

static void run_guarded(const jem_lab_target *target, const jem_lab_case *q, int32_t threads,
                        jem_alloc_fn alloc, jem_release_fn release, void *user)
{
    jem_lab_data data;
    jem_lab_result r;
    jem_lab lab;

    jem_lab_data_make(q, 5, &data);
    jem_lab_result_make(q, &r);
    jem_lab_open(&lab, target, threads, alloc, release, user);
    jem_lab_run(&lab, q, &data, &r);
    run_rest(&lab, q->n, q->c, q->h, q->w);
    jem_check_ok(lab.status);
    jem_lab_close(&lab);
    jem_lab_data_free(&data);
    jem_lab_result_free(&r);
}

START_TEST(no_byte_behind_a_block_is_touched)
{
    const jem_lab_turn turn = jem_lab_fast(_i);
    const jem_lab_case q = jem_lab_case_at(turn.number);
    jem_test_memory memory = {0};

    run_guarded(turn.target, &q, 1 + turn.number % 2, jem_test_guard_alloc,
                jem_test_guard_release, &memory);
    jem_check_no_leak(&memory);
}
END_TEST

START_TEST(no_byte_in_front_of_a_block_is_touched)
{
    const jem_lab_turn turn = jem_lab_fast(_i);
    const jem_lab_case q = jem_lab_case_at(turn.number);

    run_guarded(turn.target, &q, 1 + turn.number % 2, front_alloc, front_release, NULL);
}
END_TEST

/* --- Memory refused ----------------------------------------------------------------------- */

/* Gathered, direct. */
static const jem_lab_case modest[2] = {{2, 5, 6, 6, 17, 3, 3, 1, 1, 0.2F, 1, 1},
                                       {2, 3, 6, 6, 17, 3, 3, 1, 1, 0.2F, 1, 1}};

static jem_status everything(jem_test_memory *memory, void *arg)
{
    const jem_lab_turn *turn = arg;
    const jem_lab_case *q = &modest[turn->number];
    jem_lab_data data;
    jem_lab_result r;
    jem_lab lab;

    jem_lab_data_make(q, 1, &data);
    jem_lab_result_make(q, &r);
    jem_lab_open(&lab, turn->target, 1, jem_test_alloc, jem_test_release, memory);
    if (lab.status == JEM_OK) {
        jem_lab_run(&lab, q, &data, &r);
        run_rest(&lab, q->n, q->c, q->h, q->w);
    }
    jem_lab_close(&lab);
    jem_lab_data_free(&data);
    jem_lab_result_free(&r);
    return lab.status;
}

START_TEST(every_allocation_may_fail)
{
    jem_lab_turn turn = jem_lab_all(_i);

    ck_assert_int_gt(jem_check_survives_no_memory(everything, &turn), 10);
}
END_TEST

/* A convolution that was refused its scratch memory works when asked again. */
START_TEST(queue_survives_a_refusal)
{
    const jem_lab_turn turn = jem_lab_fast(_i);
    const jem_lab_case *q = &modest[turn.number];
    jem_test_memory memory = {0};
    jem_lab_data data;
    jem_lab_result before, after;
    jem_lab lab;

    jem_lab_data_make(q, 1, &data);
    jem_lab_result_make(q, &before);
    jem_lab_result_make(q, &after);
    jem_lab_open(&lab, turn.target, 1, NULL, NULL, NULL);
    jem_lab_run(&lab, q, &data, &before);
    jem_check_ok(lab.status);
    jem_lab_close(&lab);

    jem_lab_open(&lab, turn.target, 1, jem_test_alloc, jem_test_release, &memory);
    for (long long k = 1; k < 60; k++) {
        const long long calls = atomic_load(&memory.calls);

        atomic_store(&memory.fail_at, calls + k);
        jem_lab_run(&lab, q, &data, &after);
        ck_assert(lab.status == JEM_OK || lab.status == JEM_E_NOMEM);
        lab.status = JEM_OK;
    }
    atomic_store(&memory.fail_at, 0);
    jem_lab_run(&lab, q, &data, &after);
    jem_check_ok(lab.status);
    jem_lab_close(&lab);
    jem_check_no_leak(&memory);
    check_bits(q, "y", before.y, after.y, before.count[0]);
    check_bits(q, "gx", before.gx, after.gx, before.count[2]);
    check_bits(q, "gw", before.gw, after.gw, before.count[3]);
    jem_lab_data_free(&data);
    jem_lab_result_free(&before);
    jem_lab_result_free(&after);
}
END_TEST

TCase *jem_backend_memory_case(void)
{
    const jem_lab_row all[] = {{every_allocation_may_fail, 0, 2}};
    const jem_lab_row fast[] = {
        {no_byte_behind_a_block_is_touched, 0, JEM_LAB_CASES},
        {no_byte_in_front_of_a_block_is_touched, 0, JEM_LAB_CASES / 2},
        {queue_survives_a_refusal, 0, 2},
    };

    TCase *tc = tcase_create("memory");

    tcase_set_timeout(tc, 120);
    jem_lab_add_all(tc, all, sizeof all / sizeof all[0]);
    jem_lab_add_fast(tc, fast, sizeof fast / sizeof fast[0]);
    return tc;
}
