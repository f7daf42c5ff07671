/* SPDX-License-Identifier: MIT */

/* Images between files, bytes and floats. PNG goes through libpng's simplified interface;
 * JPEG is in image_jpeg.c because of its setjmp(). */

#include "image.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

#include "image_jpeg.h"
#include "report.h"

static int read_png(const char *path, struct image *out)
{
    static const png_color black = {0, 0, 0};
    png_image png;
    int colour;

    memset(&png, 0, sizeof png);
    png.version = PNG_IMAGE_VERSION;
    if (!png_image_begin_read_from_file(&png, path))
        return report_failed("%s: not a sound PNG file: %s", path, png.message);
    if (png.width > IMAGE_MAX_SIDE || png.height > IMAGE_MAX_SIDE) {
        png_image_free(&png);
        return report_failed("%s: %" PRIu32 " x %" PRIu32 " pixels; at most %d x %d are read",
                             path, png.width, png.height, IMAGE_MAX_SIDE, IMAGE_MAX_SIDE);
    }
    colour = (png.format & PNG_FORMAT_FLAG_COLOR) != 0;
    png.format = colour ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
    out->channels = colour ? 3 : 1;
    out->height = png.height;
    out->width = png.width;
    out->pixels = malloc(PNG_IMAGE_SIZE(png));
    if (out->pixels == NULL) {
        png_image_free(&png);
        return report_no_memory();
    }
    if (!png_image_finish_read(&png, &black, out->pixels, 0, NULL)) {
        image_free(out);
        return report_failed("%s: not a sound PNG file: %s", path, png.message);
    }
    return EXIT_OK;
}

int image_read(const char *path, struct image *out)
{
    uint8_t magic[8] = {0};
    size_t got;
    FILE *file = fopen(path, "rb");

    memset(out, 0, sizeof *out);
    if (file == NULL)
        return report_failed("cannot open %s: %s", path, strerror(errno));
    got = fread(magic, 1, sizeof magic, file);
    fclose(file);
    if (got == 8 && memcmp(magic, "\x89PNG\r\n\x1a\n", 8) == 0)
        return read_png(path, out);
    if (got == 8 && magic[0] == 0xff && magic[1] == 0xd8)
        return image_read_jpeg(path, out);
    return report_failed("%s: neither a PNG nor a JPEG file (arrays end in .npy or .npz)",
                         path);
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

int image_write_png(const char *path, const struct image *image)
{
    png_image png;

    memset(&png, 0, sizeof png);
    png.version = PNG_IMAGE_VERSION;
    png.width = (png_uint_32)image->width;
    png.height = (png_uint_32)image->height;
    png.format = image->channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
    if (!png_image_write_to_file(&png, path, 0, image->pixels, 0, NULL))
        return report_failed("cannot write %s: %s", path, png.message);
    return EXIT_OK;
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

int image_write_grid(const char *path, const float *x, int64_t n, const int64_t shape[3],
                     int64_t columns)
{
    const int64_t side = shape[1] > shape[2] ? shape[1] : shape[2];
    const int64_t scale = side <= 28 ? 3 : side <= 64 ? 2 : 1;
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
