/* SPDX-License-Identifier: MIT */
/* libjem against PyTorch, through the public API only (and the safetensors reader, for the
 * fixtures). record.py made them with the official architecture in double precision; see there
 * what each tensor is. Every backend must reproduce every array to a relative L2 error of
 * TOLERANCE; JEM_GOLDEN_VERBOSE=1 prints the errors. */

#include <check.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jem/jem.h>

#include "io/safetensors.h"
#include "test_support.h"

#ifndef JEM_TEST_DATA
#define JEM_TEST_DATA "tests/golden"
#endif

#define TOLERANCE 1e-5

Suite *jem_golden_suite(void);

/* --- Fixtures ----------------------------------------------------------------------------- */

static const char *const names[] = {"wrn_rgb", "wrn_gray", "small", "mlp"};
static const char *const backends[] = {"cpu", "reference"};
#define RUNS 8 /* fixtures x backends */

typedef struct fixture {
    const char *name, *backend;
    jem_context *ctx;
    jem__st_file *file;
    jem_model *model;
    int64_t image, classes; /* numbers per image */
} fixture;

/* Every option that a fixture may note. */
static const char *const option_names[] = {
    "model.arch",         "model.depth",        "model.widen",     "model.filters",
    "model.hidden",       "model.layers",       "model.channels",  "model.height",
    "model.width",        "model.classes",      "train.weight_px", "train.weight_py_x",
    "train.weight_pxy",   "train.energy_l2",    "train.optimizer", "train.lr",
    "train.weight_decay", "train.warmup_steps", "sgld.step_size",  "sgld.clamp_grad",
    "sgld.clamp_x"};

/* Take over what the fixture notes under "<part><option>". Returns how many there were. */
static int apply(const fixture *f, const char *part, jem_options *opts)
{
    const int count = (int)(sizeof option_names / sizeof option_names[0]);
    int found = 0;

    for (int i = 0; i < count; i++) {
        const char *value;
        char key[96];

        snprintf(key, sizeof key, "%s%s", part, option_names[i]);
        value = jem__st_metadata(f->file, key);
        if (value == NULL)
            continue;
        jem_check_ok(jem_options_set_str(opts, option_names[i], value));
        found++;
    }
    return found;
}

static int has(const fixture *f, const char *name)
{
    return jem__st_find(f->file, name) != NULL;
}

/* A tensor's values; free() them. */
static float *load(const fixture *f, const char *name, int64_t *count)
{
    const jem__st_tensor *t = jem__st_find(f->file, name);
    float *values;

    ck_assert_msg(t != NULL, "%s has no tensor %s", f->name, name);
    values = malloc((size_t)t->count * sizeof *values);
    jem_check_ok(jem__st_read_f32(f->file, t, values, t->count));
    if (count != NULL)
        *count = t->count;
    return values;
}

static int64_t load_labels(const fixture *f, const char *name, int32_t out[8])
{
    const jem__st_tensor *t = jem__st_find(f->file, name);
    int64_t wide[8];

    ck_assert_msg(t != NULL && t->count <= 8, "%s: labels %s", f->name, name);
    jem_check_ok(jem__st_read_i64(f->file, t, wide, t->count));
    for (int64_t i = 0; i < t->count; i++)
        out[i] = (int32_t)wide[i];
    return t->count;
}

/* Give the model the fixture's weights; names and shapes must be those of PyTorch. */
static void load_weights(fixture *f)
{
    const char *name;
    int64_t shape[4], params = 0, stored = 0;

    for (; jem_model_param_info(f->model, params, &name, shape) == JEM_OK; params++) {
        const jem__st_tensor *t;
        int64_t count;
        float *values;
        char key[96];

        snprintf(key, sizeof key, "w/%s", name);
        values = load(f, key, &count);
        t = jem__st_find(f->file, key);
        for (int32_t d = 0; d < 4; d++)
            ck_assert_msg(shape[d] == (d < t->rank ? t->shape[d] : 1),
                          "%s: size %d of %s is %" PRId64, f->name, d, name, shape[d]);
        jem_check_ok(jem_model_param_set(f->model, name, values, count));
        free(values);
    }
    for (int64_t i = 0; i < jem__st_count(f->file); i++)
        stored += strncmp(jem__st_tensor_at(f->file, i)->name, "w/", 2) == 0;
    ck_assert_int_eq(params, stored);
}

static void open_fixture(int run, fixture *f)
{
    char path[256];
    jem_options *opts;
    int64_t shape[4];

    *f = (fixture){.name = names[run / 2], .backend = backends[run % 2]};
    snprintf(path, sizeof path, "%s/%s.safetensors", JEM_TEST_DATA, f->name);
    jem_check_ok(jem_context_create(f->backend, &f->ctx));
    jem_check_ok(jem__st_open(f->ctx, "check_golden", path, &f->file));
    jem_check_ok(jem_options_create(f->ctx, &opts));
    ck_assert_int_ge(apply(f, "", opts), 6);
    jem_check_ok(jem_model_create(f->ctx, opts, &f->model));
    jem_options_free(opts);
    jem_check_ok(jem_model_shape(f->model, shape));
    f->image = shape[0] * shape[1] * shape[2];
    f->classes = shape[3];
    load_weights(f);
}

static void close_fixture(fixture *f)
{
    jem_model_free(f->model);
    jem__st_close(f->file);
    jem_context_free(f->ctx);
}

/* Hold values against tensor `name` of the fixture. */
static void compare(const fixture *f, const char *name, const float *actual)
{
    int64_t count;
    float *expected = load(f, name, &count);
    const double error = jem_relative_l2(actual, expected, count);

    if (getenv("JEM_GOLDEN_VERBOSE") != NULL)
        printf("%-9s %-9s %-40s %.2g\n", f->name, f->backend, name, error);
    ck_assert_msg(error <= TOLERANCE,
                  "%s on %s: %s has a relative L2 error of %.3g, at most %g", f->name,
                  f->backend, name, error, TOLERANCE);
    free(expected);
}

/* --- What a model says about images ------------------------------------------------------- */

static void check_scores(const fixture *f, jem_head *head, const float *x, const int32_t *y)
{
    float rows[3 * 16], scores[3];

    ck_assert_int_le(f->classes, 16);
    jem_check_ok(jem_head_logits(head, x, 3, rows, 48));
    compare(f, "logits", rows);
    jem_check_ok(jem_head_prob_y(head, x, 3, rows, 48));
    compare(f, "prob", rows);
    jem_check_ok(jem_head_log_px(head, x, NULL, 3, scores, 3));
    compare(f, "log_px", scores);
    jem_check_ok(jem_head_log_px(head, x, y, 3, scores, 3));
    compare(f, "log_pxy", scores);
    jem_check_ok(jem_head_mass(head, x, 3, scores, 3));
    compare(f, "mass", scores);
}

static void check_gradients(const fixture *f, jem_head *head, const float *x, const int32_t *y)
{
    const int64_t size = 3 * f->image;
    float *g = malloc((size_t)size * sizeof *g);

    jem_check_ok(jem_head_grad_log_px(head, x, NULL, 3, g, size));
    compare(f, "grad_log_px", g);
    jem_check_ok(jem_head_grad_log_px(head, x, y, 3, g, size));
    compare(f, "grad_log_pxy", g);
    jem_check_ok(jem_head_grad_log_py(head, x, y, 3, g, size));
    for (int64_t e = 0; e < size; e++)
        g[e] = -g[e];
    compare(f, "grad_ce", g);
    free(g);
}

START_TEST(head_says_what_pytorch_says)
{
    fixture f;
    jem_head *head;
    float *x;
    int32_t y[8];

    open_fixture(_i, &f);
    x = load(&f, "x", NULL);
    ck_assert_int_eq(load_labels(&f, "y", y), 3);
    jem_check_ok(jem_head_create(f.model, 2, &head)); /* three images in batches of two */
    check_scores(&f, head, x, y);
    check_gradients(&f, head, x, y);
    jem_head_free(head);
    free(x);
    close_fixture(&f);
}
END_TEST

/* The reference backend would spend half a minute on many steps of a WRN, and has shown its
 * gradients without. */
static int slow(const fixture *f)
{
    return strcmp(f->backend, "reference") == 0 && strncmp(f->name, "wrn", 3) == 0;
}

/* --- Training ----------------------------------------------------------------------------- */

typedef struct training {
    jem_dataset *data;
    jem_trainer *trainer;
    float *x_d, *x_l, *x_q;
    int64_t n_d, n_q;
    int32_t y_l[8], y_q[8];
    int64_t n_l;
} training;

static void open_training(const fixture *f, const char *part, training *t)
{
    int64_t shape[4];
    jem_options *opts = NULL;

    t->data = NULL;
    t->x_d = load(f, "x_d", &t->n_d);
    t->x_l = load(f, "x_l", NULL);
    t->x_q = load(f, "x_q", &t->n_q);
    t->n_d /= f->image;
    t->n_q /= f->image;
    t->n_l = load_labels(f, "y_l", t->y_l);
    ck_assert_int_eq(load_labels(f, "y_q", t->y_q), t->n_q);

    jem_check_ok(jem_model_shape(f->model, shape));
    jem_check_ok(
        jem_dataset_from_f32(f->ctx, t->x_l, t->y_l, t->n_l, shape, shape[3], &t->data));
    jem_check_ok(jem_options_create(f->ctx, &opts));
    jem_check_ok(
        jem_options_set_i64(opts, "train.batch", 2)); /* fewer than the caller brings */
    jem_check_ok(jem_options_set_i64(opts, "train.warmup_steps", 0));
    jem_check_ok(jem_options_set_str(opts, "train.schedule", "constant"));
    jem_check_ok(jem_options_set_i64(opts, "pcd.capacity", 4));
    jem_check_ok(jem_options_set_i64(opts, "train.crop_pad", 0));
    ck_assert_int_ge(apply(f, part, opts), 4);
    jem_check_ok(jem_trainer_create(f->model, t->data, opts, &t->trainer));
    jem_options_free(opts);
}

static void close_training(training *t)
{
    jem_trainer_free(t->trainer);
    jem_dataset_free(t->data);
    free(t->x_d);
    free(t->x_l);
    free(t->x_q);
}

static void step(training *t)
{
    jem_check_ok(jem_trainer_step_on(t->trainer, t->x_d, t->n_d, t->x_l, t->y_l, t->n_l, t->x_q,
                                     t->y_q, t->n_q));
}

/* Hold every parameter, or its gradient, that the fixture keeps under `part` against it.
 * Returns how many there were. */
static int compare_params(const fixture *f, const training *t, const char *part, int gradient)
{
    const char *name;
    int64_t shape[4];
    int found = 0;

    for (int64_t i = 0; jem_model_param_info(f->model, i, &name, shape) == JEM_OK; i++) {
        const int64_t count = shape[0] * shape[1] * shape[2] * shape[3];
        float *values;
        char key[96];

        snprintf(key, sizeof key, "%s%s", part, name);
        if (!has(f, key))
            continue;
        values = malloc((size_t)count * sizeof *values);
        if (gradient)
            jem_check_ok(jem_trainer_param_grad(t->trainer, name, values, count));
        else
            jem_check_ok(jem_model_param_get(f->model, name, values, count));
        compare(f, key, values);
        free(values);
        found++;
    }
    return found;
}

START_TEST(loss_and_its_gradient)
{
    fixture f;
    training t;
    double loss;
    float single;

    open_fixture(_i, &f);
    open_training(&f, "loss/", &t);
    step(&t);
    jem_check_ok(jem_trainer_metric(t.trainer, "loss", &loss));
    single = (float)loss;
    compare(&f, "loss", &single);
    ck_assert_int_ge(compare_params(&f, &t, "grad/", 1), 6);
    close_training(&t);
    close_fixture(&f);
}
END_TEST

/* As many steps as the fixture made; none was made of "wrn_gray". */
static void check_steps(int run, const char *part)
{
    fixture f;
    training t;
    const char *steps;
    char key[32];

    open_fixture(run, &f);
    snprintf(key, sizeof key, "%ssteps", part);
    steps = jem__st_metadata(f.file, key);
    if (steps != NULL && !slow(&f)) {
        open_training(&f, part, &t);
        for (long i = 0; i < strtol(steps, NULL, 10); i++)
            step(&t);
        ck_assert_int_ge(compare_params(&f, &t, part, 0), 6);
        close_training(&t);
    }
    close_fixture(&f);
}

START_TEST(weights_after_steps_of_adam)
{
    check_steps(_i, "adam/");
}
END_TEST

START_TEST(weights_after_steps_of_sgd)
{
    check_steps(_i, "sgd/");
}
END_TEST

/* --- Chains ------------------------------------------------------------------------------- */

static jem_sampler *make_sampler(const fixture *f, jem_head *head, const char *part)
{
    jem_options *opts;
    jem_sampler *sampler;

    jem_check_ok(jem_options_create(f->ctx, &opts));
    jem_check_ok(jem_options_set_f64(opts, "sgld.noise_std", 0));
    ck_assert_int_ge(apply(f, part, opts), 1);
    jem_check_ok(jem_sampler_create(head, opts, &sampler));
    jem_options_free(opts);
    return sampler;
}

/* Twenty steps with the fixture's noise added by hand between calls of one step each. */
START_TEST(chains_with_given_noise)
{
    fixture f;

    open_fixture(_i, &f);
    if (has(&f, "sgld/x0") && !slow(&f)) {
        int64_t size;
        float *x = load(&f, "sgld/x0", &size), *noise = load(&f, "sgld/noise", NULL);
        jem_head *head;
        jem_sampler *sampler;

        jem_check_ok(jem_head_create(f.model, 2, &head));
        sampler = make_sampler(&f, head, "sgld/");
        for (int i = 0; i < 20; i++) {
            jem_check_ok(jem_sampler_run(sampler, x, NULL, size / f.image, 1));
            for (int64_t e = 0; e < size; e++)
                x[e] += 0.01f * noise[i * size + e];
        }
        compare(&f, "sgld/x", x);
        jem_sampler_free(sampler);
        jem_head_free(head);
        free(x);
        free(noise);
    }
    close_fixture(&f);
}
END_TEST

START_TEST(chains_with_clamps)
{
    fixture f;

    open_fixture(_i, &f);
    if (has(&f, "clamped/x") && !slow(&f)) {
        int64_t size;
        float *x = load(&f, "sgld/x0", &size);
        jem_head *head;
        jem_sampler *sampler;

        jem_check_ok(jem_head_create(f.model, 2, &head));
        sampler = make_sampler(&f, head, "clamped/");
        jem_check_ok(jem_sampler_run(sampler, x, NULL, size / f.image, 5));
        compare(&f, "clamped/x", x);
        jem_sampler_free(sampler);
        jem_head_free(head);
        free(x);
    }
    close_fixture(&f);
}
END_TEST

Suite *jem_golden_suite(void)
{
    Suite *suite = suite_create("golden");
    TCase *tc = tcase_create("pytorch");

    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, head_says_what_pytorch_says, 0, RUNS);
    tcase_add_loop_test(tc, loss_and_its_gradient, 0, RUNS);
    tcase_add_loop_test(tc, weights_after_steps_of_adam, 0, RUNS);
    tcase_add_loop_test(tc, weights_after_steps_of_sgd, 0, RUNS);
    tcase_add_loop_test(tc, chains_with_given_noise, 0, RUNS);
    tcase_add_loop_test(tc, chains_with_clamps, 0, RUNS);
    suite_add_tcase(suite, tc);
    return suite;
}
