/* SPDX-License-Identifier: MIT */
#ifndef HYBRID_REPORT_H
#define HYBRID_REPORT_H

/* What was found about a hybrid model, and the record of it. */

#include "hybrid_samples.h"
#include "kit/features/features.h"
#include "kit/lab/lab.h"

/* A set of images against the reference. */
struct hybrid_row {
    const char *name;
    int64_t n, against;              /* images of the two; n 0: no such row */
    double frechet, is_mean, is_std; /* the last two NaN: without an Inception Score */
};

enum { ALL, TOP, STARTS, REAL, ROWS };

struct hybrid {
    double accuracy;        /* NaN: the model has no classes, */
    const char *no_classes; /* for this reason */
    int64_t tested;         /* images */

    const struct features *features; /* NULL: the accuracy is all, and nothing below counts */
    const char *classifier;          /* the file of the features, unless they are Inception's */
    int in_order;                    /* the Inception Score is of samples as they come */
    struct hybrid_samples samples;
    int64_t reference, keep; /* training images compared to; percent of the samples in TOP */
    struct hybrid_row row[ROWS];
};

void hybrid_report(struct lab *l, const struct hybrid *h);

#endif
