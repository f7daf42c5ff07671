/* SPDX-License-Identifier: MIT */
#ifndef KIT_IMAGES_IMAGE_H
#define KIT_IMAGES_IMAGE_H

/* Image files in, PNG files out, and grids of images to look at. */

#include <stddef.h>
#include <stdint.h>

#define IMAGE_MAX_SIDE   16384
#define IMAGE_MAX_PIXELS (1 << 26)

struct image {
    int64_t channels; /* 1 grey, 3 colour */
    int64_t height, width;
    uint8_t *pixels; /* height x width x channels, to be given back with image_free() */
};

/* Read a PNG or JPEG file, which its first bytes tell apart. The pixels are those of Pillow's
 * Image.open(path).convert("RGB"), or "L" where the file is grey, with two exceptions:
 *
 *     alpha          the image is laid on black; Pillow drops alpha and shows what is beneath
 *     16-bit grey    the high byte, as of 16-bit colour; Pillow cuts such values at 255
 *
 * Gamma, colour profiles and the orientation in EXIF data are not looked at. A damaged file is
 * refused, where Pillow may only warn. */
int image_read(const char *path, struct image *out);

/* The same from the bytes of a file; `name` is what errors call them. */
int image_read_bytes(const uint8_t *bytes, size_t length, const char *name, struct image *out);

void image_free(struct image *image);

/* Make an image grey (1) by luma, 0.299 R + 0.587 G + 0.114 B, or colour (3). */
int image_convert(struct image *image, int64_t channels);

/* As a model reads it: C x H x W floats in [-1, 1]. `shape` is the model's channels, height and
 * width. The size must be the same; a colour image becomes grey for a grey model, as by
 * image_convert(), but a grey one is refused by a model for colour. */
int image_to_floats(const struct image *image, const char *path, const int64_t shape[3],
                    float *out);

/* A picture must not lie under the name of another format. */
int image_check_name(const char *path);

int image_write_png(const char *path, const struct image *image);

/* Keep n of `of` images of `size` values each, evenly spaced (evenly.h): they move to the
 * front. */
void image_spread(float *x, int64_t of, int64_t n, int64_t size);

/* n images of shape C x H x W with values in [-1, 1], which larger ones are cut to, in rows of
 * `columns`, with white lines between them. Small images are enlarged by a whole number. Of images
 * with other than 1 or 3 channels the first channel is shown. */
int image_write_grid(const char *path, const float *x, int64_t n, const int64_t shape[3],
                     int64_t columns);

/* The images of such a grid, as the picture has them: *n of them in *rows rows, to be given back
 * with free(). Places at the end that are all white are none. A picture that is no such grid has
 * 0 images and 0 rows. */
int image_read_grid(const char *path, const int64_t shape[3], int64_t columns, float **x,
                    int64_t *n, int64_t *rows);

#endif
