/* SPDX-License-Identifier: MIT */
#ifndef JEM_TRAIN_LOSS_H
#define JEM_TRAIN_LOSS_H

/* The loss of a step. With F = logsumexp f and n_d, n_l, n_q images,
 *
 *     loss = sum over images of   alpha F + lambda F^2 + beta f_y + mu mean f,
 *
 *           alpha              lambda           beta                           mu
 *     x_d  -weight_px / n_d    energy_l2 / n_d
 *     x_l   weight_py_x / n_l            -((1-s) weight_py_x + weight_pxy) / n_l
 *                                                                     -s weight_py_x / n_l
 *     x_q   weight_px / n_q    energy_l2 / n_q  weight_pxy / n_q
 *
 * with s = label_smoothing and weight_px as it is in the step (train.weight_px_ramp), since cross entropy is F - f_y, and F - (1-s) f_y - s mean f against
 * smoothed labels. An image that is in x_d and in x_l has the sum of both rows and goes through
 * the network once.
 *
 * With train.contrast = logistic, -F and F in the first column become softplus(-F) of x_d and
 * softplus(F) of x_q: the numbers of that column go to gamma instead (backend.h). */

#include "backend/backend.h"
#include "train/gradient/step_metrics.h"

/* What a batch does in the loss; a shared batch does two things at once. */
#define JEM__ROLE_DATA     1u /* x_d */
#define JEM__ROLE_LABELLED 2u /* x_l */
#define JEM__ROLE_SAMPLE   4u /* x_q */

typedef struct jem__batch {
    const float *x;
    const int32_t *y; /* classes; may be NULL where no term needs them */
    int64_t n;        /* 0 accepted */
    uint32_t roles;   /* 0: left out */
    float *log_px;    /* gets n scores F(x); NULL: not wanted */
} jem__batch;

typedef struct jem__loss_weights {
    double px, py_x, pxy, energy_l2, label_smoothing;
    double px_share;  /* of px that is in force: train.weight_px_ramp */
    int32_t logistic; /* train.contrast */
} jem__loss_weights;

/* Images in each role. */
typedef struct jem__loss_counts {
    int64_t d, l, q;
} jem__loss_counts;

/* Sums over images, by role: F, F^2, softplus(-F) of x_d and softplus(F) of x_q, cross entropy,
 * f_y, mean f where labels are smoothed, and how many images of x_l are classified as labelled. */
typedef struct jem__loss_sums {
    double f_d, f2_d, f_q, f2_q, softplus_d, softplus_q, ce_l, fy_l, fy_q, mean_l;
    int64_t correct;
} jem__loss_sums;

jem__loss_counts jem__loss_count(const jem__batch *batches, int32_t count);
/* The table above, for a batch with `roles`. */
jem__density jem__loss_coefficients(const jem__loss_weights *weights, uint32_t roles,
                                    const jem__loss_counts *n);

/* Add n images of a batch with these coefficients: their F and f_y (NULL: no classes). */
void jem__loss_add_scores(jem__loss_sums *sums, const jem__density *what, uint32_t roles,
                          int64_t n, const double *f, const double *fy);
/* sums += other. */
void jem__loss_add_sums(jem__loss_sums *sums, const jem__loss_sums *other);

/* Losses, log densities and accuracy; what has no image, or a weight of 0, is left as it is. */
void jem__loss_terms(const jem__loss_weights *weights, const jem__loss_counts *n,
                     const jem__loss_sums *sums, jem__step_metrics *m);

#endif
