/* SPDX-License-Identifier: MIT */

/* See features.h. */

#include "kit/features/features.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kit/base/evenly.h"
#include "kit/base/file.h"
#include "kit/base/report.h"
#include "kit/base/table.h"
#include "kit/data/checkpoint.h"

#define BLOCK 64 /* images between two lines of progress */

static int open_inception(jem_context *ctx, const char *path, const int64_t shape[4],
                          struct features *f)
{
    f->name = "inception (pool_3)";
    f->d = INCEPTION_FEATURES;
    f->classes = INCEPTION_CLASSES;
    if (shape[0] != 1 && shape[0] != 3)
        return report_failed("--inception: images of %" PRId64 " channels; FID is for grey and "
                             "colour images",
                             shape[0]);
    if (!file_exists(path))
        return report_failed(
            "--inception %s: no such file. It is made once by "
            "examples/convert/inception2safetensors.py from pytorch-fid's "
            "pt_inception-2015-12-05-6726825d.pth; --features MODEL does without it",
            path);
    TRY(inception_open(path, (int)jem_context_threads(ctx), &f->inception));
    f->distance = inception_is_published(f->inception) ? "FID" : "FD-inception (other weights)";
    return EXIT_OK;
}

static int take_classifier(jem_model *model, const char *path, const int64_t shape[4],
                           struct features *f)
{
    int64_t m[4];

    TRY(report_jem(jem_model_shape(model, m)));
    if (memcmp(m, shape, 3 * sizeof *m) != 0)
        return report_failed(
            "--features %s reads images of %" PRId64 " x %" PRId64 " x %" PRId64
            " (channels x height x width), --model reads %" PRId64 " x %" PRId64 " x %" PRId64,
            path, m[0], m[1], m[2], shape[0], shape[1], shape[2]);
    TRY(report_jem(jem_head_create(model, BLOCK, &f->head)));
    return report_jem(jem_model_features(model, &f->d));
}

static int open_classifier(jem_context *ctx, const char *path, const int64_t shape[4],
                           struct features *f)
{
    jem_model *model = NULL;
    int rc;

    f->name = "classifier (last hidden layer)";
    f->distance = "FD-clf";
    rc = report_jem(jem_model_load(ctx, path, &model));
    if (rc != EXIT_OK)
        checkpoint_advise(path);
    TRY(rc);
    rc = take_classifier(model, path, shape, f);
    jem_model_free(model); /* the head keeps it */
    return rc;
}

int features_open(jem_context *ctx, const char *inception, const char *classifier,
                  const int64_t shape[4], struct progress *progress, struct features *out)
{
    int rc;

    memset(out, 0, sizeof *out);
    memcpy(out->image, shape, sizeof out->image);
    out->progress = progress;
    rc = inception != NULL ? open_inception(ctx, inception, shape, out)
                           : open_classifier(ctx, classifier, shape, out);
    if (rc != EXIT_OK)
        features_close(out);
    return rc;
}

void features_close(struct features *f)
{
    inception_free(f->inception);
    jem_head_free(f->head);
    f->inception = NULL;
    f->head = NULL;
}

static int allocate(const struct features *f, const char *what, int64_t n,
                    struct feature_set *out)
{
    memset(out, 0, sizeof *out);
    out->what = what;
    out->n = n;
    out->features = malloc((size_t)(n * f->d + 1) * sizeof out->features[0]);
    if (f->classes > 0)
        out->logits = malloc((size_t)(n * f->classes + 1) * sizeof out->logits[0]);
    if (out->features != NULL && (f->classes == 0 || out->logits != NULL))
        return EXIT_OK;
    feature_set_free(out);
    return report_no_memory();
}

int feature_set_pick(const struct features *f, const struct feature_set *set, const char *what,
                     int64_t from, int64_t step, int64_t most, struct feature_set *out)
{
    const int64_t have = (set->n - from + step - 1) / step, n = most < have ? most : have;

    TRY(allocate(f, what, n, out));
    for (int64_t i = 0; i < n; i++) {
        const int64_t row = from + evenly(i, n, have) * step;

        memcpy(out->features + i * f->d, set->features + row * f->d,
               (size_t)f->d * sizeof *out->features);
        if (f->classes > 0)
            memcpy(out->logits + i * f->classes, set->logits + row * f->classes,
                   (size_t)f->classes * sizeof *out->logits);
    }
    return EXIT_OK;
}

void feature_set_keep(const struct features *f, struct feature_set *set, const int64_t *kept,
                      int64_t n)
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

void feature_set_free(struct feature_set *set)
{
    free(set->features);
    free(set->logits);
    memset(set, 0, sizeof *set);
}

static int64_t image_size(const struct features *f)
{
    return f->image[0] * f->image[1] * f->image[2];
}

static uint8_t to_byte(float x)
{
    return (uint8_t)lround(fmin(fmax(((double)x + 1) / 2, 0), 1) * 255);
}

/* m images of a block into the set's rows from `first` on. */
static int look_at_block(struct features *f, const float *x, int64_t m, int64_t first,
                         uint8_t *bytes, float *seen, struct feature_set *out)
{
    const int64_t area = f->image[1] * f->image[2], size = image_size(f);
    float *features = out->features + first * f->d;

    if (f->inception != NULL) { /* channels last */
        for (int64_t i = 0; i < m; i++)
            for (int64_t c = 0; c < f->image[0]; c++)
                for (int64_t j = 0; j < area; j++)
                    bytes[i * size + j * f->image[0] + c] = to_byte(x[i * size + c * area + j]);
        return inception_run(f->inception, bytes, m, f->image[0], f->image[1], f->image[2],
                             features, out->logits + first * f->classes);
    }
    for (int64_t j = 0; j < m * size; j++)
        seen[j] = (float)to_byte(x[j]) / 127.5f - 1.0f;
    return report_jem(jem_head_features(f->head, seen, m, features, m * f->d));
}

static void show_progress(const struct features *f, const struct feature_set *set, int64_t done,
                          double start)
{
    char left[32];

    if (done > 0 && progress_due(f->progress))
        progress_show(
            f->progress, "features of %s: %" PRId64 "/%" PRId64 "  left %s", set->what, done,
            set->n,
            format_duration((progress_clock() - start) / (double)done * (double)(set->n - done),
                            left));
}

/* Where images come from: `x`, or `data` where that is NULL. */
struct source {
    const float *x;
    const jem_dataset *data;
    int64_t n, of; /* n of the data set's, evenly spaced */
};

/* Memory for a block: as it is read, as bytes, and as the classifier sees it. */
struct block {
    float *read, *seen;
    uint8_t *bytes;
};

static int read_block(const struct source *from, int64_t first, int64_t m, int64_t size,
                      float *x)
{
    for (int64_t i = 0; i < m; i++)
        TRY(report_jem(jem_dataset_read(from->data, evenly(first + i, from->n, from->of), 1,
                                        x + i * size, NULL)));
    return EXIT_OK;
}

static int look_at_all(struct features *f, const struct source *from, struct block *block,
                       struct feature_set *out)
{
    const double start = progress_clock();
    const int64_t size = image_size(f);

    if (block->read == NULL || block->seen == NULL || block->bytes == NULL)
        return report_no_memory();
    for (int64_t first = 0; first < out->n; first += BLOCK) {
        const int64_t m = out->n - first < BLOCK ? out->n - first : BLOCK;
        const float *x = from->x == NULL ? block->read : from->x + first * size;

        show_progress(f, out, first, start);
        if (from->x == NULL)
            TRY(read_block(from, first, m, size, block->read));
        TRY(look_at_block(f, x, m, first, block->bytes, block->seen, out));
    }
    f->images += out->n;
    f->seconds += progress_clock() - start;
    return EXIT_OK;
}

static int look(struct features *f, const char *what, const struct source *from,
                struct feature_set *out)
{
    const size_t values = (size_t)(BLOCK * image_size(f));
    struct block block;
    int rc;

    TRY(allocate(f, what, from->n, out));
    block = (struct block){malloc(values * sizeof *block.read),
                           malloc(values * sizeof *block.seen), malloc(values)};
    rc = look_at_all(f, from, &block, out);
    progress_clear(f->progress);
    free(block.read);
    free(block.seen);
    free(block.bytes);
    if (rc != EXIT_OK)
        feature_set_free(out);
    return rc;
}

int features_of_images(struct features *f, const char *what, const float *x, int64_t n,
                       struct feature_set *out)
{
    return look(f, what, &(struct source){.x = x, .n = n}, out);
}

int features_of_data(struct features *f, const char *what, const jem_dataset *data, int64_t n,
                     struct feature_set *out)
{
    struct source from = {.data = data, .n = n};

    memset(out, 0, sizeof *out);
    TRY(report_jem(jem_dataset_size(data, &from.of)));
    return look(f, what, &from, out);
}
