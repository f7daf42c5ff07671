/* SPDX-License-Identifier: MIT */

/* Room energy: the gradient through a chain, against finite differences of the chain itself,
 * against the Hessian written out for a linear network, and between backends. */

#include <check.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check_energy.h"
#include "test_support.h"

enum { N = 6, SIZE = WORLD_SIZE, STEPS = 4, TRACE = (STEPS + 1) * N * SIZE };

static float x0[N * SIZE], end[N * SIZE]; /* starts, and a gradient in the ends */
static int32_t y0[N];

static void setup(void)
{
    fill_uniform(x0, N * SIZE, 1);
    fill_uniform(end, N * SIZE, 2);
    for (int32_t i = 0; i < N; i++)
        y0[i] = i % WORLD_CLASSES;
}

/* Chains from x, always with the same noise. */
static void trace(world *w, const float *x, const int32_t *y, int64_t steps, float *out)
{
    jem_check_ok(jem_sampler_seed(w->sampler, 5, 6));
    jem_check_ok(jem_sampler_trace(w->sampler, x, y, N, steps, out, (steps + 1) * N * SIZE));
}

START_TEST(a_trace_is_the_run)
{
    world w = world_open(world_backends[_i], "small", 2, 4, "sgld.noise_std=0.1");
    static float all[TRACE], x[N * SIZE];

    for (int way = 0; way < 2; way++) {
        const int32_t *y = way == 0 ? NULL : y0;

        trace(&w, x0, y, STEPS, all);
        for (int64_t t = 0; t <= STEPS; t++) {
            memcpy(x, x0, sizeof x);
            jem_check_ok(jem_sampler_seed(w.sampler, 5, 6));
            jem_check_ok(jem_sampler_run(w.sampler, x, y, N, t));
            jem_check_same(all + t * N * SIZE, x, N * SIZE);
        }
    }
    world_close(&w);
}
END_TEST

/* Per image: sum c x_k at the end of a chain that begins at x0 + h d, in double. */
static void losses(world *w, const float *d, double h, double out[N])
{
    static float x[N * SIZE], all[TRACE];

    for (int64_t j = 0; j < N * SIZE; j++)
        x[j] = (float)((double)x0[j] + h * (double)d[j]);
    trace(w, x, NULL, STEPS, all);
    for (int64_t i = 0; i < N; i++) {
        out[i] = 0;
        for (int64_t j = i * SIZE; j < (i + 1) * SIZE; j++)
            out[i] += (double)end[j] * (double)all[STEPS * N * SIZE + j];
    }
}

/* Larger logits: the Hessian grows with their square, the kinks of the gradient only with them. */
static void raise_logits(world *w, float factor)
{
    float values[WORLD_CLASSES * 64];
    int64_t shape[4] = {0}, i = 0;
    const char *name = "";

    while (strcmp(name, "class_output.weight") != 0)
        jem_check_ok(jem_model_param_info(w->model, i++, &name, shape));
    const int64_t count = shape[0] * shape[1];
    ck_assert_int_le(count, WORLD_CLASSES * 64);
    jem_check_ok(jem_model_param_get(w->model, name, values, count));
    for (int64_t j = 0; j < count; j++)
        values[j] *= factor;
    jem_check_ok(jem_model_param_set(w->model, name, values, count));
}

/* Slopes of every image's loss along a few directions. Where a LeakyReLU turns between the two
 * points the chain jumps, and a difference says nothing about a slope: a tenth may fail. The
 * step size makes the Hessian matter. */
static void check_differences(const char *arch, const char *settings)
{
    enum { DIRECTIONS = 16 };
    const double h = 1.0 / 16384;
    world w = world_open("reference", arch, 1, 4, settings);
    static float all[TRACE], grad[N * SIZE], d[N * SIZE];
    double up[N], down[N];
    int failed = 0;

    raise_logits(&w, 20);
    trace(&w, x0, NULL, STEPS, all);
    memcpy(grad, end, sizeof grad);
    jem_check_ok(jem_sampler_backward(w.sampler, all, TRACE, NULL, N, STEPS, grad));
    const double bend = jem_relative_l2(grad, end, N * SIZE);
    ck_assert_msg(bend > 0.05, "%s %s: straight-through is as good: %g", arch, settings, bend);
    for (int64_t which = 0; which < DIRECTIONS; which++) {
        fill_uniform(d, N * SIZE, 10 + which);
        losses(&w, d, h, up);
        losses(&w, d, -h, down);
        for (int64_t i = 0; i < N; i++) {
            double slope = 0, size = 0;

            for (int64_t j = i * SIZE; j < (i + 1) * SIZE; j++) {
                slope += (double)grad[j] * (double)d[j];
                size += (double)grad[j] * (double)grad[j];
            }
            failed += fabs((up[i] - down[i]) / (2 * h) - slope) > 5e-3 * sqrt(size);
        }
    }
    ck_assert_msg(failed <= DIRECTIONS * N / 10, "%s %s: %d of %d slopes differ", arch,
                  settings, failed, DIRECTIONS * N);
    world_close(&w);
}

START_TEST(agrees_with_finite_differences)
{
    check_differences("mlp", "sgld.step_size=1 sgld.noise_std=0.05");
    check_differences("mlp", "sgld.step_size=1 sgld.noise_std=0.05 sgld.clamp_x=0.9");
    check_differences("mlp", "sgld.step_size=1 sgld.clamp_grad=0.06");
    check_differences("small", "sgld.step_size=250 sgld.noise_std=0.05");
}
END_TEST

/* One hidden layer whose units are all far above 0 is linear: f = A x + const, so
 * H = A' (diag p - p p') A, written out here. */
START_TEST(agrees_with_the_hessian_of_a_linear_network)
{
    enum { HIDDEN = 16, K = WORLD_CLASSES };
    world w = world_open(world_backends[_i], "mlp", 1, 4,
                         "model.layers=1 sgld.step_size=3 sgld.noise_std=0");
    static float w1[HIDDEN * SIZE], b1[HIDDEN], w2[K * HIDDEN], all[2 * N * SIZE];
    static float grad[N * SIZE], want[N * SIZE], prob[N * K];
    double a[K][SIZE];

    fill_uniform(w1, HIDDEN * SIZE, 20);
    fill_uniform(w2, K * HIDDEN, 21);
    for (int j = 0; j < HIDDEN; j++)
        b1[j] = 100;
    jem_check_ok(jem_model_param_set(w.model, "fc1.weight", w1, HIDDEN * SIZE));
    jem_check_ok(jem_model_param_set(w.model, "fc1.bias", b1, HIDDEN));
    for (int j = 1; j < K * HIDDEN; j += 2)
        w2[j] = -w2[j - 1]; /* the biases cancel, and p(y|x) is not all in one class */
    jem_check_ok(jem_model_param_set(w.model, "class_output.weight", w2, K * HIDDEN));
    for (int k = 0; k < K; k++)
        for (int j = 0; j < SIZE; j++) {
            a[k][j] = 0;
            for (int u = 0; u < HIDDEN; u++)
                a[k][j] += (double)w2[k * HIDDEN + u] * (double)w1[u * SIZE + j];
        }

    trace(&w, x0, NULL, 1, all);
    memcpy(grad, end, sizeof grad);
    jem_check_ok(jem_sampler_backward(w.sampler, all, 2 * N * SIZE, NULL, N, 1, grad));
    jem_check_ok(jem_head_prob_y(w.head, x0, N, prob, N * K));
    for (int i = 0; i < N; i++) {
        const float *p = prob + i * K, *v = end + i * SIZE;
        double av[K] = {0}, mean = 0;

        for (int k = 0; k < K; k++) {
            for (int j = 0; j < SIZE; j++)
                av[k] += a[k][j] * (double)v[j];
            mean += (double)p[k] * av[k];
        }
        for (int j = 0; j < SIZE; j++) {
            double hv = 0;

            for (int k = 0; k < K; k++)
                hv += a[k][j] * (double)p[k] * (av[k] - mean);
            want[i * SIZE + j] = (float)((double)v[j] + 3 * hv);
        }
    }
    ck_assert_double_gt(jem_relative_l2(want, end, N * SIZE), 0.1);
    ck_assert_double_lt(jem_relative_l2(grad, want, N * SIZE), 1e-5);
    world_close(&w);
}
END_TEST

/* Wide enough for every kind of convolution; images of its own. */
static void wrn_gradient(const char *backend, int32_t threads, int64_t max_batch, float *grad,
                         int64_t count)
{
    enum { n = 3 };
    const int64_t size = count / n;
    world w = world_open(backend, "wrn", threads, max_batch,
                         "model.channels=3 model.height=8 model.width=8 model.depth=10 "
                         "model.widen=2 sgld.step_size=50 sgld.clamp_x=1 sgld.clamp_grad=0.02");
    float *x = calloc((size_t)count, sizeof *x), *all = calloc((size_t)count * 3, sizeof *all);

    fill_uniform(x, count, 30);
    fill_uniform(grad, count, 31);
    jem_check_ok(jem_sampler_trace(w.sampler, x, NULL, n, 2, all, 3 * count));
    jem_check_ok(jem_sampler_backward(w.sampler, all, 3 * count, NULL, n, 2, grad));
    ck_assert_double_gt(fabs((double)grad[size]), 0);
    free(x);
    free(all);
    world_close(&w);
}

START_TEST(backends_batches_and_threads_agree)
{
    enum { COUNT = 3 * 3 * 8 * 8 };
    static float a[COUNT], b[COUNT];

    wrn_gradient("reference", 1, 2, a, COUNT);
    wrn_gradient("cpu", 2, 3, b, COUNT);
    ck_assert_double_lt(jem_relative_l2(b, a, COUNT), 1e-5);
    wrn_gradient("cpu", 1, 1, a, COUNT);
    jem_check_same(a, b, COUNT);
}
END_TEST

/* f(x)[y] is piecewise linear, so its Hessian is 0: only clamps act. */
START_TEST(a_chain_of_a_class_only_stops_at_clamps)
{
    world w = world_open(world_backends[_i], "mlp", 1, 4,
                         "sgld.step_size=9 sgld.noise_std=0.3 sgld.clamp_x=0.8");
    static float all[TRACE], grad[N * SIZE];
    int64_t stopped = 0;

    trace(&w, x0, y0, STEPS, all);
    memcpy(grad, end, sizeof grad);
    jem_check_ok(jem_sampler_backward(w.sampler, all, TRACE, y0, N, STEPS, grad));
    for (int64_t j = 0; j < N * SIZE; j++) {
        int clamped = 0;

        for (int64_t t = 1; t <= STEPS; t++)
            clamped |= fabsf(all[t * N * SIZE + j]) >= 0.8f;
        stopped += clamped;
        ck_assert_float_eq(grad[j], clamped ? 0.0f : end[j]);
    }
    ck_assert_int_gt(stopped, 10);
    ck_assert_int_lt(stopped, N * SIZE - 10);
    world_close(&w);
}
END_TEST

START_TEST(refuses_bad_input_and_changes_nothing)
{
    world w = world_open(world_backends[_i], "mlp", 1, 4, NULL);
    static float all[TRACE], grad[N * SIZE];
    const int32_t bad[N] = {0, 1, WORLD_CLASSES};
    jem_sampler *s = w.sampler;

    memcpy(grad, end, sizeof grad);
    jem_check_fails(jem_sampler_trace(NULL, x0, NULL, N, 1, all, TRACE), JEM_E_ARGUMENT,
                    "sampler");
    jem_check_fails(jem_sampler_trace(s, x0, NULL, N, 1, NULL, TRACE), JEM_E_ARGUMENT, "trace");
    jem_check_fails(jem_sampler_trace(s, x0, NULL, N, -1, all, TRACE), JEM_E_RANGE,
                    "steps = -1");
    jem_check_fails(jem_sampler_trace(s, x0, NULL, N, STEPS, all, TRACE - 1), JEM_E_SPACE,
                    "trace_len = 1439, must be at least 1440");
    jem_check_fails(jem_sampler_trace(s, x0, NULL, INT64_C(1) << 40, 16000000, all, TRACE),
                    JEM_E_RANGE, "more than memory can hold");
    jem_check_fails(jem_sampler_trace(s, x0, bad, N, 1, all, TRACE), JEM_E_RANGE, "y[2]");
    jem_check_ok(jem_sampler_trace(s, NULL, NULL, 0, 3, NULL, 0));
    jem_check_ok(jem_sampler_trace(s, x0, NULL, N, STEPS, all, TRACE));

    jem_check_fails(jem_sampler_backward(s, all, TRACE, NULL, N, STEPS, NULL), JEM_E_ARGUMENT,
                    "x is NULL");
    jem_check_fails(jem_sampler_backward(s, NULL, TRACE, NULL, N, STEPS, grad), JEM_E_ARGUMENT,
                    "trace");
    jem_check_fails(jem_sampler_backward(s, all, 7, NULL, N, STEPS, grad), JEM_E_SPACE, "1440");
    jem_check_fails(jem_sampler_backward(s, all, TRACE, bad, N, STEPS, grad), JEM_E_RANGE,
                    "y[2]");
    jem_check_ok(jem_sampler_backward(s, NULL, 0, NULL, 0, STEPS, NULL));
    grad[3] = NAN;
    jem_check_fails(jem_sampler_backward(s, all, TRACE, NULL, N, STEPS, grad), JEM_E_NUMERIC,
                    "value 3 of image 0");
    grad[3] = end[3];
    all[2 * N * SIZE + SIZE + 1] = INFINITY;
    jem_check_fails(jem_sampler_backward(s, all, TRACE, NULL, N, STEPS, grad), JEM_E_NUMERIC,
                    "value 1 of image 13");
    jem_check_same(grad, end, N * SIZE);
    world_close(&w);
}
END_TEST

static jem_status scenario(jem_test_memory *memory, void *arg)
{
    static float all[2 * N * SIZE], grad[N * SIZE];
    jem_context *ctx = NULL;
    jem_options *opts = NULL;
    jem_model *model = NULL;
    jem_head *head = NULL;
    jem_sampler *s = NULL;

    (void)arg;
    memcpy(grad, end, sizeof grad);
    jem_status status = jem_context_create_with_allocator("cpu", jem_test_alloc,
                                                          jem_test_release, memory, &ctx);
    if (status == JEM_OK)
        status = jem_options_create(ctx, &opts);
    if (status == JEM_OK) {
        world_set(opts, "model.channels=1 model.height=6 model.width=8 model.classes=5 "
                        "model.hidden=16 model.arch=mlp");
        status = jem_model_create(ctx, opts, &model);
    }
    if (status == JEM_OK)
        status = jem_head_create(model, 4, &head);
    if (status == JEM_OK)
        status = jem_sampler_create(head, opts, &s);
    if (status == JEM_OK)
        status = jem_sampler_trace(s, x0, NULL, N, 1, all, 2 * N * SIZE);
    if (status == JEM_OK) {
        status = jem_sampler_backward(s, all, 2 * N * SIZE, NULL, N, 1, grad);
        if (status != JEM_OK)
            jem_check_same(grad, end, N * SIZE);
    }
    jem_sampler_free(s);
    jem_head_free(head);
    jem_model_free(model);
    jem_options_free(opts);
    jem_context_free(ctx);
    return status;
}

START_TEST(survives_want_of_memory)
{
    ck_assert_int_gt(jem_check_survives_no_memory(scenario, NULL), 10);
}
END_TEST

void jem_energy_add_backward(Suite *suite)
{
    TCase *tc = tcase_create("backward");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_loop_test(tc, a_trace_is_the_run, 0, 2);
    tcase_add_test(tc, agrees_with_finite_differences);
    tcase_add_loop_test(tc, agrees_with_the_hessian_of_a_linear_network, 0, 2);
    tcase_add_test(tc, backends_batches_and_threads_agree);
    tcase_add_loop_test(tc, a_chain_of_a_class_only_stops_at_clamps, 0, 2);
    tcase_add_loop_test(tc, refuses_bad_input_and_changes_nothing, 0, 2);
    tcase_add_test(tc, survives_want_of_memory);
    suite_add_tcase(suite, tc);
}
