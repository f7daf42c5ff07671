/* SPDX-License-Identifier: MIT */

/* jem-calibration: does a model that says 70 % hit 70 times in 100? (JEM section 5.2.)
 *
 * Test images are sorted by confidence max_y p(y|x) into bins (lo, hi], and each bin's accuracy
 * is held against its confidence:
 *
 *     ECE = sum_b count_b / n |accuracy_b - confidence_b|        MCE = the largest of a bin
 *
 * The same again with all logits divided by one temperature T, fitted to images that neither
 * the training nor the test has: what a classifier gains by the simplest of repairs. */

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jem/jem.h>

#include "support/cli.h"
#include "support/data.h"
#include "support/evaluate.h"
#include "support/experiment.h"
#include "support/file.h"
#include "support/holdout.h"
#include "support/json_log.h"
#include "support/plot.h"
#include "support/progress.h"
#include "support/report.h"
#include "support/settings.h"
#include "support/svg_file.h"
#include "support/table.h"
#include "support/temperature.h"

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
     "says, "
     "or else 5000, or a tenth of a small set",
     "-1", .integer = &arg.validation, .min = -1, .max = INT64_MAX},
    {NULL, "split-seed", "N", "which ones these are (default: as train.json says, or else 1)",
     NULL, .integer = &arg.split_seed},
    {NULL, "fit-data", "KIND", "instead of these: the training split of another data set", NULL,
     .text = &arg.fit_data},
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
    struct temperature t;
    struct figures as_is, scaled;
};

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
static int read_held_out(const struct calibration *c, struct image_input *out)
{
    int64_t n = 0, count = arg.validation, seed = 1;
    jem_dataset *all = NULL, *rest = NULL, *held_out = NULL;
    int rc = holdout_recorded(arg.model, count < 0 ? &count : &n, &seed);

    seed = arg.split_seed == INT64_MIN ? seed : arg.split_seed;
    if (rc == EXIT_OK)
        rc = data_open(c->e.ctx, arg.data, "train", &all);
    if (rc == EXIT_OK)
        rc = report_jem(jem_dataset_size(all, &n));
    count = count < 0 ? holdout_default(n) : count;
    if (rc == EXIT_OK && (count < 1 || count >= n))
        rc = report_usage(
            "the temperature wants images that the training held out, and of %" PRId64
            " training images that was %" PRId64 ": say --validation N or --fit-data KIND",
            n, count);
    if (rc == EXIT_OK)
        rc = report_jem(jem_dataset_split(all, count, seed, &rest, &held_out));
    if (rc == EXIT_OK)
        rc = image_input_dataset(held_out, arg.data, arg.fit_count, c->e.shape, out);
    jem_dataset_free(all);
    jem_dataset_free(rest);
    jem_dataset_free(held_out);
    return rc;
}

static int read_images(struct calibration *c)
{
    const int64_t size = c->e.shape[0] * c->e.shape[1] * c->e.shape[2];
    int rc = experiment_data(&c->e, arg.data, "test", arg.count, 1, &c->test);

    if (rc == EXIT_OK && arg.fit_data != NULL)
        rc = experiment_data(&c->e, arg.fit_data, "train", arg.fit_count, 1, &c->fit);
    else if (rc == EXIT_OK)
        rc = read_held_out(c, &c->fit);
    image_input_add_noise(&c->test, size, arg.input_noise, arg.seed, 0);
    image_input_add_noise(&c->fit, size, arg.input_noise, arg.seed, 1);
    return rc;
}

static int calibrate(struct calibration *c)
{
    struct labelled seen = {0}, held_out = {0};
    int rc = look_at(c, "test", &c->test, &seen);

    if (rc == EXIT_OK)
        rc = look_at(c, "fitting the temperature", &c->fit, &held_out);
    progress_clear(&c->progress);
    if (rc == EXIT_OK)
        rc = temperature_fit(held_out.logits, held_out.y, held_out.n, held_out.classes, &c->t);
    if (rc == EXIT_OK)
        rc = measure(&seen, &c->as_is);
    if (rc == EXIT_OK) {
        soften(&seen, c->t.t);
        rc = measure(&seen, &c->scaled);
    }
    c->n = seen.n;
    c->n_fit = held_out.n;
    labelled_free(&seen);
    labelled_free(&held_out);
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

static void add_to_json(struct calibration *c)
{
    json_t *scaled = json_object(), *fit = json_object();

    add_figures(c->e.json, &c->as_is);
    json_set_number(c->e.json, "n", (double)c->n);
    add_figures(scaled, &c->scaled);
    json_object_set_new(c->e.json, "scaled", scaled);
    json_set_number(fit, "t", c->t.t);
    json_set_number(fit, "n", (double)c->n_fit);
    json_set_number(fit, "nll_before", c->t.nll_before);
    json_set_number(fit, "nll", c->t.nll);
    json_set_number(fit, "slope", -c->t.slope);
    json_set_number(fit, "curvature", c->t.curvature);
    json_set_number(fit, "steps", c->t.steps);
    json_object_set_new(c->e.json, "temperature", fit);
}

static void say_protocol(struct calibration *c)
{
    char noise[96];

    snprintf(noise, sizeof noise,
             arg.input_noise > 0 ? "with Gaussian noise of standard deviation %g on all images"
                                 : "without noise on the images",
             arg.input_noise);
    experiment_set_protocol(
        &c->e,
        "%" PRId64 " labelled test images, %s; %" PRId64
        " equal bins (lo, hi] of max p(y|x), an empty bin counting nothing; classwise ECE: the "
        "mean over the classes of the ECE of p(k|x); Brier: the mean of the summed squares, 0 "
        "to 2; T minimises the NLL of %" PRId64 " images %s.",
        c->n, noise, arg.bins, c->n_fit,
        arg.fit_data != NULL ? "of --fit-data" : "that jem-train holds out of the training");
}

static int run(struct calibration *c)
{
    int rc = experiment_open(arg.model, arg.backend, arg.threads, arg.seed, &c->e);

    progress_start(&c->progress, arg.quiet);
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
    if (rc == EXIT_OK && arg.out != NULL)
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
        rc = report_flush(run(&c));
    image_input_free(&c.test);
    image_input_free(&c.fit);
    experiment_close(&c.e);
    return rc;
}
