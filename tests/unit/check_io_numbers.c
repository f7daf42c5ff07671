/* SPDX-License-Identifier: MIT */
/* Numbers of all types as float and int64_t. The oracles: ldexp for half precision, the bits of
 * a float for bfloat16, NumPy and PyTorch in files of Python's safetensors. Part of the suite
 * "io". */

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jem/status.h>

#include "core/context.h"
#include "io/safetensors.h"
#include "test_support.h"

void jem_io_numbers_cases(Suite *suite);

static jem_context *ctx;
static char path[JEM_TEST_PATH];
static jem__st_file *file;

static void make_context(void)
{
    jem_check_ok(jem__context_create(NULL, "", NULL, NULL, NULL, &ctx));
    jem_test_path("numbers.safetensors", path);
    file = NULL;
}

static void free_context(void)
{
    jem__st_close(file);
    jem_context_free(ctx);
}

/* A file with one tensor "t", opened. */
static const jem__st_tensor *put(const char *dtype, const void *data, int64_t count)
{
    jem__st_builder *b = NULL;
    jem__st_close(file);
    file = NULL;
    jem_check_ok(jem__st_builder_create(ctx, &b));
    jem_check_ok(jem__st_add(b, "t", dtype, 1, &count, data));
    jem_check_ok(jem__st_write(b, "caller", path));
    jem__st_builder_free(b);
    jem_check_ok(jem__st_open(ctx, "caller", path, &file));
    return jem__st_find(file, "t");
}

#define ALL_HALVES 65536

START_TEST(half_precision_widens_exactly)
{
    uint16_t *in = malloc(ALL_HALVES * sizeof *in);
    float *out = malloc(ALL_HALVES * sizeof *out);
    for (int32_t i = 0; i < ALL_HALVES; i++)
        in[i] = (uint16_t)i;
    const jem__st_tensor *t = put("F16", in, ALL_HALVES);
    jem_check_ok(jem__st_read_f32(file, t, out, ALL_HALVES));
    for (int32_t i = 0; i < ALL_HALVES; i++) {
        const int exponent = i >> 10 & 31, fraction = i & 1023;
        double value =
            exponent == 0 ? ldexp(fraction, -24) : ldexp(1024 + fraction, exponent - 25);
        if (exponent == 31)
            value = fraction == 0 ? (double)INFINITY : (double)NAN;
        if (isnan(value))
            ck_assert_msg(isnan(out[i]), "half %04x gave %g", (unsigned)i, (double)out[i]);
        else
            ck_assert_msg((double)out[i] == (i < 0x8000 ? value : -value) &&
                              !signbit(out[i]) == (i < 0x8000),
                          "half %04x gave %g", (unsigned)i, (double)out[i]);
    }
    free(in);
    free(out);
}
END_TEST

START_TEST(bfloat16_is_the_upper_half_of_a_float)
{
    uint16_t *in = malloc(ALL_HALVES * sizeof *in);
    float *out = malloc(ALL_HALVES * sizeof *out);
    for (int32_t i = 0; i < ALL_HALVES; i++)
        in[i] = (uint16_t)i;
    const jem__st_tensor *t = put("BF16", in, ALL_HALVES);
    jem_check_ok(jem__st_read_f32(file, t, out, ALL_HALVES));
    for (uint32_t i = 0; i < ALL_HALVES; i++) {
        uint32_t bits;
        memcpy(&bits, &out[i], sizeof bits);
        ck_assert_uint_eq(bits, i << 16);
    }
    free(in);
    free(out);
}
END_TEST

START_TEST(doubles_are_rounded_to_nearest)
{
    const double in[] = {1,
                         1 + 0x1p-24,           /* a tie: to even */
                         1 + 0x1p-24 + 0x1p-50, /* above the tie */
                         1 + 0x3p-24,           /* a tie: to even, upwards */
                         -0.0,
                         0x1p-149,
                         0x1p-150, /* a tie between 0 and the smallest */
                         3e38,
                         1e300,
                         -0x1.ffffffp127, /* the tie above the largest float */
                         (double)NAN};
    const float expected[] = {1, 1,     1 + 0x1p-23f, 1 + 0x1p-22f, -0.0f, 0x1p-149f,
                              0, 3e38f, INFINITY,     -INFINITY,    NAN};
    const int64_t n = sizeof in / sizeof in[0];
    float out[sizeof in / sizeof in[0]];
    const jem__st_tensor *t = put("F64", in, n);
    jem_check_ok(jem__st_read_f32(file, t, out, n));
    for (int64_t i = 0; i < n - 1; i++)
        ck_assert_msg(memcmp(&out[i], &expected[i], sizeof out[i]) == 0, "%a gave %a", in[i],
                      (double)out[i]);
    ck_assert(isnan(out[n - 1]));
}
END_TEST

/* The same bytes, read as each integer type. */
START_TEST(integers_are_read)
{
    static const struct {
        const char *dtype;
        int64_t first, last;
    } types[] = {
        {"U8", 255, 127},
        {"I8", -1, 127},
        {"U16", 65535, 32767},
        {"I16", -1, 32767},
        {"U32", UINT32_MAX, 0x7fffffff},
        {"I32", -1, 0x7fffffff},
        {"I64", -1, INT64_MAX},
        {"BOOL", 1, 1},
    };
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        const int64_t size = jem__st_dtype_find(types[i].dtype)->bits / 8;
        uint8_t bytes[24];
        memset(bytes, 0xff, sizeof bytes);
        memset(bytes + size, 0, (size_t)size);
        bytes[3 * size - 1] = 0x7f;
        const jem__st_tensor *t = put(types[i].dtype, bytes, 3);
        int64_t whole[3];
        float x[3];
        jem_check_ok(jem__st_read_i64(file, t, whole, 3));
        ck_assert_int_eq(whole[0], types[i].first);
        ck_assert_int_eq(whole[1], 0);
        ck_assert_int_eq(whole[2], types[i].last);
        jem_check_ok(jem__st_read_f32(file, t, x, 3));
        for (int32_t k = 0; k < 3; k++)
            ck_assert(x[k] == (float)whole[k]);
    }
}
END_TEST

START_TEST(large_integers_are_rounded_once_or_refused)
{
    /* as double first, 2^61 + 2^37 + 1 would become a tie and go down */
    const int64_t in[] = {(INT64_C(1) << 61) + (INT64_C(1) << 37) + 1, 16777217, INT64_MIN};
    const uint64_t large[] = {INT64_MAX, UINT64_C(1) << 63, UINT64_MAX};
    float x[3];
    int64_t whole[3];
    const jem__st_tensor *t = put("I64", in, 3);
    jem_check_ok(jem__st_read_f32(file, t, x, 3));
    ck_assert(x[0] == 0x1p61f + 0x1p38f && x[1] == 16777216.0f && x[2] == -0x1p63f);
    t = put("U64", large, 3);
    jem_check_ok(jem__st_read_f32(file, t, x, 3));
    ck_assert(x[0] == 0x1p63f && x[1] == 0x1p63f && x[2] == 0x1p64f);
    jem_check_fails(jem__st_read_i64(file, t, whole, 3), JEM_E_FORMAT,
                    "\"t\": 9223372036854775808 at index 1, must be at most");
}
END_TEST

START_TEST(other_types_are_refused_by_name)
{
    static const char *const opaque[] = {"C64",     "F8_E4M3",     "F8_E5M2",
                                         "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ",
                                         "F4",      "F6_E2M3",     "F6_E3M2"};
    static const char *const real[] = {"F64", "F32", "F16", "BF16"};
    uint8_t bytes[32] = {0};
    float x[4];
    int64_t whole[4];
    char text[80];
    for (size_t i = 0; i < sizeof opaque / sizeof opaque[0]; i++) {
        const jem__st_tensor *t = put(opaque[i], bytes, 4);
        snprintf(text, sizeof text, "dtype %s, must be F32, F64, F16, BF16, BOOL or",
                 opaque[i]);
        jem_check_fails(jem__st_read_f32(file, t, x, 4), JEM_E_FORMAT, text);
        snprintf(text, sizeof text, "dtype %s, must be BOOL or an integer type", opaque[i]);
        jem_check_fails(jem__st_read_i64(file, t, whole, 4), JEM_E_FORMAT, text);
    }
    for (size_t i = 0; i < sizeof real / sizeof real[0]; i++) {
        const jem__st_tensor *t = put(real[i], bytes, 4);
        snprintf(text, sizeof text, "dtype %s, must be BOOL or an integer type", real[i]);
        jem_check_fails(jem__st_read_i64(file, t, whole, 4), JEM_E_FORMAT, text);
        jem_check_fails(jem__st_read_f32(file, t, x, 3), JEM_E_SHAPE, "4 numbers, must be 3");
        jem_check_fails(jem__st_read_bytes(file, t, 1, bytes, t->bytes), JEM_E_INTERNAL,
                        "\"t\"");
    }
}
END_TEST

/* Longer than what is converted at a time, and of a size that leaves a rest. */
START_TEST(long_tensors_are_read_in_parts)
{
    enum { N = 50001 };
    int16_t *in = malloc(N * sizeof *in);
    float *x = malloc(N * sizeof *x);
    int64_t *whole = malloc(N * sizeof *whole);
    for (int32_t i = 0; i < N; i++)
        in[i] = (int16_t)(i * 7);
    const jem__st_tensor *t = put("I16", in, N);
    jem_check_ok(jem__st_read_f32(file, t, x, N));
    jem_check_ok(jem__st_read_i64(file, t, whole, N));
    for (int32_t i = 0; i < N; i++)
        ck_assert(x[i] == (float)in[i] && whole[i] == in[i]);
    free(in);
    free(x);
    free(whole);
}
END_TEST

/* golden/python.py wrote it with Python's safetensors: tensors "t.TYPE", and what NumPy or
 * PyTorch make of them as F32 in "f.TYPE" and as I64 in "i.TYPE". */
START_TEST(files_of_python_are_read)
{
    int32_t compared = 0;
    jem_check_ok(jem__st_open(ctx, "caller", JEM_TEST_DATA "/python.safetensors", &file));
    ck_assert_str_eq(jem__st_metadata(file, "format"), "pt");
    for (int64_t i = 0; i < jem__st_count(file); i++) {
        const jem__st_tensor *t = jem__st_tensor_at(file, i);
        if (strncmp(t->name, "t.", 2) != 0)
            continue;
        char name[64];
        float x[64], f[64];
        int64_t y[64], w[64];
        ck_assert(t->count <= 64 && strcmp(t->dtype, t->name + 2) == 0);
        snprintf(name, sizeof name, "f.%s", t->dtype);
        jem_check_ok(jem__st_read_f32(file, t, x, t->count));
        jem_check_ok(jem__st_read_f32(file, jem__st_find(file, name), f, t->count));
        jem_check_same(x, f, t->count);
        name[0] = 'i';
        const jem__st_tensor *whole = jem__st_find(file, name);
        if (whole != NULL) {
            jem_check_ok(jem__st_read_i64(file, t, y, t->count));
            jem_check_ok(jem__st_read_i64(file, whole, w, t->count));
            ck_assert_mem_eq(y, w, (size_t)t->count * sizeof y[0]);
        }
        compared++;
    }
    ck_assert_int_eq(compared, 13);
    const jem__st_tensor *scalar = jem__st_find(file, "scalar"),
                         *none = jem__st_find(file, "none");
    ck_assert(scalar != NULL && scalar->rank == 0 && scalar->count == 1);
    ck_assert(none != NULL && none->rank == 2 && none->count == 0 && none->shape[1] == 7);
}
END_TEST

void jem_io_numbers_cases(Suite *suite)
{
    TCase *numbers = tcase_create("numbers");
    tcase_add_checked_fixture(numbers, make_context, free_context);
    tcase_set_timeout(numbers, 30);
    tcase_add_test(numbers, half_precision_widens_exactly);
    tcase_add_test(numbers, bfloat16_is_the_upper_half_of_a_float);
    tcase_add_test(numbers, doubles_are_rounded_to_nearest);
    tcase_add_test(numbers, integers_are_read);
    tcase_add_test(numbers, large_integers_are_rounded_once_or_refused);
    tcase_add_test(numbers, other_types_are_refused_by_name);
    tcase_add_test(numbers, long_tensors_are_read_in_parts);
    tcase_add_test(numbers, files_of_python_are_read);
    suite_add_tcase(suite, numbers);
}
