/* SPDX-License-Identifier: MIT */
#ifndef JEM_METRICS_H
#define JEM_METRICS_H

/**
 * @file
 * Metrics of JEM section 5, on plain arrays: no state, any thread.
 *
 * Sums are taken in double precision in the order of the images.
 */

#include <jem/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Accuracy: the share of rows whose largest entry is the label's. Among equal entries the
 * first counts as the largest.
 *
 * @param scores  n x classes logits or probabilities
 * @param y       n labels in [0, classes)
 * @param n       number of images, >= 1
 * @param classes number of classes, >= 1
 * @param out     the share, 0 to 1
 * @return JEM_OK; JEM_E_ARGUMENT, JEM_E_RANGE (a label), JEM_E_NUMERIC (a score is NaN)
 * @since 0.1
 */
JEM_API jem_status jem_metric_accuracy(const float *scores, const int32_t *y, int64_t n,
                                       int64_t classes, double *out);

/**
 * Negative log-likelihood of the labels: mean of logsumexp(f(x)) - f(x)[y], in nats.
 *
 * @param logits  n x classes logits
 * @param y       n labels in [0, classes)
 * @param n       number of images, >= 1
 * @param classes number of classes, >= 1
 * @param out     the mean
 * @return JEM_OK; JEM_E_ARGUMENT, JEM_E_RANGE, JEM_E_NUMERIC
 * @since 0.1
 */
JEM_API jem_status jem_metric_nll(const float *logits, const int32_t *y, int64_t n,
                                  int64_t classes, double *out);

/**
 * Reliability diagram (Guo et al. 2017; JEM section 5.2): images sorted by confidence
 * max_y p(y|x) into `bins` equal bins, bin b holding confidences in (b/bins, (b+1)/bins].
 *
 * Outputs that are not wanted may be NULL. An empty bin has confidence and accuracy 0.
 *
 * @param prob       n x classes probabilities
 * @param y          n labels in [0, classes)
 * @param n          number of images, >= 1
 * @param classes    number of classes, >= 1
 * @param bins       number of bins, 1 to 1,000; the paper uses 20
 * @param count      gets the number of images per bin
 * @param confidence gets the mean confidence per bin
 * @param accuracy   gets the accuracy per bin
 * @return JEM_OK; JEM_E_ARGUMENT, JEM_E_RANGE (a label, a probability outside [0, 1],
 *         bins), JEM_E_NUMERIC
 * @since 0.1
 */
JEM_API jem_status jem_metric_reliability(const float *prob, const int32_t *y, int64_t n,
                                          int64_t classes, int64_t bins, int64_t *count,
                                          double *confidence, double *accuracy);

/**
 * Expected calibration error: sum over bins of count/n * |accuracy - confidence|, with the
 * bins of jem_metric_reliability().
 *
 * @param prob    n x classes probabilities
 * @param y       n labels in [0, classes)
 * @param n       number of images, >= 1
 * @param classes number of classes, >= 1
 * @param bins    number of bins, 1 to 1,000; the paper uses 20, other work often 15
 * @param out     the error, 0 to 1
 * @return as jem_metric_reliability()
 * @since 0.1
 */
JEM_API jem_status jem_metric_ece(const float *prob, const int32_t *y, int64_t n,
                                  int64_t classes, int64_t bins, double *out);

/**
 * Maximum calibration error: the largest |accuracy - confidence| of a bin that holds an image.
 *
 * @param prob    n x classes probabilities
 * @param y       n labels in [0, classes)
 * @param n       number of images, >= 1
 * @param classes number of classes, >= 1
 * @param bins    number of bins, 1 to 1,000
 * @param out     the error, 0 to 1
 * @return as jem_metric_reliability()
 * @since 0.1
 */
JEM_API jem_status jem_metric_mce(const float *prob, const int32_t *y, int64_t n,
                                  int64_t classes, int64_t bins, double *out);

/**
 * Classwise expected calibration error (Kull et al. 2019): for each class k the expected
 * calibration error of p(k|x) as a statement about y = k, and the mean of these over the
 * classes.
 *
 * @param prob    n x classes probabilities
 * @param y       n labels in [0, classes)
 * @param n       number of images, >= 1
 * @param classes number of classes, >= 1
 * @param bins    number of bins, 1 to 1,000
 * @param out     the error, 0 to 1
 * @return as jem_metric_reliability()
 * @since 0.1
 */
JEM_API jem_status jem_metric_classwise_ece(const float *prob, const int32_t *y, int64_t n,
                                            int64_t classes, int64_t bins, double *out);

/**
 * Brier score: the mean over images of sum_k (p(k|x) - [k = y])^2, 0 to 2. Smaller is better.
 *
 * @param prob    n x classes probabilities
 * @param y       n labels in [0, classes)
 * @param n       number of images, >= 1
 * @param classes number of classes, >= 1
 * @param out     the score
 * @return JEM_OK; JEM_E_ARGUMENT, JEM_E_RANGE (a label, a probability outside [0, 1]),
 *         JEM_E_NUMERIC
 * @since 0.1
 */
JEM_API jem_status jem_metric_brier(const float *prob, const int32_t *y, int64_t n,
                                    int64_t classes, double *out);

/**
 * Area under the ROC curve: the probability that an image of the in-distribution set scores
 * higher than one of the other set, ties counting one half (Mann-Whitney). The paper's
 * direction: higher score = in-distribution.
 *
 * @param ctx   where the memory for sorting comes from
 * @param in    scores of the in-distribution set
 * @param n_in  how many, >= 1
 * @param other scores of the other set
 * @param n_other how many, >= 1
 * @param out   the area, 0 to 1
 * @return JEM_OK; JEM_E_ARGUMENT, JEM_E_NUMERIC (a score is NaN), JEM_E_NOMEM
 * @since 0.1
 */
JEM_API jem_status jem_metric_auroc(jem_context *ctx, const float *in, int64_t n_in,
                                    const float *other, int64_t n_other, double *out);

/**
 * Area under the precision-recall curve, as average precision: the sum over falling thresholds of
 * precision times the recall gained, the images of `in` being what is looked for. Unlike the
 * area under the ROC curve it depends on how large the sets are: state n_in and n_other with it.
 *
 * For the other direction ("AUPR-out"), exchange the sets and change the sign of all scores.
 *
 * @param ctx   where the memory for sorting comes from
 * @param in    scores of the in-distribution set
 * @param n_in  how many, >= 1
 * @param other scores of the other set
 * @param n_other how many, >= 1
 * @param out   the area, 0 to 1
 * @return as jem_metric_auroc()
 * @since 0.1
 */
JEM_API jem_status jem_metric_aupr(jem_context *ctx, const float *in, int64_t n_in,
                                   const float *other, int64_t n_other, double *out);

/**
 * False positive rate at a true positive rate: the share of the other set that scores at or
 * above the threshold which keeps the share `tpr` of the in-distribution set ("FPR95" for 0.95).
 *
 * @param ctx   where the memory for sorting comes from
 * @param in    scores of the in-distribution set
 * @param n_in  how many, >= 1
 * @param other scores of the other set
 * @param n_other how many, >= 1
 * @param tpr   above 0, at most 1
 * @param out   the share, 0 to 1
 * @return as jem_metric_auroc(); JEM_E_RANGE (tpr)
 * @since 0.1
 */
JEM_API jem_status jem_metric_fpr(jem_context *ctx, const float *in, int64_t n_in,
                                  const float *other, int64_t n_other, double tpr, double *out);

/**
 * Mean and standard deviation (divisor n) of scores, for example mean energies.
 *
 * @param scores n finite values
 * @param n      how many, >= 1
 * @param mean   gets the mean; may be NULL
 * @param std    gets the standard deviation; may be NULL
 * @return JEM_OK; JEM_E_ARGUMENT, JEM_E_NUMERIC
 * @since 0.1
 */
JEM_API jem_status jem_metric_mean(const float *scores, int64_t n, double *mean, double *std);

#ifdef __cplusplus
}
#endif

#endif
