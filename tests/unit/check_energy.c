/* SPDX-License-Identifier: MIT */

/* Room energy: the head. What must hold for every classifier read as a density (JEM section 3),
 * and what the head promises about batches, threads and bad input. Samplers, starts and buffers
 * are in check_energy_*.c; their suite is this one. */

#include <check.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "check_energy.h"
#include "core/error.h"
#include "core/random.h"
#include "energy/head.h"
#include "nets/model.h"
#include "test_support.h"

Suite *jem_energy_suite(void);

const char *const world_backends[2] = {"reference", "cpu"};

#define N 64 /* images of most tests */

/* --- The world ------------------------------------------------------------------------- */

void world_set(jem_options *opts, const char *settings)
{
    char text[512];

    ck_assert_uint_lt(strlen(settings), sizeof text);
    snprintf(text, sizeof text, "%s", settings);
    for (char *at = text; at != NULL && *at != 0;) {
        char *next = strchr(at, ' ');
        char *value = strchr(at, '=');

        if (next != NULL)
            *next++ = 0;
        ck_assert_ptr_nonnull(value);
        *value++ = 0;
        jem_check_ok(jem_options_set_str(opts, at, value));
        at = next;
    }
}

world world_open(const char *backend, const char *arch, int32_t threads, int64_t max_batch,
                 const char *settings)
{
    world w = {0};

    jem_check_ok(jem_context_create(backend, &w.ctx));
    jem_check_ok(jem_context_set_threads(w.ctx, threads));
    jem_check_ok(jem_options_create(w.ctx, &w.opts));
    world_set(w.opts, "model.channels=1 model.height=6 model.width=8 model.classes=5 "
                      "model.hidden=16 model.filters=4 train.seed=3");
    jem_check_ok(jem_options_set_str(w.opts, "model.arch", arch));
    if (settings != NULL)
        world_set(w.opts, settings);
    jem_check_ok(jem_model_create(w.ctx, w.opts, &w.model));
    jem_check_ok(jem_head_create(w.model, max_batch, &w.head));
    jem_check_ok(jem_sampler_create(w.head, w.opts, &w.sampler));
    return w;
}

void world_close(world *w)
{
    jem_context_free(w->ctx); /* first: the others keep it alive */
    jem_model_free(w->model);
    jem_head_free(w->head);
    jem_sampler_free(w->sampler);
    jem_buffer_free(w->buffer);
    jem_options_free(w->opts);
}

void fill_uniform(float *x, int64_t n, int64_t seed)
{
    const jem__rng rng = {.key = jem__rng_key(seed, 77), .purpose = JEM__RNG_SPLIT};

    jem__rng_uniform(&rng, 0, n, x);
    for (int64_t i = 0; i < n; i++)
        x[i] = 2.0f * x[i] - 1.0f;
}

/* Value j of an image of class k: 0.1 (k - 1) + 0.2 (u_j + u_(j-1)) / 2. */
jem_dataset *make_data(jem_context *ctx, int64_t n, const int64_t shape[3], int64_t classes,
                       int64_t seed)
{
    const int64_t size = shape[0] * shape[1] * shape[2];
    float *x = malloc((size_t)(n * size) * sizeof *x);
    int32_t *y = malloc((size_t)n * sizeof *y);
    jem_dataset *data = NULL;

    ck_assert(x != NULL && y != NULL);
    fill_uniform(x, n * size, seed);
    for (int64_t i = 0; i < n; i++) {
        y[i] = (int32_t)(i % classes);
        for (int64_t j = size - 1; j >= 0; j--) {
            float *at = &x[i * size + j];

            *at = 0.1f * (float)(y[i] - 1) + 0.1f * (at[0] + (j > 0 ? at[-1] : 0.0f));
        }
    }
    jem_check_ok(jem_dataset_from_f32(ctx, x, y, n, shape, classes, &data));
    free(x);
    free(y);
    return data;
}

static void fill_classes(int32_t *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = (int32_t)(i * 7 % WORLD_CLASSES);
}

/* --- Identities ------------------------------------------------------------------------- */

static const char *const archs[2] = {"mlp", "small"};

/* Loop tests run over 2 backends x 2 architectures. */
static world open_case(int number, int64_t max_batch)
{
    return world_open(world_backends[number / 2], archs[number % 2], 2, max_batch, NULL);
}

START_TEST(probabilities_are_softmax)
{
    world w = open_case(_i, 16);
    static float x[N * WORLD_SIZE], f[N * WORLD_CLASSES], p[N * WORLD_CLASSES], F[N], fy[N];
    int32_t y[N];

    fill_uniform(x, N * WORLD_SIZE, 1);
    fill_classes(y, N);
    jem_check_ok(jem_head_logits(w.head, x, N, f, N * WORLD_CLASSES));
    jem_check_ok(jem_head_prob_y(w.head, x, N, p, N * WORLD_CLASSES));
    jem_check_ok(jem_head_log_px(w.head, x, NULL, N, F, N));
    jem_check_ok(jem_head_log_px(w.head, x, y, N, fy, N));
    for (int64_t i = 0; i < N; i++) {
        double z = 0, sum = 0;

        for (int64_t k = 0; k < WORLD_CLASSES; k++)
            z += exp((double)f[i * WORLD_CLASSES + k]);
        for (int64_t k = 0; k < WORLD_CLASSES; k++) {
            const double expected = exp((double)f[i * WORLD_CLASSES + k]) / z;

            sum += (double)p[i * WORLD_CLASSES + k];
            ck_assert_double_eq_tol((double)p[i * WORLD_CLASSES + k], expected, 1e-6);
            ck_assert(F[i] >= f[i * WORLD_CLASSES + k]);
        }
        ck_assert_double_eq_tol(sum, 1.0, 1e-6);
        ck_assert_double_eq_tol((double)F[i], log(z), 1e-6 * (1 + fabs(log(z))));
        ck_assert(fy[i] == f[i * WORLD_CLASSES + y[i]]);
    }
    world_close(&w);
}
END_TEST

/* grad F = sum_y p(y|x) grad f_y;  grad log p(y|x) = grad f_y - grad F;  mass = -|grad F|. */
START_TEST(gradients_fit_together)
{
    enum { n = 6, values = n * WORLD_SIZE };
    world w = open_case(_i, 4);
    static float x[values], p[n * WORLD_CLASSES], gF[values], gy[values], gpy[values];
    static float mixed[values], difference[values], norm[n], mass[n];
    int32_t y[n];

    fill_uniform(x, values, 2);
    jem_check_ok(jem_head_prob_y(w.head, x, n, p, n * WORLD_CLASSES));
    jem_check_ok(jem_head_grad_log_px(w.head, x, NULL, n, gF, values));
    jem_check_ok(jem_head_mass(w.head, x, n, mass, n));
    memset(mixed, 0, sizeof mixed);
    for (int32_t k = 0; k < WORLD_CLASSES; k++) {
        for (int64_t i = 0; i < n; i++)
            y[i] = k;
        jem_check_ok(jem_head_grad_log_px(w.head, x, y, n, gy, values));
        jem_check_ok(jem_head_grad_log_py(w.head, x, y, n, gpy, values));
        for (int64_t j = 0; j < values; j++) {
            mixed[j] += p[j / WORLD_SIZE * WORLD_CLASSES + k] * gy[j];
            difference[j] = gy[j] - gF[j];
        }
        ck_assert_double_lt(jem_relative_l2(gpy, difference, values), 1e-5);
    }
    ck_assert_double_lt(jem_relative_l2(mixed, gF, values), 1e-5);
    for (int64_t i = 0; i < n; i++) {
        double sum = 0;

        for (int64_t j = 0; j < WORLD_SIZE; j++)
            sum += (double)gF[i * WORLD_SIZE + j] * (double)gF[i * WORLD_SIZE + j];
        norm[i] = (float)-sqrt(sum);
        ck_assert(mass[i] < 0);
    }
    jem_check_same(mass, norm, n);
    world_close(&w);
}
END_TEST

/* d (sum_k w_k f_k) / dx = sum_k w_k df_k/dx. */
START_TEST(gradient_of_weighted_logits)
{
    enum { n = 6, values = n * WORLD_SIZE };
    world w = open_case(_i, 4);
    static float x[values], weights[n * WORLD_CLASSES], gy[values], sum[values], got[values];
    int32_t y[n];

    fill_uniform(x, values, 2);
    fill_uniform(weights, n * WORLD_CLASSES, 4);
    memset(sum, 0, sizeof sum);
    for (int32_t k = 0; k < WORLD_CLASSES; k++) {
        for (int64_t i = 0; i < n; i++)
            y[i] = k;
        jem_check_ok(jem_head_grad_log_px(w.head, x, y, n, gy, values));
        for (int64_t j = 0; j < values; j++)
            sum[j] += weights[j / WORLD_SIZE * WORLD_CLASSES + k] * gy[j];
    }
    jem_check_ok(jem_head_grad_logits(w.head, x, weights, n, got, values));
    ck_assert_double_lt(jem_relative_l2(got, sum, values), 1e-5);

    jem_check_ok(jem_head_grad_logits(w.head, NULL, NULL, 0, NULL, 0));
    jem_check_fails(jem_head_grad_logits(NULL, x, weights, n, got, values), JEM_E_ARGUMENT,
                    "head");
    jem_check_fails(jem_head_grad_logits(w.head, x, NULL, n, got, values), JEM_E_ARGUMENT,
                    "weights");
    jem_check_fails(jem_head_grad_logits(w.head, x, weights, n, got, values - 1), JEM_E_SPACE,
                    "6 x 48");
    weights[2 * WORLD_CLASSES + 1] = NAN;
    jem_check_fails(jem_head_grad_logits(w.head, x, weights, n, got, values), JEM_E_NUMERIC,
                    "image 2, class 1");
    world_close(&w);
}
END_TEST

/* f = W features + b, with the weights that the model says it has. */
START_TEST(logits_are_made_of_the_features)
{
    enum { n = 6, most = 64 };
    world w = open_case(_i, 4);
    static float x[n * WORLD_SIZE], f[n * WORLD_CLASSES], made[n * WORLD_CLASSES];
    static float features[n * most], W[WORLD_CLASSES * most], b[WORLD_CLASSES];
    int64_t d = 0;

    fill_uniform(x, n * WORLD_SIZE, 5);
    jem_check_ok(jem_model_features(w.model, &d));
    ck_assert(d >= 1 && d <= most);
    jem_check_ok(jem_model_param_get(w.model, "class_output.weight", W, WORLD_CLASSES * d));
    jem_check_ok(jem_model_param_get(w.model, "class_output.bias", b, WORLD_CLASSES));
    jem__layer *last = &w.model->net->layers[w.model->net->n_layers - 1];
    const float slopes[] = {last->slope, 0.5F, 0.0F};
    for (int s = 0; s < (last->slope < 1 ? 3 : 1); s++) { /* through whatever activation */
        last->slope = last->conv.slope = slopes[s];
        jem_check_ok(jem_head_features(w.head, x, n, features, n * d));
        jem_check_ok(jem_head_logits(w.head, x, n, f, n * WORLD_CLASSES));
        for (int64_t i = 0; i < n * WORLD_CLASSES; i++) {
            const float *row = W + i % WORLD_CLASSES * d, *z = features + i / WORLD_CLASSES * d;
            double sum = (double)b[i % WORLD_CLASSES];

            for (int64_t j = 0; j < d; j++)
                sum += (double)row[j] * (double)z[j];
            made[i] = (float)sum;
        }
        ck_assert_double_lt(jem_relative_l2(made, f, n * WORLD_CLASSES), 1e-6);
    }

    jem_check_fails(jem_head_features(w.head, x, n, features, n * d - 1), JEM_E_SPACE, "6 x ");
    jem_check_fails(jem_head_features(NULL, x, n, features, n * d), JEM_E_ARGUMENT, "head");
    jem_check_fails(jem_model_features(NULL, &d), JEM_E_ARGUMENT, "model");
    jem_check_fails(jem_model_features(w.model, NULL), JEM_E_ARGUMENT, "out");
    x[WORLD_SIZE] = NAN;
    jem_check_fails(jem_head_features(w.head, x, n, features, n * most), JEM_E_NUMERIC,
                    "image 1");
    world_close(&w);
}
END_TEST

/* The gradient is one: F(x + h e) - F(x - h e) = 2 h dF/dx_e, for a network of lines. Only on
 * the reference backend, whose sums are in double. */
START_TEST(gradient_is_the_slope)
{
    enum { n = 2 * WORLD_SIZE };
    const float h = 1.0f / 1024;
    world w = world_open("reference", "mlp", 1, 64, NULL);
    static float x[WORLD_SIZE], moved[n * WORLD_SIZE], F[n], g[WORLD_SIZE], slope[WORLD_SIZE];

    fill_uniform(x, WORLD_SIZE, 3);
    for (int64_t i = 0; i < n; i++) {
        memcpy(moved + i * WORLD_SIZE, x, sizeof x);
        moved[i * WORLD_SIZE + i / 2] += i % 2 ? h : -h;
    }
    jem_check_ok(jem_head_grad_log_px(w.head, x, NULL, 1, g, WORLD_SIZE));
    jem_check_ok(jem_head_log_px(w.head, moved, NULL, n, F, n));
    for (int64_t j = 0; j < WORLD_SIZE; j++)
        slope[j] = (F[2 * j + 1] - F[2 * j]) / (2 * h);
    ck_assert_double_lt(jem_relative_l2(slope, g, WORLD_SIZE), 1e-2);
    world_close(&w);
}
END_TEST

/* f + c: F moves by c, p(y|x) and the gradients stay. JEM's one degree of freedom. */
START_TEST(a_constant_moves_only_the_density)
{
    const float c = 3.0f;
    world w = open_case(_i, 16);
    static float x[N * WORLD_SIZE], p[2][N * WORLD_CLASSES], F[2][N], g[2][N * WORLD_SIZE];
    float bias[WORLD_CLASSES];

    fill_uniform(x, N * WORLD_SIZE, 4);
    for (int r = 0; r < 2; r++) {
        jem_check_ok(jem_head_prob_y(w.head, x, N, p[r], N * WORLD_CLASSES));
        jem_check_ok(jem_head_log_px(w.head, x, NULL, N, F[r], N));
        jem_check_ok(jem_head_grad_log_px(w.head, x, NULL, N, g[r], N * WORLD_SIZE));
        jem_check_ok(jem_model_param_get(w.model, "class_output.bias", bias, WORLD_CLASSES));
        for (int64_t k = 0; k < WORLD_CLASSES; k++)
            bias[k] += c;
        jem_check_ok(jem_model_param_set(w.model, "class_output.bias", bias, WORLD_CLASSES));
    }
    for (int64_t i = 0; i < N; i++)
        F[0][i] += c;
    jem_check_close(F[1], F[0], N, 1e-6, 1e-6);
    jem_check_close(p[1], p[0], N * WORLD_CLASSES, 1e-5, 1e-6);
    ck_assert_double_lt(jem_relative_l2(g[1], g[0], N * WORLD_SIZE), 1e-5);
    world_close(&w);
}
END_TEST

/* Logits of any finite size: no overflow in the softmax. */
START_TEST(huge_logits_are_safe)
{
    const float bias[WORLD_CLASSES] = {1e30f, -1e30f, 0, 5e29f, -3e38f};
    const float expected[WORLD_CLASSES] = {1, 0, 0, 0, 0};
    world w = world_open(world_backends[_i], "mlp", 1, 4, NULL);
    float x[WORLD_SIZE], p[WORLD_CLASSES], F, g[WORLD_SIZE];

    fill_uniform(x, WORLD_SIZE, 5);
    jem_check_ok(jem_model_param_set(w.model, "class_output.bias", bias, WORLD_CLASSES));
    jem_check_ok(jem_head_prob_y(w.head, x, 1, p, WORLD_CLASSES));
    jem_check_ok(jem_head_log_px(w.head, x, NULL, 1, &F, 1));
    jem_check_ok(jem_head_grad_log_px(w.head, x, NULL, 1, g, WORLD_SIZE));
    jem_check_close(p, expected, WORLD_CLASSES, 0, 0);
    ck_assert(F == 1e30f);
    world_close(&w);
}
END_TEST

/* --- Bits ------------------------------------------------------------------------------ */

/* Everything a head says about N images, in pieces of `piece` images. */
struct answers {
    float f[N * WORLD_CLASSES], p[N * WORLD_CLASSES], F[N], fy[N], mass[N];
    float gF[N * WORLD_SIZE], gpy[N * WORLD_SIZE];
};

static void ask(jem_head *head, const float *x, const int32_t *y, int64_t piece,
                struct answers *a)
{
    for (int64_t i = 0; i < N; i += piece) {
        const int64_t n = piece < N - i ? piece : N - i;
        const float *xi = x + i * WORLD_SIZE;

        jem_check_ok(jem_head_logits(head, xi, n, a->f + i * WORLD_CLASSES, n * WORLD_CLASSES));
        jem_check_ok(jem_head_prob_y(head, xi, n, a->p + i * WORLD_CLASSES, n * WORLD_CLASSES));
        jem_check_ok(jem_head_log_px(head, xi, NULL, n, a->F + i, n));
        jem_check_ok(jem_head_log_px(head, xi, y + i, n, a->fy + i, n));
        jem_check_ok(jem_head_mass(head, xi, n, a->mass + i, n));
        jem_check_ok(
            jem_head_grad_log_px(head, xi, NULL, n, a->gF + i * WORLD_SIZE, n * WORLD_SIZE));
        jem_check_ok(
            jem_head_grad_log_py(head, xi, y + i, n, a->gpy + i * WORLD_SIZE, n * WORLD_SIZE));
    }
}

START_TEST(batches_and_threads_leave_no_trace)
{
    static const struct {
        int32_t threads;
        int64_t max_batch, piece;
    } ways[] = {{1, 64, 64}, {2, 64, 64}, {1, 7, 64}, {2, 1, 64},
                {1, 64, 32}, {2, 64, 1},  {2, 7, 5}};
    static float x[N * WORLD_SIZE];
    static struct answers a, b;
    int32_t y[N];

    fill_uniform(x, N * WORLD_SIZE, 6);
    fill_classes(y, N);
    for (size_t r = 0; r < sizeof ways / sizeof *ways; r++) {
        world w = world_open(world_backends[_i / 2], archs[_i % 2], ways[r].threads,
                             ways[r].max_batch, NULL);

        ask(w.head, x, y, ways[r].piece, r == 0 ? &a : &b);
        world_close(&w);
        if (r == 0)
            continue;
        jem_check_same(b.f, a.f, N * WORLD_CLASSES);
        jem_check_same(b.p, a.p, N * WORLD_CLASSES);
        jem_check_same(b.F, a.F, N);
        jem_check_same(b.fy, a.fy, N);
        jem_check_same(b.mass, a.mass, N);
        jem_check_same(b.gF, a.gF, N * WORLD_SIZE);
        jem_check_same(b.gpy, a.gpy, N * WORLD_SIZE);
    }
}
END_TEST

/* --- Bad input ------------------------------------------------------------------------- */

START_TEST(create_refuses)
{
    world w = world_open("reference", "mlp", 1, 4, NULL);
    jem_head *head = w.head;

    jem_check_fails(jem_head_create(w.model, 1, NULL), JEM_E_ARGUMENT, "out is NULL");
    jem_check_fails(jem_head_create(NULL, 1, &head), JEM_E_ARGUMENT, "model is NULL");
    ck_assert_ptr_null(head);
    jem_check_fails(jem_head_create(w.model, 0, &head), JEM_E_RANGE,
                    "max_batch = 0, must be 1");
    jem_check_fails(jem_head_create(w.model, 65537, &head), JEM_E_RANGE,
                    "max_batch = 65537, must be 1 to 65536");
    ck_assert_ptr_null(head);
    jem_head_free(NULL);
    world_close(&w);
}
END_TEST

START_TEST(calls_refuse)
{
    world w = world_open("reference", "mlp", 1, 4, NULL);
    static float x[N * WORLD_SIZE], out[N * WORLD_SIZE];
    int32_t y[N] = {0};

    fill_uniform(x, N * WORLD_SIZE, 7);
    jem_check_fails(jem_head_logits(NULL, x, 1, out, 5), JEM_E_ARGUMENT, "head is NULL");
    jem_check_fails(jem_head_prob_y(NULL, x, 1, out, 5), JEM_E_ARGUMENT, "head is NULL");
    jem_check_fails(jem_head_log_px(NULL, x, y, 1, out, 5), JEM_E_ARGUMENT, "head is NULL");
    jem_check_fails(jem_head_grad_log_px(NULL, x, y, 1, out, 48), JEM_E_ARGUMENT, "head");
    jem_check_fails(jem_head_grad_log_py(NULL, x, y, 1, out, 48), JEM_E_ARGUMENT, "head");
    jem_check_fails(jem_head_mass(NULL, x, 1, out, 1), JEM_E_ARGUMENT, "head is NULL");

    jem_check_fails(jem_head_logits(w.head, NULL, 1, out, 5), JEM_E_ARGUMENT, "x is NULL");
    jem_check_fails(jem_head_prob_y(w.head, x, 1, NULL, 5), JEM_E_ARGUMENT, "out is NULL");
    jem_check_fails(jem_head_grad_log_py(w.head, x, NULL, 1, out, 48), JEM_E_ARGUMENT,
                    "y is NULL");
    jem_check_fails(jem_head_mass(w.head, x, -1, out, 1), JEM_E_ARGUMENT,
                    "n = -1, must be at least 0");
    jem_check_fails(jem_head_mass(w.head, x, INT64_MAX, out, INT64_MAX), JEM_E_RANGE, "n = ");

    jem_check_fails(jem_head_logits(w.head, x, 3, out, 14), JEM_E_SPACE,
                    "out_len = 14, must be at least 3 x 5");
    jem_check_fails(jem_head_prob_y(w.head, x, 3, out, -1), JEM_E_SPACE, "out_len = -1");
    jem_check_fails(jem_head_log_px(w.head, x, NULL, 3, out, 2), JEM_E_SPACE, "3 x 1");
    jem_check_fails(jem_head_grad_log_px(w.head, x, NULL, 2, out, 95), JEM_E_SPACE, "2 x 48");
    jem_check_fails(jem_head_grad_log_py(w.head, x, y, 2, out, 95), JEM_E_SPACE, "2 x 48");
    jem_check_fails(jem_head_mass(w.head, x, 3, out, 2), JEM_E_SPACE, "out_len = 2");

    y[9] = WORLD_CLASSES;
    jem_check_fails(jem_head_log_px(w.head, x, y, N, out, N), JEM_E_RANGE,
                    "jem_head_log_px: y[9] = 5, must be 0 to 4");
    y[9] = -1;
    jem_check_fails(jem_head_grad_log_py(w.head, x, y, N, out, N * WORLD_SIZE), JEM_E_RANGE,
                    "jem_head_grad_log_py: y[9] = -1");
    x[10 * WORLD_SIZE + 11] = NAN;
    jem_check_fails(jem_head_mass(w.head, x, N, out, N), JEM_E_NUMERIC,
                    "jem_head_mass: value 11 of image 10 is nan");
    x[10 * WORLD_SIZE + 11] = -INFINITY;
    jem_check_fails(jem_head_logits(w.head, x, N, out, N * WORLD_SIZE), JEM_E_NUMERIC,
                    "value 11 of image 10 is -inf");
    world_close(&w);
}
END_TEST

START_TEST(no_images_are_fine)
{
    world w = world_open("reference", "mlp", 1, 4, NULL);

    jem_check_ok(jem_head_logits(w.head, NULL, 0, NULL, 0));
    jem_check_ok(jem_head_prob_y(w.head, NULL, 0, NULL, 0));
    jem_check_ok(jem_head_log_px(w.head, NULL, NULL, 0, NULL, 0));
    jem_check_ok(jem_head_grad_log_px(w.head, NULL, NULL, 0, NULL, 0));
    jem_check_ok(jem_head_grad_log_py(w.head, NULL, NULL, 0, NULL, 0));
    jem_check_ok(jem_head_mass(w.head, NULL, 0, NULL, 0));
    world_close(&w);
}
END_TEST

/* Each thread takes images of its own. The first images end last here, and their text counts. */
static jem_status fail_late(void *arg, const jem__lane *lane, int64_t first, int64_t count)
{
    atomic_int *others = arg;

    (void)lane;
    (void)count;
    if (first > 0) {
        atomic_fetch_add(others, 1);
        return jem__fail(JEM_E_NUMERIC, "later images");
    }
    for (int i = 0; i < 5000 && atomic_load(others) == 0; i++)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL); /* until it was noted */
    return jem__fail(JEM_E_RANGE, "the first images");
}

START_TEST(threads_report_the_first_failure)
{
    world w = world_open(world_backends[_i], "mlp", 3, 64, NULL);
    static float x[64 * WORLD_SIZE], out[64];
    atomic_int others = 0;

    ck_assert_int_eq(w.head->lanes.count, 3);
    ck_assert_int_eq(jem__lanes_run(&w.head->lanes, 64, fail_late, &others), JEM_E_RANGE);
    ck_assert_str_eq(jem_last_error(), "the first images");
    ck_assert_int_gt(atomic_load(&others), 0);

    fill_uniform(x, 64 * WORLD_SIZE, 9);
    x[33 * WORLD_SIZE] = x[17 * WORLD_SIZE] = NAN;
    jem_check_fails(jem_head_mass(w.head, x, 64, out, 64), JEM_E_NUMERIC, "of image 17 is nan");
    jem_check_ok(jem_head_mass(w.head, x, 17, out, 17));
    world_close(&w);
}
END_TEST

/* Weights that overflow: the text names the first image that shows it. */
START_TEST(exploded_weights_are_reported)
{
    world w = world_open(world_backends[_i], "mlp", 1, 4, NULL);
    static float x[6 * WORLD_SIZE], out[6 * WORLD_SIZE], weights[WORLD_CLASSES * 16];

    memset(x, 0, sizeof x);
    for (int64_t j = 0; j < WORLD_SIZE; j++)
        x[5 * WORLD_SIZE + j] = 3e38f * (j % 2 ? 1.0f : -1.0f);
    for (int64_t j = 0; j < WORLD_CLASSES * 16; j++)
        weights[j] = 1e3f;
    jem_check_ok(
        jem_model_param_set(w.model, "class_output.weight", weights, WORLD_CLASSES * 16));
    jem_check_fails(jem_head_logits(w.head, x, 6, out, 30), JEM_E_NUMERIC, "of image 5 is not");
    jem_check_fails(jem_head_log_px(w.head, x, NULL, 6, out, 30), JEM_E_NUMERIC,
                    "the score of image 5 is not finite");
    jem_check_ok(jem_head_logits(w.head, x, 5, out, 30));
    world_close(&w);
}
END_TEST

/* --- Memory ------------------------------------------------------------------------------ */

#define STEP(call)                                                                             \
    do {                                                                                       \
        status = (call);                                                                       \
        if (status != JEM_OK)                                                                  \
            goto end;                                                                          \
    } while (0)

/* One of everything, with any allocation failing. `arg`: the backend's name. */
static jem_status all_of_it(jem_test_memory *memory, void *arg)
{
    const int64_t shape[3] = {1, 2, 3};
    float x[24 * 6];
    int32_t y[24];
    int64_t slots[3];
    world w = {0};
    jem_dataset *data = NULL;
    jem_status status;

    fill_uniform(x, 24 * 6, 8);
    for (int32_t i = 0; i < 24; i++) /* class 0: 21 images, more than values; 1: three */
        y[i] = i < 3;
    STEP(jem_context_create_with_allocator(arg, jem_test_alloc, jem_test_release, memory,
                                           &w.ctx));
    STEP(jem_context_set_threads(w.ctx, 1));
    STEP(jem_options_create(w.ctx, &w.opts));
    world_set(w.opts, "model.arch=mlp model.channels=1 model.height=2 model.width=3 "
                      "model.classes=2 model.hidden=4 start.kind=gaussian pcd.capacity=6 "
                      "sgld.steps=2");
    STEP(jem_model_create(w.ctx, w.opts, &w.model));
    STEP(jem_head_create(w.model, 2, &w.head));
    STEP(jem_sampler_create(w.head, w.opts, &w.sampler));
    STEP(jem_dataset_from_f32(w.ctx, x, y, 24, shape, 2, &data));
    STEP(jem_sampler_fit_start(w.sampler, data));
    STEP(jem_sampler_fit_start(w.sampler, data));
    STEP(jem_buffer_create(w.sampler, w.opts, &w.buffer));
    STEP(jem_buffer_draw(w.buffer, NULL, 3, x, slots));
    STEP(jem_sampler_run(w.sampler, x, NULL, 3, -1));
    STEP(jem_buffer_store(w.buffer, slots, 3, x));
    STEP(jem_head_mass(w.head, x, 3, x + 18, 3));
end:
    jem_dataset_free(data);
    world_close(&w);
    return status;
}

START_TEST(memory_may_run_out_anywhere)
{
    char backend[16];

    snprintf(backend, sizeof backend, "%s", world_backends[_i]);
    ck_assert_int_gt(jem_check_survives_no_memory(all_of_it, backend), 20);
}
END_TEST

Suite *jem_energy_suite(void)
{
    Suite *suite = suite_create("energy");
    TCase *head = tcase_create("head");
    TCase *memory = tcase_create("memory");

    tcase_add_loop_test(head, probabilities_are_softmax, 0, 4);
    tcase_add_loop_test(head, gradients_fit_together, 0, 4);
    tcase_add_loop_test(head, gradient_of_weighted_logits, 0, 4);
    tcase_add_loop_test(head, logits_are_made_of_the_features, 0, 4);
    tcase_add_test(head, gradient_is_the_slope);
    tcase_add_loop_test(head, a_constant_moves_only_the_density, 0, 4);
    tcase_add_loop_test(head, huge_logits_are_safe, 0, 2);
    tcase_add_loop_test(head, batches_and_threads_leave_no_trace, 0, 4);
    tcase_add_test(head, create_refuses);
    tcase_add_test(head, calls_refuse);
    tcase_add_test(head, no_images_are_fine);
    tcase_add_loop_test(head, threads_report_the_first_failure, 0, 2);
    tcase_add_loop_test(head, exploded_weights_are_reported, 0, 2);
    suite_add_tcase(suite, head);
    jem_energy_add_sampler(suite);
    jem_energy_add_start(suite);
    jem_energy_add_buffer(suite);
    jem_energy_add_backward(suite);
    jem_energy_add_use(suite);
    tcase_add_loop_test(memory, memory_may_run_out_anywhere, 0, 2);
    suite_add_tcase(suite, memory);
    return suite;
}
