/* SPDX-License-Identifier: MIT */
#ifndef KIT_DATA_OUTLIERS_H
#define KIT_DATA_OUTLIERS_H

/* Out-of-distribution images that need no file: made from nothing, or from the images of the
 * in-distribution set.
 *
 *     noise      every value U(-1, 1)
 *     constant   one grey (or colour) value per image, U(-1, 1)
 *     inverted   -x
 *     interp     (x_i + x_j) / 2 of two images (JEM section 5.3, "CIFAR10-interp")
 */

#include <stdint.h>

struct outlier_kind {
    const char *name, *what;
};

/* The table above. */
extern const struct outlier_kind outlier_kinds[];
extern const int outlier_count;

/* n images of kind `kind`, made from the n in-distribution images x of C x H x W; the same seed
 * gives the same images. */
void outliers_make(int kind, const float *x, int64_t n, const int64_t shape[3], int64_t seed,
                   float *out);

#endif
