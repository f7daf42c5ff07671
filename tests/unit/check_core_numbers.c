/* SPDX-License-Identifier: MIT */
/* Whole-number arithmetic, checks of images and labels, sorting. */

#include "check_core.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "core/algorithms/sort.h"
#include "core/arithmetic.h"
#include "core/check.h"
#include "test_support.h"

START_TEST(mul_tells_overflow)
{
    int64_t product = -1;
    ck_assert_int_eq(jem__mul(6, 7, &product), 1);
    ck_assert_int_eq(product, 42);
    ck_assert_int_eq(jem__mul(0, INT64_MAX, &product), 1);
    ck_assert_int_eq(product, 0);
    ck_assert_int_eq(jem__mul(INT64_MAX, 1, &product), 1);
    ck_assert_int_eq(jem__mul(INT64_MAX, 2, &product), 0);
    ck_assert_int_eq(jem__mul((int64_t)1 << 32, (int64_t)1 << 31, &product), 0);
    ck_assert_int_eq(jem__mul(-1, 0, &product), 0);
    ck_assert_int_eq(jem__mul(1, -1, &product), 0);
}
END_TEST

START_TEST(add_tells_overflow)
{
    int64_t sum = -1;
    ck_assert_int_eq(jem__add(INT64_MAX - 1, 1, &sum), 1);
    ck_assert_int_eq(sum, INT64_MAX);
    ck_assert_int_eq(jem__add(INT64_MAX, 1, &sum), 0);
    ck_assert_int_eq(jem__add(-1, 2, &sum), 0);
    ck_assert_int_eq(jem__add(2, -1, &sum), 0);
}
END_TEST

START_TEST(rounding_goes_up)
{
    ck_assert_int_eq(jem__ceil_div(0, 8), 0);
    ck_assert_int_eq(jem__ceil_div(1, 8), 1);
    ck_assert_int_eq(jem__ceil_div(8, 8), 1);
    ck_assert_int_eq(jem__ceil_div(9, 8), 2);
    ck_assert_int_eq(jem__round_up(0, 16), 0);
    ck_assert_int_eq(jem__round_up(16, 16), 16);
    ck_assert_int_eq(jem__round_up(17, 16), 32);
    ck_assert_int_eq(jem__min(-1, 2), -1);
    ck_assert_int_eq(jem__max(-1, 2), 2);
}
END_TEST

/* The first one is found wherever it stands: the scan goes by blocks of 1,024. */
START_TEST(the_first_number_that_is_not_finite_is_named)
{
    static float x[3000];
    const int64_t at[] = {0, 1, 1023, 1024, 2047, 2999};
    ck_assert_int_eq(jem__first_not_finite(x, 3000), -1);
    ck_assert_int_eq(jem__first_not_finite(x, 0), -1);
    for (size_t i = 0; i < sizeof at / sizeof at[0]; i++) {
        memset(x, 0, sizeof x);
        x[2999] = NAN;
        x[at[i]] = i % 2 == 0 ? -INFINITY : NAN;
        ck_assert_int_eq(jem__first_not_finite(x, 3000), at[i]);
        ck_assert_int_eq(jem__first_not_finite(x, at[i]), -1);
    }
    memset(x, 0, sizeof x);
    x[2010] = INFINITY;
    jem_check_fails(jem__check_finite("f", x, 3, 1000), JEM_E_NUMERIC,
                    "f: value 10 of image 2 is inf, must be finite");
}
END_TEST

START_TEST(images_and_labels_are_checked)
{
    const float x[4] = {0};
    const int32_t y[3] = {0, -1, 9};
    jem_check_ok(jem__check_images("f", NULL, 0, 4));
    jem_check_ok(jem__check_images("f", x, 1, 4));
    jem_check_fails(jem__check_images("f", x, -1, 4), JEM_E_ARGUMENT,
                    "f: n = -1, must be at least 0");
    jem_check_fails(jem__check_images("f", NULL, 1, 4), JEM_E_ARGUMENT, "f: x is NULL");
    jem_check_fails(jem__check_images("f", x, INT64_MAX / 8, 4), JEM_E_RANGE,
                    "is more than memory can hold");
    jem_check_ok(jem__check_classes("f", NULL, 3, 10));
    jem_check_ok(jem__check_labels("f", NULL, 3, 10));
    jem_check_ok(jem__check_classes("f", y, 1, 10));
    jem_check_ok(jem__check_labels("f", y, 3, 10));
    jem_check_fails(jem__check_classes("f", y, 3, 10), JEM_E_RANGE,
                    "f: y[1] = -1, must be 0 to 9");
    jem_check_fails(jem__check_labels("f", y, 3, 9), JEM_E_RANGE,
                    "f: y[2] = 9, must be -1 to 8");
    jem_check_ok(jem__check_class("f", y, 2, 10));
    jem_check_fails(jem__check_class("f", y, 1, 10), JEM_E_RANGE,
                    "f: y[1] = -1, must be 0 to 9");
}
END_TEST

/* Larger than one exchange moves at once, and no multiple of it. */
typedef struct thing {
    int64_t key;
    char body[93];
} thing;

static int32_t smaller_key(const void *a, const void *b)
{
    return ((const thing *)a)->key < ((const thing *)b)->key;
}

/* Every length to 40 with keys that repeat: sorted, and each body still with its key. */
START_TEST(elements_of_any_size_are_sorted)
{
    thing things[40];
    float floats[40];
    for (int64_t n = 0; n <= 40; n++) {
        int64_t sum = 0, left = 0;
        for (int64_t i = 0; i < n; i++) {
            things[i].key = i * 7919 % 23;
            memset(things[i].body, (int)things[i].key, sizeof things[i].body);
            floats[i] = (float)things[i].key - 11.5F;
            sum += things[i].key * things[i].key;
        }
        jem__sort(things, n, sizeof *things, smaller_key);
        jem__sort_floats(floats, n);
        for (int64_t i = 0; i < n; i++) {
            left += things[i].key * things[i].key;
            ck_assert(i == 0 || things[i - 1].key <= things[i].key);
            ck_assert_int_eq(things[i].body[0], things[i].key);
            ck_assert_int_eq(things[i].body[92], things[i].key);
            ck_assert_float_eq(floats[i], (float)things[i].key - 11.5F);
        }
        ck_assert_int_eq(left, sum);
    }
}
END_TEST

TCase *jem_core_numbers_case(void)
{
    TCase *numbers = tcase_create("numbers");
    tcase_add_test(numbers, mul_tells_overflow);
    tcase_add_test(numbers, add_tells_overflow);
    tcase_add_test(numbers, rounding_goes_up);
    tcase_add_test(numbers, the_first_number_that_is_not_finite_is_named);
    tcase_add_test(numbers, images_and_labels_are_checked);
    tcase_add_test(numbers, elements_of_any_size_are_sorted);
    return numbers;
}
