/* SPDX-License-Identifier: MIT */

/* Room energy: SGLD chains. One step against the formula, the stationary variance of a
 * quadratic energy, and the promises about chain numbers, batches, threads and failures. */

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend/backend.h"
#include "check_energy.h"
#include "core/context.h"
#include "energy/sampler.h"
#include "test_support.h"

#define N    64
#define SIZE WORLD_SIZE

static float x0[N * SIZE]; /* what chains begin with */
static int32_t y0[N];

static void setup(void)
{
    fill_uniform(x0, N * SIZE, 1);
    for (int32_t i = 0; i < N; i++)
        y0[i] = i * 3 % WORLD_CLASSES;
}

/* Chains from x0 in pieces, after seeding with (seed, stream). */
static void run(world *w, int64_t seed, int64_t stream, const int32_t *y, int64_t n,
                int64_t piece, int64_t steps, float *x)
{
    memcpy(x, x0, (size_t)(n * SIZE) * sizeof *x);
    jem_check_ok(jem_sampler_seed(w->sampler, seed, stream));
    for (int64_t i = 0; i < n; i += piece) {
        jem_check_ok(jem_sampler_run(w->sampler, x + i * SIZE, y == NULL ? NULL : y + i,
                                     piece < n - i ? piece : n - i, steps));
    }
}

static double clamp(double value, double bound)
{
    if (bound > 0 && fabs(value) > bound)
        return value < 0 ? -bound : bound;
    return value;
}

/* Three steps by hand, with the head's gradients and the documented addresses of the noise. */
static void check_by_hand(const char *settings, double alpha, double sigma, double clamp_grad,
                          double clamp_x, const int32_t *y, const char *backend)
{
    enum { n = 9, steps = 3 };
    world w = world_open(backend, "mlp", 2, 4, settings);
    const jem__key key = jem__rng_key(12, 34);
    static float got[n * SIZE], x[n * SIZE], g[n * SIZE], noise[SIZE];

    run(&w, 12, 34, y, n, 5, steps, got);
    memcpy(x, x0, sizeof x);
    for (uint32_t t = 0; t < steps; t++) {
        jem_check_ok(jem_head_grad_log_px(w.head, x, y, n, g, n * SIZE));
        for (uint64_t i = 0; i < n; i++) {
            const jem__rng rng = {key, JEM__RNG_SGLD, t, i};

            jem__rng_normal(&rng, 0, SIZE, noise);
            for (uint64_t j = 0; j < SIZE; j++) {
                float *at = &x[i * SIZE + j];

                *at = (float)clamp((double)*at +
                                       alpha * clamp((double)g[i * SIZE + j], clamp_grad) +
                                       sigma * (double)noise[j],
                                   clamp_x);
            }
        }
    }
    jem_check_close(got, x, n * SIZE, 1e-5, 1e-5);
    world_close(&w);
}

START_TEST(a_step_is_the_formula)
{
    const char *backend = world_backends[_i];

    check_by_hand("sgld.step_size=1 sgld.noise_std=0.01", 1, 0.01, 0, 0, NULL, backend);
    check_by_hand("sgld.step_size=2 sgld.noise_std=0.5", 2, 0.5, 0, 0, y0, backend);
    check_by_hand("sgld.step_size=9 sgld.noise_std=0.1 sgld.clamp_grad=0.002 sgld.clamp_x=0.9",
                  9, 0.1, 0.002, 0.9, NULL, backend);
}
END_TEST

/* Energy k x^2 / 2: x <- (1 - alpha k) x + sigma z is an AR(1) process with variance
 * sigma^2 / (1 - (1 - alpha k)^2). No LeakyReLU network is quadratic, so the gradient -k x is
 * brought to the step from outside. */
START_TEST(a_quadratic_energy_reaches_its_variance)
{
    enum { chains = 20000, steps = 60 };
    const double k = 2, alpha = 0.2, sigma = 0.1;
    world w = world_open(world_backends[_i], "mlp", 2, 4, NULL);
    const jem__backend *backend = w.ctx->backend;
    jem__queue *queue = w.head->lanes.list[0].queue;
    jem__tensor x = {.n = chains, .c = 1, .h = 1, .w = 1}, g = x;
    jem__sgld_step what = {
        .step_size = (float)alpha, .noise_std = (float)sigma, .key = jem__rng_key(5, 6)};
    float *host = calloc(chains, sizeof *host), *slope = calloc(chains, sizeof *slope);
    double sum = 0, squares = 0;

    jem_check_ok(backend->mem_create(w.ctx, chains, &x.mem));
    jem_check_ok(backend->mem_create(w.ctx, chains, &g.mem));
    jem_check_ok(backend->upload(queue, &x, host));
    for (uint32_t t = 0; t < steps; t++) {
        for (int64_t i = 0; i < chains; i++)
            slope[i] = (float)(-k * (double)host[i]);
        what.step = t;
        jem_check_ok(backend->upload(queue, &g, slope));
        jem_check_ok(backend->sgld_step(queue, &what, &g, &x));
        jem_check_ok(backend->download(queue, &x, host));
    }
    for (int64_t i = 0; i < chains; i++) {
        sum += (double)host[i];
        squares += (double)host[i] * (double)host[i];
    }
    ck_assert_double_eq_tol(sum / chains, 0, 0.004);
    ck_assert_double_eq_tol(squares / chains / (sigma * sigma / (1 - 0.6 * 0.6)), 1, 0.04);
    backend->mem_free(w.ctx, x.mem);
    backend->mem_free(w.ctx, g.mem);
    free(host);
    free(slope);
    world_close(&w);
}
END_TEST

/* A NaN must come through the clamps, or a broken chain would look like a good one. */
START_TEST(clamps_keep_nan)
{
    world w = world_open(world_backends[_i], "mlp", 1, 4, NULL);
    const jem__backend *backend = w.ctx->backend;
    jem__tensor x = {.n = 1, .c = 64, .h = 1, .w = 1}, g = x;
    const jem__sgld_step what = {.step_size = 1, .clamp_grad = 1, .clamp_x = 1};
    float host[64] = {0}, slope[64] = {0};

    for (int j = 0; j < 64; j += 3)
        slope[j] = NAN;
    jem_check_ok(backend->mem_create(w.ctx, 64, &x.mem));
    jem_check_ok(backend->mem_create(w.ctx, 64, &g.mem));
    jem_check_ok(backend->upload(w.head->lanes.list[0].queue, &x, host));
    jem_check_ok(backend->upload(w.head->lanes.list[0].queue, &g, slope));
    jem_check_ok(backend->sgld_step(w.head->lanes.list[0].queue, &what, &g, &x));
    jem_check_ok(backend->download(w.head->lanes.list[0].queue, &x, host));
    for (int j = 0; j < 64; j++)
        ck_assert_msg(isnan(host[j]) == (j % 3 == 0), "value %d is %g", j, (double)host[j]);
    backend->mem_free(w.ctx, x.mem);
    backend->mem_free(w.ctx, g.mem);
    world_close(&w);
}
END_TEST

START_TEST(batches_and_threads_leave_no_trace)
{
    static const struct {
        int32_t threads;
        int64_t max_batch, piece;
    } ways[] = {{1, 64, 64}, {2, 64, 64}, {2, 64, 32}, {1, 64, 1},
                {2, 7, 64},  {1, 1, 64},  {2, 7, 10}};
    const char *arch = _i % 2 ? "small" : "mlp";
    static float a[N * SIZE], b[N * SIZE], c[N * SIZE];

    for (size_t r = 0; r < sizeof ways / sizeof *ways; r++) {
        world w = world_open(world_backends[_i / 2], arch, ways[r].threads, ways[r].max_batch,
                             "sgld.noise_std=0.1");

        run(&w, 1, 2, NULL, N, ways[r].piece, 4, r == 0 ? a : c);
        if (r > 0)
            jem_check_same(c, a, N * SIZE);
        run(&w, 1, 2, y0, N, ways[r].piece, 4, r == 0 ? b : c);
        if (r > 0)
            jem_check_same(c, b, N * SIZE);
        world_close(&w);
    }
    ck_assert_double_gt(jem_relative_l2(a, b, N * SIZE), 1e-6); /* y matters */
}
END_TEST

START_TEST(seeds_streams_and_chains_differ)
{
    world w = world_open("reference", "mlp", 1, 8, "sgld.steps=2 sgld.noise_std=0.1");
    static float a[8 * SIZE], b[8 * SIZE];

    run(&w, 1, 2, NULL, 8, 8, 2, a);
    run(&w, 1, 2, NULL, 8, 8, -1, b); /* the option says two */
    jem_check_same(b, a, 8 * SIZE);
    run(&w, 1, 2, NULL, 8, 8, 3, b);
    ck_assert_double_gt(jem_relative_l2(b, a, 8 * SIZE), 0.01);
    run(&w, 1, 3, NULL, 8, 8, 2, b);
    ck_assert_double_gt(jem_relative_l2(b, a, 8 * SIZE), 0.1);
    run(&w, 2, 2, NULL, 8, 8, 2, b);
    ck_assert_double_gt(jem_relative_l2(b, a, 8 * SIZE), 0.1);
    memcpy(b, x0, sizeof b); /* the next eight chains */
    jem_check_ok(jem_sampler_run(w.sampler, b, NULL, 8, 2));
    ck_assert_double_gt(jem_relative_l2(b, a, 8 * SIZE), 0.1);
    memcpy(b, x0, sizeof b);
    jem_check_ok(jem_sampler_run(w.sampler, b, NULL, 8, 0));
    jem_check_same(b, x0, 8 * SIZE);
    world_close(&w);
}
END_TEST

/* train.seed is where a new sampler begins. */
START_TEST(the_seed_option_counts)
{
    world w = world_open("reference", "mlp", 1, 8, "train.seed=41 sgld.noise_std=0.1");
    static float a[4 * SIZE], b[4 * SIZE];

    memcpy(a, x0, sizeof a);
    jem_check_ok(jem_sampler_run(w.sampler, a, NULL, 4, 2));
    run(&w, 41, 0, NULL, 4, 4, 2, b);
    jem_check_same(b, a, 4 * SIZE);
    world_close(&w);
}
END_TEST

START_TEST(refuses_bad_input)
{
    world w = world_open("reference", "mlp", 1, 4, "sgld.noise_std=0.1");
    static float x[N * SIZE], before[N * SIZE], a[4 * SIZE];
    int32_t y[N] = {0};
    jem_sampler *sampler = w.sampler;

    jem_check_fails(jem_sampler_create(w.head, NULL, NULL), JEM_E_ARGUMENT, "out is NULL");
    jem_check_fails(jem_sampler_create(NULL, NULL, &sampler), JEM_E_ARGUMENT, "head is NULL");
    ck_assert_ptr_null(sampler);
    jem_check_fails(jem_sampler_seed(NULL, 1, 1), JEM_E_ARGUMENT, "sampler is NULL");
    jem_check_fails(jem_sampler_run(NULL, x, y, 1, 1), JEM_E_ARGUMENT, "sampler is NULL");
    jem_check_fails(jem_sampler_run(w.sampler, NULL, y, 1, 1), JEM_E_ARGUMENT, "x is NULL");
    jem_check_fails(jem_sampler_run(w.sampler, x, y, -2, 1), JEM_E_ARGUMENT,
                    "jem_sampler_run: n = -2, must be at least 0");
    jem_check_fails(jem_sampler_run(w.sampler, x, y, INT64_MAX, 1), JEM_E_RANGE, "n = ");
    jem_check_fails(jem_sampler_run(w.sampler, x, y, 1, INT64_C(1) << 24), JEM_E_RANGE,
                    "steps = 16777216, must be at most 16777215");
    jem_check_ok(jem_sampler_run(w.sampler, NULL, NULL, 0, 3));

    memcpy(x, x0, sizeof x);
    y[33] = 5;
    jem_check_fails(jem_sampler_run(w.sampler, x, y, N, 1), JEM_E_RANGE,
                    "y[33] = 5, must be 0 to 4");
    x[33 * SIZE + 2] = INFINITY;
    memcpy(before, x, sizeof x);
    jem_check_fails(jem_sampler_run(w.sampler, x, NULL, N, 1), JEM_E_NUMERIC,
                    "value 2 of image 33 is inf");
    jem_check_same(x, before, N * SIZE);

    /* None of these has used up a chain number. */
    run(&w, 3, 0, NULL, 4, 4, 2, a);
    jem_check_ok(jem_sampler_seed(w.sampler, 3, 0));
    jem_check_fails(jem_sampler_run(w.sampler, x, NULL, N, 1), JEM_E_NUMERIC, "image 33");
    memcpy(x, x0, sizeof x);
    jem_check_ok(jem_sampler_run(w.sampler, x, NULL, 4, 2));
    jem_check_same(x, a, 4 * SIZE);
    jem_sampler_free(NULL);
    world_close(&w);
}
END_TEST

/* Chains that leave the finite numbers: the images stay as they were, the noise is used up so
 * that another attempt is one, and the sampler lives. */
START_TEST(an_exploding_chain_changes_nothing)
{
    world w = world_open(world_backends[_i], "mlp", 1, 4, "sgld.noise_std=0.1");
    static float x[8 * SIZE], before[8 * SIZE], a[SIZE], b[SIZE];

    run(&w, 1, 1, NULL, 1, 1, 1, a);
    jem_check_ok(jem_sampler_seed(w.sampler, 1, 1));
    memcpy(x, x0, sizeof x);
    w.sampler->step_size = 3e38f; /* beyond what the option allows */
    jem_check_fails(jem_sampler_run(w.sampler, x, NULL, 8, 40), JEM_E_NUMERIC,
                    "jem_sampler_run: chain 0 (image 0 of this call) holds ");
    jem_check_same(x, x0, 8 * SIZE);
    w.sampler->step_size = 1;
    memcpy(b, x0, sizeof b);
    jem_check_ok(jem_sampler_run(w.sampler, b, NULL, 1, 1));
    ck_assert_double_gt(jem_relative_l2(b, a, SIZE), 0.01); /* chain 8, not chain 0 */

    /* Only image 6 overflows, in the second batch; one chain has run before. */
    w.sampler->noise_std = 3e37f;
    for (int64_t j = 0; j < SIZE; j++)
        x[6 * SIZE + j] = 3e38f;
    memcpy(before, x, sizeof x);
    jem_check_ok(jem_sampler_seed(w.sampler, 1, 1));
    jem_check_ok(jem_sampler_run(w.sampler, a, NULL, 1, 0));
    jem_check_fails(jem_sampler_run(w.sampler, x, NULL, 8, 1), JEM_E_NUMERIC,
                    "chain 7 (image 6 of this call)");
    jem_check_same(x, before, 8 * SIZE);
    world_close(&w);
}
END_TEST

void jem_energy_add_sampler(Suite *suite)
{
    TCase *tc = tcase_create("sampler");

    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_loop_test(tc, a_step_is_the_formula, 0, 2);
    tcase_add_loop_test(tc, a_quadratic_energy_reaches_its_variance, 0, 2);
    tcase_add_loop_test(tc, clamps_keep_nan, 0, 2);
    tcase_add_loop_test(tc, batches_and_threads_leave_no_trace, 0, 4);
    tcase_add_test(tc, seeds_streams_and_chains_differ);
    tcase_add_test(tc, the_seed_option_counts);
    tcase_add_test(tc, refuses_bad_input);
    tcase_add_loop_test(tc, an_exploding_chain_changes_nothing, 0, 2);
    suite_add_tcase(suite, tc);
}
