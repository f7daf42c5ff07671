/* SPDX-License-Identifier: MIT */

/* Images between files, bytes and floats. Decoding is in image_png.c and image_jpeg.c. */

#include "kit/images/image.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

#include "kit/base/evenly.h"
#include "kit/base/file.h"
#include "kit/base/file_writer.h"
#include "kit/base/report.h"
#include "kit/images/image_codec.h"

int image_check_size(const char *name, int64_t height, int64_t width)
{
    if (height > IMAGE_MAX_SIDE || width > IMAGE_MAX_SIDE || height * width > IMAGE_MAX_PIXELS)
        return report_failed("%s: %" PRId64 " x %" PRId64 " pixels (height x width); at most "
                             "%d a side and %d in all are read",
                             name, height, width, IMAGE_MAX_SIDE, IMAGE_MAX_PIXELS);
    return EXIT_OK;
}

int image_read_bytes(const uint8_t *bytes, size_t length, const char *name, struct image *out)
{
    memset(out, 0, sizeof *out);
    if (length >= 8 && memcmp(bytes, "\x89PNG\r\n\x1a\n", 8) == 0)
        return image_decode_png(bytes, length, name, out);
    if (length >= 2 && bytes[0] == 0xff && bytes[1] == 0xd8)
        return image_decode_jpeg(bytes, length, name, out);
    return report_failed("%s: neither a PNG nor a JPEG file (arrays end in .npy or .npz)",
                         name);
}

int image_read(const char *path, struct image *out)
{
    uint8_t *bytes = NULL;
    size_t length = 0;
    int rc;

    memset(out, 0, sizeof *out);
    TRY(file_read(path, &bytes, &length));
    rc = image_read_bytes(bytes, length, path, out);
    free(bytes);
    return rc;
}

void image_free(struct image *image)
{
    free(image->pixels);
    memset(image, 0, sizeof *image);
}

/* Rec. 601 luma in whole numbers, rounded: what Pillow's convert("L") gives. */
static uint8_t luma(const uint8_t *p)
{
    return (uint8_t)((p[0] * 19595u + p[1] * 38470u + p[2] * 7471u + 0x8000u) >> 16);
}

int image_convert(struct image *image, int64_t channels)
{
    const int64_t area = image->height * image->width;
    uint8_t *pixels;

    if (image->channels == channels)
        return EXIT_OK;
    pixels = malloc((size_t)(area * channels));
    if (pixels == NULL)
        return report_no_memory();
    for (int64_t i = 0; i < area; i++)
        if (channels == 1)
            pixels[i] = luma(image->pixels + i * 3);
        else
            memset(pixels + i * 3, image->pixels[i], 3);
    free(image->pixels);
    image->pixels = pixels;
    image->channels = channels;
    return EXIT_OK;
}

int image_to_floats(const struct image *image, const char *path, const int64_t shape[3],
                    float *out)
{
    const int64_t area = shape[1] * shape[2];

    if (image->height != shape[1] || image->width != shape[2])
        return report_failed("%s is %" PRId64 " x %" PRId64 " pixels (height x width), the "
                             "model reads %" PRId64 " x %" PRId64 "; resize the image",
                             path, image->height, image->width, shape[1], shape[2]);
    if (image->channels != shape[0] && !(image->channels == 3 && shape[0] == 1))
        return report_failed("%s has %" PRId64 " channel(s), the model reads %" PRId64
                             "; convert the image",
                             path, image->channels, shape[0]);
    for (int64_t i = 0; i < area; i++) {
        const uint8_t *p = image->pixels + i * image->channels;

        for (int64_t c = 0; c < shape[0]; c++) {
            const uint8_t v = shape[0] == image->channels ? p[c] : luma(p);

            out[c * area + i] = (float)v / 127.5f - 1.0f;
        }
    }
    return EXIT_OK;
}

int image_check_name(const char *path)
{
    if (!file_has_ending(path, ".png"))
        return report_usage("%s: pictures are written as PNG; give it a name that ends in .png",
                            path);
    return EXIT_OK;
}

int image_write_png(const char *path, const struct image *image)
{
    struct file_writer w;
    png_image png;

    TRY(file_writer_open(&w, path));
    TRY(image_check_name(path));
    memset(&png, 0, sizeof png);
    png.version = PNG_IMAGE_VERSION;
    png.width = (png_uint_32)image->width;
    png.height = (png_uint_32)image->height;
    png.format = image->channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
    const int whole = png_image_write_to_stdio(&png, w.stream, 0, image->pixels, 0, NULL) != 0;
    if (!whole && !ferror(w.stream)) /* sizes are sound, so what is missing is memory */
        (void)report_no_memory();
    return file_writer_close(&w, whole);
}

static uint8_t to_byte(float v)
{
    const float scaled = (v + 1.0f) * 127.5f + 0.5f;

    if (!(scaled > 0.0f)) /* NaN too */
        return 0;
    return scaled >= 255.0f ? 255 : (uint8_t)scaled;
}

/* One image into the picture, each pixel `scale` x `scale`, from (top, left) on. */
static void paint(struct image *picture, const float *x, const int64_t shape[3], int64_t scale,
                  int64_t top, int64_t left)
{
    const int64_t area = shape[1] * shape[2];

    for (int64_t r = 0; r < shape[1] * scale; r++) {
        uint8_t *row =
            picture->pixels + ((top + r) * picture->width + left) * picture->channels;

        for (int64_t c = 0; c < shape[2] * scale; c++) {
            const float *pixel = x + (r / scale) * shape[2] + c / scale;

            for (int64_t k = 0; k < picture->channels; k++)
                *row++ = to_byte(pixel[k * area]);
        }
    }
}

void image_spread(float *x, int64_t of, int64_t n, int64_t size)
{
    for (int64_t i = 0; i < n; i++) /* evenly() >= i: none is overwritten before it moved */
        memmove(x + i * size, x + evenly(i, n, of) * size, (size_t)size * sizeof *x);
}

/* Each pixel is so many in a grid. */
static int64_t grid_scale(const int64_t shape[3])
{
    const int64_t side = shape[1] > shape[2] ? shape[1] : shape[2];

    return side <= 28 ? 3 : side <= 64 ? 2 : 1;
}

int image_write_grid(const char *path, const float *x, int64_t n, const int64_t shape[3],
                     int64_t columns)
{
    const int64_t scale = grid_scale(shape);
    const int64_t rows = (n + columns - 1) / columns;
    const int64_t step_y = shape[1] * scale + 2, step_x = shape[2] * scale + 2;
    struct image picture = {shape[0] == 3 ? 3 : 1, rows * step_y + 2, columns * step_x + 2,
                            NULL};
    const size_t bytes =
        (size_t)picture.height * (size_t)picture.width * (size_t)picture.channels;
    int rc;

    picture.pixels = malloc(bytes);
    if (picture.pixels == NULL)
        return report_no_memory();
    memset(picture.pixels, 255, bytes);
    for (int64_t i = 0; i < n; i++)
        paint(&picture, x + i * shape[0] * shape[1] * shape[2], shape, scale,
              i / columns * step_y + 2, i % columns * step_x + 2);
    rc = image_write_png(path, &picture);
    image_free(&picture);
    return rc;
}

/* The image at (top, left) of a picture, of which each pixel is `scale` x `scale`. Returns whether
 * it is other than white. */
static int take(const struct image *picture, const int64_t shape[3], int64_t scale, int64_t top,
                int64_t left, float *x)
{
    const int64_t area = shape[1] * shape[2];
    int other = 0;

    for (int64_t i = 0; i < area; i++) {
        const uint8_t *p = picture->pixels + ((top + i / shape[2] * scale) * picture->width +
                                              left + i % shape[2] * scale) *
                                                 picture->channels;

        for (int64_t k = 0; k < shape[0]; k++) {
            x[k * area + i] = (float)p[k] / 127.5f - 1.0f;
            other |= p[k] != 255;
        }
    }
    return other;
}

int image_read_grid(const char *path, const int64_t shape[3], int64_t columns, float **x,
                    int64_t *n, int64_t *rows)
{
    const int64_t scale = grid_scale(shape), size = shape[0] * shape[1] * shape[2];
    const int64_t step_y = shape[1] * scale + 2, step_x = shape[2] * scale + 2;
    struct image picture;

    *x = NULL;
    *n = *rows = 0;
    TRY(image_read(path, &picture));
    if (picture.channels == shape[0] && picture.width == columns * step_x + 2 &&
        picture.height > 2 && (picture.height - 2) % step_y == 0) {
        *rows = (picture.height - 2) / step_y;
        *x = malloc((size_t)(*rows * columns * size) * sizeof **x);
    }
    for (int64_t i = 0; *x != NULL && i < *rows * columns; i++)
        if (take(&picture, shape, scale, i / columns * step_y + 2, i % columns * step_x + 2,
                 *x + i * size))
            *n = i + 1;
    image_free(&picture);
    return *rows > 0 && *x == NULL ? report_no_memory() : EXIT_OK;
}
