/* SPDX-License-Identifier: MIT */
/* Checkpoints of the official code as safetensors files without metadata of ours. They are made
 * here of the weights in golden/wrn_rgb.safetensors, which PyTorch computed logits with. Part
 * of the suite "io". */

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jem/jem.h>

#include "core/context.h"
#include "io/safetensors.h"
#include "nets/model.h"
#include "test_support.h"

void jem_io_official_cases(Suite *suite);

#define MAX_TENSORS 64

static jem_context *ctx;
static jem__st_file *golden;
static char path[JEM_TEST_PATH], other[JEM_TEST_PATH];

static void make_context(void)
{
    jem_check_ok(jem_context_create("cpu", &ctx));
    jem_test_path("official.safetensors", path);
    jem_test_path("other.safetensors", other);
    jem_check_ok(jem__st_open(ctx, "test", JEM_TEST_DATA "/wrn_rgb.safetensors", &golden));
}

static void free_context(void)
{
    jem__st_close(golden);
    jem_context_free(ctx);
}

/* How a checkpoint differs from one of the official code; zeros and NULL: not at all. */
typedef struct change {
    const char *drop, *add; /* a tensor to leave out, one to add (F32) */
    int64_t add_rank, add_shape[4];
    const char *reshape;     /* a tensor to flatten */
    const char *key, *value; /* metadata */
    const char *dtype;       /* of all weights: F32, F64, F16, BF16 */
    const char *prefix;      /* of all names */
    float first;             /* the first number of class_output.bias */
} change;

/* Weights in another type; those of two bytes are cut, not rounded, which no test minds. */
static void convert(const char *dtype, const float *x, int64_t n, void *out)
{
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits;
        const double wide = (double)x[i];
        memcpy(&bits, &x[i], sizeof bits);
        if (strcmp(dtype, "F64") == 0) {
            memcpy((uint8_t *)out + 8 * i, &wide, 8);
        } else if (strcmp(dtype, "BF16") == 0) {
            bits >>= 16;
            memcpy((uint8_t *)out + 2 * i, &bits, 2);
        } else { /* F16, of numbers below 2; small ones become 0 */
            const int32_t exponent = (int32_t)(bits >> 23 & 255) - 112;
            uint32_t half = bits >> 16 & 0x8000;
            if (exponent > 0)
                half |= (uint32_t)exponent << 10 | (bits >> 13 & 0x3ff);
            memcpy((uint8_t *)out + 2 * i, &half, 2);
        }
    }
}

static void add_weight(jem__st_builder *b, const change *c, const char *name,
                       const jem__st_tensor *t, void *data)
{
    char full[96];
    const char *dtype = c->dtype != NULL ? c->dtype : "F32";
    const int64_t flat = t->count;
    if (c->drop != NULL && strcmp(c->drop, name) == 0)
        return;
    if (c->first != 0 && strcmp(name, "class_output.bias") == 0)
        memcpy(data, &c->first, sizeof c->first);
    if (c->dtype != NULL) {
        float *x = malloc((size_t)t->count * sizeof *x);
        memcpy(x, data, (size_t)t->count * sizeof *x);
        convert(dtype, x, t->count, data);
        free(x);
    }
    snprintf(full, sizeof full, "%s%s", c->prefix != NULL ? c->prefix : "", name);
    if (c->reshape != NULL && strcmp(c->reshape, name) == 0)
        jem_check_ok(jem__st_add(b, full, dtype, 1, &flat, data));
    else
        jem_check_ok(jem__st_add(b, full, dtype, t->rank, t->shape, data));
}

/* A checkpoint of a WRN-10-1 with its unused heads and a replay buffer of two images. */
static void write_official(const char *to, const change *c)
{
    jem__st_builder *b = NULL;
    void *data[MAX_TENSORS] = {NULL};
    static float heads[64 * 10], images[2 * 3 * 32 * 32];
    const int64_t energy[] = {1, 64}, linear[] = {10, 64}, buffer[] = {2, 3, 32, 32};
    for (int32_t i = 0; i < 640; i++)
        heads[i] = (float)i / 7;
    jem_check_ok(jem__st_builder_create(ctx, &b));
    ck_assert_int_le(jem__st_count(golden), 2 * MAX_TENSORS);
    int32_t n = 0;
    for (int64_t i = 0; i < jem__st_count(golden); i++) {
        const jem__st_tensor *t = jem__st_tensor_at(golden, i);
        if (strncmp(t->name, "w/", 2) != 0)
            continue;
        data[n] = malloc((size_t)t->count * 8);
        jem_check_ok(jem__st_read_f32(golden, t, data[n], t->count));
        add_weight(b, c, t->name + 2, t, data[n++]);
    }
    jem_check_ok(jem__st_add(b, "energy_output.weight", "F32", 2, energy, heads));
    jem_check_ok(jem__st_add(b, "energy_output.bias", "F32", 1, energy, heads + 5));
    jem_check_ok(jem__st_add(b, "f.linear.weight", "F32", 2, linear, heads));
    jem_check_ok(jem__st_add(b, "f.linear.bias", "F16", 1, linear, heads + 9));
    jem_check_ok(jem__st_add(b, "replay_buffer", "F32", 4, buffer, images));
    if (c->add != NULL)
        jem_check_ok(jem__st_add(b, c->add, "F32", (int32_t)c->add_rank, c->add_shape, images));
    if (c->key != NULL)
        jem_check_ok(jem__st_add_metadata(b, c->key, c->value));
    jem_check_ok(jem__st_write(b, "test", to));
    jem__st_builder_free(b);
    for (int32_t i = 0; i < MAX_TENSORS; i++)
        free(data[i]);
}

static float *golden_values(const char *name, int64_t *count)
{
    const jem__st_tensor *t = jem__st_find(golden, name);
    float *x = malloc((size_t)t->count * sizeof *x);
    *count = t->count;
    jem_check_ok(jem__st_read_f32(golden, t, x, t->count));
    return x;
}

static void check_option(const jem_model *model, const char *name, const char *value)
{
    char text[64];
    jem_check_ok(jem_model_option(model, name, text, 64));
    ck_assert_str_eq(text, value);
}

/* Logits of the model in a file against PyTorch's. */
static void check_logits(const char *file, double tolerance)
{
    jem_model *model = NULL;
    jem_head *head = NULL;
    int64_t n_x, n_logits;
    float *x = golden_values("x", &n_x), *wanted = golden_values("logits", &n_logits);
    float *logits = malloc((size_t)n_logits * sizeof *logits);
    jem_check_ok(jem_model_load(ctx, file, &model));
    jem_check_ok(jem_head_create(model, 3, &head));
    jem_check_ok(jem_head_logits(head, x, n_logits / 10, logits, n_logits));
    ck_assert_double_le(jem_relative_l2(logits, wanted, n_logits), tolerance);
    jem_head_free(head);
    jem_model_free(model);
    free(x);
    free(wanted);
    free(logits);
}

START_TEST(sizes_follow_from_the_tensors)
{
    jem_model *model = NULL;
    int64_t shape[4];
    write_official(path, &(change){0});
    jem_check_ok(jem_model_load(ctx, path, &model));
    jem_check_ok(jem_model_shape(model, shape));
    ck_assert(shape[0] == 3 && shape[1] == 32 && shape[2] == 32 && shape[3] == 10);
    check_option(model, "model.arch", "wrn");
    check_option(model, "model.depth", "10");
    check_option(model, "model.widen", "1");
    check_option(model, "model.channels", "3");
    check_option(model, "model.height", "32");
    check_option(model, "model.width", "32");
    check_option(model, "model.classes", "10");
    jem_model_free(model);
    check_logits(path, 1e-5);
}
END_TEST

START_TEST(metadata_may_say_height_and_width)
{
    jem_model *model = NULL;
    int64_t shape[4];
    write_official(path, &(change){.key = "model.height", .value = "28"});
    jem_check_ok(jem_model_load(ctx, path, &model));
    jem_check_ok(jem_model_shape(model, shape));
    ck_assert(shape[1] == 28 && shape[2] == 32);
    jem_model_free(model);
    model = NULL;
    write_official(path, &(change){.key = "model.width", .value = "30"});
    jem_check_fails(jem_model_load(ctx, path, &model), JEM_E_SHAPE, "multiples of 4");
    write_official(path, &(change){.key = "model.width", .value = "wide"});
    jem_check_fails(jem_model_load(ctx, path, &model), JEM_E_FORMAT, "model.width = \"wide\"");
    ck_assert_ptr_null(model);
    write_official(path, &(change){.key = "model.depth", .value = "28"}); /* not asked */
    jem_check_ok(jem_model_load(ctx, path, &model));
    check_option(model, "model.depth", "10");
    jem_model_free(model);
}
END_TEST

START_TEST(other_types_of_weights_are_read)
{
    write_official(path, &(change){.dtype = "F64"});
    check_logits(path, 1e-5);
    write_official(path, &(change){.dtype = "F16"});
    check_logits(path, 1e-2);
    write_official(path, &(change){.dtype = "BF16"});
    check_logits(path, 1e-1);
}
END_TEST

static const char *const heads[] = {"energy_output.weight", "energy_output.bias",
                                    "f.linear.weight", "f.linear.bias"};

/* Every head in `other` is what it is in `path`, bit for bit. Returns how many tensors more there
 * are. */
static int64_t check_heads(void)
{
    jem__st_file *before = NULL, *after = NULL;
    jem_check_ok(jem__st_open(ctx, "test", path, &before));
    jem_check_ok(jem__st_open(ctx, "test", other, &after));
    ck_assert_str_eq(jem__st_metadata(after, "format"), "libjem");
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        const jem__st_tensor *a = jem__st_find(before, heads[i]);
        const jem__st_tensor *b = jem__st_find(after, heads[i]);
        uint8_t x[4096], y[4096];
        ck_assert_ptr_nonnull(b);
        ck_assert_str_eq(a->dtype, b->dtype);
        ck_assert(a->rank == b->rank && a->bytes == b->bytes && a->bytes <= 4096);
        ck_assert_mem_eq(a->shape, b->shape, sizeof a->shape);
        jem_check_ok(jem__st_read_bytes(before, a, 0, x, a->bytes));
        jem_check_ok(jem__st_read_bytes(after, b, 0, y, b->bytes));
        ck_assert_mem_eq(x, y, (size_t)a->bytes);
    }
    const int64_t more = jem__st_count(after) - jem__st_count(before);
    jem__st_close(before);
    jem__st_close(after);
    return more;
}

/* Twice: through a file of ours and from that into another. */
START_TEST(unused_heads_are_written_back)
{
    jem_model *model = NULL;
    write_official(path, &(change){0});
    jem_check_ok(jem_model_load(ctx, path, &model));
    jem_check_ok(jem_model_save(model, other));
    jem_model_free(model);
    jem_check_ok(jem_model_load(ctx, other, &model));
    jem_check_ok(jem_model_save(model, other));
    jem_model_free(model);
    ck_assert_int_eq(check_heads(), -1); /* the replay buffer */
    check_logits(other, 1e-5);
}
END_TEST

START_TEST(a_training_keeps_unused_heads)
{
    static float images[2 * 3 * 32 * 32];
    const int64_t shape[] = {3, 32, 32};
    const int32_t labels[] = {1, 2};
    jem_options *opts = NULL;
    jem_model *model = NULL;
    jem_dataset *data = NULL;
    jem_trainer *trainer = NULL;
    write_official(path, &(change){0});
    jem_check_ok(jem_options_create(ctx, &opts));
    jem_check_ok(jem_options_set_i64(opts, "train.batch", 2));
    jem_check_ok(jem_options_set_i64(opts, "pcd.capacity", 2));
    jem_check_ok(jem_model_load(ctx, path, &model));
    jem_check_ok(jem_dataset_from_f32(ctx, images, labels, 2, shape, 10, &data));
    for (int32_t i = 0; i < 2; i++) { /* made, then loaded */
        jem_check_ok(i == 0 ? jem_trainer_create(model, data, opts, &trainer)
                            : jem_trainer_load(ctx, data, other, &trainer));
        jem_check_ok(jem_trainer_save(trainer, other));
        jem_trainer_free(trainer);
        ck_assert_int_gt(check_heads(), 0);
    }
    jem_dataset_free(data);
    jem_model_free(model);
    jem_options_free(opts);
}
END_TEST

static void check_refused(change c, jem_status status, const char *text)
{
    jem_model *model = NULL;
    write_official(path, &c);
    jem_check_fails(jem_model_load(ctx, path, &model), status, text);
    ck_assert_ptr_null(model);
    ck_assert_ptr_nonnull(strstr(jem_last_error(), "official.safetensors: "));
}

START_TEST(what_is_missing_or_unexpected_is_named)
{
    const jem_status format = JEM_E_FORMAT, shape = JEM_E_SHAPE;
    check_refused((change){.drop = "f.conv1.weight"}, format,
                  "tensor \"f.conv1.weight\" [16, channels, 3, 3] is missing");
    check_refused((change){.prefix = "module."}, format, "tensor \"f.conv1.weight\"");
    check_refused((change){.drop = "f.layer1.0.conv1.weight"}, format,
                  "\"f.layer1.0.conv1.weight\" [16 * width, 16, 3, 3] is missing");
    check_refused((change){.drop = "class_output.weight"}, format,
                  "\"class_output.weight\" [classes, 64 * width] is missing");
    check_refused((change){.drop = "f.layer2.0.shortcut.0.bias"}, format,
                  "parameter \"f.layer2.0.shortcut.0.bias\" [32] is missing");
    check_refused((change){.reshape = "f.conv1.weight"}, shape,
                  "tensor \"f.conv1.weight\" is [432], must be [16, channels, 3, 3]");
    check_refused((change){.reshape = "class_output.weight"}, shape,
                  "is [640], must be [classes");
    check_refused((change){.reshape = "f.layer3.0.conv2.weight"}, shape,
                  "\"f.layer3.0.conv2.weight\" is [36864], must be [64, 64, 3, 3]");
    check_refused((change){.first = (float)1e30 * (float)1e30}, JEM_E_NUMERIC,
                  "\"class_output.bias\" is infinite at index 0");
    check_refused((change){.add = "f.bn1.weight", .add_rank = 1, .add_shape = {64}}, format,
                  "tensor \"f.bn1.weight\" [64] is unexpected");
    /* one block too many in a stage: a network that does not exist */
    check_refused(
        (change){.add = "f.layer2.1.conv1.weight", .add_rank = 4, .add_shape = {2, 2, 3, 3}},
        format, "\"f.layer2.1.conv1.weight\" [2, 2, 3, 3] is unexpected");
    check_refused(
        (change){.add = "f.layer1.1.conv1.weight", .add_rank = 4, .add_shape = {2, 2, 3, 3}},
        shape, "\"f.layer1.1.conv1.weight\" is [2, 2, 3, 3], must be [16, 16, 3, 3]");
}
END_TEST

/* Names and shapes alone, zero-sized where they can be: what tensors tell is bounded. */
START_TEST(sizes_are_bounded)
{
    static const struct {
        int64_t stem[4], first[4], last[2];
        int32_t blocks;
        jem_status status;
        const char *text;
    } bad[] = {
        {{16, 0, 3, 3}, {16, 16, 3, 3}, {2, 64}, 1, JEM_E_SHAPE, "is [16, 0, 3, 3], must be"},
        {{16, 65, 3, 3}, {16, 16, 3, 3}, {2, 64}, 1, JEM_E_FORMAT, "model.channels = 65"},
        {{16, 1, 3, 3}, {0, 16, 3, 3}, {2, 64}, 1, JEM_E_SHAPE, "is [0, 16, 3, 3], must be"},
        {{16, 1, 3, 3}, {20, 16, 3, 3}, {2, 64}, 1, JEM_E_SHAPE, "multiple of 16"},
        {{16, 1, 3, 3}, {1040, 16, 3, 3}, {2, 4160}, 1, JEM_E_FORMAT, "model.widen = 65"},
        {{16, 1, 3, 3},
         {32, 16, 3, 3},
         {2, 64},
         1,
         JEM_E_SHAPE,
         "\"class_output.weight\" is [2, 64]"},
        {{16, 1, 3, 3}, {16, 16, 3, 3}, {0, 64}, 1, JEM_E_SHAPE, "is [0, 64], must be"},
        {{16, 1, 3, 3}, {16, 16, 3, 3}, {65537, 64}, 1, JEM_E_FORMAT, "model.classes = 65537"},
        {{16, 1, 3, 3}, {16, 16, 3, 3}, {2, 64}, 167, JEM_E_FORMAT, "model.depth = 1006"},
        {{16, 1, 3, 3}, {16, 16, 3, 3}, {2, 64}, 250, JEM_E_FORMAT, "model.depth = 1204"},
        {{16, 1, 3, 3}, {16, 16, 3, 3}, {2, 64}, 166, JEM_E_FORMAT, "is missing"},
    };
    const int64_t most = 65537 * 64;
    float *zeros = calloc((size_t)most, sizeof *zeros);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        jem__st_builder *b = NULL;
        jem_model *model = NULL;
        const int64_t one = 1;
        jem_check_ok(jem__st_builder_create(ctx, &b));
        jem_check_ok(jem__st_add(b, "f.conv1.weight", "F32", 4, bad[i].stem, zeros));
        jem_check_ok(jem__st_add(b, "f.layer1.0.conv1.weight", "F32", 4, bad[i].first, zeros));
        jem_check_ok(jem__st_add(b, "class_output.weight", "F32", 2, bad[i].last, zeros));
        for (int32_t k = 1; k < bad[i].blocks; k++) {
            char name[64];
            snprintf(name, sizeof name, "f.layer1.%d.conv1.weight", (int)k);
            jem_check_ok(jem__st_add(b, name, "F32", 1, &one, zeros));
        }
        jem_check_ok(jem__st_write(b, "test", path));
        jem__st_builder_free(b);
        jem_check_fails(jem_model_load(ctx, path, &model), bad[i].status, bad[i].text);
        ck_assert_ptr_null(model);
    }
    free(zeros);
}
END_TEST

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
        status = jem_model_save(model, other);
    jem_model_free(model);
    jem_context_free(own);
    return status;
}

START_TEST(no_memory_is_survived)
{
    write_official(path, &(change){0});
    ck_assert_int_ge(jem_check_survives_no_memory(load_and_save, NULL), 100);
}
END_TEST

void jem_io_official_cases(Suite *suite)
{
    TCase *official = tcase_create("official");
    tcase_add_checked_fixture(official, make_context, free_context);
    tcase_set_timeout(official, 30);
    tcase_add_test(official, sizes_follow_from_the_tensors);
    tcase_add_test(official, metadata_may_say_height_and_width);
    tcase_add_test(official, other_types_of_weights_are_read);
    tcase_add_test(official, unused_heads_are_written_back);
    tcase_add_test(official, a_training_keeps_unused_heads);
    tcase_add_test(official, what_is_missing_or_unexpected_is_named);
    tcase_add_test(official, sizes_are_bounded);
    tcase_add_test(official, no_memory_is_survived);
    suite_add_tcase(suite, official);
}
