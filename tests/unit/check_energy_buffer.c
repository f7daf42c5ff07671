/* SPDX-License-Identifier: MIT */

/* Room energy: the replay buffer. */

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check_energy.h"
#include "energy/replay_buffer.h"
#include "test_support.h"

#define SIZE WORLD_SIZE

static const int64_t shape[3] = {1, 6, 8};

static world open_with_buffer(const char *settings)
{
    world w = world_open("reference", "mlp", 2, 4, settings);

    jem_check_ok(jem_buffer_create(w.sampler, w.opts, &w.buffer));
    return w;
}

/* Slot i holds the value i everywhere. */
static void mark(world *w, int64_t capacity)
{
    float x[SIZE];

    for (int64_t i = 0; i < capacity; i++) {
        for (int64_t j = 0; j < SIZE; j++)
            x[j] = (float)i;
        jem_check_ok(jem_buffer_store(w->buffer, &i, 1, x));
    }
}

START_TEST(is_born_from_p0)
{
    enum { capacity = 1500 }; /* more than one chunk of the fill */
    world w = open_with_buffer("pcd.capacity=1500 train.seed=11");
    static float x[capacity * SIZE], p0[SIZE];
    int64_t size = 0;

    jem_check_ok(jem_buffer_size(w.buffer, &size));
    ck_assert_int_eq(size, capacity);
    jem_check_ok(jem_buffer_read(w.buffer, 0, capacity, x));
    for (uint64_t i = 0; i < capacity; i += 499) {
        jem__start_draw(w.sampler->start, jem__rng_key(11, 0), (UINT64_C(1) << 62) + i, NULL, 1,
                        p0, NULL);
        jem_check_same(x + i * SIZE, p0, SIZE);
    }
    jem_check_ok(jem_buffer_read(w.buffer, 1499, 1, p0));
    jem_check_same(p0, x + 1499 * SIZE, SIZE);
    world_close(&w);
}
END_TEST

/* Slots are drawn evenly (chi-squared with 49 degrees of freedom), and a share restart_prob of
 * the images is fresh: inside (-1, 1), where the marks are 2 and more. */
START_TEST(draws_are_even_and_restarts_have_their_rate)
{
    enum { capacity = 50, n = 1000, rounds = 20 };
    world w = open_with_buffer("pcd.capacity=50 pcd.restart_prob=0.05");
    static float x[n * SIZE];
    static int64_t slots[n];
    double count[capacity] = {0}, fresh = 0, chi = 0;
    const double expected = (double)n * rounds / capacity;

    mark(&w, capacity);
    for (int r = 0; r < rounds; r++) {
        jem_check_ok(jem_buffer_draw(w.buffer, NULL, n, x, slots));
        for (int64_t i = 0; i < n; i++) {
            ck_assert(slots[i] >= 0 && slots[i] < capacity);
            count[slots[i]]++;
            if (fabsf(x[i * SIZE]) != (float)slots[i] || x[i * SIZE] != x[i * SIZE + 1])
                fresh++;
            else
                ck_assert(x[i * SIZE + SIZE - 1] == (float)slots[i]);
        }
    }
    for (int64_t k = 0; k < capacity; k++)
        chi += (count[k] - expected) * (count[k] - expected) / expected;
    ck_assert_double_lt(chi, 85); /* 0.1 % of all streams exceed it */
    ck_assert_double_eq_tol(fresh / (n * rounds), 0.05, 0.006);
    world_close(&w);
}
END_TEST

START_TEST(restart_prob_zero_and_one)
{
    float x[20 * SIZE], p0[SIZE];
    int64_t slots[20];

    for (int p = 0; p < 2; p++) {
        world w = open_with_buffer(p ? "pcd.capacity=9 pcd.restart_prob=1"
                                     : "pcd.capacity=9 pcd.restart_prob=0");

        mark(&w, 9);
        jem_check_ok(jem_buffer_draw(w.buffer, NULL, 20, x, slots));
        for (int64_t i = 0; i < 20; i++)
            ck_assert((x[i * SIZE] == (float)slots[i] && x[i * SIZE] == x[i * SIZE + 1]) == !p);
        for (uint64_t i = 0; p && i < 20; i++) { /* draw d restarts from start 2^63 + d */
            jem__start_draw(w.sampler->start, w.sampler->key, (UINT64_C(1) << 63) + i, NULL, 1,
                            p0, NULL);
            jem_check_same(x + i * SIZE, p0, SIZE);
        }
        world_close(&w);
    }
}
END_TEST

/* The number of a draw decides, not the call it was part of; a seed makes another stream. */
START_TEST(draws_can_be_split)
{
    world w = open_with_buffer("pcd.capacity=100 pcd.restart_prob=0.5");
    jem_buffer *again = NULL;
    static float a[30 * SIZE], b[30 * SIZE];
    int64_t s[30], t[30];

    jem_check_ok(jem_buffer_create(w.sampler, w.opts, &again));
    jem_check_ok(jem_buffer_draw(w.buffer, NULL, 30, a, s));
    jem_check_ok(jem_buffer_draw(again, NULL, 1, b, t));
    jem_check_ok(jem_buffer_draw(again, NULL, 0, NULL, NULL));
    jem_check_ok(jem_buffer_draw(again, NULL, 29, b + SIZE, t + 1));
    jem_check_same(b, a, 30 * SIZE);
    ck_assert_mem_eq(s, t, sizeof s);
    jem_check_ok(jem_buffer_draw(again, NULL, 30, b, t));
    ck_assert_mem_ne(s, t, sizeof s);
    jem_buffer_free(again);
    world_close(&w);
}
END_TEST

START_TEST(class_parts_are_kept)
{
    enum { n = 600 };
    world w = open_with_buffer("pcd.capacity=33 pcd.class_parts=1 pcd.restart_prob=0");
    static float x[n * SIZE];
    int32_t y[n];
    int64_t slots[n], count[33] = {0};

    mark(&w, 33);
    for (int32_t i = 0; i < n; i++)
        y[i] = i % WORLD_CLASSES;
    jem_check_ok(jem_buffer_draw(w.buffer, y, n, x, slots));
    for (int64_t i = 0; i < n; i++) {
        ck_assert_int_eq(slots[i] / 6, y[i]); /* 33 / 5 slots per class */
        ck_assert(x[i * SIZE] == (float)slots[i]);
        count[slots[i]]++;
    }
    for (int64_t k = 0; k < 33; k++)
        ck_assert((count[k] > 0) == (k < 30));
    world_close(&w);
}
END_TEST

/* Mean value of an image: make_data() puts class k at 0.1 (k - 1). */
static double mean_of(const float *x)
{
    double sum = 0;

    for (int64_t j = 0; j < SIZE; j++)
        sum += (double)x[j] / SIZE;
    return sum;
}

/* With a Gaussian start, fill and restart are of the right class. _i: class parts. */
START_TEST(gaussian_starts_have_their_class)
{
    world w = world_open("reference", "mlp", 2, 4,
                         "start.kind=gaussian pcd.capacity=50 pcd.restart_prob=1");
    jem_dataset *data = make_data(w.ctx, 500, shape, WORLD_CLASSES, 9);
    static float x[50 * SIZE];
    int32_t y[50];
    int64_t slots[50];

    jem_check_fails(jem_buffer_create(w.sampler, w.opts, &w.buffer), JEM_E_STATE,
                    "jem_buffer_create: the \"gaussian\" start has not been fitted");
    ck_assert_ptr_null(w.buffer);
    jem_check_ok(jem_sampler_fit_start(w.sampler, data));
    jem_check_ok(jem_options_set_i64(w.opts, "pcd.class_parts", _i));
    jem_check_ok(jem_buffer_create(w.sampler, w.opts, &w.buffer));
    jem_check_ok(jem_buffer_read(w.buffer, 0, 50, x));
    for (int64_t i = 0; i < 50; i++) {
        const int64_t k = _i ? i / 10 : i % 5;

        ck_assert_double_eq_tol(mean_of(x + i * SIZE), 0.1 * (double)(k - 1), 0.06);
    }
    for (int32_t i = 0; i < 50; i++)
        y[i] = i * 3 % 5;
    jem_check_ok(jem_buffer_draw(w.buffer, y, 50, x, slots));
    for (int64_t i = 0; i < 50; i++)
        ck_assert_double_eq_tol(mean_of(x + i * SIZE), 0.1 * (double)(y[i] - 1), 0.06);
    jem_dataset_free(data);
    world_close(&w);
}
END_TEST

START_TEST(store_and_read)
{
    world w = open_with_buffer("pcd.capacity=10");
    static float x[3 * SIZE], before[10 * SIZE], after[10 * SIZE];
    const int64_t twice[3] = {4, 9, 4}, bad[3] = {0, 1, 10}, negative[1] = {-1};

    fill_uniform(x, 3 * SIZE, 1);
    jem_check_ok(jem_buffer_read(w.buffer, 0, 10, before));
    jem_check_ok(jem_buffer_store(w.buffer, twice, 3, x));
    jem_check_ok(jem_buffer_read(w.buffer, 0, 10, after));
    memcpy(before + 4 * SIZE, x + 2 * SIZE, SIZE * sizeof *x); /* the last one */
    memcpy(before + 9 * SIZE, x + SIZE, SIZE * sizeof *x);
    jem_check_same(after, before, 10 * SIZE);

    /* Refused as a whole. */
    jem_check_fails(jem_buffer_store(w.buffer, bad, 3, x), JEM_E_RANGE,
                    "jem_buffer_store: slots[2] = 10, must be 0 to 9");
    jem_check_fails(jem_buffer_store(w.buffer, negative, 1, x), JEM_E_RANGE, "slots[0] = -1");
    x[2 * SIZE + 7] = NAN;
    jem_check_fails(jem_buffer_store(w.buffer, twice, 3, x), JEM_E_NUMERIC,
                    "value 7 of image 2 is nan");
    jem_check_ok(jem_buffer_read(w.buffer, 0, 10, after));
    jem_check_same(after, before, 10 * SIZE);
    world_close(&w);
}
END_TEST

START_TEST(create_refuses)
{
    world w = open_with_buffer("pcd.capacity=10 start.kind=gaussian start.kind=uniform");
    jem_buffer *b = w.buffer;
    int64_t size;

    jem_check_fails(jem_buffer_create(w.sampler, w.opts, NULL), JEM_E_ARGUMENT, "out is NULL");
    jem_check_fails(jem_buffer_create(NULL, w.opts, &b), JEM_E_ARGUMENT, "sampler is NULL");
    ck_assert_ptr_null(b);
    world_set(w.opts, "pcd.capacity=4 pcd.class_parts=1");
    jem_check_fails(jem_buffer_create(w.sampler, w.opts, &b), JEM_E_RANGE,
                    "pcd.capacity = 4, must be at least the 5 classes");
    ck_assert_ptr_null(b);
    world_set(w.opts, "pcd.capacity=5");
    jem_check_ok(jem_buffer_create(w.sampler, w.opts, &b));
    jem_buffer_free(b);
    jem_buffer_free(NULL);
    jem_check_fails(jem_buffer_size(NULL, &size), JEM_E_ARGUMENT, "buffer is NULL");
    jem_check_fails(jem_buffer_size(w.buffer, NULL), JEM_E_ARGUMENT, "out is NULL");
    world_close(&w);
}
END_TEST

START_TEST(calls_refuse)
{
    world w = open_with_buffer("pcd.capacity=10 pcd.class_parts=1");
    jem_buffer *b = w.buffer;
    float x[2 * SIZE] = {0};
    int64_t slots[2] = {0};
    const int32_t y[2] = {0, 5};

    jem_check_fails(jem_buffer_draw(NULL, y, 1, x, slots), JEM_E_ARGUMENT, "buffer is NULL");
    jem_check_fails(jem_buffer_draw(b, y, -1, x, slots), JEM_E_ARGUMENT, "n = -1");
    jem_check_fails(jem_buffer_draw(b, y, INT64_MAX, x, slots), JEM_E_RANGE, "n = ");
    jem_check_fails(jem_buffer_draw(b, y, 1, NULL, slots), JEM_E_ARGUMENT, "x is NULL");
    jem_check_fails(jem_buffer_draw(b, y, 1, x, NULL), JEM_E_ARGUMENT, "slots is NULL");
    jem_check_fails(jem_buffer_draw(b, NULL, 1, x, slots), JEM_E_ARGUMENT, "y is NULL, but");
    jem_check_fails(jem_buffer_draw(b, y, 2, x, slots), JEM_E_RANGE,
                    "jem_buffer_draw: y[1] = 5, must be 0 to 4");

    jem_check_fails(jem_buffer_store(NULL, slots, 1, x), JEM_E_ARGUMENT, "buffer is NULL");
    jem_check_fails(jem_buffer_store(b, NULL, 1, x), JEM_E_ARGUMENT, "slots is NULL");
    jem_check_fails(jem_buffer_store(b, slots, 1, NULL), JEM_E_ARGUMENT, "x is NULL");
    jem_check_fails(jem_buffer_store(b, slots, -3, x), JEM_E_ARGUMENT, "n = -3");
    jem_check_ok(jem_buffer_store(b, NULL, 0, NULL));

    jem_check_fails(jem_buffer_read(NULL, 0, 1, x), JEM_E_ARGUMENT, "buffer is NULL");
    jem_check_fails(jem_buffer_read(b, 0, 1, NULL), JEM_E_ARGUMENT, "x is NULL");
    jem_check_fails(jem_buffer_read(b, 0, -1, x), JEM_E_ARGUMENT, "n = -1");
    jem_check_fails(jem_buffer_read(b, -1, 1, x), JEM_E_RANGE, "the buffer has 10");
    jem_check_fails(jem_buffer_read(b, 9, 2, x), JEM_E_RANGE,
                    "2 slots from slot 9 wanted, the buffer has 10");
    jem_check_fails(jem_buffer_read(b, INT64_MAX, 1, x), JEM_E_RANGE, "the buffer has 10");
    jem_check_ok(jem_buffer_read(b, 10, 0, NULL));
    world_close(&w);
}
END_TEST

void jem_energy_add_buffer(Suite *suite)
{
    TCase *tc = tcase_create("buffer");

    tcase_add_test(tc, is_born_from_p0);
    tcase_add_test(tc, draws_are_even_and_restarts_have_their_rate);
    tcase_add_test(tc, restart_prob_zero_and_one);
    tcase_add_test(tc, draws_can_be_split);
    tcase_add_test(tc, class_parts_are_kept);
    tcase_add_loop_test(tc, gaussian_starts_have_their_class, 0, 2);
    tcase_add_test(tc, store_and_read);
    tcase_add_test(tc, create_refuses);
    tcase_add_test(tc, calls_refuse);
    suite_add_tcase(suite, tc);
}
