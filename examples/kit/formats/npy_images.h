/* SPDX-License-Identifier: MIT */
#ifndef KIT_FORMATS_NPY_IMAGES_H
#define KIT_FORMATS_NPY_IMAGES_H

/* An array as images: one rule for all programs. */

#include "kit/formats/npy.h"

/* What the floats of an array mean; bytes are always 0..255. */
enum npy_range {
    NPY_RANGE_ASK,   /* not said: [-1, 1], unless they look like something else */
    NPY_RANGE_MODEL, /* -1..1 */
    NPY_RANGE_UNIT,  /* 0..1 */
    NPY_RANGE_BYTE,  /* 0..255 */
};
#define NPY_RANGE_HELP "0..255, 0..1 or -1..1"

/* 0 where the text is none of NPY_RANGE_HELP. */
int npy_range_read(const char *text, enum npy_range *out);

/* The shape of the images, N x C x H x W. The array is N x C x H x W, N x H x W x C, N x H x W
 * (grey), or one image without N. `want` (C, H, W) decides where it is known; otherwise the
 * channels are last where the last size is 1 or 3 and the second is neither, and N must be there.
 * Refuses what holds neither floats nor bytes. */
struct npy_images {
    int64_t shape[4];
    int channels_last;
};
int npy_images_shape(const struct npy_array *a, const char *path, const int64_t *want,
                     struct npy_images *out);

/* Their values, in the order N x C x H x W: bytes as they are; floats in [-1, 1]. Floats beyond
 * [-2, 2], or all in [0, 1], are refused while the range is not said: `remedy` is how it would be.
 * Floats up to 2 pass, because samples of a model go a little beyond 1. */
void npy_images_bytes(const struct npy_array *a, const struct npy_images *how, uint8_t *out);
int npy_images_floats(const struct npy_array *a, const char *path, const struct npy_images *how,
                      enum npy_range range, const char *remedy, float *out);

#endif
