/* SPDX-License-Identifier: MIT */
#ifndef KIT_IMAGES_RESIZE_H
#define KIT_IMAGES_RESIZE_H

/* Images of other sizes, in place, with the results of torchvision's transforms on Pillow's
 * images. `name` is what errors call the image. */

#include "kit/images/image.h"

/* To height x width by antialiased bilinear interpolation: Resize((height, width)), which is
 * Pillow's Image.resize((width, height), BILINEAR), bit for bit. */
int image_resize(struct image *image, const char *name, int64_t height, int64_t width);

/* The shorter side to `size` pixels, the longer one in proportion, rounded down:
 * Resize(size). */
int image_resize_shorter(struct image *image, const char *name, int64_t size);

/* The middle height x width pixels: CenterCrop((height, width)). A smaller image is refused
 * (torchvision would add black). */
int image_crop(struct image *image, const char *name, int64_t height, int64_t width);

#endif
