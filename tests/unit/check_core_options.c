/* SPDX-License-Identifier: MIT */
/* Options: the table against itself, and every way of setting a value wrongly. */

#include "check_core.h"

#include <float.h>
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jem/jem.h>

#include "core/context.h"
#include "core/error.h"
#include "core/option_table.h"
#include "core/options.h"
#include "test_support.h"

static jem_context *ctx;
static jem_options *opts;

static void setup(void)
{
    jem_check_ok(jem__context_create(NULL, "", NULL, NULL, NULL, &ctx));
    jem_check_ok(jem_options_create(ctx, &opts));
}

static void teardown(void)
{
    jem_options_free(opts);
    jem_context_free(ctx);
}

static const char *get(const char *name)
{
    static char text[64];
    jem_check_ok(jem_options_get_str(opts, name, text, (int64_t)sizeof text));
    return text;
}

static void set(const char *name, const char *value)
{
    jem_check_ok(jem_options_set_str(opts, name, value));
}

/* --- The table ----------------------------------------------------------------------------- */

START_TEST(every_row_is_whole_and_accepts_its_default)
{
    const char *name = NULL, *type = NULL, *fallback = NULL, *allowed = NULL, *help = NULL;
    int64_t rows = 0;
    for (; jem_options_info(rows, &name, &type, &fallback, &allowed, &help) == JEM_OK; rows++) {
        ck_assert(strchr(name, '.') != NULL && strlen(name) < 64);
        ck_assert(strcmp(type, "integer") == 0 || strcmp(type, "real") == 0 ||
                  strcmp(type, "text") == 0);
        ck_assert_uint_gt(strlen(allowed), 0);
        ck_assert(help[0] >= '0' && help[0] <= 'Z' && help[strlen(help) - 1] == '.');
        ck_assert_str_eq(get(name), fallback); /* a fresh bag says what the table says */
        set(name, fallback);
        ck_assert_str_eq(get(name), fallback);
        for (int64_t other = 0; other < rows; other++)
            ck_assert_str_ne(jem__option_rows[other].name, name);
    }
    ck_assert_int_eq(rows, JEM__OPTION_COUNT);
}
END_TEST

START_TEST(bounds_are_the_ones_shown_and_hold)
{
    for (int64_t i = 0; i < JEM__OPTION_COUNT; i++) {
        const struct jem__option_row *row = &jem__option_rows[i];
        char low[64], high[64];
        if (row->type == JEM__OPTION_TEXT)
            continue;
        ck_assert_int_eq(sscanf(row->allowed, "%63s to %63s", low, high), 2);
        set(row->name, low);
        set(row->name, high);
        if (row->type == JEM__OPTION_F64) {
            ck_assert(strtod(low, NULL) == row->low_f64 && strtod(high, NULL) == row->high_f64);
            jem_check_fails(
                jem_options_set_f64(opts, row->name, nextafter(row->low_f64, -HUGE_VAL)),
                JEM_E_RANGE, row->allowed);
            jem_check_fails(
                jem_options_set_f64(opts, row->name, nextafter(row->high_f64, HUGE_VAL)),
                JEM_E_RANGE, row->name);
        } else if (row->low_i64 > INT64_MIN) {
            jem_check_fails(jem_options_set_i64(opts, row->name, row->low_i64 - 1), JEM_E_RANGE,
                            row->allowed);
            jem_check_fails(jem_options_set_i64(opts, row->name, row->high_i64 + 1),
                            JEM_E_RANGE, row->name);
        }
        const union jem__option_value *fallback = &row->fallback;
        if (row->type == JEM__OPTION_I64)
            ck_assert(fallback->i64 >= row->low_i64 && fallback->i64 <= row->high_i64);
        else
            ck_assert(fallback->f64 >= row->low_f64 && fallback->f64 <= row->high_f64);
    }
}
END_TEST

START_TEST(every_choice_is_accepted)
{
    const char *choices[][2] = {
        {"model.arch", "wrn"},           {"model.arch", "small"},
        {"model.arch", "mlp"},           {"start.kind", "uniform"},
        {"start.kind", "gaussian"},      {"train.optimizer", "adam"},
        {"train.optimizer", "sgd"},      {"train.schedule", "milestones"},
        {"train.schedule", "cosine"},    {"train.schedule", "constant"},
        {"train.decay_epochs", ""},      {"train.decay_epochs", "1"},
        {"train.decay_epochs", "1,2,3"}, {"train.decay_epochs", "50,100,1000000"},
    };
    for (size_t i = 0; i < sizeof choices / sizeof choices[0]; i++) {
        set(choices[i][0], choices[i][1]);
        ck_assert_str_eq(get(choices[i][0]), choices[i][1]);
    }
}
END_TEST

START_TEST(walks_end_without_a_word)
{
    jem__fail(JEM_E_IO, "untouched");
    ck_assert_int_eq(jem_options_info(-1, NULL, NULL, NULL, NULL, NULL), JEM_E_RANGE);
    ck_assert_int_eq(jem_options_info(JEM__OPTION_COUNT, NULL, NULL, NULL, NULL, NULL),
                     JEM_E_RANGE);
    ck_assert_int_eq(jem_options_info(0, NULL, NULL, NULL, NULL, NULL), JEM_OK);
    ck_assert_int_eq(jem_options_preset_info(-1, NULL, NULL), JEM_E_RANGE);
    ck_assert_int_eq(jem_options_preset_info(JEM__PRESET_COUNT, NULL, NULL), JEM_E_RANGE);
    ck_assert_int_eq(jem_options_preset_info(0, NULL, NULL), JEM_OK);
    ck_assert_str_eq(jem_last_error(), "untouched");
}
END_TEST

/* --- Setting ------------------------------------------------------------------------------- */

START_TEST(unknown_names_get_the_nearest_known)
{
    const char *pairs[][2] = {
        {"sgld.stps", "sgld.steps"},
        {"sgld.step", "sgld.steps"},
        {"pcd_capacity", "pcd.capacity"},
        {"batch", "train.batch"},
        {"train.decay_epoch", "train.decay_epochs"},
        {"trainoptimizer", "train.optimizer"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        char text[160];
        snprintf(text, sizeof text, "unknown option \"%s\"; did you mean \"%s\"?", pairs[i][0],
                 pairs[i][1]);
        jem_check_fails(jem_options_set_i64(opts, pairs[i][0], 1), JEM_E_UNKNOWN, text);
        jem_check_fails(jem_options_set_f64(opts, pairs[i][0], 1), JEM_E_UNKNOWN, text);
        jem_check_fails(jem_options_set_str(opts, pairs[i][0], "1"), JEM_E_UNKNOWN, text);
        char out[64];
        jem_check_fails(jem_options_get_str(opts, pairs[i][0], out, 64), JEM_E_UNKNOWN, text);
    }
    char endless[5000];
    memset(endless, 's', sizeof endless);
    endless[sizeof endless - 1] = '\0';
    jem_check_fails(jem_options_set_i64(opts, endless, 1), JEM_E_UNKNOWN, "did you mean");
    jem_check_fails(jem_options_set_i64(opts, "", 1), JEM_E_UNKNOWN, "unknown option \"\"");
}
END_TEST

START_TEST(null_is_refused)
{
    jem_options *none = opts;
    char out[64];
    jem_check_fails(jem_options_create(NULL, &none), JEM_E_ARGUMENT, "ctx is NULL");
    ck_assert_ptr_null(none);
    jem_check_fails(jem_options_create(ctx, NULL), JEM_E_ARGUMENT, "out is NULL");
    jem_check_fails(jem_options_set_i64(NULL, "sgld.steps", 1), JEM_E_ARGUMENT, "opts is NULL");
    jem_check_fails(jem_options_set_i64(opts, NULL, 1), JEM_E_ARGUMENT, "name is NULL");
    jem_check_fails(jem_options_set_f64(NULL, "train.lr", 1), JEM_E_ARGUMENT, "opts is NULL");
    jem_check_fails(jem_options_set_f64(opts, NULL, 1), JEM_E_ARGUMENT, "name is NULL");
    jem_check_fails(jem_options_set_str(NULL, "train.lr", "1"), JEM_E_ARGUMENT, "opts is");
    jem_check_fails(jem_options_set_str(opts, NULL, "1"), JEM_E_ARGUMENT, "name is NULL");
    jem_check_fails(jem_options_set_str(opts, "train.lr", NULL), JEM_E_ARGUMENT, "value is");
    jem_check_fails(jem_options_get_str(NULL, "train.lr", out, 64), JEM_E_ARGUMENT, "opts is");
    jem_check_fails(jem_options_get_str(opts, NULL, out, 64), JEM_E_ARGUMENT, "name is NULL");
    jem_check_fails(jem_options_get_str(opts, "train.lr", NULL, 64), JEM_E_ARGUMENT, "out is");
    jem_check_fails(jem_options_preset(NULL, "demo"), JEM_E_ARGUMENT, "opts is NULL");
    jem_check_fails(jem_options_preset(opts, NULL), JEM_E_ARGUMENT, "name is NULL");
    jem_options_free(NULL);
}
END_TEST

START_TEST(types_are_kept_apart)
{
    jem_check_fails(jem_options_set_i64(opts, "model.arch", 1), JEM_E_ARGUMENT,
                    "jem_options_set_i64: model.arch is a text");
    jem_check_fails(jem_options_set_f64(opts, "model.arch", 1), JEM_E_ARGUMENT,
                    "model.arch is a text");
    jem_check_fails(jem_options_set_f64(opts, "sgld.steps", 1), JEM_E_ARGUMENT,
                    "sgld.steps is an integer");
    jem_check_ok(jem_options_set_i64(opts, "sgld.step_size", 3)); /* integer into real: fine */
    ck_assert(jem__option_f64(opts, "sgld.step_size") == 3.0);
    jem_check_fails(jem_options_set_i64(opts, "sgld.step_size", -3), JEM_E_RANGE,
                    "sgld.step_size = -3, must be 0 to 1e6");
}
END_TEST

START_TEST(values_out_of_bounds_change_nothing)
{
    jem_check_ok(jem_options_set_i64(opts, "sgld.steps", 7));
    jem_check_fails(jem_options_set_i64(opts, "sgld.steps", -1), JEM_E_RANGE,
                    "jem_options_set_i64: sgld.steps = -1, must be 0 to 100000");
    jem_check_fails(jem_options_set_str(opts, "sgld.steps", "100001"), JEM_E_RANGE,
                    "sgld.steps = 100001, must be 0 to 100000");
    ck_assert_int_eq(jem__option_i64(opts, "sgld.steps"), 7);
    const double bad[] = {NAN, HUGE_VAL, -HUGE_VAL, -1e-300, 1000.5};
    const char *shown[] = {"= nan,", "= inf,", "= -inf,", "= -1e-300,", "= 1000.5,"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        jem_check_fails(jem_options_set_f64(opts, "train.lr", bad[i]), JEM_E_RANGE, shown[i]);
    ck_assert_str_eq(get("train.lr"), "0.0001");
    jem_check_ok(jem_options_set_f64(opts, "train.lr", -0.0));
    ck_assert_str_eq(get("train.lr"), "0");
}
END_TEST

START_TEST(numbers_are_read_strictly)
{
    const char *junk[] = {"",   " 1",  "1 ",  "0x10", "inf",   "nan",   "1,5",
                          "1e", "1e+", ".",   "-",    "+-1",   "1.2.3", "1..2",
                          "e5", "--1", "one", "1\n",  "1_000", "1f",    "infinity"};
    for (size_t i = 0; i < sizeof junk / sizeof junk[0]; i++) {
        jem_check_fails(jem_options_set_str(opts, "train.lr", junk[i]), JEM_E_ARGUMENT,
                        "must be a decimal number, 0 to 1000");
        jem_check_fails(jem_options_set_str(opts, "sgld.steps", junk[i]), JEM_E_ARGUMENT,
                        "must be an integer, 0 to 100000");
    }
    jem_check_fails(jem_options_set_str(opts, "sgld.steps", "1.0"), JEM_E_ARGUMENT,
                    "sgld.steps = \"1.0\"");
    jem_check_fails(jem_options_set_str(opts, "sgld.steps", "1e2"), JEM_E_ARGUMENT, "integer");
    jem_check_fails(jem_options_set_str(opts, "train.lr", "1e999"), JEM_E_RANGE, "= inf");
    const char *good[][2] = {
        {"1", "1"},        {"+.5", "0.5"},   {"5.", "5"},
        {"1E-3", "0.001"}, {"1e-999", "0"},  {"-0", "0"},
        {"0.1", "0.1"},    {"3.0e2", "300"}, {"0.30000000000000004", "0.30000000000000004"}};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        set("train.lr", good[i][0]);
        ck_assert_str_eq(get("train.lr"), good[i][1]);
    }
}
END_TEST

START_TEST(integers_reach_their_ends)
{
    set("train.seed", "9223372036854775807");
    ck_assert(jem__option_i64(opts, "train.seed") == INT64_MAX);
    set("train.seed", "-9223372036854775808");
    ck_assert(jem__option_i64(opts, "train.seed") == INT64_MIN);
    ck_assert_str_eq(get("train.seed"), "-9223372036854775808");
    const char *beyond[] = {"9223372036854775808", "-9223372036854775809",
                            "99999999999999999999999999"};
    for (size_t i = 0; i < sizeof beyond / sizeof beyond[0]; i++)
        jem_check_fails(jem_options_set_str(opts, "train.seed", beyond[i]), JEM_E_RANGE,
                        beyond[i]);
    set("train.seed", "+0012");
    ck_assert_str_eq(get("train.seed"), "12");
}
END_TEST

START_TEST(reals_come_back_bit_for_bit)
{
    uint64_t state = 1;
    for (int i = 0; i < 20000; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        double value;
        memcpy(&value, &state, sizeof value);
        value = fabs(value);
        if (!(value <= 1e30))
            continue;
        char text[64];
        jem_check_ok(jem_options_set_f64(opts, "train.max_loss", value));
        snprintf(text, sizeof text, "%s", get("train.max_loss"));
        jem_check_ok(jem_options_set_f64(opts, "train.max_loss", 0));
        set("train.max_loss", text);
        ck_assert(jem__option_f64(opts, "train.max_loss") == value);
    }
    jem_check_ok(jem_options_set_f64(opts, "train.max_loss", DBL_TRUE_MIN));
    ck_assert_double_eq(jem__option_f64(opts, "train.max_loss"),
                        strtod(get("train.max_loss"), NULL));
}
END_TEST

START_TEST(locale_does_not_matter)
{
    const char *with_comma[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "ru_RU.UTF-8", "de_DE"};
    for (size_t i = 0; i < sizeof with_comma / sizeof with_comma[0]; i++) {
        if (setlocale(LC_ALL, with_comma[i]) == NULL)
            continue; /* not installed */
        set("train.lr", "0.25");
        ck_assert_str_eq(get("train.lr"), "0.25");
        ck_assert(jem__option_f64(opts, "train.lr") == 0.25);
        jem_check_fails(jem_options_set_str(opts, "train.lr", "0,25"), JEM_E_ARGUMENT, "0,25");
        jem_check_fails(jem_options_set_f64(opts, "train.lr", 1e3 + 0.5), JEM_E_RANGE,
                        "1000.5");
        setlocale(LC_ALL, "C");
    }
}
END_TEST

START_TEST(texts_are_checked)
{
    const char *bad[] = {"", "Adam", "adam ", "adam, sgd", "ada", ",", "rmsprop"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        jem_check_fails(jem_options_set_str(opts, "train.optimizer", bad[i]), JEM_E_RANGE,
                        "must be one of adam, sgd");
    const char *epochs[] = {",",    "1,",  ",1",       "1,,2", "2,1",   "1,1", "0",
                            "1, 2", "-1",  "01",       "1.5",  "a",     "1;2", "1000001",
                            "50 ",  "+50", "99999999", "1,a",  "1,2,2", "1,2,"};
    for (size_t i = 0; i < sizeof epochs / sizeof epochs[0]; i++)
        jem_check_fails(jem_options_set_str(opts, "train.decay_epochs", epochs[i]), JEM_E_RANGE,
                        "must be increasing positive integers joined by commas, or empty");
    char list[65] = "";
    for (int i = 10; i < 31; i++)
        snprintf(list + strlen(list), sizeof list - strlen(list), "%d,", i);
    list[62] = '\0'; /* "10,11,...,30" with 62 letters */
    set("train.decay_epochs", list);
    memcpy(list + 62, "0", 2); /* ...,300: 63, the longest */
    set("train.decay_epochs", list);
    ck_assert_str_eq(get("train.decay_epochs"), list);
    memcpy(list + 63, "0", 2);
    jem_check_fails(jem_options_set_str(opts, "train.decay_epochs", list), JEM_E_RANGE,
                    "has 64 bytes, must be at most 63");
}
END_TEST

START_TEST(short_outputs_are_refused)
{
    char out[64] = "kept";
    jem_check_fails(jem_options_get_str(opts, "train.decay_epochs", out, 7), JEM_E_SPACE,
                    "out_size = 7, train.decay_epochs needs 8");
    jem_check_fails(jem_options_get_str(opts, "train.lr", out, 0), JEM_E_SPACE, "needs 7");
    jem_check_fails(jem_options_get_str(opts, "train.lr", out, -1), JEM_E_SPACE, "= -1");
    ck_assert_str_eq(out, "kept");
    jem_check_ok(jem_options_get_str(opts, "train.decay_epochs", out, 8));
    ck_assert_str_eq(out, "160,180");
}
END_TEST

/* --- Presets, copies, and values for the rooms above --------------------------------------- */

START_TEST(presets_set_what_they_name)
{
    const char *name = NULL, *help = NULL;
    int64_t count = 0;
    for (; jem_options_preset_info(count, &name, &help) == JEM_OK; count++) {
        const struct jem__setting *parts[2] = {jem__presets[count].common,
                                               jem__presets[count].own};
        ck_assert_uint_gt(strlen(help), 0);
        jem_check_ok(jem_options_preset(opts, name));
        for (int part = 0; part < 2; part++)
            for (const struct jem__setting *s = parts[part]; s->name != NULL; s++) {
                jem_check_ok(jem_options_set_str(opts, s->name, s->value));
                ck_assert_str_eq(get(s->name), s->value);
            }
    }
    ck_assert_int_eq(count, JEM__PRESET_COUNT);
    jem_check_ok(jem_options_preset(opts, "jem-cifar100"));
    ck_assert_int_eq(jem__option_i64(opts, "model.classes"), 100);
    ck_assert_int_eq(jem__option_i64(opts, "train.warmup_steps"), 1000);
    jem_check_ok(jem_options_preset(opts, "jem-svhn"));
    ck_assert_int_eq(jem__option_i64(opts, "model.classes"), 10);
    ck_assert_int_eq(jem__option_i64(opts, "train.flip"), 0);
    jem_check_ok(jem_options_preset(opts, "jem-cifar10"));
    ck_assert_int_eq(jem__option_i64(opts, "train.flip"), 1);
    jem_check_ok(jem_options_preset(opts, "classifier"));
    ck_assert(jem__option_f64(opts, "train.weight_px") == 0);
    ck_assert_int_eq(jem__option_i64(opts, "train.epochs"), 200); /* presets stack */
    jem_check_ok(jem_options_preset(opts, "jem-cifar10"));
    jem_check_ok(jem_options_preset(opts, "class-conditional"));
    ck_assert_int_eq(jem__option_i64(opts, "sgld.class_cond"), 1);
    ck_assert_int_eq(jem__option_i64(opts, "pcd.class_parts"), 1);
    ck_assert(jem__option_f64(opts, "train.weight_px") == 1);
    jem_check_ok(jem_options_preset(opts, "factored"));
    ck_assert(jem__option_f64(opts, "train.weight_px") == 0);
    ck_assert(jem__option_f64(opts, "train.weight_py_x") == 0);
    ck_assert(jem__option_f64(opts, "train.weight_pxy") == 1);
    jem_check_fails(jem_options_preset(opts, "jem"), JEM_E_UNKNOWN,
                    "unknown preset \"jem\"; known are jem-cifar10, jem-cifar100, jem-svhn, "
                    "demo, classifier, class-conditional, factored");
}
END_TEST

START_TEST(paper_preset_differs_from_defaults_in_the_warmup_only)
{
    jem_check_ok(jem_options_preset(opts, "jem-cifar10"));
    for (int64_t i = 0; i < JEM__OPTION_COUNT; i++) {
        const struct jem__option_row *row = &jem__option_rows[i];
        if (strcmp(row->name, "train.warmup_steps") != 0)
            ck_assert_str_eq(get(row->name), row->fallback_text);
    }
}
END_TEST

START_TEST(copies_are_independent)
{
    jem_options *copy = NULL, *fresh = NULL;
    jem_check_ok(jem_options_set_i64(opts, "sgld.steps", 3));
    set("train.optimizer", "sgd");
    jem_check_ok(jem__options_copy(ctx, opts, &copy));
    jem_check_ok(jem__options_copy(ctx, NULL, &fresh));
    jem_check_ok(jem_options_set_i64(opts, "sgld.steps", 4));
    set("train.optimizer", "adam");
    ck_assert_int_eq(jem__option_i64(copy, "sgld.steps"), 3);
    ck_assert_str_eq(jem__option_str(copy, "train.optimizer"), "sgd");
    ck_assert_int_eq(jem__option_i64(fresh, "sgld.steps"), 20);
    jem_options_free(copy);
    jem_options_free(fresh);
}
END_TEST

START_TEST(our_own_mistakes_show)
{
    ck_assert_int_eq(jem__option_i64(NULL, "sgld.steps"), 20);
    ck_assert(jem__option_f64(NULL, "train.lr") == 1e-4);
    ck_assert_str_eq(jem__option_str(NULL, "model.arch"), "wrn");
    ck_assert_int_eq(jem__option_i64(opts, "sgld.stps"), 0);
    ck_assert_str_eq(jem_last_error(), "libjem: option \"sgld.stps\" is not in the table");
    ck_assert(jem__option_f64(opts, "sgld.steps") == 0);
    ck_assert_str_eq(jem_last_error(), "libjem: option \"sgld.steps\" is read as another type");
    ck_assert_str_eq(jem__option_str(NULL, "train.lr"), "");
    ck_assert_ptr_nonnull(strstr(jem_last_error(), "train.lr"));
}
END_TEST

TCase *jem_core_options_case(void)
{
    TCase *options = tcase_create("options");
    tcase_add_checked_fixture(options, setup, teardown);
    tcase_add_test(options, every_row_is_whole_and_accepts_its_default);
    tcase_add_test(options, bounds_are_the_ones_shown_and_hold);
    tcase_add_test(options, every_choice_is_accepted);
    tcase_add_test(options, walks_end_without_a_word);
    tcase_add_test(options, unknown_names_get_the_nearest_known);
    tcase_add_test(options, null_is_refused);
    tcase_add_test(options, types_are_kept_apart);
    tcase_add_test(options, values_out_of_bounds_change_nothing);
    tcase_add_test(options, numbers_are_read_strictly);
    tcase_add_test(options, integers_reach_their_ends);
    tcase_add_test(options, reals_come_back_bit_for_bit);
    tcase_add_test(options, locale_does_not_matter);
    tcase_add_test(options, texts_are_checked);
    tcase_add_test(options, short_outputs_are_refused);
    tcase_add_test(options, presets_set_what_they_name);
    tcase_add_test(options, paper_preset_differs_from_defaults_in_the_warmup_only);
    tcase_add_test(options, copies_are_independent);
    tcase_add_test(options, our_own_mistakes_show);
    return options;
}
