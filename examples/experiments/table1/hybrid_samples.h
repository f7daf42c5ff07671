/* SPDX-License-Identifier: MIT */
#ifndef HYBRID_SAMPLES_H
#define HYBRID_SAMPLES_H

/* The samples that a generative model is judged by, and the starts they came from. */

#include "kit/lab/lab.h"

struct hybrid_plan {
    const char *buffer; /* a training with images; NULL: fresh chains */
    struct cli_list presets, sets;
    int64_t count; /* chains; with a buffer: at most so many of its images, evenly spaced */
    int64_t steps; /* of a chain; a buffer's images are taken as they are */
    int64_t batch; /* chains at a time */
};

struct hybrid_samples {
    int64_t n, steps;
    int64_t stored;       /* images of the buffer, or 0 */
    float *starts, *ends; /* n images each; of a buffer the starts are as many fresh ones */
    const char *how;      /* for people */

    jem_sampler *sampler;
    int32_t *y; /* n, or NULL */
    int fresh;  /* chains begin with the starts */
};

/* Chains are on log p(x|y), the classes in turn, where "sgld.class_cond" is 1. Read settings and
 * buffer, and fit the start distribution to `train`: all that can fail early. */
struct hybrid_samples hybrid_samples_prepare(struct lab *l, const struct hybrid_plan *plan,
                                             const jem_dataset *train);

void hybrid_samples_draw(struct lab *l, struct hybrid_samples *s);

/* The images that the model is surest of: of each class that it sees, the top `percent` by
 * p(y|x), rounded down. Their numbers in ascending order, *n of them. */
int64_t *hybrid_samples_keep(struct lab *l, const struct hybrid_samples *s, int64_t percent,
                             int64_t *n);

/* Some of the samples' starts or ends in a picture, NAME in the folder of --out. */
void hybrid_samples_show(struct lab *l, const struct hybrid_samples *s, const char *name,
                         const float *x);

#endif
