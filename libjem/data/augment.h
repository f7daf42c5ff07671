/* SPDX-License-Identifier: MIT */
#ifndef JEM_DATA_AUGMENT_H
#define JEM_DATA_AUGMENT_H

/* What the official code does to training images: reflect-pad by `crop_pad`, crop back to size at
 * a random place, flip left-right with probability 1/2, add N(0, noise_std^2). */

#include "core/random.h"
#include "data/dataset.h"

typedef struct jem__augment {
    int64_t crop_pad; /* 0: no crop; at most min(h, w) - 1 */
    int32_t flip;
    float noise_std;                /* 0: none */
    enum jem__purpose place, noise; /* JEM__RNG_AUGMENT_*, JEM__RNG_NOISE_* */
} jem__augment;

/* Image `i` of the data set as image number `number` of the training. */
void jem__augment_image(const jem__augment *what, const jem_dataset *d, int64_t i, jem__key key,
                        uint64_t number, float *scratch, float *out);

#endif
