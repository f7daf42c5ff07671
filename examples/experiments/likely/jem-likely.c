/* SPDX-License-Identifier: MIT */

/* jem-likely: which images does a model find the most and the least likely? (JEM, appendix.)
 *
 * Images are ranked by
 *
 *     log_px     log p(x) + log Z        = logsumexp_k f(x)[k]
 *     log_pxy    log p(x|y) + log Z(y)   = f(x)[y]         within a class only: Z(y) differs
 *     log_py     log p(y|x)              = log_pxy - log_px
 *
 * y being an image's label, or, where it has none, the class the model gives it. The same for
 * samples of the model, if asked. */

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
#include "kit/data/checkpoint.h"
#include "kit/data/data.h"
#include "kit/images/image.h"
#include "kit/lab/class_meaning.h"
#include "kit/lab/evaluate.h"
#include "kit/lab/experiment.h"

#define BATCH  250
#define LISTED 5 /* images of each overall ranking that are shown on stdout */

static struct {
    const char *model, *data, *samples, *out, *json, *backend;
    int64_t count, count_samples, rows, columns, seed, threads;
    int quiet;
} arg;

static const struct cli_option options[] = {
    {"Model and images", "model", "FILE", "a model or a training (.safetensors)", NULL,
     .text = &arg.model},
    {NULL, "data", "KIND", "the images, its test split: " DATA_HELP, "fashion-mnist",
     .text = &arg.data},
    {NULL, "count", "N", "only N of them, evenly spaced; 0: all", "0", .integer = &arg.count,
     .max = INT64_MAX},
    {NULL, "samples", "FILE",
     "rank samples too: the replay buffer of a training (.safetensors), or an array (.npy)",
     NULL, .text = &arg.samples},
    {NULL, "count-samples", "N", "only N of them, evenly spaced; 0: all", "0",
     .integer = &arg.count_samples, .max = INT64_MAX},
    {"Results", "out", "DIR", "folder for the pictures and captions.txt", NULL,
     .text = &arg.out},
    {NULL, "columns", "N", "images in a row of a picture; a row per class in those by class",
     "10", .integer = &arg.columns, .min = 1, .max = 1000},
    {NULL, "rows", "N", "rows of a picture of all classes together", "4", .integer = &arg.rows,
     .min = 1, .max = 1000},
    {NULL, "json", "FILE", "the captions for programs", NULL, .text = &arg.json, .written = 1},
    {NULL, "seed", "N", "noted with the results; nothing here is random", "1",
     .integer = &arg.seed},
    {NULL, "quiet", NULL, "no progress on stderr", NULL, .flag = &arg.quiet},
    {"Computing", "threads", "N", "0: one per processor; changes no result", "0",
     .integer = &arg.threads, .max = 64},
    {NULL, "backend", "NAME", BACKEND_HELP, "cpu", .text = &arg.backend},
};

static const struct cli command_line = {
    .program = "jem-likely",
    .usage = "--model FILE --out DIR [options]",
    .about = "Show the images that a model finds the most and the least likely, by log p(x), "
             "log p(x|y) and log p(y|x), overall and per class.",
    .notes = "Examples:\n"
             "  jem-likely --model demo/best.safetensors --out likely\n"
             "  jem-likely --model demo/best.safetensors --samples demo/last.safetensors "
             "--out likely\n",
    .options = options,
    .count = (int)(sizeof options / sizeof options[0]),
};

enum { LOG_PX, LOG_PXY, LOG_PY, SCORES };
static const char *const names[SCORES] = {"log_px", "log_pxy", "log_py"};

/* A set of images, or the samples, with what the model says. */
struct ranked {
    const char *name; /* "test", "samples" */
    struct image_input in;
    struct evaluation e;
    int32_t *y;            /* the label, or the prediction */
    double *score[SCORES]; /* n each */
};

struct likely {
    struct experiment e;
    struct progress progress;
    const char *no_classes; /* why there is only log p(x); NULL: there is all */
    struct ranked set[2];
    int sets;
    struct table *captions; /* of all pictures */
    struct table *shown;    /* on stdout */
    json_t *pictures;
};

static int check_arguments(void)
{
    if (arg.model != NULL && arg.out == NULL)
        return report_usage("--out DIR is missing: where should the pictures go?");
    return CLI_GO;
}

static int read_samples(struct likely *l, struct image_input *out)
{
    const struct cli_list one = {&arg.samples, 1};
    const int64_t most = arg.count_samples > 0 ? arg.count_samples : INT64_MAX;
    struct checkpoint file;
    int rc;

    if (file_has_ending(arg.samples, ".npy")) {
        rc = image_input_files(&one, l->e.shape, out);
        out->n = out->n < most ? out->n : most;
        if (rc == EXIT_OK)
            image_spread(out->x, out->of, out->n,
                         l->e.shape[0] * l->e.shape[1] * l->e.shape[2]);
        return rc;
    }
    rc = checkpoint_open(arg.samples, &file);
    if (rc == EXIT_OK)
        rc = checkpoint_buffer(&file, l->e.shape, most, &out->x, &out->n, &out->of);
    checkpoint_close(&file);
    return rc;
}

/* log p(y|x) is summed over the other classes, so that images of which the model is nearly
 * certain can still be told apart. */
static double log_posterior(const float *f, int64_t classes, int64_t y)
{
    double top = -HUGE_VAL, others = 0;

    for (int64_t k = 0; k < classes; k++)
        top = k != y ? fmax(top, (double)f[k]) : top;
    for (int64_t k = 0; k < classes; k++)
        others += k != y ? exp((double)f[k] - top) : 0;
    top += log(others) - (double)f[y]; /* log of (1 - p) / p */
    return top > 0 ? -top - log1p(exp(-top)) : -log1p(exp(top));
}

static int score(struct likely *l, struct ranked *r)
{
    const int64_t n = r->in.n, classes = l->e.shape[3];
    int rc;

    progress_show(&l->progress, "scoring %" PRId64 " images: %s", n, r->name);
    rc = evaluate_images(l->e.model, r->in.x, n, BATCH, &r->e);
    r->y = malloc((size_t)n * sizeof *r->y);
    if (rc == EXIT_OK && r->y == NULL)
        rc = report_no_memory();
    for (int s = 0; s < SCORES && rc == EXIT_OK; s++) {
        r->score[s] = malloc((size_t)n * sizeof *r->score[s]);
        rc = r->score[s] == NULL ? report_no_memory() : EXIT_OK;
    }
    for (int64_t i = 0; i < n && rc == EXIT_OK; i++) {
        const float *f = r->e.logits + i * classes;

        r->y[i] = r->in.labels != NULL && r->in.labels[i] >= 0 ? r->in.labels[i] : r->e.pred[i];
        r->score[LOG_PX][i] = (double)r->e.log_px[i];
        r->score[LOG_PXY][i] = (double)f[r->y[i]];
        r->score[LOG_PY][i] = classes > 1 ? log_posterior(f, classes, r->y[i]) : 0;
        if (l->no_classes != NULL)
            r->e.pred[i] = -1; /* none */
    }
    return rc;
}

struct rank {
    double score;
    int64_t image;
};

/* Falling; equal scores in the order of the images. */
static int compare_ranks(const void *a, const void *b)
{
    const struct rank *x = a, *y = b;

    if (x->score != y->score)
        return x->score < y->score ? 1 : -1;
    return (x->image > y->image) - (x->image < y->image);
}

/* The images of class y (-1: all) by falling score, or by rising; returns how many. */
static int64_t rank(const struct ranked *r, int s, int32_t y, int least, struct rank *out)
{
    int64_t n = 0;

    for (int64_t i = 0; i < r->in.n; i++)
        if (y < 0 || r->y[i] == y)
            out[n++] = (struct rank){least ? -r->score[s][i] : r->score[s][i], i};
    qsort(out, (size_t)n, sizeof *out, compare_ranks);
    return n;
}

static void class_cell(struct table *t, int64_t y)
{
    const char *name = y < 0 ? "-" : data_class_name(arg.data, y);

    if (name == NULL)
        table_cell(t, "%" PRId64, y);
    else
        table_cell(t, "%s", name);
}

static void caption(const struct ranked *r, const char *file, int s, int64_t at, int64_t image,
                    struct table *t)
{
    table_cell(t, "%s", file);
    table_cell(t, "%" PRId64, at / arg.columns + 1);
    table_cell(t, "%" PRId64, at % arg.columns + 1);
    table_cell(t, "%" PRId64, image_input_number(&r->in, image));
    class_cell(t, r->in.labels != NULL ? r->in.labels[image] : -1);
    class_cell(t, r->e.pred[image]);
    table_cell(t, "%.5g", r->score[s][image]);
}

/* Place `at` of a picture: the image itself, its caption, its entry. */
static void place(struct likely *l, const struct ranked *r, const char *file, int s, int64_t at,
                  int64_t image, float *grid, json_t *images)
{
    const int64_t size = l->e.shape[0] * l->e.shape[1] * l->e.shape[2];
    const int64_t row = at / arg.columns + 1, column = at % arg.columns + 1;
    json_t *one = json_object();

    memcpy(grid + at * size, r->in.x + image * size, (size_t)size * sizeof *grid);
    caption(r, file, s, at, image, l->captions);
    json_set_number(one, "row", (double)row);
    json_set_number(one, "column", (double)column);
    json_set_number(one, "index", (double)image_input_number(&r->in, image));
    json_set_number(one, "label", r->in.labels != NULL ? (double)r->in.labels[image] : -1);
    json_set_number(one, "prediction", (double)r->e.pred[image]);
    json_set_number(one, "score", r->score[s][image]);
    json_array_append_new(images, one);
}

/* One picture: all classes together, or a row per class. Places without an image stay white. */
static int draw(struct likely *l, const struct ranked *r, int s, int by_class, int least)
{
    const int64_t rows = by_class ? l->e.shape[3] : arg.rows, cells = rows * arg.columns;
    const int64_t size = l->e.shape[0] * l->e.shape[1] * l->e.shape[2];
    struct rank *order = malloc((size_t)r->in.n * sizeof *order);
    float *grid = malloc((size_t)(cells * size) * sizeof *grid);
    json_t *images = json_array();
    char file[64], path[FILE_PATH_BYTES];
    int rc = order == NULL || grid == NULL ? report_no_memory() : EXIT_OK;

    snprintf(file, sizeof file, "%s-%s%s-%s.png", r->name, names[s], by_class ? "-class" : "",
             least ? "least" : "most");
    for (int64_t i = 0; i < cells * size && rc == EXIT_OK; i++)
        grid[i] = 1;
    for (int64_t row = 0; row < (by_class ? rows : 1) && rc == EXIT_OK; row++) {
        const int64_t n = rank(r, s, by_class ? (int32_t)row : -1, least, order);
        const int64_t room = by_class ? arg.columns : cells;

        for (int64_t i = 0; i < n && i < room; i++) {
            place(l, r, file, s, row * arg.columns + i, order[i].image, grid, images);
            if (!by_class && i < LISTED)
                caption(r, file, s, i, order[i].image, l->shown);
        }
    }
    if (rc == EXIT_OK)
        rc = file_join(path, arg.out, file);
    if (rc == EXIT_OK)
        rc = image_write_grid(path, grid, cells, l->e.shape, arg.columns);
    json_array_append_new(l->pictures, json_pack("{ss ss ss ss so}", "file", file, "set",
                                                 r->name, "score", names[s], "end",
                                                 least ? "least" : "most", "images", images));
    free(order);
    free(grid);
    return rc;
}

static int draw_all(struct likely *l, const struct ranked *r)
{
    const int scores = l->no_classes == NULL ? SCORES : LOG_PX + 1;
    const int ways = l->no_classes == NULL ? 2 : 1; /* overall, by class */
    int rc = EXIT_OK;

    for (int s = 0; s < scores; s++)
        for (int by_class = s == LOG_PXY; by_class < ways; by_class++)
            for (int least = 0; least < 2 && rc == EXIT_OK; least++)
                rc = draw(l, r, s, by_class, least);
    return rc;
}

static int write_captions(const struct likely *l)
{
    char path[FILE_PATH_BYTES];
    FILE *f = NULL;
    int rc = file_join(path, arg.out, "captions.txt"), sound;

    if (rc == EXIT_OK) {
        f = fopen(path, "w");
        rc = f == NULL ? report_failed("cannot write %s", path) : table_print(l->captions, f);
    }
    sound = f == NULL || !ferror(f);
    sound = (f == NULL || fclose(f) == 0) && sound;
    return rc == EXIT_OK && !sound ? report_failed("cannot write %s", path) : rc;
}

static int set_up(struct likely *l)
{
    static const char *const headings[] = {"picture", ">row",       ">column", ">image",
                                           "label",   "prediction", ">score",  NULL};
    int rc = experiment_open(arg.model, arg.backend, arg.threads, arg.seed, &l->e);

    l->set[0].name = "test";
    l->set[1].name = "samples";
    l->sets = arg.samples != NULL ? 2 : 1;
    if (rc == EXIT_OK)
        rc = class_meaning(arg.model, l->e.shape[3], &l->no_classes);
    if (rc == EXIT_OK)
        rc = experiment_data(&l->e, arg.data, "test", arg.count, 1, &l->set[0].in);
    if (rc == EXIT_OK && arg.samples != NULL)
        rc = read_samples(l, &l->set[1].in);
    if (rc == EXIT_OK)
        rc = file_make_folder(arg.out);
    l->captions = table_create(headings);
    l->shown = table_create(headings);
    l->pictures = json_array();
    if (rc == EXIT_OK && (l->captions == NULL || l->shown == NULL || l->pictures == NULL))
        rc = report_no_memory();
    return rc;
}

static int run(struct likely *l)
{
    int rc = set_up(l);

    progress_start(&l->progress, arg.quiet);
    for (int i = 0; i < l->sets && rc == EXIT_OK; i++)
        rc = score(l, &l->set[i]);
    progress_clear(&l->progress);
    for (int i = 0; i < l->sets && rc == EXIT_OK; i++)
        rc = draw_all(l, &l->set[i]);
    if (rc == EXIT_OK)
        rc = write_captions(l);
    if (rc == EXIT_OK)
        rc = table_print(l->shown, stdout);
    if (rc != EXIT_OK)
        return rc;
    printf("\npictures   %s/*.png, with all captions in captions.txt\n", arg.out);
    experiment_set_protocol(
        &l->e,
        "%" PRId64
        " test images%s. log_px: log p(x) + log Z; log_pxy: log p(x|y) + log Z(y), to "
        "be compared within a class only; log_py: log p(y|x). y is the label or, without one, "
        "the "
        "prediction. Equal scores in the order of the images. Values beyond the range of an "
        "image "
        "are cut in the pictures, not before scoring.%s%s%s",
        l->set[0].in.n,
        arg.samples == NULL                    ? ""
        : file_has_ending(arg.samples, ".npy") ? " and samples from an array"
                                               : " and samples from a replay buffer",
        l->no_classes == NULL ? ""
                              : " Predictions and pictures that need classes are left out: ",
        l->no_classes == NULL ? "" : l->no_classes, l->no_classes == NULL ? "" : ".");
    experiment_print_protocol(&l->e);
    json_object_set(l->e.json, "pictures", l->pictures);
    return experiment_write(&l->e, arg.json);
}

int main(int argc, char **argv)
{
    struct likely l = {0};
    int rc = cli_parse(&command_line, argc, argv);

    if (rc == CLI_GO)
        rc = check_arguments();
    if (rc == CLI_GO)
        rc = report_flush(run(&l));
    for (int i = 0; i < 2; i++) {
        evaluate_free(&l.set[i].e);
        image_input_free(&l.set[i].in);
        free(l.set[i].y);
        for (int s = 0; s < SCORES; s++)
            free(l.set[i].score[s]);
    }
    table_free(l.captions);
    table_free(l.shown);
    json_decref(l.pictures);
    experiment_close(&l.e);
    return rc;
}
