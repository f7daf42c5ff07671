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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jem/jem.h>

#include "kit/base/file.h"
#include "kit/base/json_log.h"
#include "kit/base/progress.h"
#include "kit/base/report.h"
#include "kit/base/table.h"
#include "kit/cli/cli.h"
#include "kit/cli/settings.h"
#include "kit/data/data.h"
#include "kit/data/holdout.h"
#include "kit/draw/plot.h"
#include "kit/draw/svg_file.h"
#include "kit/lab/class_meaning.h"
#include "kit/lab/evaluate.h"
#include "kit/lab/experiment.h"
#include "kit/stats/temperature.h"

#define BATCH     250
#define MOST_BINS 1000

static struct {
    const char *model, *data, *fit_data, *out, *json, *backend;
    int64_t count, fit_count, bins, validation, split_seed, seed, threads;
    double input_noise;
    int quiet;
} arg = {.split_seed = INT64_MIN};

static const struct cli_option options[] = {
    {"Model and images", "model", "FILE", "a model or a training (.safetensors)", NULL,
     .text = &arg.model},
    {NULL, "data", "KIND", "the test images: " DATA_HELP, "fashion-mnist", .text = &arg.data},
    {NULL, "count", "N", "only N test images, evenly spaced; 0: all", "0",
     .integer = &arg.count, .max = INT64_MAX},
    {NULL, "input-noise", "STD",
     "standard deviation of Gaussian noise on all images; the official code has 0.03", "0",
     .real = &arg.input_noise},
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
    {"Results", "out", "DIR", "folder for reliability.svg and reliability-scaled.svg", NULL,
     .text = &arg.out},
    {NULL, "json", "FILE", "the figures for programs", NULL, .text = &arg.json, .written = 1},
    {NULL, "seed", "N", "of the noise", "1", .integer = &arg.seed},
    {NULL, "quiet", NULL, "no progress on stderr", NULL, .flag = &arg.quiet},
    {"Computing", "threads", "N", "0: one per processor; changes no result", "0",
     .integer = &arg.threads, .max = 64},
    {NULL, "backend", "NAME", BACKEND_HELP, "cpu", .text = &arg.backend},
};

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
    .options = options,
    .count = (int)(sizeof options / sizeof options[0]),
};

/* The logits of labelled images. */
struct labelled {
    int64_t n, classes;
    float *logits, *prob; /* n x classes: f(x), p(y|x) */
    int32_t *y;
};

struct figures {
    double accuracy, nll, brier, ece, mce, classwise_ece;
    int64_t count[MOST_BINS];
    double bin_confidence[MOST_BINS], bin_accuracy[MOST_BINS];
};

struct calibration {
    struct experiment e;
    struct progress progress;
    struct image_input test, fit;
    int64_t n, n_fit; /* those of them that have a label */
    struct holdout held_out;
    struct temperature t;
    struct figures as_is, scaled;
};

/* Is T fitted to images that jem-train held out, or to all of --fit-data? */
static int fits_held_out(void)
{
    return arg.fit_data == NULL || arg.validation >= 0;
}

static const char *fit_spec(void)
{
    return arg.fit_data != NULL ? arg.fit_data : arg.data;
}

static int has_temperature(const struct calibration *c)
{
    return c->t.why_not[0] == '\0';
}

/* T must not be fitted to the images it is tested on, which are both splits of a set without
 * splits. */
static int check_arguments(struct calibration *c)
{
    const int seed = arg.split_seed != INT64_MIN, asked = arg.validation >= 0 || seed;
    int own;
    const int rc = data_own_splits(arg.data, &own);

    if (rc != EXIT_OK)
        return rc;
    if (arg.fit_data != NULL && seed && !fits_held_out())
        return report_usage("--split-seed with --fit-data wants --validation N as well");
    if (own || (arg.fit_data != NULL && strcmp(arg.fit_data, arg.data) != 0))
        return CLI_GO;
    if (asked || arg.fit_data != NULL)
        return report_usage("--data %s: training and test split are the same images, so the "
                            "temperature wants others: say --fit-data KIND",
                            arg.data);
    temperature_none(&c->t, "training and test split of this data set are the same images; "
                            "name others with --fit-data KIND");
    return CLI_GO;
}

static void labelled_free(struct labelled *l)
{
    free(l->logits);
    free(l->prob);
    free(l->y);
}

/* f / T, and p(y|x) = softmax(f / T). */
static void soften(struct labelled *l, double t)
{
    for (int64_t i = 0; i < l->n; i++) {
        float *f = l->logits + i * l->classes, *p = l->prob + i * l->classes;
        double top = -HUGE_VAL, sum = 0;

        for (int64_t k = 0; k < l->classes; k++) {
            f[k] = (float)((double)f[k] / t);
            top = fmax(top, (double)f[k]);
        }
        for (int64_t k = 0; k < l->classes; k++)
            sum += exp((double)f[k] - top);
        for (int64_t k = 0; k < l->classes; k++)
            p[k] = (float)(exp((double)f[k] - top) / sum);
    }
}

static int measure(const struct labelled *l, struct figures *out)
{
    const int64_t n = l->n, k = l->classes, bins = arg.bins;
    jem_status s = jem_metric_accuracy(l->logits, l->y, n, k, &out->accuracy);

    if (s == JEM_OK)
        s = jem_metric_nll(l->logits, l->y, n, k, &out->nll);
    if (s == JEM_OK)
        s = jem_metric_brier(l->prob, l->y, n, k, &out->brier);
    if (s == JEM_OK)
        s = jem_metric_ece(l->prob, l->y, n, k, bins, &out->ece);
    if (s == JEM_OK)
        s = jem_metric_mce(l->prob, l->y, n, k, bins, &out->mce);
    if (s == JEM_OK)
        s = jem_metric_classwise_ece(l->prob, l->y, n, k, bins, &out->classwise_ece);
    if (s == JEM_OK)
        s = jem_metric_reliability(l->prob, l->y, n, k, bins, out->count, out->bin_confidence,
                                   out->bin_accuracy);
    return report_jem(s);
}

/* The logits of those images that have a label. Logits and probabilities move up in their own
 * arrays. */
static int look_at(struct calibration *c, const char *what, const struct image_input *in,
                   struct labelled *out)
{
    const size_t row = (size_t)c->e.shape[3] * sizeof *out->logits;
    struct evaluation e = {0};
    int rc;

    progress_show(&c->progress, "%s: %" PRId64 " images", what, in->n);
    rc = evaluate_images(c->e.model, in->x, in->n, BATCH, &e);
    if (rc != EXIT_OK)
        return rc;
    for (int64_t i = 0; i < in->n; i++) {
        if (in->labels[i] < 0)
            continue;
        memmove(e.logits + out->n * e.classes, e.logits + i * e.classes, row);
        memmove(e.prob_y + out->n * e.classes, e.prob_y + i * e.classes, row);
        e.labels[out->n++] = in->labels[i];
    }
    out->classes = e.classes;
    out->logits = e.logits;
    out->prob = e.prob_y;
    out->y = e.labels;
    e.logits = e.prob_y = NULL; /* theirs now */
    e.labels = NULL;
    evaluate_free(&e);
    return EXIT_OK;
}

/* The images that jem-train held out. */
static int read_held_out(struct calibration *c)
{
    const int64_t *count = arg.validation >= 0 ? &arg.validation : NULL;
    const int64_t *seed = arg.split_seed != INT64_MIN ? &arg.split_seed : NULL;
    struct holdout *h = &c->held_out;
    int64_t n = 0;
    jem_dataset *all = NULL, *rest = NULL, *held_out = NULL;
    int rc = data_open(c->e.ctx, fit_spec(), "train", &all);

    if (rc == EXIT_OK)
        rc = report_jem(jem_dataset_size(all, &n));
    if (rc == EXIT_OK)
        rc = holdout_find(arg.model, count, seed, n, h);
    if (rc == EXIT_OK && count != NULL && (h->count < 1 || h->count >= n))
        rc = report_usage("--validation: of %" PRId64 " training images 1 to %" PRId64
                          " can be held out, not %" PRId64,
                          n, n - 1, h->count);
    if (rc == EXIT_OK && (h->count < 1 || h->count >= n)) {
        temperature_none(&c->t,
                         "of %" PRId64 " training images %" PRId64
                         " were held out; say --validation N or --fit-data KIND",
                         n, h->count);
        jem_dataset_free(all);
        return EXIT_OK;
    }
    if (rc == EXIT_OK)
        rc = report_jem(jem_dataset_split(all, h->count, h->split_seed, &rest, &held_out));
    if (rc == EXIT_OK)
        rc = image_input_dataset(held_out, fit_spec(), arg.fit_count, c->e.shape, &c->fit);
    jem_dataset_free(all);
    jem_dataset_free(rest);
    jem_dataset_free(held_out);
    return rc;
}

static int read_images(struct calibration *c)
{
    const int64_t size = c->e.shape[0] * c->e.shape[1] * c->e.shape[2];
    int rc = experiment_data(&c->e, arg.data, "test", arg.count, 1, &c->test);

    if (rc == EXIT_OK && has_temperature(c) && fits_held_out())
        rc = read_held_out(c);
    else if (rc == EXIT_OK && has_temperature(c))
        rc = experiment_data(&c->e, arg.fit_data, "train", arg.fit_count, 1, &c->fit);
    image_input_add_noise(&c->test, size, arg.input_noise, arg.seed, 0);
    image_input_add_noise(&c->fit, size, arg.input_noise, arg.seed, 1);
    return rc;
}

static int fit(struct calibration *c)
{
    struct labelled held_out = {0};
    const int rc = look_at(c, "fitting the temperature", &c->fit, &held_out);

    c->n_fit = held_out.n;
    if (rc == EXIT_OK && held_out.n == 0)
        temperature_none(&c->t, "no image that it could be fitted to has a label");
    else if (rc == EXIT_OK)
        temperature_fit(held_out.logits, held_out.y, held_out.n, held_out.classes, &c->t);
    labelled_free(&held_out);
    return rc;
}

static int calibrate(struct calibration *c)
{
    struct labelled seen = {0};
    int rc = look_at(c, "test", &c->test, &seen);

    if (rc == EXIT_OK && has_temperature(c))
        rc = fit(c);
    progress_clear(&c->progress);
    if (rc == EXIT_OK)
        rc = measure(&seen, &c->as_is);
    if (rc == EXIT_OK && has_temperature(c)) {
        soften(&seen, c->t.t);
        rc = measure(&seen, &c->scaled);
    }
    c->n = seen.n;
    labelled_free(&seen);
    return rc;
}

static int print_errors(const struct calibration *c)
{
    static const char *const headings[] = {"logits",         ">accuracy", ">ECE", ">MCE",
                                           ">classwise ECE", ">Brier",    ">NLL", NULL};
    const struct figures *const both[] = {&c->as_is, &c->scaled};
    struct table *t = table_create(headings);
    int rc;

    if (t == NULL)
        return report_no_memory();
    for (int i = 0; i < 2; i++) {
        table_cell(t, "%s", i == 0 ? "as they are" : "divided by T");
        if (i == 1 && !has_temperature(c)) {
            for (int column = 0; column < 6; column++)
                table_cell(t, "-");
            continue;
        }
        table_cell(t, "%.2f %%", 100 * both[i]->accuracy);
        table_cell(t, "%.2f %%", 100 * both[i]->ece);
        table_cell(t, "%.2f %%", 100 * both[i]->mce);
        table_cell(t, "%.2f %%", 100 * both[i]->classwise_ece);
        table_cell(t, "%.4f", both[i]->brier);
        table_cell(t, "%.4f", both[i]->nll);
    }
    rc = table_print(t, stdout);
    table_free(t);
    return rc;
}

static int print_bins(const struct calibration *c)
{
    static const char *const headings[] = {
        ">confidence above", ">up to", ">images", ">mean confidence",
        ">accuracy",         ">gap",   NULL};
    const struct figures *m = &c->as_is;
    struct table *t = table_create(headings);
    int rc;

    if (t == NULL)
        return report_no_memory();
    for (int64_t b = 0; b < arg.bins; b++) {
        if (m->count[b] == 0)
            continue;
        table_cell(t, "%.3g", (double)b / (double)arg.bins);
        table_cell(t, "%.3g", (double)(b + 1) / (double)arg.bins);
        table_cell(t, "%" PRId64, m->count[b]);
        table_cell(t, "%.4f", m->bin_confidence[b]);
        table_cell(t, "%.4f", m->bin_accuracy[b]);
        table_cell(t, "%+.4f", m->bin_accuracy[b] - m->bin_confidence[b]);
    }
    putchar('\n');
    rc = table_print(t, stdout);
    table_free(t);
    return rc;
}

static void print_temperature(const struct calibration *c)
{
    const struct temperature *t = &c->t;

    if (!has_temperature(c)) {
        printf("\nT = -\n"); /* why: in the protocol, below */
        return;
    }
    printf("\nT = %.6f, fitted to %" PRId64 " images in %d steps: NLL of these %.6f before, "
           "%.6f after.\n",
           t->t, c->n_fit, t->steps, t->nll_before, t->nll);
    printf("It is the minimum: d NLL / d log T = %.1e, second derivative %.4f; at 0.99 T and "
           "1.01 T\nNLL is larger, by %.1e and %.1e.\n",
           -t->slope, t->curvature, t->nll_colder - t->nll, t->nll_hotter - t->nll);
}

/* Accuracy per bin with its distance from the confidence, and below the images per bin. */
static int draw(const struct figures *m, const char *title, const char *name)
{
    enum { OVER = 1, UNDER = 4 }; /* colours */
    const double bins = (double)arg.bins;
    char words[96];
    struct svg_file s;
    double most = 0;
    plot p;
    int rc = svg_open(&s, arg.out, name, 2);

    if (rc != EXIT_OK)
        return rc;
    snprintf(words, sizeof words, "%s: ECE %.2f %%, MCE %.2f %%", title, 100 * m->ece,
             100 * m->mce);
    svg_begin_plot(&s);
    plot_begin(&p, s.out, words, "confidence max p(y|x)", "accuracy", 0, 1, 0, 1);
    for (int64_t b = 0; b < arg.bins; b++) {
        const double low = (double)b / bins, high = (double)(b + 1) / bins;
        const double right = m->bin_accuracy[b], sure = m->bin_confidence[b];

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
    return svg_close(&s);
}

static void add_figures(json_t *json, const struct figures *m)
{
    json_t *bins = json_array();

    json_set_number(json, "accuracy", m->accuracy);
    json_set_number(json, "ece", m->ece);
    json_set_number(json, "mce", m->mce);
    json_set_number(json, "classwise_ece", m->classwise_ece);
    json_set_number(json, "brier", m->brier);
    json_set_number(json, "nll", m->nll);
    for (int64_t b = 0; b < arg.bins; b++) {
        json_t *bin = json_object();

        json_set_number(bin, "low", (double)b / (double)arg.bins);
        json_set_number(bin, "high", (double)(b + 1) / (double)arg.bins);
        json_set_number(bin, "count", (double)m->count[b]);
        json_set_number(bin, "confidence", m->bin_confidence[b]);
        json_set_number(bin, "accuracy", m->bin_accuracy[b]);
        json_array_append_new(bins, bin);
    }
    json_object_set_new(json, "bins", bins);
}

/* Where the images come from that T is fitted to. */
static json_t *fit_json(const struct calibration *c)
{
    const int any = c->fit.n > 0;
    json_t *fit = json_pack("{ss? ss sb sn sn sb}", "data", any ? fit_spec() : NULL, "split",
                            "train", "held_out", any && fits_held_out(), "count", "split_seed",
                            "assumed", c->held_out.assumed);

    if (c->held_out.count > 0) {
        json_set_number(fit, "count", (double)c->held_out.count);
        json_set_number(fit, "split_seed", (double)c->held_out.split_seed);
    }
    json_set_number(fit, "n", (double)c->n_fit);
    json_object_set_new(fit, "no_temperature",
                        has_temperature(c) ? json_null() : json_string(c->t.why_not));
    return fit;
}

static void add_to_json(struct calibration *c)
{
    json_t *scaled = json_object(), *t = json_object();

    add_figures(c->e.json, &c->as_is);
    json_set_number(c->e.json, "n", (double)c->n);
    json_object_set_new(c->e.json, "fit", fit_json(c));
    add_figures(scaled, &c->scaled);
    json_set_number(t, "t", c->t.t);
    json_set_number(t, "n", (double)c->n_fit);
    json_set_number(t, "nll_before", c->t.nll_before);
    json_set_number(t, "nll", c->t.nll);
    json_set_number(t, "slope", -c->t.slope);
    json_set_number(t, "curvature", c->t.curvature);
    json_set_number(t, "steps", c->t.steps);
    json_object_set(c->e.json, "scaled", has_temperature(c) ? scaled : json_null());
    json_object_set(c->e.json, "temperature", has_temperature(c) ? t : json_null());
    json_decref(scaled);
    json_decref(t);
}

/* A sentence on T. */
static void describe_fit(const struct calibration *c, char *out, size_t room)
{
    const struct holdout *h = &c->held_out;
    char which[64];

    snprintf(which, sizeof which, "%" PRId64 " (split seed %" PRId64 ")", h->count,
             h->split_seed);
    if (!has_temperature(c))
        snprintf(out, room, "There is no T: %s.", c->t.why_not);
    else if (!fits_held_out())
        snprintf(out, room,
                 "T minimises the NLL of %" PRId64
                 " training images of %s, none of which the model may have been trained on.",
                 c->n_fit, arg.fit_data);
    else if (h->assumed)
        snprintf(out, room,
                 "T minimises the NLL of %" PRId64 " training images of %s. It is assumed, "
                 "and nothing beside the model says, that they are of the %s held out of the "
                 "training by default; where that is not so, T is fitted to images the model "
                 "was trained on.",
                 c->n_fit, fit_spec(), which);
    else
        snprintf(out, room,
                 "T minimises the NLL of %" PRId64 " training images of %s, of the %s held "
                 "out of the training.",
                 c->n_fit, fit_spec(), which);
}

static void say_protocol(struct calibration *c)
{
    char noise[96], fitted[1024];

    snprintf(noise, sizeof noise,
             arg.input_noise > 0 ? "with Gaussian noise of standard deviation %g on all images"
                                 : "without noise on the images",
             arg.input_noise);
    describe_fit(c, fitted, sizeof fitted);
    experiment_set_protocol(
        &c->e,
        "%" PRId64 " labelled test images, %s; %" PRId64
        " equal bins (lo, hi] of max p(y|x), an empty bin counting nothing; classwise ECE: the "
        "mean over the classes of the ECE of p(k|x); Brier: the mean of the summed squares, 0 "
        "to 2. %s",
        c->n, noise, arg.bins, fitted);
}

/* The model must have learned the classes. */
static int check_model(const struct calibration *c)
{
    const char *why = NULL;
    const int rc = class_meaning(arg.model, c->e.shape[3], &why);

    return rc == EXIT_OK && why != NULL
               ? report_failed("%s has no calibration: %s", arg.model, why)
               : rc;
}

static int run(struct calibration *c)
{
    int rc = experiment_open(arg.model, arg.backend, arg.threads, arg.seed, &c->e);

    progress_start(&c->progress, arg.quiet);
    if (rc == EXIT_OK)
        rc = check_model(c);
    if (rc == EXIT_OK)
        rc = read_images(c);
    if (rc == EXIT_OK && arg.out != NULL)
        rc = file_make_folder(arg.out);
    if (rc == EXIT_OK)
        rc = calibrate(c);
    if (rc == EXIT_OK)
        rc = print_errors(c);
    if (rc != EXIT_OK)
        return rc;
    print_temperature(c);
    rc = print_bins(c);
    if (rc == EXIT_OK && arg.out != NULL)
        rc = draw(&c->as_is, "As it is", "reliability.svg");
    if (rc == EXIT_OK && arg.out != NULL && has_temperature(c))
        rc = draw(&c->scaled, "With temperature", "reliability-scaled.svg");
    say_protocol(c);
    experiment_print_protocol(&c->e);
    add_to_json(c);
    return rc == EXIT_OK ? experiment_write(&c->e, arg.json) : rc;
}

int main(int argc, char **argv)
{
    struct calibration c = {0};
    int rc = cli_parse(&command_line, argc, argv);

    if (rc == CLI_GO)
        rc = check_arguments(&c);
    if (rc == CLI_GO)
        rc = report_flush(run(&c));
    image_input_free(&c.test);
    image_input_free(&c.fit);
    experiment_close(&c.e);
    return rc;
}
