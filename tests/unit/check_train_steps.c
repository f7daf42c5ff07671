/* SPDX-License-Identifier: MIT */
/* Training: loss, gradient and updates against hand computation; learning; threads. */

#include "check_train.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "test_support.h"

/* --- Loss and gradient ------------------------------------------------------------------- */

static double mean_of(const float *v, int64_t n, int32_t squared)
{
    double sum = 0.0;
    for (int64_t i = 0; i < n; i++)
        sum += squared ? (double)v[i] * (double)v[i] : (double)v[i];
    return sum / (double)n;
}

/* The mean of softplus(sign v) = log(1 + e^(sign v)). */
static double mean_softplus(const float *v, int64_t n, double sign)
{
    double sum = 0.0;
    for (int64_t i = 0; i < n; i++)
        sum += log(1.0 + exp(sign * (double)v[i]));
    return sum / (double)n;
}

/* Against (1 - s) onehot(y) + s / classes, as - sum_k target_k log p_k. */
static double mean_cross_entropy(const float *logits, const int32_t *y, double s)
{
    double loss = 0.0;
    for (int64_t i = 0; i < N_L; i++) {
        const float *f = logits + i * CLASSES;
        double sum = 0.0;
        for (int64_t k = 0; k < CLASSES; k++)
            sum += exp((double)f[k]);
        for (int64_t k = 0; k < CLASSES; k++) {
            const double target = (k == y[i] ? 1.0 - s : 0.0) + s / CLASSES;
            loss -= target * log(exp((double)f[k]) / sum);
        }
    }
    return loss / N_L;
}

#define ALL_TERMS                                                                              \
    "train.batch=2 train.weight_px=0.9 train.weight_py_x=0.7 train.weight_pxy=0.3 "            \
    "train.energy_l2=0.05 train.lr=0"
static const char all_terms[] = ALL_TERMS;
static const char *const contrasts[] = {ALL_TERMS, ALL_TERMS " train.contrast=logistic",
                                        ALL_TERMS " train.label_smoothing=0.3"};

START_TEST(loss_terms_by_hand)
{
    struct world w = train_open(train_backends[_i % 2], 0, contrasts[_i / 2]);
    const struct batches b = train_make_batches();
    const double smoothing = _i / 2 == 2 ? 0.3 : 0.0;
    float f_d[N_D], f_l[N_L], f_q[N_Q], fy_l[N_L], fy_q[N_Q], logits[N_L * CLASSES];
    jem_head *head;
    jem_check_ok(jem_head_create(w.model, 8, &head));
    jem_check_ok(jem_head_log_px(head, b.x_d, NULL, N_D, f_d, N_D));
    jem_check_ok(jem_head_log_px(head, b.x_l, NULL, N_L, f_l, N_L));
    jem_check_ok(jem_head_log_px(head, b.x_q, NULL, N_Q, f_q, N_Q));
    jem_check_ok(jem_head_log_px(head, b.x_l, b.y_l, N_L, fy_l, N_L));
    jem_check_ok(jem_head_log_px(head, b.x_q, b.y_q, N_Q, fy_q, N_Q));
    jem_check_ok(jem_head_logits(head, b.x_l, N_L, logits, N_L * CLASSES));
    double accuracy = 0.0;
    jem_check_ok(jem_metric_accuracy(logits, b.y_l, N_L, CLASSES, &accuracy));

    train_step_on(w.t, &b);
    const double loss_px =
        0.9 * (_i / 2 != 1 ? mean_of(f_q, N_Q, 0) - mean_of(f_d, N_D, 0)
                           : mean_softplus(f_q, N_Q, 1) + mean_softplus(f_d, N_D, -1));
    const double loss_py_x = 0.7 * mean_cross_entropy(logits, b.y_l, smoothing);
    const double loss_pxy = 0.3 * (mean_of(fy_q, N_Q, 0) - mean_of(fy_l, N_L, 0));
    const double loss_l2 = 0.05 * (mean_of(f_d, N_D, 1) + mean_of(f_q, N_Q, 1));
    const double loss = loss_px + loss_py_x + loss_pxy + loss_l2, tol = 2e-6;
    ck_assert_double_eq_tol(train_metric(w.t, "loss_px"), loss_px, tol);
    ck_assert_double_eq_tol(train_metric(w.t, "loss_py_x"), loss_py_x, tol);
    ck_assert_double_eq_tol(train_metric(w.t, "loss_pxy"), loss_pxy, tol);
    ck_assert_double_eq_tol(train_metric(w.t, "loss_l2"), loss_l2, tol);
    ck_assert_double_eq_tol(train_metric(w.t, "loss"), loss, tol);
    ck_assert_double_eq_tol(train_metric(w.t, "log_px_data"), mean_of(f_d, N_D, 0), tol);
    ck_assert_double_eq_tol(train_metric(w.t, "log_px_sample"), mean_of(f_q, N_Q, 0), tol);
    ck_assert_double_eq_tol(train_metric(w.t, "energy_gap"),
                            mean_of(f_d, N_D, 0) - mean_of(f_q, N_Q, 0), tol);
    ck_assert_double_eq(train_metric(w.t, "accuracy"), accuracy);
    int64_t outside = 0;
    for (int64_t e = 0; e < N_Q * SIZE; e++)
        outside += fabsf(b.x_q[e]) >= 1.0f;
    ck_assert_int_gt(outside, 0);
    ck_assert_double_eq_tol(train_metric(w.t, "sample_saturation"),
                            (double)outside / (N_Q * SIZE), 1e-12);
    jem_head_free(head);
    train_close(&w);
}
END_TEST

START_TEST(empty_batches_are_left_out)
{
    struct world w = train_open("reference", 0, all_terms);
    const struct batches b = train_make_batches();
    jem_check_ok(jem_trainer_step_on(w.t, b.x_d, N_D, NULL, NULL, 0, NULL, NULL, 0));
    ck_assert_double_eq_tol(train_metric(w.t, "loss_px"),
                            -0.9 * train_metric(w.t, "log_px_data"), 1e-12);
    ck_assert_double_nan(train_metric(w.t, "loss_py_x"));
    ck_assert_double_nan(train_metric(w.t, "loss_pxy"));
    ck_assert_double_nan(train_metric(w.t, "accuracy"));
    ck_assert_double_nan(train_metric(w.t, "energy_gap"));
    ck_assert_double_nan(train_metric(w.t, "sample_saturation"));
    ck_assert_double_eq_tol(train_metric(w.t, "loss"),
                            train_metric(w.t, "loss_px") + train_metric(w.t, "loss_l2"), 1e-12);
    jem_check_ok(jem_trainer_step_on(w.t, NULL, 0, b.x_l, b.y_l, N_L, NULL, NULL, 0));
    ck_assert_double_nan(train_metric(w.t, "loss_px"));
    ck_assert_double_nan(train_metric(w.t, "loss_l2"));
    ck_assert_double_eq_tol(train_metric(w.t, "loss"),
                            train_metric(w.t, "loss_py_x") + train_metric(w.t, "loss_pxy"),
                            1e-12);
    jem_check_fails(jem_trainer_step_on(w.t, NULL, 0, NULL, NULL, 0, NULL, NULL, 0),
                    JEM_E_ARGUMENT, "n_d = 0, n_l = 0, n_q = 0");
    train_close(&w);
}
END_TEST

START_TEST(gradient_is_that_of_the_loss)
{
    struct world w = train_open(train_backends[_i % 2], 0, contrasts[_i / 2]);
    const struct batches b = train_make_batches();
    float analytic[MAX_WEIGHTS], numeric[MAX_WEIGHTS];
    train_step_on(w.t, &b);
    const int64_t total = train_gradient(w.t, analytic);
    double norm = 0.0;
    int64_t at = 0, dims[4];
    const char *name;
    for (int64_t i = 0; jem_model_param_info(w.model, i, &name, dims) == JEM_OK; i++) {
        float values[MAX_WEIGHTS];
        const int64_t count = dims[0] * dims[1] * dims[2] * dims[3];
        jem_check_ok(jem_model_param_get(w.model, name, values, count));
        for (int64_t e = 0; e < count; e++) {
            const float old = values[e], up = old + 1e-3f, down = old - 1e-3f;
            double loss[2];
            for (int32_t side = 0; side < 2; side++) {
                values[e] = side == 0 ? up : down;
                jem_check_ok(jem_model_param_set(w.model, name, values, count));
                train_step_on(w.t, &b);
                loss[side] = train_metric(w.t, "loss");
            }
            values[e] = old;
            numeric[at + e] = (float)((loss[0] - loss[1]) / ((double)up - (double)down));
        }
        jem_check_ok(jem_model_param_set(w.model, name, values, count));
        at += count;
    }
    ck_assert_int_eq(at, total);
    jem_check_close(analytic, numeric, total, 1e-2, 1e-3);
    ck_assert_double_lt(jem_relative_l2(analytic, numeric, total), 2e-3);
    for (int64_t e = 0; e < total; e++)
        norm += (double)analytic[e] * (double)analytic[e];
    train_step_on(w.t, &b);
    ck_assert_double_eq_tol(train_metric(w.t, "grad_norm"), sqrt(norm), 1e-5 * sqrt(norm));
    train_close(&w);
}
END_TEST

static void check_same_metric(const struct world *w, const struct world *v, const char *name)
{
    const double a = train_metric(w->t, name), b = train_metric(v->t, name);
    ck_assert_msg((isnan(a) && isnan(b)) || fabs(a - b) < 1e-5, "%s: %g, %g", name, a, b);
}

/* Loss and gradient of each step of a ramp are those with the weight that the step has. */
START_TEST(ramp_of_the_weight_of_px)
{
    static const char *const forms[] = {"train.lr=0 train.energy_l2=0.1",
                                        "train.lr=0 train.contrast=logistic"};
    char text[96];
    snprintf(text, sizeof text, "%s train.weight_px=0.8 train.weight_px_ramp=4", forms[_i]);
    struct world w = train_open("reference", 0, text);
    const struct batches b = train_make_batches();
    float got[MAX_WEIGHTS], expected[MAX_WEIGHTS];
    ck_assert_double_nan(train_metric(w.t, "weight_px"));
    for (int32_t s = 0; s < 6; s++) {
        const double weight = s < 4 ? 0.8 * s / 4.0 : 0.8;
        train_step_on(w.t, &b);
        ck_assert_double_eq_tol(train_metric(w.t, "weight_px"), weight, 1e-15);
        snprintf(text, sizeof text, "%s train.weight_px=%.17g", forms[_i], weight);
        struct world v = train_open("reference", 0, text);
        train_step_on(v.t, &b);
        ck_assert_double_eq_tol(train_metric(v.t, "weight_px"), weight, 1e-15);
        ck_assert_double_eq_tol(train_metric(w.t, "loss"), train_metric(v.t, "loss"), 1e-12);
        if (s == 0)
            ck_assert_double_eq(train_metric(w.t, "loss_px"), 0.0);
        else
            check_same_metric(&w, &v, "loss_px");
        const int64_t total = train_gradient(w.t, got);
        train_gradient(v.t, expected);
        jem_check_close(got, expected, total, 1e-6, 1e-7);
        train_close(&v);
    }
    train_close(&w);
}
END_TEST

/* One shared pass with both coefficients equals two passes. */
START_TEST(shared_batch)
{
    static const char *const settings[] = {
        "train.batch=8 train.energy_l2=0.1 train.lr=0 train.weight_pxy=0.4",
        "train.batch=8 train.lr=0 train.label_smoothing=0.2"};
    char shared[128];
    snprintf(shared, sizeof shared, "train.share_batch=1 %s", settings[_i]);
    struct world w = train_open("reference", 3, shared);
    struct world v = train_open("reference", 3, settings[_i]);
    float one[MAX_WEIGHTS], two[MAX_WEIGHTS];
    int64_t n_l = 0;
    ck_assert_ptr_null(w.t->x_l);
    for (int32_t i = 0; i < 3; i++)
        jem_check_ok(jem_trainer_step(w.t, 1));
    while (n_l < 8 && w.t->y_d[n_l] >= 0)
        n_l++;
    ck_assert_int_gt(n_l, 0);
    ck_assert_int_lt(n_l, 8);
    jem_check_ok(
        jem_trainer_step_on(v.t, w.t->x_d, 8, w.t->x_d, w.t->y_d, n_l, w.t->x_q, w.t->y_q, 8));
    static const char *const names[] = {"loss",          "loss_px",          "loss_py_x",
                                        "loss_pxy",      "loss_l2",          "log_px_data",
                                        "accuracy",      "grad_norm",        "energy_gap",
                                        "log_px_sample", "sample_saturation"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        check_same_metric(&w, &v, names[i]);
    const int64_t total = train_gradient(w.t, one);
    train_gradient(v.t, two);
    jem_check_close(one, two, total, 1e-4, 1e-6);
    train_close(&w);
    train_close(&v);
}
END_TEST

/* --- Updates ----------------------------------------------------------------------------- */

START_TEST(sgd_clip_decay_and_average_by_hand)
{
    struct world w = train_open("reference", 0,
                                "train.optimizer=sgd train.lr=0.5 train.momentum=0.9 "
                                "train.weight_decay=0.01 train.grad_clip=0.2 train.ema=0.15");
    const struct batches b = train_make_batches();
    float before[MAX_WEIGHTS], after[MAX_WEIGHTS], g[MAX_WEIGHTS], expected[MAX_WEIGHTS];
    float velocity[MAX_WEIGHTS], average[MAX_WEIGHTS], got[MAX_WEIGHTS];
    const int64_t total = train_weights(w.model, before);
    memcpy(average, before, sizeof average);
    for (int32_t s = 0; s < 4; s++) {
        train_step_on(w.t, &b);
        train_gradient(w.t, g);
        const double norm = train_metric(w.t, "grad_norm");
        const double scale = norm > 0.2 ? 0.2 / norm : 1.0;
        /* (1 + s) / (10 + s): 0.1, 0.18, ...; cut at 0.15 */
        const double keep = s == 0 ? 0.1 : 0.15;
        for (int64_t e = 0; e < total; e++) {
            const double d = scale * (double)g[e] + 0.01 * (double)before[e];
            velocity[e] = (float)(s == 0 ? d : 0.9 * (double)velocity[e] + d);
            expected[e] = (float)((double)before[e] - 0.5 * (double)velocity[e]);
        }
        train_weights(w.model, after);
        jem_check_close(after, expected, total, 1e-5, 1e-6);
        for (int64_t e = 0; e < total; e++)
            average[e] = (float)(keep * (double)average[e] + (1.0 - keep) * (double)after[e]);
        jem_model *mean_model;
        jem_check_ok(jem_trainer_average_model(w.t, &mean_model));
        train_weights(mean_model, got);
        jem_check_close(got, average, total, 1e-5, 1e-6);
        jem_model_free(mean_model);
        memcpy(before, after, sizeof before);
    }
    ck_assert_double_eq(train_metric(w.t, "learning_rate"), 0.5);
    ck_assert_double_eq(train_metric(w.t, "step"), 4.0);
    train_close(&w);
}
END_TEST

START_TEST(adam_by_hand)
{
    struct world w = train_open("reference", 0,
                                "train.lr=0.01 train.beta1=0.8 train.beta2=0.9 "
                                "train.adam_eps=0.001");
    const struct batches b = train_make_batches();
    float before[MAX_WEIGHTS], after[MAX_WEIGHTS], g[MAX_WEIGHTS], expected[MAX_WEIGHTS];
    double m[MAX_WEIGHTS] = {0}, v[MAX_WEIGHTS] = {0};
    const int64_t total = train_weights(w.model, before);
    for (int32_t s = 1; s <= 3; s++) {
        train_step_on(w.t, &b);
        train_gradient(w.t, g);
        for (int64_t e = 0; e < total; e++) {
            const double d = (double)g[e];
            m[e] = 0.8 * m[e] + 0.2 * d;
            v[e] = 0.9 * v[e] + 0.1 * d * d;
            const double m_hat = m[e] / (1.0 - pow(0.8, s)), v_hat = v[e] / (1.0 - pow(0.9, s));
            expected[e] = (float)((double)before[e] - 0.01 * m_hat / (sqrt(v_hat) + 0.001));
        }
        train_weights(w.model, after);
        jem_check_close(after, expected, total, 1e-5, 1e-6);
        memcpy(before, after, sizeof before);
    }
    train_close(&w);
}
END_TEST

START_TEST(first_step_of_a_warm_up_has_rate_zero)
{
    struct world w = train_open("reference", 0, "train.warmup_steps=2");
    float before[MAX_WEIGHTS], after[MAX_WEIGHTS];
    const int64_t total = train_weights(w.model, before);
    jem_check_ok(jem_trainer_step(w.t, 1));
    train_weights(w.model, after);
    jem_check_same(after, before, total);
    ck_assert_double_eq(train_metric(w.t, "learning_rate"), 0.0);
    jem_check_ok(jem_trainer_step(w.t, 1));
    train_weights(w.model, after);
    ck_assert_int_ne(memcmp(after, before, (size_t)total * sizeof *after), 0);
    ck_assert_double_eq(train_metric(w.t, "learning_rate"), 0.005);
    train_close(&w);
}
END_TEST

START_TEST(random_streams_of_the_trainer)
{
    struct world w = train_open("reference", 0, "train.weight_pxy=1");
    const jem__key mine = jem__rng_key(5, 0), chains = jem__rng_key(5, 1);
    float scratch[SIZE], expected[SIZE];
    jem_check_ok(jem_trainer_step(w.t, 2));
    ck_assert_int_eq(memcmp(&w.t->sampler->key, &chains, sizeof chains), 0);
    for (int64_t i = 0; i < 4; i++) {
        const jem__rng rng = {chains, JEM__RNG_SAMPLE_CLASS, 0, (uint64_t)(4 + i)};
        uint32_t words[2];
        jem__rng_words(&rng, 0, 2, words);
        ck_assert_int_eq(w.t->y_q[i], jem__rng_below(words, CLASSES));

        jem__augment augment = {1, 1, 0.03f, JEM__RNG_AUGMENT_PX, JEM__RNG_NOISE_PX};
        jem__augment_image(&augment, w.data, w.t->batches_d.index[i], mine, (uint64_t)(4 + i),
                           scratch, expected);
        jem_check_same(w.t->x_d + i * SIZE, expected, SIZE);
        augment.place = JEM__RNG_AUGMENT_PYX;
        augment.noise = JEM__RNG_NOISE_PYX;
        jem__augment_image(&augment, w.data, w.t->batches_l.index[i], mine, (uint64_t)(4 + i),
                           scratch, expected);
        jem_check_same(w.t->x_l + i * SIZE, expected, SIZE);
    }
    train_close(&w);
}
END_TEST

/* The chains that a step runs are those of the sampler on the buffer's draws. */
START_TEST(samples_come_from_buffer_and_sampler)
{
    struct world w = train_open("reference", 0, "sgld.class_cond=1 pcd.class_parts=1");
    struct world v = train_open("reference", 0, "sgld.class_cond=1 pcd.class_parts=1");
    float x[4 * SIZE], kept[SIZE];
    int64_t slots[4];
    jem_check_ok(jem_trainer_step(w.t, 1));
    int32_t moved = 0;
    for (int32_t i = 0; i < 4; i++) {
        ck_assert_int_ge(w.t->y_q[i], 0);
        ck_assert_int_lt(w.t->y_q[i], CLASSES);
        ck_assert_int_eq(w.t->slots[i] / 5, w.t->y_q[i]); /* 16 / 3 slots per class */
    }
    jem_check_ok(jem_buffer_draw(v.t->buffer, w.t->y_q, 4, x, slots));
    jem_check_ok(jem_sampler_run(v.t->sampler, x, w.t->y_q, 4, 3));
    jem_check_same(w.t->x_q, x, 4 * SIZE);
    for (int32_t i = 0; i < 4; i++) {
        ck_assert_int_eq(slots[i], w.t->slots[i]);
        jem_check_ok(jem_buffer_read(w.t->buffer, slots[i], 1, kept));
        moved += memcmp(kept, x + i * SIZE, sizeof kept) == 0;
    }
    ck_assert_int_ge(moved, 1); /* all, but for draws of one slot twice */

    /* Bringing one's own batches touches neither buffer nor random streams. */
    const struct batches b = train_make_batches();
    train_step_on(v.t, &b);
    ck_assert_int_eq(v.t->attempts, 0);
    ck_assert_uint_eq(v.t->sampler->next_chain, 4);
    train_close(&w);
    train_close(&v);
}
END_TEST

START_TEST(classifier_runs_no_chain)
{
    struct world w = train_open("reference", 4, "train.weight_px=0");
    jem_buffer *buffer;
    jem_check_ok(jem_trainer_step(w.t, 3));
    ck_assert_ptr_null(w.t->sampler);
    ck_assert_ptr_null(w.t->head);
    ck_assert_ptr_null(w.t->x_q);
    jem_check_fails(jem_trainer_buffer(w.t, &buffer), JEM_E_STATE, "replay buffer");
    ck_assert_ptr_null(buffer);
    ck_assert_double_eq(train_metric(w.t, "loss"), train_metric(w.t, "loss_py_x"));
    ck_assert_double_nan(train_metric(w.t, "loss_px"));
    ck_assert_double_nan(train_metric(w.t, "log_px_data"));
    ck_assert_double_nan(train_metric(w.t, "sample_saturation"));
    ck_assert(isfinite(train_metric(w.t, "accuracy")));
    train_close(&w);
}
END_TEST

/* --- Learning ---------------------------------------------------------------------------- */

START_TEST(learns_blobs)
{
    struct world w =
        train_open(train_backends[_i], 0, "train.weight_px=0 train.batch=10 train.crop_pad=0");
    jem_check_ok(jem_trainer_step(w.t, 1));
    const double first = train_metric(w.t, "loss");
    jem_check_ok(jem_trainer_step(w.t, 80));
    ck_assert_double_lt(train_metric(w.t, "loss"), 0.2 * first);
    ck_assert_double_ge(train_metric(w.t, "accuracy"), 0.9);
    ck_assert_double_eq(train_metric(w.t, "step"), 81.0);
    ck_assert_double_eq(train_metric(w.t, "batches_per_epoch"), 2.0);
    ck_assert_double_eq(train_metric(w.t, "epoch"), 40.0);
    train_close(&w);
}
END_TEST

/* A hybrid model learns the classes and holds data above noise. */
START_TEST(learns_a_density)
{
    struct world w = train_open(
        train_backends[_i], 0,
        "model.hidden=32 model.layers=2 train.batch=10 train.lr=0.003 train.crop_pad=0 "
        "train.flip=0 sgld.steps=20 sgld.step_size=0.5 sgld.clamp_x=1 pcd.capacity=40");
    float data[IMAGES * SIZE], noise[IMAGES * SIZE], f_data[IMAGES], f_noise[IMAGES];
    jem_head *head;
    jem_check_ok(jem_head_create(w.model, 8, &head));
    jem_check_ok(jem_dataset_read(w.data, 0, IMAGES, data, NULL));
    jem_check_ok(jem_sampler_init(w.t->sampler, NULL, noise, IMAGES));
    jem_check_ok(jem_trainer_step(w.t, 200));
    jem_check_ok(jem_head_log_px(head, data, NULL, IMAGES, f_data, IMAGES));
    jem_check_ok(jem_head_log_px(head, noise, NULL, IMAGES, f_noise, IMAGES));
    ck_assert_double_gt(mean_of(f_data, IMAGES, 0), mean_of(f_noise, IMAGES, 0) + 0.5);
    ck_assert_double_ge(train_metric(w.t, "accuracy"), 0.9);
    jem_head_free(head);
    train_close(&w);
}
END_TEST

/* --- Threads ----------------------------------------------------------------------------- */

START_TEST(threads_change_nothing)
{
    float weights[2][MAX_WEIGHTS], images[2][16 * SIZE];
    int64_t total = 0;
    for (int32_t i = 0; i < 2; i++) {
        struct world w = train_open(train_backends[_i], 6, "train.ema=0.5 train.batch=7");
        jem_check_ok(jem_context_set_threads(w.ctx, i == 0 ? 1 : 2));
        jem_check_ok(jem_trainer_step(w.t, 10));
        total = train_weights(w.model, weights[i]);
        jem_check_ok(jem_buffer_read(w.t->buffer, 0, 16, images[i]));
        train_close(&w);
    }
    jem_check_same(weights[1], weights[0], total);
    jem_check_same(images[1], images[0], 16 * SIZE);
}
END_TEST

void jem_train_add_steps(Suite *suite)
{
    TCase *c = train_case(suite, "loss");
    tcase_add_loop_test(c, loss_terms_by_hand, 0, 6);
    tcase_add_test(c, empty_batches_are_left_out);
    tcase_add_loop_test(c, gradient_is_that_of_the_loss, 0, 6);
    tcase_add_loop_test(c, shared_batch, 0, 2);
    tcase_add_loop_test(c, ramp_of_the_weight_of_px, 0, 2);

    c = train_case(suite, "steps");
    tcase_add_test(c, sgd_clip_decay_and_average_by_hand);
    tcase_add_test(c, adam_by_hand);
    tcase_add_test(c, first_step_of_a_warm_up_has_rate_zero);
    tcase_add_test(c, random_streams_of_the_trainer);
    tcase_add_test(c, samples_come_from_buffer_and_sampler);
    tcase_add_test(c, classifier_runs_no_chain);
    tcase_add_loop_test(c, learns_blobs, 0, 2);
    tcase_add_loop_test(c, learns_a_density, 0, 2);
    tcase_add_loop_test(c, threads_change_nothing, 0, 2);
}
