/* SPDX-License-Identifier: MIT */

/* jem-demo: look at what a training has given. Classifies, scores and calibrates a model on a
 * test set, tells the test images from others by their density, and writes report.html and
 * report.json. `make demo` runs it after jem-train. */

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demo_page.h"
#include "kit/base/file.h"
#include "kit/base/json_log.h"
#include "kit/data/outliers.h"
#include "kit/lab/confusion.h"
#include "kit/lab/lab.h"
#include "kit/stats/bootstrap.h"

#define DRAWS 100 /* of the bootstrap */

static struct lab lab;
static const char *run_folder;

static const struct cli_option options[] = {
    LAB_MODEL(lab, "Model and images"),
    {NULL, "run", "DIR",
     "the training's folder, with train.json, log.jsonl, samples.png and what "
     "jem-sample has written to drawn/ (default: the model's)",
     NULL, .text = &run_folder},
    LAB_DATA(lab, "the test images: "),
    {NULL, "count", "N", "only N test images, evenly spaced; 0: all", "0",
     .integer = &lab.count, .max = INT64_MAX},
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

static struct record_table *auroc_table(struct demo *d)
{
    struct record_layout layout = {.title = NULL, RECORD_COLUMNS(columns)};

    d->auroc = lab_text(&lab, "AUROC of %s", lab_images_are(&lab));
    layout.title = d->auroc;
    layout.note =
        lab_text(&lab,
                 "AUROC: the probability that one of the %s scores higher than one of the "
                 "other set; 0.5 is guessing, 1 is perfect. 95 %%: the bootstrap interval of "
                 "log p(x).",
                 lab_images_are(&lab));
    return record_table(lab.record, &layout);
}

/* The images against every set of outliers that can be made of them. */
static void detect(const struct image_input *in, struct demo *d)
{
    struct record_table *t = auroc_table(d);
    const int64_t n = in->n;
    float *x = lab_floats(&lab, n * lab.size);
    const struct image_input other = {.n = n, .of = n, .x = x};

    progress_show(&lab.progress, "scoring %" PRId64 " images", n);
    d->in = scores_of(in, d->test);
    for (int k = 0; k < outlier_count; k++) {
        struct demo_outliers *o = &d->outliers[k];

        if (!out_set_can_be_made(outlier_kinds[k].name, in, 0)) {
            d->left_out = lab_text(&lab, "%s (%s) is left out: there is one image",
                                   outlier_kinds[k].name, outlier_kinds[k].what);
            continue;
        }
        o->name = outlier_kinds[k].name;
        o->what = outlier_kinds[k].what;
        progress_show(&lab.progress, "scoring outliers, set %d of %d: %s", k + 1, outlier_count,
                      o->name);
        outliers_make(k, in->x, n, lab.shape, lab.seed, x);
        o->scores = scores_of(&other, lab_evaluate(&lab, &other));
        o->auroc_log_px = auroc(d->in.log_px, o->scores.log_px, n);
        o->auroc_low = o->auroc_high = (double)NAN;
        if (n > 1) /* every draw of one score is the same, and says nothing */
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
    if (d->left_out != NULL)
        json_set_text(out, "left_out", d->left_out);
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
    const struct image_input *in;

    lab_begin(&lab, &command_line, argc, argv);
    lab_has_folder(&lab);
    lab_open(&lab);
    d.lab = &lab;
    in = lab_pick(&lab, lab_dataset(&lab, lab.data, "test"), lab.data, lab.count);
    d.data_name = lab.data;
    d.model_file = lab.model_file;
    d.no_classes = lab_no_classes(&lab);
    d.record = lab.record;
    d.train = read_training();
    d.test = lab_evaluate(&lab, in);
    if (d.test->labelled > 0)
        record_say(lab.record,
                   "accuracy   %.2f %% of %" PRId64 " %s\nnll        %.4f\n"
                   "ece        %.4f (%d bins)\n\n",
                   100.0 * d.test->accuracy, d.test->labelled, lab_images_are(&lab),
                   d.test->nll, d.test->ece, EVALUATE_BINS);
    else
        record_say(lab.record,
                   "log p(x)   %.4f on average of %" PRId64
                   " images, none of which has a label\n\n",
                   d.test->mean_log_px, d.test->n);
    record_say(lab.record, "AUROC of %s against\n", lab_images_are(&lab));
    detect(in, &d);
    if (d.left_out != NULL)
        record_say(lab.record, "%s\n", d.left_out);
    if (d.no_classes == NULL && d.test->labelled > 0)
        must(confusion_record(&lab, d.test));
    demo_draw_likely(&lab, in, &d);
    demo_label_pictures(&lab, run_folder, &d);
    write_json(&d);
    must(demo_page_write(&d, run_folder, lab.out));
    lab_print(&lab);
    printf("\nreport     %s/report.html\n", lab.out);
    return lab_end(&lab);
}
