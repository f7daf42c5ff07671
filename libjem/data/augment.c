/* SPDX-License-Identifier: MIT */
/* Augmentation of training images, as the official code does it with torchvision: reflect-pad,
 * random crop, random flip, Gaussian noise. The padded image is never made: an index into it
 * is folded back into the image. */

#include "data/augment.h"

/* Position i of an axis of `size`, i from -(size - 1) to 2 size - 2, mirrored at the centres of
 * the border pixels: 2 1 | 0 1 2 3 | 2 1. The border itself is not repeated. */
static int64_t reflect(int64_t i, int64_t size)
{
    if (i < 0)
        return -i;
    return i < size ? i : 2 * size - 2 - i;
}

void jem__augment_image(const jem__augment *what, const jem_dataset *d, int64_t i, jem__key key,
                        uint64_t number, float *scratch, float *out)
{
    const jem__rng place = {key, what->place, 0, number};
    const int64_t pad = what->crop_pad, size = d->c * d->h * d->w;
    uint32_t words[8]; /* 0-1: rows, 2-3: columns, 4: flip */

    jem__rng_words(&place, 0, 8, words);
    const int64_t dy = jem__rng_below(words, 2 * pad + 1) - pad;
    const int64_t dx = jem__rng_below(words + 2, 2 * pad + 1) - pad;
    const int32_t flip = what->flip && (words[4] >> 31) != 0;

    jem__dataset_image(d, i, scratch);
    for (int64_t c = 0; c < d->c; c++) {
        for (int64_t y = 0; y < d->h; y++) {
            const float *from = scratch + (c * d->h + reflect(y + dy, d->h)) * d->w;
            float *to = out + (c * d->h + y) * d->w;
            for (int64_t x = 0; x < d->w; x++)
                to[x] = from[reflect((flip ? d->w - 1 - x : x) + dx, d->w)];
        }
    }
    if (what->noise_std > 0) {
        const jem__rng noise = {key, what->noise, 0, number};
        jem__rng_normal(&noise, 0, size, scratch);
        for (int64_t e = 0; e < size; e++)
            out[e] += what->noise_std * scratch[e];
    }
}
