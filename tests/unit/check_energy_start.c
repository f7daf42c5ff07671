/* SPDX-License-Identifier: MIT */

/* Room energy: the start distribution p0, uniform and Gaussian, and the factors behind it. */

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check_energy.h"
#include "data/dataset.h"
#include "energy/sampler.h"
#include "test_support.h"

#define SIZE WORLD_SIZE

static const int64_t world_shape[3] = {1, 6, 8};

/* --- Uniform ----------------------------------------------------------------------------- */

START_TEST(uniform_is_uniform)
{
    enum { n = 2000 };
    world w = world_open("reference", "mlp", 2, 4, NULL);
    float *x = malloc(sizeof *x * n * SIZE), *again = malloc(sizeof *again * n * SIZE);
    double sum = 0, squares = 0, lag = 0;

    jem_check_ok(jem_sampler_init(w.sampler, NULL, x, n));
    for (int64_t j = 0; j < n * SIZE; j++) {
        ck_assert(x[j] >= -1.0f && x[j] < 1.0f);
        sum += (double)x[j];
        squares += (double)x[j] * (double)x[j];
        lag += j > 0 ? (double)x[j] * (double)x[j - 1] : 0;
    }
    ck_assert_double_eq_tol(sum / (n * SIZE), 0, 0.01);
    ck_assert_double_eq_tol(squares / (n * SIZE), 1.0 / 3, 0.005);
    ck_assert_double_eq_tol(lag / (n * SIZE), 0, 0.005);

    /* The same numbers in other pieces; then new ones. */
    jem_check_ok(jem_sampler_seed(w.sampler, 3, 0));
    jem_check_ok(jem_sampler_init(w.sampler, NULL, again, 1));
    jem_check_ok(jem_sampler_init(w.sampler, NULL, again + SIZE, n - 1));
    jem_check_same(again, x, n * SIZE);
    jem_check_ok(jem_sampler_init(w.sampler, NULL, again, n));
    ck_assert_double_gt(jem_relative_l2(again, x, n * SIZE), 1);
    free(x);
    free(again);
    world_close(&w);
}
END_TEST

/* --- Factors ----------------------------------------------------------------------------- */

/* mean and covariance (+ 1e-4 I) of the images of class k, in plain double loops. */
static void moments(const jem_dataset *data, int32_t k, int64_t size, double *mean, double *cov)
{
    float *x = malloc(sizeof *x * (size_t)size);
    int64_t n = 0;

    memset(mean, 0, sizeof *mean * (size_t)size);
    memset(cov, 0, sizeof *cov * (size_t)(size * size));
    for (int64_t i = 0; i < data->n; i++) {
        if (data->labels[i] != k)
            continue;
        jem__dataset_image(data, i, x);
        n++;
        for (int64_t a = 0; a < size; a++)
            mean[a] += (double)x[a];
    }
    for (int64_t a = 0; a < size; a++)
        mean[a] /= (double)n;
    for (int64_t i = 0; i < data->n; i++) {
        if (data->labels[i] != k)
            continue;
        jem__dataset_image(data, i, x);
        for (int64_t a = 0; a < size; a++) {
            for (int64_t b = 0; b < size; b++)
                cov[a * size + b] +=
                    ((double)x[a] - mean[a]) * ((double)x[b] - mean[b]) / (double)n;
        }
    }
    for (int64_t a = 0; a < size; a++)
        cov[a * size + a] += 1e-4;
    free(x);
}

/* A start of its own for images of `size` values. */
static jem__start *make_start(world *w, int64_t size, int64_t classes)
{
    jem__start *start = NULL;

    jem_check_ok(jem__start_create(w->ctx, w->opts, size, classes, &start));
    return start;
}

/* A A' (+ 1e-4 I for few images) of each class's block against the data. */
static void check_blocks(const jem__start *start, const jem_dataset *data, int64_t size)
{
    double *mean = malloc(sizeof *mean * (size_t)size);
    double *cov = malloc(sizeof *cov * (size_t)(size * size));

    for (int32_t k = 0; k < data->classes; k++) {
        const float *block = jem__start_block(start, k);
        const int64_t columns = jem__start_block_size(start, k) / size - 1;
        const float *factor = block + size;

        moments(data, k, size, mean, cov);
        for (int64_t a = 0; a < size; a++) {
            ck_assert_double_eq_tol((double)block[a], mean[a], 1e-6);
            for (int64_t b = 0; b <= a; b++) {
                double sum = columns < size && a == b ? 1e-4 : 0;

                for (int64_t c = 0; c < columns; c++)
                    sum += (double)factor[a * columns + c] * (double)factor[b * columns + c];
                ck_assert_double_eq_tol(sum, cov[a * size + b], 2e-7);
            }
            for (int64_t c = a + 1; columns == size && c < columns; c++)
                ck_assert(factor[a * columns + c] == 0.0f);
        }
    }
    free(mean);
    free(cov);
}

/* Sizes around the blocks of covariance.c and cholesky.c: panels of 8, chunks of 256, blocks of 64. */
START_TEST(factors_are_those_of_the_data)
{
    static const struct {
        int64_t h, w, n, classes;
    } cases[] = {
        {1, 1, 6, 3},      /* one value */
        {2, 2, 8, 2},      /* as many images as values */
        {2, 2, 6, 2},      /* one less */
        {8, 8, 1000, 2},   /* one full block, chunks of 256, 244 */
        {5, 13, 140, 2},   /* 65 values */
        {11, 15, 1024, 2}, /* 165 values */
        {11, 15, 21, 3},   /* few */
    };
    world w = world_open("reference", "mlp", 2, 4, "start.kind=gaussian");

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const int64_t shape[3] = {1, cases[i].h, cases[i].w}, size = shape[1] * shape[2];
        jem_dataset *data = make_data(w.ctx, cases[i].n, shape, cases[i].classes, 5);
        jem__start *start = make_start(&w, size, cases[i].classes);

        ck_assert_int_eq(jem__start_ready(start), 0);
        jem_check_ok(jem__start_fit(start, "test", data));
        ck_assert_int_eq(jem__start_ready(start), 1);
        check_blocks(start, data, size);
        jem__start_free(start);
        jem_dataset_free(data);
    }
    world_close(&w);
}
END_TEST

/* Images that are all the same have covariance 0: the factor is 1e-2 I. Near the edge of
 * floats, a covariance that cannot be held is an error. */
START_TEST(degenerate_images)
{
    enum { n = 10, size = 4 };
    const int64_t shape[3] = {1, 2, 2};
    world w = world_open("reference", "mlp", 1, 4, "start.kind=gaussian");
    jem__start *start = make_start(&w, size, 1);
    jem_dataset *data = NULL;
    float x[n * size];
    int32_t y[n] = {0};

    for (int64_t j = 0; j < n * size; j++)
        x[j] = 0.25f;
    jem_check_ok(jem_dataset_from_f32(w.ctx, x, y, n, shape, 1, &data));
    jem_check_ok(jem__start_fit(start, "test", data));
    for (int64_t a = 0; a < size; a++) {
        ck_assert(jem__start_block(start, 0)[a] == 0.25f);
        for (int64_t b = 0; b < size; b++)
            ck_assert(jem__start_block(start, 0)[size + a * size + b] == (a == b ? 0.01f : 0));
    }
    jem_dataset_free(data);
    for (int64_t j = 0; j < n * size; j++)
        x[j] = j % 8 < 4 ? 3e38f : -3e38f;
    jem_check_ok(jem_dataset_from_f32(w.ctx, x, y, n, shape, 1, &data));
    jem_check_fails(jem__start_fit(start, "test", data), JEM_E_NUMERIC, "of class 0 is not");
    ck_assert(jem__start_block(start, 0)[0] == 0.25f); /* the old fit stays */
    jem_dataset_free(data);
    jem__start_free(start);
    world_close(&w);
}
END_TEST

/* --- Gaussian draws -------------------------------------------------------------------- */

/* Sample mean and covariance of many draws against those of the data. _i 0: Cholesky factor,
 * 1: few images. */
START_TEST(draws_have_the_moments_of_the_data)
{
    enum { n = 40000, size = 6 };
    const int64_t shape[3] = {1, 2, 3};
    world w = world_open("reference", "mlp", 2, 4, "start.kind=gaussian");
    jem_dataset *data = make_data(w.ctx, _i ? 8 : 400, shape, 2, 6);
    jem__start *start = make_start(&w, size, 2);
    float *x = malloc(sizeof *x * n * size);
    int32_t *y = malloc(sizeof *y * n), *used = malloc(sizeof *used * n);
    double mean[size], cov[size * size];

    jem_check_ok(jem__start_fit(start, "test", data));
    for (int32_t k = 0; k < 2; k++) {
        double sum[size] = {0}, squares[size * size] = {0};

        for (int64_t i = 0; i < n; i++)
            y[i] = k;
        jem__start_draw(start, jem__rng_key(1, 1), 7, y, n, x, used);
        moments(data, k, size, mean, cov);
        for (int64_t i = 0; i < n; i++) {
            ck_assert_int_eq(used[i], k);
            for (int64_t a = 0; a < size; a++) {
                const double xa = (double)x[i * size + a] - mean[a];

                sum[a] += xa / n;
                for (int64_t b = 0; b < size; b++)
                    squares[a * size + b] += xa * ((double)x[i * size + b] - mean[b]) / n;
            }
        }
        for (int64_t a = 0; a < size; a++) {
            ck_assert_double_eq_tol(sum[a], 0, 4 * sqrt(cov[a * size + a] / n));
            for (int64_t b = 0; b < size; b++) {
                const double scale = sqrt(cov[a * size + a] * cov[b * size + b]);

                ck_assert_double_eq_tol(squares[a * size + b], cov[a * size + b], 0.03 * scale);
            }
        }
    }
    free(x);
    free(y);
    free(used);
    jem__start_free(start);
    jem_dataset_free(data);
    world_close(&w);
}
END_TEST

/* Every value within [-1, 1], each class about as often as the others, and the image of a draw
 * is that of its class. */
START_TEST(draws_are_cut_and_classes_are_even)
{
    enum { n = 5000, size = 4 };
    world w = world_open("reference", "mlp", 2, 4, "start.kind=gaussian");
    jem__start *start = make_start(&w, size, 2);
    float block[size * (size + 1)] = {0}, x[n * size], again[size];
    int32_t used[n];
    int64_t ones = 0, at_edge = 0;

    for (int64_t a = 0; a < size; a++)
        block[size + a * size + a] = 0.8f;
    for (int64_t k = 0; k < 2; k++) {
        for (int64_t a = 0; a < size; a++)
            block[a] = k ? 0.5f : -0.5f;
        jem_check_ok(jem__start_set_block(start, k, block, size * (size + 1)));
    }
    jem__start_draw(start, jem__rng_key(1, 1), 0, NULL, n, x, used);
    for (int64_t i = 0; i < n; i++) {
        ones += used[i];
        for (int64_t j = 0; j < size; j++) {
            ck_assert(x[i * size + j] >= -1.0f && x[i * size + j] <= 1.0f);
            at_edge += fabsf(x[i * size + j]) == 1.0f;
        }
    }
    ck_assert_double_eq_tol((double)ones / n, 0.5, 0.03);
    ck_assert_double_eq_tol((double)at_edge / (n * size), 0.2660 + 0.0304, 0.02);
    jem__start_draw(start, jem__rng_key(1, 1), 99, &used[99], 1, again, NULL);
    jem_check_same(again, x + 99 * size, size);
    jem__start_free(start);
    world_close(&w);
}
END_TEST

/* Threads, pieces, and a way through a checkpoint: the same bits. 1,200 values are more than
 * the draw's chunk of 1,024. */
START_TEST(draws_repeat_bit_for_bit)
{
    enum { n = 12, size = 1200 };
    const int64_t shape[3] = {1, 30, 40};
    static float x[3][n * size];
    int32_t y[n], used[n];

    for (int32_t i = 0; i < n; i++)
        y[i] = i % 2;
    for (int r = 0; r < 2; r++) { /* class 0: Cholesky, class 1: few */
        world w = world_open("reference", "mlp", r + 1, 4, "start.kind=gaussian");
        jem_dataset *all = make_data(w.ctx, 2500, shape, 2, 8), *data = NULL;
        jem__start *start = make_start(&w, size, 2), *copy = make_start(&w, size, 2);
        int64_t indices[1300];

        for (int64_t i = 0; i < 1300; i++)
            indices[i] = i < 1250 ? 2 * i : 2 * (i - 1250) + 1;
        jem_check_ok(jem_dataset_subset(all, indices, 1300, &data));
        jem_check_ok(jem__start_fit(start, "test", data));
        ck_assert_int_eq(jem__start_block_size(start, 0), size * (size + 1));
        ck_assert_int_eq(jem__start_block_size(start, 1), size * 51);
        jem__start_draw(start, jem__rng_key(1, 1), 5, y, n, x[r], NULL);

        ck_assert_int_eq(jem__start_block_size(copy, 1), 0);
        ck_assert_ptr_null(jem__start_block(copy, 1));
        for (int64_t k = 0; k < 2; k++) {
            jem_check_ok(jem__start_set_block(copy, k, jem__start_block(start, k),
                                              jem__start_block_size(start, k)));
        }
        ck_assert_int_eq(jem__start_ready(copy), 1);
        for (int64_t i = 0; i < n; i++) {
            jem__start_draw(copy, jem__rng_key(1, 1), (uint64_t)(5 + i), y + i, 1,
                            x[2] + i * size, used + i);
        }
        jem_check_same(x[2], x[r], n * size);
        jem__start_free(start);
        jem__start_free(copy);
        jem_dataset_free(all);
        jem_dataset_free(data);
        world_close(&w);
    }
    jem_check_same(x[1], x[0], n * size);
}
END_TEST

/* --- Through the public functions ------------------------------------------------------- */

START_TEST(fit_and_init_by_class)
{
    world w = world_open(world_backends[_i], "mlp", 2, 4, "start.kind=gaussian");
    jem_dataset *data = make_data(w.ctx, 500, world_shape, WORLD_CLASSES, 9);
    static float x[200 * SIZE];
    int32_t y[200];
    double mean[WORLD_CLASSES] = {0};

    for (int32_t i = 0; i < 200; i++)
        y[i] = i % WORLD_CLASSES;
    jem_check_ok(jem_sampler_fit_start(w.sampler, data));
    jem_dataset_free(data);
    jem_check_ok(jem_sampler_init(w.sampler, y, x, 200));
    for (int64_t j = 0; j < 200 * SIZE; j++)
        mean[y[j / SIZE]] += (double)x[j] / (40 * SIZE);
    for (int32_t k = 0; k < WORLD_CLASSES; k++)
        ck_assert_double_eq_tol(mean[k], 0.1 * (k - 1), 0.02);
    world_close(&w);
}
END_TEST

START_TEST(fit_refuses)
{
    const int64_t other[3] = {1, 8, 6};
    world w = world_open("reference", "mlp", 1, 4, "start.kind=gaussian");
    jem_dataset *turned = make_data(w.ctx, 20, other, WORLD_CLASSES, 1);
    jem_dataset *four = make_data(w.ctx, 20, world_shape, 4, 1);
    jem_dataset *good = make_data(w.ctx, 20, world_shape, WORLD_CLASSES, 1);
    jem_dataset *holes = NULL;
    int64_t indices[16];
    float x[SIZE];

    for (int64_t i = 0; i < 16; i++) /* class 3: once */
        indices[i] = i < 1 ? 3 : 5 * (i % 4) + (i / 4 < 3 ? i / 4 : 4);
    jem_check_ok(jem_dataset_subset(good, indices, 16, &holes));
    jem_check_fails(jem_sampler_fit_start(NULL, good), JEM_E_ARGUMENT, "sampler is NULL");
    jem_check_fails(jem_sampler_fit_start(w.sampler, NULL), JEM_E_ARGUMENT, "data is NULL");
    jem_check_fails(jem_sampler_fit_start(w.sampler, turned), JEM_E_SHAPE,
                    "images are 1 x 8 x 6, the model takes 1 x 6 x 8");
    jem_check_fails(jem_sampler_fit_start(w.sampler, four), JEM_E_SHAPE, "4 classes");
    jem_check_fails(jem_sampler_fit_start(w.sampler, holes), JEM_E_STATE,
                    "class 3 has 1 labelled images, must have at least 2");
    jem_check_fails(jem_sampler_init(w.sampler, NULL, x, 1), JEM_E_STATE, "not been fitted");
    jem_check_ok(jem_sampler_fit_start(w.sampler, good));
    jem_check_ok(jem_sampler_init(w.sampler, NULL, x, 1));
    jem_dataset_free(turned);
    jem_dataset_free(four);
    jem_dataset_free(good);
    jem_dataset_free(holes);
    world_close(&w);
}
END_TEST

START_TEST(init_refuses)
{
    world w = world_open("reference", "mlp", 1, 4, NULL);
    jem_dataset *data = make_data(w.ctx, 20, world_shape, WORLD_CLASSES, 1);
    static const float block[(SIZE + 2) * SIZE] = {NAN};
    jem__start *start = make_start(&w, SIZE, 2);
    float x[2 * SIZE];
    int32_t y[2] = {0, 7};

    jem_check_fails(jem_sampler_fit_start(w.sampler, data), JEM_E_STATE, "\"uniform\"");
    jem_check_fails(jem_sampler_init(NULL, y, x, 1), JEM_E_ARGUMENT, "sampler is NULL");
    jem_check_fails(jem_sampler_init(w.sampler, y, NULL, 1), JEM_E_ARGUMENT, "x is NULL");
    jem_check_fails(jem_sampler_init(w.sampler, y, x, -1), JEM_E_ARGUMENT, "n = -1");
    jem_check_fails(jem_sampler_init(w.sampler, y, x, 2), JEM_E_RANGE,
                    "jem_sampler_init: y[1] = 7, must be 0 to 4");
    jem_check_ok(jem_sampler_init(w.sampler, NULL, NULL, 0));
    jem_check_fails(jem__start_set_block(start, 1, block, SIZE), JEM_E_FORMAT, "holds 48");
    jem_check_fails(jem__start_set_block(start, 1, block, 2 * SIZE + 1), JEM_E_FORMAT, "97");
    jem_check_fails(jem__start_set_block(start, 1, block, 2 * SIZE), JEM_E_NUMERIC, "class 1");
    jem_check_fails(jem__start_set_block(start, 1, block, (SIZE + 2) * SIZE), JEM_E_FORMAT,
                    "must be 2 to 49 times 48");
    jem__start_free(start);
    jem__start_free(NULL);
    jem_dataset_free(data);
    world_close(&w);
}
END_TEST

void jem_energy_add_start(Suite *suite)
{
    TCase *tc = tcase_create("start");

    tcase_add_test(tc, uniform_is_uniform);
    tcase_add_test(tc, factors_are_those_of_the_data);
    tcase_add_test(tc, degenerate_images);
    tcase_add_loop_test(tc, draws_have_the_moments_of_the_data, 0, 2);
    tcase_add_test(tc, draws_are_cut_and_classes_are_even);
    tcase_add_test(tc, draws_repeat_bit_for_bit);
    tcase_add_loop_test(tc, fit_and_init_by_class, 0, 2);
    tcase_add_test(tc, fit_refuses);
    tcase_add_test(tc, init_refuses);
    suite_add_tcase(suite, tc);
}
