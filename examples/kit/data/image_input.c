/* SPDX-License-Identifier: MIT */

/* Brings images of every source into the one form that libjem takes, and says with both sizes
 * what does not fit the model. */

#include "kit/data/image_input.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kit/base/file.h"
#include "kit/base/report.h"
#include "kit/base/splitmix.h"
#include "kit/data/data.h"
#include "kit/formats/npz.h"
#include "kit/images/image.h"

static int allocate(int64_t n, const int64_t shape[4], struct image_input *out)
{
    const size_t image = (size_t)(shape[0] * shape[1] * shape[2]);

    if (n < 1)
        return report_failed("there is no image to look at");
    if ((size_t)n > SIZE_MAX / sizeof(float) / image)
        return report_no_memory();
    out->n = out->of = n;
    out->x = malloc((size_t)n * image * sizeof out->x[0]);
    out->labels = malloc((size_t)n * sizeof out->labels[0]);
    if (out->x == NULL || out->labels == NULL)
        return report_no_memory();
    for (int64_t i = 0; i < n; i++)
        out->labels[i] = -1;
    return EXIT_OK;
}

void image_input_keep_labelled(struct image_input *in, int64_t size)
{
    int64_t n = 0;

    for (int64_t i = 0; i < in->n; i++) {
        if (in->labels[i] < 0)
            continue;
        memmove(in->x + n * size, in->x + i * size, (size_t)size * sizeof *in->x);
        in->labels[n++] = in->labels[i];
    }
    in->n = n;
}

void image_input_free(struct image_input *in)
{
    free(in->x);
    free(in->labels);
    free(in->name);
    memset(in, 0, sizeof *in);
}

/* "10000 x 28 x 28" */
static const char *sizes_text(int dims, const int64_t *shape, char out[128])
{
    int at = 0;

    out[0] = '\0';
    for (int i = 0; i < dims && at < 100; i++)
        at += snprintf(out + at, 128 - (size_t)at, "%s%" PRId64, i > 0 ? " x " : "", shape[i]);
    return out;
}

/* The number of images in an array, or -1 when its shape is not the model's. The shape is read
 * from its end; what is missing at its front must be 1. */
static int64_t count_images(const struct npy_array *a, const int64_t shape[4])
{
    int64_t full[4] = {1, 1, 1, 1};

    if (a->dims < 2 || a->dims > 4)
        return -1;
    if (a->dims == 3 && a->shape[0] != shape[0] && shape[0] == 1) {
        full[0] = a->shape[0]; /* N x H x W */
        full[2] = a->shape[1];
        full[3] = a->shape[2];
    } else {
        memcpy(full + 4 - a->dims, a->shape, (size_t)a->dims * sizeof full[0]);
    }
    return memcmp(full + 1, shape, 3 * sizeof full[0]) == 0 ? full[0] : -1;
}

static int take_array(const char *path, const struct npy_array *a, const int64_t shape[4],
                      struct image_input *out)
{
    const int64_t n = count_images(a, shape), image = shape[0] * shape[1] * shape[2];
    char have[128], want[128];
    float largest = 0;
    int rc;

    if (n < 0)
        return report_failed(
            "%s holds an array of %s; the model reads N x %s (images x channels "
            "x height x width)",
            path, sizes_text(a->dims, a->shape, have), sizes_text(3, shape, want));
    if (a->type != 'f' && !(a->type == 'u' && a->item == 1))
        return report_failed("%s holds %s of %d byte(s); images are floats in [-1, 1] or "
                             "bytes 0..255 (save with .astype(numpy.uint8))",
                             path, a->type == 'b' ? "bools" : "integers", a->item);
    rc = allocate(n, shape, out);
    if (rc == EXIT_OK)
        rc = npy_get_f32(a, path, out->x);
    for (int64_t i = 0; i < n * image && rc == EXIT_OK; i++) {
        if (!isfinite(out->x[i]))
            return report_failed("%s: image %" PRId64 " has a value that is NaN or infinite",
                                 path, i / image);
        if (a->type == 'u')
            out->x[i] = out->x[i] / 127.5f - 1.0f;
        else
            largest = fmaxf(largest, fabsf(out->x[i]));
    }
    if (rc == EXIT_OK && largest > 2)
        report_note(
            "%s: values as large as %g; models are trained on values in [-1, 1], where a "
            "byte v is v / 127.5 - 1",
            path, (double)largest);
    return rc;
}

static int read_array(const char *path, const int64_t shape[4], struct image_input *out)
{
    struct npy_array a;
    int rc = npz_read_named(path, &a);

    if (rc == EXIT_OK)
        rc = take_array(path, &a, shape, out);
    npy_free(&a);
    return rc;
}

static int read_images(const struct cli_list *paths, const int64_t shape[4],
                       struct image_input *out)
{
    const int64_t size = shape[0] * shape[1] * shape[2];
    int rc = allocate(paths->count, shape, out);

    if (rc != EXIT_OK)
        return rc;
    out->name = malloc((size_t)paths->count * sizeof out->name[0]);
    if (out->name == NULL)
        return report_no_memory();
    for (int64_t i = 0; i < paths->count && rc == EXIT_OK; i++) {
        const char *slash = strrchr(paths->items[i], '/');
        struct image image;

        if (npz_names_array(paths->items[i]))
            return report_usage("%s: one array at a time, and not together with images",
                                paths->items[i]);
        out->name[i] = slash == NULL ? paths->items[i] : slash + 1;
        rc = image_read(paths->items[i], &image);
        if (rc == EXIT_OK)
            rc = image_to_floats(&image, paths->items[i], shape, out->x + i * size);
        image_free(&image);
    }
    return rc;
}

int image_input_files(const struct cli_list *paths, const int64_t shape[4],
                      struct image_input *out)
{
    int rc;

    memset(out, 0, sizeof *out);
    if (paths->count == 1 && npz_names_array(paths->items[0]))
        rc = read_array(paths->items[0], shape, out);
    else
        rc = read_images(paths, shape, out);
    if (rc != EXIT_OK)
        image_input_free(out);
    return rc;
}

static int is_labelled(const struct image_input *in)
{
    for (int64_t i = 0; i < in->n; i++)
        if (in->labels[i] >= 0)
            return 1;
    return 0;
}

int64_t image_input_number(const struct image_input *in, int64_t i)
{
    return i * in->of / in->n;
}

static int read_spread(const jem_dataset *data, int64_t size, struct image_input *in)
{
    int rc = EXIT_OK;

    if (in->n == in->of)
        return report_jem(jem_dataset_read(data, 0, in->n, in->x, in->labels));
    for (int64_t i = 0; i < in->n && rc == EXIT_OK; i++)
        rc = report_jem(jem_dataset_read(data, image_input_number(in, i), 1, in->x + i * size,
                                         in->labels + i));
    return rc;
}

int image_input_dataset(const jem_dataset *data, const char *spec, int64_t count,
                        const int64_t shape[4], struct image_input *out)
{
    int64_t d[4], n = 0;
    char have[128], want[128];
    int rc = report_jem(jem_dataset_shape(data, d));

    memset(out, 0, sizeof *out);
    if (rc == EXIT_OK)
        rc = report_jem(jem_dataset_size(data, &n));
    if (rc == EXIT_OK && memcmp(d, shape, 3 * sizeof d[0]) != 0)
        rc =
            report_failed("--data %s: its images are %s, the model reads %s (channels x height "
                          "x width)",
                          spec, sizes_text(3, d, have), sizes_text(3, shape, want));
    if (rc == EXIT_OK)
        rc = allocate(count > 0 && count < n ? count : n, shape, out);
    if (rc == EXIT_OK) {
        out->of = n;
        rc = read_spread(data, shape[0] * shape[1] * shape[2], out);
    }
    if (rc == EXIT_OK && shape[3] > 0 && d[3] != shape[3] && is_labelled(out))
        rc = report_failed("--data %s has %" PRId64 " classes, the model has %" PRId64, spec,
                           d[3], shape[3]);
    if (rc != EXIT_OK)
        image_input_free(out);
    return rc;
}

int image_input_data(jem_context *ctx, const char *spec, const char *split, int64_t count,
                     const int64_t shape[4], struct image_input *out)
{
    jem_dataset *data = NULL;
    int rc = data_open(ctx, spec, split, &data);

    memset(out, 0, sizeof *out);
    if (rc == EXIT_OK)
        rc = image_input_dataset(data, spec, count, shape, out);
    jem_dataset_free(data);
    return rc;
}

/* Box and Muller (1958), two values of each pair of numbers. */
void image_input_add_noise(struct image_input *in, int64_t size, double std, int64_t seed,
                           uint64_t stream)
{
    const double turn = 6.283185307179586;
    uint64_t state = splitmix_begin(seed, stream);

    for (int64_t i = 0; i < in->n * size && std > 0; i += 2) {
        const double radius = std * sqrt(-2 * log(1 - splitmix_uniform(&state)));
        const double angle = turn * splitmix_uniform(&state);

        in->x[i] += (float)(radius * cos(angle));
        if (i + 1 < in->n * size)
            in->x[i + 1] += (float)(radius * sin(angle));
    }
}
