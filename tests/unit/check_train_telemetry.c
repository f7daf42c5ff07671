/* SPDX-License-Identifier: MIT */
/* Training: what tells whether the chains keep up. */

#include "check_train.h"

#include <math.h>
#include <string.h>

#include "test_support.h"

/* P(a > b) + P(a = b) / 2, by looking at every pair. */
static double auc_by_pairs(const float *a, int64_t n_a, const float *b, int64_t n_b)
{
    double wins = 0.0;
    for (int64_t i = 0; i < n_a; i++) {
        for (int64_t j = 0; j < n_b; j++)
            wins += a[i] > b[j] ? 1.0 : a[i] == b[j] ? 0.5 : 0.0;
    }
    return wins / (double)(n_a * n_b);
}

static double std_of(const float *v, int64_t n)
{
    double sum = 0.0, squares = 0.0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)v[i];
    for (int64_t i = 0; i < n; i++) {
        const double d = (double)v[i] - sum / (double)n;
        squares += d * d;
    }
    return sqrt(squares / (double)n);
}

START_TEST(area_and_spread_by_hand)
{
    struct world w = train_open(train_backends[_i], 0, "train.lr=0");
    const struct batches b = train_make_batches();
    float f_d[N_D], f_q[N_Q];
    jem_head *head;
    jem_check_ok(jem_head_create(w.model, 8, &head));
    jem_check_ok(jem_head_log_px(head, b.x_d, NULL, N_D, f_d, N_D));
    jem_check_ok(jem_head_log_px(head, b.x_q, NULL, N_Q, f_q, N_Q));
    train_step_on(w.t, &b);
    const double auc = auc_by_pairs(f_d, N_D, f_q, N_Q);
    ck_assert_double_gt(auc, 0.0);
    ck_assert_double_lt(auc, 1.0);
    ck_assert_double_eq_tol(train_metric(w.t, "auc"), auc, 1e-12);
    ck_assert_double_eq_tol(train_metric(w.t, "running_auc"), auc, 1e-12);
    ck_assert_double_eq_tol(train_metric(w.t, "log_px_data_std"), std_of(f_d, N_D), 1e-5);
    ck_assert_double_eq_tol(train_metric(w.t, "log_px_sample_std"), std_of(f_q, N_Q), 1e-5);

    /* Samples for data: no image of theirs scores above its like. */
    jem_check_ok(jem_trainer_step_on(w.t, b.x_q, N_Q, b.x_l, b.y_l, N_L, b.x_q, b.y_q, N_Q));
    ck_assert_double_eq(train_metric(w.t, "auc"), 0.5);
    ck_assert_double_eq_tol(train_metric(w.t, "running_auc"), auc + (0.5 - auc) / 10, 1e-12);
    jem_head_free(head);
    train_close(&w);
}
END_TEST

START_TEST(no_samples_no_area)
{
    static const char *const names[] = {"auc", "running_auc", "log_px_sample_std", "sample_age",
                                        "sample_displacement"};
    struct world w = train_open("cpu", 0, "train.weight_px=0");
    jem_check_ok(jem_trainer_step(w.t, 2));
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        ck_assert_double_nan(train_metric(w.t, names[i]));
    train_close(&w);
}
END_TEST

START_TEST(a_failed_step_leaves_the_mean)
{
    struct world w = train_open("cpu", 0, "");
    jem_check_ok(jem_trainer_step(w.t, 3));
    const double before = w.t->telemetry.running_auc;
    train_fail_once(w.t);
    ck_assert_double_eq(w.t->telemetry.running_auc, before);
    jem_check_ok(jem_trainer_step(w.t, 1));
    ck_assert_double_eq_tol(train_metric(w.t, "running_auc"),
                            before + (train_metric(w.t, "auc") - before) / 10, 1e-12);
    train_close(&w);
}
END_TEST

/* Without restarts a chain ages by sgld.steps each time it is drawn; a restart begins at 0. */
START_TEST(chains_age)
{
    struct world w = train_open("cpu", 0, "pcd.restart_prob=0 pcd.capacity=1");
    for (int32_t i = 1; i <= 4; i++) {
        jem_check_ok(jem_trainer_step(w.t, 1));
        ck_assert_double_eq(train_metric(w.t, "sample_age"), 3.0 * i);
    }
    train_close(&w);
    w = train_open("cpu", 0, "pcd.restart_prob=1");
    jem_check_ok(jem_trainer_step(w.t, 5));
    ck_assert_double_eq(train_metric(w.t, "sample_age"), 3.0);
    train_close(&w);
}
END_TEST

/* Noise alone moves a value by noise_std sqrt(steps); no step, not at all. */
START_TEST(chains_move)
{
    struct world w = train_open("cpu", 0,
                                "sgld.step_size=0 sgld.noise_std=0.1 sgld.steps=25 "
                                "train.batch=20");
    jem_check_ok(jem_trainer_step(w.t, 1));
    ck_assert_double_eq_tol(train_metric(w.t, "sample_displacement"), 0.5, 0.1);
    train_close(&w);
    w = train_open("cpu", 0, "sgld.steps=0");
    jem_check_ok(jem_trainer_step(w.t, 1));
    ck_assert_double_eq(train_metric(w.t, "sample_displacement"), 0.0);
    ck_assert_double_eq(train_metric(w.t, "sample_age"), 0.0);
    train_close(&w);
}
END_TEST

void jem_train_add_telemetry(Suite *suite)
{
    TCase *c = train_case(suite, "telemetry");
    tcase_add_loop_test(c, area_and_spread_by_hand, 0, 2);
    tcase_add_test(c, no_samples_no_area);
    tcase_add_test(c, a_failed_step_leaves_the_mean);
    tcase_add_test(c, chains_age);
    tcase_add_test(c, chains_move);
}
