/* SPDX-License-Identifier: MIT */
/* Training: explosions, want of memory, bad input. */

#include "check_train.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test_support.h"

/* --- Failures ---------------------------------------------------------------------------- */

/* Everything a failed step must leave alone. */
struct memory_of {
    float weights[MAX_WEIGHTS], average[MAX_WEIGHTS], images[16 * SIZE];
    double loss;
};

static struct memory_of remember(jem_trainer *t)
{
    struct memory_of m;
    jem_model *average;
    memset(&m, 0, sizeof m);
    train_weights(t->model, m.weights);
    jem_check_ok(jem_trainer_average_model(t, &average));
    train_weights(average, m.average);
    jem_model_free(average);
    jem_check_ok(jem_buffer_read(t->buffer, 0, 16, m.images));
    m.loss = train_metric(t, "loss");
    return m;
}

START_TEST(explosion_changes_nothing)
{
    struct world w = train_open(train_backends[_i], 0, "train.ema=0.9");
    jem_check_ok(jem_trainer_step(w.t, 2));
    const struct memory_of before = remember(w.t);
    float first[4 * SIZE];
    w.t->max_loss = 1e-30;
    jem_check_fails(jem_trainer_step(w.t, 5), JEM_E_NUMERIC, "step 2: loss = ");
    jem_check_fails(jem_trainer_step(w.t, 5), JEM_E_NUMERIC, "train.max_loss = 1e-30");
    memcpy(first, w.t->x_d, sizeof first);
    const struct memory_of after = remember(w.t);
    ck_assert_int_eq(memcmp(&after, &before, sizeof after), 0);
    ck_assert_double_eq(train_metric(w.t, "step"), 2.0);
    ck_assert_int_eq(w.t->attempts, 4);
    w.t->max_loss = 1e8;
    jem_check_ok(jem_trainer_step(w.t, 1));
    ck_assert_int_ne(memcmp(w.t->x_d, first, sizeof first), 0); /* other images */
    ck_assert_double_eq(train_metric(w.t, "step"), 3.0);
    train_close(&w);
}
END_TEST

START_TEST(nan_weights)
{
    struct world w = train_open(train_backends[_i], 0, "train.ema=0.9");
    const struct batches b = train_make_batches();
    jem_check_ok(jem_trainer_step(w.t, 2));
    const struct memory_of before = remember(w.t);
    const int64_t count = w.model->net->param_count;
    float *host = malloc((size_t)count * sizeof *host);
    ck_assert_ptr_nonnull(host);
    jem_check_ok(jem__model_download(w.model, &w.model->params, host));
    const float kept = host[1];
    host[1] = nanf("");
    jem_check_ok(jem__model_upload(w.model, &w.model->params, host));
    jem_check_fails(jem_trainer_step(w.t, 1), JEM_E_NUMERIC, "jem_trainer_step");
    jem_check_fails(jem_trainer_step_on(w.t, b.x_d, N_D, b.x_l, b.y_l, N_L, b.x_q, NULL, N_Q),
                    JEM_E_NUMERIC, "nan, train.max_loss");
    host[1] = kept;
    jem_check_ok(jem__model_upload(w.model, &w.model->params, host));
    const struct memory_of after = remember(w.t);
    ck_assert_int_eq(memcmp(&after, &before, sizeof after), 0);
    jem_check_ok(jem_trainer_step(w.t, 2));
    ck_assert_double_eq(train_metric(w.t, "step"), 4.0);
    free(host);
    train_close(&w);
}
END_TEST

/* Finite loss, gradient beyond float: the first weights are tiny, the others huge. */
START_TEST(infinite_gradient)
{
    struct world w =
        train_open("cpu", 0, "model.layers=2 train.weight_px=0 train.max_loss=1e30");
    const struct batches b = train_make_batches();
    float values[MAX_WEIGHTS], before[MAX_WEIGHTS], after[MAX_WEIGHTS];
    int64_t dims[4];
    const char *name;
    for (int64_t i = 0; jem_model_param_info(w.model, i, &name, dims) == JEM_OK; i++) {
        const int64_t count = dims[0] * dims[1] * dims[2] * dims[3];
        jem_check_ok(jem_model_param_get(w.model, name, values, count));
        for (int64_t e = 0; e < count; e++)
            values[e] *= i == 0 ? 1e-30f : i % 2 == 1 ? 0.0f : 1e22f;
        jem_check_ok(jem_model_param_set(w.model, name, values, count));
    }
    const int64_t total = train_weights(w.model, before);
    jem_check_fails(jem_trainer_step_on(w.t, NULL, 0, b.x_l, b.y_l, N_L, NULL, NULL, 0),
                    JEM_E_NUMERIC, "the gradient's norm");
    train_weights(w.model, after);
    jem_check_same(after, before, total);
    jem_check_fails(
        jem_trainer_param_grad(w.t, w.model->net->params[0].name, values, MAX_WEIGHTS),
        JEM_E_STATE, "no step");
    train_close(&w);
}
END_TEST

/* A gradient that float holds but whose square it does not: refused, unless it is clipped. */
START_TEST(gradient_too_large_for_its_square)
{
    static const char *const settings[] = {
        "train.optimizer=adam", "train.optimizer=sgd train.lr=1000", "train.grad_clip=1"};
    struct world w = train_open("cpu", 0, "train.weight_px=0 train.max_loss=1e30");
    struct batches b = train_make_batches();
    char path[JEM_TEST_PATH];
    jem_test_path("large.safetensors", path);
    for (int32_t e = 0; e < N_L * SIZE; e++)
        b.x_l[e] *= 1e25f;
    for (int32_t i = 0; i < 3; i++) {
        float before[MAX_WEIGHTS], after[MAX_WEIGHTS];
        jem_trainer *t = NULL, *back = NULL;
        train_set(w.opts, settings[i]);
        jem_check_ok(jem_trainer_create(w.model, w.data, w.opts, &t));
        const int64_t total = train_weights(w.model, before);
        const jem_status status =
            jem_trainer_step_on(t, NULL, 0, b.x_l, b.y_l, N_L, NULL, NULL, 0);
        if (i < 2) {
            jem_check_status(__FILE__, __LINE__, settings[i], status, JEM_E_NUMERIC,
                             "must be at most 1e+18");
            train_weights(w.model, after);
            jem_check_same(after, before, total);
        } else {
            jem_check_ok(status);
            ck_assert_double_gt(train_metric(t, "grad_norm"), 1e18);
        }
        jem_check_ok(jem_trainer_save(t, path)); /* and what was saved can go on */
        jem_check_ok(jem_trainer_load(w.ctx, w.data, path, &back));
        jem_trainer_free(back);
        jem_trainer_free(t);
    }
    train_close(&w);
}
END_TEST

/* Create, step, save, load, step with memory failing at each allocation in turn. */
static jem_status life(jem_test_memory *memory, void *arg)
{
    const char *settings = arg;
    jem_context *ctx = NULL;
    jem_options *opts = NULL;
    jem_dataset *data = NULL;
    jem_model *model = NULL, *average = NULL;
    jem_trainer *t = NULL, *back = NULL;
    char path[JEM_TEST_PATH];
    float x[6 * SIZE];
    static const int32_t y[6] = {0, 1, 2, 0, 1, 2};
    for (int32_t i = 0; i < 6; i++)
        train_blob(i, y[i], x + i * SIZE);
    jem_test_path("life.safetensors", path);
    jem_status s = jem_context_create_with_allocator("reference", jem_test_alloc,
                                                     jem_test_release, memory, &ctx);
    if (s == JEM_OK)
        s = jem_context_set_threads(ctx, 1);
    if (s == JEM_OK)
        s = jem_options_create(ctx, &opts);
    if (s == JEM_OK) {
        train_set(opts, train_basis);
        train_set(opts, settings);
        s = jem_dataset_from_f32(ctx, x, y, 6, train_shape, CLASSES, &data);
    }
    if (s == JEM_OK)
        s = jem_model_create(ctx, opts, &model);
    if (s == JEM_OK)
        s = jem_trainer_create(model, data, opts, &t);
    if (s == JEM_OK)
        s = jem_trainer_step(t, 1);
    if (s == JEM_OK)
        s = jem_trainer_average_model(t, &average);
    if (s == JEM_OK)
        s = jem_trainer_save(t, path);
    if (s == JEM_OK)
        s = jem_trainer_load(ctx, data, path, &back);
    if (s == JEM_OK)
        s = jem_trainer_step(back, 1);
    jem_trainer_free(back);
    jem_model_free(average);
    jem_trainer_free(t);
    jem_model_free(model);
    jem_dataset_free(data);
    jem_options_free(opts);
    jem_context_free(ctx);
    return s;
}

/* One part in a batch, then four, whose sums ask for memory within a step. */
START_TEST(survives_no_memory)
{
    char settings[128];
    snprintf(settings, sizeof settings,
             "start.kind=gaussian train.ema=0.5 train.sam=adaptive sgld.steps=1 pcd.capacity=4 "
             "train.batch=%d",
             _i == 0 ? 4 : 4 * JEM__PART_IMAGES);
    const int64_t calls = jem_check_survives_no_memory(life, settings);
    ck_assert_int_gt(calls, 50);
}
END_TEST

/* A trainer goes on after an allocation failed within a step. */
START_TEST(goes_on_after_no_memory)
{
    jem_test_memory memory = {0};
    jem_context *ctx;
    jem_trainer *t;
    jem_model *model, *average = NULL;
    char path[JEM_TEST_PATH];
    jem_test_path("goes_on.safetensors", path);
    jem_check_ok(jem_context_create_with_allocator("reference", jem_test_alloc,
                                                   jem_test_release, &memory, &ctx));
    jem_check_ok(jem_context_set_threads(ctx, 1));
    jem_options *opts = train_options(ctx, "train.ema=0.5");
    jem_dataset *data = train_data(ctx, IMAGES, 0);
    jem_check_ok(jem_model_create(ctx, opts, &model));
    jem_check_ok(jem_trainer_create(model, data, opts, &t));
    memory.fail_at = memory.calls + 1;
    jem_check_fails(jem_trainer_save(t, path), JEM_E_NOMEM, "memory");
    memory.fail_at = memory.calls + 1;
    jem_check_fails(jem_trainer_average_model(t, &average), JEM_E_NOMEM, "memory");
    ck_assert_ptr_null(average);
    memory.fail_at = 0;
    jem_check_ok(jem_trainer_step(t, 2));
    jem_check_ok(jem_trainer_save(t, path));
    jem_trainer_free(t);
    jem_model_free(model);
    jem_dataset_free(data);
    jem_options_free(opts);
    jem_context_free(ctx);
    jem_check_no_leak(&memory);
}
END_TEST

/* Whichever allocation of a step fails: tried again, the step ends as it would have. */
START_TEST(a_step_without_memory_can_be_repeated)
{
    char straight[JEM_TEST_PATH], repeated[JEM_TEST_PATH];
    int64_t failed = 0;
    jem_test_path("straight.safetensors", straight);
    jem_test_path("repeated.safetensors", repeated);
    for (int64_t at = 0; at <= failed; at++) {
        jem_test_memory memory = {0};
        jem_context *ctx;
        jem_trainer *t;
        jem_model *model;
        jem_check_ok(jem_context_create_with_allocator(train_backends[_i], jem_test_alloc,
                                                       jem_test_release, &memory, &ctx));
        jem_check_ok(jem_context_set_threads(ctx, 1));
        jem_options *opts =
            train_options(ctx, "train.ema=0.5 sgld.class_cond=1 train.batch=64");
        jem_dataset *data = train_data(ctx, 64, 5);
        jem_check_ok(jem_model_create(ctx, opts, &model));
        jem_check_ok(jem_trainer_create(model, data, opts, &t));
        memory.fail_at = at > 0 ? memory.calls + at : 0; /* the first life is undisturbed */
        const int64_t before = memory.calls;
        const jem_status status = jem_trainer_step(t, 1);
        memory.fail_at = 0;
        if (at == 0)
            failed = memory.calls - before;
        ck_assert_int_eq(status, at == 0 ? JEM_OK : JEM_E_NOMEM);
        jem_check_ok(jem_trainer_step(t, at == 0 ? 1 : 2));
        jem_check_ok(jem_trainer_save(t, at == 0 ? straight : repeated));
        if (at > 0)
            train_check_same_file(straight, repeated);
        jem_trainer_free(t);
        jem_model_free(model);
        jem_dataset_free(data);
        jem_options_free(opts);
        jem_context_free(ctx);
        jem_check_no_leak(&memory);
    }
    ck_assert_int_ge(failed, 1);
}
END_TEST

/* --- Bad input --------------------------------------------------------------------------- */

static void check_create_fails(const struct world *w, jem_dataset *data, const char *settings,
                               jem_status status, const char *text)
{
    jem_options *opts = train_options(w->ctx, settings);
    jem_trainer *t;
    jem_check_fails(jem_trainer_create(w->model, data, opts, &t), status, text);
    ck_assert_ptr_null(t);
    jem_options_free(opts);
}

START_TEST(bad_create)
{
    struct world w = train_open("reference", 0, "");
    float x[4 * SIZE] = {0};
    static const int32_t none[4] = {-1, -1, -1, -1}, one_class[4] = {0, 0, 0, 0};
    const int64_t tall[3] = {1, 8, 2};
    jem_trainer *t = w.t;
    jem_dataset *data;
    jem_check_fails(jem_trainer_create(NULL, w.data, w.opts, &t), JEM_E_ARGUMENT,
                    "model is NULL");
    ck_assert_ptr_null(t);
    jem_check_fails(jem_trainer_create(w.model, NULL, w.opts, &t), JEM_E_ARGUMENT,
                    "data is NULL");
    jem_check_fails(jem_trainer_create(w.model, w.data, w.opts, NULL), JEM_E_ARGUMENT,
                    "out is NULL");
    /* The default crop of 4 does not fit 4 x 4. */
    jem_check_fails(jem_trainer_create(w.model, w.data, NULL, &t), JEM_E_RANGE,
                    "train.crop_pad = 4, must be at most 3");
    check_create_fails(&w, w.data, "train.crop_pad=4", JEM_E_RANGE, "crop_pad");
    check_create_fails(&w, w.data, "guard.chain_max=2", JEM_E_RANGE,
                       "guard.chain_max = 2, must be 0 or at least sgld.steps = 3");
    check_create_fails(&w, w.data, "pcd.class_parts=1 pcd.capacity=2", JEM_E_RANGE,
                       "pcd.capacity = 2");

    jem_check_ok(jem_dataset_from_f32(w.ctx, x, none, 4, tall, CLASSES, &data));
    check_create_fails(&w, data, "", JEM_E_SHAPE, "1 x 8 x 2 in 3 classes");
    jem_dataset_free(data);
    jem_check_ok(jem_dataset_from_f32(w.ctx, x, none, 4, train_shape, 7, &data));
    check_create_fails(&w, data, "", JEM_E_SHAPE, "7 classes");
    jem_dataset_free(data);

    jem_check_ok(jem_dataset_from_f32(w.ctx, x, none, 4, train_shape, CLASSES, &data));
    check_create_fails(&w, data, "", JEM_E_ARGUMENT, "none of the 4 images has a label");
    jem_options *opts = train_options(w.ctx, "train.weight_py_x=0"); /* p(x) alone needs none */
    jem_check_ok(jem_trainer_create(w.model, data, opts, &t));
    jem_check_ok(jem_trainer_step(t, 2));
    ck_assert_double_nan(train_metric(t, "accuracy"));
    jem_trainer_free(t);
    jem_options_free(opts);
    jem_dataset_free(data);

    jem_check_ok(jem_dataset_from_f32(w.ctx, x, one_class, 4, train_shape, CLASSES, &data));
    check_create_fails(&w, data, "start.kind=gaussian", JEM_E_STATE, "");
    jem_dataset_free(data);
    train_close(&w);
}
END_TEST

START_TEST(bad_steps)
{
    struct world w = train_open("reference", 0, "train.weight_pxy=0.5");
    struct batches b = train_make_batches();
    jem_trainer *t = w.t;
    jem_check_fails(jem_trainer_step(NULL, 1), JEM_E_ARGUMENT, "t is NULL");
    jem_check_fails(jem_trainer_step(t, -3), JEM_E_ARGUMENT, "steps = -3, must be at least 0");
    jem_check_ok(jem_trainer_step(t, 0));
    jem_check_fails(jem_trainer_step_on(NULL, b.x_d, 1, NULL, NULL, 0, NULL, NULL, 0),
                    JEM_E_ARGUMENT, "t is NULL");
    jem_check_fails(jem_trainer_step_on(t, b.x_d, -1, NULL, NULL, 0, NULL, NULL, 0),
                    JEM_E_ARGUMENT, "n_d = -1");
    jem_check_fails(jem_trainer_step_on(t, NULL, 0, b.x_l, b.y_l, -2, NULL, NULL, 0),
                    JEM_E_ARGUMENT, "n_l = -2");
    jem_check_fails(jem_trainer_step_on(t, NULL, 0, NULL, NULL, 0, b.x_q, NULL, -4),
                    JEM_E_ARGUMENT, "n_q = -4");
    jem_check_fails(jem_trainer_step_on(t, NULL, 2, NULL, NULL, 0, NULL, NULL, 0),
                    JEM_E_ARGUMENT, "x_d is NULL, but n_d = 2");
    jem_check_fails(jem_trainer_step_on(t, NULL, 0, NULL, b.y_l, 2, NULL, NULL, 0),
                    JEM_E_ARGUMENT, "x_l is NULL");
    jem_check_fails(jem_trainer_step_on(t, NULL, 0, b.x_l, NULL, 2, NULL, NULL, 0),
                    JEM_E_ARGUMENT, "y_l is NULL");
    jem_check_fails(jem_trainer_step_on(t, NULL, 0, NULL, NULL, 0, NULL, b.y_q, 2),
                    JEM_E_ARGUMENT, "x_q is NULL");
    jem_check_fails(jem_trainer_step_on(t, NULL, 0, NULL, NULL, 0, b.x_q, NULL, N_Q),
                    JEM_E_ARGUMENT, "train.weight_pxy = 0.5");
    jem_check_fails(jem_trainer_step_on(t, b.x_d, INT64_MAX / 8, NULL, NULL, 0, NULL, NULL, 0),
                    JEM_E_RANGE, "n_d = 1152921504606846975, is more than memory can hold");
    b.y_l[2] = CLASSES;
    jem_check_fails(jem_trainer_step_on(t, NULL, 0, b.x_l, b.y_l, N_L, NULL, NULL, 0),
                    JEM_E_RANGE, "y[2] = 3, must be 0 to 2");
    b.y_l[2] = -1;
    jem_check_fails(jem_trainer_step_on(t, NULL, 0, b.x_l, b.y_l, N_L, NULL, NULL, 0),
                    JEM_E_RANGE, "y[2] = -1");
    b.y_q[0] = -1;
    jem_check_fails(jem_trainer_step_on(t, NULL, 0, NULL, NULL, 0, b.x_q, b.y_q, N_Q),
                    JEM_E_RANGE, "y_q");
    b.x_d[SIZE + 1] = nanf("");
    jem_check_fails(jem_trainer_step_on(t, b.x_d, N_D, NULL, NULL, 0, NULL, NULL, 0),
                    JEM_E_NUMERIC, "value 1 of image 1");
    b.x_l[0] = HUGE_VALF;
    jem_check_fails(jem_trainer_step_on(t, NULL, 0, b.x_l, b.y_l, N_L, NULL, NULL, 0),
                    JEM_E_NUMERIC, "x_l");
    ck_assert_double_eq(train_metric(t, "step"), 0.0);
    ck_assert_double_nan(train_metric(t, "loss"));
    train_close(&w);
}
END_TEST

START_TEST(bad_reads)
{
    struct world w = train_open("reference", 0, "");
    jem_trainer *t = w.t;
    double value;
    float grad[MAX_WEIGHTS];
    const char *name = w.model->net->params[0].name;
    jem_model *model = w.model;
    jem_buffer *buffer;
    jem_check_fails(jem_trainer_metric(NULL, "loss", &value), JEM_E_ARGUMENT, "t is NULL");
    jem_check_fails(jem_trainer_metric(t, NULL, &value), JEM_E_ARGUMENT, "name is NULL");
    jem_check_fails(jem_trainer_metric(t, "loss", NULL), JEM_E_ARGUMENT, "out is NULL");
    jem_check_fails(jem_trainer_metric(t, "lost", &value), JEM_E_UNKNOWN, "\"lost\"");

    jem_check_fails(jem_trainer_param_grad(t, name, grad, MAX_WEIGHTS), JEM_E_STATE, "no step");
    jem_check_ok(jem_trainer_step(t, 1));
    jem_check_fails(jem_trainer_param_grad(NULL, name, grad, MAX_WEIGHTS), JEM_E_ARGUMENT,
                    "t is");
    jem_check_fails(jem_trainer_param_grad(t, NULL, grad, MAX_WEIGHTS), JEM_E_ARGUMENT,
                    "name is");
    jem_check_fails(jem_trainer_param_grad(t, name, NULL, MAX_WEIGHTS), JEM_E_ARGUMENT,
                    "out is");
    jem_check_fails(jem_trainer_param_grad(t, "no.such", grad, MAX_WEIGHTS), JEM_E_UNKNOWN,
                    "\"no.such\"");
    jem_check_fails(jem_trainer_param_grad(t, name, grad, 95), JEM_E_SPACE, "out_len = 95");

    jem_check_fails(jem_trainer_model(NULL, &model), JEM_E_ARGUMENT, "t is NULL");
    ck_assert_ptr_null(model);
    jem_check_fails(jem_trainer_model(t, NULL), JEM_E_ARGUMENT, "out is NULL");
    jem_check_fails(jem_trainer_average_model(NULL, &model), JEM_E_ARGUMENT, "t is NULL");
    jem_check_fails(jem_trainer_average_model(t, NULL), JEM_E_ARGUMENT, "out is NULL");
    jem_check_fails(jem_trainer_average_model(t, &model), JEM_E_STATE, "train.ema = 0");
    jem_check_fails(jem_trainer_buffer(NULL, &buffer), JEM_E_ARGUMENT, "t is NULL");
    jem_check_fails(jem_trainer_buffer(t, NULL), JEM_E_ARGUMENT, "out is NULL");
    jem_trainer_free(NULL);
    train_close(&w);
}
END_TEST

START_TEST(bad_files)
{
    struct world w = train_open("reference", 0, "");
    jem_trainer *t = w.t;
    jem_check_fails(jem_trainer_save(NULL, "x"), JEM_E_ARGUMENT, "t is NULL");
    jem_check_fails(jem_trainer_save(w.t, NULL), JEM_E_ARGUMENT, "path is NULL");
    jem_check_fails(jem_trainer_save(w.t, "/nonexistent/x.safetensors"), JEM_E_IO,
                    "/nonexistent/x.safetensors");
    jem_check_fails(jem_trainer_load(NULL, w.data, "x", &t), JEM_E_ARGUMENT, "ctx is NULL");
    ck_assert_ptr_null(t);
    jem_check_fails(jem_trainer_load(w.ctx, NULL, "x", &t), JEM_E_ARGUMENT, "data is NULL");
    jem_check_fails(jem_trainer_load(w.ctx, w.data, NULL, &t), JEM_E_ARGUMENT, "path is NULL");
    jem_check_fails(jem_trainer_load(w.ctx, w.data, "x", NULL), JEM_E_ARGUMENT, "out is NULL");
    jem_check_fails(jem_trainer_load(w.ctx, w.data, "/nonexistent/x", &t), JEM_E_IO,
                    "/nonexistent/x");
    ck_assert_ptr_null(t);
    train_close(&w);
}
END_TEST

/* Handles given out outlive the trainer, and it outlives what it was made from. */
START_TEST(lifetimes)
{
    struct world w = train_open("reference", 0, "");
    jem_model *model;
    jem_buffer *buffer;
    float weights[MAX_WEIGHTS], x[SIZE];
    int64_t size = 0;
    jem_model_free(w.model);
    jem_dataset_free(w.data);
    jem_options_free(w.opts);
    jem_context_free(w.ctx);
    jem_check_ok(jem_trainer_step(w.t, 2));
    jem_check_ok(jem_trainer_model(w.t, &model));
    jem_check_ok(jem_trainer_buffer(w.t, &buffer));
    jem_trainer_free(w.t);
    ck_assert_int_gt(train_weights(model, weights), 0);
    jem_check_ok(jem_buffer_size(buffer, &size));
    ck_assert_int_eq(size, 16);
    jem_model_free(model);
    jem_check_ok(jem_buffer_read(buffer, 15, 1, x));
    jem_buffer_free(buffer);
}
END_TEST

void jem_train_add_failures(Suite *suite)
{
    TCase *c = train_case(suite, "failures");
    tcase_add_loop_test(c, explosion_changes_nothing, 0, 2);
    tcase_add_loop_test(c, nan_weights, 0, 2);
    tcase_add_test(c, infinite_gradient);
    tcase_add_test(c, gradient_too_large_for_its_square);
    tcase_add_loop_test(c, survives_no_memory, 0, 2);
    tcase_add_test(c, goes_on_after_no_memory);
    tcase_add_loop_test(c, a_step_without_memory_can_be_repeated, 0, 2);
    tcase_add_test(c, bad_create);
    tcase_add_test(c, bad_steps);
    tcase_add_test(c, bad_reads);
    tcase_add_test(c, bad_files);
    tcase_add_test(c, lifetimes);
}
