/* SPDX-License-Identifier: MIT */
/* The bottom of the library: error texts, memory, log and context, and the suite that holds
 * the other cases of core. Contexts are made without a backend, which nothing here needs. */

#include "check_core.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jem/jem.h>

#include "core/context.h"
#include "core/error.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/options.h"
#include "core/threads/threads.h"
#include "test_support.h"

/* --- Error texts --------------------------------------------------------------------------- */

START_TEST(error_text_starts_empty_and_is_set_by_failures)
{
    if (getenv("CK_FORK") == NULL) /* without fork an earlier test has left a text */
        ck_assert_str_eq(jem_last_error(), "");
    ck_assert_int_eq(jem__fail(JEM_E_SHAPE, "jem_x: n = %d, must be at least %d", -1, 0),
                     JEM_E_SHAPE);
    ck_assert_str_eq(jem_last_error(), "jem_x: n = -1, must be at least 0");
}
END_TEST

START_TEST(error_text_may_quote_the_last_one)
{
    jem__fail(JEM_E_IO, "inner");
    jem__fail(JEM_E_IO, "outer: %s", jem_last_error());
    ck_assert_str_eq(jem_last_error(), "outer: inner");
}
END_TEST

START_TEST(error_text_is_cut_between_characters)
{
    char text[1200];
    memset(text, 'a', sizeof text);
    text[sizeof text - 1] = '\0';
    jem__fail(JEM_E_IO, "%s", text);
    ck_assert_uint_eq(strlen(jem_last_error()), 511);

    /* U+20AC is three bytes: three of them do not fit behind 504 letters. */
    for (int letters = 504; letters <= 511; letters++) {
        memset(text, 'a', (size_t)letters);
        memcpy(text + letters, "\xE2\x82\xAC\xE2\x82\xAC\xE2\x82\xAC", 10);
        jem__fail(JEM_E_IO, "%s", text);
        const size_t whole = (511 - (size_t)letters) / 3;
        ck_assert_uint_eq(strlen(jem_last_error()), (size_t)letters + 3 * whole);
    }
    memset(text, 0x80, 600); /* never a character: cut all the same */
    text[600] = '\0';
    jem__fail(JEM_E_IO, "%s", text);
    ck_assert_uint_eq(strlen(jem_last_error()), 511);
}
END_TEST

static void *fail_elsewhere(void *seen_at_start)
{
    memcpy(seen_at_start, jem_last_error(), 1);
    jem__fail(JEM_E_IO, "other thread");
    return NULL;
}

/* What a name or a path may hold: each byte that is no printable UTF-8 shows as "?". */
START_TEST(error_text_is_printable_utf8)
{
    static const struct {
        const char *given, *shown;
    } cases[] = {
        {"a \xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80 ~",
         "a \xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80 ~"},
        {"\x1B[2J\n\t\x7F", "?[2J???"},
        {"\xC2\x9B", "??"},                /* a control character of two bytes */
        {"\xC2\xA0", "\xC2\xA0"},          /* the first after them */
        {"\x82\xAC.x", "??.x"},            /* cut at the front */
        {"x\xE2\x82", "x??"},              /* cut at the end */
        {"\xC0\xAF", "??"},                /* longer than needed */
        {"\xE0\x9F\xBF", "???"},           /* the same */
        {"\xED\xA0\x80", "???"},           /* half a surrogate pair */
        {"\xF4\x90\x80\x80\xFF", "?????"}, /* beyond Unicode */
        {"\xE2\x82\xE2\x82\xAC", "??\xE2\x82\xAC"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        jem__fail(JEM_E_IO, "%s", cases[i].given);
        ck_assert_str_eq(jem_last_error(), cases[i].shown);
    }
}
END_TEST

START_TEST(error_text_belongs_to_its_thread)
{
    char seen = 'x';
    pthread_t thread;
    jem__fail(JEM_E_IO, "this thread");
    ck_assert_int_eq(pthread_create(&thread, NULL, fail_elsewhere, &seen), 0);
    pthread_join(thread, NULL);
    ck_assert_int_eq(seen, '\0');
    ck_assert_str_eq(jem_last_error(), "this thread");
}
END_TEST

START_TEST(status_codes_have_names)
{
    ck_assert_str_eq(jem_status_name(JEM_OK), "JEM_OK");
    ck_assert_str_eq(jem_status_name(JEM_E_SPACE), "JEM_E_SPACE");
    ck_assert_str_eq(jem_status_name(JEM_E_BACKEND), "JEM_E_BACKEND");
    for (jem_status code = JEM_E_BACKEND; code < JEM_OK; code++)
        for (jem_status other = JEM_E_BACKEND; other < code; other++)
            ck_assert_str_ne(jem_status_name(code), jem_status_name(other));
    ck_assert_str_eq(jem_status_name(1), "JEM_E_?");
    ck_assert_str_eq(jem_status_name(JEM_E_BACKEND - 1), "JEM_E_?");
    ck_assert_str_eq(jem_status_name(INT32_MIN), "JEM_E_?");
}
END_TEST

START_TEST(version_text_and_number_agree)
{
    char text[32];
    snprintf(text, sizeof text, "%d.%d.%d", JEM_VERSION_MAJOR, JEM_VERSION_MINOR,
             JEM_VERSION_PATCH);
    ck_assert_str_eq(jem_version_string(), text);
    ck_assert_int_eq(jem_version_number(), JEM_VERSION_NUMBER);
}
END_TEST

/* --- Memory -------------------------------------------------------------------------------- */

static jem_context *context_of(jem_test_memory *memory)
{
    jem_context *ctx = NULL;
    jem_check_ok(jem__context_create(NULL, "none", memory == NULL ? NULL : jem_test_alloc,
                                     memory == NULL ? NULL : jem_test_release, memory, &ctx));
    return ctx;
}

START_TEST(blocks_are_aligned_zeroed_and_given_back)
{
    jem_test_memory memory = {0};
    jem_context *ctx = context_of(&memory);
    const int64_t sizes[] = {0, 1, 63, 64, 65, 100000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        unsigned char *dirty = jem__alloc_raw(ctx, sizes[i], 1);
        ck_assert_ptr_nonnull(dirty);
        memset(dirty, 0xFF, (size_t)(sizes[i] > 0 ? sizes[i] : 1));
        jem__free(ctx, dirty);
        unsigned char *block = jem__alloc(ctx, 1, sizes[i]);
        ck_assert_ptr_nonnull(block);
        ck_assert_uint_eq((uintptr_t)block % 64, 0);
        for (int64_t at = 0; at < sizes[i]; at++)
            ck_assert_uint_eq(block[at], 0);
        jem__free(ctx, block);
    }
    jem__free(ctx, NULL);
    char *copy = jem__strdup(ctx, "a text");
    ck_assert_str_eq(copy, "a text");
    jem__free(ctx, copy);
    jem__context_unref(ctx);
    jem_check_no_leak(&memory);
}
END_TEST

START_TEST(impossible_sizes_are_refused)
{
    jem_context *ctx = context_of(NULL);
    const int64_t bad[][2] = {{-1, 1}, {1, -1}, {INT64_MAX, 2}, {INT64_MAX, 1}, {1, INT64_MAX}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_ptr_null(jem__alloc(ctx, bad[i][0], bad[i][1]));
        char text[64];
        snprintf(text, sizeof text, "%" PRId64 " x %" PRId64 " bytes", bad[i][0], bad[i][1]);
        ck_assert_ptr_nonnull(strstr(jem_last_error(), text));
    }
    jem__context_unref(ctx);
}
END_TEST

/* Blocks 8 bytes off alignment, out of an array: `user` counts those given and not taken back. */
static void *crooked_alloc(int64_t size, int64_t align, void *user)
{
    static _Alignas(64) char store[1 << 16];
    *(int *)user += 1;
    return size + align > (int64_t)sizeof store ? NULL : store + 8;
}

static void crooked_release(void *block, int64_t size, void *user)
{
    (void)size;
    if (block != NULL)
        *(int *)user -= 1;
}

START_TEST(a_crooked_allocator_is_found_out)
{
    int outstanding = 0;
    jem_context *ctx = NULL;
    jem_check_fails(
        jem__context_create(NULL, "", crooked_alloc, crooked_release, &outstanding, &ctx),
        JEM_E_NOMEM, "not aligned to 64 bytes");
    ck_assert_ptr_null(ctx);
    ck_assert_int_eq(outstanding, 0);
}
END_TEST

static jem_status core_scenario(jem_test_memory *memory, void *arg)
{
    (void)arg;
    jem_context *ctx = NULL;
    jem_options *opts = NULL, *copy = NULL;
    void *block = NULL;
    char *text = NULL;
    jem_status status =
        jem__context_create(NULL, "", jem_test_alloc, jem_test_release, memory, &ctx);
    if (status != JEM_OK) {
        ck_assert_ptr_null(ctx);
        return status;
    }
    status = jem__options_create(ctx, &opts);
    if (status == JEM_OK)
        status = jem__options_copy(ctx, opts, &copy);
    if (status == JEM_OK)
        status = jem__context_set_threads(ctx, 3);
    if (status == JEM_OK && (block = jem__alloc(ctx, 10, 100)) == NULL)
        status = JEM_E_NOMEM;
    if (status == JEM_OK && (text = jem__strdup(ctx, "text")) == NULL)
        status = JEM_E_NOMEM;
    ck_assert_int_ge(jem_context_threads(ctx), 1);
    jem__free(ctx, text);
    jem__free(ctx, block);
    jem__options_free(copy);
    jem__context_unref(ctx); /* before its child: the order does not matter */
    jem__options_free(opts);
    return status;
}

START_TEST(no_memory_at_any_call_leaks_nothing)
{
    ck_assert_int_ge(jem_check_survives_no_memory(core_scenario, NULL), 7);
}
END_TEST

/* --- Log ----------------------------------------------------------------------------------- */

struct lines {
    int32_t count, level;
    char last[600];
};

static void note_line(int32_t level, const char *line, void *user)
{
    struct lines *lines = user;
    lines->count++;
    lines->level = level;
    snprintf(lines->last, sizeof lines->last, "%s", line);
}

START_TEST(log_lines_reach_the_hook_by_level)
{
    struct lines lines = {0};
    jem_context *ctx = context_of(NULL);
    jem__log(ctx, JEM_LOG_ERROR, "nobody listens");
    jem_check_ok(jem_context_set_log(ctx, JEM_LOG_WARNING, note_line, &lines));
    jem__log(ctx, JEM_LOG_INFO, "too talkative");
    ck_assert_int_eq(lines.count, 0);
    jem__log(ctx, JEM_LOG_WARNING, "loss = %d", 7);
    ck_assert_int_eq(lines.count, 1);
    ck_assert_int_eq(lines.level, JEM_LOG_WARNING);
    ck_assert_str_eq(lines.last, "loss = 7");
    char text[2000];
    memset(text, 'a', sizeof text);
    text[sizeof text - 1] = '\0';
    jem__log(ctx, JEM_LOG_ERROR, "%s", text);
    ck_assert_uint_eq(strlen(lines.last), 511);
    jem_check_ok(jem_context_set_log(ctx, 0, note_line, &lines));
    jem__log(ctx, JEM_LOG_ERROR, "level 0 is none");
    jem_check_ok(jem_context_set_log(ctx, JEM_LOG_INFO, NULL, NULL));
    jem__log(ctx, JEM_LOG_ERROR, "no hook");
    ck_assert_int_eq(lines.count, 2);
    jem_check_fails(jem_context_set_log(NULL, 1, NULL, NULL), JEM_E_ARGUMENT, "ctx is NULL");
    jem_check_fails(jem_context_set_log(ctx, 4, note_line, NULL), JEM_E_RANGE,
                    "level = 4, must be 0 to 3");
    jem_check_fails(jem_context_set_log(ctx, -1, note_line, NULL), JEM_E_RANGE, "level = -1");
    jem__context_unref(ctx);
}
END_TEST

/* --- Context ------------------------------------------------------------------------------- */

START_TEST(context_lives_until_its_last_child)
{
    jem_test_memory memory = {0};
    jem_context *ctx = context_of(&memory);
    ck_assert_ptr_eq(jem__context_ref(ctx), ctx);
    jem_context_free(ctx);
    ck_assert_int_gt(atomic_load(&memory.blocks), 0);
    ck_assert_str_eq(jem_context_kernels(ctx), "none");
    jem__context_unref(ctx);
    jem_check_no_leak(&memory);
    jem_context_free(NULL);
}
END_TEST

START_TEST(backends_are_chosen_by_name)
{
    jem_context *ctx = NULL;
    jem_check_ok(jem_context_create(NULL, &ctx));
    ck_assert_int_eq(strncmp(jem_context_kernels(ctx), "cpu", 3), 0);
    jem_context_free(ctx);
    jem_check_ok(jem_context_create("reference", &ctx));
    ck_assert_int_eq(strncmp(jem_context_kernels(ctx), "reference", 9), 0);
    ck_assert_int_ge(jem_context_threads(ctx), 1);
    ck_assert_int_le(jem_context_threads(ctx), JEM__MAX_THREADS);
    jem_context_free(ctx);
    jem_check_fails(jem_context_create("gpu", &ctx), JEM_E_UNKNOWN,
                    "jem_context_create: unknown backend \"gpu\"; known are cpu, reference");
    ck_assert_ptr_null(ctx);
    jem_check_fails(jem_context_create("", &ctx), JEM_E_UNKNOWN, "unknown backend \"\"");
    jem_check_fails(jem_context_create("cpu", NULL), JEM_E_ARGUMENT, "out is NULL");
    ck_assert_str_eq(jem_context_kernels(NULL), "");
    ck_assert_int_eq(jem_context_threads(NULL), 0);
}
END_TEST

START_TEST(own_allocators_are_checked)
{
    jem_test_memory memory = {0};
    jem_context *ctx = NULL;
    jem_check_fails(
        jem_context_create_with_allocator("cpu", NULL, jem_test_release, &memory, &ctx),
        JEM_E_ARGUMENT, "jem_context_create_with_allocator: alloc is NULL");
    jem_check_fails(
        jem_context_create_with_allocator("cpu", jem_test_alloc, NULL, &memory, &ctx),
        JEM_E_ARGUMENT, "release is NULL");
    jem_check_fails(jem_context_create_with_allocator("cpu", jem_test_alloc, jem_test_release,
                                                      &memory, NULL),
                    JEM_E_ARGUMENT, "out is NULL");
    jem_check_ok(jem_context_create_with_allocator("cpu", jem_test_alloc, jem_test_release,
                                                   &memory, &ctx));
    ck_assert_int_gt(atomic_load(&memory.blocks), 0);
    jem_context_free(ctx);
    jem_check_no_leak(&memory);
}
END_TEST

START_TEST(number_of_threads_is_bounded)
{
    jem_test_memory memory = {0};
    jem_context *ctx = context_of(&memory);
    const int32_t before = jem_context_threads(ctx);
    jem_check_ok(jem_context_set_threads(ctx, 64));
    ck_assert_int_eq(jem_context_threads(ctx), 64);
    jem_check_fails(jem_context_set_threads(ctx, 65), JEM_E_RANGE,
                    "jem_context_set_threads: threads = 65, must be 0 to 64");
    jem_check_fails(jem_context_set_threads(ctx, -1), JEM_E_RANGE, "threads = -1");
    jem_check_fails(jem_context_set_threads(NULL, 1), JEM_E_ARGUMENT, "ctx is NULL");
    atomic_store(&memory.fail_at, atomic_load(&memory.calls) + 1);
    jem_check_fails(jem_context_set_threads(ctx, 2), JEM_E_NOMEM, "out of memory");
    ck_assert_int_eq(jem_context_threads(ctx), 64);
    jem_check_ok(jem_context_set_threads(ctx, 0));
    ck_assert_int_eq(jem_context_threads(ctx), before);
    jem_context_free(ctx);
    jem_check_no_leak(&memory);
}
END_TEST

Suite *jem_core_suite(void);
Suite *jem_core_suite(void)
{
    Suite *suite = suite_create("core");
    TCase *errors = tcase_create("error");
    tcase_add_test(errors, error_text_starts_empty_and_is_set_by_failures);
    tcase_add_test(errors, error_text_may_quote_the_last_one);
    tcase_add_test(errors, error_text_is_cut_between_characters);
    tcase_add_test(errors, error_text_is_printable_utf8);
    tcase_add_test(errors, error_text_belongs_to_its_thread);
    tcase_add_test(errors, status_codes_have_names);
    tcase_add_test(errors, version_text_and_number_agree);
    suite_add_tcase(suite, errors);

    TCase *memory = tcase_create("memory");
    tcase_add_test(memory, blocks_are_aligned_zeroed_and_given_back);
    tcase_add_test(memory, impossible_sizes_are_refused);
    tcase_add_test(memory, a_crooked_allocator_is_found_out);
    tcase_add_test(memory, no_memory_at_any_call_leaks_nothing);
    suite_add_tcase(suite, memory);

    TCase *context = tcase_create("context");
    tcase_add_test(context, log_lines_reach_the_hook_by_level);
    tcase_add_test(context, context_lives_until_its_last_child);
    tcase_add_test(context, backends_are_chosen_by_name);
    tcase_add_test(context, own_allocators_are_checked);
    tcase_add_test(context, number_of_threads_is_bounded);
    suite_add_tcase(suite, context);

    suite_add_tcase(suite, jem_core_numbers_case());
    suite_add_tcase(suite, jem_core_threads_case());
    suite_add_tcase(suite, jem_core_random_case());
    suite_add_tcase(suite, jem_core_options_case());
    suite_add_tcase(suite, jem_core_file_case());
    return suite;
}
