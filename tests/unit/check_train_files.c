/* SPDX-License-Identifier: MIT */
/* Training: files. Saving and loading is exact; spoilt files and other data are refused. */

#include "check_train.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/fingerprint.h"
#include "io/safetensors.h"
#include "test_support.h"

/* --- Files ------------------------------------------------------------------------------- */

static uint8_t *slurp(const char *path, size_t *len)
{
    FILE *f = fopen(path, "rb");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(fseek(f, 0, SEEK_END), 0);
    *len = (size_t)ftell(f);
    rewind(f);
    uint8_t *bytes = malloc(*len + 1);
    ck_assert_ptr_nonnull(bytes);
    ck_assert_uint_eq(fread(bytes, 1, *len, f), *len);
    fclose(f);
    return bytes;
}

static void spill(const char *path, const uint8_t *bytes, size_t len)
{
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, len, f), len);
    ck_assert_int_eq(fclose(f), 0);
}

void train_check_same_file(const char *a, const char *b)
{
    size_t len_a, len_b;
    uint8_t *bytes_a = slurp(a, &len_a), *bytes_b = slurp(b, &len_b);
    ck_assert_uint_eq(len_a, len_b);
    for (size_t i = 0; i < len_a; i++)
        ck_assert_msg(bytes_a[i] == bytes_b[i], "byte %zu of %zu differs", i, len_a);
    free(bytes_a);
    free(bytes_b);
}

/* The reference backend computes in double, and a file holds floats: there a resumed training
 * is close only. */
static void check_close_file(jem_context *ctx, const char *a, const char *b)
{
    jem__st_file *f, *g;
    jem_check_ok(jem__st_open(ctx, "test", a, &f));
    jem_check_ok(jem__st_open(ctx, "test", b, &g));
    ck_assert_int_eq(jem__st_count(f), jem__st_count(g));
    for (int64_t i = 0; i < jem__st_count(f); i++) {
        const jem__st_tensor *t = jem__st_tensor_at(f, i), *u = jem__st_find(g, t->name);
        ck_assert_ptr_nonnull(u);
        ck_assert_int_eq(t->count, u->count);
        if (strcmp(t->dtype, "I64") == 0) {
            int64_t x[16], y[16];
            ck_assert_int_le(t->count, 16);
            jem_check_ok(jem__st_read_i64(f, t, x, t->count));
            jem_check_ok(jem__st_read_i64(g, u, y, t->count));
            ck_assert_int_eq(memcmp(x, y, (size_t)t->bytes), 0);
            continue;
        }
        float *x = malloc((size_t)t->bytes), *y = malloc((size_t)t->bytes);
        ck_assert(x != NULL && y != NULL);
        jem_check_ok(jem__st_read_f32(f, t, x, t->count));
        jem_check_ok(jem__st_read_f32(g, u, y, t->count));
        jem_check_close(x, y, t->count, 1e-5, 1e-6);
        free(x);
        free(y);
    }
    jem__st_close(f);
    jem__st_close(g);
}

static const char *const resumed[] = {
    "train.input_noise=0.1",
    "train.optimizer=sgd train.lr=0.05",
    "train.ema=0.9 train.grad_clip=0.5 train.weight_decay=0.01",
    "start.kind=gaussian sgld.class_cond=1",
    "train.share_batch=1 train.energy_l2=0.1 train.label_smoothing=0.1",
    "train.weight_pxy=0.5 pcd.class_parts=1 train.weight_px_ramp=10",
    "train.batch_px=7 train.augment_px=0",
    "train.weight_px=0 train.schedule=cosine train.steps=20 train.warmup_steps=3",
    "train.sam=adaptive train.sam_rho=0.1 train.grad_clip=0.5",
};
#define RESUMED ((int)(sizeof resumed / sizeof resumed[0]))
#define HALF    7 /* steps: more than an epoch of 5 */

/* 2 N steps in one go against N, save, load, N: byte for byte, and over thread counts. */
static void check_resume(const char *backend, const char *settings, int32_t exact)
{
    char straight[JEM_TEST_PATH], half[JEM_TEST_PATH], again[JEM_TEST_PATH];
    jem_test_path("straight.safetensors", straight);
    jem_test_path("half.safetensors", half);
    jem_test_path("again.safetensors", again);

    struct world w = train_open(backend, 5, settings);
    jem_check_ok(jem_trainer_step(w.t, 2));
    train_fail_once(w.t);
    jem_check_ok(jem_trainer_step(w.t, 2 * HALF - 2));
    jem_check_ok(jem_trainer_save(w.t, straight));
    train_close(&w);

    w = train_open(backend, 5, settings);
    jem_check_ok(jem_context_set_threads(w.ctx, 2));
    jem_check_ok(jem_trainer_step(w.t, 2));
    train_fail_once(w.t);
    jem_check_ok(jem_trainer_step(w.t, HALF - 2));
    jem_check_ok(jem_trainer_save(w.t, half));
    train_close(&w);

    for (int32_t threads = 1; threads <= 2; threads++) {
        jem_context *ctx = train_context(backend, threads);
        jem_dataset *data = train_data(ctx, IMAGES, 5);
        jem_trainer *t;
        float grad[MAX_WEIGHTS];
        jem_check_ok(jem_trainer_load(ctx, data, half, &t));
        jem_check_ok(jem_trainer_save(t, again));
        train_check_same_file(half, again);
        ck_assert_double_eq(train_metric(t, "step"), (double)HALF);
        ck_assert_double_nan(train_metric(t, "loss"));
        jem_check_fails(
            jem_trainer_param_grad(t, t->model->net->params[0].name, grad, MAX_WEIGHTS),
            JEM_E_STATE, "loaded");
        jem_check_ok(jem_trainer_step(t, HALF));
        jem_check_ok(jem_trainer_save(t, again));
        if (exact)
            train_check_same_file(straight, again);
        else
            check_close_file(ctx, straight, again);
        jem_trainer_free(t);
        jem_dataset_free(data);
        jem_context_free(ctx);
    }
}

START_TEST(resume_is_exact)
{
    check_resume("cpu", resumed[_i], 1);
}
END_TEST

START_TEST(resume_on_reference)
{
    check_resume("reference", resumed[_i], 0);
}
END_TEST

/* The file of a training opens as a model; settings are the model's, whatever the options of
 * the trainer said about it. */
START_TEST(file_opens_as_a_model)
{
    char path[JEM_TEST_PATH], text[64];
    jem_test_path("training.safetensors", path);
    struct world w = train_open("reference", 0, "");
    jem_options *other;
    jem_trainer *t, *back;
    jem_model *model;
    float a[MAX_WEIGHTS], b[MAX_WEIGHTS];
    jem_check_ok(jem_options_create(w.ctx, &other));
    train_set(other, "pcd.capacity=5 train.batch=3 train.crop_pad=0 model.depth=16");
    jem_check_ok(jem_trainer_create(w.model, w.data, other, &t));
    jem_check_ok(jem_trainer_step(t, 2));
    jem_check_ok(jem_trainer_save(t, path));
    jem_check_ok(jem_model_load(w.ctx, path, &model));
    jem_check_ok(jem_model_option(model, "model.arch", text, sizeof text));
    ck_assert_str_eq(text, "mlp");
    const int64_t total = train_weights(w.model, a);
    ck_assert_int_eq(train_weights(model, b), total);
    jem_check_same(b, a, total);
    jem_check_ok(jem_trainer_load(w.ctx, w.data, path, &back));
    ck_assert_int_eq(back->batch, 3);
    jem_trainer_free(back);
    jem_trainer_free(t);
    jem_model_free(model);
    jem_options_free(other);
    train_close(&w);
}
END_TEST

START_TEST(average_survives_a_file)
{
    char path[JEM_TEST_PATH];
    jem_test_path("average.safetensors", path);
    struct world w = train_open("cpu", 0, "train.ema=0.9");
    jem_trainer *t;
    jem_model *a, *b;
    float before[MAX_WEIGHTS], after[MAX_WEIGHTS], weights[MAX_WEIGHTS];
    jem_check_ok(jem_trainer_step(w.t, 3));
    jem_check_ok(jem_trainer_save(w.t, path));
    jem_check_ok(jem_trainer_load(w.ctx, w.data, path, &t));
    jem_check_ok(jem_trainer_average_model(w.t, &a));
    jem_check_ok(jem_trainer_average_model(t, &b));
    const int64_t total = train_weights(a, before);
    train_weights(b, after);
    train_weights(w.model, weights);
    jem_check_same(after, before, total);
    ck_assert_int_ne(memcmp(after, weights, (size_t)total * sizeof *after), 0);
    jem_model_free(a);
    jem_model_free(b);
    jem_trainer_free(t);
    train_close(&w);
}
END_TEST

/* A saved training to be spoilt. */
struct spoilt {
    struct world w;
    char path[JEM_TEST_PATH];
    uint8_t *bytes;
    size_t len;
};

static struct spoilt make_spoilt(const char *settings)
{
    struct spoilt s;
    s.w = train_open("reference", 0, settings);
    jem_test_path("spoilt.safetensors", s.path);
    jem_check_ok(jem_trainer_step(s.w.t, 2));
    jem_check_ok(jem_trainer_save(s.w.t, s.path));
    s.bytes = slurp(s.path, &s.len);
    return s;
}

static void free_spoilt(struct spoilt *s)
{
    free(s->bytes);
    train_close(&s->w);
}

/* Write the file with `len` bytes at number `index` of a tensor replaced; expect failure. */
static void check_patched(const struct spoilt *s, const char *tensor, int64_t index,
                          const void *bytes, size_t len, jem_status status, const char *text)
{
    jem__st_file *f;
    jem_trainer *t;
    spill(s->path, s->bytes, s->len);
    jem_check_ok(jem__st_open(s->w.ctx, "test", s->path, &f));
    const jem__st_tensor *found = jem__st_find(f, tensor);
    ck_assert_ptr_nonnull(found);
    const size_t at = (size_t)found->at + (size_t)index * len;
    jem__st_close(f);
    uint8_t *copy = malloc(s->len);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, s->bytes, s->len);
    memcpy(copy + at, bytes, len);
    spill(s->path, copy, s->len);
    free(copy);
    jem_check_fails(jem_trainer_load(s->w.ctx, s->w.data, s->path, &t), status, text);
    ck_assert_ptr_null(t);
}

/* The same for a text in the header, of equal length. */
static void check_header(const struct spoilt *s, const char *from, const char *to,
                         jem_status status, const char *text)
{
    const size_t len = strlen(from);
    jem_trainer *t;
    size_t at = 8;
    ck_assert_uint_eq(len, strlen(to));
    while (at + len <= s->len && memcmp(s->bytes + at, from, len) != 0)
        at++;
    ck_assert_msg(at + len <= s->len, "the file does not hold %s", from);
    memcpy(s->bytes + at, to, len);
    spill(s->path, s->bytes, s->len);
    memcpy(s->bytes + at, from, len);
    jem_check_fails(jem_trainer_load(s->w.ctx, s->w.data, s->path, &t), status, text);
    ck_assert_ptr_null(t);
}

/* What the model remembers goes into all that a training saves, and comes back. */
START_TEST(metadata_is_handed_on)
{
    char path[JEM_TEST_PATH], text[16];
    struct world w = train_open("cpu", 0, "train.ema=0.5");
    jem_trainer *t;
    jem_model *models[2];
    jem_test_path("remembers.safetensors", path);
    jem_check_ok(jem_model_meta_set(w.model, "class.0", "row 0"));
    jem_check_ok(jem_trainer_step(w.t, 1));
    jem_check_ok(jem_trainer_save(w.t, path));
    jem_check_ok(jem_trainer_load(w.ctx, w.data, path, &t));
    jem_check_ok(jem_trainer_model(t, &models[0]));
    jem_check_ok(jem_trainer_average_model(t, &models[1]));
    for (int32_t i = 0; i < 2; i++) {
        jem_check_ok(jem_model_meta_get(models[i], "class.0", text, sizeof text, NULL));
        ck_assert_str_eq(text, "row 0");
        jem_model_free(models[i]);
    }
    jem_trainer_free(t);
    train_close(&w);
}
END_TEST

START_TEST(hostile_files)
{
    struct spoilt s = make_spoilt("");
    const int64_t minus = -1, huge = INT64_MAX;
    const float nan_value = nanf(""), negative = -1.0f;
    const double above = 1.5;
    const char *name = s.w.model->net->params[0].name;
    char adam_v[128], adam_m[128];
    jem_trainer *t;
    snprintf(adam_v, sizeof adam_v, "adam_v.%s", name);
    snprintf(adam_m, sizeof adam_m, "adam_m.%s", name);
    for (int64_t i = 0; i < 5; i++) {
        check_patched(&s, "train.counters", i, &minus, 8, JEM_E_FORMAT, "= -1, must be 0 to");
        check_patched(&s, "train.counters", i, &huge, 8, JEM_E_FORMAT, "must be 0 to");
    }
    check_patched(&s, "chain_age", 2, &minus, 8, JEM_E_FORMAT, "chain_age[2] = -1, must be");
    check_patched(&s, "train.running_auc", 0, &above, 8, JEM_E_FORMAT, "= 1.5, must be 0 to 1");
    check_patched(&s, "replay_buffer", 3, &nan_value, 4, JEM_E_NUMERIC, "replay_buffer");
    check_patched(&s, adam_m, 0, &nan_value, 4, JEM_E_NUMERIC, adam_m);
    check_patched(&s, adam_v, 1, &negative, 4, JEM_E_FORMAT, "is -1, must be at least 0");
    check_patched(&s, name, 0, &nan_value, 4, JEM_E_NUMERIC, name);
    check_header(&s, "\"pcd.capacity\":\"16\"", "\"pcd.capacity\":\"17\"", JEM_E_FORMAT,
                 "replay_buffer");
    check_header(&s, "\"train.counters\"", "\"train.counterz\"", JEM_E_STATE,
                 "without a training");
    check_header(&s, "\"replay_buffer\"", "\"replay_bufer_\"", JEM_E_FORMAT, "replay_buffer");
    check_header(&s, "\"adam_v.", "\"adam_x.", JEM_E_FORMAT, "adam_v.");
    check_header(&s, "\"data_fingerprint\"", "\"data_fingerprinT\"", JEM_E_FORMAT,
                 "data_fingerprint");
    for (size_t len = 0; len < s.len; len += 1 + s.len / 60) {
        spill(s.path, s.bytes, len);
        jem_check_fails(jem_trainer_load(s.w.ctx, s.w.data, s.path, &t), JEM_E_FORMAT, "");
        ck_assert_ptr_null(t);
    }
    free_spoilt(&s);
}
END_TEST

START_TEST(hostile_start)
{
    struct spoilt s = make_spoilt("start.kind=gaussian");
    const float infinite = HUGE_VALF;
    check_header(&s, "\"start.block.1\"", "\"start.blocK.1\"", JEM_E_FORMAT, "start.block.1");
    check_patched(&s, "start.block.2", 5, &infinite, 4, JEM_E_NUMERIC, "start.block.2");
    free_spoilt(&s);
}
END_TEST

/* Whatever single byte of the header is changed, loading fails or works; it never crashes. */
START_TEST(every_byte_of_the_header)
{
    struct spoilt s = make_spoilt("");
    const size_t header = 8 + (size_t)s.bytes[0] + 256u * s.bytes[1];
    ck_assert_uint_lt(header, s.len);
    for (size_t at = 0; at < header; at += 7) {
        jem_trainer *t;
        const uint8_t old = s.bytes[at];
        s.bytes[at] = (uint8_t)(old ^ (1u << (at % 7)));
        spill(s.path, s.bytes, s.len);
        s.bytes[at] = old;
        const jem_status status = jem_trainer_load(s.w.ctx, s.w.data, s.path, &t);
        ck_assert_int_eq(status == JEM_OK, t != NULL);
        ck_assert_int_ne(status, JEM_E_INTERNAL);
        jem_trainer_free(t);
    }
    free_spoilt(&s);
}
END_TEST

START_TEST(other_data_on_resume)
{
    struct spoilt s = make_spoilt("");
    jem_dataset *other;
    jem_trainer *t;
    float x[IMAGES * SIZE];
    int32_t y[IMAGES];
    jem_check_ok(jem_dataset_read(s.w.data, 0, IMAGES, x, y));

    /* The same images in another object are fine. */
    jem_check_ok(jem_dataset_from_f32(s.w.ctx, x, y, IMAGES, train_shape, CLASSES, &other));
    jem_check_ok(jem_trainer_load(s.w.ctx, other, s.path, &t));
    jem_trainer_free(t);
    jem_dataset_free(other);

    const int64_t wide[3] = {1, 2, 8};
    jem_check_ok(jem_dataset_from_f32(s.w.ctx, x, y, IMAGES, wide, CLASSES, &other));
    jem_check_fails(jem_trainer_load(s.w.ctx, other, s.path, &t), JEM_E_SHAPE, "1 x 2 x 8");
    ck_assert_ptr_null(t);
    jem_dataset_free(other);

    jem_check_ok(jem_dataset_from_f32(s.w.ctx, x, y, IMAGES, train_shape, CLASSES + 1, &other));
    jem_check_fails(jem_trainer_load(s.w.ctx, other, s.path, &t), JEM_E_SHAPE, "4 classes");
    jem_dataset_free(other);

    jem_check_ok(jem_dataset_from_f32(s.w.ctx, x, y, IMAGES - 1, train_shape, CLASSES, &other));
    jem_check_fails(jem_trainer_load(s.w.ctx, other, s.path, &t), JEM_E_STATE, "other images");
    jem_dataset_free(other);

    x[37] += 0.25f;
    jem_check_ok(jem_dataset_from_f32(s.w.ctx, x, y, IMAGES, train_shape, CLASSES, &other));
    jem_check_fails(jem_trainer_load(s.w.ctx, other, s.path, &t), JEM_E_STATE, "other images");
    jem_dataset_free(other);
    x[37] -= 0.25f;

    y[3] = (y[3] + 1) % CLASSES;
    jem_check_ok(jem_dataset_from_f32(s.w.ctx, x, y, IMAGES, train_shape, CLASSES, &other));
    jem_check_fails(jem_trainer_load(s.w.ctx, other, s.path, &t), JEM_E_STATE, "other images");
    jem_dataset_free(other);

    jem_check_ok(jem_model_save(s.w.model, s.path));
    jem_check_fails(jem_trainer_load(s.w.ctx, s.w.data, s.path, &t), JEM_E_STATE,
                    "jem_model_load");
    ck_assert_ptr_null(t);
    free_spoilt(&s);
}
END_TEST

/* The value is part of the file format. */
START_TEST(fingerprint_is_fnv1a)
{
    jem_context *ctx = train_context("reference", 1);
    jem_dataset *data;
    const int64_t one[3] = {1, 1, 1};
    const uint8_t pixel = 200;
    const int32_t label = 1;
    uint8_t bytes[45] = {0}; /* five sizes of 8 bytes, one label of 4, one pixel */
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    jem_check_ok(jem_dataset_from_u8(ctx, &pixel, &label, 1, one, 2, &data));
    bytes[0] = bytes[8] = bytes[16] = bytes[24] = 1;
    bytes[32] = 2;
    bytes[40] = 1;
    bytes[44] = 200;
    for (size_t i = 0; i < sizeof bytes; i++)
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    ck_assert_uint_eq(jem__fingerprint(data), hash);
    jem_dataset_free(data);
    jem_context_free(ctx);
}
END_TEST

void jem_train_add_files(Suite *suite)
{
    TCase *c = train_case(suite, "files");
    tcase_add_loop_test(c, resume_is_exact, 0, RESUMED);
    tcase_add_loop_test(c, resume_on_reference, 0, RESUMED);
    tcase_add_test(c, file_opens_as_a_model);
    tcase_add_test(c, average_survives_a_file);
    tcase_add_test(c, metadata_is_handed_on);
    tcase_add_test(c, hostile_files);
    tcase_add_test(c, hostile_start);
    tcase_add_test(c, every_byte_of_the_header);
    tcase_add_test(c, other_data_on_resume);
    tcase_add_test(c, fingerprint_is_fnv1a);
}
