/* SPDX-License-Identifier: MIT */
#ifndef KIT_FEATURES_RESIZE_TF1_H
#define KIT_FEATURES_RESIZE_TF1_H

/* The bilinear resize of TensorFlow 1, which FID was published with: tf.image.resize_bilinear
 * without align_corners. No antialiasing, no half-pixel centres: the new pixel i looks at the old
 * place i * old / new. For pictures that people look at there is resize.h. */

#include <stdint.h>

/* height x width x channels bytes to size x size x channels floats in 0..255. `in` and `out` do
 * not overlap. */
void resize_tf1(const uint8_t *in, int64_t height, int64_t width, int64_t channels,
                int64_t size, float *out);

#endif
