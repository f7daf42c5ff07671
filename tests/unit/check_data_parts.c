/* SPDX-License-Identifier: MIT */
/* Data sets from memory, copies and parts of them; augmentation. Part of the suite "data". */

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jem/data.h>
#include <jem/status.h>

#include "core/context.h"
#include "data/augment.h"
#include "data/dataset.h"
#include "test_support.h"

void jem_data_parts_cases(Suite *suite);

static jem_context *ctx;

static void make_context(void)
{
    jem_check_ok(jem__context_create(NULL, "", NULL, NULL, NULL, &ctx));
}

static void free_context(void)
{
    jem_context_free(ctx);
}

/* ---- from memory, copies and parts ---- */

static const int64_t shape_212[] = {2, 1, 2};
static const uint8_t some_bytes[4] = {0, 1, 2, 255};

/* n images of 2 x 1 x 2: image i holds 4 i, 4 i + 1, ... (bytes) or -0.5 + i (floats). */
static jem_dataset *numbered(int64_t n, int32_t floats)
{
    uint8_t bytes[64];
    float values[64];
    int32_t labels[16];
    jem_dataset *d = NULL;
    for (int64_t i = 0; i < 4 * n; i++) {
        bytes[i] = (uint8_t)i;
        values[i] = (float)i / 4 - 0.5f;
    }
    for (int64_t i = 0; i < n; i++)
        labels[i] = (int32_t)i % 4 - 1;
    if (floats)
        jem_check_ok(jem_dataset_from_f32(ctx, values, labels, n, shape_212, 3, &d));
    else
        jem_check_ok(jem_dataset_from_u8(ctx, bytes, labels, n, shape_212, 3, &d));
    return d;
}

START_TEST(bytes_become_floats)
{
    uint8_t bytes[256];
    float x[256];
    jem_dataset *d = NULL;
    for (int32_t v = 0; v < 256; v++)
        bytes[v] = (uint8_t)v;
    jem_check_ok(jem_dataset_from_u8(ctx, bytes, NULL, 1, (int64_t[]){1, 16, 16}, 1, &d));
    jem_check_ok(jem_dataset_read(d, 0, 1, x, NULL));
    for (int32_t v = 0; v < 256; v++) {
        const double exact = v / 127.5 - 1;
        ck_assert(fabs((double)x[v] - exact) <= 0x1p-24);
        ck_assert(v == 0 || x[v] > x[v - 1]);
    }
    ck_assert(x[0] == -1 && x[255] == 1);
    ck_assert_int_eq(d->labels[0], -1);
    jem_dataset_free(d);
}
END_TEST

START_TEST(memory_is_copied)
{
    float x[] = {1, -2, 3, 1e30f}, back[4];
    int32_t y[] = {-1}, label = 5;
    jem_dataset *d = NULL;
    jem_check_ok(jem_dataset_from_f32(ctx, x, y, 1, shape_212, 65536, &d));
    x[0] = 7;
    y[0] = 2;
    jem_check_ok(jem_dataset_read(d, 0, 1, back, &label));
    ck_assert(back[0] == 1 && back[1] == -2 && back[2] == 3 && back[3] == 1e30f);
    ck_assert_int_eq(label, -1);
    jem_dataset_free(d);
    jem_dataset_free(NULL);
}
END_TEST

START_TEST(memory_is_checked)
{
    const float x[] = {0, 0, 0, 0, 0, NAN, 0, -INFINITY};
    const uint8_t b[4] = {0};
    const int32_t low[] = {-2}, high[] = {3};
    jem_dataset *d = NULL;
    const jem_status argument = JEM_E_ARGUMENT, range = JEM_E_RANGE;
    jem_check_fails(jem_dataset_from_f32(ctx, x, NULL, 2, shape_212, 3, &d), JEM_E_NUMERIC,
                    "image 1 has NaN at position 1");
    jem_check_fails(jem_dataset_from_f32(ctx, x + 6, NULL, 1, (int64_t[]){1, 1, 2}, 3, &d),
                    JEM_E_NUMERIC, "image 0 has an infinity at position 1");
    jem_check_fails(jem_dataset_from_f32(ctx, x, low, 1, shape_212, 3, &d), range,
                    "jem_dataset_from_f32: y[0] = -2, must be -1 to 2");
    jem_check_fails(jem_dataset_from_u8(ctx, b, high, 1, shape_212, 3, &d), range,
                    "jem_dataset_from_u8: y[0] = 3, must be -1 to 2");
    jem_check_fails(jem_dataset_from_u8(ctx, b, NULL, 0, shape_212, 3, &d), argument,
                    "n = 0, must be at least 1");
    jem_check_fails(jem_dataset_from_u8(ctx, b, NULL, 1, (int64_t[]){0, 1, 1}, 3, &d), range,
                    "channels = 0, must be 1 to 4096");
    jem_check_fails(jem_dataset_from_u8(ctx, b, NULL, 1, (int64_t[]){1, 4097, 1}, 3, &d), range,
                    "height = 4097");
    jem_check_fails(jem_dataset_from_f32(ctx, x, NULL, 1, (int64_t[]){1, 1, -1}, 3, &d), range,
                    "width = -1");
    jem_check_fails(jem_dataset_from_u8(ctx, b, NULL, 1, shape_212, 0, &d), range,
                    "classes = 0, must be 1 to 65536");
    jem_check_fails(jem_dataset_from_u8(ctx, b, NULL, 1, shape_212, 65537, &d), range,
                    "classes = 65537");
    jem_check_fails(jem_dataset_from_u8(ctx, b, NULL, INT64_MAX, shape_212, 3, &d), JEM_E_SHAPE,
                    "9223372036854775807 images of 2 x 1 x 2");
    jem_check_fails(jem_dataset_from_f32(NULL, x, NULL, 1, shape_212, 3, &d), argument, "ctx");
    jem_check_fails(jem_dataset_from_f32(ctx, NULL, NULL, 1, shape_212, 3, &d), argument, "x");
    jem_check_fails(jem_dataset_from_f32(ctx, x, NULL, 1, NULL, 3, &d), argument, "shape");
    jem_check_fails(jem_dataset_from_f32(ctx, x, NULL, 1, shape_212, 3, NULL), argument, "out");
    jem_check_fails(jem_dataset_from_u8(NULL, b, NULL, 1, shape_212, 3, &d), argument, "ctx");
    jem_check_fails(jem_dataset_from_u8(ctx, NULL, NULL, 1, shape_212, 3, &d), argument, "x");
    jem_check_fails(jem_dataset_from_u8(ctx, b, NULL, 1, NULL, 3, &d), argument, "shape");
    jem_check_fails(jem_dataset_from_u8(ctx, b, NULL, 1, shape_212, 3, NULL), argument, "out");
    ck_assert_ptr_null(d);
}
END_TEST

START_TEST(reading_stays_inside)
{
    jem_dataset *d = numbered(5, 1);
    float x[8];
    int32_t y[5];
    int64_t n, shape[4];
    jem_check_ok(jem_dataset_read(d, 3, 2, x, y));
    ck_assert(x[0] == 2.5f && x[7] == 4.25f && y[0] == 2 && y[1] == -1);
    jem_check_ok(jem_dataset_read(d, 5, 0, x, y));
    jem_check_ok(jem_dataset_read(d, 0, 0, NULL, NULL));
    jem_check_fails(jem_dataset_read(d, 4, 2, x, y), JEM_E_RANGE,
                    "first = 4, n = 2, must lie within the 5 images");
    jem_check_fails(jem_dataset_read(d, 6, 0, x, y), JEM_E_RANGE, "first = 6");
    jem_check_fails(jem_dataset_read(d, -1, 1, x, y), JEM_E_RANGE, "first = -1");
    jem_check_fails(jem_dataset_read(d, INT64_MAX, 1, x, y), JEM_E_RANGE, "must lie within");
    jem_check_fails(jem_dataset_read(d, 1, INT64_MAX, x, y), JEM_E_RANGE, "must lie within");
    jem_check_fails(jem_dataset_read(d, 0, -1, x, y), JEM_E_ARGUMENT, "n = -1");
    jem_check_fails(jem_dataset_read(NULL, 0, 1, x, y), JEM_E_ARGUMENT, "d is NULL");
    jem_check_fails(jem_dataset_size(NULL, &n), JEM_E_ARGUMENT, "d is NULL");
    jem_check_fails(jem_dataset_size(d, NULL), JEM_E_ARGUMENT, "out is NULL");
    jem_check_fails(jem_dataset_shape(NULL, shape), JEM_E_ARGUMENT, "d is NULL");
    jem_check_fails(jem_dataset_shape(d, NULL), JEM_E_ARGUMENT, "shape is NULL");
    jem_dataset_free(d);
}
END_TEST

START_TEST(data_sets_are_joined)
{
    jem_dataset *bytes = numbered(3, 0), *floats = numbered(2, 1), *all = NULL;
    float x[20], part[12];
    int32_t y[5];
    jem_check_ok(jem_dataset_concat((jem_dataset *[]){bytes, bytes}, 2, &all));
    ck_assert_ptr_nonnull(all->bytes);
    ck_assert_int_eq(all->n, 6);
    ck_assert_mem_eq(all->bytes + 12, bytes->bytes, 12);
    jem_dataset_free(all);

    jem_check_ok(jem_dataset_concat((jem_dataset *[]){bytes, floats}, 2, &all));
    jem_check_ok(jem_dataset_read(all, 0, 5, x, y));
    jem_check_ok(jem_dataset_read(bytes, 0, 3, part, NULL));
    jem_check_same(x, part, 12);
    jem_check_ok(jem_dataset_read(floats, 0, 2, part, NULL));
    jem_check_same(x + 12, part, 8);
    ck_assert(y[0] == -1 && y[2] == 1 && y[3] == -1 && y[4] == 0);
    jem_dataset_free(all);

    jem_check_ok(jem_dataset_concat((jem_dataset *[]){floats, bytes}, 2, &all));
    jem_check_ok(jem_dataset_read(all, 0, 2, x, NULL));
    jem_check_same(x, part, 8);
    jem_dataset_free(all);

    jem_dataset *other = NULL;
    jem_check_ok(jem_dataset_from_u8(ctx, some_bytes, NULL, 1, shape_212, 4, &other));
    jem_check_fails(jem_dataset_concat((jem_dataset *[]){bytes, other}, 2, &all), JEM_E_SHAPE,
                    "part 1 has images of 2 x 1 x 2 in 4 classes, must be as part 0");
    jem_check_fails(jem_dataset_concat((jem_dataset *[]){bytes, NULL}, 2, &all), JEM_E_ARGUMENT,
                    "parts[1] is NULL");
    jem_check_fails(jem_dataset_concat(NULL, 2, &all), JEM_E_ARGUMENT, "parts is NULL");
    jem_check_fails(jem_dataset_concat(&bytes, 0, &all), JEM_E_ARGUMENT, "count = 0");
    jem_check_fails(jem_dataset_concat(&bytes, 1, NULL), JEM_E_ARGUMENT, "out is NULL");
    ck_assert_ptr_null(all);
    jem_dataset_free(other);
    jem_dataset_free(floats);
    jem_dataset_free(bytes);
}
END_TEST

START_TEST(images_are_picked)
{
    const int64_t indices[] = {4, 0, 4}, low[] = {0, -1}, high[] = {5};
    for (int32_t floats = 0; floats < 2; floats++) {
        jem_dataset *d = numbered(5, floats), *part = NULL;
        float x[12], all[20];
        int32_t y[3];
        jem_check_ok(jem_dataset_subset(d, indices, 3, &part));
        jem_check_ok(jem_dataset_read(part, 0, 3, x, y));
        jem_check_ok(jem_dataset_read(d, 0, 5, all, NULL));
        for (int32_t i = 0; i < 3; i++)
            jem_check_same(x + 4 * i, all + 4 * indices[i], 4);
        ck_assert(y[0] == -1 && y[1] == -1 && y[2] == -1);
        jem_dataset_free(part);
        /* No index is read of a count that cannot be. */
        jem_check_fails(jem_dataset_subset(d, low, (int64_t)1 << 50, &part), JEM_E_NOMEM, "");
        jem_check_fails(jem_dataset_subset(d, low, INT64_MAX, &part), JEM_E_RANGE,
                        "count = 9223372036854775807, is more than memory can hold");
        jem_check_fails(jem_dataset_subset(d, low, 2, &part), JEM_E_RANGE,
                        "indices[1] = -1, must be 0 to 4");
        jem_check_fails(jem_dataset_subset(d, high, 1, &part), JEM_E_RANGE, "indices[0] = 5");
        jem_check_fails(jem_dataset_subset(d, high, 0, &part), JEM_E_ARGUMENT, "count = 0");
        jem_check_fails(jem_dataset_subset(d, NULL, 1, &part), JEM_E_ARGUMENT, "indices");
        jem_check_fails(jem_dataset_subset(NULL, low, 1, &part), JEM_E_ARGUMENT, "d is NULL");
        jem_check_fails(jem_dataset_subset(d, low, 1, NULL), JEM_E_ARGUMENT, "out is NULL");
        ck_assert_ptr_null(part);
        jem_dataset_free(d);
    }
}
END_TEST

START_TEST(parts_of_a_split_make_the_whole)
{
    jem_dataset *d = numbered(16, 0), *a = NULL, *b = NULL;
    int32_t different = 0;
    uint8_t previous[64] = {0};
    for (int64_t seed = -2; seed < 3; seed++) {
        for (int64_t second = 1; second < 16; second++) {
            jem_check_ok(jem_dataset_split(d, second, seed, &a, &b));
            ck_assert_int_eq(a->n, 16 - second);
            ck_assert_int_eq(b->n, second);
            /* Both ascend; merged they are all images, each once. */
            int64_t i = 0, j = 0;
            for (int64_t k = 0; k < 16; k++) {
                const uint8_t want = (uint8_t)(4 * k);
                const int32_t in_a = i < a->n && a->bytes[4 * i] == want;
                ck_assert(in_a || (j < b->n && b->bytes[4 * j] == want));
                const jem_dataset *from = in_a ? a : b;
                ck_assert_int_eq(from->labels[in_a ? i : j], d->labels[k]);
                i += in_a;
                j += !in_a;
            }
            jem_dataset *a2 = NULL, *b2 = NULL;
            jem_check_ok(jem_dataset_split(d, second, seed, &a2, &b2));
            ck_assert_mem_eq(b2->bytes, b->bytes, (size_t)(4 * second));
            jem_dataset_free(a2);
            jem_dataset_free(b2);
            if (second == 8) {
                different += memcmp(previous, b->bytes, 32) != 0;
                memcpy(previous, b->bytes, 32);
            }
            jem_dataset_free(a);
            jem_dataset_free(b);
        }
    }
    ck_assert_int_eq(different, 5);

    jem_check_fails(jem_dataset_split(d, 0, 1, &a, &b), JEM_E_RANGE,
                    "second = 0, must be 1 to 15");
    jem_check_fails(jem_dataset_split(d, 16, 1, &a, &b), JEM_E_RANGE, "second = 16");
    ck_assert(a == NULL && b == NULL);
    jem_check_fails(jem_dataset_split(NULL, 1, 1, &a, &b), JEM_E_ARGUMENT, "d is NULL");
    jem_check_fails(jem_dataset_split(d, 1, 1, NULL, &b), JEM_E_ARGUMENT, "out_a is NULL");
    jem_check_fails(jem_dataset_split(d, 1, 1, &a, NULL), JEM_E_ARGUMENT, "out_b is NULL");
    jem_dataset_free(d);
}
END_TEST

START_TEST(a_data_set_outlives_its_context_handle)
{
    jem_context *own = NULL;
    jem_dataset *d = NULL;
    float x[4];
    jem_check_ok(jem__context_create(NULL, "", NULL, NULL, NULL, &own));
    jem_check_ok(jem_dataset_from_u8(own, some_bytes, NULL, 1, shape_212, 1, &d));
    jem_context_free(own);
    jem_check_ok(jem_dataset_read(d, 0, 1, x, NULL));
    ck_assert(x[0] == -1);
    jem_dataset_free(d);
}
END_TEST

/* ---- augmentation ---- */

#define AUG_C 2
#define AUG_H 5
#define AUG_W 7
#define AUG   (AUG_C * AUG_H * AUG_W)

static jem_dataset *augment_data(void)
{
    uint8_t bytes[2 * AUG];
    jem_dataset *d = NULL;
    for (int32_t i = 0; i < 2 * AUG; i++)
        bytes[i] = (uint8_t)i;
    jem_check_ok(
        jem_dataset_from_u8(ctx, bytes, NULL, 2, (int64_t[]){AUG_C, AUG_H, AUG_W}, 1, &d));
    return d;
}

/* As torchvision does it: make the padded image, cut, mirror. */
static void augment_slowly(const float *x, int64_t pad, int64_t dy, int64_t dx, int32_t flip,
                           float *out)
{
    const int64_t h = AUG_H + 2 * pad, w = AUG_W + 2 * pad;
    static float padded[AUG_C * 3 * AUG_H * 3 * AUG_W];
    for (int64_t c = 0; c < AUG_C; c++) {
        for (int64_t y = 0; y < h; y++) {
            for (int64_t i = 0; i < w; i++) {
                int64_t sy = llabs(y - pad), sx = llabs(i - pad);
                sy = AUG_H - 1 - llabs(AUG_H - 1 - sy);
                sx = AUG_W - 1 - llabs(AUG_W - 1 - sx);
                padded[(c * h + y) * w + i] = x[(c * AUG_H + sy) * AUG_W + sx];
            }
        }
        for (int64_t y = 0; y < AUG_H; y++) {
            for (int64_t i = 0; i < AUG_W; i++)
                out[(c * AUG_H + y) * AUG_W + (flip ? AUG_W - 1 - i : i)] =
                    padded[(c * h + y + dy) * w + i + dx];
        }
    }
}

START_TEST(nothing_asked_nothing_done)
{
    jem_dataset *d = augment_data();
    const jem__augment none = {0, 0, 0, JEM__RNG_AUGMENT_PX, JEM__RNG_NOISE_PX};
    float scratch[AUG], out[AUG], x[AUG];
    jem_check_ok(jem_dataset_read(d, 1, 1, x, NULL));
    for (uint64_t number = 0; number < 50; number++) {
        jem__augment_image(&none, d, 1, jem__rng_key(3, 0), number, scratch, out);
        jem_check_same(out, x, AUG);
    }
    jem_dataset_free(d);
}
END_TEST

START_TEST(crops_and_flips_are_those_of_a_padded_image)
{
    jem_dataset *d = augment_data();
    const jem__key key = jem__rng_key(3, 1);
    float scratch[AUG], out[AUG], x[AUG], slow[AUG];
    int32_t flips = 0, seen[5][5] = {{0}};
    jem_check_ok(jem_dataset_read(d, 0, 1, x, NULL));
    for (uint64_t number = 0; number < 2000; number++) {
        const int64_t pad = number < 1000 ? 2 : (int64_t)(number % AUG_H);
        const jem__augment what = {pad, 1, 0, JEM__RNG_AUGMENT_PYX, JEM__RNG_NOISE_PYX};
        const jem__rng rng = {key, JEM__RNG_AUGMENT_PYX, 0, number};
        uint32_t w[5];
        jem__rng_words(&rng, 0, 5, w);
        const int64_t dy = jem__rng_below(w, 2 * pad + 1),
                      dx = jem__rng_below(w + 2, 2 * pad + 1);
        const int32_t flip = (int32_t)(w[4] >> 31);
        augment_slowly(x, pad, dy, dx, flip, slow);
        jem__augment_image(&what, d, 0, key, number, scratch, out);
        jem_check_same(out, slow, AUG);
        if (number < 1000) {
            flips += flip;
            seen[dy][dx]++;
        }
    }
    ck_assert_int_ge(flips, 420); /* 500 +- 5 standard deviations */
    ck_assert_int_le(flips, 580);
    for (int32_t i = 0; i < 25; i++)
        ck_assert_int_ge(seen[i / 5][i % 5], 10); /* 40 expected */
    jem_dataset_free(d);
}
END_TEST

START_TEST(noise_comes_last_and_from_its_own_stream)
{
    jem_dataset *d = augment_data();
    const jem__key key = jem__rng_key(9, 1);
    const jem__augment noisy = {2, 1, 0.03f, JEM__RNG_AUGMENT_PX, JEM__RNG_NOISE_PX};
    jem__augment clean = noisy;
    float scratch[AUG], out[AUG], again[AUG], calm[AUG], normal[AUG];
    clean.noise_std = 0;
    for (uint64_t number = 0; number < 20; number++) {
        const jem__rng rng = {key, JEM__RNG_NOISE_PX, 0, number};
        jem__augment_image(&noisy, d, 0, key, number, scratch, out);
        jem__augment_image(&clean, d, 0, key, number, scratch, calm);
        jem__rng_normal(&rng, 0, AUG, normal);
        for (int32_t e = 0; e < AUG; e++)
            calm[e] += 0.03f * normal[e];
        jem_check_same(out, calm, AUG);
    }
    jem__augment_image(&noisy, d, 0, key, 19, scratch, again);
    jem_check_same(again, out, AUG);
    jem__augment_image(&noisy, d, 0, key, 20, scratch, again);
    ck_assert(memcmp(again, out, sizeof out) != 0);
    jem_dataset_free(d);
}
END_TEST

void jem_data_parts_cases(Suite *suite)
{
    TCase *parts = tcase_create("parts");
    tcase_add_checked_fixture(parts, make_context, free_context);
    tcase_add_test(parts, bytes_become_floats);
    tcase_add_test(parts, memory_is_copied);
    tcase_add_test(parts, memory_is_checked);
    tcase_add_test(parts, reading_stays_inside);
    tcase_add_test(parts, data_sets_are_joined);
    tcase_add_test(parts, images_are_picked);
    tcase_add_test(parts, parts_of_a_split_make_the_whole);
    tcase_add_test(parts, a_data_set_outlives_its_context_handle);
    suite_add_tcase(suite, parts);
    TCase *augment = tcase_create("augment");
    tcase_add_checked_fixture(augment, make_context, free_context);
    tcase_add_test(augment, nothing_asked_nothing_done);
    tcase_add_test(augment, crops_and_flips_are_those_of_a_padded_image);
    tcase_add_test(augment, noise_comes_last_and_from_its_own_stream);
    suite_add_tcase(suite, augment);
}
