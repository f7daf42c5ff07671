/* SPDX-License-Identifier: MIT */
/* Small cases worked out by hand, on every target, and the properties of the reference itself:
 * the two gradients of a convolution are its adjoints, grad_logits of a density is its
 * derivative. */

#include "check_backend_lab.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend/reference/reference.h"

static void open_lab(jem_lab *lab, int target)
{
    jem_lab_open(lab, jem_lab_target_at(target), 1, NULL, NULL, NULL);
    ck_assert_int_eq(lab->status, JEM_OK);
}

static void close_lab(jem_lab *lab)
{
    jem_check_ok(lab->status);
    jem_lab_close(lab);
}

static void check_tensor(jem_lab *lab, const jem__tensor *t, const double *expected)
{
    const int64_t count = t->n * t->c * t->h * t->w;
    double *actual = malloc((size_t)count * sizeof *actual);

    jem_lab_fetch(lab, t, actual);
    jem_check_ok(lab->status);
    jem_check_close_double(actual, expected, count, 1e-6, 1e-7);
    free(actual);
}

static void check_forward(int target, const jem__conv *v, const float *x, const float *w,
                          const float *b, const float *add, const double *expected)
{
    jem_lab lab;
    jem__tensor tx, tw, tb, ta, ty;

    open_lab(&lab, target);
    tx = jem_lab_tensor(&lab, 1, v->c, v->h, v->w, x);
    tw = jem_lab_tensor(&lab, v->k, v->c, v->kh, v->kw, w);
    tb = jem_lab_tensor(&lab, 1, v->k, 1, 1, b);
    ta = jem_lab_tensor(&lab, 1, v->k, v->oh, v->ow, add);
    ty = jem_lab_tensor(&lab, 1, v->k, v->oh, v->ow, NULL);
    jem_check_ok(lab.backend->conv_forward(lab.queue, v, &tx, &tw, b != NULL ? &tb : NULL,
                                           add != NULL ? &ta : NULL, &ty, NULL));
    check_tensor(&lab, &ty, expected);
    close_lab(&lab);
}

static const float nine[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9};

START_TEST(forward_of_a_box_kernel)
{
    static const float ones[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
    static const double padded[9] = {12, 21, 16, 27, 45, 33, 24, 39, 28};
    static const double strided[4] = {12, 16, 24, 28};
    static const double valid[1] = {45};
    const jem__conv pad1 = {1, 3, 3, 1, 3, 3, 1, 1, 3, 3, 1};
    const jem__conv stride2 = {1, 3, 3, 1, 3, 3, 2, 1, 2, 2, 1};
    const jem__conv pad0 = {1, 3, 3, 1, 3, 3, 1, 0, 1, 1, 1};

    check_forward(_i, &pad1, nine, ones, NULL, NULL, padded);
    check_forward(_i, &stride2, nine, ones, NULL, NULL, strided);
    check_forward(_i, &pad0, nine, ones, NULL, NULL, valid);
}
END_TEST

START_TEST(forward_is_a_cross_correlation)
{
    /* the tap at the top left reads the pixel above and to the left */
    static const float corner[9] = {1, 0, 0, 0, 0, 0, 0, 0, 0};
    static const double moved[9] = {0, 0, 0, 0, 1, 2, 0, 4, 5};
    const jem__conv v = {1, 3, 3, 1, 3, 3, 1, 1, 3, 3, 1};

    check_forward(_i, &v, nine, corner, NULL, NULL, moved);
}
END_TEST

START_TEST(forward_with_channels_bias_add_and_slope)
{
    /* two channels of 1 x 2, two filters of 1 x 1: y = w a(x) + b + add */
    static const float x[4] = {1, -5, 2, 10};
    static const float w[4] = {2, -1, 0.5F, 3};
    static const float b[2] = {0.25F, -1};
    static const float add[4] = {100, 200, 300, 400};
    static const double leaky[4] = {100.25, 188.25, 305.5, 428.5};
    static const double relu[4] = {100.25, 190.25, 305.5, 429};
    static const double plain[4] = {0, -20, 6.5, 27.5};
    jem__conv v = {2, 1, 2, 2, 1, 1, 1, 0, 1, 2, 0.2F};

    check_forward(_i, &v, x, w, b, add, leaky);
    v.slope = 0;
    check_forward(_i, &v, x, w, b, add, relu);
    v.slope = 1;
    check_forward(_i, &v, x, w, NULL, NULL, plain);
}
END_TEST

START_TEST(forward_of_a_linear_layer)
{
    /* the kernel is the image: channels, rows, columns in that order */
    static const float x[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    static const float w[16] = {1, 0, 0, 0, 0, 0, 0, 0, 1, 10, 100, 1000, -1, -10, -100, -1000};
    static const double y[2] = {1, -4444};
    const jem__conv v = {2, 2, 2, 2, 2, 2, 1, 0, 1, 1, 1};

    check_forward(_i, &v, x, w, NULL, NULL, y);
}
END_TEST

START_TEST(backward_by_hand)
{
    /* 1 x 3 x 3, one 3 x 3 filter counting 1 to 9, stride 2, pad 1, gy = (1, 10, 100, 1000).
     * gx: output (oy, ox) spreads its value times the filter around pixel (2 oy, 2 ox). */
    static const float gy[4] = {1, 10, 100, 1000};
    static const float x[9] = {1, -2, 3, 4, 5, -6, 7, 8, 9};
    static const double gx[9] = {5,       0.2 * (6 + 40),      50,
                                 8 + 200, 9 + 70 + 300 + 1000, 0.2 * (80 + 2000),
                                 500,     600 + 4000,          5000};
    /* gw[ky, kx] = sum of gy[oy, ox] * leaky(x)[2 oy + ky - 1, 2 ox + kx - 1] */
    static const double gw[9] = {5000 + 1,
                                 4 * 100 + 1000 * -1.2 + 1,
                                 500 + 1,
                                 10 * -0.4 + 8000 + 1,
                                 1 + 30 + 700 + 9000 + 1,
                                 -0.4 + 800 + 1,
                                 50 + 1,
                                 4 + 10 * -1.2 + 1,
                                 5 + 1};
    static const double gb[1] = {1111 + 1};
    const float one[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
    const jem__conv v = {1, 3, 3, 1, 3, 3, 2, 1, 2, 2, 0.2F};
    jem_lab lab;
    jem__tensor tx, tw, tgy, tgx, tgw, tgb;
    jem__signs signs;

    open_lab(&lab, _i);
    tx = jem_lab_tensor(&lab, 1, 1, 3, 3, x);
    tw = jem_lab_tensor(&lab, 1, 1, 3, 3, nine);
    tgy = jem_lab_tensor(&lab, 1, 1, 2, 2, gy);
    tgx = jem_lab_tensor(&lab, 1, 1, 3, 3, NULL);
    tgw = jem_lab_tensor(&lab, 1, 1, 3, 3, one);
    tgb = jem_lab_tensor(&lab, 1, 1, 1, 1, one);
    signs = jem_lab_signs_of(&lab, &tx);
    jem_check_ok(lab.backend->conv_backward_x(lab.queue, &v, &tgy, &tw, &signs, NULL, &tgx));
    jem_check_ok(lab.backend->conv_backward_w(lab.queue, &v, &tx, &tgy, &tgw, &tgb));
    check_tensor(&lab, &tgx, gx);
    check_tensor(&lab, &tgw, gw);
    check_tensor(&lab, &tgb, gb);
    close_lab(&lab);
}
END_TEST

START_TEST(pooling_by_hand)
{
    static const float x[8] = {1, 2, 3, -10, 0, 0, -5, 0};
    static const float gy[2] = {4, 8};

    static const struct {
        float slope;
        double y[2], gx[8]; /* 0 counts as negative */
    } cases[] = {{0.2F, {1, -0.25}, {1, 1, 1, 0.2, 0.4, 0.4, 0.4, 0.4}},
                 {0, {1.5, 0}, {1, 1, 1, 0, 0, 0, 0, 0}},
                 {1, {-1, -1.25}, {1, 1, 1, 1, 2, 2, 2, 2}}};
    const jem_lab_turn turn = jem_lab_all(_i);
    const float slope = cases[turn.number].slope;
    jem_lab lab;
    jem__tensor tx, ty, tgy, tgx;
    jem__signs signs;

    jem_lab_open(&lab, turn.target, 1, NULL, NULL, NULL);
    tx = jem_lab_tensor(&lab, 1, 2, 2, 2, x);
    ty = jem_lab_tensor(&lab, 1, 2, 1, 1, NULL);
    tgy = jem_lab_tensor(&lab, 1, 2, 1, 1, gy);
    tgx = jem_lab_tensor(&lab, 1, 2, 2, 2, NULL);
    signs = jem_lab_signs_of(&lab, &tx);
    jem_check_ok(lab.backend->pool_forward(lab.queue, &tx, NULL, slope, &ty));
    jem_check_ok(lab.backend->pool_backward(
        lab.queue, &tgy, jem__activates(slope) ? &signs : NULL, slope, &tgx));
    check_tensor(&lab, &ty, cases[turn.number].y);
    check_tensor(&lab, &tgx, cases[turn.number].gx);
    close_lab(&lab);
}
END_TEST

static void density(int target, const jem__density *what, const float *f, int64_t n,
                    int64_t classes, const int32_t *y, double *log_px, double *log_pxy,
                    double *grad)
{
    jem_lab lab;
    jem__tensor tf, ts;

    open_lab(&lab, target);
    tf = jem_lab_tensor(&lab, n, classes, 1, 1, f);
    ts = jem_lab_tensor(&lab, n, classes, 1, 1, NULL);
    jem_check_ok(lab.backend->density(lab.queue, what, &tf, y, log_px, log_pxy,
                                      grad != NULL ? &ts : NULL));
    if (grad != NULL)
        jem_lab_fetch(&lab, &ts, grad);
    close_lab(&lab);
}

START_TEST(density_of_equal_logits)
{
    static const float f[10] = {3, 3, 3, 3, 3, 3, 3, 3, 3, 3};
    const jem__density what = {.alpha = 1, .scale = 1};
    double log_px, grad[10];

    density(_i, &what, f, 1, 10, NULL, &log_px, NULL, grad);
    ck_assert_double_eq_tol(log_px, 3 + log(10), 1e-6);
    for (int k = 0; k < 10; k++)
        ck_assert_double_eq_tol(grad[k], 0.1, 1e-7);
}
END_TEST

START_TEST(density_of_huge_logits)
{
    static const float f[12] = {1e4F,  -1e4F, 9999,  0, -1e4F,  -1e4F,
                                -1e4F, -1e4F, 1e30F, 0, -1e30F, 1};
    static const int32_t y[3] = {1, 0, 2};
    const jem__density what = {.alpha = 1, .scale = 1};
    const double e = exp(-1);
    double log_px[3], log_pxy[3], grad[12];

    density(_i, &what, f, 3, 4, y, log_px, log_pxy, grad);
    ck_assert_double_eq_tol(log_px[0], 1e4 + log(1 + e), 1e-3);
    ck_assert_double_eq_tol(log_px[1], -1e4 + log(4), 1e-3);
    ck_assert_double_eq_tol(log_px[2], (double)1e30F, 1e23);
    ck_assert_double_eq_tol(log_pxy[0], -1e4, 1e-9);
    ck_assert_double_eq_tol(log_pxy[2], -(double)1e30F, 1e-9);
    ck_assert_double_eq_tol(grad[0], 1 / (1 + e), 1e-6);
    ck_assert_double_eq_tol(grad[1], 0, 1e-30);
    ck_assert_double_eq_tol(grad[7], 0.25, 1e-7);
    ck_assert_double_eq_tol(grad[8], 1, 1e-7);
}
END_TEST

START_TEST(density_identities)
{
    enum { N = 40, K = 13 };
    const jem__density px = {.alpha = 1, .scale = 1};
    const jem__density pxy = {.beta = 1, .scale = 1};
    const jem__density ce = {.alpha = 1, .beta = -1, .scale = 0.5};
    float f[N * K];
    int32_t y[N];
    double log_px[N], log_pxy[N], softmax[N * K], onehot[N * K], both[N * K];

    jem_lab_random(7, N * K, f);
    for (int i = 0; i < N * K; i++)
        f[i] *= 20;
    for (int i = 0; i < N; i++)
        y[i] = i % K;
    density(_i, &px, f, N, K, NULL, log_px, NULL, softmax);
    density(_i, &pxy, f, N, K, y, NULL, log_pxy, onehot);
    density(_i, &ce, f, N, K, y, NULL, NULL, both);
    for (int i = 0; i < N; i++) {
        double sum = 0;

        for (int k = 0; k < K; k++) {
            const int at = i * K + k;

            sum += softmax[at];
            ck_assert_double_ge(softmax[at], 0);
            ck_assert_double_eq(onehot[at], k == y[i] ? 1 : 0);
            ck_assert_double_ge(log_px[i], (double)f[at]);
            ck_assert_double_eq_tol(both[at], 0.5 * (softmax[at] - onehot[at]), 1e-6);
        }
        ck_assert_double_eq_tol(sum, 1, 1e-6);
        ck_assert_double_eq(log_pxy[i], (double)f[i * K + y[i]]);
        ck_assert_double_eq_tol(softmax[i * K + y[i]], exp(log_pxy[i] - log_px[i]), 1e-5);
    }
}
END_TEST

START_TEST(density_of_nan_is_nan)
{
    static const float f[6] = {1, NAN, 2, 0, 0, 0};
    const jem__density what = {.alpha = 1, .scale = 1};
    double log_px[2], grad[6];

    density(_i, &what, f, 2, 3, NULL, log_px, NULL, grad);
    ck_assert(isnan(log_px[0]));
    ck_assert(isnan(grad[1]));
    ck_assert_double_eq_tol(log_px[1], log(3), 1e-6); /* the neighbour is not touched */
}
END_TEST

START_TEST(first_steps_of_the_optimizers)
{
    /* Adam's first step is lr times the sign, whatever the size of the gradient */
    static const float zero[3] = {0, 0, 0}, p0[3] = {1, 2, 3}, g0[3] = {1e-3F, -5, 700};
    static const double after_adam[3] = {0.9, 2.1, 2.9};
    /* SGD: v1 = g, p1 = p0 - v1 / 10; v2 = v1 / 2 + g, p2 = p1 - v2 / 10, with g + p as decay
     * 1 */
    static const float g1[3] = {1, -1, 0};
    static const double after_sgd[3] = {1 - 0.2 - 0.1 - 0.18, 2 - 0.1 - 0.05 - 0.09,
                                        3 - 0.3 - 0.15 - 0.27};
    const jem__adam adam = {0.1, 0.9, 0.999, 1e-8, 0, 1, 1};
    jem__sgd sgd = {0.1, 0.5, 1, 1, 1};
    jem_lab lab;
    jem__tensor p, g, m, v;

    open_lab(&lab, _i);
    p = jem_lab_tensor(&lab, 1, 3, 1, 1, p0);
    g = jem_lab_tensor(&lab, 1, 3, 1, 1, g0);
    m = jem_lab_tensor(&lab, 1, 3, 1, 1, zero);
    v = jem_lab_tensor(&lab, 1, 3, 1, 1, zero);
    jem_check_ok(lab.backend->adam_step(lab.queue, &adam, &g, &m, &v, &p));
    {
        double actual[3];

        jem_lab_fetch(&lab, &p, actual);
        jem_check_close_double(actual, after_adam, 3, 0, 2e-6); /* eps counts 1e-5 of 0.1 */
    }
    p = jem_lab_tensor(&lab, 1, 3, 1, 1, p0);
    g = jem_lab_tensor(&lab, 1, 3, 1, 1, g1);
    v = jem_lab_tensor(&lab, 1, 3, 1, 1, NULL); /* the first step does not read it */
    jem_check_ok(lab.backend->sgd_step(lab.queue, &sgd, &g, &v, &p));
    sgd.first = 0;
    jem_check_ok(lab.backend->sgd_step(lab.queue, &sgd, &g, &v, &p));
    check_tensor(&lab, &p, after_sgd);
    close_lab(&lab);
}
END_TEST

START_TEST(sgld_step_by_hand)
{
    static const float x0[5] = {0, 0.5F, -0.5F, 0.9F, -0.9F}, g0[5] = {1, -9, 9, 9, -9};
    static const double free_of_clamps[5] = {0.5, -4, 4, 5.4, -5.4};
    static const double clamped[5] = {0.5, -0.5, 0.5, 1, -1};
    jem__sgld_step what = {.step_size = 0.5F};
    jem_lab lab;
    jem__tensor x, g;

    open_lab(&lab, _i);
    g = jem_lab_tensor(&lab, 1, 1, 5, 1, g0);
    x = jem_lab_tensor(&lab, 1, 1, 5, 1, x0);
    jem_check_ok(lab.backend->sgld_step(lab.queue, &what, &g, &x));
    check_tensor(&lab, &x, free_of_clamps);
    what.clamp_grad = 2;
    what.clamp_x = 1;
    x = jem_lab_tensor(&lab, 1, 1, 5, 1, x0);
    jem_check_ok(lab.backend->sgld_step(lab.queue, &what, &g, &x));
    check_tensor(&lab, &x, clamped);
    close_lab(&lab);
}
END_TEST

START_TEST(new_memory_is_zero)
{
    jem_lab lab;
    jem__tensor t = {NULL, 0, 2, 3, 5, 7};
    double values[210];

    open_lab(&lab, _i);
    jem_check_ok(lab.backend->mem_create(lab.ctx, 210, &t.mem));
    jem_lab_fetch(&lab, &t, values);
    for (int e = 0; e < 210; e++)
        ck_assert_double_eq(values[e], 0);
    lab.backend->mem_free(lab.ctx, t.mem);
    lab.backend->mem_free(lab.ctx, NULL);
    lab.backend->queue_free(NULL);
    jem_check_fails(lab.backend->mem_create(lab.ctx, INT64_MAX / 2, &t.mem), JEM_E_NOMEM, "");
    ck_assert_ptr_null(t.mem);
    close_lab(&lab);
}
END_TEST

START_TEST(upload_and_download_keep_order)
{
    float values[2 * 3 * 4 * 5];
    double expected[2 * 3 * 4 * 5];
    jem_lab lab;
    jem__tensor t;

    for (int e = 0; e < 120; e++)
        expected[e] = (double)(values[e] = (float)e);
    open_lab(&lab, _i);
    t = jem_lab_tensor(&lab, 2, 3, 4, 5, values);
    check_tensor(&lab, &t, expected);
    t.at += 60; /* a slice of whole images */
    t.n = 1;
    check_tensor(&lab, &t, expected + 60);
    close_lab(&lab);
}
END_TEST

START_TEST(description_fits_and_is_cut)
{
    const jem_lab_target *target = jem_lab_target_at(_i);
    const jem__backend *backend = target->backend;
    char text[96], cut[5];

    backend->describe(target->variant, text, sizeof text);
    ck_assert_int_eq(strncmp(text, backend->name, strlen(backend->name)), 0);
    ck_assert_ptr_nonnull(strstr(text, target->variant));
    memset(cut, 'x', sizeof cut);
    backend->describe(target->variant, cut, sizeof cut);
    ck_assert_int_eq(cut[4], 0);
    ck_assert_int_eq(strncmp(text, cut, 4), 0);
}
END_TEST

static double dot(const double *a, const float *b, int64_t n)
{
    double sum = 0;

    for (int64_t i = 0; i < n; i++)
        sum += a[i] * (double)b[i];
    return sum;
}

/* Without activation, bias and add, <gy, conv(x, w)> is linear in x and in w: it equals <gx,
 * x> and <gw, w>. Nothing is shared between the three loops. */
START_TEST(reference_gradients_are_adjoints)
{
    jem_lab_case q = jem_lab_case_at(_i);
    jem_lab_data data;
    jem_lab_result r;
    jem_lab lab;
    double forward, in_x, in_w;

    q.slope = 1;
    q.bias = q.add = 0;
    jem_lab_data_make(&q, 5, &data);
    jem_lab_result_make(&q, &r);
    memset(data.gw, 0, (size_t)r.count[3] * sizeof *data.gw);
    open_lab(&lab, 0);
    jem_lab_run(&lab, &q, &data, &r);
    forward = dot(r.y, data.gy, r.count[0]);
    in_x = dot(r.gx, data.x, r.count[2]);
    in_w = dot(r.gw, data.w, r.count[3]);
    ck_assert_msg(fabs(forward - in_x) <= 1e-9 * (1 + fabs(forward)), "%s", jem_lab_name(&q));
    ck_assert_msg(fabs(forward - in_w) <= 1e-9 * (1 + fabs(forward)), "%s", jem_lab_name(&q));
    close_lab(&lab);
    jem_lab_data_free(&data);
    jem_lab_result_free(&r);
}
END_TEST

static double density_loss(jem_lab *lab, const jem__density *what, const jem__tensor *f,
                           const int32_t *y)
{
    const double *logits = jem__reference_numbers(f->mem) + f->at;
    double log_px, log_pxy, mean = 0;

    for (int64_t k = 0; k < f->c; k++)
        mean += logits[k] / (double)f->c;
    jem_check_ok(lab->backend->density(lab->queue, what, f, y, &log_px, &log_pxy, NULL));
    return what->scale *
           (what->alpha * log_px + what->lambda * log_px * log_px + what->beta * log_pxy +
            fabs(what->gamma) * log(1 + exp(what->gamma > 0 ? log_px : -log_px)) +
            what->mu * mean);
}

START_TEST(reference_grad_logits_is_the_derivative)
{
    const jem__density what = {.alpha = 0.7,
                               .lambda = 0.3,
                               .beta = -1.5,
                               .gamma = _i == 0 ? 0.9 : -0.9,
                               .mu = 0.8,
                               .scale = 2};
    const int32_t y[1] = {3};
    const double h = 1e-5;
    float f[6];
    double grad[6];
    jem_lab lab;
    jem__tensor tf, ts;

    jem_lab_random(11, 6, f);
    open_lab(&lab, 0);
    tf = jem_lab_tensor(&lab, 1, 6, 1, 1, f);
    ts = jem_lab_tensor(&lab, 1, 6, 1, 1, NULL);
    jem_check_ok(lab.backend->density(lab.queue, &what, &tf, y, NULL, NULL, &ts));
    jem_lab_fetch(&lab, &ts, grad);
    for (int k = 0; k < 6; k++) {
        double *logit = jem__reference_numbers(tf.mem) + tf.at + k;
        const double before = *logit;
        double up, down;

        *logit = before + h;
        up = density_loss(&lab, &what, &tf, y);
        *logit = before - h;
        down = density_loss(&lab, &what, &tf, y);
        *logit = before;
        ck_assert_double_eq_tol(grad[k], (up - down) / (2 * h), 1e-8);
    }
    close_lab(&lab);
}
END_TEST

TCase *jem_backend_closed_case(void)
{
    const jem_lab_row rows[] = {
        {forward_of_a_box_kernel, 0, 1},
        {forward_is_a_cross_correlation, 0, 1},
        {forward_with_channels_bias_add_and_slope, 0, 1},
        {forward_of_a_linear_layer, 0, 1},
        {backward_by_hand, 0, 1},
        {pooling_by_hand, 0, 3},
        {density_of_equal_logits, 0, 1},
        {density_of_huge_logits, 0, 1},
        {density_identities, 0, 1},
        {density_of_nan_is_nan, 0, 1},
        {first_steps_of_the_optimizers, 0, 1},
        {sgld_step_by_hand, 0, 1},
        {new_memory_is_zero, 0, 1},
        {upload_and_download_keep_order, 0, 1},
        {description_fits_and_is_cut, 0, 1},
    };

    TCase *tc = tcase_create("closed");

    tcase_set_timeout(tc, 60);
    jem_lab_add_all(tc, rows, sizeof rows / sizeof rows[0]);
    tcase_add_loop_test(tc, reference_gradients_are_adjoints, 20, 50);
    tcase_add_loop_test(tc, reference_grad_logits_is_the_derivative, 0, 2);
    return tc;
}
