/* SPDX-License-Identifier: MIT */

/* jem-hybrid: Table 1 of the paper (section 5.1). One network is judged as a classifier, by its
 * accuracy, and as a generative model, by the Inception Score and the Frechet distance of its
 * samples to real images. Two figures stand beside the samples' distance, because it says little
 * without them: that of the starts before any step, and that of real images. */

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jem/jem.h>

#include "hybrid_samples.h"
#include "kit/base/file.h"
#include "kit/base/json_log.h"
#include "kit/base/progress.h"
#include "kit/base/report.h"
#include "kit/base/table.h"
#include "kit/cli/cli.h"
#include "kit/cli/settings.h"
#include "kit/data/data.h"
#include "kit/features/features.h"
#include "kit/features/frechet.h"
#include "kit/features/inception_score.h"
#include "kit/images/image.h"
#include "kit/lab/class_meaning.h"
#include "kit/lab/evaluate.h"
#include "kit/lab/experiment.h"

#define SHOWN   100  /* images in a picture */
#define ADVISED 2048 /* images for FID, as its authors advise: as many as features */

static struct {
    const char *model, *data, *inception, *classifier, *buffer, *out, *json, *backend;
    struct cli_list presets, sets;
    int64_t count, chains, steps, keep, reference, seed, batch, threads;
    int in_order, quiet;
} arg;

/* 256 steps are what a chain gets on average in the official code's evaluation: 1000 calls of 40
 * steps for 64 of 10,000 chains. */
static const struct cli_option options[] = {
    {"Model and data", "model", "FILE",
     "a model or a training (default: the file of --from-buffer)", NULL, .text = &arg.model},
    {NULL, "data", "KIND",
     "test images for the accuracy, training images for the distance: " DATA_HELP, NULL,
     .text = &arg.data},
    {NULL, "count", "N", "test images, evenly spaced; 0: all", "0", .integer = &arg.count,
     .max = INT32_MAX},
    {NULL, "reference", "N", "training images that samples are compared to; 0: all", "0",
     .integer = &arg.reference, .max = INT32_MAX},
    {"Features of images (one of the two)", "inception", "FILE",
     "FID and Inception Score: weights of Inception-v3, made by "
     "examples/convert/inception2safetensors.py",
     NULL, .text = &arg.inception},
    {NULL, "features", "MODEL",
     "FD-clf: a classifier that libjem trained on the same data; its last hidden layer counts",
     NULL, .text = &arg.classifier},
    {"Samples", "chains", "N",
     "samples; of a buffer at most so many. 0: the accuracy only, which needs no features",
     "10000", .integer = &arg.chains, .max = 1000000},
    {NULL, "steps", "N",
     "SGLD steps of a chain from the start distribution; 0 leaves the starts", "256",
     .integer = &arg.steps, .max = 1000000},
    {NULL, "from-buffer", "FILE",
     "the replay buffer in FILE (a training's last.safetensors), as it is, instead of fresh "
     "chains",
     NULL, .text = &arg.buffer},
    {NULL, "keep", "PERCENT",
     "judge the top of each class by p(y|x) as well; SADA-JEM's figures are of 90", "100",
     .integer = &arg.keep, .min = 1, .max = 100},
    {NULL, "in-order", NULL,
     "Inception Score of samples as they come, instead of in torch-fidelity's random order",
     NULL, .flag = &arg.in_order},
    {"Settings of the chains (the file's, where it has some)", "preset", "NAME",
     "a named set of settings; may be repeated", NULL, .list = &arg.presets},
    {NULL, "set", "NAME=VALUE",
     "one setting; sgld.class_cond=1 gives chains on log p(x|y), the classes in turn, instead "
     "of "
     "log p(x)",
     NULL, .list = &arg.sets},
    {NULL, "seed", "N", "of starts and chains", "1", .integer = &arg.seed},
    {"Results", "out", "DIR", "folder for pictures: samples.png, starts.png", NULL,
     .text = &arg.out},
    {NULL, "json", "FILE", "the figures and how they came about", NULL, .text = &arg.json,
     .written = 1},
    {"Computing", "batch", "N", "chains at a time; changes memory and speed, no result", "100",
     .integer = &arg.batch, .min = 1, .max = 65536},
    {NULL, "threads", "N", "0: one per processor; changes no result", "0",
     .integer = &arg.threads, .max = 64},
    {NULL, "backend", "NAME", BACKEND_HELP, "cpu", .text = &arg.backend},
    {NULL, "quiet", NULL, "no progress on stderr", NULL, .flag = &arg.quiet},
};

static const struct cli command_line = {
    .program = "jem-hybrid",
    .usage = "--model FILE --data KIND (--inception FILE | --features MODEL) [options]",
    .about = "Table 1 of the JEM paper for a model: accuracy, Inception Score and Frechet "
             "distance of its samples.",
    .notes =
        "Examples:\n"
        "  jem-hybrid --from-buffer run/last.safetensors --data cifar10:DIR \\\n"
        "      --inception inception.safetensors --out table1\n"
        "  jem-hybrid --model demo/best.safetensors --data fashion-mnist \\\n"
        "      --features classifier/best.safetensors --chains 1000\n"
        "  jem-train --preset jem-cifar10 --preset factored ...           (ablation, E3)\n"
        "  jem-train --preset jem-cifar10 --preset class-conditional ...  (ablation, E4)\n",
    .options = options,
    .count = (int)(sizeof options / sizeof options[0]),
};

/* A set of images beside the reference. */
struct row {
    char name[32];
    int64_t n, against; /* images of the set and of the reference; n 0: no such row */
    double frechet, is_mean, is_std;
};

enum { ALL, TOP, STARTS, REAL, ROWS };

struct hybrid {
    struct experiment e;
    struct progress progress;
    struct image_input test;
    double accuracy;        /* NaN: the model has no classes, */
    const char *no_classes; /* for this reason */
    jem_dataset *train;
    struct features features;
    struct hybrid_samples samples;
    struct row row[ROWS];
};

static int check_arguments(void)
{
    if (arg.model == NULL)
        arg.model = arg.buffer;
    if (arg.data == NULL)
        return report_usage("--data KIND is missing: " DATA_HELP);
    if (arg.inception != NULL && arg.classifier != NULL)
        return report_usage("--inception and --features: one of the two, please");
    if (arg.chains > 0 && arg.inception == NULL && arg.classifier == NULL)
        return report_usage("--inception FILE (FID and Inception Score) or --features MODEL "
                            "(FD-clf, which needs no download) is missing; --chains 0 is "
                            "content with the accuracy");
    if (arg.chains == 1)
        return report_usage("--chains 1: a distance of distributions needs two or more");
    return CLI_GO;
}

/* --- Everything that can fail early --------------------------------------------------------- */

static int open_train(struct hybrid *h)
{
    int64_t n = 0, shape[4];
    int rc = data_open(h->e.ctx, arg.data, "train", &h->train);

    if (rc == EXIT_OK)
        rc = report_jem(jem_dataset_size(h->train, &n));
    if (rc == EXIT_OK)
        rc = report_jem(jem_dataset_shape(h->train, shape));
    if (rc == EXIT_OK && memcmp(shape, h->e.shape, 3 * sizeof shape[0]) != 0)
        rc = report_failed("--data %s: its training images are not of the model's size",
                           arg.data);
    if (arg.reference == 0 || arg.reference > n)
        arg.reference = n;
    if (rc == EXIT_OK && arg.reference < 4)
        rc =
            report_failed("%" PRId64 " training image(s); two halves that can be compared need "
                          "4 or more",
                          arg.reference);
    return rc;
}

static int set_up(struct hybrid *h)
{
    const struct hybrid_plan plan = {arg.model,  arg.buffer, &arg.presets, &arg.sets,
                                     arg.chains, arg.steps,  arg.batch,    arg.seed};
    int rc = experiment_open(arg.model, arg.backend, arg.threads, arg.seed, &h->e);

    if (rc == EXIT_OK)
        rc = experiment_data(&h->e, arg.data, "test", arg.count, h->e.shape[3] > 1, &h->test);
    if (rc == EXIT_OK && arg.out != NULL)
        rc = file_make_folder(arg.out);
    if (rc != EXIT_OK || arg.chains == 0)
        return rc;
    rc = features_open(h->e.ctx, arg.inception, arg.classifier, h->e.shape, &h->progress,
                       &h->features);
    if (rc == EXIT_OK)
        rc = open_train(h);
    if (rc == EXIT_OK)
        rc = hybrid_samples_prepare(h->e.ctx, h->e.model, &plan, h->train, &h->samples);
    if (rc == EXIT_OK && arg.inception != NULL && h->samples.n < ADVISED)
        report_note("%" PRId64 " samples: FID of fewer than %d is mostly about their number",
                    h->samples.n, ADVISED);
    return rc;
}

static void tear_down(struct hybrid *h)
{
    hybrid_samples_free(&h->samples);
    features_close(&h->features);
    jem_dataset_free(h->train);
    image_input_free(&h->test);
    experiment_close(&h->e);
}

/* --- The classifier ------------------------------------------------------------------------- */

static int classify(struct hybrid *h)
{
    struct evaluation e;
    int rc = class_meaning(arg.model, h->e.shape[3], &h->no_classes);

    h->accuracy = (double)NAN;
    if (rc != EXIT_OK || h->no_classes != NULL)
        return rc;
    rc = evaluate_images(h->e.model, h->test.x, h->test.n, arg.batch, &e);
    if (rc == EXIT_OK)
        rc = evaluate_with_labels(&e, h->test.labels);
    if (rc == EXIT_OK)
        h->accuracy = e.accuracy;
    evaluate_free(&e);
    return rc;
}

/* --- The generative model ------------------------------------------------------------------- */

/* One set against the reference. */
static int compare(const struct hybrid *h, const char *name, const struct feature_set *set,
                   const struct frechet_gaussian *reference, struct row *out)
{
    struct frechet_gaussian g;
    int rc = frechet_fit(set->features, set->n, h->features.d, set->what, &g);

    snprintf(out->name, sizeof out->name, "%s", name);
    out->n = set->n;
    out->against = reference->n;
    out->is_mean = out->is_std = (double)NAN;
    if (rc == EXIT_OK)
        rc = frechet_distance(&g, reference, &out->frechet);
    if (rc == EXIT_OK && set->logits != NULL && set->n >= INCEPTION_SCORE_SPLITS)
        rc = inception_score(set->logits, set->n, h->features.classes, INCEPTION_SCORE_SPLITS,
                             arg.in_order ? -1 : INCEPTION_SCORE_SEED, &out->is_mean,
                             &out->is_std);
    frechet_free(&g);
    return rc;
}

/* What distance have real images? Every other image of the reference against the rest, of as
 * many images as there are samples, because small sets look more distant. */
static int compare_real(struct hybrid *h, const struct feature_set *reference)
{
    const struct features *f = &h->features;
    struct feature_set even = {0}, odd = {0};
    struct frechet_gaussian half = {0};
    int rc = feature_set_pick(f, reference, "one half of the training images", 0, 2,
                              reference->n, &even);

    if (rc == EXIT_OK)
        rc = feature_set_pick(f, reference, "the other half of the training images", 1, 2,
                              h->samples.n, &odd);
    if (rc == EXIT_OK)
        rc = frechet_fit(even.features, even.n, f->d, even.what, &half);
    if (rc == EXIT_OK)
        rc = compare(h, "real", &odd, &half, &h->row[REAL]);
    frechet_free(&half);
    feature_set_free(&even);
    feature_set_free(&odd);
    return rc;
}

/* Moves the rows of the kept images to the front. */
static void gather(const struct features *f, const int64_t *kept, int64_t n,
                   struct feature_set *set)
{
    for (int64_t i = 0; i < n; i++) { /* kept[i] >= i, so no row is lost */
        memmove(set->features + i * f->d, set->features + kept[i] * f->d,
                (size_t)f->d * sizeof set->features[0]);
        if (set->logits != NULL)
            memmove(set->logits + i * f->classes, set->logits + kept[i] * f->classes,
                    (size_t)f->classes * sizeof set->logits[0]);
    }
    set->n = n;
}

static int compare_top(struct hybrid *h, const struct frechet_gaussian *reference,
                       struct feature_set *set)
{
    int64_t *kept, n = 0;
    char name[32];
    int rc;

    if (arg.keep == 100)
        return EXIT_OK;
    kept = malloc((size_t)set->n * sizeof *kept);
    rc = kept == NULL ? report_no_memory()
                      : hybrid_samples_keep(h->e.model, &h->samples, arg.keep, kept, &n);
    if (rc == EXIT_OK) {
        gather(&h->features, kept, n, set);
        snprintf(name, sizeof name, "samples, top %" PRId64 " %%", arg.keep);
        rc = compare(h, name, set, reference, &h->row[TOP]);
    }
    free(kept);
    return rc;
}

static int compare_all(struct hybrid *h)
{
    struct feature_set train = {0}, starts = {0}, ends = {0};
    struct frechet_gaussian reference = {0};
    struct features *f = &h->features;
    int rc = features_of_data(f, "training images", h->train, arg.reference, &train);

    if (rc == EXIT_OK)
        rc = compare_real(h, &train);
    if (rc == EXIT_OK)
        rc = frechet_fit(train.features, train.n, f->d, train.what, &reference);
    feature_set_free(&train);
    if (rc == EXIT_OK)
        rc = features_of_images(f, "starts", h->samples.starts, h->samples.n, &starts);
    if (rc == EXIT_OK)
        rc = compare(h, "starts", &starts, &reference, &h->row[STARTS]);
    if (rc == EXIT_OK)
        rc = features_of_images(f, "samples", h->samples.ends, h->samples.n, &ends);
    if (rc == EXIT_OK)
        rc = compare(h, "samples", &ends, &reference, &h->row[ALL]);
    if (rc == EXIT_OK)
        rc = compare_top(h, &reference, &ends);
    feature_set_free(&starts);
    feature_set_free(&ends);
    frechet_free(&reference);
    return rc;
}

/* The row that stands for the model. */
static const struct row *judged(const struct hybrid *h)
{
    return &h->row[h->row[TOP].n > 0 ? TOP : ALL];
}

/* --- Results -------------------------------------------------------------------------------- */

/* Table 1 as it is printed in the paper. */
static const struct {
    const char *kind, *model, *accuracy, *score, *fid;
} paper[] = {
    {"hybrid", "Residual Flow", "70.3", "3.6", "46.4"},
    {"hybrid", "Glow", "67.6", "3.92", "48.9"},
    {"hybrid", "IGEBM", "49.1", "8.3", "37.9"},
    {"hybrid", "JEM, p(x|y) factored", "30.1", "6.36", "61.8"},
    {"hybrid", "JEM", "92.9", "8.76", "38.4"},
    {"discriminative", "Wide-ResNet", "95.8", "-", "-"},
    {"generative", "SNGAN", "-", "8.59", "25.5"},
    {"generative", "NCSN", "-", "8.91", "25.32"},
};

static void number(struct table *t, int digits, double value)
{
    if (isfinite(value))
        table_cell(t, "%.*f", digits, value);
    else
        table_cell(t, "-");
}

/* The paper's rows and this model's. A distance that is not FID has no place in it. */
static int print_table_1(const struct hybrid *h)
{
    static const char *const headings[] = {"class", "model", ">accuracy %",
                                           ">IS",   ">FID",  NULL};
    struct table *t = table_create(headings);
    const int fid =
        h->features.inception != NULL && inception_is_published(h->features.inception);
    int rc;

    if (t == NULL)
        return report_no_memory();
    for (size_t i = 0; i < sizeof paper / sizeof paper[0]; i++) {
        table_cell(t, "%s", paper[i].kind);
        table_cell(t, "%s", paper[i].model);
        table_cell(t, "%s", paper[i].accuracy);
        table_cell(t, "%s", paper[i].score);
        table_cell(t, "%s", paper[i].fid);
    }
    table_cell(t, "here");
    table_cell(t, "%s", arg.model);
    number(t, 2, 100 * h->accuracy);
    number(t, 2, fid ? judged(h)->is_mean : (double)NAN);
    number(t, 2, fid ? judged(h)->frechet : (double)NAN);
    printf("Table 1 of the paper, of CIFAR-10 (how many samples its IS and FID are of, and how "
           "they were\nchosen, is not published), and this model on %s:\n\n",
           arg.data);
    rc = table_print(t, stdout);
    table_free(t);
    return rc;
}

static int print_rows(const struct hybrid *h)
{
    char distance[64];
    const char *const headings[] = {"images", ">number", ">against",  distance,
                                    ">IS",    ">+-",     (char *)NULL};
    struct table *t;
    int rc;

    snprintf(distance, sizeof distance, ">%s", h->features.distance);
    t = table_create(headings);
    if (t == NULL)
        return report_no_memory();
    for (int i = 0; i < ROWS; i++) {
        if (h->row[i].n == 0)
            continue;
        table_cell(t, "%s", h->row[i].name);
        table_cell(t, "%" PRId64, h->row[i].n);
        table_cell(t, "%" PRId64, h->row[i].against);
        number(t, 4, h->row[i].frechet);
        number(t, 3, h->row[i].is_mean);
        number(t, 3, h->row[i].is_std);
    }
    printf("\nSamples of this model, where its chains start, and real images:\n\n");
    rc = table_print(t, stdout);
    table_free(t);
    if (rc == EXIT_OK)
        printf(
            "\nnumber    images of the set\n"
            "against   training images that it is compared to\n"
            "starts    where chains begin: what the steps have gained is the difference\n"
            "real      what a distance is of images that are not samples; it is luck below\n\n"
            "%.4f s per image for its features\n",
            h->features.seconds / (double)h->features.images);
    return rc;
}

static void describe_features(const struct hybrid *h, char *out, size_t room)
{
    const char *slash = arg.classifier == NULL ? NULL : strrchr(arg.classifier, '/');
    const char *source;

    if (h->features.inception == NULL) {
        snprintf(out, room,
                 "FD-clf is the Frechet distance of the %" PRId64
                 " features that the classifier %s makes its logits of; it is not FID, and "
                 "compares models only under "
                 "the same classifier.",
                 h->features.d, slash == NULL ? arg.classifier : slash + 1);
        return;
    }
    source = inception_source(h->features.inception);
    snprintf(
        out, room,
        "Inception-v3 of 2015-12-05 (weights %s, source SHA-256 %.8s) on the bytes%s, resized "
        "to 299 x 299 as by TensorFlow 1, (v - 128) / 128; distance of pool_3; IS of logits "
        "without bias, %d splits %s, mean and standard deviation of the splits.",
        inception_is_published(h->features.inception) ? "as published"
                                                      : "NOT the published ones",
        source == NULL ? "unknown" : source,
        h->e.shape[0] == 1 ? ", the grey channel three times" : "", INCEPTION_SCORE_SPLITS,
        arg.in_order ? "in the order of the images" : "in torch-fidelity's random order");
}

static void set_protocol(struct hybrid *h)
{
    char accuracy[256], features[512];
    char top[160] = "All samples count.";

    if (isfinite(h->accuracy))
        snprintf(accuracy, sizeof accuracy,
                 "Accuracy of argmax p(y|x) on %" PRId64 " test images, without noise.",
                 h->test.n);
    else
        snprintf(accuracy, sizeof accuracy, "No accuracy: %s.", h->no_classes);
    if (arg.chains == 0) {
        experiment_set_protocol(&h->e, "%s", accuracy);
        return;
    }
    if (arg.keep < 100)
        snprintf(top, sizeof top,
                 "The model's row is of the %" PRId64 " %% of each predicted class with the "
                 "largest p(y|x), as SADA-JEM's.",
                 arg.keep);
    describe_features(h, features, sizeof features);
    experiment_set_protocol(
        &h->e,
        "%s Samples: %s. %s All images are looked at as bytes, round(clip((x + 1) / 2, 0, 1) * "
        "255). %s The reference are %" PRId64
        " training images of %s, evenly spaced; real images are "
        "every other one of it, at most as many as samples, against the rest. Frechet distance "
        "with covariances of N - 1, in double precision; it grows as sets shrink.",
        accuracy, h->samples.how, top, features, arg.reference, arg.data);
}

static json_t *row_json(const struct row *r)
{
    json_t *json = json_pack("{ss sI sI}", "images", r->name, "n", r->n, "against", r->against);

    json_set_number(json, "frechet", r->frechet);
    json_set_number(json, "is_mean", r->is_mean);
    json_set_number(json, "is_std", r->is_std);
    return json;
}

static int write_json(struct hybrid *h)
{
    json_t *json = h->e.json, *rows = json_array();
    const int any = arg.chains > 0;
    const struct row *r = judged(h);

    json_set_number(json, "accuracy", h->accuracy);
    json_object_set_new(json, "no_classes",
                        h->no_classes == NULL ? json_null() : json_string(h->no_classes));
    json_set_number(json, "is_mean", any ? r->is_mean : (double)NAN);
    json_set_number(json, "is_std", any ? r->is_std : (double)NAN);
    json_set_number(json, "frechet", any ? r->frechet : (double)NAN);
    json_set_number(json, "frechet_starts", any ? h->row[STARTS].frechet : (double)NAN);
    json_set_number(json, "frechet_real", any ? h->row[REAL].frechet : (double)NAN);
    json_object_set_new(json, "features", any ? json_string(h->features.name) : json_null());
    json_object_set_new(json, "distance",
                        any ? json_string(h->features.distance) : json_null());
    json_object_set_new(json, "n_samples", json_integer(r->n));
    json_set_number(json, "seconds_per_image",
                    any ? h->features.seconds / (double)h->features.images : (double)NAN);
    for (int i = 0; i < ROWS; i++)
        if (h->row[i].n > 0)
            json_array_append_new(rows, row_json(&h->row[i]));
    json_object_set_new(json, "rows", rows);
    return experiment_write(&h->e, arg.json);
}

/* The first images; of a buffer, which may be sorted by class, some from all of it. */
static int write_picture(const struct hybrid *h, const char *name, const float *x)
{
    const struct hybrid_samples *s = &h->samples;
    const int64_t n = s->n < SHOWN ? s->n : SHOWN, step = s->stored > 0 ? s->n / n : 1;
    float *shown = malloc((size_t)(n * s->size) * sizeof *shown);
    char path[FILE_PATH_BYTES];
    int rc = shown == NULL ? report_no_memory() : file_join(path, arg.out, name);

    for (int64_t i = 0; i < n && rc == EXIT_OK; i++)
        memcpy(shown + i * s->size, x + i * step * s->size, (size_t)s->size * sizeof *shown);
    if (rc == EXIT_OK)
        rc = image_write_grid(path, shown, n, h->e.shape, 10);
    free(shown);
    return rc;
}

static int judge_samples(struct hybrid *h)
{
    int rc = hybrid_samples_draw(&h->samples, &h->progress);

    if (rc == EXIT_OK)
        rc = compare_all(h);
    if (rc == EXIT_OK && arg.out != NULL)
        rc = write_picture(h, "samples.png", h->samples.ends);
    if (rc == EXIT_OK && arg.out != NULL)
        rc = write_picture(h, "starts.png", h->samples.starts);
    return rc;
}

static int run(struct hybrid *h)
{
    int rc;

    progress_start(&h->progress, arg.quiet);
    rc = set_up(h);
    if (rc == EXIT_OK)
        rc = classify(h);
    if (rc == EXIT_OK && arg.chains > 0)
        rc = judge_samples(h);
    if (rc == EXIT_OK) {
        set_protocol(h);
        rc = print_table_1(h);
    }
    if (rc == EXIT_OK && arg.chains > 0)
        rc = print_rows(h);
    if (rc == EXIT_OK) {
        experiment_print_protocol(&h->e);
        rc = write_json(h);
    }
    return rc;
}

int main(int argc, char **argv)
{
    struct hybrid h = {0};
    int rc = cli_parse(&command_line, argc, argv);

    if (rc == CLI_GO)
        rc = check_arguments();
    if (rc == CLI_GO)
        rc = report_flush(run(&h));
    tear_down(&h);
    cli_list_free(&arg.presets);
    cli_list_free(&arg.sets);
    return rc;
}
