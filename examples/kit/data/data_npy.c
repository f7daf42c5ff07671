/* SPDX-License-Identifier: MIT */

/* Data sets as NumPy arrays: IMAGES.npy[,LABELS.npy][,classes=K][,range=A..B]. */

#include "kit/data/data_kind.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kit/base/report.h"
#include "kit/formats/npy_images.h"

#define CLASSES_MAX 65536

struct place {
    char images[FILE_PATH_BYTES], labels[FILE_PATH_BYTES]; /* labels "": none */
    int64_t classes;                                       /* 0: not said */
    enum npy_range range;
};

/* Take the text up to the next comma; *text goes behind it, or becomes NULL at the end. 0: there
 * is no text, or too much. */
static int next_word(const char **text, char out[FILE_PATH_BYTES])
{
    const size_t length = strcspn(*text, ",");

    if (length == 0 || length >= FILE_PATH_BYTES)
        return 0;
    memcpy(out, *text, length);
    out[length] = '\0';
    *text = (*text)[length] == ',' ? *text + length + 1 : NULL;
    return 1;
}

static int parse_place(const struct data_kind *kind, const char *where, struct place *out)
{
    char word[FILE_PATH_BYTES];
    const char *rest = where;

    memset(out, 0, sizeof *out);
    if (!next_word(&rest, out->images))
        return report_usage("npy:%s: a file is missing; %s", where, kind->advice);
    while (rest != NULL) {
        char *end = NULL;

        if (!next_word(&rest, word))
            return report_usage("npy:%s: nothing between two commas; %s", where, kind->advice);
        if (strncmp(word, "classes=", 8) == 0) {
            out->classes = strtoll(word + 8, &end, 10);
            if (end == word + 8 || *end != '\0' || out->classes < 1 ||
                out->classes > CLASSES_MAX)
                return report_usage("npy:%s: classes must be 1 to %d", where, CLASSES_MAX);
        } else if (strncmp(word, "range=", 6) == 0) {
            if (!npy_range_read(word + 6, &out->range))
                return report_usage("npy:%s: %s: must be range=A..B, which is " NPY_RANGE_HELP,
                                    where, word);
        } else if (data_test_is_word(word)) {
            continue; /* data.c's */
        } else if (out->labels[0] == '\0' && out->classes == 0) {
            memcpy(out->labels, word, sizeof word);
        } else {
            return report_usage("npy:%s: too many parts; %s", where, kind->advice);
        }
    }
    return EXIT_OK;
}

static int open_bytes(jem_context *ctx, const struct npy_array *a, const int32_t *y,
                      const struct npy_images *how, int64_t classes, jem_dataset **out)
{
    uint8_t *x = malloc((size_t)a->count);
    int rc;

    if (x == NULL)
        return report_no_memory();
    npy_images_bytes(a, how, x);
    rc =
        report_jem(jem_dataset_from_u8(ctx, x, y, how->shape[0], how->shape + 1, classes, out));
    free(x);
    return rc;
}

static int open_floats(jem_context *ctx, const struct place *place, const struct npy_array *a,
                       const int32_t *y, const struct npy_images *how, int64_t classes,
                       jem_dataset **out)
{
    float *x = malloc((size_t)a->count * sizeof *x);
    int rc = x == NULL ? report_no_memory()
                       : npy_images_floats(a, place->images, how, place->range,
                                           ",range=A..B behind the files", x);

    if (rc == EXIT_OK)
        rc = report_jem(
            jem_dataset_from_f32(ctx, x, y, how->shape[0], how->shape + 1, classes, out));
    free(x);
    return rc;
}

/* One number per image: N, or N x 1. */
static int check_labels(const char *path, const struct npy_array *a, int64_t n)
{
    if (a->dims < 1)
        return report_failed(
            "%s holds one number and no array; labels are one per image, %" PRId64 " of them",
            path, n);
    if (a->type == 'b')
        return report_failed("%s holds bools; labels are whole numbers from 0 (save with "
                             ".astype(numpy.int64))",
                             path);
    if (a->shape[0] != n && a->count == a->shape[0])
        return report_failed("%s holds %" PRId64 " labels for %" PRId64 " images", path,
                             a->count, n);
    if (a->count != a->shape[0])
        return report_failed("%s holds %" PRId64 " rows of %" PRId64 " numbers; labels are one "
                             "number per image (of one row per class: numpy.argmax(y, 1))",
                             path, a->shape[0], a->shape[0] > 0 ? a->count / a->shape[0] : 0);
    return EXIT_OK;
}

/* *classes, if it is 0, becomes what the largest label needs. *y is the caller's, also on
 * failure. */
static int take_labels(const char *path, const struct npy_array *a, int64_t n, int64_t *classes,
                       int32_t **y)
{
    const int64_t limit = *classes > 0 ? *classes : CLASSES_MAX;

    TRY(check_labels(path, a, n));
    *y = n > 0 ? malloc((size_t)n * sizeof **y) : NULL;
    if (*y == NULL)
        return report_no_memory();
    TRY(npy_get_i32(a, path, *y));
    for (int64_t i = 0; i < n; i++) {
        const int32_t v = (*y)[i];

        if (v < -1 || v >= limit)
            return report_failed("%s: label %" PRId64 " is %" PRId32
                                 "; must be -1 (none) to %" PRId64,
                                 path, i, v, limit - 1);
        if (v >= *classes)
            *classes = (int64_t)v + 1;
    }
    return EXIT_OK;
}

static int read_labels(const char *path, int64_t n, int64_t *classes, int32_t **y)
{
    struct npy_array a;
    int rc;

    TRY(npy_read(path, &a));
    rc = take_labels(path, &a, n, classes, y);
    npy_free(&a);
    return rc;
}

static int open_array(jem_context *ctx, const struct npy_array *a, const struct place *place,
                      jem_dataset **out)
{
    struct npy_images how = {.channels_last = 0};
    int64_t classes = place->classes;
    int32_t *y = NULL;
    int rc = EXIT_OK;

    TRY(npy_images_shape(a, place->images, NULL, &how));
    if (place->labels[0] != '\0')
        rc = read_labels(place->labels, how.shape[0], &classes, &y);
    if (classes == 0)
        classes = 1; /* nobody named one */
    if (rc == EXIT_OK && a->type == 'u')
        rc = open_bytes(ctx, a, y, &how, classes, out);
    else if (rc == EXIT_OK)
        rc = open_floats(ctx, place, a, y, &how, classes, out);
    free(y);
    return rc;
}

int data_npy_labelled(const struct data_kind *kind, const char *where, int *labelled)
{
    struct place place;

    TRY(parse_place(kind, where, &place));
    *labelled = place.labels[0] != '\0';
    return EXIT_OK;
}

int data_open_npy(jem_context *ctx, const struct data_kind *kind, const char *where,
                  const char *split, jem_dataset **out)
{
    struct place place;
    struct npy_array a;
    int rc;

    (void)split;
    TRY(parse_place(kind, where, &place));
    TRY(npy_read(place.images, &a));
    rc = open_array(ctx, &a, &place, out);
    npy_free(&a);
    return rc;
}
