/* SPDX-License-Identifier: MIT */
#ifndef KIT_LAB_EVALUATE_H
#define KIT_LAB_EVALUATE_H

/* What a model says about many images, with one forward pass each. */

#include <jem/jem.h>

/* Bins of the expected calibration error, as in the paper. */
#define EVALUATE_BINS 20

struct evaluation {
    int64_t n, classes;
    float *logits;   /* n x classes */
    float *prob_y;   /* n x classes: p(y|x) */
    float *log_px;   /* n: log p(x), up to the model's constant */
    int32_t *pred;   /* n: the most probable class */
    int32_t *labels; /* n; -1 where unknown */
    double mean_log_px, std_log_px;
    int64_t labelled; /* how many images have a label; the next three are NaN for 0 */
    double accuracy, nll, ece;
};

/* Images first, ..., first + n - 1 of a data set, `batch` at a time. */
int evaluate_data(jem_model *model, const jem_dataset *data, int64_t first, int64_t n,
                  int64_t batch, struct evaluation *out);

/* n images given as floats, without labels. `features` gets those of jem_head_features() from the
 * same pass; NULL: they are not wanted. */
int evaluate_images(jem_model *model, const float *x, int64_t n, int64_t batch, float *features,
                    struct evaluation *out);

/* Put n labels (-1: unknown) beside what evaluate_images() found, and measure anew. */
int evaluate_with_labels(struct evaluation *e, const int32_t *labels);

void evaluate_free(struct evaluation *e);

#endif
