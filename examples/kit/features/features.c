/* SPDX-License-Identifier: MIT */

#include "kit/features/features.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kit/base/file.h"
#include "kit/base/report.h"
#include "kit/base/table.h"

#define BLOCK 64 /* images between two lines of progress */

static int open_inception(jem_context *ctx, const char *path, const int64_t shape[4],
                          struct features *f)
{
    int rc;

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
    rc = inception_open(path, (int)jem_context_threads(ctx), &f->inception);
    if (rc == EXIT_OK)
        f->distance =
            inception_is_published(f->inception) ? "FID" : "FD-inception (other weights)";
    return rc;
}

static int open_classifier(jem_context *ctx, const char *path, const int64_t shape[4],
                           struct features *f)
{
    jem_model *model = NULL;
    int64_t m[4];
    int rc = report_jem(jem_model_load(ctx, path, &model));

    f->name = "classifier (last hidden layer)";
    f->distance = "FD-clf";
    if (rc == EXIT_OK)
        rc = report_jem(jem_model_shape(model, m));
    if (rc == EXIT_OK && memcmp(m, shape, 3 * sizeof m[0]) != 0)
        rc = report_failed("--features %s reads images of %" PRId64 " x %" PRId64 " x %" PRId64
                           " (channels x height x width), --model reads %" PRId64 " x %" PRId64
                           " x %" PRId64,
                           path, m[0], m[1], m[2], shape[0], shape[1], shape[2]);
    if (rc == EXIT_OK)
        rc = report_jem(jem_head_create(model, BLOCK, &f->head));
    if (rc == EXIT_OK)
        rc = report_jem(jem_model_features(model, &f->d));
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
    if (out->features == NULL || (f->classes > 0 && out->logits == NULL))
        return report_no_memory();
    return EXIT_OK;
}

int feature_set_pick(const struct features *f, const struct feature_set *set, const char *what,
                     int64_t from, int64_t step, int64_t most, struct feature_set *out)
{
    const int64_t have = (set->n - from + step - 1) / step, n = most < have ? most : have;
    int rc = allocate(f, what, n, out);

    for (int64_t i = 0; i < n && rc == EXIT_OK; i++) {
        const int64_t row = from + i * have / n * step;

        memcpy(out->features + i * f->d, set->features + row * f->d,
               (size_t)f->d * sizeof out->features[0]);
        if (f->classes > 0)
            memcpy(out->logits + i * f->classes, set->logits + row * f->classes,
                   (size_t)f->classes * sizeof out->logits[0]);
    }
    if (rc != EXIT_OK)
        feature_set_free(out);
    return rc;
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

/* m images of the block into the set's rows from `first` on. */
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

/* Images first .. first + m - 1 of n that are evenly spaced in `data`. */
static int read_block(const jem_dataset *data, int64_t first, int64_t m, int64_t n,
                      int64_t size, float *x)
{
    int64_t of = 0;
    int rc = report_jem(jem_dataset_size(data, &of));

    for (int64_t i = 0; i < m && rc == EXIT_OK; i++)
        rc = report_jem(jem_dataset_read(data, (first + i) * of / n, 1, x + i * size, NULL));
    return rc;
}

/* The images come from `x`, or from `data` where that is NULL. */
static int look(struct features *f, const float *x, const jem_dataset *data,
                struct feature_set *out)
{
    const double start = progress_clock();
    const int64_t size = image_size(f);
    float *read = malloc((size_t)(BLOCK * size) * sizeof *read);
    float *seen = malloc((size_t)(BLOCK * size) * sizeof *seen);
    uint8_t *bytes = malloc((size_t)(BLOCK * size));
    int rc = EXIT_OK;

    if (read == NULL || seen == NULL || bytes == NULL)
        rc = report_no_memory();
    for (int64_t first = 0; first < out->n && rc == EXIT_OK; first += BLOCK) {
        const int64_t m = out->n - first < BLOCK ? out->n - first : BLOCK;

        show_progress(f, out, first, start);
        if (x == NULL)
            rc = read_block(data, first, m, out->n, size, read);
        if (rc == EXIT_OK)
            rc = look_at_block(f, x == NULL ? read : x + first * size, m, first, bytes, seen,
                               out);
    }
    progress_clear(f->progress);
    f->images += out->n;
    f->seconds += progress_clock() - start;
    free(read);
    free(seen);
    free(bytes);
    return rc;
}

static int finish(struct features *f, const float *x, const jem_dataset *data,
                  struct feature_set *out, int rc)
{
    if (rc == EXIT_OK)
        rc = look(f, x, data, out);
    if (rc != EXIT_OK)
        feature_set_free(out);
    return rc;
}

int features_of_images(struct features *f, const char *what, const float *x, int64_t n,
                       struct feature_set *out)
{
    return finish(f, x, NULL, out, allocate(f, what, n, out));
}

int features_of_data(struct features *f, const char *what, const jem_dataset *data, int64_t n,
                     struct feature_set *out)
{
    return finish(f, NULL, data, out, allocate(f, what, n, out));
}
