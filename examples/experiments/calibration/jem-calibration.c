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
#include <math.h>
#include <string.h>

#include "kit/data/holdout.h"
#include "kit/draw/plot.h"
#include "kit/draw/svg_file.h"
#include "kit/lab/lab.h"
#include "kit/stats/logits.h"
#include "kit/stats/temperature.h"

#define MOST_BINS 1000

static struct lab lab;
static struct {
    const char *fit_data;
    int64_t fit_count, bins, validation, split_seed;
} arg = {.split_seed = INT64_MIN};

static const struct cli_option options[] = {
    LAB_MODEL(lab, "Model and images"),
    LAB_DATA(lab, "the test images: "),
    LAB_COUNT(lab, "test images"),
    LAB_INPUT_NOISE(lab),
    {NULL, "bins", "N", "equal bins of confidence", "20", .integer = &arg.bins, .min = 1,
     .max = MOST_BINS},
    {"Images that the temperature is fitted to", "validation", "N",
     "training images that jem-train held out; -1: as many as train.json beside the model "
     "says, or else it is assumed to be 5000, or a tenth of a small set",
     "-1", .integer = &arg.validation, .min = -1, .max = INT64_MAX},
    {NULL, "split-seed", "N",
     "which ones these are (default: as train.json says, or else it is assumed to be 1)", NULL,
     .integer = &arg.split_seed},
    {NULL, "fit-data", "KIND",
     "instead of these: all of the training split of another data set, or with --validation "
     "what jem-train held out of it; --data idx, npy and others without a training split of "
     "their own have no temperature but with this",
     NULL, .text = &arg.fit_data},
    {NULL, "fit-count", "N", "only N of them, evenly spaced; 0: all", "0",
     .integer = &arg.fit_count, .max = INT64_MAX},
    LAB_OUT(lab, "Results", "folder for reliability.svg and reliability-scaled.svg"),
    LAB_FILES(lab),
    LAB_SEED(lab, "of the noise"),
    LAB_QUIET(lab),
    LAB_COMPUTING(lab, "Computing"),
};

static int check(void)
{
    if (arg.fit_data != NULL && arg.split_seed != INT64_MIN && arg.validation < 0)
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
static const struct record_column bin_columns[] = {
    {"low", "confidence above", .kind = RECORD_DIGITS, .decimals = 3},
    {"high", "up to", .kind = RECORD_DIGITS, .decimals = 3},
    {"count", "images", .kind = RECORD_WHOLE},
    {"confidence", "mean confidence", .decimals = 4},
    {"accuracy", "accuracy", .decimals = 4},
    {NULL, "gap", .decimals = 4, .sign = 1},
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
static const struct record_layout as_is_bins = {"bins", RECORD_COLUMNS(bin_columns)};
static const struct record_layout scaled_bins = {"scaled.bins", .only_files = 1,
                                                 RECORD_COLUMNS(bin_columns)};
static const struct record_layout fits = {
    .title = "Temperature", .only_page = 1, RECORD_COLUMNS(fit_columns)};

struct reliability {
    double ece, mce;
    int64_t count[MOST_BINS];
    double confidence[MOST_BINS], accuracy[MOST_BINS];
};

/* Is T fitted to images that jem-train held out, or to all of --fit-data? */
static int fits_held_out(void)
{
    return arg.fit_data == NULL || arg.validation >= 0;
}

static const char *fit_spec(void)
{
    return arg.fit_data != NULL ? arg.fit_data : lab.data;
}

/* T must not be fitted to the images it is tested on, which are both splits of a set without
 * splits. */
static void check_splits(struct temperature *t)
{
    const int seed = arg.split_seed != INT64_MIN, asked = arg.validation >= 0 || seed;
    int own;

    must(data_own_splits(lab.data, &own));
    if (own || (arg.fit_data != NULL && strcmp(arg.fit_data, lab.data) != 0))
        return;
    if (asked || arg.fit_data != NULL)
        must(report_usage("--data %s: training and test split are the same images, so the "
                          "temperature wants others: say --fit-data KIND",
                          lab.data));
    temperature_none(t, "training and test split of this data set are the same images; name "
                        "others with --fit-data KIND");
}

/* The images that jem-train held out; NULL: there are none. */
static struct image_input *read_held_out(struct holdout *h, struct temperature *t)
{
    const int64_t *count = arg.validation >= 0 ? &arg.validation : NULL;
    const int64_t *seed = arg.split_seed != INT64_MIN ? &arg.split_seed : NULL;
    jem_dataset *all = lab_dataset(&lab, fit_spec(), "train"), *rest, *held_out;
    int64_t n = 0;

    must_jem(jem_dataset_size(all, &n));
    must(holdout_find(lab.model_file, count, seed, n, h));
    if (h->count >= 1 && h->count < n) {
        lab_split(&lab, all, h->count, h->split_seed, &rest, &held_out);
        return lab_pick(&lab, held_out, fit_spec(), arg.fit_count);
    }
    if (count != NULL)
        must(report_usage("--validation: of %" PRId64 " training images 1 to %" PRId64
                          " can be held out, not %" PRId64,
                          n, n - 1, h->count));
    temperature_none(t,
                     "of %" PRId64 " training images %" PRId64
                     " were held out; say --validation N or --fit-data KIND",
                     n, h->count);
    return NULL;
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

    must_jem(jem_metric_accuracy(f, y, n, k, &accuracy));
    must_jem(jem_metric_nll(f, y, n, k, &nll));
    must_jem(jem_metric_brier(p, y, n, k, &brier));
    must_jem(jem_metric_ece(p, y, n, k, arg.bins, &r->ece));
    must_jem(jem_metric_mce(p, y, n, k, arg.bins, &r->mce));
    must_jem(jem_metric_classwise_ece(p, y, n, k, arg.bins, &classwise));
    must_jem(
        jem_metric_reliability(p, y, n, k, arg.bins, r->count, r->confidence, r->accuracy));
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

static void record_bins(const struct record_layout *layout, const struct reliability *r)
{
    struct record_table *t = record_table(lab.record, layout);

    for (int64_t b = 0; b < arg.bins; b++) {
        record_row(t);
        record_number(t, "low", (double)b / (double)arg.bins);
        record_number(t, "high", (double)(b + 1) / (double)arg.bins);
        record_whole(t, "count", r->count[b]);
        record_number(t, "confidence", r->confidence[b]);
        record_number(t, "accuracy", r->accuracy[b]);
        record_number(t, "gap", r->accuracy[b] - r->confidence[b]);
        if (r->count[b] == 0)
            record_hide(t);
    }
}

/* Accuracy per bin with its distance from the confidence, and below the images per bin. */
static void draw(const struct reliability *m, const char *title, const char *name)
{
    enum { OVER = 1, UNDER = 4 }; /* colours */
    const double bins = (double)arg.bins;
    char words[96];
    struct svg_file s;
    double most = 0;
    plot p;

    must(svg_open(&s, lab.out, name, 2));
    snprintf(words, sizeof words, "%s: ECE %.2f %%, MCE %.2f %%", title, 100 * m->ece,
             100 * m->mce);
    svg_begin_plot(&s);
    plot_begin(&p, s.out, words, "confidence max p(y|x)", "accuracy", 0, 1, 0, 1);
    for (int64_t b = 0; b < arg.bins; b++) {
        const double low = (double)b / bins, high = (double)(b + 1) / bins;
        const double right = m->accuracy[b], sure = m->confidence[b];

        if (m->count[b] == 0)
            continue;
        most = fmax(most, (double)m->count[b]);
        plot_bar(&p, low, high, fmin(right, sure), 0);
        plot_box(&p, low, high, right, sure, sure > right ? OVER : UNDER, 0.75);
    }
    plot_guide(&p, 0, 0, 1, 1);
    plot_note(&p, 0.02, 0.92, OVER, "confidence exceeds accuracy");
    plot_note(&p, 0.02, 0.84, UNDER, "accuracy exceeds confidence");
    plot_end(&p);
    svg_end_plot(&s);

    svg_begin_plot(&s);
    plot_begin(&p, s.out, "Images per bin", "confidence max p(y|x)", "images", 0, 1, 0,
               1.3 * most);
    for (int64_t b = 0; b < arg.bins; b++) {
        plot_bar(&p, (double)b / bins, (double)(b + 1) / bins, (double)m->count[b], 2);
        snprintf(words, sizeof words, "%" PRId64, m->count[b]);
        if (m->count[b] > 0 && arg.bins <= 40)
            plot_upright(&p, ((double)b + 0.5) / bins, (double)m->count[b], words);
    }
    plot_end(&p);
    svg_end_plot(&s);
    must(svg_close(&s));
}

/* Where the images come from that T is fitted to. */
static void note_fit(const struct image_input *fit, const struct holdout *h,
                     const struct temperature *t)
{
    json_t *o = json_object();

    json_set_text(o, "data", fit == NULL ? NULL : fit_spec());
    json_set_text(o, "split", "train");
    json_object_set_new(o, "held_out", json_boolean(fit != NULL && fits_held_out()));
    json_set_number(o, "count", h->count > 0 ? (double)h->count : (double)NAN);
    json_set_number(o, "split_seed", h->count > 0 ? (double)h->split_seed : (double)NAN);
    json_object_set_new(o, "assumed", json_boolean(h->assumed));
    json_set_number(o, "n", fit == NULL ? 0 : (double)fit->n);
    json_set_text(o, "no_temperature", t->why_not[0] == '\0' ? NULL : t->why_not);
    json_object_set_new(record_json(lab.record), "fit", o);
}

static void say_temperature(const struct temperature *t, int64_t n)
{
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

/* A sentence on T. */
static const char *describe_fit(const struct temperature *t, const struct holdout *h, int64_t n)
{
    const char *images = lab_text(
        &lab, "T minimises the NLL of %" PRId64 " training images of %s", n, fit_spec());
    const char *which =
        lab_text(&lab, "%" PRId64 " (split seed %" PRId64 ") held out of the training",
                 h->count, h->split_seed);

    if (t->why_not[0] != '\0')
        return lab_text(&lab, "There is no T: %s.", t->why_not);
    if (!fits_held_out())
        return lab_text(&lab, "%s, none of which the model may have been trained on.", images);
    if (!h->assumed)
        return lab_text(&lab, "%s, of the %s.", images, which);
    return lab_text(
        &lab,
        "%s. It is assumed, and nothing beside the model says, that they are of the "
        "%s by default; where that is not so, T is fitted to images the model was "
        "trained on.",
        images, which);
}

int main(int argc, char **argv)
{
    static struct reliability as_is, scaled;
    struct temperature t = {0};
    struct holdout h = {0};
    struct image_input *fit = NULL;

    lab_begin(&lab, &command_line, argc, argv);
    check_splits(&t);
    lab_open(&lab);
    if (lab_no_classes(&lab) != NULL)
        must(report_failed("%s has no calibration: %s", lab.model_file, lab_no_classes(&lab)));

    struct image_input *test = lab_images(&lab, lab.data, "test", lab.count, 1);
    if (t.why_not[0] == '\0')
        fit = fits_held_out() ? read_held_out(&h, &t)
                              : lab_images(&lab, arg.fit_data, "train", arg.fit_count, 1);
    const int pictures = lab_has_folder(&lab);
    const struct evaluation *e = look_at("test", test, 0), *of_fit;

    if (fit != NULL) {
        of_fit = look_at("fitting the temperature", fit, 1);
        if (fit->n > 0)
            temperature_fit(of_fit->logits, of_fit->labels, fit->n, lab.classes, &t);
        else
            temperature_none(&t, "no image that it could be fitted to has a label");
    }
    const int has_temperature = t.why_not[0] == '\0';
    struct record_table *table = record_table(lab.record, &errors);

    record_row_at(table, ".");
    record_text(table, "logits", "as they are");
    measure(e->logits, e->prob_y, e->labels, e->n, table, &as_is);
    record_row_at(table, "scaled");
    record_text(table, "logits", "divided by T");
    if (has_temperature)
        measure_scaled(e, t.t, table, &scaled);
    say_temperature(&t, fit == NULL ? 0 : fit->n);
    record_bins(&as_is_bins, &as_is);
    if (has_temperature)
        record_bins(&scaled_bins, &scaled);
    lab_print(&lab);
    if (pictures)
        draw(&as_is, "As it is", "reliability.svg");
    if (pictures && has_temperature)
        draw(&scaled, "With temperature", "reliability-scaled.svg");
    json_set_number(record_json(lab.record), "n", (double)e->n);
    note_fit(fit, &h, &t);
    record_protocol(
        lab.record,
        "%" PRId64 " labelled test images, %s; %" PRId64
        " equal bins (lo, hi] of max p(y|x), an empty bin counting nothing; classwise ECE: the "
        "mean over the classes of the ECE of p(k|x); Brier: the mean of the summed squares, 0 "
        "to 2. %s",
        e->n,
        lab.input_noise > 0
            ? lab_text(&lab, "with Gaussian noise of standard deviation %g on all images",
                       lab.input_noise)
            : "without noise on the images",
        arg.bins, describe_fit(&t, &h, fit == NULL ? 0 : fit->n));
    lab_tell(&lab);
    return lab_end(&lab);
}
