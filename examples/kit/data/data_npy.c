/* SPDX-License-Identifier: MIT */

/* Data sets as NumPy arrays: IMAGES.npy[,LABELS.npy][,classes=K]. */

#include "kit/data/data_kind.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kit/base/report.h"
#include "kit/formats/npy.h"

#define CLASSES_MAX 65536

struct place {
    char images[FILE_PATH_BYTES], labels[FILE_PATH_BYTES]; /* labels "": none */
    int64_t classes;                                       /* 0: not said */
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
        return report_usage("--data npy:%s: a file is missing; %s", where, kind->advice);
    while (rest != NULL) {
        char *end = NULL;

        if (!next_word(&rest, word))
            return report_usage("--data npy:%s: nothing between two commas; %s", where,
                                kind->advice);
        if (strncmp(word, "classes=", 8) == 0) {
            out->classes = strtoll(word + 8, &end, 10);
            if (end == word + 8 || *end != '\0' || out->classes < 1 ||
                out->classes > CLASSES_MAX)
                return report_usage("--data npy:%s: classes must be 1 to %d", where,
                                    CLASSES_MAX);
        } else if (out->labels[0] == '\0' && out->classes == 0) {
            memcpy(out->labels, word, sizeof word);
        } else {
            return report_usage("--data npy:%s: too many parts; %s", where, kind->advice);
        }
    }
    return EXIT_OK;
}

/* N x C x H x W from the shape of the array. Channels are last where the last size is 1 or 3
 * and the second is neither. */
static int image_shape(const char *path, const struct npy_array *a, int64_t n_shape[4],
                       int *channels_last)
{
    const int64_t *s = a->shape;
    const int last = a->dims == 4 && (s[3] == 1 || s[3] == 3) && s[1] != 1 && s[1] != 3;

    *channels_last = last;
    if (a->dims == 3)
        memcpy(n_shape, (const int64_t[4]){s[0], 1, s[1], s[2]}, 4 * sizeof s[0]);
    else if (a->dims == 4 && last)
        memcpy(n_shape, (const int64_t[4]){s[0], s[3], s[1], s[2]}, 4 * sizeof s[0]);
    else if (a->dims == 4)
        memcpy(n_shape, s, 4 * sizeof s[0]);
    else
        return report_failed("%s: an array of %d dimensions; images are N x C x H x W, "
                             "N x H x W or N x H x W x C",
                             path, a->dims);
    if (a->count < 1)
        return report_failed("%s: there is no image in it", path);
    if (a->type != 'f' && (a->type != 'u' || a->item != 1))
        return report_failed("%s: integers of %d bytes; images are bytes 0..255 or floats in "
                             "[-1, 1] (save with .astype(numpy.uint8))",
                             path, a->item);
    return EXIT_OK;
}

/* Where value (i, c, h, w) lies in the array. */
static int64_t place_of(const struct npy_array *a, int channels_last, int64_t i, int64_t c,
                        int64_t h, int64_t w)
{
    const int64_t first[4] = {i, c, h, w}, last[4] = {i, h, w, c}, grey[3] = {i, h, w};
    const int64_t *at = a->dims == 3 ? grey : channels_last ? last : first;
    int64_t place = 0;

    for (int k = 0; k < a->dims; k++) {
        const int d = a->fortran ? a->dims - 1 - k : k;

        place = place * a->shape[d] + at[d];
    }
    return place;
}

static int open_bytes(jem_context *ctx, const struct npy_array *a, const int32_t *y,
                      const int64_t shape[4], int channels_last, int64_t classes,
                      jem_dataset **out)
{
    const int as_is = !channels_last && !a->fortran;
    uint8_t *x = as_is ? NULL : malloc((size_t)a->count);
    int64_t k = 0;
    int rc;

    if (!as_is && x == NULL)
        return report_no_memory();
    for (int64_t i = 0; i < shape[0] && x != NULL; i++)
        for (int64_t c = 0; c < shape[1]; c++)
            for (int64_t h = 0; h < shape[2]; h++)
                for (int64_t w = 0; w < shape[3]; w++)
                    x[k++] = a->values[place_of(a, channels_last, i, c, h, w)];
    rc = report_jem(jem_dataset_from_u8(ctx, x != NULL ? x : a->values, y, shape[0], shape + 1,
                                        classes, out));
    free(x);
    return rc;
}

/* N x H x W x C becomes N x C x H x W. */
static int channels_first(float **x, const int64_t shape[4])
{
    const int64_t pixels = shape[2] * shape[3], size = shape[1] * pixels;
    float *moved = malloc((size_t)(shape[0] * size) * sizeof moved[0]);

    if (moved == NULL)
        return report_no_memory();
    for (int64_t k = 0; k < shape[0] * size; k++)
        moved[k / size * size + k % shape[1] * pixels + k % size / shape[1]] = (*x)[k];
    free(*x);
    *x = moved;
    return EXIT_OK;
}

static int check_floats(const char *path, const float *x, int64_t n, int64_t size)
{
    for (int64_t k = 0; k < n * size; k++)
        if (!(fabsf(x[k]) <= 1))
            return report_failed("%s: image %" PRId64 " has the value %g; floats must lie in "
                                 "[-1, 1], where a byte v is v / 127.5 - 1",
                                 path, k / size, (double)x[k]);
    return EXIT_OK;
}

/* *x is N x C x H x W in the end. */
static int take_floats(const char *path, const struct npy_array *a, const int64_t shape[4],
                       int last, float **x)
{
    TRY(npy_get_f32(a, path, *x));
    TRY(check_floats(path, *x, shape[0], shape[1] * shape[2] * shape[3]));
    return last ? channels_first(x, shape) : EXIT_OK;
}

static int open_floats(jem_context *ctx, const char *path, const struct npy_array *a,
                       const int32_t *y, const int64_t shape[4], int last, int64_t classes,
                       jem_dataset **out)
{
    float *x = malloc((size_t)a->count * sizeof *x);
    int rc = x == NULL ? report_no_memory() : take_floats(path, a, shape, last, &x);

    if (rc == EXIT_OK)
        rc = report_jem(jem_dataset_from_f32(ctx, x, y, shape[0], shape + 1, classes, out));
    free(x);
    return rc;
}

/* *classes, if it is 0, becomes what the largest label needs. *y is the caller's, also on
 * failure. */
static int take_labels(const char *path, const struct npy_array *a, int64_t n, int64_t *classes,
                       int32_t **y)
{
    const int64_t limit = *classes > 0 ? *classes : CLASSES_MAX;

    if ((a->type != 'i' && a->type != 'u') || a->dims < 1 || a->count != n || a->shape[0] != n)
        return report_failed("%s: labels must be %" PRId64 " whole numbers, one per image",
                             path, n);
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
    int64_t shape[4] = {0, 0, 0, 0}, classes = place->classes;
    int32_t *y = NULL;
    int last = 0, rc = EXIT_OK;

    TRY(image_shape(place->images, a, shape, &last));
    if (place->labels[0] != '\0')
        rc = read_labels(place->labels, shape[0], &classes, &y);
    if (classes == 0)
        classes = 1; /* nobody named one */
    if (rc == EXIT_OK && a->type == 'u')
        rc = open_bytes(ctx, a, y, shape, last, classes, out);
    else if (rc == EXIT_OK)
        rc = open_floats(ctx, place->images, a, y, shape, last, classes, out);
    free(y);
    return rc;
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
