/* SPDX-License-Identifier: MIT */

/* A data set is read some images at a time: as floats it may be four times as large as libjem
 * holds it. */

#include "kit/data/data_stats.h"

#include <inttypes.h>
#include <math.h>
#include <sha2.h>
#include <stdlib.h>
#include <string.h>

#include "kit/base/file.h"
#include "kit/base/progress.h"
#include "kit/base/report.h"
#include "kit/formats/npy.h"

#define VALUES_AT_A_TIME ((int64_t)1 << 20)

struct walk {
    const jem_dataset *data;
    const char *what;
    int64_t n, size;      /* of the data set, of an image */
    int64_t most;         /* images at a time */
    int64_t first, count; /* those that are in x and y */
    float *x;
    int32_t *y;
    struct progress progress;
};

/* Look at the images that are in x and y. */
typedef void walk_fn(struct walk *w, void *user);

static int walk_steps(struct walk *w, walk_fn *look, void *user)
{
    if (w->x == NULL || w->y == NULL)
        return report_no_memory();
    for (; w->first < w->n; w->first += w->count) {
        w->count = w->most < w->n - w->first ? w->most : w->n - w->first;
        if (progress_due(&w->progress))
            progress_show(&w->progress, "%s: image %" PRId64 " of %" PRId64, w->what, w->first,
                          w->n);
        TRY(report_jem(jem_dataset_read(w->data, w->first, w->count, w->x, w->y)));
        look(w, user);
    }
    return EXIT_OK;
}

static int walk(const jem_dataset *data, const struct data_stats *s, const char *what,
                int quiet, walk_fn *look, void *user)
{
    const int64_t size = s->shape[0] * s->shape[1] * s->shape[2];
    struct walk w = {.data = data, .what = what, .n = s->n, .size = size};
    int rc;

    w.most = size < VALUES_AT_A_TIME ? VALUES_AT_A_TIME / size : 1;
    w.most = w.most < w.n ? w.most : w.n;
    w.x = malloc((size_t)(w.most * size) * sizeof *w.x);
    w.y = malloc((size_t)w.most * sizeof *w.y);
    progress_start(&w.progress, quiet);
    rc = walk_steps(&w, look, user);
    progress_clear(&w.progress);
    free(w.x);
    free(w.y);
    return rc;
}

/* The byte whose value this is, or -1. libjem makes the value by the same two operations, so
 * equality is exact. */
static int byte_of(float v)
{
    const long b = v >= -1.0f && v <= 1.0f ? lrintf((v + 1.0f) * 127.5f) : -1;

    return b >= 0 && (float)b / 127.5f - 1.0f == v ? (int)b : -1;
}

static void add_images(struct walk *w, void *stats)
{
    struct data_stats *s = stats;
    const int64_t pixels = s->shape[1] * s->shape[2];

    for (int64_t plane = 0; plane < w->count * s->shape[0]; plane++) {
        struct data_channel *c = &s->channel[plane % s->shape[0]];
        const float *x = w->x + plane * pixels;

        for (int64_t p = 0; p < pixels; p++) {
            const double v = ((double)x[p] + 1) / 2;

            c->mean += v;
            c->std += v * v;
            c->min = v < c->min ? v : c->min;
            c->max = v > c->max ? v : c->max;
            s->is_bytes = s->is_bytes && byte_of(x[p]) >= 0;
        }
    }
    for (int64_t i = 0; i < w->count; i++) {
        if (w->y[i] < 0)
            s->unlabelled++;
        else
            s->per_class[w->y[i]]++;
    }
}

static int add_up(const jem_dataset *data, int quiet, struct data_stats *s)
{
    const double count = (double)s->n * (double)s->shape[1] * (double)s->shape[2];

    s->is_bytes = 1;
    for (int64_t c = 0; c < s->shape[0]; c++)
        s->channel[c] = (struct data_channel){0, 0, HUGE_VAL, -HUGE_VAL};
    TRY(walk(data, s, "adding up", quiet, add_images, s));
    for (int64_t i = 0; i < s->shape[0]; i++) {
        struct data_channel *c = &s->channel[i];

        c->mean /= count;
        c->std = sqrt(fmax(c->std / count - c->mean * c->mean, 0));
    }
    return EXIT_OK;
}

/* A word as four bytes, the lowest first. */
static void hash_words(SHA2_CTX *hash, const void *words, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        uint32_t w;
        uint8_t b[4];

        memcpy(&w, (const uint8_t *)words + 4 * i, 4);
        for (int k = 0; k < 4; k++)
            b[k] = (uint8_t)(w >> (8 * k));
        SHA256Update(hash, b, 4);
    }
}

/* In place: byte k lies behind the floats that are still to be read. */
static const uint8_t *to_bytes(float *x, int64_t values)
{
    uint8_t *bytes = (uint8_t *)x;

    for (int64_t k = 0; k < values; k++)
        bytes[k] = (uint8_t)byte_of(x[k]);
    return bytes;
}

static void hash_bytes(struct walk *w, void *hash)
{
    const int64_t values = w->count * w->size;

    SHA256Update(hash, to_bytes(w->x, values), (size_t)values);
}

static void hash_floats(struct walk *w, void *hash)
{
    hash_words(hash, w->x, w->count * w->size);
}

static int hash_content(const jem_dataset *data, int quiet, struct data_stats *s)
{
    SHA2_CTX hash;
    int32_t *labels;
    int rc;

    SHA256Init(&hash);
    TRY(walk(data, s, "hashing", quiet, s->is_bytes ? hash_bytes : hash_floats, &hash));
    labels = malloc((size_t)s->n * sizeof *labels);
    if (labels == NULL)
        return report_no_memory();
    rc = report_jem(jem_dataset_read(data, 0, s->n, NULL, labels));
    if (rc == EXIT_OK) {
        hash_words(&hash, labels, s->n);
        SHA256End(&hash, s->sha256);
    }
    free(labels);
    return rc;
}

static int compute(const jem_dataset *data, int quiet, struct data_stats *s)
{
    TRY(report_jem(jem_dataset_size(data, &s->n)));
    TRY(report_jem(jem_dataset_shape(data, s->shape)));
    s->channel = calloc((size_t)s->shape[0], sizeof *s->channel);
    s->per_class = calloc((size_t)s->shape[3], sizeof *s->per_class);
    if (s->channel == NULL || s->per_class == NULL)
        return report_no_memory();
    TRY(add_up(data, quiet, s));
    return hash_content(data, quiet, s);
}

int data_stats_compute(const jem_dataset *data, int quiet, struct data_stats *out)
{
    int rc;

    memset(out, 0, sizeof *out);
    rc = compute(data, quiet, out);
    if (rc != EXIT_OK)
        data_stats_free(out);
    return rc;
}

void data_stats_free(struct data_stats *s)
{
    free(s->channel);
    free(s->per_class);
    memset(s, 0, sizeof *s);
}

static void copy_bytes(struct walk *w, void *all)
{
    const int64_t values = w->count * w->size;

    memcpy((uint8_t *)all + w->first * w->size, to_bytes(w->x, values), (size_t)values);
}

static int export_images(const jem_dataset *data, const struct data_stats *s, const char *path,
                         int quiet)
{
    const int64_t shape[4] = {s->n, s->shape[0], s->shape[1], s->shape[2]};
    const size_t values = (size_t)(s->n * shape[1] * shape[2] * shape[3]);
    void *all = malloc(values * (s->is_bytes ? 1 : sizeof(float)));
    int rc;

    if (all == NULL)
        return report_no_memory();
    if (s->is_bytes) {
        rc = walk(data, s, "copying", quiet, copy_bytes, all);
        if (rc == EXIT_OK)
            rc = npy_write_u8(path, all, 4, shape);
    } else {
        rc = report_jem(jem_dataset_read(data, 0, s->n, all, NULL));
        if (rc == EXIT_OK)
            rc = npy_write_f32(path, all, 4, shape);
    }
    free(all);
    return rc;
}

static int export_labels(const jem_dataset *data, int64_t n, const char *path)
{
    int32_t *labels = malloc((size_t)n * sizeof *labels);
    int rc;

    if (labels == NULL)
        return report_no_memory();
    rc = report_jem(jem_dataset_read(data, 0, n, NULL, labels));
    if (rc == EXIT_OK)
        rc = npy_write_i32(path, labels, 1, &n);
    free(labels);
    return rc;
}

int data_stats_export(const jem_dataset *data, const struct data_stats *s, const char *folder,
                      int quiet)
{
    char path[FILE_PATH_BYTES];

    TRY(file_make_folder(folder));
    TRY(file_join(path, folder, "images.npy"));
    TRY(export_images(data, s, path, quiet));
    TRY(file_join(path, folder, "labels.npy"));
    return export_labels(data, s->n, path);
}
