/* SPDX-License-Identifier: MIT */

/* Resizing as Pillow does it (src/libImaging/Resample.c): a pass along the rows, then one along
 * the columns, with bytes in between. A new pixel is a weighted mean of the old ones around its
 * place. The weights fall off like a triangle; where the image shrinks, it is as wide as all the
 * pixels that one new pixel stands for. Weights are whole numbers in units of 2^-22. */

#include "kit/images/resize.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kit/base/report.h"
#include "kit/images/image_codec.h"

#define UNIT_BITS 22

enum lines { ROWS, COLUMNS };

/* For each new pixel of a line: `count` old ones from `first` on, and their weights. */
struct filter {
    int64_t taps; /* weights that are stored per pixel, of which `count` are used */
    int64_t *first;
    int64_t *count;
    int32_t *weights; /* pixels x taps */
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

/* One line of `to` pixels of `channels` samples each. A step is the distance of two neighbours on
 * the line, in samples. */
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

/* All lines of one direction, into `out`. */
static int filter_lines(const struct image *image, enum lines lines, int64_t to, uint8_t *out)
{
    const int64_t k = image->channels, row = image->width * k;
    struct filter f = {0, NULL, NULL, NULL};
    const int rc = filter_make(lines == ROWS ? image->width : image->height, to, &f);

    if (rc == EXIT_OK && lines == ROWS)
        for (int64_t y = 0; y < image->height; y++)
            filter_line(&f, to, image->pixels + y * row, k, out + y * to * k, k, k);
    if (rc == EXIT_OK && lines == COLUMNS)
        for (int64_t x = 0; x < image->width; x++)
            filter_line(&f, to, image->pixels + x * k, row, out + x * k, row, k);
    filter_free(&f);
    return rc;
}

/* As many rows or columns as before, of `to` pixels each. */
static int resize_lines(struct image *image, enum lines lines, int64_t to)
{
    const int64_t count = lines == ROWS ? image->height : image->width;
    uint8_t *pixels = malloc((size_t)(count * to * image->channels));
    const int rc = pixels == NULL ? report_no_memory() : filter_lines(image, lines, to, pixels);

    if (rc != EXIT_OK) {
        free(pixels);
        return rc;
    }
    free(image->pixels);
    image->pixels = pixels;
    *(lines == ROWS ? &image->width : &image->height) = to;
    return EXIT_OK;
}

int image_resize(struct image *image, const char *name, int64_t height, int64_t width)
{
    TRY(image_check_size(name, height, width));
    TRY(image_check_size(name, image->height, width));
    if (width != image->width)
        TRY(resize_lines(image, ROWS, width));
    if (height != image->height)
        TRY(resize_lines(image, COLUMNS, height));
    return EXIT_OK;
}

int image_resize_shorter(struct image *image, const char *name, int64_t size)
{
    if (image->height < image->width)
        return image_resize(image, name, size, size * image->width / image->height);
    return image_resize(image, name, size * image->height / image->width, size);
}

/* Half of what is cut off; a half is rounded to the even number, as by Python's round(). */
static int64_t margin(int64_t whole, int64_t kept)
{
    const int64_t rest = whole - kept;

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
