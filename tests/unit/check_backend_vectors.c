/* SPDX-License-Identifier: MIT */
/* Block operations of every target: copies, sums and weight updates on lengths around every
 * vector and chunk size, and the same bits for any number of threads. */

#include "check_backend_lab.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const int64_t lengths[] = {0, 1, 3, 7, 8, 15, 16, 17, 33, 1000, 4095, 4097, 100003};
#define LENGTHS 13
#define BLOCKS  10 /* of an outcome */

/* Five steps of everything on vectors of one length. */
typedef struct outcome {
    double *copied, *filled, *between, *sum, *product, *adam, *adam_m, *adam_v, *sgd, *velocity;
    double squares;
    double *memory;
} outcome;

static void outcome_make(int64_t n, outcome *out)
{
    out->memory = calloc((size_t)(BLOCKS * n + 1), sizeof(double));
    out->copied = out->memory;
    out->filled = out->copied + n;
    out->between = out->filled + n;
    out->sum = out->between + n;
    out->product = out->sum + n;
    out->adam = out->product + n;
    out->adam_m = out->adam + n;
    out->adam_v = out->adam_m + n;
    out->sgd = out->adam_v + n;
    out->velocity = out->sgd + n;
}

static jem__tensor vector(jem_lab *lab, int64_t n, const float *values)
{
    return jem_lab_tensor(lab, 1, n, 1, 1, values);
}

static void run_optimizers(jem_lab *lab, int64_t n, const float *a, const float *b,
                           const float *zero, outcome *out)
{
    const jem__tensor g = vector(lab, n, b), m = vector(lab, n, zero);
    const jem__tensor v = vector(lab, n, zero), p = vector(lab, n, a);
    const jem__tensor velocity = vector(lab, n, NULL), q = vector(lab, n, a);
    jem__adam adam = {1e-3, 0.9, 0.99, 1e-8, 0.01, 0.5, 1};
    jem__sgd sgd = {0.01, 0.9, 0.01, 0.5, 1};

    for (int step = 1; step <= 5; step++) {
        adam.step = step;
        sgd.first = step == 1;
        jem_lab_note(lab, lab->backend->adam_step(lab->queue, &adam, &g, &m, &v, &p));
        jem_lab_note(lab, lab->backend->sgd_step(lab->queue, &sgd, &g, &velocity, &q));
    }
    jem_lab_fetch(lab, &p, out->adam);
    jem_lab_fetch(lab, &m, out->adam_m);
    jem_lab_fetch(lab, &v, out->adam_v);
    jem_lab_fetch(lab, &q, out->sgd);
    jem_lab_fetch(lab, &velocity, out->velocity);
}

static void run_vectors(const jem_lab_target *target, int32_t threads, int64_t n, outcome *out)
{
    float *a = calloc((size_t)(n + 1), sizeof *a), *b = calloc((size_t)(n + 1), sizeof *b);
    float *zero = calloc((size_t)(n + 1), sizeof *zero);
    jem_lab lab;
    jem__tensor from, to, filled, copied;

    jem_lab_random(31, n, a);
    jem_lab_random(32, n, b);
    jem_lab_open(&lab, target, threads, NULL, NULL, NULL);
    from = vector(&lab, n, a);
    to = vector(&lab, n, b);
    copied = vector(&lab, n, NULL);
    filled = vector(&lab, n, NULL);
    jem_lab_note(&lab, lab.backend->copy(lab.queue, &from, &copied));
    jem_lab_note(&lab, lab.backend->fill(lab.queue, &filled, -1.25F));
    jem_lab_fetch(&lab, &copied, out->copied);
    jem_lab_fetch(&lab, &filled, out->filled);
    jem_lab_note(&lab, lab.backend->lerp(lab.queue, 0.001, &to, &copied));
    jem_lab_fetch(&lab, &copied, out->between);
    jem_lab_note(&lab, lab.backend->add(lab.queue, &to, &filled));
    jem_lab_fetch(&lab, &filled, out->sum);
    jem_lab_note(&lab,
                 lab.backend->multiply_add(lab.queue, -0.3, &from, &to, &filled, &filled));
    jem_lab_fetch(&lab, &filled, out->product);
    jem_lab_note(&lab, lab.backend->sum_squares(lab.queue, &from, &out->squares));
    run_optimizers(&lab, n, a, b, zero, out);
    jem_check_ok(lab.status);
    jem_lab_close(&lab);
    free(a);
    free(b);
    free(zero);
}

START_TEST(vectors_agree_with_the_reference)
{
    const jem_lab_turn turn = jem_lab_fast(_i);
    const int64_t n = lengths[turn.number];
    outcome cpu, exact;

    outcome_make(n, &cpu);
    outcome_make(n, &exact);
    run_vectors(turn.target, 2, n, &cpu);
    run_vectors(jem_lab_target_at(0), 1, n, &exact);
    jem_check_close_double(cpu.copied, exact.copied, n, 0, 0);
    jem_check_close_double(cpu.filled, exact.filled, n, 0, 0);
    jem_check_close_double(cpu.between, exact.between, n, 0, 1e-7);
    jem_check_close_double(cpu.sum, exact.sum, n, 1e-7, 1e-7);
    jem_check_close_double(cpu.product, exact.product, n, 1e-7, 2e-7);
    jem_check_close_double(&cpu.squares, &exact.squares, 1, 1e-6, 0);
    jem_check_close_double(cpu.adam, exact.adam, n, 0, 5e-7);
    jem_check_close_double(cpu.adam_m, exact.adam_m, n, 0, 1e-6);
    jem_check_close_double(cpu.adam_v, exact.adam_v, n, 1e-5, 1e-12);
    jem_check_close_double(cpu.sgd, exact.sgd, n, 0, 5e-7);
    jem_check_close_double(cpu.velocity, exact.velocity, n, 0, 2e-6);
    free(cpu.memory);
    free(exact.memory);
}
END_TEST

/* In float 0.99999999 is 1, and 1 - 0.999 is wrong in the fifth digit. */
START_TEST(adam_keeps_what_float_rounds_off_beta)
{
    const jem_lab_turn turn = jem_lab_fast(_i);
    const jem_lab_target *targets[] = {jem_lab_target_at(0), turn.target};
    double p[2][100], v[2][100];
    float a[100], b[100], zero[100] = {0};

    jem_lab_random(31, 100, a);
    jem_lab_random(32, 100, b);
    for (int i = 0; i < 2; i++) {
        jem_lab lab;
        jem__adam adam = {1e-3, 0.999999, turn.number == 0 ? 0.999 : 0.99999999, 1e-8, 0, 1, 0};

        jem_lab_open(&lab, targets[i], 1, NULL, NULL, NULL);
        const jem__tensor grad = vector(&lab, 100, b), mean = vector(&lab, 100, zero);
        const jem__tensor square = vector(&lab, 100, zero), param = vector(&lab, 100, a);
        for (adam.step = 1; adam.step <= 5; adam.step++)
            jem_lab_note(
                &lab, lab.backend->adam_step(lab.queue, &adam, &grad, &mean, &square, &param));
        jem_lab_fetch(&lab, &param, p[i]);
        jem_lab_fetch(&lab, &square, v[i]);
        jem_check_ok(lab.status);
        jem_lab_close(&lab);
    }
    jem_check_close_double(p[1], p[0], 100, 0, 5e-7);
    jem_check_close_double(v[1], v[0], 100, 1e-6, 0);
}
END_TEST

START_TEST(vectors_do_not_depend_on_threads)
{
    const jem_lab_turn turn = jem_lab_fast(_i);
    const int64_t n = lengths[turn.number];
    outcome alone, together;

    outcome_make(n, &alone);
    outcome_make(n, &together);
    run_vectors(turn.target, 1, n, &alone);
    for (int32_t threads = 2; threads <= 3; threads++) {
        run_vectors(turn.target, threads, n, &together);
        ck_assert_mem_eq(alone.memory, together.memory, (size_t)(BLOCKS * n) * sizeof(double));
        ck_assert_mem_eq(&alone.squares, &together.squares, sizeof(double));
    }
    free(alone.memory);
    free(together.memory);
}
END_TEST

static double squares_of(const jem_lab_target *target, int64_t n, const float *values)
{
    jem_lab lab;
    jem__tensor t;
    double sum = -1;

    jem_lab_open(&lab, target, 2, NULL, NULL, NULL);
    t = vector(&lab, n, values);
    jem_check_ok(lab.backend->sum_squares(lab.queue, &t, &sum));
    jem_lab_close(&lab);
    return sum;
}

START_TEST(sum_of_squares_shows_what_is_not_finite)
{
    enum { N = 40000 };
    static const int places[] = {0, 1, 15, 16, 4096, N / 2, N - 1};
    const jem_lab_target *target = jem_lab_all(_i).target;
    float *values = calloc(N, sizeof *values);

    for (int i = 0; i < 7; i++) {
        values[places[i]] = NAN;
        ck_assert(isnan(squares_of(target, N, values)));
        values[places[i]] = -INFINITY;
        ck_assert(!isfinite(squares_of(target, N, values)));
        values[places[i]] = 0;
    }
    ck_assert_double_eq(squares_of(target, N, values), 0);
    values[5] = 1e25F; /* its square is no float, and no error either */
    ck_assert_double_eq_tol(squares_of(target, N, values) / 1e50, 1, 1e-6);
    free(values);
}
END_TEST

/* By hand, with and without factor and term, and onto each of its tensors. A factor beyond float
 * is no loss where the product is within it. */
START_TEST(multiply_add_by_hand)
{
    static const float a0[5] = {2, -1, 0, 3, 1e-30F}, x0[5] = {1, 2, 3, -4, 1e-30F};
    static const float b0[5] = {10, 20, 30, 40, 0};
    static const double want[4][5] = {{11, 19, 30, 34, 5e-61},
                                      {1, -1, 0, -6, 5e-61},
                                      {10.5, 21, 31.5, 38, 5e-31},
                                      {0.5, 1, 1.5, -2, 5e-31}};
    for (int k = 0; k < 16; k++) {
        jem_lab lab;
        double y[5], huge[5];

        jem_lab_open(&lab, jem_lab_all(_i).target, 1, NULL, NULL, NULL);
        const jem__tensor a = vector(&lab, 5, a0), x = vector(&lab, 5, x0);
        const jem__tensor b = vector(&lab, 5, b0), other = vector(&lab, 5, b0);
        const jem__tensor *factor = k & 2 ? NULL : &a, *term = k & 1 ? NULL : &b;
        const jem__tensor *onto[4] = {&other, &a, &x, &b};
        jem_check_ok(lab.backend->multiply_add(lab.queue, 0.5, factor, &x, term, onto[k / 4]));
        jem_lab_fetch(&lab, onto[k / 4], y);
        jem_check_close_double(y, want[k % 4], 5, 1e-6, 1e-40);
        const jem__tensor tiny = vector(&lab, 5, a0);
        jem_check_ok(lab.backend->multiply_add(lab.queue, 1e59, &tiny, &tiny, NULL, &tiny));
        jem_lab_fetch(&lab, &tiny, huge);
        ck_assert_double_eq_tol(huge[4], 0.1, 1e-6);
        jem_lab_close(&lab);
    }
}
END_TEST

/* Many small numbers after a large one must not be lost: sums run in double or in chunks. */
START_TEST(sum_of_squares_is_exact_enough)
{
    enum { N = 1 << 20 };
    const jem_lab_target *target = jem_lab_all(_i).target;
    float *values = calloc(N, sizeof *values);

    for (int e = 0; e < N; e++)
        values[e] = 0.1F;
    ck_assert_double_eq_tol(squares_of(target, N, values) / (N * 0.01), 1, 1e-6);
    free(values);
}
END_TEST

/* A NaN gradient shows in the weights and in the velocity: nothing swallows it. */
START_TEST(updates_let_nan_through)
{
    static const float zero[5] = {0, 0, 0, 0, 0}, one[5] = {1, 1, 1, 1, 1};
    const float g0[5] = {1, 1, NAN, 1, 1};
    const jem__adam adam = {1e-3, 0.9, 0.999, 1e-8, 0, 1, 1};
    const jem__sgd sgd = {0.1, 0.9, 0, 1, 1};
    jem_lab lab;
    jem__tensor g, m, v, velocity, p, q;
    double a[5], b[5];

    jem_lab_open(&lab, jem_lab_all(_i).target, 1, NULL, NULL, NULL);
    g = vector(&lab, 5, g0);
    m = vector(&lab, 5, zero);
    v = vector(&lab, 5, zero);
    velocity = vector(&lab, 5, zero);
    p = vector(&lab, 5, one);
    q = vector(&lab, 5, one);
    jem_check_ok(lab.backend->adam_step(lab.queue, &adam, &g, &m, &v, &p));
    jem_check_ok(lab.backend->sgd_step(lab.queue, &sgd, &g, &velocity, &q));
    jem_lab_fetch(&lab, &p, a);
    jem_lab_fetch(&lab, &q, b);
    for (int e = 0; e < 5; e++) {
        ck_assert_int_eq(isnan(a[e]) != 0, e == 2);
        ck_assert_int_eq(isnan(b[e]) != 0, e == 2);
    }
    jem_lab_close(&lab);
}
END_TEST

TCase *jem_backend_vectors_case(void)
{
    const jem_lab_row all[] = {
        {sum_of_squares_shows_what_is_not_finite, 0, 1},
        {sum_of_squares_is_exact_enough, 0, 1},
        {multiply_add_by_hand, 0, 1},
        {updates_let_nan_through, 0, 1},
    };
    const jem_lab_row fast[] = {
        {vectors_agree_with_the_reference, 0, LENGTHS},
        {adam_keeps_what_float_rounds_off_beta, 0, 2},
        {vectors_do_not_depend_on_threads, 0, LENGTHS},
    };

    TCase *tc = tcase_create("vectors");

    tcase_set_timeout(tc, 60);
    jem_lab_add_all(tc, all, sizeof all / sizeof all[0]);
    jem_lab_add_fast(tc, fast, sizeof fast / sizeof fast[0]);
    return tc;
}
