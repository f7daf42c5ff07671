/* SPDX-License-Identifier: MIT */
#ifndef RELIABILITY_H
#define RELIABILITY_H

/* Accuracy and confidence of test images in bins of confidence, as a table and as a diagram. */

#include "kit/lab/lab.h"

#define MOST_BINS 1000

struct reliability {
    int64_t bins;
    double ece, mce;
    int64_t count[MOST_BINS];
    double confidence[MOST_BINS], accuracy[MOST_BINS];
};

/* A row per bin into the array `name` of the file; bins without images are in files alone.
 * `shown`: on stdout and pages too. */
void reliability_record(struct record *record, const char *name, int shown,
                        const struct reliability *r);

/* The file `name` in the folder of --out. */
void reliability_draw(const struct lab *l, const struct reliability *r, const char *title,
                      const char *name);

#endif
