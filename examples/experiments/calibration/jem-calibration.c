/* SPDX-License-Identifier: MIT */

/* jem-calibration: does a model that says 70 % hit 70 times in 100? (JEM section 5.2.)
 *
 * Test images are sorted by confidence max_y p(y|x) into bins (lo, hi], and each bin's accuracy
 * is held against its confidence:
 *
 *     ECE = sum_b count_b / n |accuracy_b - confidence_b|        MCE = the largest of a bin
 *
 * The same again with all logits divided by one temperature T, fitted to images that neither
 * the training nor the test has: what a classifier gains by the simplest of repairs. Where there
 * are no such images, or no T fits, that part is left out and the output says why. */

#include <inttypes.h>

#include "fit_images.h"
#include "kit/draw/reliability.h"
#include "kit/lab/confusion.h"
#include "kit/lab/lab.h"
#include "kit/stats/logits.h"
#include "kit/stats/temperature.h"

static struct lab lab;
static struct fit_images fit = {.split_seed = INT64_MIN};
static int64_t bins;

static const struct cli_option options[] = {
    LAB_MODEL(lab, "Model and images"),
    LAB_DATA(lab, "the test images: "),
    LAB_COUNT(lab, "test images"),
    LAB_INPUT_NOISE(lab),
    {NULL, "bins", "N", "equal bins of confidence", "20", .integer = &bins, .min = 1,
     .max = MOST_BINS},
    {"Images that the temperature is fitted to", "validation", "N",
     "training images that jem-train held out; -1: as many as train.json beside the model "
     "says, or else it is assumed to be 5000, or a tenth of a small set",
     "-1", .integer = &fit.validation, .min = -1, .max = INT64_MAX},
    {NULL, "split-seed", "N",
     "which ones these are (default: as train.json says, or else it is assumed to be 1)", NULL,
     .integer = &fit.split_seed},
    {NULL, "fit-data", "KIND",
     "instead of these: all of the training split of another data set, or with --validation "
     "what jem-train held out of it; where both splits of --data are the same images "
     "(with ,test=0) there is no temperature but with this",
     NULL, .text = &fit.data, .check = data_check},
    {NULL, "fit-count", "N", "only N of them, evenly spaced; 0: all", "0",
     .integer = &fit.count, .max = INT64_MAX},
    LAB_OUT(lab, "Results", "folder for reliability.svg and reliability-scaled.svg"),
    LAB_FILES(lab),
    LAB_SEED(lab, "of the noise"),
    LAB_QUIET(lab),
    LAB_COMPUTING(lab, "Computing"),
};

static int check(void)
{
    if (fit.data != NULL && fit.split_seed != INT64_MIN && fit.validation < 0)
        return report_usage("--split-seed with --fit-data wants --validation N as well");
    return CLI_GO;
}

static const struct cli command_line = {
    .program = "jem-calibration",
    .usage = "--model FILE [options]",
    .about = "Hold a model's confidence against its accuracy: calibration errors and a "
             "reliability diagram (JEM section 5.2), as the model is and with a fitted "
             "temperature.",
    .notes = "Examples:\n"
             "  jem-calibration --model demo/best.safetensors --out calibration\n"
             "  jem-calibration --model c100/best.safetensors --data "
             "cifar100:cifar-100-binary \\\n      --input-noise 0.03 --json c100.json\n",
    CLI_OPTIONS(options),
    .check = check,
};

static const struct record_column error_columns[] = {
    {NULL, "logits", .kind = RECORD_TEXT},
    {"accuracy", "accuracy", .decimals = 2, .percent = 1, .unit = " %"},
    {"ece", "ECE", .decimals = 2, .percent = 1, .unit = " %"},
    {"mce", "MCE", .decimals = 2, .percent = 1, .unit = " %"},
    {"classwise_ece", "classwise ECE", .decimals = 2, .percent = 1, .unit = " %"},
    {"brier", "Brier", .decimals = 4},
    {"nll", "NLL", .decimals = 4},
};
static const struct record_column fit_columns[] = {
    {"t", "temperature", .decimals = 3},
    {"n", "fitted to images", .kind = RECORD_WHOLE},
    {"nll_before", "their NLL before", .decimals = 6},
    {"nll", "after", .decimals = 6},
    {"slope", .title = NULL},
    {"curvature", .title = NULL},
    {"steps", NULL, .kind = RECORD_WHOLE},
};

static const struct record_layout errors = {.title = "Errors", RECORD_COLUMNS(error_columns)};
static const struct record_layout fits = {
    .title = "Temperature", .only_page = 1, RECORD_COLUMNS(fit_columns)};

static const struct record_column bin_columns[] = {
    {"low", "confidence above", .kind = RECORD_DIGITS, .decimals = 3},
    {"high", "up to", .kind = RECORD_DIGITS, .decimals = 3},
    {"count", "images", .kind = RECORD_WHOLE},
    {"confidence", "mean confidence", .decimals = 4},
    {"accuracy", "accuracy", .decimals = 4},
    {NULL, "gap", .decimals = 4, .sign = 1},
};

/* A row per bin into the array `name` of the file; bins without images are in files alone.
 * `shown`: on stdout and pages too. */
static void tell_bins(const char *name, int shown, const struct reliability *r)
{
    const struct record_layout layout = {
        .name = name, .only_files = !shown, RECORD_COLUMNS(bin_columns)};
    struct record_table *t = record_table(lab.record, &layout);

    for (int64_t b = 0; b < r->bins; b++) {
        record_row(t);
        record_number(t, "low", (double)b / (double)r->bins);
        record_number(t, "high", (double)(b + 1) / (double)r->bins);
        record_whole(t, "count", r->count[b]);
        record_number(t, "confidence", r->confidence[b]);
        record_number(t, "accuracy", r->accuracy[b]);
        record_number(t, "gap", r->accuracy[b] - r->confidence[b]);
        if (r->count[b] == 0)
            record_hide(t);
    }
}

/* What the model says about those images that have a label. */
static const struct evaluation *look_at(const char *what, struct image_input *in,
                                        uint64_t stream)
{
    progress_show(&lab.progress, "%s: %" PRId64 " images", what, in->n);
    lab_add_noise(&lab, in, stream);
    image_input_keep_labelled(in, lab.size);
    return lab_evaluate(&lab, in);
}

/* The row of errors that is begun, and the bins. */
static void measure(const float *f, const float *p, const int32_t *y, int64_t n,
                    struct record_table *t, struct reliability *r)
{
    const int64_t k = lab.classes;
    double accuracy, nll, brier, classwise;

    must(reliability_measure(p, y, n, k, bins, r));
    must_jem(jem_metric_accuracy(f, y, n, k, &accuracy));
    must_jem(jem_metric_nll(f, y, n, k, &nll));
    must_jem(jem_metric_brier(p, y, n, k, &brier));
    must_jem(jem_metric_classwise_ece(p, y, n, k, bins, &classwise));
    record_number(t, "accuracy", accuracy);
    record_number(t, "ece", r->ece);
    record_number(t, "mce", r->mce);
    record_number(t, "classwise_ece", classwise);
    record_number(t, "brier", brier);
    record_number(t, "nll", nll);
}

/* The same with all logits divided by T. */
static void measure_scaled(const struct evaluation *e, double temperature,
                           struct record_table *t, struct reliability *r)
{
    const int64_t k = e->classes;
    float *f = lab_floats(&lab, e->n * k), *p = lab_floats(&lab, e->n * k);

    for (int64_t i = 0; i < e->n * k; i++)
        f[i] = (float)((double)e->logits[i] / temperature);
    for (int64_t i = 0; i < e->n; i++)
        logits_softmax(f + i * k, k, p + i * k);
    measure(f, p, e->labels, e->n, t, r);
}

static void fit_temperature(struct temperature *t)
{
    const struct evaluation *e = look_at("fitting the temperature", fit.images, 1);

    if (e->n > 0)
        temperature_fit(e->logits, e->labels, e->n, lab.classes, t);
    else
        temperature_none(t, "no image that it could be fitted to has a label");
}

static void say_temperature(const struct temperature *t)
{
    const int64_t n = fit.images == NULL ? 0 : fit.images->n;
    struct record_table *table = record_table(lab.record, &fits);

    record_row_at(table, "temperature");
    if (t->why_not[0] != '\0') {
        record_say(lab.record, "\nT = -\n\n"); /* why: in the protocol */
        return;
    }
    record_number(table, "t", t->t);
    record_whole(table, "n", n);
    record_number(table, "nll_before", t->nll_before);
    record_number(table, "nll", t->nll);
    record_number(table, "slope", -t->slope);
    record_number(table, "curvature", t->curvature);
    record_whole(table, "steps", t->steps);
    record_say(
        lab.record,
        "\nT = %.6f, fitted to %" PRId64 " images in %d steps: NLL of these %.6f before, "
        "%.6f after.\nIt is the minimum: d NLL / d log T = %.1e, second derivative %.4f; "
        "at 0.99 T and 1.01 T\nNLL is larger, by %.1e and %.1e.\n\n",
        t->t, n, t->steps, t->nll_before, t->nll, -t->slope, t->curvature,
        t->nll_colder - t->nll, t->nll_hotter - t->nll);
}

static void say_protocol(int64_t n, const char *temperature)
{
    const char *noise = lab_text(
        &lab, "with Gaussian noise of standard deviation %g on all images", lab.input_noise);

    record_protocol(
        lab.record,
        "%" PRId64 " labelled %s, %s; %" PRId64
        " equal bins (lo, hi] of max p(y|x), an empty bin counting nothing; classwise ECE: the "
        "mean over the classes of the ECE of p(k|x); Brier: the mean of the summed squares, 0 "
        "to 2. %s",
        n, lab_images_are(&lab), lab.input_noise > 0 ? noise : "without noise on the images",
        bins, temperature);
}

int main(int argc, char **argv)
{
    static struct reliability as_is, scaled;
    struct temperature t = {0};

    lab_begin(&lab, &command_line, argc, argv);
    lab_open(&lab);
    fit_images_check(&lab, &fit, &t);
    if (lab_no_classes(&lab) != NULL)
        must(report_failed("%s has no calibration: %s", lab.model_file, lab_no_classes(&lab)));

    struct image_input *test = lab_images(&lab, lab.data, "test", lab.count, 1);
    fit_images_read(&lab, &fit, &t);
    const int pictures = lab_has_folder(&lab);
    const struct evaluation *e = look_at("test", test, 0);

    if (fit.images != NULL)
        fit_temperature(&t);
    const int has_temperature = t.why_not[0] == '\0';
    struct record_table *table = record_table(lab.record, &errors);

    record_row_at(table, ".");
    record_text(table, "logits", "as they are");
    measure(e->logits, e->prob_y, e->labels, e->n, table, &as_is);
    record_row_at(table, "scaled");
    record_text(table, "logits", "divided by T");
    if (has_temperature)
        measure_scaled(e, t.t, table, &scaled);
    say_temperature(&t);
    tell_bins("bins", 1, &as_is);
    if (has_temperature)
        tell_bins("scaled.bins", 0, &scaled);
    must(confusion_record(&lab, e));
    lab_print(&lab);
    if (pictures)
        must(reliability_write(lab.out, "reliability.svg", &as_is, "As it is"));
    if (pictures && has_temperature)
        must(reliability_write(lab.out, "reliability-scaled.svg", &scaled, "With temperature"));
    json_set_number(record_json(lab.record), "n", (double)e->n);
    fit_images_note(&lab, &fit, &t);
    say_protocol(e->n, fit_images_text(&lab, &fit, &t));
    lab_tell(&lab);
    return lab_end(&lab);
}
