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
#include <stdlib.h>
#include <string.h>

#include "kit/base/file.h"
#include "kit/base/json_log.h"
#include "kit/data/checkpoint.h"
#include "kit/images/image.h"
#include "kit/lab/lab.h"
#include "kit/stats/logits.h"
#include "kit/stats/sorted.h"

#define LISTED 5 /* images of each overall ranking that are shown on stdout */

static struct lab lab;
static struct {
    const char *samples;
    int64_t count_samples, rows, columns;
} arg;

static const struct cli_option options[] = {
    LAB_MODEL(lab, "Model and images"),
    LAB_DATA(lab, "the images, its test split: "),
    LAB_COUNT(lab, "of them"),
    {NULL, "samples", "FILE",
     "rank samples too: the replay buffer of a training (.safetensors), or an array (.npy)",
     NULL, .text = &arg.samples},
    {NULL, "count-samples", "N", "only N of them, evenly spaced; 0: all", "0",
     .integer = &arg.count_samples, .max = INT64_MAX},
    LAB_OUT(lab, "Results", "folder for the pictures and captions.txt"),
    {NULL, "columns", "N", "images in a row of a picture; a row per class in those by class",
     "10", .integer = &arg.columns, .min = 1, .max = 1000},
    {NULL, "rows", "N", "rows of a picture of all classes together", "4", .integer = &arg.rows,
     .min = 1, .max = 1000},
    LAB_SEED(lab, "noted with the results; nothing here is random"),
    LAB_REST(lab),
};

static int check(void)
{
    return lab.out != NULL
               ? CLI_GO
               : report_usage("--out DIR is missing: where should the pictures go?");
}

static const struct cli command_line = {
    .program = "jem-likely",
    .usage = "--model FILE --out DIR [options]",
    .about = "Show the images that a model finds the most and the least likely, by log p(x), "
             "log p(x|y) and log p(y|x), overall and per class.",
    .notes = "Examples:\n"
             "  jem-likely --model demo/best.safetensors --out likely\n"
             "  jem-likely --model demo/best.safetensors --samples demo/last.safetensors "
             "--out likely\n",
    CLI_OPTIONS(options),
    .check = check,
};

/* A row per place in a picture. In the file they are parts of the pictures. */
static const struct record_column columns[] = {
    {NULL, "picture", .kind = RECORD_TEXT},
    {"row", "row", .kind = RECORD_WHOLE},
    {"column", "column", .kind = RECORD_WHOLE},
    {"index", "image", .kind = RECORD_WHOLE},
    {"label", "label", .kind = RECORD_WHOLE, .left = 1},
    {"prediction", "prediction", .kind = RECORD_WHOLE, .left = 1},
    {"score", "score", .kind = RECORD_DIGITS, .decimals = 5},
};

static const struct record_layout captions = {.title = "captions", RECORD_COLUMNS(columns)};

enum { LOG_PX, LOG_PXY, LOG_PY, SCORES };
static const char *const names[SCORES] = {"log_px", "log_pxy", "log_py"};

/* A set of images, or the samples, with what the model says. */
struct ranked {
    const char *name; /* "test", "samples" */
    const struct image_input *in;
    int32_t *y, *prediction; /* the label, or else the prediction; -1: none */
    double *score[SCORES];   /* one per image each */
};

static void release_samples(void *samples)
{
    image_input_free(samples);
    free(samples);
}

static const struct image_input *read_samples(void)
{
    const struct cli_list one = {&arg.samples, 1};
    const int64_t most = arg.count_samples > 0 ? arg.count_samples : INT64_MAX;
    struct image_input *in = lab_keep(&lab, calloc(1, sizeof *in), release_samples);
    struct checkpoint file;
    int rc;

    if (file_has_ending(arg.samples, ".npy")) {
        must(image_input_files(&one, lab.shape, NPY_RANGE_MODEL, in));
        in->n = in->n < most ? in->n : most;
        image_spread(in->x, in->of, in->n, lab.size);
        return in;
    }
    must(checkpoint_open(arg.samples, &file));
    rc = checkpoint_buffer(&file, lab.shape, most, &in->x, &in->n, &in->of);
    checkpoint_close(&file);
    must(rc);
    return in;
}

/* log p(y|x) is summed over the other classes, so that images of which the model is nearly
 * certain can still be told apart. */
static double log_posterior(const double *f, int64_t classes, int64_t y)
{
    const double odds = logits_logsumexp_but(f, classes, y) - f[y]; /* log of (1 - p) / p */

    return odds > 0 ? -odds - log1p(exp(-odds)) : -log1p(exp(odds));
}

static struct ranked score(const char *name, const struct image_input *in, int has_classes)
{
    struct ranked r = {.name = name, .in = in};
    const struct evaluation *e;
    double *f = lab_array(&lab, lab.classes, sizeof *f);

    progress_show(&lab.progress, "scoring %" PRId64 " images: %s", in->n, name);
    e = lab_evaluate(&lab, in);
    r.y = lab_array(&lab, in->n, sizeof *r.y);
    r.prediction = lab_array(&lab, in->n, sizeof *r.prediction);
    for (int s = 0; s < SCORES; s++)
        r.score[s] = lab_array(&lab, in->n, sizeof *r.score[s]);
    for (int64_t i = 0; i < in->n; i++) {
        for (int64_t k = 0; k < lab.classes; k++)
            f[k] = (double)e->logits[i * lab.classes + k];
        r.y[i] = e->labels[i] >= 0 ? e->labels[i] : e->pred[i];
        r.prediction[i] = has_classes ? e->pred[i] : -1;
        r.score[LOG_PX][i] = (double)e->log_px[i];
        r.score[LOG_PXY][i] = f[r.y[i]];
        r.score[LOG_PY][i] = lab.classes > 1 ? log_posterior(f, lab.classes, r.y[i]) : 0;
    }
    return r;
}

/* The images of class y (-1: all) by falling score, or by rising; equal scores in the order of the
 * images. Returns how many. */
static int64_t rank(const struct ranked *r, int s, int64_t y, int least, int64_t *out)
{
    double *value = lab_array(&lab, r->in->n, sizeof *value);
    int64_t *image = lab_array(&lab, r->in->n, sizeof *image), n = 0;

    for (int64_t i = 0; i < r->in->n; i++)
        if (y < 0 || r->y[i] == y) {
            value[n] = least ? r->score[s][i] : -r->score[s][i];
            image[n++] = i;
        }
    must(sort_order_doubles(value, n, out));
    for (int64_t i = 0; i < n; i++)
        out[i] = image[out[i]];
    lab_drop(&lab, value);
    lab_drop(&lab, image);
    return n;
}

static void record_class(struct record_table *t, const char *column, int64_t y)
{
    const char *name = y < 0 ? "-" : lab_class_name(&lab, y);

    record_whole(t, column, y);
    if (name != NULL)
        record_words(t, column, name);
}

/* The caption of place `at` of a picture. */
static void caption(struct record_table *t, const struct ranked *r, int s, int64_t image,
                    int64_t at, int64_t across, const char *picture)
{
    record_text(t, "picture", picture);
    record_whole(t, "row", at / across + 1);
    record_whole(t, "column", at % across + 1);
    record_whole(t, "index", image_input_number(r->in, image));
    record_class(t, "label", r->in->labels != NULL ? r->in->labels[image] : -1);
    record_class(t, "prediction", r->prediction[image]);
    record_number(t, "score", r->score[s][image]);
}

/* Rows (of a class, in a picture by class) and columns: no more than there are images for, but of a
 * picture by class at least half of the columns, or its images get too large. */
static void find_size(const struct ranked *r, int by_class, int64_t *rows, int64_t *across)
{
    int64_t most = by_class ? (arg.columns + 1) / 2 : r->in->n;

    for (int64_t y = 0; by_class && y < lab.classes; y++) {
        int64_t n = 0;

        for (int64_t i = 0; i < r->in->n; i++)
            n += r->y[i] == y;
        most = n > most ? n : most;
    }
    *across = most < arg.columns ? most : arg.columns;
    *rows = (most + *across - 1) / *across;
    if (*rows > (by_class ? 1 : arg.rows))
        *rows = by_class ? 1 : arg.rows;
}

/* One picture: all classes together, or a row per class. Places without an image stay white. */
static void draw(struct record_table *t, const struct ranked *r, int s, int by_class, int least)
{
    const int64_t runs = by_class ? lab.classes : 1;
    int64_t rows, across;

    find_size(r, by_class, &rows, &across);
    const int64_t places = rows * across; /* of a run */
    int64_t *order = lab_array(&lab, r->in->n, sizeof *order);
    float *grid = lab_floats(&lab, runs * places * lab.size);
    const char *end = least ? "least" : "most";
    const char *file =
        lab_text(&lab, "%s-%s%s-%s.png", r->name, names[s], by_class ? "-class" : "", end);
    json_t *pictures = json_object_get(record_json(lab.record), "pictures");
    const char *images = lab_text(&lab, "pictures.%zu.images[]", json_array_size(pictures));
    char path[FILE_PATH_BYTES];

    json_t *about = json_pack("{ss ss sI s[]}", "score", names[s], "end", end, "rows",
                              (json_int_t)runs * (json_int_t)rows, "images");

    json_set_text(about, "file", file);
    json_set_text(about, "set", r->name);
    json_array_append_new(pictures, about);
    for (int64_t j = 0; j < runs * places * lab.size; j++)
        grid[j] = 1;
    for (int64_t run = 0; run < runs; run++) {
        const int64_t n = rank(r, s, by_class ? run : -1, least, order);

        for (int64_t i = 0; i < n && i < places; i++) {
            const int64_t at = run * places + i;

            memcpy(grid + at * lab.size, r->in->x + order[i] * lab.size,
                   (size_t)lab.size * sizeof *grid);
            record_row_at(t, images);
            caption(t, r, s, order[i], at, across, file);
            if (by_class || i >= LISTED)
                record_hide(t);
        }
    }
    must(file_join(path, lab.out, file));
    must(image_write_grid(path, grid, runs * places, lab.shape, across));
    lab_drop(&lab, order);
    lab_drop(&lab, grid);
}

static void draw_all(struct record_table *t, const struct ranked *r, int has_classes)
{
    for (int s = 0; s < (has_classes ? SCORES : LOG_PX + 1); s++)
        for (int by_class = s == LOG_PXY; by_class <= has_classes; by_class++)
            for (int least = 0; least < 2; least++)
                draw(t, r, s, by_class, least);
}

static void say_protocol(int64_t n, const char *no_classes)
{
    const char *samples = "";

    if (arg.samples != NULL)
        samples = file_has_ending(arg.samples, ".npy") ? " and samples from an array"
                                                       : " and samples from a replay buffer";
    record_protocol(
        lab.record,
        "%" PRId64 " %s%s. log_px: log p(x) + log Z; log_pxy: log p(x|y) + log Z(y), to be "
        "compared within a class only; log_py: log p(y|x). y is the label or, without one, the "
        "prediction. Equal scores in the order of the images. Values beyond the range of an "
        "image are cut in the pictures, not before scoring.%s%s%s",
        n, lab_images_are(&lab), samples,
        no_classes == NULL ? "" : " Predictions and pictures that need classes are left out: ",
        no_classes == NULL ? "" : no_classes, no_classes == NULL ? "" : ".");
}

int main(int argc, char **argv)
{
    lab_begin(&lab, &command_line, argc, argv);
    lab_open(&lab);

    const char *no_classes = lab_no_classes(&lab);
    const struct image_input *test = lab_images(&lab, lab.data, "test", lab.count, 1);
    const struct image_input *samples = arg.samples == NULL ? NULL : read_samples();
    struct record_table *t = record_table(lab.record, &captions);
    struct ranked set[2] = {{0}};
    char path[FILE_PATH_BYTES];

    lab_has_folder(&lab);
    json_object_set_new(record_json(lab.record), "pictures", json_array());
    set[0] = score("test", test, no_classes == NULL);
    if (samples != NULL)
        set[1] = score("samples", samples, no_classes == NULL);
    progress_clear(&lab.progress);
    draw_all(t, &set[0], no_classes == NULL);
    if (samples != NULL)
        draw_all(t, &set[1], no_classes == NULL);
    must(file_join(path, lab.out, "captions.txt"));
    must(record_write_text(lab.record, t, path));
    record_say(lab.record, "\npictures   %s/*.png, with all captions in captions.txt\n",
               lab.out);
    say_protocol(test->n, no_classes);
    lab_tell(&lab);
    return lab_end(&lab);
}
