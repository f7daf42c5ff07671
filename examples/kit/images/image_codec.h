/* SPDX-License-Identifier: MIT */
#ifndef KIT_IMAGES_IMAGE_CODEC_H
#define KIT_IMAGES_IMAGE_CODEC_H

/* The decoders behind image.c. `name` is what errors call the bytes; a decoder that fails leaves
 * `out` empty. */

#include "kit/images/image.h"

int image_decode_png(const uint8_t *bytes, size_t length, const char *name, struct image *out);
int image_decode_jpeg(const uint8_t *bytes, size_t length, const char *name, struct image *out);

/* May an image of this size be decoded? To be asked before memory is taken for it. */
int image_check_size(const char *name, int64_t height, int64_t width);

/* a * b / 255 for bytes, rounded. */
static inline uint8_t image_scale_byte(unsigned a, unsigned b)
{
    const unsigned t = a * b + 128;

    return (uint8_t)((t + (t >> 8)) >> 8);
}

#endif
