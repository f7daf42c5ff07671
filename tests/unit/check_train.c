/* SPDX-License-Identifier: MIT */
/* Training: what its tests share, the schedule, the batches, and the suite. */

#include "check_train.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "test_support.h"
#include "train/batch.h"
#include "train/schedule.h"

Suite *jem_train_suite(void);

const int64_t train_shape[3] = {1, 4, 4};
const char *const train_backends[2] = {"reference", "cpu"};

/* Small numbers, fast steps; every text below adds to it. */
const char train_basis[] =
    "model.arch=mlp model.channels=1 model.height=4 model.width=4 model.classes=3 "
    "model.hidden=6 model.layers=1 sgld.steps=3 pcd.capacity=16 train.batch=4 train.lr=0.01 "
    "train.warmup_steps=0 train.crop_pad=1 train.seed=5";

void train_set(jem_options *opts, const char *settings)
{
    char text[1024], *rest = text;
    ck_assert_uint_lt(strlen(settings), sizeof text);
    snprintf(text, sizeof text, "%s", settings);
    for (char *word = strtok_r(text, " ", &rest); word != NULL;
         word = strtok_r(NULL, " ", &rest)) {
        char *equals = strchr(word, '=');
        ck_assert_ptr_nonnull(equals);
        *equals = '\0';
        jem_check_ok(jem_options_set_str(opts, word, equals + 1));
    }
}

jem_context *train_context(const char *backend, int32_t threads)
{
    jem_context *ctx;
    jem_check_ok(jem_context_create(backend, &ctx));
    jem_check_ok(jem_context_set_threads(ctx, threads));
    return ctx;
}

jem_options *train_options(jem_context *ctx, const char *settings)
{
    jem_options *opts;
    jem_check_ok(jem_options_create(ctx, &opts));
    train_set(opts, train_basis);
    train_set(opts, settings);
    return opts;
}

void train_blob(int64_t number, int32_t class_number, float *out)
{
    const jem__rng rng = {jem__rng_key(77, 0), JEM__RNG_SPLIT, 0, (uint64_t)number};
    jem__rng_normal(&rng, 0, SIZE, out);
    for (int64_t e = 0; e < SIZE; e++)
        out[e] = 0.15f * out[e] + (e / 4 == class_number ? 0.6f : -0.6f);
}

jem_dataset *train_data(jem_context *ctx, int64_t n, int64_t unlabelled)
{
    float x[64 * SIZE];
    int32_t y[64];
    jem_dataset *data;
    ck_assert_int_le(n, 64);
    for (int64_t i = 0; i < n; i++) {
        y[i] = (int32_t)(i % CLASSES);
        train_blob(i, y[i], x + i * SIZE);
        if (unlabelled > 0 && i % unlabelled == 1)
            y[i] = -1;
    }
    jem_check_ok(jem_dataset_from_f32(ctx, x, y, n, train_shape, CLASSES, &data));
    return data;
}

struct world train_open(const char *backend, int64_t unlabelled, const char *settings)
{
    struct world w;
    w.ctx = train_context(backend, 1);
    w.opts = train_options(w.ctx, settings);
    w.data = train_data(w.ctx, IMAGES, unlabelled);
    jem_check_ok(jem_model_create(w.ctx, w.opts, &w.model));
    jem_check_ok(jem_trainer_create(w.model, w.data, w.opts, &w.t));
    return w;
}

void train_close(struct world *w)
{
    jem_trainer_free(w->t);
    jem_model_free(w->model);
    jem_dataset_free(w->data);
    jem_options_free(w->opts);
    jem_context_free(w->ctx);
}

double train_metric(const jem_trainer *t, const char *name)
{
    double value = 0.0;
    jem_check_ok(jem_trainer_metric(t, name, &value));
    return value;
}

int64_t train_weights(const jem_model *model, float *out)
{
    const char *name;
    int64_t dims[4], total = 0;
    for (int64_t i = 0; jem_model_param_info(model, i, &name, dims) == JEM_OK; i++) {
        const int64_t count = dims[0] * dims[1] * dims[2] * dims[3];
        jem_check_ok(jem_model_param_get(model, name, out + total, count));
        total += count;
    }
    return total;
}

int64_t train_gradient(const jem_trainer *t, float *out)
{
    const char *name;
    int64_t dims[4], total = 0;
    for (int64_t i = 0; jem_model_param_info(t->model, i, &name, dims) == JEM_OK; i++) {
        const int64_t count = dims[0] * dims[1] * dims[2] * dims[3];
        jem_check_ok(jem_trainer_param_grad(t, name, out + total, count));
        total += count;
    }
    return total;
}

struct batches train_make_batches(void)
{
    struct batches b;
    for (int32_t i = 0; i < N_D; i++)
        train_blob(100 + i, i % CLASSES, b.x_d + i * SIZE);
    for (int32_t i = 0; i < N_L; i++) {
        b.y_l[i] = (i + 1) % CLASSES;
        train_blob(200 + i, b.y_l[i], b.x_l + i * SIZE);
    }
    for (int32_t i = 0; i < N_Q; i++) {
        const jem__rng rng = {jem__rng_key(78, 0), JEM__RNG_SPLIT, 0, (uint64_t)i};
        jem__rng_normal(&rng, 0, SIZE, b.x_q + i * SIZE);
        b.y_q[i] = (i + 2) % CLASSES;
    }
    return b;
}

void train_step_on(jem_trainer *t, const struct batches *b)
{
    jem_check_ok(jem_trainer_step_on(t, b->x_d, N_D, b->x_l, b->y_l, N_L, b->x_q, b->y_q, N_Q));
}

void train_fail_once(jem_trainer *t)
{
    const double limit = t->max_loss;
    t->max_loss = 0.0;
    jem_check_fails(jem_trainer_step(t, 1), JEM_E_NUMERIC, "train.max_loss");
    t->max_loss = limit;
}

TCase *train_case(Suite *suite, const char *name)
{
    TCase *c = tcase_create(name);
    tcase_set_timeout(c, 60);
    suite_add_tcase(suite, c);
    return c;
}

/* --- Schedule ---------------------------------------------------------------------------- */

static jem__schedule make_schedule(const char *settings, int64_t per_epoch)
{
    jem_context *ctx = train_context("reference", 1);
    jem_options *opts = train_options(ctx, settings);
    jem__schedule s;
    jem_check_ok(jem__schedule_create(opts, per_epoch, &s));
    jem_options_free(opts);
    jem_context_free(ctx);
    return s;
}

static void check_rate(const jem__schedule *s, int64_t step, double expected)
{
    ck_assert_double_eq_tol(jem__schedule_lr(s, step), expected, 1e-15);
}

START_TEST(schedule_holds_first)
{
    const jem__schedule s =
        make_schedule("train.lr=0.1 train.hold_steps=5 train.warmup_steps=4 "
                      "train.schedule=cosine train.steps=29",
                      10);
    check_rate(&s, 0, 0.0);
    check_rate(&s, 4, 0.0);
    check_rate(&s, 5, 0.0);
    check_rate(&s, 6, 0.025);
    check_rate(&s, 9, 0.1);
    check_rate(&s, 19, 0.05);
    check_rate(&s, 29, 0.0);
}
END_TEST

START_TEST(schedule_milestones)
{
    const jem__schedule s = make_schedule(
        "train.lr=0.1 train.warmup_steps=4 train.decay_epochs=2,5 train.decay_rate=0.3", 10);
    check_rate(&s, 0, 0.0);
    check_rate(&s, 1, 0.025);
    check_rate(&s, 3, 0.075);
    check_rate(&s, 4, 0.1);
    check_rate(&s, 19, 0.1);
    check_rate(&s, 20, 0.03);
    check_rate(&s, 49, 0.03);
    check_rate(&s, 50, 0.009);
    check_rate(&s, 100000, 0.009);
}
END_TEST

START_TEST(schedule_cosine)
{
    const jem__schedule s = make_schedule(
        "train.lr=0.2 train.schedule=cosine train.warmup_steps=10 train.steps=110", 7);
    check_rate(&s, 5, 0.1);
    check_rate(&s, 10, 0.2);
    check_rate(&s, 60, 0.1);
    check_rate(&s, 85, 0.1 * (1.0 - sqrt(0.5)));
    check_rate(&s, 110, 0.0);
    check_rate(&s, 111, 0.0);
    const jem__schedule all_warm = make_schedule(
        "train.lr=0.2 train.schedule=cosine train.warmup_steps=10 train.steps=5", 7);
    check_rate(&all_warm, 9, 0.18);
    check_rate(&all_warm, 10, 0.0);
}
END_TEST

START_TEST(schedule_constant_and_total)
{
    const jem__schedule s = make_schedule(
        "train.lr=0.5 train.schedule=constant train.epochs=3 train.decay_epochs=", 7);
    check_rate(&s, 0, 0.5);
    check_rate(&s, 1000000000000, 0.5);
    ck_assert_int_eq(s.total, 21);
    ck_assert_int_eq(s.n_milestones, 0);
}
END_TEST

static void check_share(const jem__schedule *s, int64_t step, double expected)
{
    ck_assert_double_eq_tol(jem__schedule_px_share(s, step), expected, 1e-15);
}

START_TEST(schedule_px_ramp)
{
    const jem__schedule s = make_schedule("train.weight_px_ramp=8 train.weight_px=5", 7);
    check_share(&s, 0, 0.0);
    check_share(&s, 1, 0.125);
    check_share(&s, 7, 0.875);
    check_share(&s, 8, 1.0);
    check_share(&s, 1000000000000, 1.0);
    const jem__schedule none = make_schedule("", 7);
    check_share(&none, 0, 1.0);
}
END_TEST

/* --- Batches ----------------------------------------------------------------------------- */

/* n images, each of one value: its number; labels by `labelled`. */
static jem_dataset *numbered_data(jem_context *ctx, int64_t n, const int32_t *y)
{
    float x[64 * SIZE];
    jem_dataset *data;
    for (int64_t i = 0; i < n * SIZE; i++) {
        const int64_t image = i / SIZE;
        x[i] = (float)image;
    }
    jem_check_ok(jem_dataset_from_f32(ctx, x, y, n, train_shape, CLASSES, &data));
    return data;
}

static const jem__augment no_augment = {
    .place = JEM__RNG_AUGMENT_PX,
    .noise = JEM__RNG_NOISE_PX,
};

START_TEST(epoch_has_each_image_once)
{
    jem_context *ctx = train_context("reference", 2);
    jem_dataset *data = numbered_data(ctx, 10, NULL);
    const jem__key key = jem__rng_key(1, 0);
    jem__batches b;
    float x[3 * SIZE], first_epoch[9];
    int32_t y[3];
    jem_check_ok(
        jem__batches_create(data, ctx, 0, 3, &no_augment, key, JEM__RNG_SHUFFLE_PX, &b));
    ck_assert_int_eq(b.per_epoch, 3); /* the tenth image of an order is dropped */
    int32_t moved = 0;
    for (int64_t number = 0; number < 12; number++) {
        int32_t seen[10] = {0};
        static int32_t in_epoch[10];
        if (number % 3 == 0)
            memset(in_epoch, 0, sizeof in_epoch);
        ck_assert_int_eq(jem__batches_draw(&b, number, x, y), 0);
        for (int64_t i = 0; i < 3; i++) {
            const int32_t image = (int32_t)x[i * SIZE];
            seen[image]++;
            in_epoch[image]++;
            ck_assert_int_eq(seen[image], 1);
            ck_assert_int_eq(in_epoch[image], 1);
            ck_assert_int_eq(y[i], -1);
            if (number < 3)
                first_epoch[number * 3 + i] = x[i * SIZE];
            else
                moved += first_epoch[(number % 3) * 3 + i] != x[i * SIZE];
        }
    }
    ck_assert_int_gt(moved, 13); /* other epochs have other orders */

    /* Batch 1 again, out of order: a pure function of its number. */
    jem__batches_draw(&b, 1, x, y);
    for (int64_t i = 0; i < 3; i++)
        jem_check_same(x + i * SIZE, first_epoch + 3 + i, 1);
    jem__batches_free(&b);
    jem_dataset_free(data);
    jem_context_free(ctx);
}
END_TEST

START_TEST(labelled_stream)
{
    static const int32_t labels[10] = {-1, 2, -1, 0, 1, -1, -1, 2, -1, 1};
    jem_context *ctx = train_context("reference", 1);
    jem_dataset *data = numbered_data(ctx, 10, labels);
    const jem__key key = jem__rng_key(1, 0);
    jem__batches b;
    float x[10 * SIZE];
    int32_t y[10], seen[10] = {0};
    /* Five labelled images; the batch is cut to them. */
    jem_check_ok(
        jem__batches_create(data, ctx, 1, 64, &no_augment, key, JEM__RNG_SHUFFLE_PYX, &b));
    ck_assert_int_eq(b.n, 5);
    ck_assert_int_eq(b.batch, 5);
    ck_assert_int_eq(b.per_epoch, 1);
    ck_assert_int_eq(jem__batches_draw(&b, 7, x, y), 5);
    for (int64_t i = 0; i < 5; i++) {
        const int32_t image = (int32_t)x[i * SIZE];
        ck_assert_int_eq(seen[image]++, 0);
        ck_assert_int_ge(y[i], 0);
        ck_assert_int_eq(y[i], labels[image]);
    }
    jem__batches_free(&b);

    /* All images: the labelled ones come first. */
    jem_check_ok(
        jem__batches_create(data, ctx, 0, 10, &no_augment, key, JEM__RNG_SHUFFLE_PX, &b));
    ck_assert_int_eq(jem__batches_draw(&b, 0, x, y), 5);
    for (int64_t i = 0; i < 10; i++) {
        ck_assert_int_eq(y[i] >= 0, i < 5);
        ck_assert_int_eq(y[i], labels[(int32_t)x[i * SIZE]]);
    }
    jem__batches_free(&b);
    jem_dataset_free(data);
    jem_context_free(ctx);
}
END_TEST

START_TEST(augmentation_follows_the_training_number)
{
    jem_context *ctx = train_context("reference", 1);
    jem_dataset *data = train_data(ctx, 4, 0);
    jem__augment augment = no_augment;
    augment.crop_pad = 1;
    augment.flip = 1;
    augment.noise_std = 0.1f;
    const jem__key key = jem__rng_key(3, 0);
    jem__batches b;
    float x[2 * SIZE], expected[SIZE], scratch[SIZE];
    int32_t y[2];
    jem_check_ok(jem__batches_create(data, ctx, 0, 2, &augment, key, JEM__RNG_SHUFFLE_PX, &b));
    jem__batches_draw(&b, 5, x, y);
    for (int64_t i = 0; i < 2; i++) {
        jem__augment_image(&augment, data, b.index[i], key, (uint64_t)(5 * 2 + i), scratch,
                           expected);
        jem_check_same(x + i * SIZE, expected, SIZE);
    }
    jem__batches_free(&b);
    jem_dataset_free(data);
    jem_context_free(ctx);
}
END_TEST

START_TEST(streams_are_independent)
{
    struct world w =
        train_open("reference", 0, "train.input_noise=0 train.crop_pad=0 train.flip=0");
    int32_t same = 0;
    for (int32_t i = 0; i < 5; i++) {
        jem_check_ok(jem_trainer_step(w.t, 1));
        same += memcmp(w.t->x_d, w.t->x_l, 4 * SIZE * sizeof(float)) == 0;
    }
    ck_assert_int_eq(same, 0);
    train_close(&w);
}
END_TEST

/* Fewer images than a batch: the batch shrinks, chains keep their number. */
START_TEST(fewer_images_than_a_batch)
{
    struct world w = train_open("reference", 0, "train.batch=32");
    jem_check_ok(jem_trainer_step(w.t, 3));
    ck_assert_double_eq(train_metric(w.t, "batches_per_epoch"), 1.0);
    ck_assert_int_eq(w.t->batches_d.batch, IMAGES);
    ck_assert_int_eq(w.t->batch, 32);
    ck_assert_double_eq(train_metric(w.t, "epoch"), 3.0);
    train_close(&w);
}
END_TEST

/* As they are drawn: image i of step 1 in a batch of n, changed as `augment` says. */
static void check_drawn(const struct world *w, const jem__batches *b, int64_t n, const float *x,
                        const jem__augment *augment)
{
    float scratch[SIZE], expected[SIZE];
    ck_assert_int_eq(b->batch, n);
    for (int64_t i = 0; i < n; i++) {
        jem__augment_image(augment, w->data, b->index[i], jem__rng_key(5, 0), (uint64_t)(n + i),
                           scratch, expected);
        jem_check_same(x + i * SIZE, expected, SIZE);
    }
}

#define OWN_PX "train.batch_px=6 train.augment_px=0 train.lr=0 train.energy_l2=0.1 "

/* x_d and x_q have a size of their own, and x_d is neither cropped nor mirrored. */
START_TEST(px_has_batches_of_its_own)
{
    static const float noises[] = {0.0f, 0.03f};
    const float noise = noises[_i];
    struct world w =
        train_open("reference", 0, noise > 0.0f ? OWN_PX : OWN_PX "train.input_noise=0");
    float raw[SIZE], one[MAX_WEIGHTS], two[MAX_WEIGHTS];
    jem_check_ok(jem_trainer_step(w.t, 2));
    check_drawn(&w, &w.t->batches_d, 6, w.t->x_d,
                &(jem__augment){0, 0, noise, JEM__RNG_AUGMENT_PX, JEM__RNG_NOISE_PX});
    check_drawn(&w, &w.t->batches_l, 4, w.t->x_l,
                &(jem__augment){1, 1, noise, JEM__RNG_AUGMENT_PYX, JEM__RNG_NOISE_PYX});
    for (int64_t i = 0; noise == 0.0f && i < 6; i++) {
        jem_check_ok(jem_dataset_read(w.data, w.t->batches_d.index[i], 1, raw, NULL));
        jem_check_same(w.t->x_d + i * SIZE, raw, SIZE);
    }
    ck_assert_uint_eq(w.t->sampler->next_chain, 12);
    ck_assert_double_eq(train_metric(w.t, "batches_per_epoch"), 5.0);

    /* Each mean is over its own batch. */
    struct world v = train_open("reference", 0, "train.lr=0 train.energy_l2=0.1");
    jem_check_ok(
        jem_trainer_step_on(v.t, w.t->x_d, 6, w.t->x_l, w.t->y_l, 4, w.t->x_q, NULL, 6));
    static const char *const names[] = {"loss_px", "loss_py_x", "loss_l2", "loss", "auc"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        ck_assert_double_eq_tol(train_metric(w.t, names[i]), train_metric(v.t, names[i]), 1e-9);
    const int64_t total = train_gradient(w.t, one);
    train_gradient(v.t, two);
    jem_check_close(one, two, total, 1e-6, 1e-8);
    train_close(&w);
    train_close(&v);
}
END_TEST

/* More than there are: x_d shrinks, chains keep their number, x_l its size. */
START_TEST(fewer_images_than_a_batch_of_px)
{
    struct world w = train_open("reference", 0, "train.batch_px=32");
    jem_check_ok(jem_trainer_step(w.t, 3));
    ck_assert_int_eq(w.t->batches_d.batch, IMAGES);
    ck_assert_int_eq(w.t->batches_l.batch, 4);
    ck_assert_uint_eq(w.t->sampler->next_chain, 3 * 32);
    ck_assert_double_eq(train_metric(w.t, "batches_per_epoch"), 5.0);
    train_close(&w);
}
END_TEST

static jem_status create_with(const char *settings)
{
    jem_context *ctx = train_context("reference", 1);
    jem_options *opts = train_options(ctx, settings);
    jem_dataset *data = train_data(ctx, IMAGES, 0);
    jem_model *model;
    jem_trainer *t;
    jem_check_ok(jem_model_create(ctx, opts, &model));
    const jem_status status = jem_trainer_create(model, data, opts, &t);
    jem_trainer_free(t);
    jem_model_free(model);
    jem_dataset_free(data);
    jem_options_free(opts);
    jem_context_free(ctx);
    return status;
}

START_TEST(shared_batch_is_one)
{
    jem_check_fails(
        create_with("train.share_batch=1 train.batch_px=6"), JEM_E_ARGUMENT,
        "train.batch_px = 6, but with train.share_batch = 1 x_d is the batch x_l of "
        "train.batch = 4");
    jem_check_fails(create_with("train.share_batch=1 train.augment_px=0 train.crop_pad=0"),
                    JEM_E_ARGUMENT, "train.crop_pad = 0 and train.flip = 1 change");
    jem_check_fails(create_with("train.share_batch=1 train.augment_px=0 train.flip=0"),
                    JEM_E_ARGUMENT, "train.crop_pad = 1 and train.flip = 0 change");
    jem_check_ok(create_with("train.share_batch=1 train.batch_px=4"));
    jem_check_ok(
        create_with("train.share_batch=1 train.augment_px=0 train.crop_pad=0 train.flip=0"));
}
END_TEST

Suite *jem_train_suite(void)
{
    Suite *suite = suite_create("train");
    TCase *c = train_case(suite, "schedule");
    tcase_add_test(c, schedule_holds_first);
    tcase_add_test(c, schedule_milestones);
    tcase_add_test(c, schedule_cosine);
    tcase_add_test(c, schedule_constant_and_total);
    tcase_add_test(c, schedule_px_ramp);

    c = train_case(suite, "batches");
    tcase_add_test(c, epoch_has_each_image_once);
    tcase_add_test(c, labelled_stream);
    tcase_add_test(c, augmentation_follows_the_training_number);
    tcase_add_test(c, streams_are_independent);
    tcase_add_test(c, fewer_images_than_a_batch);
    tcase_add_loop_test(c, px_has_batches_of_its_own, 0, 2);
    tcase_add_test(c, fewer_images_than_a_batch_of_px);
    tcase_add_test(c, shared_batch_is_one);

    jem_train_add_parts(suite);
    jem_train_add_steps(suite);
    jem_train_add_sharpness(suite);
    jem_train_add_files(suite);
    jem_train_add_snapshots(suite);
    jem_train_add_telemetry(suite);
    jem_train_add_guard(suite);
    jem_train_add_failures(suite);
    return suite;
}
