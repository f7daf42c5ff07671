/* SPDX-License-Identifier: MIT */
/* Models in files: the way there and back, and files that say one thing and hold another. Part of
 * the suite "io". */

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jem/model.h>
#include <jem/options.h>
#include <jem/status.h>

#include "backend/backend.h"
#include "core/context.h"
#include "core/options.h"
#include "io/checkpoint.h"
#include "test_support.h"

void jem_io_model_cases(Suite *suite);

static jem_context *ctx;
static char path[JEM_TEST_PATH], other[JEM_TEST_PATH];

static void make_context(void)
{
    jem_check_ok(jem__context_create(&jem__backend_reference, "", NULL, NULL, NULL, &ctx));
    jem_test_path("model.safetensors", path);
    jem_test_path("other.safetensors", other);
}

static void free_context(void)
{
    jem_context_free(ctx);
}

static jem_status set_all(jem_options *opts, const char *const settings[][2])
{
    jem_status status = JEM_OK;
    for (int32_t i = 0; settings[i][0] != NULL && status == JEM_OK; i++)
        status = jem_options_set_str(opts, settings[i][0], settings[i][1]);
    return status;
}

static const char *const mlp[][2] = {
    {"model.arch", "mlp"},     {"model.hidden", "3"}, {"model.layers", "1"},
    {"model.channels", "1"},   {"model.height", "2"}, {"model.width", "2"},
    {"model.classes", "2"},    {"train.seed", "-7"},  {"train.lr", "0.00025"},
    {"sgld.noise_std", "0.1"}, {NULL, NULL}};
static const char *const small[][2] = {{"model.arch", "small"},
                                       {"model.filters", "2"},
                                       {"model.channels", "1"},
                                       {"model.height", "8"},
                                       {"model.width", "12"},
                                       {"model.classes", "3"},
                                       {NULL, NULL}};
static const char *const wrn[][2] = {
    {"model.arch", "wrn"}, {"model.depth", "10"},  {"model.widen", "1"}, {"model.height", "8"},
    {"model.width", "8"},  {"model.classes", "5"}, {NULL, NULL}};

static jem_model *make_model(const char *const settings[][2])
{
    jem_options *opts = NULL;
    jem_model *model = NULL;
    jem_check_ok(jem_options_create(ctx, &opts));
    jem_check_ok(set_all(opts, settings));
    jem_check_ok(jem_model_create(ctx, opts, &model));
    jem_options_free(opts);
    return model;
}

/* Same parameters, bit for bit, and same settings. */
static void check_same_model(const jem_model *a, const jem_model *b)
{
    const char *name, *option;
    int64_t shape[4], shape_b[4], i = 0;
    for (; jem_model_param_info(a, i, &name, shape) == JEM_OK; i++) {
        const int64_t count = shape[0] * shape[1] * shape[2] * shape[3];
        float *x = malloc((size_t)count * sizeof *x), *y = malloc((size_t)count * sizeof *y);
        jem_check_ok(jem_model_param_info(b, i, NULL, shape_b));
        ck_assert_mem_eq(shape, shape_b, sizeof shape);
        jem_check_ok(jem_model_param_get(a, name, x, count));
        jem_check_ok(jem_model_param_get(b, name, y, count));
        jem_check_same(x, y, count);
        free(x);
        free(y);
    }
    ck_assert_int_gt(i, 0);
    ck_assert_int_eq(jem_model_param_info(b, i, NULL, NULL), JEM_E_RANGE);
    for (i = 0; jem_options_info(i, &option, NULL, NULL, NULL, NULL) == JEM_OK; i++) {
        char x[64], y[64];
        jem_check_ok(jem_options_get_str(a->opts, option, x, 64));
        jem_check_ok(jem_options_get_str(b->opts, option, y, 64));
        ck_assert_str_eq(x, y);
    }
}

static void check_round_trip(const char *const settings[][2])
{
    jem_model *model = make_model(settings), *loaded = NULL;
    jem_check_ok(jem_model_save(model, path));
    jem_check_ok(jem_model_load(ctx, path, &loaded));
    check_same_model(model, loaded);
    jem_model_free(model);
    jem_model_free(loaded);
}

START_TEST(an_mlp_comes_back)
{
    check_round_trip(mlp);
}
END_TEST

START_TEST(a_small_network_comes_back)
{
    check_round_trip(small);
}
END_TEST

START_TEST(a_wide_resnet_comes_back)
{
    check_round_trip(wrn);
}
END_TEST

START_TEST(a_file_names_what_is_in_it)
{
    jem_model *model = make_model(wrn);
    jem__st_file *f = NULL;
    const char *option;
    jem_check_ok(jem_model_save(model, path));
    jem_check_ok(jem__st_open(ctx, "test", path, &f));
    ck_assert_str_eq(jem__st_metadata(f, "format"), "libjem");
    ck_assert_str_eq(jem__st_metadata(f, "format_version"), "1");
    ck_assert_ptr_nonnull(jem__st_metadata(f, "libjem_version"));
    ck_assert_str_eq(jem__st_metadata(f, "model.arch"), "wrn");
    ck_assert_str_eq(jem__st_metadata(f, "model.depth"), "10");
    for (int64_t i = 0; jem_options_info(i, &option, NULL, NULL, NULL, NULL) == JEM_OK; i++)
        ck_assert_ptr_nonnull(jem__st_metadata(f, option));
    ck_assert_int_eq(jem__st_count(f), model->net->n_params);

    /* The official state dict's names and PyTorch's ranks. */
    const jem__st_tensor *t = jem__st_find(f, "f.layer1.0.conv1.weight");
    ck_assert_ptr_nonnull(t);
    ck_assert(t->rank == 4 && t->shape[2] == 3 && t->shape[3] == 3);
    t = jem__st_find(f, "class_output.weight");
    ck_assert_ptr_nonnull(t);
    ck_assert(t->rank == 2 && t->shape[0] == 5 && t->shape[1] == 64);
    t = jem__st_find(f, "class_output.bias");
    ck_assert_ptr_nonnull(t);
    ck_assert(t->rank == 1 && t->shape[0] == 5);
    jem__st_close(f);
    jem_model_free(model);
}
END_TEST

/* ---- files that were changed ---- */

/* What to change in a file; NULL: nothing of the kind. */
typedef struct edit {
    const char *drop_key;             /* metadata to leave out */
    const char *key, *value;          /* metadata to set */
    const char *tensor;               /* a tensor to change: */
    int32_t drop, transpose, flatten; /* leave it out, swap its first sizes, make it one row */
    const char *dtype;                /* give it another type of 4 bytes */
    int64_t at;                       /* where to put `number`, -1: nowhere */
    float number;
    const char *extra; /* a tensor to add */
} edit;

static int32_t is(const char *a, const char *b)
{
    return a != NULL && b != NULL && strcmp(a, b) == 0;
}

static jem_status copy_tensor(jem__st_builder *b, const edit *e, const jem__st_tensor *t,
                              float *data)
{
    int64_t shape[JEM__ST_MAX_RANK];
    int32_t rank = t->rank;
    const char *dtype = t->dtype;
    memcpy(shape, t->shape, sizeof shape);
    if (is(e->tensor, t->name)) {
        if (e->drop)
            return JEM_OK;
        if (e->transpose) {
            shape[0] = t->shape[1];
            shape[1] = t->shape[0];
        }
        if (e->flatten) {
            rank = 1;
            shape[0] = t->count;
        }
        if (e->dtype != NULL)
            dtype = e->dtype;
        if (e->at >= 0)
            data[e->at] = e->number;
    }
    return jem__st_add(b, t->name, dtype, rank, shape, data);
}

/* Copy `path` to `other` with a change. */
static void rewrite(const edit *e)
{
    jem__st_file *f = NULL;
    jem__st_builder *b = NULL;
    float *data[64] = {NULL};
    const int64_t one = 1;
    jem_check_ok(jem__st_open(ctx, "test", path, &f));
    jem_check_ok(jem__st_builder_create(ctx, &b));
    ck_assert_int_le(jem__st_count(f), 64);
    for (int64_t i = 0; i < jem__st_metadata_count(f); i++) {
        const char *key, *value;
        jem__st_metadata_at(f, i, &key, &value);
        if (!is(e->drop_key, key) && !is(e->key, key))
            jem_check_ok(jem__st_add_metadata(b, key, value));
    }
    if (e->key != NULL)
        jem_check_ok(jem__st_add_metadata(b, e->key, e->value));
    for (int64_t i = 0; i < jem__st_count(f); i++) {
        const jem__st_tensor *t = jem__st_tensor_at(f, i);
        data[i] = malloc((size_t)t->bytes);
        jem_check_ok(jem__st_read_f32(f, t, data[i], t->count));
        jem_check_ok(copy_tensor(b, e, t, data[i]));
    }
    if (e->extra != NULL)
        jem_check_ok(jem__st_add(b, e->extra, "F32", 1, &one, data[0]));
    jem_check_ok(jem__st_write(b, "test", other));
    for (int64_t i = 0; i < 64; i++)
        free(data[i]);
    jem__st_builder_free(b);
    jem__st_close(f);
}

static void check_refused(edit e, jem_status status, const char *text)
{
    jem_model *model = NULL;
    rewrite(&e);
    jem_check_fails(jem_model_load(ctx, other, &model), status, text);
    ck_assert_ptr_null(model);
    ck_assert_ptr_nonnull(strstr(jem_last_error(), "jem_model_load: "));
    ck_assert_ptr_nonnull(strstr(jem_last_error(), "other.safetensors: "));
}

static void save_mlp(void)
{
    jem_model *model = make_model(mlp);
    jem_check_ok(jem_model_save(model, path));
    jem_model_free(model);
}

/* Nothing changed but metadata. */
#define SET(key_, value_)  ((edit){.at = -1, .key = key_, .value = value_})
#define DROP(key_)         ((edit){.at = -1, .drop_key = key_})
#define CHANGE(name_, ...) ((edit){.tensor = name_, __VA_ARGS__})

START_TEST(formats_are_checked)
{
    save_mlp();
    check_refused(DROP("format"), JEM_E_FORMAT, "neither written by libjem");
    check_refused(SET("format", "pt"), JEM_E_FORMAT, "neither written by libjem");
    check_refused(DROP("format_version"), JEM_E_FORMAT, "\"format_version\" is not a number");
    check_refused(SET("format_version", ""), JEM_E_FORMAT, "is not a number");
    check_refused(SET("format_version", "1x"), JEM_E_FORMAT, "is not a number");
    check_refused(SET("format_version", "-1"), JEM_E_FORMAT, "is not a number");
    check_refused(SET("format_version", "1000000000"), JEM_E_FORMAT, "is not a number");
    check_refused(SET("format_version", "0"), JEM_E_FORMAT, "format version 0");
    check_refused(SET("format_version", "2"), JEM_E_VERSION,
                  "format version 2, this libjem reads up to 1");
    /* a newer file is called newer, even if it has options that we do not know */
    check_refused((edit){.at = -1, .key = "format_version", .value = "999999999"},
                  JEM_E_VERSION, "format version 999999999");
}
END_TEST

START_TEST(options_are_checked)
{
    save_mlp();
    check_refused(SET("model.colour", "red"), JEM_E_FORMAT, "model.colour");
    check_refused(SET("sgld.", ""), JEM_E_FORMAT, "sgld.");
    check_refused(SET("model.arch", "vgg"), JEM_E_FORMAT, "model.arch");
    check_refused(SET("model.hidden", "0"), JEM_E_FORMAT, "model.hidden");
    check_refused(SET("model.hidden", "65537"), JEM_E_FORMAT, "65537");
    check_refused(SET("model.hidden", "many"), JEM_E_FORMAT, "model.hidden");
    check_refused(SET("model.hidden", "99999999999999999999"), JEM_E_FORMAT, "model.hidden");
    check_refused(SET("train.lr", "nan"), JEM_E_FORMAT, "train.lr");
    check_refused(SET("pcd.capacity", "-1"), JEM_E_FORMAT, "pcd.capacity");
    check_refused(SET("meta.Colour", "red"), JEM_E_FORMAT, "byte 0 of the key is 0x43");
    check_refused(SET("meta.", "red"), JEM_E_FORMAT, "a key of 0 bytes");
    /* right one by one, but no network */
    check_refused((edit){.at = -1, .key = "model.arch", .value = "wrn"}, JEM_E_SHAPE,
                  "jem_model_create: ");
}
END_TEST

START_TEST(what_is_not_ours_is_left_alone)
{
    save_mlp();
    jem_model *a = NULL, *b = NULL;
    jem_check_ok(jem_model_load(ctx, path, &a));
    rewrite(&(edit){.at = -1, .key = "note", .value = "hello", .extra = "replay_buffer"});
    jem_check_ok(jem_model_load(ctx, other, &b));
    check_same_model(a, b);
    jem_model_free(b);
    rewrite(&SET("foreign.key", "x"));
    jem_check_ok(jem_model_load(ctx, other, &b));
    jem_model_free(b);

    /* an option that an older libjem did not know has its default */
    char text[64];
    rewrite(&DROP("train.lr"));
    jem_check_ok(jem_model_load(ctx, other, &b));
    jem_check_ok(jem_options_get_str(b->opts, "train.lr", text, 64));
    ck_assert(strtod(text, NULL) == 1e-4);
    jem_model_free(b);
    jem_model_free(a);
}
END_TEST

START_TEST(parameters_are_checked)
{
    save_mlp();
    jem__st_file *f = NULL;
    char weight[64] = "";
    int64_t count = 0;
    jem_check_ok(jem__st_open(ctx, "test", path, &f));
    for (int64_t i = 0; i < jem__st_count(f); i++) {
        const jem__st_tensor *t = jem__st_tensor_at(f, i);
        if (t->rank == 2 && t->shape[0] == 3) {
            snprintf(weight, sizeof weight, "%s", t->name);
            count = t->count;
        }
    }
    jem__st_close(f);
    ck_assert_int_eq(count, 12);
    char text[128];
    snprintf(text, sizeof text, "parameter \"%s\" [3, 4] is missing", weight);
    check_refused(CHANGE(weight, .at = -1, .drop = 1), JEM_E_FORMAT, text);
    snprintf(text, sizeof text, "parameter \"%s\" is [4, 3], must be [3, 4]", weight);
    check_refused(CHANGE(weight, .at = -1, .transpose = 1), JEM_E_SHAPE, text);
    snprintf(text, sizeof text, "parameter \"%s\" is [12], must be [3, 4]", weight);
    check_refused(CHANGE(weight, .at = -1, .flatten = 1), JEM_E_SHAPE, text);
    snprintf(text, sizeof text, "parameter \"%s\" has dtype I32, must be F32, F64, F16 or BF16",
             weight);
    check_refused(CHANGE(weight, .at = -1, .dtype = "I32"), JEM_E_FORMAT, text);
    snprintf(text, sizeof text, "parameter \"%s\" is NaN at index 11, must be finite", weight);
    check_refused(CHANGE(weight, .at = 11, .number = NAN), JEM_E_NUMERIC, text);
    snprintf(text, sizeof text, "parameter \"%s\" is infinite at index 0", weight);
    check_refused(CHANGE(weight, .at = 0, .number = -INFINITY), JEM_E_NUMERIC, text);
    check_refused(SET("model.hidden", "4"), JEM_E_SHAPE, "must be [4, 4]");
    check_refused(SET("model.layers", "2"), JEM_E_FORMAT, "is missing");
}
END_TEST

/* Files of a kilobyte that describe the largest networks there are. */
START_TEST(promises_cost_no_memory)
{
    static const char *const large[][4][2] = {
        {{"model.arch", "wrn"}, {"model.depth", "1000"}, {"model.widen", "64"}, {NULL, NULL}},
        {{"model.arch", "wrn"},
         {"model.depth", "28"},
         {"model.classes", "65536"},
         {NULL, NULL}},
        {{"model.arch", "small"},
         {"model.filters", "1024"},
         {"model.height", "4096"},
         {NULL, NULL}},
        {{"model.arch", "mlp"},
         {"model.hidden", "65536"},
         {"model.layers", "32"},
         {NULL, NULL}},
    };
    for (size_t i = 0; i < sizeof large / sizeof large[0]; i++) {
        jem__st_builder *b = NULL;
        jem_test_memory memory = {0};
        jem_context *own = NULL;
        jem_model *model = NULL;
        jem_check_ok(jem__st_builder_create(ctx, &b));
        jem_check_ok(jem__st_add_metadata(b, "format", "libjem"));
        jem_check_ok(jem__st_add_metadata(b, "format_version", "1"));
        for (int32_t k = 0; large[i][k][0] != NULL; k++)
            jem_check_ok(jem__st_add_metadata(b, large[i][k][0], large[i][k][1]));
        jem_check_ok(jem__st_write(b, "test", other));
        jem__st_builder_free(b);
        jem_check_ok(jem__context_create(&jem__backend_reference, "", jem_test_alloc,
                                         jem_test_release, &memory, &own));
        const long long before = memory.peak;
        jem_check_fails(jem_model_load(own, other, &model), JEM_E_FORMAT, "is missing");
        ck_assert_int_le(memory.peak - before, 1 << 20);
        ck_assert_ptr_null(model);
        jem_context_free(own);
        jem_check_no_leak(&memory);
    }
}
END_TEST

START_TEST(a_model_cut_anywhere_is_refused)
{
    save_mlp();
    static uint8_t whole[16384];
    FILE *file = fopen(path, "rb");
    const size_t len = fread(whole, 1, sizeof whole, file);
    fclose(file);
    ck_assert_uint_lt(len, sizeof whole);
    for (size_t cut = 0; cut <= len; cut++) {
        jem_model *model = NULL;
        (void)remove(other); /* ext4 flushes a file that is cut to nothing and written again */
        file = fopen(other, "wb");
        ck_assert_uint_eq(fwrite(whole, 1, cut, file), cut);
        fclose(file);
        ck_assert_int_eq(jem_model_load(ctx, other, &model), cut < len ? JEM_E_FORMAT : JEM_OK);
        jem_model_free(model);
    }
}
END_TEST

/* Loads first: a run that fails early then costs no fsync. */
static jem_status load_and_save(jem_test_memory *memory, void *arg)
{
    jem_context *own = NULL;
    jem_model *model = NULL;
    (void)arg;
    jem_status status = jem__context_create(&jem__backend_reference, "", jem_test_alloc,
                                            jem_test_release, memory, &own);
    if (status == JEM_OK)
        status = jem_model_load(own, path, &model);
    ck_assert_int_eq(model != NULL, status == JEM_OK);
    if (status == JEM_OK)
        status = jem_model_save(model, path);
    jem_model_free(model);
    jem_context_free(own);
    return status;
}

/* However often saving failed, what is at `path` is a whole model. */
START_TEST(no_memory_is_survived)
{
    jem_model *model = NULL, *loaded = NULL;
    save_mlp();
    jem_check_ok(jem_model_load(ctx, path, &model));
    ck_assert_int_ge(jem_check_survives_no_memory(load_and_save, NULL), 60);
    jem_check_ok(jem_model_load(ctx, path, &loaded));
    check_same_model(model, loaded);
    jem_model_free(loaded);
    jem_model_free(model);
}
END_TEST

void jem_io_model_cases(Suite *suite)
{
    TCase *models = tcase_create("models");
    tcase_add_checked_fixture(models, make_context, free_context);
    tcase_set_timeout(models, 30);
    tcase_add_test(models, an_mlp_comes_back);
    tcase_add_test(models, a_small_network_comes_back);
    tcase_add_test(models, a_wide_resnet_comes_back);
    tcase_add_test(models, a_file_names_what_is_in_it);
    tcase_add_test(models, formats_are_checked);
    tcase_add_test(models, options_are_checked);
    tcase_add_test(models, what_is_not_ours_is_left_alone);
    tcase_add_test(models, parameters_are_checked);
    tcase_add_test(models, promises_cost_no_memory);
    tcase_add_test(models, a_model_cut_anywhere_is_refused);
    tcase_add_test(models, no_memory_is_survived);
    suite_add_tcase(suite, models);
}
