/* SPDX-License-Identifier: MIT */
/* Training: updates by the gradient at weights nearby ("train.sam"). */

#include "check_train.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "test_support.h"

#define HIDDEN  6 /* units of the mlp in check_train.c */
#define NUMBERS (HIDDEN * SIZE + HIDDEN + CLASSES * HIDDEN + CLASSES)

static const char *const kinds[2] = {"sam", "adaptive"};

/* ---- by hand ---- */

/* The mean cross entropy of the labelled batch and its gradient, in double from the formula. */
static double cross_entropy(const struct batches *b, const double *w, double *g)
{
    const double *w1 = w, *b1 = w1 + HIDDEN * SIZE, *w2 = b1 + HIDDEN;
    const double *b2 = w2 + CLASSES * HIDDEN;
    double *g1 = g, *gb1 = g1 + HIDDEN * SIZE, *g2 = gb1 + HIDDEN, *gb2 = g2 + CLASSES * HIDDEN;
    double loss = 0.0;
    memset(g, 0, NUMBERS * sizeof *g);
    for (int i = 0; i < N_L; i++) {
        const float *x = b->x_l + (size_t)i * SIZE;
        double a[HIDDEN], slope[HIDDEN], f[CLASSES], sum = 0.0;
        for (int h = 0; h < HIDDEN; h++) {
            double v = b1[h];
            for (int e = 0; e < SIZE; e++)
                v += w1[h * SIZE + e] * (double)x[e];
            slope[h] = v > 0.0 ? 1.0 : 0.2;
            a[h] = slope[h] * v;
        }
        for (int k = 0; k < CLASSES; k++) {
            f[k] = b2[k];
            for (int h = 0; h < HIDDEN; h++)
                f[k] += w2[k * HIDDEN + h] * a[h];
            sum += exp(f[k]);
        }
        loss += (log(sum) - f[b->y_l[i]]) / N_L;
        for (int k = 0; k < CLASSES; k++) {
            const double gf = (exp(f[k]) / sum - (k == b->y_l[i])) / N_L;
            gb2[k] += gf;
            for (int h = 0; h < HIDDEN; h++) {
                const double gh = gf * w2[k * HIDDEN + h] * slope[h];
                g2[k * HIDDEN + h] += gf * a[h];
                gb1[h] += gh;
                for (int e = 0; e < SIZE; e++)
                    g1[h * SIZE + e] += gh * (double)x[e];
            }
        }
    }
    return loss;
}

static double norm_of(const double *v)
{
    double squares = 0.0;
    for (int e = 0; e < NUMBERS; e++)
        squares += v[e] * v[e];
    return sqrt(squares);
}

/* w + rho T^2 g / ||T g|| */
static void climb(int adaptive, double rho, const double *w, const double *g, double *out)
{
    double scaled[NUMBERS];
    for (int e = 0; e < NUMBERS; e++)
        scaled[e] = adaptive ? fabs(w[e]) * g[e] : g[e];
    const double norm = norm_of(scaled);
    for (int e = 0; e < NUMBERS; e++)
        out[e] = w[e] + rho * (adaptive ? fabs(w[e]) : 1.0) * scaled[e] / norm;
}

static void widen(const float *from, double *to)
{
    for (int e = 0; e < NUMBERS; e++)
        to[e] = (double)from[e];
}

static void check_numbers(const float *got, const double *want, double tol)
{
    for (int e = 0; e < NUMBERS; e++)
        ck_assert_double_eq_tol((double)got[e], want[e], tol);
}

/* A classifier, three steps: all of it in double, from the first weights on. */
START_TEST(steps_by_hand)
{
    const int adaptive = _i % 2;
    char settings[160];
    snprintf(settings, sizeof settings,
             "train.weight_px=0 train.optimizer=sgd train.lr=0.5 train.momentum=0 "
             "train.grad_clip=%s train.sam=%s train.sam_rho=0.3",
             _i / 4 ? "0.2" : "0", kinds[adaptive]);
    struct world w = train_open(train_backends[_i / 2 % 2], 0, settings);
    const struct batches b = train_make_batches();
    float got[MAX_WEIGHTS];
    double weights[NUMBERS], g[NUMBERS], there[NUMBERS], moved = 0.0;
    ck_assert_int_eq(train_weights(w.model, got), NUMBERS);
    widen(got, weights);
    for (int s = 0; s < 3; s++) {
        jem_check_ok(jem_trainer_step_on(w.t, NULL, 0, b.x_l, b.y_l, N_L, NULL, NULL, 0));
        const double loss = cross_entropy(&b, weights, g), plain = norm_of(g);
        climb(adaptive, 0.3, weights, g, there);
        (void)cross_entropy(&b, there, g);
        const double norm = norm_of(g), scale = _i / 4 && norm > 0.2 ? 0.2 / norm : 1.0;
        moved += fabs(norm - plain);
        for (int e = 0; e < NUMBERS; e++)
            weights[e] -= 0.5 * scale * g[e];
        ck_assert_double_eq_tol(train_metric(w.t, "loss"), loss, 3e-6);
        ck_assert_double_eq_tol(train_metric(w.t, "grad_norm"), norm, 1e-5);
        train_gradient(w.t, got);
        check_numbers(got, g, 3e-6);
        train_weights(w.model, got);
        check_numbers(got, weights, 5e-6);
    }
    ck_assert_double_gt(moved, 1e-2); /* or this would hold without it */
    train_close(&w);
}
END_TEST

/* ---- a plain loop around an ordinary trainer ---- */

static void set_weights(jem_model *model, const float *values)
{
    const char *name;
    int64_t dims[4];
    for (int64_t i = 0; jem_model_param_info(model, i, &name, dims) == JEM_OK; i++) {
        const int64_t count = dims[0] * dims[1] * dims[2] * dims[3];
        jem_check_ok(jem_model_param_set(model, name, values, count));
        values += count;
    }
}

#define ALL_TERMS                                                                              \
    "train.weight_pxy=0.3 train.energy_l2=0.05 train.lr=0.01 train.weight_decay=0.01 "

/* All terms of the loss: an ordinary trainer says the gradient at w, then that at w'. */
START_TEST(steps_by_a_plain_loop)
{
    static const char *const metrics[] = {"loss",    "loss_px",    "loss_py_x", "loss_pxy",
                                          "loss_l2", "energy_gap", "accuracy",  "log_px_data",
                                          "auc",     "running_auc"};
    char settings[160];
    snprintf(settings, sizeof settings, ALL_TERMS "train.sam=%s train.sam_rho=0.2",
             kinds[_i % 2]);
    struct world w = train_open(train_backends[_i / 2], 0, settings);
    struct world v = train_open(train_backends[_i / 2], 0, ALL_TERMS);
    struct world oracle = train_open(train_backends[_i / 2], 0, ALL_TERMS "train.lr=0");
    const struct batches b = train_make_batches();
    float at[MAX_WEIGHTS], near[MAX_WEIGHTS], g[MAX_WEIGHTS], got[MAX_WEIGHTS];
    double weights[NUMBERS], gradient[NUMBERS], there[NUMBERS];
    train_weights(w.model, at);
    widen(at, weights);
    set_weights(oracle.model, at);
    train_step_on(oracle.t, &b);
    train_step_on(w.t, &b);
    for (size_t i = 0; i < sizeof metrics / sizeof metrics[0]; i++)
        ck_assert_double_eq_tol(train_metric(w.t, metrics[i]),
                                train_metric(oracle.t, metrics[i]), 1e-12);
    train_gradient(oracle.t, g);
    widen(g, gradient);
    climb(_i % 2, 0.2, weights, gradient, there);
    for (int e = 0; e < NUMBERS; e++)
        near[e] = (float)there[e];
    set_weights(oracle.model, near);
    train_step_on(oracle.t, &b);
    train_gradient(oracle.t, g);
    train_gradient(w.t, got);
    jem_check_close(got, g, NUMBERS, 1e-5, 5e-6);
    ck_assert_double_eq_tol(train_metric(w.t, "grad_norm"), train_metric(oracle.t, "grad_norm"),
                            1e-5);
    /* That gradient went into Adam: the ordinary step by its own differs. */
    train_step_on(v.t, &b);
    train_weights(v.model, near);
    train_weights(w.model, got);
    for (int e = 0; e < NUMBERS; e++) {
        const double d = (double)g[e] + 0.01 * (double)at[e];
        at[e] = (float)((double)at[e] - 0.01 * d / (fabs(d) + 1e-8));
    }
    jem_check_close(got, at, NUMBERS, 0, 1e-4);
    ck_assert_int_ne(memcmp(got, near, NUMBERS * sizeof *got), 0);
    train_close(&w);
    train_close(&v);
    train_close(&oracle);
}
END_TEST

/* ---- samples, bits ---- */

/* A whole step runs its chains once, and from the same random numbers. */
START_TEST(no_new_chains)
{
    struct world w = train_open("cpu", 0, "train.sam=sam train.sam_rho=0.2");
    struct world v = train_open("cpu", 0, "");
    struct world again = train_open("cpu", 0, "train.sam=sam train.sam_rho=0.2");
    float one[MAX_WEIGHTS], two[MAX_WEIGHTS];
    jem_check_ok(jem_trainer_step(w.t, 1));
    jem_check_ok(jem_trainer_step(v.t, 1));
    jem_check_same(w.t->x_q, v.t->x_q, 4 * SIZE);
    ck_assert_uint_eq(w.t->sampler->next_chain, v.t->sampler->next_chain);
    ck_assert_uint_eq(w.t->buffer->next_draw, v.t->buffer->next_draw);
    ck_assert_int_eq(w.t->attempts, 1);
    /* Its batches, brought along, do the same to the bit. */
    jem_check_ok(
        jem_trainer_step_on(again.t, w.t->x_d, 4, w.t->x_l, w.t->y_l, 4, w.t->x_q, NULL, 4));
    const int64_t total = train_weights(w.model, one);
    train_weights(again.model, two);
    jem_check_same(two, one, total);
    train_weights(v.model, two);
    ck_assert_int_ne(memcmp(two, one, sizeof(float) * (size_t)total), 0);
    train_close(&w);
    train_close(&v);
    train_close(&again);
}
END_TEST

/* Off, there is no block, and not a bit differs from the ordinary step; a step of length 0 is off
 * too. */
START_TEST(off_is_the_ordinary_step)
{
    static const char *const settings[] = {"train.sam=off train.sam_rho=0.3",
                                           "train.sam=sam train.sam_rho=0",
                                           "train.sam=adaptive train.sam_rho=0"};
    struct world plain = train_open("cpu", 0, ""), w = train_open("cpu", 0, settings[_i]);
    float one[MAX_WEIGHTS], two[MAX_WEIGHTS];
    ck_assert_ptr_null(w.t->sharpness.there.mem);
    jem_check_ok(jem_trainer_step(plain.t, 5));
    jem_check_ok(jem_trainer_step(w.t, 5));
    const int64_t total = train_weights(plain.model, one);
    train_weights(w.model, two);
    jem_check_same(two, one, total);
    train_close(&w);
    train_close(&plain);
}
END_TEST

START_TEST(threads_do_not_show)
{
    float weights[2][MAX_WEIGHTS];
    int64_t total = 0;
    for (int32_t i = 0; i < 2; i++) {
        struct world w = train_open("cpu", 6, "train.sam=adaptive train.batch=20");
        jem_check_ok(jem_context_set_threads(w.ctx, i == 0 ? 1 : 3));
        jem_check_ok(jem_trainer_step(w.t, 10));
        total = train_weights(w.model, weights[i]);
        train_close(&w);
    }
    jem_check_same(weights[1], weights[0], total);
}
END_TEST

/* ---- where there is no way up, or none that holds ---- */

/* With weights of 0 the ellipsoid is a point, and g = 0 points nowhere: no division by 0. */
START_TEST(no_way_up)
{
    struct world w = train_open(train_backends[_i], 0, "train.sam=adaptive train.sam_rho=1");
    struct world plain = train_open(train_backends[_i], 0, "");
    struct world still = train_open(train_backends[_i], 0, "train.sam=sam train.weight_py_x=0");
    const struct batches b = train_make_batches();
    float zeros[MAX_WEIGHTS] = {0}, one[MAX_WEIGHTS], two[MAX_WEIGHTS];
    set_weights(w.model, zeros);
    set_weights(plain.model, zeros);
    train_step_on(w.t, &b);
    train_step_on(plain.t, &b);
    const int64_t total = train_weights(w.model, one);
    train_weights(plain.model, two);
    jem_check_same(one, two, total);
    ck_assert_double_gt(train_metric(w.t, "grad_norm"), 0.0);
    /* The same images as data and as samples: the terms cancel. */
    set_weights(still.model, zeros);
    jem_check_ok(jem_trainer_step_on(still.t, b.x_d, N_D, NULL, NULL, 0, b.x_d, NULL, N_D));
    ck_assert_double_eq(train_metric(still.t, "grad_norm"), 0.0);
    train_weights(still.model, one);
    jem_check_same(one, zeros, total);
    train_close(&w);
    train_close(&plain);
    train_close(&still);
}
END_TEST

/* All is well at the weights, but not where the gradient is to be taken. */
START_TEST(failure_there_changes_nothing)
{
    static const struct {
        double rho, max_loss;
        const char *text;
    } cases[] = {{1e30, 1e8, "step 2: loss = "},
                 {1e30, 1e8, "nan at the weights of train.sam_rho = 1e+30"},
                 {1e3, 1e3, "train.max_loss = 1000; weights are as before"}};
    struct world w = train_open(train_backends[_i % 2], 0, "train.sam=sam train.ema=0.9");
    float before[MAX_WEIGHTS], after[MAX_WEIGHTS], images[16 * SIZE], later[16 * SIZE];
    jem_check_ok(jem_trainer_step(w.t, 2));
    const int64_t total = train_weights(w.model, before);
    jem_check_ok(jem_buffer_read(w.t->buffer, 0, 16, images));
    const int c = _i / 2;
    w.t->sharpness.rho = cases[c].rho;
    w.t->max_loss = cases[c].max_loss;
    if (c == 1 && _i % 2 == 0)
        w.t->sharpness.rho = 1e300; /* "reference" has doubles, and NaN beyond them */
    jem_check_fails(jem_trainer_step(w.t, 1), JEM_E_NUMERIC,
                    c == 1 && _i % 2 == 0 ? "nan at the weights of train.sam_rho = 1e+300"
                                          : cases[c].text);
    train_weights(w.model, after);
    jem_check_same(after, before, total);
    jem_check_ok(jem_buffer_read(w.t->buffer, 0, 16, later));
    jem_check_same(later, images, 16 * SIZE);
    ck_assert_double_eq(train_metric(w.t, "step"), 2.0);
    jem_check_fails(jem_trainer_param_grad(w.t, "fc1.weight", after, MAX_WEIGHTS), JEM_E_STATE,
                    "last step failed");
    w.t->sharpness.rho = 0.05;
    w.t->max_loss = 1e8;
    jem_check_ok(jem_trainer_step(w.t, 1));
    train_close(&w);
}
END_TEST

void jem_train_add_sharpness(Suite *suite)
{
    TCase *c = train_case(suite, "sharpness");
    tcase_add_loop_test(c, steps_by_hand, 0, 8);
    tcase_add_loop_test(c, steps_by_a_plain_loop, 0, 4);
    tcase_add_test(c, no_new_chains);
    tcase_add_loop_test(c, off_is_the_ordinary_step, 0, 3);
    tcase_add_test(c, threads_do_not_show);
    tcase_add_loop_test(c, no_way_up, 0, 2);
    tcase_add_loop_test(c, failure_there_changes_nothing, 0, 6);
}
