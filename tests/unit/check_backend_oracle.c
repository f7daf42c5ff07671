/* SPDX-License-Identifier: MIT */
/* Every kernel set against backend/reference: convolutions, pooling, densities and SGLD steps
 * on random data over many shapes. A sum of K products in float may be off by
 * 8 sqrt(K) 2^-24 sum |a| |b|; the sums of absolute values come from the reference too.
 * Winograd's transforms spread rounding over all numbers of a tile, and in the weight gradient
 * over all taps of a filter, so there the largest such sum counts for each. In norm, everything
 * is within 1e-5 of the reference. */

#include "check_backend_lab.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNIT 0x1p-24
#define NORM 1e-5

/* --- Convolutions ------------------------------------------------------------------------- */

static void absolute(float *values, int64_t n, float slope)
{
    for (int64_t i = 0; i < n; i++)
        values[i] = fabsf(values[i] < 0 ? slope * values[i] : values[i]);
}

/* The same case with every number replaced by its size: sums of absolute values. */
static void run_sizes(const jem_lab_case *what, jem_lab_data *data, jem_lab_result *out)
{
    jem_lab_case q = *what;
    jem_lab lab;

    q.slope = 1;
    absolute(data->x, out->count[2], what->slope);
    absolute(data->w, out->count[3], 1);
    absolute(data->b, out->count[4], 1);
    absolute(data->add_y, out->count[0], 1);
    absolute(data->gy, out->count[0], 1);
    absolute(data->add_x, out->count[2], 1);
    absolute(data->gw, out->count[3], 1);
    absolute(data->gb, out->count[4], 1);
    jem_lab_open(&lab, jem_lab_target_at(0), 1, NULL, NULL, NULL);
    jem_lab_run(&lab, &q, data, out);
    jem_check_ok(lab.status);
    jem_lab_close(&lab);
}

static void compare_norms(const jem_lab_case *what, const char *part, const double *actual,
                          const double *expected, int64_t n)
{
    double error = 0, norm = 0;

    for (int64_t i = 0; i < n; i++) {
        error += (actual[i] - expected[i]) * (actual[i] - expected[i]);
        norm += expected[i] * expected[i];
    }
    ck_assert_msg(sqrt(error) <= NORM * sqrt(norm), "%s: relative error %.3g, allowed %g; %s",
                  part, sqrt(error / norm), NORM, jem_lab_name(what));
}

static void compare(const jem_lab_case *what, const char *part, const double *actual,
                    const double *expected, const double *sizes, int64_t n, int64_t terms,
                    int32_t spread)
{
    const double factor = 8 * sqrt((double)terms) * UNIT;
    double largest = 0;

    for (int64_t i = 0; spread && i < n; i++)
        largest = fmax(largest, sizes[i]);
    for (int64_t i = 0; i < n; i++) {
        const double error = fabs(actual[i] - expected[i]);
        const double allowed = factor * fmax(sizes[i], largest) + 1e-37;

        ck_assert_msg(error <= allowed,
                      "%s[%" PRId64 "] = %.9g, expected %.9g, error %.3g, allowed %.3g; %s",
                      part, i, actual[i], expected[i], error, allowed, jem_lab_name(what));
    }
    compare_norms(what, part, actual, expected, n);
}

/* The sign bits must be those of y wherever rounding cannot have turned it. */
static void compare_slopes(const jem_lab_case *what, const jem_lab_result *cpu,
                           const jem_lab_result *exact, const jem_lab_result *sizes)
{
    for (int64_t i = 0; i < cpu->count[1]; i++) {
        const int certain = fabs(exact->y[i]) > 1e-3 * sizes->y[i];

        ck_assert_msg((cpu->y[i] > 0) == (cpu->slope[i] > 0.6), "sign of y[%" PRId64 "]; %s", i,
                      jem_lab_name(what));
        ck_assert_msg(!certain || (exact->slope[i] > 0.6) == (cpu->slope[i] > 0.6),
                      "slope of y[%" PRId64 "]; %s", i, jem_lab_name(what));
    }
}

static void check_convolution(const jem_lab_target *target, jem_lab_case q, uint32_t seed)
{
    const jem__conv v = jem_lab_conv(&q);
    const int32_t winograd =
        v.kh == 3 && v.pad == 1 && v.c >= 16 && v.k >= 16 && v.c % 8 == 0 && v.k % 8 == 0;
    jem_lab_data data;
    jem_lab_result cpu, exact, sizes;
    jem_lab lab;

    jem_lab_data_make(&q, seed, &data);
    jem_lab_result_make(&q, &cpu);
    jem_lab_result_make(&q, &exact);
    jem_lab_result_make(&q, &sizes);
    jem_lab_open(&lab, target, 2, NULL, NULL, NULL);
    jem_lab_run(&lab, &q, &data, &cpu);
    jem_check_ok(lab.status);
    jem_lab_close(&lab);
    jem_lab_open(&lab, jem_lab_target_at(0), 1, NULL, NULL, NULL);
    jem_lab_run(&lab, &q, &data, &exact);
    jem_check_ok(lab.status);
    jem_lab_close(&lab);
    run_sizes(&q, &data, &sizes);

    compare(&q, "y", cpu.y, exact.y, sizes.y, cpu.count[0], v.c * v.kh * v.kw + 2, 0);
    compare_slopes(&q, &cpu, &exact, &sizes);
    compare(&q, "gx", cpu.gx, exact.gx, sizes.gx, cpu.count[2], v.k * v.kh * v.kw + 2, 0);
    compare(&q, "gw", cpu.gw, exact.gw, sizes.gw, cpu.count[3], q.n * v.oh * v.ow + 1,
            winograd);
    compare(&q, "gb", cpu.gb, exact.gb, sizes.gb, cpu.count[4], q.n * v.oh * v.ow + 1, 0);
    jem_lab_data_free(&data);
    jem_lab_result_free(&cpu);
    jem_lab_result_free(&exact);
    jem_lab_result_free(&sizes);
}

START_TEST(convolution_agrees_with_the_reference)
{
    const jem_lab_turn turn = jem_lab_fast(_i);

    check_convolution(turn.target, jem_lab_case_at(turn.number), (uint32_t)turn.number * 10);
}
END_TEST

static const float slopes[] = {0, 0.1F, 0.2F, 1};
#define SLOPES 4

/* One layer for each way that a convolution is computed, with every slope. */
static const jem_lab_case ways[] = {
    {3, 5, 9, 8, 17, 3, 3, 1, 1, 1, 1, 2},    /* gathered */
    {2, 24, 8, 9, 16, 3, 3, 2, 0, 1, 1, 1},   /* gathered, a stride */
    {3, 48, 1, 1, 10, 1, 1, 1, 0, 1, 1, 0},   /* fully connected */
    {2, 5, 3, 4, 10, 3, 4, 1, 0, 1, 1, 0},    /* the same of signs that are padded */
    {2, 3, 17, 19, 24, 3, 3, 1, 1, 1, 1, 1},  /* few input channels */
    {2, 3, 17, 19, 24, 3, 3, 2, 1, 1, 1, 2},  /* the same, a stride */
    {3, 24, 15, 14, 40, 3, 3, 1, 1, 1, 1, 1}, /* Winograd in its three kinds of tiles */
    {3, 40, 16, 16, 24, 3, 3, 2, 1, 1, 1, 2}, {3, 16, 9, 11, 24, 3, 3, 2, 1, 1, 1, 1}};
#define WAYS 9

START_TEST(convolution_of_every_slope_agrees)
{
    const jem_lab_turn turn = jem_lab_fast(_i);
    jem_lab_case q = ways[turn.number / SLOPES];

    q.slope = slopes[turn.number % SLOPES];
    check_convolution(turn.target, q, (uint32_t)turn.number);
}
END_TEST

/* --- Pooling ------------------------------------------------------------------------------ */

static void run_pool(const jem_lab_target *target, float slope, int64_t n, int64_t c, int64_t h,
                     int64_t w, double *y, double *gx)
{
    const int64_t count = n * c * h * w;
    float *x = calloc((size_t)(count + 1), sizeof *x);
    float *gy = calloc((size_t)(n * c + 1), sizeof *gy);
    jem_lab lab;
    jem__tensor tx, ty, tgy, tgx;
    jem__signs signs;

    jem_lab_random(3, count, x);
    jem_lab_random(4, n * c, gy);
    jem_lab_open(&lab, target, 2, NULL, NULL, NULL);
    tx = jem_lab_tensor(&lab, n, c, h, w, x);
    ty = jem_lab_tensor(&lab, n, c, 1, 1, NULL);
    tgy = jem_lab_tensor(&lab, n, c, 1, 1, gy);
    tgx = jem_lab_tensor(&lab, n, c, h, w, NULL);
    signs = jem_lab_signs_of(&lab, &tx);
    jem_check_ok(lab.backend->pool_forward(lab.queue, &tx, NULL, slope, &ty));
    jem_check_ok(lab.backend->pool_backward(lab.queue, &tgy, &signs, slope, &tgx));
    jem_lab_fetch(&lab, &ty, y);
    jem_lab_fetch(&lab, &tgx, gx);
    jem_check_ok(lab.status);
    jem_lab_close(&lab);
    free(x);
    free(gy);
}

START_TEST(pooling_agrees_with_the_reference)
{
    static const int64_t shapes[][4] = {{0, 3, 4, 4},   {1, 1, 1, 1},   {2, 64, 8, 8},
                                        {5, 17, 7, 7},  {3, 33, 5, 3},  {17, 5, 1, 9},
                                        {1, 640, 8, 8}, {2, 3, 33, 31}, {1, 128, 1, 1}};
    const jem_lab_turn turn = jem_lab_fast(_i);
    const int64_t *s = shapes[turn.number / SLOPES];
    const int64_t made = s[0] * s[1], count = made * s[2] * s[3];
    double *y[2], *gx[2];

    for (int i = 0; i < 2; i++) {
        y[i] = calloc((size_t)(made + 1), sizeof **y);
        gx[i] = calloc((size_t)(count + 1), sizeof **gx);
        run_pool(i == 0 ? turn.target : jem_lab_target_at(0), slopes[turn.number % SLOPES],
                 s[0], s[1], s[2], s[3], y[i], gx[i]);
    }
    jem_check_close_double(y[0], y[1], made, 0, 1e-6);
    jem_check_close_double(gx[0], gx[1], count, 1e-6, 0);
    for (int i = 0; i < 2; i++) {
        free(y[i]);
        free(gx[i]);
    }
}
END_TEST

/* --- Tangents ----------------------------------------------------------------------------- */

static void run_tangent(const jem_lab_target *target, float slope, const int64_t s[4],
                        double *leaked, double *pooled, double *changed)
{
    const int64_t count = s[0] * s[1] * s[2] * s[3];
    float *signs_from = calloc((size_t)(count + 1), sizeof *signs_from);
    float *x = calloc((size_t)(count + 1), sizeof *x);
    jem_lab lab;

    jem_lab_random(5, count, signs_from);
    jem_lab_random(6, count, x);
    jem_lab_open(&lab, target, 2, NULL, NULL, NULL);
    const jem__tensor from = jem_lab_tensor(&lab, s[0], s[1], s[2], s[3], signs_from);
    const jem__tensor tx = jem_lab_tensor(&lab, s[0], s[1], s[2], s[3], x);
    const jem__tensor tl = jem_lab_tensor(&lab, s[0], s[1], s[2], s[3], NULL);
    const jem__tensor ty = jem_lab_tensor(&lab, s[0], s[1], 1, 1, NULL);
    const jem__tensor t = jem_lab_tensor(&lab, s[0], s[1], 1, 1, x);
    const jem__tensor p = jem_lab_tensor(&lab, s[0], s[1], 1, 1, signs_from);
    const jem__signs signs = jem_lab_signs_of(&lab, &from);
    jem_check_ok(lab.backend->leak(lab.queue, &tx, &signs, slope, &tl));
    jem_check_ok(lab.backend->pool_forward(lab.queue, &tx, &signs, slope, &ty));
    jem_check_ok(lab.backend->softmax_tangent(lab.queue, &t, &p));
    jem_lab_fetch(&lab, &tl, leaked);
    jem_lab_fetch(&lab, &ty, pooled);
    jem_lab_fetch(&lab, &p, changed);
    for (int64_t e = 0; e < count; e++) /* the signs of the one decide about the other */
        ck_assert_double_eq_tol(leaked[e], (double)(signs_from[e] > 0 ? x[e] : slope * x[e]),
                                1e-7);
    jem_check_ok(lab.status);
    jem_lab_close(&lab);
    free(signs_from);
    free(x);
}

START_TEST(tangents_agree_with_the_reference)
{
    static const int64_t shapes[][4] = {{1, 1, 1, 1},  {2, 64, 8, 8},  {5, 17, 7, 7},
                                        {3, 33, 5, 3}, {2, 3, 33, 31}, {17, 5, 1, 9}};
    const jem_lab_turn turn = jem_lab_fast(_i);
    const int64_t *s = shapes[turn.number / SLOPES];
    const int64_t made = s[0] * s[1], count = made * s[2] * s[3];
    double *out[2];

    for (int i = 0; i < 2; i++) {
        out[i] = calloc((size_t)(count + 2 * made), sizeof **out);
        run_tangent(i == 0 ? turn.target : jem_lab_target_at(0), slopes[turn.number % SLOPES],
                    s, out[i], out[i] + count, out[i] + count + made);
    }
    jem_check_close_double(out[0], out[1], count + 2 * made, 1e-6, 1e-6);
    free(out[0]);
    free(out[1]);
}
END_TEST

/* --- Densities ---------------------------------------------------------------------------- */

static void run_density(const jem_lab_target *target, const jem__density *what, int64_t n,
                        int64_t classes, const float *f, const int32_t *y, double *log_px,
                        double *log_pxy, double *grad)
{
    jem_lab lab;
    jem__tensor tf, ts;

    jem_lab_open(&lab, target, 2, NULL, NULL, NULL);
    tf = jem_lab_tensor(&lab, n, classes, 1, 1, f);
    ts = jem_lab_tensor(&lab, n, classes, 1, 1, NULL);
    jem_check_ok(lab.backend->density(lab.queue, what, &tf, y, log_px, log_pxy, &ts));
    jem_lab_fetch(&lab, &ts, grad);
    jem_check_ok(lab.status);
    jem_lab_close(&lab);
}

static void check_density(const jem_lab_target *target, const jem__density *what, int64_t n,
                          int64_t classes, double spread)
{
    const int64_t count = n * classes;
    float *f = calloc((size_t)(count + 1), sizeof *f);
    int32_t *y = calloc((size_t)(n + 1), sizeof *y);
    double *grad[2], *log_px[2], *log_pxy[2];

    jem_lab_random((uint32_t)(n + 31 * classes), count, f);
    for (int64_t e = 0; e < count; e++)
        f[e] *= (float)spread;
    for (int64_t i = 0; i < n; i++)
        y[i] = (int32_t)(i * 7 % classes);
    for (int i = 0; i < 2; i++) {
        grad[i] = calloc((size_t)(count + 1), sizeof **grad);
        log_px[i] = calloc((size_t)(n + 1), sizeof **log_px);
        log_pxy[i] = calloc((size_t)(n + 1), sizeof **log_pxy);
        run_density(i == 0 ? target : jem_lab_target_at(0), what, n, classes, f, y, log_px[i],
                    log_pxy[i], grad[i]);
    }
    jem_check_close_double(log_px[0], log_px[1], n, 1e-6, 1e-6);
    jem_check_close_double(log_pxy[0], log_pxy[1], n, 0, 0);
    jem_check_close_double(grad[0], grad[1], count, 1e-6,
                           1e-6 * fabs(what->scale) *
                               (fabs(what->alpha) + fabs(what->beta) + fabs(what->gamma) +
                                fabs(what->mu) + 2 * fabs(what->lambda) * (spread + 10)));
    for (int i = 0; i < 2; i++) {
        free(grad[i]);
        free(log_px[i]);
        free(log_pxy[i]);
    }
    free(f);
    free(y);
}

START_TEST(density_agrees_with_the_reference)
{
    static const int64_t images[] = {0, 1, 2, 5, 17, 300};
    static const int64_t classes[] = {1, 2, 7, 10, 16, 33, 100, 1000};
    static const jem__density forms[] = {{1, 0, 0, 0, 0, 1},
                                         {0, 0, 1, 0, 0, 1},
                                         {1, 0, -1, 0, 0, 1.0 / 64},
                                         {-1, 0.1, 0.3, 0, 0, 1.0 / 7},
                                         {0, 1, 0, 0, 0, -2},
                                         {0, 0, 0, 1, 0, 1},
                                         {1, 0, -0.9, 0, -0.1, 1.0 / 64},
                                         {0.2, 0.1, 0.3, -0.7, 0.4, 1.0 / 7}};
    static const double spreads[] = {1, 30, 1e4};

    const jem_lab_turn turn = jem_lab_fast(_i);
    const int form = turn.number;

    for (int s = 0; s < 3; s++)
        for (int k = 0; k < 8; k++)
            check_density(turn.target, &forms[form], images[(k + s + form) % 6], classes[k],
                          spreads[s]);
}
END_TEST

/* --- SGLD --------------------------------------------------------------------------------- */

static void run_sgld(const jem_lab_target *target, const jem__sgld_step *what, int64_t n,
                     const int64_t shape[3], const float *g, const float *x0, double *out)
{
    jem_lab lab;
    jem__tensor tg, tx;

    jem_lab_open(&lab, target, 2, NULL, NULL, NULL);
    tg = jem_lab_tensor(&lab, n, shape[0], shape[1], shape[2], g);
    tx = jem_lab_tensor(&lab, n, shape[0], shape[1], shape[2], x0);
    jem_check_ok(lab.backend->sgld_step(lab.queue, what, &tg, &tx));
    jem_lab_fetch(&lab, &tx, out);
    jem_check_ok(lab.status);
    jem_lab_close(&lab);
}

static const int64_t sgld_shapes[][4] = {{0, 1, 3, 3},   {1, 1, 1, 1},   {2, 3, 5, 7},
                                         {5, 1, 28, 28}, {3, 3, 32, 32}, {17, 2, 3, 3},
                                         {2, 17, 4, 1},  {1, 64, 1, 1}};

/* From x = 0 without a gradient one step is noise_std times the numbers of core/random.h, to
 * the bit, whatever kernels make them. */
START_TEST(sgld_noise_is_addressed_by_chain_and_step)
{
    const jem_lab_turn turn = jem_lab_all(_i);
    const int64_t *s = sgld_shapes[turn.number];
    const int64_t each = s[1] * s[2] * s[3], count = s[0] * each;
    const jem__sgld_step what = {.step_size = 1,
                                 .noise_std = 0.5F,
                                 .key = jem__rng_key(42, 3),
                                 .first_chain = UINT64_C(5000000000),
                                 .step = 1234567};
    float *zero = calloc((size_t)(count + 1), sizeof *zero);
    float *noise = calloc((size_t)(count + 1), sizeof *noise);
    double *actual = calloc((size_t)(count + 1), sizeof *actual);

    for (int64_t i = 0; i < s[0]; i++) {
        const jem__rng rng = {what.key, JEM__RNG_SGLD, what.step,
                              what.first_chain + (uint64_t)i};

        jem__rng_normal(&rng, 0, each, noise + i * each);
    }
    run_sgld(turn.target, &what, s[0], s + 1, zero, zero, actual);
    for (int64_t e = 0; e < count; e++)
        ck_assert_double_eq(actual[e], (double)(0.5F * noise[e]));
    free(zero);
    free(noise);
    free(actual);
}
END_TEST

START_TEST(sgld_step_agrees_with_the_reference)
{
    static const float settings[][4] = {{1, 0.01F, 0, 0}, {1, 0, 0, 0},
                                        {2, 0, 0.5F, 1},  {0.25F, 0.3F, 0.1F, 0.7F},
                                        {10, 1, 0, 1},    {1, 0.01F, 2, 0}};
    const jem_lab_turn turn = jem_lab_fast(_i);
    const int64_t *s = sgld_shapes[turn.number];
    const int64_t count = s[0] * s[1] * s[2] * s[3];
    float *g = calloc((size_t)(count + 1), sizeof *g);
    float *x = calloc((size_t)(count + 1), sizeof *x);
    double *cpu = calloc((size_t)(count + 1), sizeof *cpu);
    double *exact = calloc((size_t)(count + 1), sizeof *exact);

    jem_lab_random(21, count, g);
    jem_lab_random(22, count, x);
    for (int i = 0; i < 6; i++) {
        const float *v = settings[i];
        const jem__sgld_step what = {v[0], v[1], v[2], v[3], jem__rng_key(i, 0), 7, 19};

        run_sgld(turn.target, &what, s[0], s + 1, g, x, cpu);
        run_sgld(jem_lab_target_at(0), &what, s[0], s + 1, g, x, exact);
        jem_check_close_double(cpu, exact, count, 0,
                               4 * UNIT * (1 + (double)v[0] + 6 * (double)v[1]));
        for (int64_t e = 0; v[3] > 0 && e < count; e++)
            ck_assert_double_le(fabs(cpu[e]), (double)v[3]);
    }
    free(g);
    free(x);
    free(cpu);
    free(exact);
}
END_TEST

/* A broken gradient must be seen by the check for finite numbers above the seam: the clamps
 * may not heal it. */
START_TEST(sgld_step_lets_nan_and_infinity_through)
{
    static const int64_t shape[3] = {2, 3, 7};
    float g[42], x[42];
    double out[42];

    for (int at = 0; at < 42; at++) {
        const jem__sgld_step what = {
            1, 0.01F, at % 2 ? 1.0F : 0.0F, at % 3 ? 1.0F : 0.0F, jem__rng_key(1, 1), 0, 0};

        jem_lab_random(1, 42, g);
        jem_lab_random(2, 42, x);
        if (at % 5 == 0)
            x[at] = NAN;
        else
            g[at] = at % 2 ? INFINITY : NAN;
        run_sgld(jem_lab_all(_i).target, &what, 1, shape, g, x, out);
        for (int e = 0; e < 42; e++)
            ck_assert_msg(isnan(out[e]) == (e == at), "NaN at %d, number %d is %g", at, e,
                          out[e]);
    }
}
END_TEST

static const float broken[] = {NAN, INFINITY, -INFINITY};
#define BROKEN 3

/* NaN or infinity in one image's pixels, weights or gradients shows in what depends on it, and
 * in nothing else: no kernel and no slope may drop it or spread it to a neighbour. */
START_TEST(convolution_lets_nan_and_infinity_through)
{
    const jem_lab_turn turn = jem_lab_all(_i);
    const int64_t c = turn.number % 2 == 0 ? 5 : 3, size = c * 36; /* gathered, direct */
    const float slope = slopes[turn.number / 2 % SLOPES];
    const float value = broken[turn.number / 2 / SLOPES];
    const jem_lab_case q = {3, c, 6, 6, 7, 3, 3, 1, 1, slope, 1, 1};
    jem_lab_data data;
    jem_lab_result r;
    jem_lab lab;
    int64_t broken_y = 0, broken_gx = 0;

    jem_lab_data_make(&q, 1, &data);
    jem_lab_result_make(&q, &r);
    data.x[size + 14] = value; /* image 1, channel 0, pixel (2, 2): 9 outputs of each filter */
    data.gy[504 + 0] = value;  /* image 2, filter 0, pixel (0, 0): 4 pixels of each channel */
    jem_lab_open(&lab, turn.target, 1, NULL, NULL, NULL);
    jem_lab_run(&lab, &q, &data, &r);
    jem_check_ok(lab.status);
    for (int64_t e = 0; e < r.count[0]; e++) {
        broken_y += isfinite(r.y[e]) ? 0 : 1;
        ck_assert(isfinite(r.y[e]) || (e >= 252 && e < 504));
    }
    for (int64_t e = 0; e < r.count[2]; e++) {
        broken_gx += isfinite(r.gx[e]) ? 0 : 1;
        ck_assert(isfinite(r.gx[e]) || e >= 2 * size);
    }
    ck_assert_int_eq(broken_y, 9 * 7);
    ck_assert_int_eq(broken_gx, 4 * c);
    ck_assert(!isfinite(r.gb[0]));
    ck_assert(isfinite(r.gb[1]));
    jem_lab_close(&lab);
    jem_lab_data_free(&data);
    jem_lab_result_free(&r);
}
END_TEST

TCase *jem_backend_oracle_case(void)
{
    const jem_lab_row all[] = {
        {convolution_lets_nan_and_infinity_through, 0, 2 * SLOPES * BROKEN},
        {sgld_noise_is_addressed_by_chain_and_step, 0, 8},
        {sgld_step_lets_nan_and_infinity_through, 0, 1},
    };
    const jem_lab_row fast[] = {
        {convolution_agrees_with_the_reference, 0, JEM_LAB_CASES},
        {convolution_of_every_slope_agrees, 0, WAYS * SLOPES},
        {pooling_agrees_with_the_reference, 0, 9 * SLOPES},
        {tangents_agree_with_the_reference, 0, 6 * SLOPES},
        {density_agrees_with_the_reference, 0, 8},
        {sgld_step_agrees_with_the_reference, 0, 8},
    };

    TCase *tc = tcase_create("oracle");

    tcase_set_timeout(tc, 120);
    jem_lab_add_all(tc, all, sizeof all / sizeof all[0]);
    jem_lab_add_fast(tc, fast, sizeof fast / sizeof fast[0]);
    return tc;
}
