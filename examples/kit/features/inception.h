/* SPDX-License-Identifier: MIT */
#ifndef KIT_FEATURES_INCEPTION_H
#define KIT_FEATURES_INCEPTION_H

/* The Inception-v3 of FID and IS: TensorFlow's graph inception-2015-12-05 (Szegedy et al. 2015),
 * in the form of the PyTorch port that pytorch-fid and torch-fidelity use.
 *
 * Weights come from a safetensors file that examples/convert/inception2safetensors.py makes of
 * pt_inception-2015-12-05-6726825d.pth. */

#include <stdint.h>

#define INCEPTION_SIDE     299  /* pixels that the network reads */
#define INCEPTION_FEATURES 2048 /* of the last pooling ("pool_3"), for FID */
#define INCEPTION_CLASSES  1008 /* for IS */
#define INCEPTION_BATCH    8

struct inception;

int inception_open(const char *path, int threads, struct inception **out);
void inception_free(struct inception *net);

/* The SHA-256 of the PyTorch file that the weights came from, as the converter noted it; NULL: it
 * noted none. */
const char *inception_source(const struct inception *net);

/* Is it the published file? */
int inception_is_published(const struct inception *net);

/* n images of height x width x channels bytes, 1 channel (which is repeated) or 3: resized as by
 * TensorFlow 1, (v - 128) / 128, run. `features` gets n x INCEPTION_FEATURES values, `logits`, if
 * not NULL, n x INCEPTION_CLASSES, without the last layer's bias, as IS has them. An image's
 * figures do not depend on its neighbours. */
int inception_run(struct inception *net, const uint8_t *pixels, int64_t n, int64_t channels,
                  int64_t height, int64_t width, float *features, float *logits);

/* For tests: what some layers computed for the last INCEPTION_BATCH images, height x width x
 * channels each. The taps are, with their channels: the first pooling (64), the second (192),
 * Mixed_6e (768), and each block from Mixed_5b to Mixed_7c. */
enum inception_tap {
    INCEPTION_POOL1,
    INCEPTION_POOL2,
    INCEPTION_5B,
    INCEPTION_5C,
    INCEPTION_5D,
    INCEPTION_6A,
    INCEPTION_6B,
    INCEPTION_6C,
    INCEPTION_6D,
    INCEPTION_6E,
    INCEPTION_7A,
    INCEPTION_7B,
    INCEPTION_7C,
    INCEPTION_TAPS
};
const float *inception_look(const struct inception *net, enum inception_tap tap,
                            int64_t shape[3]);

#endif
