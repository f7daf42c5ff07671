/* SPDX-License-Identifier: MIT */
#ifndef KIT_DRAW_RELIABILITY_H
#define KIT_DRAW_RELIABILITY_H

/* Accuracy and confidence of test images in bins of confidence: measured, and as a diagram. */

#include <stdint.h>
#include <stdio.h>

#define MOST_BINS 1000

struct reliability {
    int64_t bins;
    double ece, mce;
    int64_t count[MOST_BINS];
    double confidence[MOST_BINS], accuracy[MOST_BINS];
};

/* n images with labels and p(y|x) of k classes. Returns an exit code. */
int reliability_measure(const float *prob_y, const int32_t *labels, int64_t n, int64_t k,
                        int64_t bins, struct reliability *out);

/* Accuracy per bin with its distance from the confidence, and the images per bin; as inline SVG
 * each. */
int reliability_draw(FILE *out, const struct reliability *r, const char *title);
int reliability_draw_counts(FILE *out, const struct reliability *r);

/* Both as a picture file, folder/name. */
int reliability_write(const char *folder, const char *name, const struct reliability *r,
                      const char *title);

#endif
