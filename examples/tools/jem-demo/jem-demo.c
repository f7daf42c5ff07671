/* SPDX-License-Identifier: MIT */

/* jem-demo: look at what a training has given. Classifies, scores and calibrates a model on a
 * test set, tells the test images from others by their density, and writes report.html and
 * report.json. `make demo` runs it after jem-train. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jem/jem.h>

#include "demo_page.h"
#include "kit/base/file.h"
#include "kit/base/json_log.h"
#include "kit/base/progress.h"
#include "kit/base/report.h"
#include "kit/base/table.h"
#include "kit/cli/cli.h"
#include "kit/cli/settings.h"
#include "kit/data/data.h"
#include "kit/data/outliers.h"
#include "kit/images/image.h"

#define BATCH 250

struct arguments {
    const char *model, *run, *data, *out, *backend;
    int64_t count, threads;
    int64_t seed;
    int quiet;
};

static struct arguments arg;

static const struct cli_option options[] = {
    {"Model and images", "model", "FILE", "a model or a training (.safetensors)", NULL,
     .text = &arg.model},
    {NULL, "run", "DIR",
     "the training's folder, with train.json, log.jsonl and samples.png (default: the model's)",
     NULL, .text = &arg.run},
    {NULL, "data", "KIND", "the test images: " DATA_HELP, "fashion-mnist", .text = &arg.data,
     .check = data_check},
    {NULL, "count", "N", "only the first N test images; 0: all", "0", .integer = &arg.count,
     .max = INT64_MAX},
    {NULL, "seed", "N", "of the noise images and of the pairs that are interpolated", "1",
     .integer = &arg.seed},
    {"Results", "out", "DIR",
     "folder for report.html, report.json, likely.png and unlikely.png (default: that of "
     "--run)",
     NULL, .text = &arg.out},
    {NULL, "quiet", NULL, "no progress on stderr", NULL, .flag = &arg.quiet},
    {"Computing", "threads", "N", "0: one per processor; changes no result", "0",
     .integer = &arg.threads, .max = 64},
    {NULL, "backend", "NAME", BACKEND_HELP, "cpu", .text = &arg.backend},
};

static const struct cli command_line = {
    .program = "jem-demo",
    .usage = "--model FILE [options]",
    .about = "Look at what a training has given: accuracy, calibration, and how well the "
             "density tells test images from others. Prints a table and writes a report.",
    .notes = "Examples:\n"
             "  jem-demo --model demo/best.safetensors\n"
             "  jem-demo --model demo/best.safetensors --count 1000 --out report\n",
    .options = options,
    .count = (int)(sizeof options / sizeof options[0]),
};

/* What was not said: the training's folder is the model's, and the report goes there. */
static int check_arguments(void)
{
    static char folder[FILE_PATH_BYTES];
    int code = CLI_GO;

    if (arg.model == NULL)
        return report_usage("--model FILE is missing");
    if (arg.run == NULL) {
        code = file_folder_of(folder, arg.model);
        arg.run = folder;
    }
    if (arg.out == NULL)
        arg.out = arg.run;
    return code == EXIT_OK ? CLI_GO : code;
}

/* The three scores of JEM section 5.3; each grows with "in distribution". */
static int scores_of(jem_model *model, const float *x, int64_t n, struct demo_scores *out)
{
    struct evaluation e = {0};
    jem_head *head = NULL;
    int code = evaluate_images(model, x, n, BATCH, &e);

    if (code != EXIT_OK)
        return code;
    out->n = n;
    out->log_px = malloc((size_t)n * sizeof *out->log_px);
    out->prob_y = malloc((size_t)n * sizeof *out->prob_y);
    out->mass = malloc((size_t)n * sizeof *out->mass);
    if (out->log_px == NULL || out->prob_y == NULL || out->mass == NULL) {
        code = report_no_memory();
        goto done;
    }
    for (int64_t i = 0; i < n; i++) {
        out->log_px[i] = e.log_px[i];
        out->prob_y[i] = e.prob_y[i * e.classes + e.pred[i]];
    }
    code = report_jem(jem_head_create(model, BATCH, &head));
    if (code == EXIT_OK)
        code = report_jem(jem_head_mass(head, x, n, out->mass, n));
done:
    jem_head_free(head);
    evaluate_free(&e);
    return code;
}

static void scores_free(struct demo_scores *s)
{
    free(s->log_px);
    free(s->prob_y);
    free(s->mass);
}

/* Test images against every set of outliers. */
static int detect(jem_context *ctx, jem_model *model, const float *x, struct demo *d,
                  const struct arguments *a)
{
    struct progress progress;
    const int64_t n = d->test.n, size = d->shape[0] * d->shape[1] * d->shape[2];
    float *other = malloc((size_t)(n * size) * sizeof *other);
    int code = other != NULL ? EXIT_OK : report_no_memory();

    progress_start(&progress, a->quiet);
    progress_show(&progress, "scoring %" PRId64 " test images", n);
    if (code == EXIT_OK)
        code = scores_of(model, x, n, &d->in);
    for (int k = 0; k < outlier_count && code == EXIT_OK; k++) {
        struct demo_outliers *o = &d->outliers[k];

        o->name = outlier_kinds[k].name;
        o->what = outlier_kinds[k].what;
        progress_show(&progress, "scoring outliers, set %d of %d: %s", k + 1, outlier_count,
                      o->name);
        outliers_make(k, x, n, d->shape, a->seed, other);
        code = scores_of(model, other, n, &o->scores);
        if (code == EXIT_OK)
            code = report_jem(
                jem_metric_auroc(ctx, d->in.log_px, n, o->scores.log_px, n, &o->auroc_log_px));
        if (code == EXIT_OK)
            code = report_jem(
                jem_metric_auroc(ctx, d->in.prob_y, n, o->scores.prob_y, n, &o->auroc_prob_y));
        if (code == EXIT_OK)
            code = report_jem(
                jem_metric_auroc(ctx, d->in.mass, n, o->scores.mass, n, &o->auroc_mass));
    }
    progress_clear(&progress);
    free(other);
    return code;
}

struct rank {
    float log_px;
    int64_t image;
};

static int falling(const void *a, const void *b)
{
    const float x = ((const struct rank *)a)->log_px, y = ((const struct rank *)b)->log_px;

    return (x < y) - (x > y);
}

/* Numbers of the test images by log p(x), the most likely first; NULL without memory. */
static int64_t *ranking(const float *log_px, int64_t n)
{
    struct rank *all = malloc((size_t)n * sizeof *all);
    int64_t *order = malloc((size_t)n * sizeof *order);

    if (all != NULL && order != NULL) {
        for (int64_t i = 0; i < n; i++)
            all[i] = (struct rank){log_px[i], i};
        qsort(all, (size_t)n, sizeof *all, falling);
        for (int64_t i = 0; i < n; i++)
            order[i] = all[i].image;
        free(all);
        return order;
    }
    free(all);
    free(order);
    return NULL;
}

/* The most and the least likely test images: out/likely.png and out/unlikely.png. */
static int likely(const struct demo *d, const float *x, const char *folder)
{
    enum { COLUMNS = 10, SHOWN = 40 };
    const int64_t size = d->shape[0] * d->shape[1] * d->shape[2], n = d->test.n;
    const int64_t shown = n < SHOWN ? n : SHOWN;
    float *grid = malloc((size_t)(shown * size) * sizeof *grid);
    int64_t *order = ranking(d->in.log_px, n);
    char path[FILE_PATH_BYTES];
    int code = grid != NULL && order != NULL ? EXIT_OK : report_no_memory();

    for (int least = 0; least < 2 && code == EXIT_OK; least++) {
        for (int64_t i = 0; i < shown; i++)
            memcpy(grid + i * size, x + order[least ? n - 1 - i : i] * size,
                   (size_t)size * sizeof *grid);
        code = file_join(path, folder, least ? "unlikely.png" : "likely.png");
        if (code == EXIT_OK)
            code = image_write_grid(path, grid, shown, d->shape, COLUMNS);
    }
    free(order);
    free(grid);
    return code;
}

static json_t *auroc_json(const struct demo *d)
{
    json_t *sets = json_object();

    for (int k = 0; k < outlier_count; k++) {
        json_t *set = json_object();
        json_set_number(set, "log_px", d->outliers[k].auroc_log_px);
        json_set_number(set, "prob_y", d->outliers[k].auroc_prob_y);
        json_set_number(set, "mass", d->outliers[k].auroc_mass);
        json_object_set_new(sets, d->outliers[k].name, set);
    }
    return sets;
}

static int write_json(const struct demo *d, const char *folder)
{
    static const char *const copied[] = {"seed",    "steps",      "diverged",
                                         "data",    "validation", "kernels",
                                         "threads", "best",       "settings"};
    char path[FILE_PATH_BYTES];
    json_t *out = json_object();
    const int code = file_join(path, folder, "report.json");

    json_set_number(out, "test_accuracy", d->test.accuracy);
    json_set_number(out, "ece", d->test.ece);
    json_set_number(out, "nll", d->test.nll);
    json_object_set_new(out, "n_test", json_integer(d->test.n));
    json_object_set_new(out, "auroc", auroc_json(d));
    json_object_set_new(out, "protocol",
                        json_string("test images without input noise; ECE with 20 equal bins; "
                                    "AUROC: higher score = in distribution, ties one half"));
    json_object_set(out, "train_seconds", json_object_get(d->train, "seconds_training"));
    for (size_t i = 0; i < sizeof copied / sizeof copied[0]; i++)
        json_object_set(out, copied[i], json_object_get(d->train, copied[i]));
    if (code != EXIT_OK) {
        json_decref(out);
        return code;
    }
    return json_write_file(path, out);
}

static int print_table(const struct demo *d)
{
    static const char *const headings[] = {"out-of-distribution set", ">log p(x)",
                                           ">max p(y|x)", ">mass", NULL};
    struct table *t = table_create(headings);
    int code;

    printf("accuracy   %.2f %% of %" PRId64 " test images\nnll        %.4f\n"
           "ece        %.4f (%d bins)\n\nAUROC of test images against\n",
           100.0 * d->test.accuracy, d->test.n, d->test.nll, d->test.ece, EVALUATE_BINS);
    if (t == NULL)
        return report_no_memory();
    for (int k = 0; k < outlier_count; k++) {
        table_cell(t, "%s", d->outliers[k].name);
        table_cell(t, "%.3f", d->outliers[k].auroc_log_px);
        table_cell(t, "%.3f", d->outliers[k].auroc_prob_y);
        table_cell(t, "%.3f", d->outliers[k].auroc_mass);
    }
    code = table_print(t, stdout);
    table_free(t);
    return code;
}

static int look(jem_context *ctx, jem_model *model, const jem_dataset *data,
                const struct arguments *a, struct demo *d)
{
    int64_t n = 0;
    float *x = NULL;
    int code = report_jem(jem_dataset_size(data, &n));

    if (a->count > 0 && a->count < n)
        n = a->count;
    if (code == EXIT_OK)
        code = evaluate_data(model, data, 0, n, BATCH, &d->test);
    if (code != EXIT_OK)
        return code;
    x = malloc((size_t)(n * d->shape[0] * d->shape[1] * d->shape[2]) * sizeof *x);
    if (x == NULL)
        return report_no_memory();
    code = report_jem(jem_dataset_read(data, 0, n, x, NULL));
    if (code == EXIT_OK)
        code = detect(ctx, model, x, d, a);
    if (code == EXIT_OK)
        code = likely(d, x, a->out);
    if (code == EXIT_OK)
        code = write_json(d, a->out);
    if (code == EXIT_OK)
        code = demo_page_write(d, a->run, a->out);
    if (code == EXIT_OK)
        code = print_table(d);
    free(x);
    return code;
}

static int run(const struct arguments *a)
{
    jem_context *ctx = NULL;
    jem_model *model = NULL;
    jem_dataset *data = NULL;
    struct demo d = {.data_name = a->data};
    char path[FILE_PATH_BYTES];
    int64_t shape[4], data_shape[4];
    int code = settings_context(a->backend, a->threads, &ctx);

    if (code == EXIT_OK)
        code = file_make_folder(a->out);
    if (code == EXIT_OK)
        code = report_jem(jem_model_load(ctx, a->model, &model));
    if (code == EXIT_OK)
        code = data_open(ctx, a->data, "test", &data);
    if (code == EXIT_OK)
        code = report_jem(jem_model_shape(model, shape));
    if (code == EXIT_OK)
        code = report_jem(jem_dataset_shape(data, data_shape));
    if (code == EXIT_OK && memcmp(shape, data_shape, sizeof shape) != 0)
        code = report_failed("the model %s wants %d x %d x %d and %d classes, the data %s are "
                             "%d x %d x %d with %d",
                             a->model, (int)shape[0], (int)shape[1], (int)shape[2],
                             (int)shape[3], a->data, (int)data_shape[0], (int)data_shape[1],
                             (int)data_shape[2], (int)data_shape[3]);
    if (code == EXIT_OK)
        code = file_join(path, a->run, "train.json");
    if (code == EXIT_OK)
        code = json_read_file(path, &d.train);
    if (code == EXIT_OK && d.train == NULL)
        report_note("there is no %s, so the report does not speak of the training; --run DIR "
                    "names its folder",
                    path);
    if (code == EXIT_OK) {
        memcpy(d.shape, shape, sizeof d.shape);
        code = look(ctx, model, data, a, &d);
    }
    if (code == EXIT_OK)
        printf("\nreport     %s/report.html\n", a->out);

    json_decref(d.train);
    evaluate_free(&d.test);
    scores_free(&d.in);
    for (int k = 0; k < outlier_count; k++)
        scores_free(&d.outliers[k].scores);
    jem_dataset_free(data);
    jem_model_free(model);
    jem_context_free(ctx);
    return code;
}

int main(int argc, char **argv)
{
    int code = cli_parse(&command_line, argc, argv);

    if (code == CLI_GO)
        code = check_arguments();
    return code == CLI_GO ? report_flush(run(&arg)) : code;
}
