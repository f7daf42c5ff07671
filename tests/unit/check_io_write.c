/* SPDX-License-Identifier: MIT */
/* The safetensors container: what is written, byte for byte, and what damage does to it. Part of
 * the suite "io". */

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jem/status.h>

#include "core/context.h"
#include "io/safetensors.h"
#include "test_support.h"

void jem_io_write_cases(Suite *suite);

static jem_context *ctx;
static char path[JEM_TEST_PATH];

static void make_context(void)
{
    jem_check_ok(jem__context_create(NULL, "", NULL, NULL, NULL, &ctx));
    jem_test_path("container.safetensors", path);
}

static void free_context(void)
{
    jem_context_free(ctx);
}

/* Anew each time: ext4 flushes a file that was cut to nothing and written again. */
static void write_file(const void *bytes, size_t len)
{
    (void)remove(path);
    FILE *file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, len, file), len);
    ck_assert_int_eq(fclose(file), 0);
}

static uint8_t *read_file(size_t *len)
{
    FILE *file = fopen(path, "rb");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fseek(file, 0, SEEK_END), 0);
    *len = (size_t)ftell(file);
    rewind(file);
    uint8_t *bytes = malloc(*len + 1);
    ck_assert_uint_eq(fread(bytes, 1, *len, file), *len);
    fclose(file);
    return bytes;
}

static const float floats[] = {1.5f, -2, 0, 3, 4, 5};
static const int64_t longs[] = {-1, INT64_MAX};
static const uint8_t bytes3[] = {7, 8, 9};

static jem_status fill_builder(jem__st_builder *b)
{
    const int64_t two = 2, three = 3, matrix[] = {2, 3}, none[] = {4, 0};
    jem_status status = jem__st_add(b, "b.bytes", "U8", 1, &three, bytes3);
    if (status == JEM_OK)
        status = jem__st_add(b, "z.weight", "F32", 2, matrix, floats);
    if (status == JEM_OK)
        status = jem__st_add_metadata(b, "zeta", "tab\t, quote\", back\\, bell\a, del\x7f");
    if (status == JEM_OK)
        status = jem__st_add(b, "count", "I64", 1, &two, longs);
    if (status == JEM_OK)
        status = jem__st_add(b, "a\"scalar", "F32", 0, NULL, floats + 3);
    if (status == JEM_OK)
        status = jem__st_add(b, "empty", "F32", 2, none, NULL);
    if (status == JEM_OK)
        status = jem__st_add_metadata(b, "alpha", "");
    return status;
}

static void write_example(void)
{
    jem__st_builder *b = NULL;
    jem_check_ok(jem__st_builder_create(ctx, &b));
    jem_check_ok(fill_builder(b));
    jem_check_ok(jem__st_write(b, "caller", path));
    jem__st_builder_free(b);
}

START_TEST(a_file_is_what_the_format_says)
{
    const char *header =
        "{\"__metadata__\":{\"alpha\":\"\","
        "\"zeta\":\"tab\\u0009, quote\\\", back\\\\, bell\\u0007, del\x7f\"},"
        "\"count\":{\"dtype\":\"I64\",\"shape\":[2],\"data_offsets\":[0,16]},"
        "\"a\\\"scalar\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[16,20]},"
        "\"empty\":{\"dtype\":\"F32\",\"shape\":[4,0],\"data_offsets\":[20,20]},"
        "\"z.weight\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[20,44]},"
        "\"b.bytes\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[44,47]}}";
    size_t len;
    write_example();
    uint8_t *file = read_file(&len);
    const size_t n = file[0] + 256u * file[1], text = strlen(header);
    ck_assert_mem_eq(file + 2, "\0\0\0\0\0\0", 6);
    ck_assert_uint_eq(n % 8, 0);
    ck_assert(n >= text && n < text + 8);
    ck_assert_mem_eq(file + 8, header, text);
    for (size_t i = text; i < n; i++)
        ck_assert_int_eq(file[8 + i], ' ');
    ck_assert_uint_eq(len, 8 + n + 47);
    ck_assert_mem_eq(file + 8 + n, longs, 16);
    ck_assert_mem_eq(file + 8 + n + 16, floats + 3, 4);
    ck_assert_mem_eq(file + 8 + n + 20, floats, 24);
    ck_assert_mem_eq(file + 8 + n + 44, bytes3, 3);
    free(file);
}
END_TEST

START_TEST(what_is_written_is_read)
{
    jem__st_file *f = NULL;
    float x[6];
    int64_t y[2];
    const char *key, *value;
    write_example();
    jem_check_ok(jem__st_open(ctx, "caller", path, &f));
    ck_assert_int_eq(jem__st_count(f), 5);
    ck_assert_int_eq(jem__st_metadata_count(f), 2);
    ck_assert_str_eq(jem__st_metadata(f, "alpha"), "");
    ck_assert_str_eq(jem__st_metadata(f, "zeta"), "tab\t, quote\", back\\, bell\a, del\x7f");
    ck_assert_ptr_null(jem__st_metadata(f, "beta"));
    jem__st_metadata_at(f, 0, &key, &value);
    ck_assert_str_eq(key, "alpha");
    ck_assert_str_eq(value, "");
    ck_assert_str_eq(jem__st_path(f), path);
    ck_assert_ptr_null(jem__st_find(f, "nothing"));
    ck_assert_ptr_null(jem__st_find(f, "__metadata__"));

    const jem__st_tensor *t = jem__st_find(f, "z.weight");
    ck_assert_str_eq(t->dtype, "F32");
    ck_assert(t->rank == 2 && t->shape[0] == 2 && t->shape[1] == 3 && t->count == 6);
    jem_check_ok(jem__st_read_f32(f, t, x, 6));
    jem_check_same(x, floats, 6);
    jem_check_fails(jem__st_read_f32(f, t, x, 5), JEM_E_SHAPE,
                    "tensor \"z.weight\": 6 numbers, must be 5");
    jem_check_fails(jem__st_read_i64(f, t, y, 6), JEM_E_FORMAT,
                    "dtype F32, must be BOOL or an integer type");
    t = jem__st_find(f, "a\"scalar");
    ck_assert(t->rank == 0 && t->count == 1);
    jem_check_ok(jem__st_read_f32(f, t, x, 1));
    ck_assert(x[0] == 3);
    t = jem__st_find(f, "empty");
    ck_assert(t->count == 0 && t->bytes == 0);
    jem_check_ok(jem__st_read_f32(f, t, x, 0));
    t = jem__st_find(f, "count");
    jem_check_ok(jem__st_read_i64(f, t, y, 2));
    ck_assert(y[0] == -1 && y[1] == INT64_MAX);
    for (int64_t i = 1; i < jem__st_count(f); i++)
        ck_assert_int_eq(jem__st_tensor_at(f, i)->at,
                         jem__st_tensor_at(f, i - 1)->at + jem__st_tensor_at(f, i - 1)->bytes);
    jem__st_close(f);
    jem__st_close(NULL);
}
END_TEST

START_TEST(an_empty_file_is_a_file)
{
    jem__st_builder *b = NULL;
    jem__st_file *f = NULL;
    jem_check_ok(jem__st_builder_create(ctx, &b));
    jem_check_ok(jem__st_write(b, "caller", path));
    jem__st_builder_free(b);
    jem_check_ok(jem__st_open(ctx, "caller", path, &f));
    ck_assert(jem__st_count(f) == 0 && jem__st_metadata_count(f) == 0);
    jem__st_close(f);
}
END_TEST

START_TEST(many_tensors_are_sorted)
{
    jem__st_builder *b = NULL;
    jem__st_file *f = NULL;
    const int64_t one = 1;
    static float value[1000];
    char name[32];
    jem_check_ok(jem__st_builder_create(ctx, &b));
    for (int32_t i = 0; i < 1000; i++) {
        const int32_t k = i * 387 % 1000; /* every number once */
        snprintf(name, sizeof name, "t%03d", (int)k);
        value[k] = (float)k;
        jem_check_ok(jem__st_add(b, name, "F32", 1, &one, &value[k]));
        jem_check_ok(jem__st_add_metadata(b, name, name));
    }
    jem_check_ok(jem__st_write(b, "caller", path));
    jem__st_builder_free(b);
    jem_check_ok(jem__st_open(ctx, "caller", path, &f));
    for (int64_t i = 0; i < 1000; i++) {
        float x = -1;
        const char *key, *text;
        jem_check_ok(jem__st_read_f32(f, jem__st_tensor_at(f, i), &x, 1));
        ck_assert(x == (float)i);
        jem__st_metadata_at(f, i, &key, &text);
        snprintf(name, sizeof name, "t%03d", (int)i);
        ck_assert_str_eq(key, name);
        ck_assert_str_eq(jem__st_tensor_at(f, i)->name, name);
    }
    jem__st_close(f);
}
END_TEST

START_TEST(a_builder_is_used_rightly)
{
    jem__st_builder *b = NULL;
    const int64_t shape[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1}, negative = -1;
    const int64_t large[] = {INT64_MAX, 2};
    char name[514];
    const jem_status internal = JEM_E_INTERNAL;
    memset(name, 'n', sizeof name);
    name[513] = '\0';
    jem_check_ok(jem__st_builder_create(ctx, &b));
    jem_check_fails(jem__st_add(b, name, "F32", 0, NULL, floats), internal, "no name");
    name[512] = '\0';
    jem_check_ok(jem__st_add(b, name, "F32", 8, shape, floats));
    jem_check_fails(jem__st_add(b, name, "U8", 0, NULL, floats), internal, "there twice");
    jem_check_fails(jem__st_add(b, "__metadata__", "F32", 0, NULL, floats), internal,
                    "no name for a tensor");
    jem_check_fails(jem__st_add(b, "\xc3\xa4", "F32", 0, NULL, floats), internal, "no name");
    jem_check_fails(jem__st_add(b, "x", "F31", 0, NULL, floats), internal, "dtype F31");
    jem_check_fails(jem__st_add(b, "x", "F32", 9, shape, floats), internal, "rank 9");
    jem_check_fails(jem__st_add(b, "x", "F32", -1, shape, floats), internal, "rank -1");
    jem_check_fails(jem__st_add(b, "x", "F32", 1, &negative, floats), internal, "too much");
    jem_check_fails(jem__st_add(b, "x", "F32", 1, large, floats), internal, "too much");
    jem_check_fails(jem__st_add(b, "x", "U8", 2, large, floats), internal, "too much");
    jem_check_ok(jem__st_add_metadata(b, "key", "value"));
    jem_check_fails(jem__st_add_metadata(b, "key", "value"), internal,
                    "\"key\" is there twice");
    jem_check_fails(jem__st_add_metadata(b, "other", "\xff"), internal, "not UTF-8");
    jem_check_ok(jem__st_write(b, "caller", path)); /* still whole */
    jem__st_builder_free(b);
    jem__st_builder_free(NULL);
}
END_TEST

START_TEST(places_that_cannot_be_written)
{
    jem__st_builder *b = NULL;
    jem__st_file *f = NULL;
    jem_check_ok(jem__st_builder_create(ctx, &b));
    jem_check_ok(fill_builder(b));
    jem_check_fails(jem__st_write(b, "caller", "/tmp"), JEM_E_IO, "caller: ");
    jem_check_fails(jem__st_write(b, "caller", "/nowhere/at/all"), JEM_E_IO, "/nowhere/at/all");
    jem_check_fails(jem__st_open(ctx, "caller", "/nowhere/at/all", &f), JEM_E_IO, "/nowhere");
    jem_check_fails(jem__st_open(ctx, "caller", "/tmp", &f), JEM_E_IO, "/tmp");
    ck_assert_ptr_null(f);
    jem__st_builder_free(b);
}
END_TEST

START_TEST(a_file_cut_anywhere_is_refused)
{
    jem__st_file *f = NULL;
    size_t len;
    write_example();
    uint8_t *whole = read_file(&len);
    for (size_t cut = 0; cut < len; cut++) {
        write_file(whole, cut);
        jem_check_fails(jem__st_open(ctx, "caller", path, &f), JEM_E_FORMAT, "container");
        ck_assert_ptr_null(f);
    }
    whole[len] = 0;
    write_file(whole, len + 1);
    jem_check_fails(jem__st_open(ctx, "caller", path, &f), JEM_E_FORMAT,
                    "tensors end at data offset 47, the file at 48");
    free(whole);
}
END_TEST

START_TEST(a_file_with_any_bit_wrong_is_read_or_refused)
{
    size_t len;
    write_example();
    uint8_t *whole = read_file(&len);
    int32_t refused = 0;
    for (size_t bit = 0; bit < 8 * len; bit++) {
        jem__st_file *f = NULL;
        whole[bit / 8] ^= (uint8_t)(1 << bit % 8);
        write_file(whole, len);
        const jem_status status = jem__st_open(ctx, "caller", path, &f);
        whole[bit / 8] ^= (uint8_t)(1 << bit % 8);
        ck_assert(status == JEM_OK || status == JEM_E_FORMAT);
        ck_assert_int_eq(f != NULL, status == JEM_OK);
        refused += status != JEM_OK;
        for (int64_t i = 0; f != NULL && i < jem__st_count(f); i++) {
            const jem__st_tensor *t = jem__st_tensor_at(f, i);
            ck_assert(t->at >= 8 && t->bytes >= 0 && t->at + t->bytes <= (int64_t)len);
        }
        jem__st_close(f);
    }
    ck_assert_int_ge(refused, 1000);
    free(whole);
}
END_TEST

/* Reads first: a run that fails early then costs no fsync. */
static jem_status read_and_write(jem_test_memory *memory, void *arg)
{
    jem_context *own = NULL;
    jem__st_builder *b = NULL;
    jem__st_file *f = NULL;
    (void)arg;
    jem_status status =
        jem__context_create(NULL, "", jem_test_alloc, jem_test_release, memory, &own);
    if (status == JEM_OK)
        status = jem__st_open(own, "caller", path, &f);
    if (status == JEM_OK)
        status = jem__st_builder_create(own, &b);
    if (status == JEM_OK)
        status = fill_builder(b);
    if (status == JEM_OK)
        status = jem__st_write(b, "caller", path);
    jem__st_close(f);
    jem__st_builder_free(b);
    jem_context_free(own);
    return status;
}

START_TEST(no_memory_is_survived)
{
    write_example();
    ck_assert_int_ge(jem_check_survives_no_memory(read_and_write, NULL), 30);
}
END_TEST

void jem_io_write_cases(Suite *suite)
{
    TCase *writing = tcase_create("writing");
    tcase_add_checked_fixture(writing, make_context, free_context);
    tcase_set_timeout(writing, 30);
    tcase_add_test(writing, a_file_is_what_the_format_says);
    tcase_add_test(writing, what_is_written_is_read);
    tcase_add_test(writing, an_empty_file_is_a_file);
    tcase_add_test(writing, many_tensors_are_sorted);
    tcase_add_test(writing, a_builder_is_used_rightly);
    tcase_add_test(writing, places_that_cannot_be_written);
    tcase_add_test(writing, a_file_cut_anywhere_is_refused);
    tcase_add_test(writing, a_file_with_any_bit_wrong_is_read_or_refused);
    tcase_add_test(writing, no_memory_is_survived);
    suite_add_tcase(suite, writing);
}
