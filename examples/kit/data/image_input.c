/* SPDX-License-Identifier: MIT */

/* Images of every source in the form that libjem takes. An error about what does not fit the model
 * has both sizes. */

#include "kit/data/image_input.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kit/base/evenly.h"
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

static int take_array(const char *path, const struct npy_array *a, const int64_t shape[4],
                      enum npy_range range, struct image_input *out)
{
    struct npy_images how;

    TRY(npy_images_shape(a, path, shape, &how));
    TRY(allocate(how.shape[0], shape, out));
    return npy_images_floats(a, path, &how, a->type == 'u' ? NPY_RANGE_BYTE : range,
                             "--range A..B", out->x);
}

static int read_array(const char *path, const int64_t shape[4], enum npy_range range,
                      struct image_input *out)
{
    struct npy_array a;
    int rc;

    TRY(npz_read_named(path, &a));
    rc = take_array(path, &a, shape, range, out);
    npy_free(&a);
    return rc;
}

static int read_image(const char *path, const int64_t shape[4], float *out)
{
    struct image image;
    int rc;

    TRY(image_read(path, &image));
    rc = image_to_floats(&image, path, shape, out);
    image_free(&image);
    return rc;
}

static int read_images(const struct cli_list *paths, const int64_t shape[4],
                       struct image_input *out)
{
    const int64_t size = shape[0] * shape[1] * shape[2];

    TRY(allocate(paths->count, shape, out));
    out->name = malloc((size_t)paths->count * sizeof *out->name);
    if (out->name == NULL)
        return report_no_memory();
    for (int64_t i = 0; i < paths->count; i++) {
        if (npz_names_array(paths->items[i]))
            return report_usage("%s: one array at a time, and not together with images",
                                paths->items[i]);
        out->name[i] = file_name_of(paths->items[i]);
        TRY(read_image(paths->items[i], shape, out->x + i * size));
    }
    return EXIT_OK;
}

int image_input_files(const struct cli_list *paths, const int64_t shape[4],
                      enum npy_range range, struct image_input *out)
{
    int rc;

    memset(out, 0, sizeof *out);
    if (paths->count == 1 && npz_names_array(paths->items[0]))
        rc = read_array(paths->items[0], shape, range, out);
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
    return evenly(i, in->n, in->of);
}

static int read_spread(const jem_dataset *data, int64_t size, struct image_input *in)
{
    if (in->n == in->of)
        return report_jem(jem_dataset_read(data, 0, in->n, in->x, in->labels));
    for (int64_t i = 0; i < in->n; i++)
        TRY(report_jem(jem_dataset_read(data, image_input_number(in, i), 1, in->x + i * size,
                                        in->labels + i)));
    return EXIT_OK;
}

static int read_dataset(const jem_dataset *data, const char *spec, int64_t count,
                        const int64_t shape[4], struct image_input *out)
{
    int64_t d[4], n = 0;
    char have[128], want[128];

    TRY(report_jem(jem_dataset_shape(data, d)));
    TRY(report_jem(jem_dataset_size(data, &n)));
    if (memcmp(d, shape, 3 * sizeof *d) != 0)
        return report_failed("%s: its images are %s, the model reads %s (channels x "
                             "height x width)",
                             spec, sizes_text(3, d, have), sizes_text(3, shape, want));
    TRY(allocate(count > 0 && count < n ? count : n, shape, out));
    out->of = n;
    TRY(read_spread(data, shape[0] * shape[1] * shape[2], out));
    if (shape[3] > 0 && d[3] != shape[3] && is_labelled(out))
        return report_failed("%s has %" PRId64 " classes, the model has %" PRId64, spec, d[3],
                             shape[3]);
    return EXIT_OK;
}

int image_input_dataset(const jem_dataset *data, const char *spec, int64_t count,
                        const int64_t shape[4], struct image_input *out)
{
    int rc;

    memset(out, 0, sizeof *out);
    rc = read_dataset(data, spec, count, shape, out);
    if (rc != EXIT_OK)
        image_input_free(out);
    return rc;
}

int image_input_data(jem_context *ctx, const char *spec, const char *split, int64_t count,
                     const int64_t shape[4], struct image_input *out)
{
    jem_dataset *data = NULL;
    int rc;

    memset(out, 0, sizeof *out);
    TRY(data_open(ctx, spec, split, &data));
    rc = image_input_dataset(data, spec, count, shape, out);
    jem_dataset_free(data);
    return rc;
}

void image_input_add_noise(struct image_input *in, int64_t size, double std, int64_t seed,
                           uint64_t stream)
{
    uint64_t state = splitmix_begin(seed, stream);

    for (int64_t i = 0; i < in->n * size && std > 0; i += 2) {
        double noise[2];

        splitmix_normal(&state, std, noise);
        in->x[i] += (float)noise[0];
        if (i + 1 < in->n * size)
            in->x[i + 1] += (float)noise[1];
    }
}
