/* SPDX-License-Identifier: MIT */
#ifndef JEM_EVAL_METRICS_H
#define JEM_EVAL_METRICS_H

/* Metrics on plain arrays; arguments are checked by api/jem_metrics.c except for the values
 * themselves (labels, NaN), which are checked where they are read. See jem/metrics.h. */

#include <jem/metrics.h>

/* Fail with the text for a NaN at image i, class k. */
jem_status jem__metric_nan(const char *caller, const char *what, int64_t i, int64_t k);
/* The first of the largest entries of a row. */
int64_t jem__metric_largest(const float *row, int64_t classes);

jem_status jem__metric_accuracy(const float *scores, const int32_t *y, int64_t n,
                                int64_t classes, double *out);
jem_status jem__metric_nll(const float *logits, const int32_t *y, int64_t n, int64_t classes,
                           double *out);
jem_status jem__metric_mean(const float *scores, int64_t n, double *mean, double *std);

/* calibration.c */
jem_status jem__metric_reliability(const char *caller, const float *prob, const int32_t *y,
                                   int64_t n, int64_t classes, int64_t count_bins,
                                   int64_t *count, double *confidence, double *accuracy);
jem_status jem__metric_ece(const float *prob, const int32_t *y, int64_t n, int64_t classes,
                           int64_t bins, double *out);
jem_status jem__metric_mce(const float *prob, const int32_t *y, int64_t n, int64_t classes,
                           int64_t bins, double *out);
jem_status jem__metric_classwise_ece(const float *prob, const int32_t *y, int64_t n,
                                     int64_t classes, int64_t bins, double *out);
jem_status jem__metric_brier(const float *prob, const int32_t *y, int64_t n, int64_t classes,
                             double *out);

/* detection.c */
jem_status jem__metric_auroc(jem_context *ctx, const float *in, int64_t n_in,
                             const float *other, int64_t n_other, double *out);
jem_status jem__metric_aupr(jem_context *ctx, const float *in, int64_t n_in, const float *other,
                            int64_t n_other, double *out);
jem_status jem__metric_fpr(jem_context *ctx, const float *in, int64_t n_in, const float *other,
                           int64_t n_other, double tpr, double *out);

#endif
