/* SPDX-License-Identifier: MIT */

/* jem-ood: does a model notice that an image is not of its data? (JEM section 5.3.)
 *
 * Each image gets six scores, which all grow with "in-distribution":
 *
 *     log_px      log p(x) + log Z = logsumexp_y f(x)[y]
 *     mass        -|| d log p(x) / dx ||_2            "approximate mass", JEM section 5.3.3
 *     prob_y      max_y p(y|x)                        Hendrycks and Gimpel 2017
 *     energy_t    T logsumexp_y f(x)[y] / T           Liu et al. 2020; T = 1 is log_px
 *     max_logit   max_y f(x)[y]                       Hendrycks et al. 2022
 *     entropy     sum_y p(y|x) log p(y|x)             minus the entropy of p(y|x)
 *
 * A model that learnt no classes has the first two only: what its single outputs f(x)[y] are was
 * left to chance, but for their logsumexp.
 *
 * For each score and each set of other images: AUROC with a bootstrap interval, the area under
 * the precision-recall curve in both directions, and the false positives at 95 % recall. */

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
#include "kit/data/outliers.h"
#include "kit/draw/histogram.h"
#include "kit/lab/class_meaning.h"
#include "kit/lab/experiment.h"
#include "kit/lab/out_set.h"
#include "kit/stats/bootstrap.h"

#define BATCH       250
#define TPR         0.95
#define SCORE_TITLE 64

static struct {
    const char *model, *data, *out, *json, *backend;
    struct cli_list ood;
    int64_t count, count_ood, bootstrap, seed, threads;
    double temperature, input_noise;
    int quiet;
} arg;

static const struct cli_option options[] = {
    {"Model and images", "model", "FILE", "a model or a training (.safetensors)", NULL,
     .text = &arg.model},
    {NULL, "data", "KIND", "the in-distribution images, its test split: " DATA_HELP,
     "fashion-mnist", .text = &arg.data},
    {NULL, "count", "N", "only N of them, evenly spaced; 0: all", "0", .integer = &arg.count,
     .max = INT64_MAX},
    {NULL, "ood", "KIND",
     OUT_SET_HELP "; may be repeated (without it: the four that are made here)", NULL,
     .list = &arg.ood},
    {NULL, "count-ood", "N", "only N images of each, evenly spaced; 0: all", "0",
     .integer = &arg.count_ood, .max = INT64_MAX},
    {NULL, "input-noise", "STD",
     "standard deviation of Gaussian noise on all images; the official code has 0.03", "0",
     .real = &arg.input_noise},
    {"Measures", "temperature", "T",
     "of the score energy_t = T logsumexp f(x)/T; 1, as Liu et al. 2020 use it, makes it "
     "log_px, "
     "and near 0 it is max_logit",
     "10", .real = &arg.temperature},
    {NULL, "bootstrap", "N", "draws for the interval of the AUROC; 0: no interval", "200",
     .integer = &arg.bootstrap, .max = 1000000},
    {NULL, "seed", "N", "of the images made here, of the noise and of the bootstrap", "1",
     .integer = &arg.seed},
    {"Results", "out", "DIR", "folder for a histogram of each score, SCORE.svg", NULL,
     .text = &arg.out},
    {NULL, "json", "FILE", "the figures for programs", NULL, .text = &arg.json, .written = 1},
    {NULL, "quiet", NULL, "no progress on stderr", NULL, .flag = &arg.quiet},
    {"Computing", "threads", "N", "0: one per processor; changes no result", "0",
     .integer = &arg.threads, .max = 64},
    {NULL, "backend", "NAME", BACKEND_HELP, "cpu", .text = &arg.backend},
};

static const struct cli command_line = {
    .program = "jem-ood",
    .usage = "--model FILE [--ood KIND]... [options]",
    .about = "Tell a model's test images from other images by log p(x), max p(y|x), the "
             "approximate mass and baselines (JEM section 5.3).",
    .notes = "Examples:\n"
             "  jem-ood --model demo/best.safetensors --out ood\n"
             "  jem-ood --model c10/best.safetensors --data cifar10:C10 --input-noise 0.03 \\\n"
             "      --ood svhn:SVHN --ood cifar100:C100 --ood celeba:CELEBA --ood interp\n",
    .options = options,
    .count = (int)(sizeof options / sizeof options[0]),
};

enum { LOG_PX, MASS, PROB_Y, ENERGY_T, MAX_LOGIT, ENTROPY, SCORES, OF_DENSITY = PROB_Y };

static const struct {
    const char *name, *axis;
} scores[SCORES] = {
    {"log_px", "log p(x) + log Z (nats)"},
    {"mass", "-||d log p(x)/dx|| (nats per unit of x)"},
    {"prob_y", "max p(y|x)"},
    {"energy_t", "T logsumexp f(x)/T (nats)"},
    {"max_logit", "max f(x)[y] (nats)"},
    {"entropy", "minus the entropy of p(y|x) (nats)"},
};

/* A set of images as the model sees it. */
struct scored {
    int64_t n;
    float *of[SCORES]; /* n each */
};

struct result {
    double auroc, low, high, aupr_in, aupr_out, fpr95;
};

struct detection {
    struct experiment e;
    struct progress progress;
    const char *no_classes; /* why the classes mean nothing; NULL: they mean something */
    int scores;             /* the first so many */
    struct image_input in;
    struct scored in_scores;
    int64_t sets;
    struct out_set *set;
    struct scored *set_scores;
    struct result (*result)[SCORES]; /* per set */
};

static int check_arguments(void)
{
    if (!(arg.temperature > 0))
        return report_usage("--temperature %g: must be above 0", arg.temperature);
    return CLI_GO;
}

/* T logsumexp_y f[y] / T */
static double softest(const float *f, int64_t classes, double top, double t)
{
    double sum = 0;

    for (int64_t k = 0; k < classes; k++)
        sum += exp(((double)f[k] - top) / t);
    return top + t * log(sum);
}

/* What the logits f of image i say. */
static void read_logits(const float *f, int64_t classes, int64_t i, struct scored *s)
{
    double top = -HUGE_VAL, log_px, entropy = 0;

    for (int64_t k = 0; k < classes; k++)
        top = fmax(top, (double)f[k]);
    log_px = softest(f, classes, top, 1);
    for (int64_t k = 0; k < classes; k++) {
        const double log_py = (double)f[k] - log_px;

        entropy -= exp(log_py) * log_py;
    }
    s->of[LOG_PX][i] = (float)log_px;
    s->of[PROB_Y][i] = (float)exp(top - log_px);
    s->of[ENERGY_T][i] = (float)softest(f, classes, top, arg.temperature);
    s->of[MAX_LOGIT][i] = (float)top;
    s->of[ENTROPY][i] = (float)-entropy;
}

static int score(struct detection *d, const char *what, const struct image_input *in,
                 struct scored *s)
{
    const int64_t *shape = d->e.shape, size = shape[0] * shape[1] * shape[2];
    float *logits = malloc((size_t)(BATCH * shape[3]) * sizeof *logits);
    jem_head *head = NULL;
    int rc = logits == NULL ? report_no_memory() : EXIT_OK;

    s->n = in->n;
    for (int k = 0; k < SCORES && rc == EXIT_OK; k++) {
        s->of[k] = malloc((size_t)in->n * sizeof *s->of[k]);
        rc = s->of[k] == NULL ? report_no_memory() : EXIT_OK;
    }
    if (rc == EXIT_OK)
        rc = report_jem(jem_head_create(d->e.model, BATCH, &head));
    for (int64_t i = 0; i < in->n && rc == EXIT_OK; i += BATCH) {
        const int64_t m = in->n - i < BATCH ? in->n - i : BATCH;
        const float *x = in->x + i * size;

        rc = report_jem(jem_head_logits(head, x, m, logits, m * shape[3]));
        for (int64_t j = 0; j < m && rc == EXIT_OK; j++)
            read_logits(logits + j * shape[3], shape[3], i + j, s);
        if (rc == EXIT_OK)
            rc = report_jem(jem_head_mass(head, x, m, s->of[MASS] + i, m));
        if (progress_due(&d->progress))
            progress_show(&d->progress, "%s: %" PRId64 " of %" PRId64 " images", what, i + m,
                          in->n);
    }
    jem_head_free(head);
    free(logits);
    return rc;
}

static float *negated(const float *values, int64_t n)
{
    float *out = malloc((size_t)n * sizeof *out);

    for (int64_t i = 0; i < n && out != NULL; i++)
        out[i] = -values[i];
    return out;
}

/* The positives are the in-distribution images, and a higher score says "positive"; for
 * AUPR-out the others are, and a lower score says so. */
static int compare(jem_context *ctx, const float *in, int64_t n_in, const float *out,
                   int64_t n_out, struct result *r)
{
    float *minus_in = negated(in, n_in), *minus_out = negated(out, n_out);
    jem_status s = JEM_OK;
    int rc = minus_in == NULL || minus_out == NULL ? report_no_memory() : EXIT_OK;

    if (rc == EXIT_OK)
        s = jem_metric_auroc(ctx, in, n_in, out, n_out, &r->auroc);
    if (rc == EXIT_OK && s == JEM_OK)
        s = jem_metric_aupr(ctx, in, n_in, out, n_out, &r->aupr_in);
    if (rc == EXIT_OK && s == JEM_OK)
        s = jem_metric_aupr(ctx, minus_out, n_out, minus_in, n_in, &r->aupr_out);
    if (rc == EXIT_OK && s == JEM_OK)
        s = jem_metric_fpr(ctx, in, n_in, out, n_out, TPR, &r->fpr95);
    if (rc == EXIT_OK)
        rc = report_jem(s);
    r->low = r->high = (double)NAN;
    if (rc == EXIT_OK && arg.bootstrap > 0)
        rc = bootstrap_auroc(in, n_in, out, n_out, arg.bootstrap, arg.seed, &r->low, &r->high);
    free(minus_in);
    free(minus_out);
    return rc;
}

/* All images before any work, so that what does not fit shows at once. */
static int read_images(struct detection *d)
{
    const int64_t size = d->e.shape[0] * d->e.shape[1] * d->e.shape[2];
    int rc = experiment_data(&d->e, arg.data, "test", arg.count, 0, &d->in);

    d->sets = arg.ood.count > 0 ? arg.ood.count : outlier_count;
    d->set = calloc((size_t)d->sets, sizeof *d->set);
    d->set_scores = calloc((size_t)d->sets, sizeof *d->set_scores);
    d->result = calloc((size_t)d->sets, sizeof *d->result);
    if (rc == EXIT_OK && (d->set == NULL || d->set_scores == NULL || d->result == NULL))
        rc = report_no_memory();
    for (int64_t k = 0; k < d->sets && rc == EXIT_OK; k++)
        rc = out_set_open(&d->e, arg.ood.count > 0 ? arg.ood.items[k] : outlier_kinds[k].name,
                          &d->in, arg.count_ood, arg.seed, &d->set[k]);
    if (rc != EXIT_OK)
        return rc;
    image_input_add_noise(&d->in, size, arg.input_noise, arg.seed, 0);
    for (int64_t k = 0; k < d->sets; k++)
        image_input_add_noise(&d->set[k].images, size, arg.input_noise, arg.seed,
                              (uint64_t)k + 1);
    return EXIT_OK;
}

static int detect(struct detection *d)
{
    const struct scored *in = &d->in_scores;
    int rc = score(d, "test images", &d->in, &d->in_scores);

    for (int64_t k = 0; k < d->sets && rc == EXIT_OK; k++) {
        struct scored *out = &d->set_scores[k];

        rc = score(d, d->set[k].name, &d->set[k].images, out);
        for (int s = 0; s < d->scores && rc == EXIT_OK; s++)
            rc = compare(d->e.ctx, in->of[s], in->n, out->of[s], out->n, &d->result[k][s]);
    }
    progress_clear(&d->progress);
    return rc;
}

/* The name of a score for people: with T, where it has one. */
static const char *title_of(int s, char out[SCORE_TITLE])
{
    if (s == ENERGY_T)
        snprintf(out, SCORE_TITLE, "%s, T = %g", scores[s].name, arg.temperature);
    else
        snprintf(out, SCORE_TITLE, "%s", scores[s].name);
    return out;
}

static int print_results(const struct detection *d)
{
    static const char *const headings[] = {"other images", ">n",    ">n in",    "score",
                                           ">AUROC",       ">95 %", ">AUPR in", ">AUPR out",
                                           ">FPR95",       NULL};
    struct table *t = table_create(headings);
    char title[SCORE_TITLE];
    int rc;

    if (t == NULL)
        return report_no_memory();
    for (int64_t k = 0; k < d->sets; k++)
        for (int s = 0; s < d->scores; s++) {
            const struct result *r = &d->result[k][s];

            table_cell(t, "%s", s == 0 ? d->set[k].name : "");
            table_cell(t, "%" PRId64, d->set_scores[k].n);
            table_cell(t, "%" PRId64, d->in_scores.n);
            table_cell(t, "%s", title_of(s, title));
            table_cell(t, "%.4f", r->auroc);
            if (arg.bootstrap > 0)
                table_cell(t, "%.4f to %.4f", r->low, r->high);
            else
                table_cell(t, "-");
            table_cell(t, "%.4f", r->aupr_in);
            table_cell(t, "%.4f", r->aupr_out);
            table_cell(t, "%.4f", r->fpr95);
        }
    rc = table_print(t, stdout);
    table_free(t);
    return rc;
}

/* One picture per score, with all sets. */
static int draw(const struct detection *d)
{
    const size_t sets = (size_t)d->sets + 1;
    struct histogram *h = calloc(sets, sizeof *h);
    char title[96], file[64], score_title[SCORE_TITLE];
    int rc = h == NULL ? report_no_memory() : EXIT_OK;

    for (int s = 0; s < d->scores && rc == EXIT_OK; s++) {
        h[0] = (struct histogram){"test images", d->in_scores.of[s], d->in_scores.n};
        for (size_t k = 1; k < sets; k++)
            h[k] = (struct histogram){d->set[k - 1].name, d->set_scores[k - 1].of[s],
                                      d->set_scores[k - 1].n};
        snprintf(title, sizeof title, "%s: test images and others", title_of(s, score_title));
        snprintf(file, sizeof file, "%s.svg", scores[s].name);
        rc = histogram_write(arg.out, file, title, scores[s].axis, h, sets);
    }
    free(h);
    return rc;
}

static void add_to_json(struct detection *d)
{
    json_t *results = json_array();

    for (int64_t k = 0; k < d->sets; k++)
        for (int s = 0; s < d->scores; s++) {
            const struct result *r = &d->result[k][s];
            json_t *one = json_object();

            json_object_set_new(one, "out", json_string(d->set[k].name));
            json_object_set_new(one, "spec", json_string(d->set[k].spec));
            json_object_set_new(one, "score", json_string(scores[s].name));
            if (s == ENERGY_T)
                json_set_number(one, "temperature", arg.temperature);
            json_set_number(one, "auroc", r->auroc);
            json_set_number(one, "auroc_low", r->low);
            json_set_number(one, "auroc_high", r->high);
            json_set_number(one, "aupr_in", r->aupr_in);
            json_set_number(one, "aupr_out", r->aupr_out);
            json_set_number(one, "fpr95", r->fpr95);
            json_set_number(one, "n_in", (double)d->in_scores.n);
            json_set_number(one, "n_out", (double)d->set_scores[k].n);
            json_array_append_new(results, one);
        }
    json_object_set_new(d->e.json, "results", results);
    json_object_set_new(d->e.json, "no_classes",
                        d->no_classes == NULL ? json_null() : json_string(d->no_classes));
    json_set_number(d->e.json, "temperature", arg.temperature);
    json_set_number(d->e.json, "bootstrap", (double)arg.bootstrap);
}

static void say_protocol(struct detection *d)
{
    char noise[96], interval[160] = "no interval", classes[256];

    snprintf(noise, sizeof noise,
             arg.input_noise > 0 ? "Gaussian noise of standard deviation %g on all images"
                                 : "no noise on the images",
             arg.input_noise);
    if (arg.bootstrap > 0)
        snprintf(interval, sizeof interval,
                 "its 95 %% interval from %" PRId64
                 " bootstrap draws, each set drawn anew at its size",
                 arg.bootstrap);
    if (d->no_classes == NULL)
        snprintf(classes, sizeof classes,
                 "energy_t is T logsumexp f(x)/T with T = %g (T = 1 is log_px)",
                 arg.temperature);
    else
        snprintf(classes, sizeof classes, "Scores that need classes are left out: %s",
                 d->no_classes);
    experiment_set_protocol(
        &d->e,
        "Sign: a higher score means in-distribution; the positives are the %" PRId64
        " test images, for AUPR out the others. AUROC: the probability that a test image "
        "scores "
        "higher, ties one half; %s. AUPR is the average precision and depends on n in and n. "
        "FPR95: the share of the others above the threshold that keeps 95 %% of the test "
        "images. "
        "%s. There is %s; interp: "
        "means of two test images. In the histograms "
        "the "
        "outermost bins hold what lies beyond, and bins above 40 %% are cut.",
        d->in_scores.n, interval, classes, noise);
}

static int run(struct detection *d)
{
    int rc = experiment_open(arg.model, arg.backend, arg.threads, arg.seed, &d->e);

    if (rc == EXIT_OK)
        rc = class_meaning(arg.model, d->e.shape[3], &d->no_classes);
    d->scores = d->no_classes == NULL ? SCORES : OF_DENSITY;

    progress_start(&d->progress, arg.quiet);
    if (rc == EXIT_OK)
        rc = read_images(d);
    if (rc == EXIT_OK && arg.out != NULL)
        rc = file_make_folder(arg.out);
    if (rc == EXIT_OK)
        rc = detect(d);
    if (rc == EXIT_OK)
        rc = print_results(d);
    if (rc == EXIT_OK && arg.out != NULL)
        rc = draw(d);
    if (rc != EXIT_OK)
        return rc;
    say_protocol(d);
    experiment_print_protocol(&d->e);
    add_to_json(d);
    return experiment_write(&d->e, arg.json);
}

static void scored_free(struct scored *s)
{
    for (int k = 0; k < SCORES; k++)
        free(s->of[k]);
}

int main(int argc, char **argv)
{
    struct detection d = {0};
    int rc = cli_parse(&command_line, argc, argv);

    if (rc == CLI_GO)
        rc = check_arguments();
    if (rc == CLI_GO)
        rc = report_flush(run(&d));
    for (int64_t k = 0; k < d.sets && d.set != NULL && d.set_scores != NULL; k++) {
        out_set_free(&d.set[k]);
        scored_free(&d.set_scores[k]);
    }
    free(d.set);
    free(d.set_scores);
    free(d.result);
    scored_free(&d.in_scores);
    image_input_free(&d.in);
    experiment_close(&d.e);
    cli_list_free(&arg.ood);
    return rc;
}
