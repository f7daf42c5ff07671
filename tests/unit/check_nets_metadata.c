/* SPDX-License-Identifier: MIT */
/* What a model remembers beside its weights, through jem/model.h. */

#include "check_nets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jem/jem.h>

#include "core/algorithms/utf8.h"
#include "nets/model.h"
#include "test_support.h"

static jem_context *ctx;
static jem_test_memory memory;
static jem_model *model;

static jem_model *make_model(void)
{
    jem_options *opts;
    jem_model *made;
    jem_check_ok(jem_options_create(ctx, &opts));
    jem_check_ok(jem_options_set_str(opts, "model.arch", "mlp"));
    jem_check_ok(jem_options_set_i64(opts, "model.height", 4));
    jem_check_ok(jem_options_set_i64(opts, "model.width", 4));
    jem_check_ok(jem_model_create(ctx, opts, &made));
    jem_options_free(opts);
    return made;
}

static void open_model(void)
{
    memset(&memory, 0, sizeof memory);
    jem_check_ok(jem_context_create_with_allocator("reference", jem_test_alloc,
                                                   jem_test_release, &memory, &ctx));
    jem_check_ok(jem_context_set_threads(ctx, 1));
    model = make_model();
}

static void close_model(void)
{
    jem_model_free(model);
    jem_context_free(ctx);
    jem_check_no_leak(&memory);
}

static void check_value(const jem_model *m, const char *key, const char *value)
{
    char text[64];
    int64_t length;
    jem_check_ok(jem_model_meta_get(m, key, text, sizeof text, &length));
    ck_assert_str_eq(text, value);
    ck_assert_int_eq(length, (int64_t)strlen(value));
}

/* The file that the model is in after saving. */
static jem_model *saved_and_loaded(void)
{
    char path[JEM_TEST_PATH];
    jem_model *back;
    jem_test_path("model.safetensors", path);
    jem_check_ok(jem_model_save(model, path));
    jem_check_ok(jem_model_load(ctx, path, &back));
    return back;
}

START_TEST(entries_come_and_go)
{
    const char *key, *value;
    char text[8];
    int64_t length;
    ck_assert_int_eq(jem_model_meta_at(model, 0, &key, &value), JEM_E_RANGE);
    jem_check_ok(jem_model_meta_set(model, "class.1", "chat"));
    jem_check_ok(jem_model_meta_set(model, "class.0", "chien"));
    jem_check_ok(jem_model_meta_set(model, "a-b_c.9", ""));
    jem_check_ok(jem_model_meta_set(model, "class.1", "\xc3\xa9l\xc3\xa9phant"));
    check_value(model, "class.0", "chien");
    check_value(model, "class.1", "\xc3\xa9l\xc3\xa9phant");
    check_value(model, "a-b_c.9", "");
    jem_check_ok(jem_model_meta_at(model, 0, &key, &value));
    ck_assert_str_eq(key, "a-b_c.9");
    jem_check_ok(jem_model_meta_at(model, 2, &key, NULL));
    ck_assert_str_eq(key, "class.1");
    jem_check_ok(jem_model_meta_at(model, 1, NULL, &value));
    ck_assert_str_eq(value, "chien");
    ck_assert_int_eq(jem_model_meta_at(model, 3, &key, &value), JEM_E_RANGE);
    ck_assert_int_eq(jem_model_meta_at(model, -1, &key, &value), JEM_E_RANGE);

    jem_check_ok(jem_model_meta_get(model, "class.0", NULL, 0, &length));
    ck_assert_int_eq(length, 5);
    jem_check_ok(jem_model_meta_get(model, "class.0", text, 6, NULL));
    jem_check_fails(jem_model_meta_get(model, "class.0", text, 5, &length), JEM_E_SPACE, "6");
    ck_assert_int_eq(length, 5);
    jem_check_ok(jem_model_meta_set(model, "class.0", NULL));
    jem_check_ok(jem_model_meta_set(model, "class.0", NULL)); /* nothing to forget */
    jem_check_fails(jem_model_meta_get(model, "class.0", text, 8, &length), JEM_E_UNKNOWN,
                    "class.0");
    ck_assert_int_eq(length, 0);
    ck_assert_int_eq(jem_model_meta_at(model, 2, NULL, NULL), JEM_E_RANGE);
}
END_TEST

START_TEST(what_is_refused_changes_nothing)
{
    static const char *const bad[] = {"\xff",         "ok\xc3",           "\xc0\x80",
                                      "\xed\xa0\x80", "\xf4\x90\x80\x80", "a\x80"};
    char key[130], *value = calloc(1, (64 << 10) + 2);
    ck_assert_ptr_nonnull(value);
    jem_check_ok(jem_model_meta_set(model, "a", "kept"));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        jem_check_fails(jem_model_meta_set(model, "a", bad[i]), JEM_E_ARGUMENT, "not UTF-8");
    jem_check_fails(jem_model_meta_set(model, "", "x"), JEM_E_RANGE, "0 bytes");
    jem_check_fails(jem_model_meta_set(model, "A", "x"), JEM_E_ARGUMENT, "0x41");
    jem_check_fails(jem_model_meta_set(model, "a b", "x"), JEM_E_ARGUMENT, "byte 1");
    memset(key, 'k', sizeof key - 1);
    key[129] = '\0';
    jem_check_fails(jem_model_meta_set(model, key, "x"), JEM_E_RANGE, "129 bytes");
    key[128] = '\0';
    jem_check_ok(jem_model_meta_set(model, key, "x"));
    jem_check_fails(jem_model_meta_get(model, "b", key, 4, NULL), JEM_E_UNKNOWN, "\"b\"");
    memset(value, 'v', (64 << 10) + 1);
    jem_check_fails(jem_model_meta_set(model, "a", value), JEM_E_RANGE, "65537");
    check_value(model, "a", "kept");
    value[64 << 10] = '\0';
    jem_check_ok(jem_model_meta_set(model, "a", value));
    jem_check_fails(jem_model_meta_set(NULL, "a", "x"), JEM_E_ARGUMENT, "model");
    jem_check_fails(jem_model_meta_set(model, NULL, "x"), JEM_E_ARGUMENT, "key");
    jem_check_fails(jem_model_meta_get(model, "a", NULL, 1, NULL), JEM_E_ARGUMENT, "out");
    free(value);
}
END_TEST

/* Both bounds hold, and what lies at them can be saved and loaded. */
START_TEST(bounds_hold_and_fit_a_file)
{
    char key[24], *value = malloc((64 << 10) + 1);
    int64_t n = 0;
    ck_assert_ptr_nonnull(value);
    memset(value, 1, 64 << 10); /* the worst for JSON: six bytes each */
    value[64 << 10] = '\0';
    jem_status status = JEM_OK;
    while (status == JEM_OK) {
        snprintf(key, sizeof key, "%lld", (long long)n);
        status = jem_model_meta_set(model, key, value);
        n += status == JEM_OK;
    }
    jem_check_fails(status, JEM_E_RANGE, "4194304");
    ck_assert_int_eq(n, 63); /* the keys take some of the last 64 KiB */
    jem_model *back = saved_and_loaded();
    int64_t length;
    jem_check_ok(jem_model_meta_get(back, "62", NULL, 0, &length));
    ck_assert_int_eq(length, 64 << 10);
    jem_model_free(back);
    for (int64_t i = 0; i < n; i++) {
        snprintf(key, sizeof key, "%lld", (long long)i);
        jem_check_ok(jem_model_meta_set(model, key, NULL));
    }
    for (n = 0, status = JEM_OK; status == JEM_OK; n += status == JEM_OK) {
        snprintf(key, sizeof key, "%lld", (long long)n);
        status = jem_model_meta_set(model, key, "");
    }
    ck_assert_int_eq(n, 16384);
    jem_check_fails(status, JEM_E_RANGE, "16384");
    jem_check_ok(jem_model_meta_set(model, "5", "an old key is no new entry"));
    back = saved_and_loaded();
    check_value(back, "5", "an old key is no new entry");
    check_value(back, "16383", "");
    jem_model_free(back);
    free(value);
}
END_TEST

START_TEST(files_keep_every_character)
{
    static const char odd[] = "\"\\/\b\f\n\r\t\x01\x7f \xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x88";
    jem_check_ok(jem_model_meta_set(model, "odd", odd));
    jem_check_ok(jem_model_meta_set(model, "class.0", "x"));
    jem_model *back = saved_and_loaded();
    check_value(back, "odd", odd);
    check_value(back, "class.0", "x");
    ck_assert_int_eq(jem_model_meta_at(back, 2, NULL, NULL), JEM_E_RANGE);
    jem_model_free(back);
}
END_TEST

START_TEST(no_memory_changes_nothing)
{
    int64_t refused = 0;
    jem_check_ok(jem_model_meta_set(model, "a", "old"));
    for (int32_t i = 0; i < 15; i++) { /* the next one needs a longer list */
        char key[8];
        snprintf(key, sizeof key, "b%d", i);
        jem_check_ok(jem_model_meta_set(model, key, ""));
    }
    for (int32_t round = 0; round < 2; round++) {
        const char *key = round == 0 ? "a" : "c";
        const int64_t blocks = memory.blocks;
        for (int64_t at = 1;; at++) {
            memory.fail_at = memory.calls + at;
            const jem_status status = jem_model_meta_set(model, key, "new");
            memory.fail_at = 0;
            if (status == JEM_OK)
                break;
            ck_assert_int_eq(status, JEM_E_NOMEM);
            ck_assert_int_le(memory.blocks, blocks + 1); /* a longer list may stay */
            if (round == 0)
                check_value(model, "a", "old");
            else
                ck_assert_int_eq(jem_model_meta_get(model, key, NULL, 0, NULL), JEM_E_UNKNOWN);
            refused++;
        }
        check_value(model, key, "new");
    }
    ck_assert_int_ge(refused, 4);
}
END_TEST

START_TEST(sound_text_is_measured)
{
    static const struct {
        const char *text;
        int64_t sound;
    } cases[] = {{"", 0},
                 {"ascii", 5},
                 {"\xc3\xa9", 2},
                 {"a\xe9", 1},
                 {"\xe2\x82", 0},
                 {"\xe0\x9f\xbf", 0},
                 {"\xe0\xa0\x80", 3},
                 {"\xf0\x8f\xbf\xbf", 0},
                 {"\xf0\x90\x80\x80z", 5},
                 {"\xf4\x8f\xbf\xbf", 4},
                 {"\xf5\x80\x80\x80", 0},
                 {"\xc1\xbf", 0},
                 {"\xed\x9f\xbf\xed\xa0\x80", 3}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        ck_assert_int_eq(jem__utf8_sound(cases[i].text, (int64_t)strlen(cases[i].text)),
                         cases[i].sound);
}
END_TEST

TCase *jem_nets_metadata_case(void)
{
    TCase *c = tcase_create("metadata");
    tcase_add_checked_fixture(c, open_model, close_model);
    tcase_set_timeout(c, 60);
    tcase_add_test(c, entries_come_and_go);
    tcase_add_test(c, what_is_refused_changes_nothing);
    tcase_add_test(c, bounds_hold_and_fit_a_file);
    tcase_add_test(c, files_keep_every_character);
    tcase_add_test(c, no_memory_changes_nothing);
    tcase_add_test(c, sound_text_is_measured);
    return c;
}
