/* SPDX-License-Identifier: MIT */

/* Goes through a data set some images at a time, because as floats it may be four times as
 * large as it is in memory. */

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
    int64_t room;         /* images at a time */
    int64_t first, count; /* those that are in x and y now */
    float *x;
    int32_t *y;
    struct progress progress;
};

static int walk_start(struct walk *w, const jem_dataset *data, const struct data_stats *s,
                      const char *what, int quiet)
{
    memset(w, 0, sizeof *w);
    w->data = data;
    w->what = what;
    w->n = s->n;
    w->size = s->shape[0] * s->shape[1] * s->shape[2];
    w->room = w->size < VALUES_AT_A_TIME ? VALUES_AT_A_TIME / w->size : 1;
    w->room = w->room < w->n ? w->room : w->n;
    w->x = malloc((size_t)(w->room * w->size) * sizeof w->x[0]);
    w->y = malloc((size_t)w->room * sizeof w->y[0]);
    progress_start(&w->progress, quiet);
    return w->x == NULL || w->y == NULL ? report_no_memory() : EXIT_OK;
}

/* The next images; count 0 at the end. */
static int walk_next(struct walk *w)
{
    w->first += w->count;
    w->count = w->room < w->n - w->first ? w->room : w->n - w->first;
    if (w->count == 0)
        return EXIT_OK;
    if (progress_due(&w->progress))
        progress_show(&w->progress, "%s: image %" PRId64 " of %" PRId64, w->what, w->first,
                      w->n);
    return report_jem(jem_dataset_read(w->data, w->first, w->count, w->x, w->y));
}

static void walk_end(struct walk *w)
{
    progress_clear(&w->progress);
    free(w->x);
    free(w->y);
}

/* The byte whose value this is, or -1. The same two operations as in libjem, so that equality
 * is exact. */
static int byte_of(float v)
{
    const long b = v >= -1.0f && v <= 1.0f ? lrintf((v + 1.0f) * 127.5f) : -1;

    return b >= 0 && (float)b / 127.5f - 1.0f == v ? (int)b : -1;
}

static void add_images(struct data_stats *s, const struct walk *w)
{
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
    struct walk w;
    int rc = walk_start(&w, data, s, "adding up", quiet);

    s->is_bytes = 1;
    for (int64_t c = 0; c < s->shape[0]; c++)
        s->channel[c] = (struct data_channel){0, 0, HUGE_VAL, -HUGE_VAL};
    while (rc == EXIT_OK && (rc = walk_next(&w)) == EXIT_OK && w.count > 0)
        add_images(s, &w);
    for (int64_t i = 0; i < s->shape[0]; i++) {
        struct data_channel *c = &s->channel[i];

        c->mean /= count;
        c->std = sqrt(fmax(c->std / count - c->mean * c->mean, 0));
    }
    walk_end(&w);
    return rc;
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

static int hash_content(const jem_dataset *data, int quiet, struct data_stats *s)
{
    SHA2_CTX hash;
    struct walk w;
    int32_t *labels = malloc((size_t)s->n * sizeof labels[0]);
    int rc = walk_start(&w, data, s, "hashing", quiet);

    if (labels == NULL)
        rc = report_no_memory();
    SHA256Init(&hash);
    while (rc == EXIT_OK && (rc = walk_next(&w)) == EXIT_OK && w.count > 0) {
        const int64_t values = w.count * w.size;

        if (!s->is_bytes) {
            hash_words(&hash, w.x, values);
            continue;
        }
        for (int64_t k = 0; k < values; k++) /* in place: byte k is behind what is still read */
            ((uint8_t *)w.x)[k] = (uint8_t)byte_of(w.x[k]);
        SHA256Update(&hash, (const uint8_t *)w.x, (size_t)values);
    }
    walk_end(&w);
    if (rc == EXIT_OK)
        rc = report_jem(jem_dataset_read(data, 0, s->n, NULL, labels));
    if (rc == EXIT_OK)
        hash_words(&hash, labels, s->n);
    SHA256End(&hash, s->sha256);
    free(labels);
    return rc;
}

int data_stats_compute(const jem_dataset *data, int quiet, struct data_stats *out)
{
    int rc;

    memset(out, 0, sizeof *out);
    rc = report_jem(jem_dataset_size(data, &out->n));
    if (rc == EXIT_OK)
        rc = report_jem(jem_dataset_shape(data, out->shape));
    if (rc != EXIT_OK)
        return rc;
    out->channel = calloc((size_t)out->shape[0], sizeof out->channel[0]);
    out->per_class = calloc((size_t)out->shape[3], sizeof out->per_class[0]);
    if (out->channel == NULL || out->per_class == NULL)
        rc = report_no_memory();
    if (rc == EXIT_OK)
        rc = add_up(data, quiet, out);
    if (rc == EXIT_OK)
        rc = hash_content(data, quiet, out);
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

static int export_bytes(const jem_dataset *data, const struct data_stats *s, const char *path,
                        int quiet)
{
    struct walk w;
    int rc = walk_start(&w, data, s, "copying", quiet);
    uint8_t *all = malloc((size_t)(s->n * w.size));

    if (rc == EXIT_OK && all == NULL)
        rc = report_no_memory();
    while (rc == EXIT_OK && (rc = walk_next(&w)) == EXIT_OK && w.count > 0)
        for (int64_t k = 0; k < w.count * w.size; k++)
            all[w.first * w.size + k] = (uint8_t)byte_of(w.x[k]);
    walk_end(&w);
    if (rc == EXIT_OK)
        rc = npy_write_u8(path, all, 4,
                          (const int64_t[4]){s->n, s->shape[0], s->shape[1], s->shape[2]});
    free(all);
    return rc;
}

static int export_floats(const jem_dataset *data, const struct data_stats *s, const char *path)
{
    const int64_t shape[4] = {s->n, s->shape[0], s->shape[1], s->shape[2]};
    float *all = malloc((size_t)(s->n * shape[1] * shape[2] * shape[3]) * sizeof all[0]);
    int rc = all == NULL ? report_no_memory() : EXIT_OK;

    if (rc == EXIT_OK)
        rc = report_jem(jem_dataset_read(data, 0, s->n, all, NULL));
    if (rc == EXIT_OK)
        rc = npy_write_f32(path, all, 4, shape);
    free(all);
    return rc;
}

int data_stats_export(const jem_dataset *data, const struct data_stats *s, const char *folder,
                      int quiet)
{
    char path[FILE_PATH_BYTES];
    int32_t *labels = malloc((size_t)s->n * sizeof labels[0]);
    int rc = labels == NULL ? report_no_memory() : file_make_folder(folder);

    if (rc == EXIT_OK)
        rc = file_join(path, folder, "images.npy");
    if (rc == EXIT_OK)
        rc = s->is_bytes ? export_bytes(data, s, path, quiet) : export_floats(data, s, path);
    if (rc == EXIT_OK)
        rc = report_jem(jem_dataset_read(data, 0, s->n, NULL, labels));
    if (rc == EXIT_OK)
        rc = file_join(path, folder, "labels.npy");
    if (rc == EXIT_OK)
        rc = npy_write_i32(path, labels, 1, &s->n);
    free(labels);
    return rc;
}
