/* SPDX-License-Identifier: MIT */
/* Models: a network with weights, seen through jem/model.h. */

#include "check_nets.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/context.h"
#include "core/error.h"
#include "core/memory.h"
#include "nets/model.h"
#include "test_support.h"

static jem_context *open_context(jem_test_memory *memory)
{
    jem_context *ctx = NULL;
    memset(memory, 0, sizeof *memory);
    jem_check_ok(jem__context_create(&jem__backend_reference, "", jem_test_alloc,
                                     jem_test_release, memory, &ctx));
    return ctx;
}

/* Pairs of names and values, ended by NULL. */
static jem_status make_model(jem_context *ctx, const char *const *pairs, jem_model **out)
{
    jem_options *opts = NULL;
    *out = NULL;
    JEM__TRY(jem__options_create(ctx, &opts));
    jem_status status = JEM_OK;
    for (; *pairs != NULL && status == JEM_OK; pairs += 2)
        status = jem__options_set_str(opts, pairs[0], pairs[1]);
    if (status == JEM_OK)
        status = jem_model_create(ctx, opts, out);
    jem__options_free(opts); /* the model keeps a copy */
    return status;
}

static const char *const tiny[] = {"model.arch",
                                   "mlp",
                                   "model.hidden",
                                   "9",
                                   "model.layers",
                                   "2",
                                   "model.channels",
                                   "2",
                                   "model.height",
                                   "3",
                                   "model.width",
                                   "5",
                                   "model.classes",
                                   "4",
                                   NULL};

static jem_model *make_tiny(jem_context *ctx)
{
    jem_model *model = NULL;
    jem_check_ok(make_model(ctx, tiny, &model));
    return model;
}

static void close_model(jem_test_memory *memory, jem_context *ctx, jem_model *model)
{
    jem__context_unref(ctx); /* the model keeps it alive */
    jem_model_free(model);
    jem_check_no_leak(memory);
}

static jem_status walk_options(const jem_model *model, int64_t index)
{
    (void)model;
    return jem_options_info(index, NULL, NULL, NULL, NULL, NULL);
}

static jem_status walk_presets(const jem_model *model, int64_t index)
{
    (void)model;
    return jem_options_preset_info(index, NULL, NULL);
}

static jem_status walk_parameters(const jem_model *model, int64_t index)
{
    return jem_model_param_info(model, index, NULL, NULL);
}

static jem_status walk_metadata(const jem_model *model, int64_t index)
{
    return jem_model_meta_at(model, index, NULL, NULL);
}

/* All functions of the library that take an index in a walk. */
START_TEST(test_walks_end_alike)
{
    static jem_status (*const walks[])(const jem_model *model, int64_t index) = {
        walk_options, walk_presets, walk_parameters, walk_metadata};
    jem_test_memory memory = {0};
    jem_context *ctx = open_context(&memory);
    jem_model *model = make_tiny(ctx);

    jem_check_ok(jem_model_meta_set(model, "class.0", "shoe"));
    jem_check_ok(jem_model_meta_set(model, "class.1", "shirt"));
    jem_check_fails(jem_model_shape(NULL, NULL), JEM_E_ARGUMENT, "model is NULL");
    for (size_t w = 0; w < sizeof walks / sizeof walks[0]; w++) {
        int64_t count = 0;

        while (walks[w](model, count) == JEM_OK)
            count++;
        ck_assert_int_gt(count, 1);
        const int64_t outside[] = {INT64_MIN, -1, count, count + 1, INT64_MAX};
        for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++)
            ck_assert_int_eq(walks[w](model, outside[i]), JEM_E_RANGE);
    }
    ck_assert_str_eq(jem__error_text(), "jem_model_shape: model is NULL"); /* untouched */
    close_model(&memory, ctx, model);
}
END_TEST

START_TEST(test_shape_options_and_parameters_can_be_asked)
{
    jem_test_memory memory;
    jem_context *ctx = open_context(&memory);
    jem_model *model = make_tiny(ctx);
    int64_t shape[4] = {0, 0, 0, 0};
    char text[64];
    jem_check_ok(jem_model_shape(model, shape));
    ck_assert_int_eq(shape[0], 2);
    ck_assert_int_eq(shape[1], 3);
    ck_assert_int_eq(shape[2], 5);
    ck_assert_int_eq(shape[3], 4);
    ck_assert_int_eq(jem__model_image_size(model), 30);
    jem_check_ok(jem_model_option(model, "model.hidden", text, sizeof text));
    ck_assert_str_eq(text, "9");

    const char *name = NULL;
    jem_check_ok(jem_model_param_info(model, 0, &name, shape));
    ck_assert_str_eq(name, "fc1.weight");
    ck_assert_int_eq(shape[0], 9);
    ck_assert_int_eq(shape[1], 30);
    ck_assert_int_eq(shape[2], 1);
    ck_assert_int_eq(shape[3], 1);
    jem_check_ok(jem_model_param_info(model, 5, &name, NULL));
    ck_assert_str_eq(name, "class_output.bias");
    jem_check_ok(jem_model_param_info(model, 5, NULL, shape));
    ck_assert_int_eq(shape[0], 4);
    ck_assert_int_eq(jem__model_find(model, "fc2.bias"), 3);
    ck_assert_int_eq(jem__model_find(model, "fc3.bias"), -1);

    jem_check_fails(jem_model_shape(NULL, shape), JEM_E_ARGUMENT, "model is NULL");
    ck_assert_int_eq(jem_model_param_info(model, 6, &name, shape), JEM_E_RANGE);
    ck_assert_str_eq(jem__error_text(), "jem_model_shape: model is NULL"); /* untouched */
    jem_check_fails(jem_model_param_info(model, -1, &name, shape), JEM_E_RANGE, "");
    jem_check_fails(jem_model_option(model, "train.lr", text, 64), JEM_E_UNKNOWN, "train.lr");
    jem_check_fails(jem_model_option(model, "model.lr", text, 64), JEM_E_UNKNOWN, "model.lr");
    jem_check_fails(jem_model_option(model, "model.arch", text, 3), JEM_E_SPACE, "");
    close_model(&memory, ctx, model);
}
END_TEST

/* What PyTorch does: uniform in +-1 / sqrt(fan_in); and the same for the same seed. */
START_TEST(test_weights_begin_uniform_and_repeatable)
{
    static const char *const seeded[] = {"train.seed", "-3", "model.arch", "small", NULL};
    jem_test_memory memory;
    jem_context *ctx = open_context(&memory);
    jem_model *model = NULL, *twin = NULL;
    jem_check_ok(make_model(ctx, seeded, &model));
    jem_check_ok(make_model(ctx, seeded, &twin));
    float *host = malloc((size_t)model->net->param_count * sizeof *host);
    float *same = malloc((size_t)model->net->param_count * sizeof *same);
    jem_check_ok(jem__model_download(model, &model->params, host));
    jem_check_ok(jem__model_download(twin, &twin->params, same));
    jem_check_same(host, same, model->net->param_count);

    for (int32_t i = 0; i < model->net->n_params; i++) {
        const jem__param *p = &model->net->params[i];
        const double bound = 1 / sqrt((double)p->fan_in);
        const jem__rng rng = {
            .key = jem__rng_key(-3, 0), .purpose = JEM__RNG_INIT, .index = (uint64_t)i};
        jem__rng_uniform(&rng, 0, p->count, same);
        double sum = 0, squares = 0, largest = 0;
        for (int64_t e = 0; e < p->count; e++) {
            const double v = (double)host[p->at + e];
            ck_assert_double_eq_tol(v, bound * (2 * (double)same[e] - 1), 1e-7);
            sum += v / bound;
            squares += v * v / (bound * bound);
            largest = fmax(largest, fabs(v));
        }
        const double n = (double)p->count;
        ck_assert_double_le(largest, bound * (1 + 1e-6));
        ck_assert_double_le(fabs(sum / n), 4 / sqrt(3 * n)); /* 4 standard errors */
        ck_assert_double_le(fabs(squares / n - 1.0 / 3), 4 * 0.2981 / sqrt(n));
    }
    for (int32_t i = 0; i + 1 < model->net->n_params; i++) { /* the gaps stay zero */
        const jem__param *p = &model->net->params[i];
        for (int64_t e = p->at + p->count; e < p[1].at; e++)
            ck_assert(host[e] == 0.0f);
    }
    jem_check_ok(jem__model_init(twin, 8));
    jem_check_ok(jem__model_download(twin, &twin->params, same));
    ck_assert_mem_ne(host, same, 64);
    free(host);
    free(same);
    jem_model_free(twin);
    close_model(&memory, ctx, model);
}
END_TEST

START_TEST(test_parameters_are_read_and_written)
{
    jem_test_memory memory;
    jem_context *ctx = open_context(&memory);
    jem_model *model = make_tiny(ctx);
    float values[271], read[271];
    for (int i = 0; i < 271; i++)
        values[i] = (float)i / 8 - 3;
    jem_check_ok(jem_model_param_set(model, "fc1.weight", values, 270));
    jem_check_ok(jem_model_param_get(model, "fc1.weight", read, 271)); /* longer is fine */
    jem_check_same(read, values, 270);

    float *host = malloc((size_t)model->net->param_count * sizeof *host);
    jem_check_ok(jem__model_download(model, &model->params, host));
    jem_check_same(host, values, 270);
    host[272] = 77; /* fc1.bias begins at the next multiple of 16 */
    jem_check_ok(jem__model_upload(model, &model->params, host));
    jem_check_ok(jem_model_param_get(model, "fc1.bias", read, 9));
    ck_assert(read[0] == 77);
    free(host);

    values[3] = NAN;
    jem_check_fails(jem_model_param_set(model, "fc1.weight", values, 270), JEM_E_NUMERIC,
                    "values[3] of \"fc1.weight\" is nan");
    values[3] = -INFINITY;
    jem_check_fails(jem_model_param_set(model, "fc1.weight", values, 270), JEM_E_NUMERIC,
                    "is -inf");
    jem_check_ok(jem_model_param_get(model, "fc1.weight", read, 270));
    ck_assert(read[3] == 3.0f / 8 - 3); /* unchanged, */
    ck_assert(read[0] == -3.0f);        /* also before the bad one */
    jem_check_fails(jem_model_param_set(model, "fc1.weight", values, 269), JEM_E_SHAPE,
                    "len = 269, must be 270");
    jem_check_fails(jem_model_param_set(model, "fc9.weight", values, 1), JEM_E_UNKNOWN,
                    "no parameter \"fc9.weight\"");
    jem_check_fails(jem_model_param_get(model, "fc9", read, 1), JEM_E_UNKNOWN, "\"fc9\"");
    jem_check_fails(jem_model_param_get(model, "fc1.weight", read, 269), JEM_E_SPACE,
                    "out_len = 269, must be at least 270");
    jem_check_fails(jem_model_param_get(model, "fc1.weight", read, -1), JEM_E_SPACE, "-1");
    close_model(&memory, ctx, model);
}
END_TEST

START_TEST(test_null_arguments)
{
    jem_test_memory memory;
    jem_context *ctx = open_context(&memory);
    jem_model *model = make_tiny(ctx), *none = model;
    float value = 0;
    char text[8];
    jem_check_fails(jem_model_create(ctx, NULL, NULL), JEM_E_ARGUMENT, "out is NULL");
    jem_check_fails(jem_model_create(NULL, NULL, &none), JEM_E_ARGUMENT, "ctx is NULL");
    ck_assert_ptr_null(none);
    none = model;
    jem_check_fails(jem_model_load(ctx, NULL, &none), JEM_E_ARGUMENT, "path is NULL");
    ck_assert_ptr_null(none);
    jem_check_fails(jem_model_load(NULL, "x", &none), JEM_E_ARGUMENT, "ctx is NULL");
    jem_check_fails(jem_model_load(ctx, "x", NULL), JEM_E_ARGUMENT, "out is NULL");
    jem_check_fails(jem_model_save(NULL, "x"), JEM_E_ARGUMENT, "model is NULL");
    jem_check_fails(jem_model_save(model, NULL), JEM_E_ARGUMENT, "path is NULL");
    jem_check_fails(jem_model_shape(model, NULL), JEM_E_ARGUMENT, "shape is NULL");
    jem_check_fails(jem_model_option(NULL, "a", text, 8), JEM_E_ARGUMENT, "model is NULL");
    jem_check_fails(jem_model_option(model, NULL, text, 8), JEM_E_ARGUMENT, "name is NULL");
    jem_check_fails(jem_model_option(model, "a", NULL, 8), JEM_E_ARGUMENT, "out is NULL");
    jem_check_fails(jem_model_param_info(NULL, 0, NULL, NULL), JEM_E_ARGUMENT, "model");
    jem_check_fails(jem_model_param_get(NULL, "a", &value, 1), JEM_E_ARGUMENT, "model");
    jem_check_fails(jem_model_param_get(model, NULL, &value, 1), JEM_E_ARGUMENT, "name");
    jem_check_fails(jem_model_param_get(model, "a", NULL, 1), JEM_E_ARGUMENT, "out");
    jem_check_fails(jem_model_param_set(NULL, "a", &value, 1), JEM_E_ARGUMENT, "model");
    jem_check_fails(jem_model_param_set(model, NULL, &value, 1), JEM_E_ARGUMENT, "name");
    jem_check_fails(jem_model_param_set(model, "a", NULL, 1), JEM_E_ARGUMENT, "values");
    jem_model_free(NULL);
    close_model(&memory, ctx, model);
}
END_TEST

START_TEST(test_impossible_models_leave_nothing)
{
    static const char *const depth[] = {"model.depth", "12", NULL};
    static const char *const size[] = {"model.width", "30", NULL};
    jem_test_memory memory;
    jem_context *ctx = open_context(&memory);
    jem_model *model = NULL;
    jem_check_fails(make_model(ctx, depth, &model), JEM_E_SHAPE, "model.depth = 12");
    ck_assert_ptr_null(model);
    jem_check_fails(make_model(ctx, size, &model), JEM_E_SHAPE, "32 x 30");
    ck_assert_ptr_null(model);
    jem__context_unref(ctx);
    jem_check_no_leak(&memory);
}
END_TEST

/* Everything that allocates, with memory running out at every single allocation. */
static jem_status use_network(const jem_model *model, int32_t training)
{
    jem__workspace *ws = NULL;
    JEM__TRY(jem__workspace_create(model->net, model->ctx->backend, 2, 0, training, &ws));
    jem_status status = jem__network_forward(ws, model->queue, &model->params, 2);
    if (status == JEM_OK)
        status = jem__network_backward_x(ws, model->queue, &model->params, 2);
    jem__workspace_free(ws);
    return status;
}

static jem_status scenario(jem_test_memory *memory, void *arg)
{
    jem_context *ctx = NULL;
    JEM__TRY(jem__context_create(arg, "", jem_test_alloc, jem_test_release, memory, &ctx));
    static const char *const wrn[] = {"model.depth",    "10", "model.widen", "1",
                                      "model.height",   "4",  "model.width", "4",
                                      "model.channels", "1",  NULL};
    jem_model *model = (jem_model *)memory;
    float bias[16];
    jem_status status = make_model(ctx, wrn, &model);
    ck_assert(status == JEM_OK || model == NULL);
    if (status == JEM_OK)
        status = use_network(model, 0);
    if (status == JEM_OK)
        status = use_network(model, 1);
    if (status == JEM_OK)
        status = jem_model_param_get(model, "f.conv1.bias", bias, 16);
    jem__context_unref(ctx);
    jem_model_free(model);
    return status;
}

START_TEST(test_memory_may_run_out_anywhere)
{
    jem__backend reference = jem__backend_reference, cpu = jem__backend_cpu;
    ck_assert_int_ge(jem_check_survives_no_memory(scenario, &reference), 15);
    ck_assert_int_ge(jem_check_survives_no_memory(scenario, &cpu), 15);
}
END_TEST

/* A shared model is read by many threads at once. */
static void *reader(void *arg)
{
    const jem_model *model = arg;
    float weight[270];
    for (int i = 0; i < 300; i++) {
        if (jem_model_param_get(model, "fc1.weight", weight, 270) != JEM_OK ||
            weight[269] != 269.0f)
            return arg;
    }
    return NULL;
}

START_TEST(test_two_threads_read_a_shared_model)
{
    jem_test_memory memory;
    jem_context *ctx = open_context(&memory);
    jem_model *model = make_tiny(ctx);
    float values[270];
    pthread_t threads[2];
    void *failed[2];
    for (int i = 0; i < 270; i++)
        values[i] = (float)i;
    jem_check_ok(jem_model_param_set(model, "fc1.weight", values, 270));
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, reader, model), 0);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_join(threads[i], &failed[i]), 0);
    ck_assert_ptr_null(failed[0]);
    ck_assert_ptr_null(failed[1]);
    close_model(&memory, ctx, model);
}
END_TEST

TCase *jem_nets_model_case(void)
{
    TCase *model = tcase_create("model");
    tcase_set_timeout(model, 30);
    tcase_add_test(model, test_shape_options_and_parameters_can_be_asked);
    tcase_add_test(model, test_walks_end_alike);
    tcase_add_test(model, test_weights_begin_uniform_and_repeatable);
    tcase_add_test(model, test_parameters_are_read_and_written);
    tcase_add_test(model, test_null_arguments);
    tcase_add_test(model, test_impossible_models_leave_nothing);
    tcase_add_test(model, test_memory_may_run_out_anywhere);
    tcase_add_test(model, test_two_threads_read_a_shared_model);
    return model;
}
