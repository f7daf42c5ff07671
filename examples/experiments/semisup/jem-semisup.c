/* SPDX-License-Identifier: MIT */

/* jem-semisup: does log p(x) of all images help where few have labels? (The paper's abstract
 * claims it, its code can do it, and no table of it is known.)
 *
 * N images of each class keep their labels. Two networks learn from them, with the same initial
 * weights and the same labelled batches in the same order:
 *
 *     JEM           cross entropy on the labelled images + log p(x) of all images
 *     classifier    cross entropy on the labelled images
 *
 * Each keeps the weights that classify held-out images best, and is then tested once. */

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <md5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jem/jem.h>

#include "kit/base/digest.h"
#include "kit/base/file.h"
#include "kit/base/json_log.h"
#include "kit/base/progress.h"
#include "kit/base/report.h"
#include "kit/base/splitmix.h"
#include "kit/base/table.h"
#include "kit/cli/cli.h"
#include "kit/cli/settings.h"
#include "kit/data/data.h"
#include "kit/data/holdout.h"
#include "kit/lab/evaluate.h"
#include "kit/lab/experiment.h"
#include "kit/lab/train_best.h"

#define BATCH      250
#define MOST_SIZES 16

static struct {
    const char *data, *test, *labels, *out, *json, *backend;
    struct cli_list presets, sets;
    int64_t seeds, seed, steps, validation, split_seed, validate_every, count, threads;
    int quiet;
} arg;

static const struct cli_option options[] = {
    {"Data and labels", "data", "KIND", DATA_HELP, "fashion-mnist", .text = &arg.data},
    {NULL, "test", "KIND",
     "the test images, the test split of another data set; needed where both splits of --data "
     "are the same images (idx, npy, ...)",
     NULL, .text = &arg.test},
    {NULL, "labels", "N,...", "labelled images per class; each number is a comparison",
     "10,100", .text = &arg.labels},
    {NULL, "seeds", "N", "trainings of each, with seeds of their own", "3",
     .integer = &arg.seeds, .min = 1, .max = 1000},
    {NULL, "seed", "N", "the first of these: it draws the labels and is train.seed", "1",
     .integer = &arg.seed, .min = 0, .max = INT32_MAX},
    {NULL, "validation", "N",
     "labelled training images held out to choose the weights by; -1: 5000, or a tenth of a "
     "small set",
     "-1", .integer = &arg.validation, .min = -1, .max = INT64_MAX},
    {NULL, "split-seed", "N", "chooses which images these are", "1",
     .integer = &arg.split_seed},
    {NULL, "count", "N", "only N test images, evenly spaced; 0: all", "0",
     .integer = &arg.count, .max = INT64_MAX},
    {"Settings of both trainings", "preset", "NAME",
     "a named set of settings; may be repeated; applied before --set", NULL,
     .list = &arg.presets},
    {NULL, "set", "NAME=VALUE", "one setting; may be repeated", NULL, .list = &arg.sets},
    {NULL, "steps", "N", "short for --set train.steps=N; 0: as the settings say", "0",
     .integer = &arg.steps, .max = INT64_MAX},
    {NULL, "validate-every", "STEPS", "steps between validations", "250",
     .integer = &arg.validate_every, .min = 1, .max = INT64_MAX},
    {"Results", "out", "DIR", "folder for the models, KIND-N-seedS.safetensors", NULL,
     .text = &arg.out},
    {NULL, "json", "FILE", "the figures for programs", NULL, .text = &arg.json, .written = 1},
    {NULL, "quiet", NULL, "no progress on stderr", NULL, .flag = &arg.quiet},
    {"Computing", "threads", "N", "0: one per processor; changes no result", "0",
     .integer = &arg.threads, .max = 64},
    {NULL, "backend", "NAME", BACKEND_HELP, "cpu", .text = &arg.backend},
};

static const struct cli command_line = {
    .program = "jem-semisup",
    .usage = "--out DIR [options]",
    .about =
        "Train JEM and a plain classifier on the same few labels, JEM with log p(x) of all "
        "images besides, and compare how well they classify.",
    .notes = "Examples:\n"
             "  jem-semisup --preset demo --labels 5,20,100 --seeds 3 --out semisup\n",
    .options = options,
    .count = (int)(sizeof options / sizeof options[0]),
};

enum { JEM, CLASSIFIER, KINDS };
static const char *const kind_names[KINDS] = {"jem", "classifier"};

struct outcome {
    int64_t labels, seed;
    struct train_best training;
    double accuracy, nll, ece; /* on the test images */
    char file[64], md5[DIGEST_MD5_TEXT];
};

struct semisup {
    struct experiment e;
    struct progress progress;
    jem_options *opts[KINDS];
    jem_dataset *train, *held_out;
    int64_t n, n_held; /* images of these */
    struct image_input test;
    int64_t size[MOST_SIZES]; /* labels per class */
    int64_t sizes;
    struct outcome (*runs)[KINDS]; /* per size, per seed */
};

static const char *test_spec(void)
{
    return arg.test != NULL ? arg.test : arg.data;
}

static int check_arguments(void)
{
    int own, rc;

    if (arg.out == NULL)
        return report_usage("--out DIR is missing: where should the models go?");
    rc = data_own_splits(arg.data, &own);
    if (rc != EXIT_OK)
        return rc;
    if (!own && strcmp(test_spec(), arg.data) == 0)
        return report_usage("--data %s: training and test split are the same images, which "
                            "would be tested on what they were trained on: say --test KIND",
                            arg.data);
    return CLI_GO;
}

static int read_sizes(struct semisup *s)
{
    const char *at = arg.labels;

    for (s->sizes = 0;; at++) {
        char *end = NULL;

        errno = 0;
        if (s->sizes == MOST_SIZES)
            return report_usage("--labels %s: more than %d numbers", arg.labels, MOST_SIZES);
        s->size[s->sizes] = strtoll(at, &end, 10);
        if (end == at || errno != 0 || s->size[s->sizes] < 1 || (*end != ',' && *end != '\0'))
            return report_usage("--labels %s: must be numbers of at least 1, joined by commas",
                                arg.labels);
        s->sizes++;
        at = end;
        if (*at == '\0')
            return EXIT_OK;
    }
}

/* Both are set up alike; then log p(x) is switched off for the classifier, and that is all that
 * parts them. Batches x_l are of labelled images only, so they are not shared with x_d. */
static int choose_settings(struct semisup *s, int kind)
{
    jem_options *opts = NULL;
    int rc = report_jem(jem_options_create(s->e.ctx, &opts));

    s->opts[kind] = opts;
    if (rc == EXIT_OK)
        rc = settings_apply(opts, &arg.presets, &arg.sets);
    if (rc == EXIT_OK)
        rc = settings_take_shape(opts, s->e.shape);
    if (rc == EXIT_OK && arg.steps > 0)
        rc = report_jem(jem_options_set_i64(opts, "train.steps", arg.steps));
    if (rc == EXIT_OK)
        rc = report_jem(jem_options_set_i64(opts, "train.share_batch", 0));
    if (rc == EXIT_OK && settings_number(opts, "train.weight_px") <= 0)
        rc = report_usage(
            "train.weight_px is 0: then JEM is the classifier it is compared with");
    if (rc == EXIT_OK && kind == CLASSIFIER)
        rc = report_jem(jem_options_set_i64(opts, "train.weight_px", 0));
    if (rc == EXIT_OK && kind == CLASSIFIER)
        rc = report_jem(jem_options_set_i64(opts, "train.weight_pxy", 0));
    return rc;
}

static int open_data(struct semisup *s)
{
    jem_dataset *all = NULL;
    int64_t n = 0;
    int rc = data_open(s->e.ctx, arg.data, "train", &all);

    if (rc == EXIT_OK)
        rc = report_jem(jem_dataset_shape(all, s->e.shape));
    if (rc == EXIT_OK)
        rc = report_jem(jem_dataset_size(all, &n));
    s->n_held = arg.validation < 0 ? holdout_default(n) : arg.validation;
    if (rc == EXIT_OK && (s->n_held < 1 || s->n_held >= n))
        rc = report_usage("--validation: of %" PRId64 " training images 1 to %" PRId64
                          " can be held out, not %" PRId64,
                          n, n - 1, s->n_held);
    if (rc == EXIT_OK)
        rc = report_jem(
            jem_dataset_split(all, s->n_held, arg.split_seed, &s->train, &s->held_out));
    jem_dataset_free(all);
    s->n = n - s->n_held;
    if (rc == EXIT_OK)
        rc = experiment_data(&s->e, test_spec(), "test", arg.count, 1, &s->test);
    return rc;
}

/* Leave `size` labels per class, -1 for the others. The images are walked through in an order
 * that the seed draws, so the few labels are among the many. */
static int thin_labels(const struct semisup *s, int64_t size, int64_t seed, int32_t *y)
{
    const int64_t classes = s->e.shape[3];
    int64_t *order = calloc((size_t)s->n, sizeof *order);
    int64_t *left = malloc((size_t)classes * sizeof *left);
    uint64_t state = splitmix_begin(seed, 0);
    int rc = order == NULL || left == NULL ? report_no_memory() : EXIT_OK;

    for (int64_t k = 0; k < classes && rc == EXIT_OK; k++)
        left[k] = size;
    for (int64_t i = 0; i < s->n && rc == EXIT_OK; i++) { /* Fisher and Yates, inside out */
        const int64_t j = (int64_t)(splitmix_next(&state) % (uint64_t)(i + 1));

        order[i] = order[j];
        order[j] = i;
    }
    for (int64_t i = 0; i < s->n && rc == EXIT_OK; i++) {
        int32_t *label = &y[order[i]];

        if (*label >= 0 && left[*label]-- <= 0)
            *label = -1;
    }
    for (int64_t k = 0; k < classes && rc == EXIT_OK; k++)
        if (left[k] > 0)
            rc = report_failed("--labels %" PRId64 ": class %" PRId64 " has only %" PRId64
                               " labelled training images",
                               size, k, size - left[k]);
    free(order);
    free(left);
    return rc;
}

/* All training images, `size` labels per class. */
static int make_data(const struct semisup *s, int64_t size, int64_t seed, jem_dataset **out)
{
    const int64_t *shape = s->e.shape;
    float *x = malloc((size_t)(s->n * shape[0] * shape[1] * shape[2]) * sizeof *x);
    int32_t *y = malloc((size_t)s->n * sizeof *y);
    int rc = x == NULL || y == NULL ? report_no_memory() : EXIT_OK;

    if (rc == EXIT_OK)
        rc = report_jem(jem_dataset_read(s->train, 0, s->n, x, y));
    if (rc == EXIT_OK)
        rc = thin_labels(s, size, seed, y);
    if (rc == EXIT_OK)
        rc = report_jem(jem_dataset_from_f32(s->e.ctx, x, y, s->n, shape, shape[3], out));
    free(x);
    free(y);
    return rc;
}

/* Are there so many? Asked before hours of training. */
static int count_labels(const struct semisup *s, int64_t size)
{
    int32_t *y = malloc((size_t)s->n * sizeof *y);
    int rc = y == NULL ? report_no_memory()
                       : report_jem(jem_dataset_read(s->train, 0, s->n, NULL, y));

    if (rc == EXIT_OK)
        rc = thin_labels(s, size, arg.seed, y);
    free(y);
    return rc;
}

static int test(const struct semisup *s, const char *path, struct outcome *o)
{
    struct evaluation e = {0};
    jem_model *model = NULL;
    int rc = report_jem(jem_model_load(s->e.ctx, path, &model));

    if (rc == EXIT_OK)
        rc = evaluate_images(model, s->test.x, s->test.n, BATCH, &e);
    if (rc == EXIT_OK)
        rc = evaluate_with_labels(&e, s->test.labels);
    o->accuracy = e.accuracy;
    o->nll = e.nll;
    o->ece = e.ece;
    if (rc == EXIT_OK && MD5File(path, o->md5) == NULL)
        rc = report_failed("cannot read %s: %s", path, strerror(errno));
    evaluate_free(&e);
    jem_model_free(model);
    return rc;
}

static int try_kind(struct semisup *s, jem_dataset *data, int kind, struct outcome *o)
{
    char path[FILE_PATH_BYTES];
    int rc;

    snprintf(o->file, sizeof o->file, "%s-%" PRId64 "-seed%" PRId64 ".safetensors",
             kind_names[kind], o->labels, o->seed);
    o->training = (struct train_best){.name = o->file, .validate_every = arg.validate_every};
    rc = file_join(path, arg.out, o->file);
    if (rc == EXIT_OK)
        rc = report_jem(jem_options_set_i64(s->opts[kind], "train.seed", o->seed));
    if (rc == EXIT_OK)
        rc = train_best(s->e.ctx, s->opts[kind], data, s->held_out, path, &s->progress,
                        &o->training);
    return rc == EXIT_OK ? test(s, path, o) : rc;
}

static int try_all(struct semisup *s)
{
    int rc = EXIT_OK;

    for (int64_t r = 0; r < s->sizes * arg.seeds && rc == EXIT_OK; r++) {
        const int64_t size = s->size[r / arg.seeds], seed = arg.seed + r % arg.seeds;
        jem_dataset *data = NULL;

        rc = make_data(s, size, seed, &data);
        for (int kind = 0; kind < KINDS && rc == EXIT_OK; kind++) {
            s->runs[r][kind].labels = size;
            s->runs[r][kind].seed = seed;
            rc = try_kind(s, data, kind, &s->runs[r][kind]);
        }
        jem_dataset_free(data);
    }
    if (rc == EXIT_OK) /* as it was asked for, in the JSON */
        rc = report_jem(jem_options_set_i64(s->opts[JEM], "train.seed", arg.seed));
    return rc;
}

/* Mean and standard deviation over the seeds (divisor: their number less 1; NaN for one). */
struct spread {
    double mean, std;
};

/* Of JEM, of the classifier, or (KINDS) of their difference seed by seed. */
static struct spread accuracy_of(const struct semisup *s, int64_t size, int which)
{
    struct spread a = {0, 0};
    double squares = 0;

    for (int64_t pass = 0; pass < 2; pass++)
        for (int64_t i = 0; i < arg.seeds; i++) {
            const struct outcome *both = s->runs[size * arg.seeds + i];
            const double v = which < KINDS ? both[which].accuracy
                                           : both[JEM].accuracy - both[CLASSIFIER].accuracy;

            if (pass == 0)
                a.mean += v / (double)arg.seeds;
            else
                squares += (v - a.mean) * (v - a.mean);
        }
    a.std = arg.seeds > 1 ? sqrt(squares / (double)(arg.seeds - 1)) : (double)NAN;
    return a;
}

static int print_results(const struct semisup *s)
{
    static const char *const headings[] = {">labels per class", ">labels",     ">JEM",
                                           ">classifier",       ">difference", NULL};
    struct table *t = table_create(headings);
    int rc;

    if (t == NULL)
        return report_no_memory();
    for (int64_t i = 0; i < s->sizes; i++) {
        table_cell(t, "%" PRId64, s->size[i]);
        table_cell(t, "%" PRId64, s->size[i] * s->e.shape[3]);
        for (int which = 0; which <= KINDS; which++) {
            const struct spread a = accuracy_of(s, i, which);
            char mean[32], std[32] = "";

            snprintf(mean, sizeof mean, which == KINDS ? "%+.2f" : "%.2f", 100 * a.mean);
            if (arg.seeds > 1)
                snprintf(std, sizeof std, " +- %.2f", 100 * a.std);
            table_cell(t, "%s%s %%", mean, std);
        }
    }
    printf("Test accuracy\n");
    rc = table_print(t, stdout);
    table_free(t);
    return rc;
}

static json_t *run_json(const struct outcome *o, int kind)
{
    json_t *run = json_object();

    json_object_set_new(run, "kind", json_string(kind_names[kind]));
    json_set_number(run, "labels_per_class", (double)o->labels);
    json_set_number(run, "seed", (double)o->seed);
    json_set_number(run, "accuracy", o->accuracy);
    json_set_number(run, "nll", o->nll);
    json_set_number(run, "ece", o->ece);
    json_set_number(run, "validation_accuracy", o->training.accuracy);
    json_set_number(run, "best_step", (double)o->training.best_step);
    json_set_number(run, "steps", (double)o->training.steps);
    json_set_number(run, "diverged_after",
                    o->training.diverged_after >= 0 ? (double)o->training.diverged_after
                                                    : (double)NAN);
    json_object_set_new(run, "file", json_string(o->file));
    json_object_set_new(run, "model_md5", json_string(o->md5));
    return run;
}

static void add_to_json(struct semisup *s)
{
    static const char *const names[][2] = {
        {"jem", "jem_std"}, {"classifier", "classifier_std"}, {"difference", "difference_std"}};
    json_t *runs = json_array(), *summary = json_array();

    for (int64_t r = 0; r < s->sizes * arg.seeds; r++)
        for (int kind = 0; kind < KINDS; kind++)
            json_array_append_new(runs, run_json(&s->runs[r][kind], kind));
    for (int64_t i = 0; i < s->sizes; i++) {
        json_t *one = json_object();

        json_set_number(one, "labels_per_class", (double)s->size[i]);
        for (int which = 0; which <= KINDS; which++) {
            const struct spread a = accuracy_of(s, i, which);

            json_set_number(one, names[which][0], a.mean);
            json_set_number(one, names[which][1], a.std);
        }
        json_array_append_new(summary, one);
    }
    json_object_set_new(s->e.json, "train_data", json_string(arg.data));
    json_set_number(s->e.json, "n_train", (double)s->n);
    json_set_number(s->e.json, "n_validation", (double)s->n_held);
    json_object_set_new(s->e.json, "runs", runs);
    json_object_set_new(s->e.json, "summary", summary);
    json_object_set_new(s->e.json, "settings", settings_json(s->opts[JEM]));
}

static void say_protocol(struct semisup *s)
{
    experiment_set_protocol(
        &s->e,
        "N labels per class, drawn by the seed; JEM takes all %" PRId64
        " training images for log p(x), the classifier none but the labelled ones. Both have "
        "the "
        "same initial weights, labelled batches and steps, and keep the weights that classify "
        "%" PRId64 " held-out labelled images best: labels beyond the N, which a real shortage "
        "would not leave. Accuracy on %" PRId64
        " test images of %s, mean +- standard deviation over "
        "%" PRId64 " seeds (divisor: one less); the difference is taken seed by seed.",
        s->n, s->n_held, s->test.n, test_spec(), arg.seeds);
}

static int run(struct semisup *s)
{
    int64_t most = 0;
    int rc = read_sizes(s);

    progress_start(&s->progress, arg.quiet);
    if (rc == EXIT_OK)
        rc = experiment_begin(arg.backend, arg.threads, arg.seed, &s->e);
    if (rc == EXIT_OK)
        rc = open_data(s);
    for (int kind = 0; kind < KINDS && rc == EXIT_OK; kind++)
        rc = choose_settings(s, kind);
    s->runs = calloc((size_t)(s->sizes * arg.seeds) + 1, sizeof *s->runs);
    if (rc == EXIT_OK && s->runs == NULL)
        rc = report_no_memory();
    for (int64_t i = 0; i < s->sizes; i++)
        most = s->size[i] > most ? s->size[i] : most;
    if (rc == EXIT_OK)
        rc = count_labels(s, most);
    if (rc == EXIT_OK)
        rc = file_make_folder(arg.out);
    if (rc == EXIT_OK)
        rc = try_all(s);
    if (rc == EXIT_OK)
        rc = print_results(s);
    if (rc != EXIT_OK)
        return rc;
    printf("\nmodels     %s/*.safetensors\n", arg.out);
    say_protocol(s);
    experiment_print_protocol(&s->e);
    add_to_json(s);
    return experiment_write(&s->e, arg.json);
}

int main(int argc, char **argv)
{
    struct semisup s = {0};
    int rc = cli_parse(&command_line, argc, argv);

    if (rc == CLI_GO)
        rc = check_arguments();
    if (rc == CLI_GO)
        rc = report_flush(run(&s));
    free(s.runs);
    image_input_free(&s.test);
    jem_dataset_free(s.train);
    jem_dataset_free(s.held_out);
    for (int kind = 0; kind < KINDS; kind++)
        jem_options_free(s.opts[kind]);
    experiment_close(&s.e);
    cli_list_free(&arg.presets);
    cli_list_free(&arg.sets);
    return rc;
}
