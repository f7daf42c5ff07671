/* SPDX-License-Identifier: MIT */
#ifndef HYBRID_SAMPLES_H
#define HYBRID_SAMPLES_H

/* The samples that a generative model is judged by, and the starts they came from. */

#include <jem/jem.h>

#include "kit/base/progress.h"
#include "kit/cli/cli.h"

struct hybrid_plan {
    const char *model, *buffer; /* files; `buffer` NULL: fresh chains */
    const struct cli_list *presets, *sets;
    int64_t count; /* chains; with a buffer: at most so many of its images, evenly spaced */
    int64_t steps; /* of a chain; a buffer's images are taken as they are */
    int64_t batch; /* chains at a time */
    int64_t seed;
};

struct hybrid_samples {
    int64_t n, size, steps;
    int64_t stored;       /* images of the buffer, or 0 */
    float *starts, *ends; /* n images each; of a buffer the starts are as many fresh ones */
    char how[640];        /* for people */

    jem_options *opts;
    jem_head *head;
    jem_sampler *sampler;
    int32_t *y; /* n, or NULL */
    int fresh;  /* chains begin with the starts */
};

/* Chains are on log p(x|y), the classes in turn, where "sgld.class_cond" is 1. Read settings and
 * buffer, and fit the start distribution to `train`: all that can fail early. */
int hybrid_samples_prepare(jem_context *ctx, jem_model *model, const struct hybrid_plan *plan,
                           const jem_dataset *train, struct hybrid_samples *out);

int hybrid_samples_draw(struct hybrid_samples *s, struct progress *progress);

/* The images that the model is surest of: of each class that it sees, the top `percent` by
 * p(y|x), rounded down. `kept` gets their numbers, in ascending order. */
int hybrid_samples_keep(jem_model *model, const struct hybrid_samples *s, int64_t percent,
                        int64_t *kept, int64_t *n);

void hybrid_samples_free(struct hybrid_samples *s);

#endif
