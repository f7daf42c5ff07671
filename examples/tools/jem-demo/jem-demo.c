/* SPDX-License-Identifier: MIT */

/* jem-demo: look at what a training has given. Classifies, scores and calibrates a model on a
 * test set, tells the test images from others by their density, and writes report.html and
 * report.json. `make demo` runs it after jem-train. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demo_page.h"
#include "kit/base/file.h"
#include "kit/base/json_log.h"
#include "kit/data/outliers.h"
#include "kit/images/image.h"
#include "kit/lab/confusion.h"
#include "kit/lab/lab.h"
#include "kit/stats/bootstrap.h"
#include "kit/stats/sorted.h"

#define DRAWS 100 /* of the bootstrap */

static struct lab lab;
static const char *run_folder;

static const struct cli_option options[] = {
    LAB_MODEL(lab, "Model and images"),
    {NULL, "run", "DIR",
     "the training's folder, with train.json, log.jsonl and samples.png (default: the model's)",
     NULL, .text = &run_folder},
    LAB_DATA(lab, "the test images: "),
    {NULL, "count", "N", "only the first N test images; 0: all", "0", .integer = &lab.count,
     .max = INT64_MAX},
    LAB_SEED(lab, "of the noise images and of the pairs that are interpolated"),
    {"Results", "out", "DIR",
     "folder for report.html, report.json, likely.png and unlikely.png (default: that of "
     "--run)",
     NULL, .text = &lab.out},
    LAB_QUIET(lab),
    LAB_COMPUTING(lab, "Computing"),
};

/* What was not said: the training's folder is the model's, and the report goes there. */
static int check(void)
{
    static char folder[FILE_PATH_BYTES];
    int code = EXIT_OK;

    if (run_folder == NULL) {
        code = file_folder_of(folder, lab.model_file);
        run_folder = folder;
    }
    if (lab.out == NULL)
        lab.out = run_folder;
    return code == EXIT_OK ? CLI_GO : code;
}

static const struct cli command_line = {
    .program = "jem-demo",
    .usage = "--model FILE [options]",
    .about = "Look at what a training has given: accuracy, calibration, and how well the "
             "density tells test images from others. Prints a table and writes a report.",
    .notes = "Examples:\n"
             "  jem-demo --model demo/best.safetensors\n"
             "  jem-demo --model demo/best.safetensors --count 1000 --out report\n",
    CLI_OPTIONS(options),
    .check = check,
};

static const struct record_column columns[] = {
    {NULL, "out-of-distribution set", .kind = RECORD_TEXT},
    {"log_px", "log p(x)", .decimals = 3, .good = 0.9, .bad = 0.5},
    {"log_px_low", "95 %", .decimals = 3},
    {"log_px_high", NULL, .decimals = 3, .join = " to "},
    {"prob_y", "max p(y|x)", .decimals = 3, .good = 0.9, .bad = 0.5},
    {"mass", "mass", .decimals = 3, .good = 0.9, .bad = 0.5},
};

static const struct record_layout layout = {
    .title = DEMO_AUROC,
    .note = "AUROC: the probability that a test image scores higher than one of the other set; "
            "0.5 is guessing, 1 is perfect. 95 %: the bootstrap interval of log p(x).",
    RECORD_COLUMNS(columns),
};

/* The first test images. */
static struct image_input *read_images(void)
{
    const jem_dataset *data = lab_dataset(&lab, lab.data, "test");
    struct image_input *in = lab_array(&lab, 1, sizeof *in);
    int64_t shape[4];

    must_jem(jem_dataset_shape(data, shape));
    if (memcmp(shape, lab.shape, sizeof shape) != 0)
        must(report_failed("the model %s wants %d x %d x %d and %d classes, the data %s are "
                           "%d x %d x %d with %d",
                           lab.model_file, (int)lab.shape[0], (int)lab.shape[1],
                           (int)lab.shape[2], (int)lab.shape[3], lab.data, (int)shape[0],
                           (int)shape[1], (int)shape[2], (int)shape[3]));
    must_jem(jem_dataset_size(data, &in->of));
    in->n = lab.count > 0 && lab.count < in->of ? lab.count : in->of;
    in->x = lab_floats(&lab, in->n * lab.size);
    in->labels = lab_array(&lab, in->n, sizeof *in->labels);
    must_jem(jem_dataset_read(data, 0, in->n, in->x, in->labels));
    lab_recognise(&lab, data, lab.data);
    return in;
}

/* The three scores of JEM section 5.3; each grows with "in distribution". */
static struct demo_scores scores_of(const struct image_input *in, const struct evaluation *e)
{
    struct demo_scores s = {.n = in->n, .log_px = e->log_px};

    s.prob_y = lab_floats(&lab, in->n);
    s.mass = lab_floats(&lab, in->n);
    for (int64_t i = 0; i < in->n; i++)
        s.prob_y[i] = e->prob_y[i * e->classes + e->pred[i]];
    must_jem(jem_head_mass(lab_head(&lab), in->x, in->n, s.mass, in->n));
    return s;
}

static double auroc(const float *in, const float *out, int64_t n)
{
    double value;

    must_jem(jem_metric_auroc(lab.ctx, in, n, out, n, &value));
    return value;
}

/* Test images against every set of outliers. */
static void detect(const struct image_input *in, struct demo *d)
{
    struct record_table *t = record_table(lab.record, &layout);
    const int64_t n = in->n;
    float *x = lab_floats(&lab, n * lab.size);
    const struct image_input other = {.n = n, .of = n, .x = x};

    progress_show(&lab.progress, "scoring %" PRId64 " images", n);
    d->in = scores_of(in, d->test);
    for (int k = 0; k < outlier_count; k++) {
        struct demo_outliers *o = &d->outliers[k];

        o->name = outlier_kinds[k].name;
        o->what = outlier_kinds[k].what;
        progress_show(&lab.progress, "scoring outliers, set %d of %d: %s", k + 1, outlier_count,
                      o->name);
        outliers_make(k, in->x, n, lab.shape, lab.seed, x);
        o->scores = scores_of(&other, lab_evaluate(&lab, &other));
        o->auroc_log_px = auroc(d->in.log_px, o->scores.log_px, n);
        must(bootstrap_auroc(d->in.log_px, n, o->scores.log_px, n, DRAWS, lab.seed,
                             &o->auroc_low, &o->auroc_high));
        record_row_at(t, lab_text(&lab, "auroc.%s", o->name));
        record_text(t, "out-of-distribution set", o->name);
        record_number(t, "log_px", o->auroc_log_px);
        record_number(t, "log_px_low", o->auroc_low);
        record_number(t, "log_px_high", o->auroc_high);
        record_number(t, "prob_y", auroc(d->in.prob_y, o->scores.prob_y, n));
        record_number(t, "mass", auroc(d->in.mass, o->scores.mass, n));
    }
    progress_clear(&lab.progress);
}

/* The most and the least likely test images: likely.png and unlikely.png. */
static void draw_likely(const struct image_input *in, const struct demo *d)
{
    enum { COLUMNS = 10, SHOWN = 40 };
    const int64_t n = in->n, shown = n < SHOWN ? n : SHOWN;
    float *grid = lab_floats(&lab, shown * lab.size);
    float *energy = lab_floats(&lab, n);
    int64_t *order = lab_array(&lab, n, sizeof *order);
    char path[FILE_PATH_BYTES];

    for (int64_t i = 0; i < n; i++)
        energy[i] = -d->in.log_px[i];
    must(sort_order(energy, n, order));
    for (int least = 0; least < 2; least++) {
        for (int64_t i = 0; i < shown; i++)
            memcpy(grid + i * lab.size, in->x + order[least ? n - 1 - i : i] * lab.size,
                   (size_t)lab.size * sizeof *grid);
        must(file_join(path, lab.out, least ? "unlikely.png" : "likely.png"));
        must(image_write_grid(path, grid, shown, lab.shape, COLUMNS));
    }
}

/* What the lab has noted gives way to what the training has, of which this is the report. */
static void write_json(const struct demo *d)
{
    static const char *const copied[] = {"seed",    "steps",      "diverged",
                                         "data",    "validation", "kernels",
                                         "threads", "best",       "settings"};
    json_t *out = record_json(lab.record);
    char path[FILE_PATH_BYTES];

    json_object_clear(out);
    json_set_number(out, "test_accuracy", d->test->accuracy);
    json_set_number(out, "ece", d->test->ece);
    json_set_number(out, "nll", d->test->nll);
    json_object_set_new(out, "n_test", json_integer(d->test->n));
    json_set_text(out, "images", provenance_word(lab.role));
    record_protocol(lab.record,
                    "%s without input noise; ECE with 20 equal bins; "
                    "AUROC: higher score = in distribution, ties one half",
                    lab_images_are(&lab));
    json_object_set(out, "train_seconds", json_object_get(d->train, "seconds_training"));
    for (size_t i = 0; i < sizeof copied / sizeof copied[0]; i++)
        json_object_set(out, copied[i], json_object_get(d->train, copied[i]));
    must(file_join(path, lab.out, "report.json"));
    must(record_write_json(lab.record, path));
}

static void release_json(void *json)
{
    json_decref(json);
}

/* train.json of the training, or NULL. */
static json_t *read_training(void)
{
    char path[FILE_PATH_BYTES];
    json_t *train = NULL;

    must(file_join(path, run_folder, "train.json"));
    must(json_read_file(path, &train));
    if (train != NULL)
        return lab_keep(&lab, train, release_json);
    report_note("there is no %s, so the report does not speak of the training; --run DIR "
                "names its folder",
                path);
    return NULL;
}

int main(int argc, char **argv)
{
    struct demo d = {0};
    struct image_input *in;

    lab_begin(&lab, &command_line, argc, argv);
    lab_has_folder(&lab);
    lab_open(&lab);
    in = read_images();
    d.lab = &lab;
    d.data_name = lab.data;
    d.model_file = lab.model_file;
    d.no_classes = lab_no_classes(&lab);
    d.record = lab.record;
    d.train = read_training();
    d.test = lab_evaluate(&lab, in);
    record_say(lab.record,
               "accuracy   %.2f %% of %" PRId64 " %s\nnll        %.4f\n"
               "ece        %.4f (%d bins)\n\nAUROC of %s against\n",
               100.0 * d.test->accuracy, d.test->n, lab_images_are(&lab), d.test->nll,
               d.test->ece, EVALUATE_BINS, lab_images_are(&lab));
    detect(in, &d);
    if (d.no_classes == NULL)
        must(confusion_record(&lab, d.test));
    draw_likely(in, &d);
    write_json(&d);
    must(demo_page_write(&d, run_folder, lab.out));
    lab_print(&lab);
    printf("\nreport     %s/report.html\n", lab.out);
    return lab_end(&lab);
}
