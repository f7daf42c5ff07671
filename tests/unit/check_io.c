/* SPDX-License-Identifier: MIT */
/* The safetensors container: everything that must be read, and everything that must not.
 * check_io_numbers.c has the numbers in it, check_io_write.c what is written, check_io_model.c
 * and check_io_official.c the models. */

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jem/status.h>

#include "core/context.h"
#include "io/safetensors.h"
#include "test_support.h"

Suite *jem_io_suite(void);
void jem_io_write_cases(Suite *suite);    /* check_io_write.c */
void jem_io_model_cases(Suite *suite);    /* check_io_model.c */
void jem_io_numbers_cases(Suite *suite);  /* check_io_numbers.c */
void jem_io_official_cases(Suite *suite); /* check_io_official.c */

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

/* A file of `header_len` header bytes and `data` bytes 0, 1, 2, ... */
static void write_container(const char *header, size_t header_len, size_t data)
{
    uint8_t *bytes = malloc(8 + header_len + data);
    for (size_t i = 0; i < 8; i++)
        bytes[i] = (uint8_t)((uint64_t)header_len >> (8 * i));
    memcpy(bytes + 8, header, header_len);
    for (size_t i = 0; i < data; i++)
        bytes[8 + header_len + i] = (uint8_t)i;
    write_file(bytes, 8 + header_len + data);
    free(bytes);
}

static void check_refused(const char *header, size_t data, const char *text)
{
    jem__st_file *f = NULL;
    write_container(header, strlen(header), data);
    jem_check_fails(jem__st_open(ctx, "caller", path, &f), JEM_E_FORMAT, text);
    ck_assert_ptr_null(f);
    ck_assert_msg(strstr(jem_last_error(), "caller: ") == jem_last_error() &&
                      strstr(jem_last_error(), "container.safetensors: ") != NULL,
                  "no caller or file in: %s", jem_last_error());
}

static jem__st_file *check_opens(const char *header, size_t data)
{
    jem__st_file *f = NULL;
    write_container(header, strlen(header), data);
    jem_check_ok(jem__st_open(ctx, "caller", path, &f));
    return f;
}

/* ---- reading what others wrote ---- */

#define T(dtype, shape, from, to)                                                              \
    "{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" #from "," #to "]}"

#define EXAMPLE                                                                                \
    "{\"__metadata__\":{\"k\":\"v\"},\"a\":" T("U8", "[2,1]", 0, 2) ",\"b\":" T("F32", "[1]",  \
                                                                                2, 6) "}"

START_TEST(unusual_files_are_read)
{
    static const struct {
        const char *header;
        size_t data;
        int64_t tensors;
    } good[] = {
        {"{}", 0, 0},
        {"  \n\t{}  \r\n", 0, 0},
        {"{\"__metadata__\":{}}", 0, 0},
        {"{\"a\":" T("F32", "[]", 0, 4) "}", 4, 1},
        {"{\"a\":" T("F32", "[0]", 0, 0) ",\"b\":" T("U8", "[0,7]", 0, 0) "}", 0, 2},
        {"{\"a\":" T("U8", "[1,1,1,1,1,1,1,2]", 0, 2) "}", 2, 1},
        {"{\"late\":" T("F32", "[1]", 4, 8) ",\"early\":" T("I32", "[1]", 0, 4) "}", 8, 2},
        {"{\"z\":" T("U8", "[2]", 1, 3) ",\"e\":" T("U8", "[0]", 1, 1) ",\"a\":" T("U8", "[1]",
                                                                                   0, 1) "}",
         3, 3},
        {"{\"z\":" T("U8", "[1]", 0, 1) ",\"e\":" T("U8", "[0]", 0, 0) "}", 1, 2},
        {"{\"e\":" T("U8", "[0]", 0, 0) ",\"z\":" T("U8", "[1]", 0, 1) "}", 1, 2},
        {"{\"\":" T("BOOL", "[1]", 0,
                    1) ",\"\xc3\xa4\\u00e4\\ud83d\\ude00\":" T("F8_E4M3FNUZ", "[1]", 1, 2) "}",
         2, 2},
        {"{\"a\":{\"data_offsets\":[0,16],\"shape\":[1,2],\"dtype\":\"C64\"}}", 16, 1},
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        jem__st_file *f = check_opens(good[i].header, good[i].data);
        ck_assert_int_eq(jem__st_count(f), good[i].tensors);
        jem__st_close(f);
    }
    jem__st_file *f = check_opens(good[6].header, good[6].data);
    ck_assert_str_eq(jem__st_tensor_at(f, 0)->name, "early");
    ck_assert_int_eq(jem__st_tensor_at(f, 0)->at, 8 + (int64_t)strlen(good[6].header));
    jem__st_close(f);
}
END_TEST

START_TEST(all_dtypes_have_their_size)
{
    static const struct {
        const char *name;
        int size;
    } dtypes[] = {{"BOOL", 1},    {"U8", 1},          {"I8", 1},         {"F8_E5M2", 1},
                  {"F8_E4M3", 1}, {"I16", 2},         {"U16", 2},        {"F16", 2},
                  {"BF16", 2},    {"I32", 4},         {"U32", 4},        {"F32", 4},
                  {"F64", 8},     {"I64", 8},         {"U64", 8},        {"C64", 8},
                  {"F8_E8M0", 1}, {"F8_E5M2FNUZ", 1}, {"F8_E4M3FNUZ", 1}};
    for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++) {
        char header[128];
        snprintf(header, sizeof header,
                 "{\"a\":{\"dtype\":\"%s\",\"shape\":[3],\"data_offsets\":[0,%d]}}",
                 dtypes[i].name, 3 * dtypes[i].size);
        jem__st_file *f = check_opens(header, 3 * (size_t)dtypes[i].size);
        ck_assert_str_eq(jem__st_tensor_at(f, 0)->dtype, dtypes[i].name);
        jem__st_close(f);
    }
    /* Numbers of 4 and 6 bits: together they must be whole bytes. */
    jem__st_close(check_opens("{\"a\":" T("F4", "[2]", 0, 1) "}", 1));
    jem__st_close(check_opens("{\"a\":" T("F6_E2M3", "[4]", 0, 3) "}", 3));
    jem__st_close(check_opens("{\"a\":" T("F6_E3M2", "[2,2]", 0, 3) "}", 3));
    check_refused("{\"a\":" T("F4", "[3]", 0, 2) "}", 2,
                  "tensor \"a\": 3 numbers of type F4 do not fill its 2 bytes");
    check_refused("{\"a\":" T("F4", "[3]", 0, 1) "}", 1, "do not fill its 1 bytes");
    check_refused("{\"a\":" T("F6_E2M3", "[3]", 0, 2) "}", 2, "do not fill its 2 bytes");
    check_refused("{\"a\":" T("F2", "[4]", 0, 1) "}", 1, "tensor \"a\": unknown dtype \"F2\"");
    check_refused("{\"a\":" T("f32", "[1]", 0, 4) "}", 4, "unknown dtype \"f32\"");
    check_refused("{\"a\":" T("F\\n32", "[1]", 0, 4) "}", 4, "unknown dtype \"F?32\"");
}
END_TEST

START_TEST(broken_json_is_refused)
{
    static const struct {
        const char *header, *text;
    } bad[] = {
        {"", "header, byte "},
        {"   ", "header, byte "},
        {"[]", "header is not a JSON object"},
        {"{", "header, byte "},
        {"{}}", "header, byte "},
        {"{} {}", "header, byte "},
        {"{'a':1}", "header, byte "},
        {"{\"a\"}", "header, byte "},
        {"{\"__metadata__\":{},}", "header, byte "},
        {"{\"\xff\":1}", "header, byte "},
        {"{\"\xc0\x80\":1}", "header, byte "},
        {"{\"a\\u0000\":1}", "header, byte "},
        {"{\"__metadata__\":{\"k\":\"\\u0000\"}}", "header, byte "},
        {"{\"__metadata__\":{\"k\":\"\\ud800\"}}", "header, byte "},
        {"{\"a\":" T("U8", "[0]", 0, 0) ",\"a\":" T("U8", "[0]", 0, 0) "}",
         "tensor \"a\": duplicate object key"},
        {"{\"a\":" T("U8", "[0]", 0, 0) ",\"\\u0061\":" T("U8", "[0]", 0, 0) "}",
         "duplicate object key"},
        {"{\"__metadata__\":{},\"__metadata__\":{}}", "duplicate object key"},
        {"{\"__metadata__\":{\"k\":\"1\",\"k\":\"1\"}}", "duplicate object key"},
        {"{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\"}}", "duplicate object key"},
        {"{\"a\":[[[[]]]]}", "must have exactly dtype"},
        {"{\"a\":" T("U8", "[01]", 0, 1) "}", "begins with 0"},
        {"{\"a\":" T("U8", "[1 1]", 0, 1) "}", "neither , nor ] follows"},
        {"{\"a\":" T("U8", "[1,]", 0, 1) "}", "shape[1] is not an integer"},
        {"{\"__metadata__\":{\"k\" \"v\"}}", "no : behind a name"},
        {"{\"__metadata__\":{\"k\":\"\\x\"}}", "no such escape"},
        {"{\"__metadata__\":{\"k\":\"\\udc00\"}}", "names no character"},
        {"{\"__metadata__\":{\"k\":\"\\ud83d\\u0041\"}}", "names no character"},
        {"{\"__metadata__\":{\"k\":\"a\nb\"}}", "a control character"},
        {"{\"__metadata__\":{\"k\":\"v", "a text without an end"},
        {"{\"__metadata__\":{\"k\":\"v\\", "no such escape"},
        {"{\"__metadata__\":{\"k\":\"v\" \"w\":\"x\"}}", "neither , nor } follows"},
        {"{} 1", "something follows the end"},
        {"{\"__metadata__\":[]}", "__metadata__ is not an object"},
        {"{\"__metadata__\":null}", "__metadata__ is not an object"},
        {"{\"__metadata__\":{\"k\":1}}", "metadata \"k\" is not a text"},
        {"{\"__metadata__\":{\"k\":{}}}", "metadata \"k\" is not a text"},
        {"{\"__metadata__\":{\"k\":null}}", "metadata \"k\" is not a text"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        check_refused(bad[i].header, 0, bad[i].text);
    jem__st_file *f = NULL;
    write_container("{}\0", 3, 0);
    jem_check_fails(jem__st_open(ctx, "caller", path, &f), JEM_E_FORMAT, "header, byte ");
}
END_TEST

START_TEST(tensors_that_lie_are_refused)
{
    static const struct {
        const char *header;
        size_t data;
        const char *text;
    } bad[] = {
        {"{\"a\":1}", 0, "tensor \"a\": must have exactly dtype, shape and data_offsets"},
        {"{\"a\":null}", 0, "must have exactly"},
        {"{\"a\":{}}", 0, "must have exactly"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1]}}", 1, "must have exactly"},
        {"{\"a\":{\"dtype\":8,\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "must have exactly"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1],\"x\":0}}", 1,
         "must have exactly"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"offsets\":[0,1]}}", 1, "must have exactly"},
        {"{\"a\":{\"dtype\":\"U8\",\"size\":[1],\"data_offsets\":[0,1]}}", 1,
         "must have exactly"},
        {"{\"a\":" T("U8", "3", 0, 3) "}", 3, "shape is not an array"},
        {"{\"a\":" T("U8", "{}", 0, 3) "}", 3, "shape is not an array"},
        {"{\"a\":" T("U8", "[3.0]", 0, 3) "}", 3, "shape[0] is not an integer"},
        {"{\"a\":" T("U8", "[\"3\"]", 0, 3) "}", 3, "shape[0] is not an integer"},
        {"{\"a\":" T("U8", "[true]", 0, 1) "}", 1, "shape[0] is not an integer"},
        {"{\"a\":" T("U8", "[3e0]", 0, 3) "}", 3, "shape[0] is not an integer"},
        {"{\"a\":" T("U8", "[1,-3]", 0, 3) "}", 3, "shape[1] = -3, must be at least 0"},
        {"{\"a\":" T("U8", "[-1,-3]", 0, 3) "}", 3, "shape[0] = -1"},
        {"{\"a\":" T("U8", "[9223372036854775808]", 0, 3) "}", 3, "too big integer"},
        {"{\"a\":" T("U8", "[1e999]", 0, 3) "}", 3, "shape[0] is not an integer"},
        {"{\"a\":" T("U8", "[1,1,1,1,1,1,1,1,3]", 0, 3) "}", 3,
         "9 dimensions or more, must be at most 8"},
        {"{\"a\":" T("U8", "[4294967296,4294967296]", 0, 0) "}", 0,
         "more numbers than a 64-bit number counts"},
        {"{\"a\":" T("U8", "[4611686018427387904,4]", 0, 0) "}", 0, "more numbers than"},
        {"{\"a\":" T("F32", "[4611686018427387904]", 0, 0) "}", 0, "do not fill its 0 bytes"},
        {"{\"a\":" T("F32", "[2305843009213693952,2]", 0, 0) "}", 0, "do not fill its 0 bytes"},
        {"{\"a\":" T("F32", "[2]", 0, 4) "}", 4,
         "tensor \"a\": 2 numbers of type F32 do not fill its 4 bytes"},
        {"{\"a\":" T("F32", "[0]", 0, 4) "}", 4, "0 numbers of type F32 do not fill"},
        {"{\"a\":" T("F32", "[1]", 0, 5) "}", 5, "do not fill its 5 bytes"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0]}}", 1, "array of two"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1,1]}}", 1,
         "array of two"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":{}}}", 1, "array of two"},
        {"{\"a\":" T("U8", "[1]", -1, 0) "}", 1, "data_offsets[0] = -1, must be at least 0"},
        {"{\"a\":" T("U8", "[1]", 0, 1.0) "}", 1, "data_offsets[1] is not an integer"},
        {"{\"a\":" T("U8", "[1]", 1, 0) "}", 1, "data_offsets end at 0, must be 1 to 1"},
        {"{\"a\":" T("U8", "[2]", 0, 2) "}", 1, "data_offsets end at 2, must be 0 to 1"},
        {"{\"a\":" T("U8", "[9223372036854775807]", 0, 9223372036854775807) "}", 1,
         "data_offsets end at 9223372036854775807"},
        /* hole at the start, hole in the middle, overlap, the same bytes twice, rest at the end */
        {"{\"a\":" T("U8", "[1]", 1, 2) "}", 2,
         "tensor \"a\" begins at data offset 1, must be 0"},
        {"{\"a\":" T("U8", "[1]", 0, 1) ",\"b\":" T("U8", "[1]", 2, 3) "}", 3,
         "tensor \"b\" begins at data offset 2, must be 1"},
        {"{\"a\":" T("U8", "[2]", 0, 2) ",\"b\":" T("U8", "[2]", 1, 3) "}", 3,
         "tensor \"b\" begins at data offset 1, must be 2"},
        {"{\"a\":" T("U8", "[2]", 0, 2) ",\"b\":" T("U8", "[2]", 0, 2) "}", 2,
         "begins at data offset 0, must be 2"},
        {"{\"a\":" T("U8", "[3]", 0, 3) ",\"b\":" T("U8", "[0]", 1, 1) "}", 3,
         "begins at data offset 1, must be 3"},
        {"{\"a\":" T("U8", "[2]", 0, 2) "}", 3, "tensors end at data offset 2, the file at 3"},
        {"{}", 1, "tensors end at data offset 0, the file at 1"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        check_refused(bad[i].header, bad[i].data, bad[i].text);
}
END_TEST

START_TEST(header_lengths_that_lie_are_refused)
{
    static const struct {
        uint64_t len;
        const char *text;
    } bad[] = {
        {3, "header length 3 at offset 0, only 2 bytes follow: not a safetensors file, or cut "
            "short"},
        {(uint64_t)1 << 32, "header length 4294967296 at offset 0, only 2"},
        {(uint64_t)1 << 63, "header length 9223372036854775808 at offset 0, only 2"},
        {UINT64_MAX, "header length 18446744073709551615 at offset 0, only 2"},
        {UINT64_MAX - 7, "only 2 bytes follow"},
        {1, "header, byte "},
        {0, "header, byte "},
    };
    jem__st_file *f = NULL;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint8_t bytes[10] = {0, 0, 0, 0, 0, 0, 0, 0, '{', '}'};
        for (int32_t k = 0; k < 8; k++)
            bytes[k] = (uint8_t)(bad[i].len >> (8 * k));
        write_file(bytes, 10);
        jem_check_fails(jem__st_open(ctx, "caller", path, &f), JEM_E_FORMAT, bad[i].text);
        ck_assert_ptr_null(f);
    }
    write_file("\2\0\0\0\0\0\0", 7);
    jem_check_fails(jem__st_open(ctx, "caller", path, &f), JEM_E_FORMAT,
                    "7 bytes, must be at least 8");

    /* A header of 32 MiB is read, one byte more is not. The file is sparse. */
    for (uint64_t more = 0; more < 2; more++) {
        const uint64_t len = JEM__ST_MAX_HEADER + more;
        uint8_t bytes[8];
        for (int32_t k = 0; k < 8; k++)
            bytes[k] = (uint8_t)(len >> (8 * k));
        write_file(bytes, 8);
        ck_assert_int_eq(truncate(path, (off_t)(8 + len)), 0);
        jem_check_fails(jem__st_open(ctx, "caller", path, &f), JEM_E_FORMAT,
                        more ? "header length 33554433 at offset 0, must be at most 33554432"
                             : "header, byte ");
    }
}
END_TEST

/* A header of `count` tensors of no bytes with names of `digits` digits; *len gets its length. */
static char *many_tensors(int32_t count, int32_t digits, size_t *len)
{
    char *text = malloc((size_t)count * (size_t)(64 + digits) + 8), *p = text;
    *p++ = '{';
    for (int32_t i = 0; i < count; i++)
        p += sprintf(p, "%s\"%0*d\":" T("U8", "[0]", 0, 0), i > 0 ? "," : "", (int)digits,
                     (int)i);
    *p++ = '}';
    *len = (size_t)(p - text);
    return text;
}

START_TEST(numbers_of_things_are_limited)
{
    jem__st_file *f = NULL;
    size_t len;
    char *text = many_tensors(JEM__ST_MAX_TENSORS, 5, &len);
    write_container(text, len, 0);
    jem_check_ok(jem__st_open(ctx, "caller", path, &f));
    ck_assert_int_eq(jem__st_count(f), JEM__ST_MAX_TENSORS);
    jem__st_close(f);
    free(text);
    text = many_tensors(JEM__ST_MAX_TENSORS + 1, 5, &len);
    write_container(text, len, 0);
    jem_check_fails(jem__st_open(ctx, "caller", path, &f), JEM_E_FORMAT,
                    "65537 tensors or more, must be at most 65536");
    free(text);
}
END_TEST

/* Whichever allocation fails, the file is not called broken, and what a file that opens says is what
 * stands in it. */
START_TEST(no_memory_is_no_broken_file)
{
    static const char header[] =
        "{\"__metadata__\":{\"k\":\"90,100,110 with \\u00e4 and more than a few bytes\"},"
        "\"a\":" T("U8", "[2,1]", 0, 2) ",\"b\":" T("F32", "[1]", 2, 6) "}";
    jem_test_memory memory = {0};
    jem_context *counted;
    jem_status status = JEM_E_NOMEM;
    int64_t refused = -1;
    write_container(header, strlen(header), 6);
    jem_check_ok(jem_context_create_with_allocator("reference", jem_test_alloc,
                                                   jem_test_release, &memory, &counted));
    while (status != JEM_OK) {
        jem__st_file *f;
        memory.fail_at = memory.calls + ++refused + 1;
        status = jem__st_open(counted, "caller", path, &f);
        memory.fail_at = 0;
        if (status == JEM_OK) {
            ck_assert_str_eq(jem__st_metadata(f, "k"),
                             "90,100,110 with \xc3\xa4 and more than a few bytes");
            ck_assert_int_eq(jem__st_count(f), 2);
            ck_assert_str_eq(jem__st_tensor_at(f, 1)->name, "b");
        } else {
            ck_assert_int_eq(status, JEM_E_NOMEM);
            ck_assert_ptr_null(f);
        }
        jem__st_close(f);
    }
    ck_assert_int_ge(refused, 10);
    jem_context_free(counted);
    jem_check_no_leak(&memory);
}
END_TEST

START_TEST(names_and_values_are_limited)
{
    jem__st_file *f = NULL;
    size_t len;
    char *text = many_tensors(1, 512, &len);
    write_container(text, len, 0);
    jem_check_ok(jem__st_open(ctx, "caller", path, &f));
    jem__st_close(f);
    free(text);
    text = many_tensors(1, 513, &len);
    write_container(text, len, 0);
    jem_check_fails(jem__st_open(ctx, "caller", path, &f), JEM_E_FORMAT,
                    "0...\": name of 513 bytes, must be at most 512");
    free(text);

    len = 3 << 20;
    text = malloc(len);
    memset(text, ',', len);
    memcpy(text, "{\"a\":[0", 7);
    write_container(text, len, 0);
    jem_check_fails(jem__st_open(ctx, "caller", path, &f), JEM_E_FORMAT,
                    "must have exactly dtype");
    memset(text, '[', len); /* a parser that recursed would run out of stack */
    write_container(text, len, 0);
    jem_check_fails(jem__st_open(ctx, "caller", path, &f), JEM_E_FORMAT, "not a JSON object");
    free(text);
    ck_assert_ptr_null(f);

    /* Brackets in texts do not count; the names that errors show have no control characters. */
    jem__st_close(check_opens("{\"__metadata__\":{\"[[[[[[\":\"{{{{{\\\"[[[[[\"}}", 0));
    check_refused("{\"\\u001b[2J\x7f\":1}", 0, "tensor \"?[2J?\": must have");
}
END_TEST

Suite *jem_io_suite(void)
{
    Suite *suite = suite_create("io");
    TCase *reading = tcase_create("reading");
    tcase_add_checked_fixture(reading, make_context, free_context);
    tcase_set_timeout(reading, 30);
    tcase_add_test(reading, unusual_files_are_read);
    tcase_add_test(reading, all_dtypes_have_their_size);
    tcase_add_test(reading, broken_json_is_refused);
    tcase_add_test(reading, tensors_that_lie_are_refused);
    tcase_add_test(reading, header_lengths_that_lie_are_refused);
    tcase_add_test(reading, numbers_of_things_are_limited);
    tcase_add_test(reading, no_memory_is_no_broken_file);
    tcase_add_test(reading, names_and_values_are_limited);
    suite_add_tcase(suite, reading);
    jem_io_write_cases(suite);
    jem_io_model_cases(suite);
    jem_io_numbers_cases(suite);
    jem_io_official_cases(suite);
    return suite;
}
