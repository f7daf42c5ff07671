/* SPDX-License-Identifier: MIT */

/* Resizing as Pillow does it (src/libImaging/Resample.c): a pass along the rows, then one along
 * the columns, bytes in between. A new pixel is a weighted mean of the pixels around its place;
 * the weights fall off like a triangle, which is wide enough to reach all pixels it stands for
 * when the image shrinks. The weights are whole numbers in units of 2^-22. */

#include "kit/images/resize.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kit/base/report.h"
#include "kit/images/image_codec.h"

#define UNIT_BITS 22

/* For each new position along a line: `count` old ones from `first` on, and their weights. */
struct filter {
    int64_t taps; /* room for weights per position */
    int64_t *first;
    int64_t *count;
    int32_t *weights; /* positions x taps */
};

static void filter_free(struct filter *f)
{
    free(f->first);
    free(f->count);
    free(f->weights);
}

/* The triangle around `center`, `reach` old pixels to both sides; its weights add up to 1. */
static void weigh(double center, double reach, int64_t first, int64_t count, double *scratch,
                  int32_t *weights)
{
    const double per_pixel = 1.0 / reach;
    double sum = 0;

    for (int64_t i = 0; i < count; i++) {
        const double distance = fabs(((double)(i + first) - center + 0.5) * per_pixel);

        scratch[i] = distance < 1.0 ? 1.0 - distance : 0.0;
        sum += scratch[i];
    }
    for (int64_t i = 0; i < count; i++) {
        const double w = sum != 0.0 ? scratch[i] / sum : scratch[i];

        weights[i] = (int32_t)(0.5 + w * (1 << UNIT_BITS));
    }
}

static int filter_make(int64_t from, int64_t to, struct filter *f)
{
    const double scale = (double)from / (double)to;
    const double reach = scale < 1.0 ? 1.0 : scale;
    double *scratch;

    f->taps = (int64_t)ceil(reach) * 2 + 1;
    f->first = malloc((size_t)to * sizeof f->first[0]);
    f->count = malloc((size_t)to * sizeof f->count[0]);
    f->weights = malloc((size_t)(to * f->taps) * sizeof f->weights[0]);
    scratch = malloc((size_t)f->taps * sizeof scratch[0]);
    if (f->first == NULL || f->count == NULL || f->weights == NULL || scratch == NULL) {
        free(scratch);
        return report_no_memory();
    }
    for (int64_t i = 0; i < to; i++) {
        const double center = ((double)i + 0.5) * scale;
        int64_t first = (int64_t)(center - reach + 0.5);
        int64_t end = (int64_t)(center + reach + 0.5);

        first = first < 0 ? 0 : first;
        end = end > from ? from : end;
        f->first[i] = first;
        f->count[i] = end - first;
        weigh(center, reach, first, end - first, scratch, f->weights + i * f->taps);
    }
    free(scratch);
    return EXIT_OK;
}

/* One line of `to` pixels; `step` is the way from one pixel of a line to the next, in samples,
 * and both lines have samples of `channels` channels beside each other. */
static void filter_line(const struct filter *f, int64_t to, const uint8_t *in, int64_t step_in,
                        uint8_t *out, int64_t step_out, int64_t channels)
{
    for (int64_t i = 0; i < to; i++) {
        const int32_t *w = f->weights + i * f->taps;

        for (int64_t c = 0; c < channels; c++) {
            const uint8_t *p = in + f->first[i] * step_in + c;
            int64_t sum = 1 << (UNIT_BITS - 1);

            for (int64_t j = 0; j < f->count[i]; j++)
                sum += (int64_t)p[j * step_in] * w[j];
            sum >>= UNIT_BITS;
            out[i * step_out + c] = sum > 255 ? 255 : (uint8_t)sum;
        }
    }
}

/* New rows of the same number, each of `to` pixels. */
static int resize_rows(struct image *image, int64_t to)
{
    const int64_t k = image->channels, old = image->width * k, new = to *k;
    struct filter f = {0, NULL, NULL, NULL};
    uint8_t *pixels = malloc((size_t)(image->height * new));
    int rc = pixels == NULL ? report_no_memory() : filter_make(image->width, to, &f);

    if (rc == EXIT_OK) {
        for (int64_t y = 0; y < image->height; y++)
            filter_line(&f, to, image->pixels + y * old, k, pixels + y * new, k, k);
        free(image->pixels);
        image->pixels = pixels;
        image->width = to;
    } else {
        free(pixels);
    }
    filter_free(&f);
    return rc;
}

/* New columns of the same number, each of `to` pixels. */
static int resize_columns(struct image *image, int64_t to)
{
    const int64_t k = image->channels, row = image->width * k;
    struct filter f = {0, NULL, NULL, NULL};
    uint8_t *pixels = malloc((size_t)(to * row));
    int rc = pixels == NULL ? report_no_memory() : filter_make(image->height, to, &f);

    if (rc == EXIT_OK) {
        for (int64_t x = 0; x < image->width; x++)
            filter_line(&f, to, image->pixels + x * k, row, pixels + x * k, row, k);
        free(image->pixels);
        image->pixels = pixels;
        image->height = to;
    } else {
        free(pixels);
    }
    filter_free(&f);
    return rc;
}

int image_resize(struct image *image, const char *name, int64_t height, int64_t width)
{
    int rc = image_check_size(name, height, width);

    if (rc == EXIT_OK)
        rc = image_check_size(name, image->height, width);
    if (rc == EXIT_OK && width != image->width)
        rc = resize_rows(image, width);
    if (rc == EXIT_OK && height != image->height)
        rc = resize_columns(image, height);
    return rc;
}

int image_resize_shorter(struct image *image, const char *name, int64_t size)
{
    if (image->height < image->width)
        return image_resize(image, name, size, size * image->width / image->height);
    return image_resize(image, name, size * image->height / image->width, size);
}

/* Half of what is left over, rounded to even where it lies between two numbers, as Python's
 * round() has it. */
static int64_t margin(int64_t whole, int64_t part)
{
    const int64_t rest = whole - part;

    return rest % 4 == 3 ? rest / 2 + 1 : rest / 2;
}

int image_crop(struct image *image, const char *name, int64_t height, int64_t width)
{
    const int64_t top = margin(image->height, height), left = margin(image->width, width);
    const int64_t k = image->channels;

    if (height > image->height || width > image->width)
        return report_failed("%s is %" PRId64 " x %" PRId64 " pixels (height x width), too "
                             "small to crop %" PRId64 " x %" PRId64 " from",
                             name, image->height, image->width, height, width);
    for (int64_t y = 0; y < height; y++) /* towards the front, so in place */
        memmove(image->pixels + y * width * k,
                image->pixels + ((top + y) * image->width + left) * k, (size_t)(width * k));
    image->height = height;
    image->width = width;
    return EXIT_OK;
}
