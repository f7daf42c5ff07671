/* SPDX-License-Identifier: MIT */

/* jem-ood: does a model notice that an image is not of its data? (JEM section 5.3.)
 *
 * Each image gets six scores, which all grow with "in-distribution":
 *
 *     log_px      log p(x) + log Z = logsumexp_y f(x)[y]
 *     mass        -|| d log p(x) / dx ||_2            "approximate mass", JEM section 5.3.3
 *     prob_y      max_y p(y|x)                        Hendrycks and Gimpel 2017
 *     energy_t    T log mean_y exp f(x)[y] / T        Liu et al. 2020; T = 1 ranks as log_px
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
#include <string.h>

#include "kit/draw/histogram.h"
#include "kit/lab/lab.h"
#include "kit/stats/bootstrap.h"
#include "kit/stats/logits.h"

static struct lab lab;
static struct {
    struct cli_list ood;
    int64_t count_ood, bootstrap;
    double temperature;
} arg;

static const struct cli_option options[] = {
    LAB_MODEL(lab, "Model and images"),
    LAB_DATA(lab, "the in-distribution images, its test split: "),
    LAB_COUNT(lab, "of them"),
    {NULL, "ood", "KIND",
     OUT_SET_HELP "; may be repeated (without it: the four that are made here)", NULL,
     .list = &arg.ood, .check = out_set_check},
    {NULL, "count-ood", "N", "only N images of each, evenly spaced; 0: all", "0",
     .integer = &arg.count_ood, .max = INT64_MAX},
    LAB_INPUT_NOISE(lab),
    {"Measures", "temperature", "T",
     "of the score energy_t = T log mean exp f(x)/T; 1, as Liu et al. 2020 use it, makes it "
     "log_px but for a constant, near 0 it is max_logit, and as T grows mean f(x)",
     "10", .real = &arg.temperature, .above_zero = 1},
    {NULL, "bootstrap", "N", "draws for the interval of the AUROC; 0: no interval", "200",
     .integer = &arg.bootstrap, .max = 1000000},
    LAB_SEED(lab, "of the images made here, of the noise and of the bootstrap"),
    LAB_OUT(lab, "Results", "folder for a histogram of each score, SCORE.svg"),
    LAB_REST(lab),
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
    CLI_OPTIONS(options),
};

enum { LOG_PX, MASS, PROB_Y, ENERGY_T, MAX_LOGIT, ENTROPY, SCORES, OF_DENSITY = PROB_Y };

static const struct {
    const char *name, *axis;
} scores[SCORES] = {
    {"log_px", "log p(x) + log Z (nats)"},
    {"mass", "-||d log p(x)/dx|| (nats per unit of x)"},
    {"prob_y", "max p(y|x)"},
    {"energy_t", "T log mean exp f(x)/T (nats)"},
    {"max_logit", "max f(x)[y] (nats)"},
    {"entropy", "minus the entropy of p(y|x) (nats)"},
};

static const struct record_column columns[] = {
    {"out", "other images", .kind = RECORD_TEXT, .group = 1},
    {"spec", NULL, .kind = RECORD_TEXT},
    {"n_out", "n", .kind = RECORD_WHOLE},
    {"n_in", "n in", .kind = RECORD_WHOLE},
    {"score", "score", .kind = RECORD_TEXT},
    {"temperature", NULL, .kind = RECORD_DIGITS, .decimals = 6},
    {"auroc", "AUROC", .decimals = 4, .good = 0.9, .bad = 0.5},
    {"auroc_low", "95 %", .decimals = 4},
    {"auroc_high", NULL, .decimals = 4, .join = " to "},
    {"aupr_in", "AUPR in", .decimals = 4},
    {"aupr_out", "AUPR out", .decimals = 4},
    {"fpr95", "FPR95", .decimals = 4},
};

static const struct record_layout layout = {
    .name = "results",
    .note = "AUROC: 1 always tells them apart, 0.5 is chance; less: the others score higher.",
    .across = "score",
    .figure = "auroc",
    RECORD_COLUMNS(columns),
};

/* A set of images and its scores. */
struct set {
    const char *name, *spec;
    struct image_input *images;
    float *of[SCORES]; /* one per image each */
};

/* The name of a score for people: with T, where it has one. */
static const char *title_of(int s)
{
    return s == ENERGY_T ? lab_text(&lab, "%s, T = %g", scores[s].name, arg.temperature)
                         : scores[s].name;
}

static void score(jem_head *head, struct set *set)
{
    const int64_t classes = lab.classes;
    float *logits = lab_floats(&lab, LAB_BATCH * classes);

    for (int s = 0; s < SCORES; s++)
        set->of[s] = lab_floats(&lab, set->images->n);
    for (struct lab_batch b = {0}; lab_next(&lab, set->name, set->images, &b);) {
        must_jem(jem_head_logits(head, b.x, b.n, logits, b.n * classes));
        must_jem(jem_head_mass(head, b.x, b.n, set->of[MASS] + b.first, b.n));
        for (int64_t i = b.first; i < b.first + b.n; i++) {
            const float *f = logits + (i - b.first) * classes;
            const double log_px = logits_logsumexp(f, classes, 1), top = logits_max(f, classes);

            set->of[LOG_PX][i] = (float)log_px;
            set->of[PROB_Y][i] = (float)exp(top - log_px);
            set->of[ENERGY_T][i] = (float)logits_energy(f, classes, arg.temperature);
            set->of[MAX_LOGIT][i] = (float)top;
            set->of[ENTROPY][i] = (float)-logits_entropy(f, classes);
        }
    }
}

/* Does score s tell the sets apart? The positives are the in-distribution images, and a higher
 * score says "positive"; for AUPR-out the others are, and a lower score says so. */
static void compare(const struct set *a, const struct set *b, int s, struct record_table *t)
{
    const float *in = a->of[s], *out = b->of[s];
    const int64_t n = a->images->n, m = b->images->n;
    float *minus_in = lab_negated(&lab, in, n), *minus_out = lab_negated(&lab, out, m);
    double auroc, aupr_in, aupr_out, fpr95, low, high;

    must_jem(jem_metric_auroc(lab.ctx, in, n, out, m, &auroc));
    must_jem(jem_metric_aupr(lab.ctx, in, n, out, m, &aupr_in));
    must_jem(jem_metric_aupr(lab.ctx, minus_out, m, minus_in, n, &aupr_out));
    must_jem(jem_metric_fpr(lab.ctx, in, n, out, m, 0.95, &fpr95));
    must(bootstrap_auroc(in, n, out, m, arg.bootstrap, lab.seed, &low, &high));
    lab_drop(&lab, minus_in);
    lab_drop(&lab, minus_out);
    s == 0 ? record_run(t) : record_row(t);
    record_text(t, "out", b->name);
    record_text(t, "spec", b->spec);
    record_whole(t, "n_out", m);
    record_whole(t, "n_in", n);
    record_text(t, "score", scores[s].name);
    record_words(t, "score", title_of(s));
    if (s == ENERGY_T)
        record_number(t, "temperature", arg.temperature);
    record_number(t, "auroc", auroc);
    record_number(t, "auroc_low", low);
    record_number(t, "auroc_high", high);
    record_number(t, "aupr_in", aupr_in);
    record_number(t, "aupr_out", aupr_out);
    record_number(t, "fpr95", fpr95);
}

/* One picture per score, with all sets. */
static void draw(const struct set *set, int64_t sets, int count)
{
    struct histogram *h = lab_array(&lab, sets, sizeof *h);

    for (int s = 0; s < count; s++) {
        for (int64_t k = 0; k < sets; k++)
            h[k] = (struct histogram){set[k].name, set[k].of[s], set[k].images->n};
        must(histogram_write(lab.out, lab_text(&lab, "%s.svg", scores[s].name),
                             lab_text(&lab, "%s: %s and others", title_of(s), set[0].name),
                             scores[s].axis, h, (size_t)sets));
    }
}

/* What interp is, where it is among the sets; why it is not, where only its images are missing. */
static const char *say_interp(const struct set *set, int64_t sets)
{
    for (int64_t k = 1; k < sets; k++)
        if (strcmp(set[k].name, "interp") == 0)
            return "; interp: means of two images of --data";
    return arg.ood.count > 0 ? ""
                             : "; interp, means of two images of --data, is left out, because "
                               "there is one image";
}

static void say_protocol(const struct set *set, int64_t sets, const char *no_classes)
{
    const char *interval = lab_text(
        &lab, "its 95 %% interval from %d bootstrap draws, each set drawn anew at its size",
        (int)arg.bootstrap);
    const char *noise = lab_text(&lab, "Gaussian noise of standard deviation %g on all images",
                                 lab.input_noise);
    const char *energy = lab_text(&lab,
                                  "energy_t is T log mean exp f(x)/T, which is T logsumexp "
                                  "f(x)/T less the constant T log "
                                  "K of K classes, with T = %g (T = 1 ranks as log_px)",
                                  arg.temperature);

    record_protocol(
        lab.record,
        "Sign: a higher score means in-distribution; the positives are the %" PRId64
        " %s of --data, for AUPR out the others. AUROC: the probability that one of them "
        "scores higher, ties one half; %s. AUPR is the average precision and depends on n in "
        "and n. FPR95: the share of the others above the threshold that keeps 95 %% of the "
        "positives. %s%s. There is %s%s. In the histograms the outermost bins hold what lies "
        "beyond.",
        set[0].images->n, lab_images_are(&lab), arg.bootstrap > 0 ? interval : "no interval",
        no_classes == NULL ? "" : "Scores that need classes are left out: ",
        no_classes == NULL ? energy : no_classes,
        lab.input_noise > 0 ? noise : "no noise on the images", say_interp(set, sets));
}

int main(int argc, char **argv)
{
    lab_begin(&lab, &command_line, argc, argv);
    lab_open(&lab);

    /* All images before any work, so that what does not fit shows at once. */
    const char *no_classes = lab_no_classes(&lab);
    const int count = no_classes == NULL ? SCORES : OF_DENSITY;
    int64_t sets;
    struct image_input *in = lab_images(&lab, lab.data, "test", lab.count, 0);
    struct out_set *others = lab_others(&lab, &arg.ood, in, arg.count_ood, &sets);
    struct set *set = lab_array(&lab, ++sets, sizeof *set); /* the test images come first */

    set[0] = (struct set){.name = lab_images_are(&lab), .images = in};
    for (int64_t k = 1; k < sets; k++)
        set[k] = (struct set){others[k - 1].name, .spec = others[k - 1].spec,
                              .images = &others[k - 1].images};
    for (int64_t k = 0; k < sets; k++)
        lab_add_noise(&lab, set[k].images, (uint64_t)k);
    const int pictures = lab_has_folder(&lab);
    struct record_table *results = record_table(lab.record, &layout);
    jem_head *head = lab_head(&lab);

    score(head, &set[0]);
    for (int64_t k = 1; k < sets; k++) {
        score(head, &set[k]);
        for (int s = 0; s < count; s++)
            compare(&set[0], &set[k], s, results);
    }
    lab_print(&lab);
    if (pictures)
        draw(set, sets, count);
    say_protocol(set, sets, no_classes);
    json_set_text(record_json(lab.record), "no_classes", no_classes);
    json_set_number(record_json(lab.record), "temperature", arg.temperature);
    json_set_number(record_json(lab.record), "bootstrap", (double)arg.bootstrap);
    lab_tell(&lab);
    return lab_end(&lab);
}
