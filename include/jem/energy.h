/* SPDX-License-Identifier: MIT */
#ifndef JEM_ENERGY_H
#define JEM_ENERGY_H

/**
 * @file
 * The energy head: a classifier's logits read as densities (JEM section 3).
 *
 *     p(y|x)       = softmax f(x)                        what the classifier was for
 *     log p(x)     = logsumexp_y f(x)[y] - log Z         the density nobody used
 *     log p(x|y)   = f(x)[y] - log Z(y)
 *     mass         = - || d log p(x) / dx ||_2           "approximate mass", JEM section 5.3
 *
 * Z and Z(y) are unknown constants of a model, so they are left out: compare scores of one
 * model, never of two. All scores grow with likelihood.
 *
 * A head owns the workspace of a computation. One thread uses a head at a time, and a second
 * one gets JEM_E_STATE meanwhile; many heads may share one model. Every function takes any n >= 0 and works through it in batches of
 * `max_batch`; the batch size, the number of threads and the neighbours of an image do not
 * change a single bit of its result.
 */

#include <jem/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Make a head.
 *
 * @param model     the model; kept alive by the head
 * @param max_batch images worked on at once, at most, 1 to 65536; memory grows with it up to
 *                  where more at a time would gain nothing
 * @param out       the new head, to be given back with jem_head_free(); NULL on failure
 * @return JEM_OK; JEM_E_ARGUMENT, JEM_E_RANGE, JEM_E_NOMEM
 * @since 0.1
 */
JEM_API jem_status jem_head_create(jem_model *model, int64_t max_batch, jem_head **out);

/**
 * All that one forward pass gives, as the functions below give it one by one, bit for bit:
 *
 *     logits     n x classes   f(x_i)[k]
 *     prob_y     n x classes   p(y = k | x_i), softmax of the logits
 *     log_px     n             log p(x_i) + log Z, logsumexp of the logits
 *     features   n x d         what the last layer reads, d of jem_model_features()
 *
 * @param head     the head
 * @param x        n x C x H x W finite values
 * @param n        number of images, >= 0
 * @param logits   gets the logits; like the next three, NULL if not wanted, but not all four
 * @param prob_y   gets the class probabilities
 * @param log_px   gets the log densities
 * @param features gets the features
 * @return JEM_OK; JEM_E_ARGUMENT, JEM_E_RANGE (n too large for memory), JEM_E_NUMERIC (an
 *         input or a result is NaN or infinite; the text names the image), JEM_E_NOMEM,
 *         JEM_E_STATE (another call uses the head)
 * @since 0.1
 */
JEM_API jem_status jem_head_infer(jem_head *head, const float *x, int64_t n, float *logits,
                                  float *prob_y, float *log_px, float *features);

/**
 * Do now what the first call would do: weights take the form in which they are multiplied,
 * memory is touched, threads start. Takes about as long as a gradient of max_batch images.
 * Setting a parameter or training undoes the first of these.
 *
 * @param head the head
 * @return JEM_OK; JEM_E_ARGUMENT, JEM_E_NOMEM, JEM_E_STATE (another call uses the head)
 * @since 0.1
 */
JEM_API jem_status jem_head_warm_up(jem_head *head);

/**
 * The logits: out[i * classes + k] = f(x_i)[k].
 *
 * @param head    the head
 * @param x       n x C x H x W finite values
 * @param n       number of images, >= 0
 * @param out     gets n x classes values
 * @param out_len length of `out`
 * @return JEM_OK; JEM_E_ARGUMENT, JEM_E_SPACE, JEM_E_RANGE (n too large for memory),
 *         JEM_E_NUMERIC (an input or a result is NaN or infinite; the text names the image),
 *         JEM_E_NOMEM, JEM_E_STATE (another call uses the head)
 * @since 0.1
 */
JEM_API jem_status jem_head_logits(jem_head *head, const float *x, int64_t n, float *out,
                                   int64_t out_len);

/**
 * The features: the numbers that the last layer makes the logits of,
 *
 *     f(x)[k] = sum_j W[k][j] out[i * d + j] + b[k]      W, b: "class_output.weight", ".bias"
 *
 * with d of jem_model_features(). For distances between sets of images (the Frechet distance of
 * FID is one, on another network's features), nearest neighbours and linear probes.
 *
 * @param head    the head
 * @param x       n x C x H x W finite values
 * @param n       number of images, >= 0
 * @param out     gets n x d values
 * @param out_len length of `out`
 * @return as jem_head_logits()
 * @since 0.1
 */
JEM_API jem_status jem_head_features(jem_head *head, const float *x, int64_t n, float *out,
                                     int64_t out_len);

/**
 * Class probabilities: out[i * classes + k] = p(y = k | x_i) = softmax(f(x_i))[k]; each row
 * sums to 1.
 *
 * @param head    the head
 * @param x       n x C x H x W finite values
 * @param n       number of images, >= 0
 * @param out     gets n x classes values
 * @param out_len length of `out`
 * @return as jem_head_logits()
 * @since 0.1
 */
JEM_API jem_status jem_head_prob_y(jem_head *head, const float *x, int64_t n, float *out,
                                   int64_t out_len);

/**
 * How likely are images under the model?
 *
 *     y == NULL :  out[i] = logsumexp_k f(x_i)[k]  =  log p(x_i)       + log Z
 *     y != NULL :  out[i] = f(x_i)[y_i]            =  log p(x_i | y_i) + log Z(y_i)
 *
 * The logsumexp subtracts the largest logit first and is taken in double precision, so logits
 * of any finite size are safe.
 *
 * @param head    the head
 * @param x       n x C x H x W finite values
 * @param y       n class numbers, or NULL for log p(x)
 * @param n       number of images, >= 0
 * @param out     gets n values
 * @param out_len length of `out`
 * @return as jem_head_logits(); JEM_E_RANGE (a class number)
 * @since 0.1
 */
JEM_API jem_status jem_head_log_px(jem_head *head, const float *x, const int32_t *y, int64_t n,
                                   float *out, int64_t out_len);

/**
 * The gradient of jem_head_log_px() with respect to the image: the direction in which x
 * becomes more likely. What SGLD follows, and for y == NULL the p(y|x)-weighted mean of
 * the class gradients.
 *
 * @param head    the head
 * @param x       n x C x H x W finite values
 * @param y       n class numbers, or NULL for log p(x)
 * @param n       number of images, >= 0
 * @param out     gets n x C x H x W values; may not overlap x
 * @param out_len length of `out`
 * @return as jem_head_log_px()
 * @since 0.1
 */
JEM_API jem_status jem_head_grad_log_px(jem_head *head, const float *x, const int32_t *y,
                                        int64_t n, float *out, int64_t out_len);

/**
 * The gradient of the log posterior: out_i = d log p(y_i | x_i) / dx_i. Minus the gradient of
 * the cross entropy; what adversarial attacks descend.
 *
 * @param head    the head
 * @param x       n x C x H x W finite values
 * @param y       n class numbers; not NULL
 * @param n       number of images, >= 0
 * @param out     gets n x C x H x W values; may not overlap x
 * @param out_len length of `out`
 * @return as jem_head_log_px()
 * @since 0.1
 */
JEM_API jem_status jem_head_grad_log_py(jem_head *head, const float *x, const int32_t *y,
                                        int64_t n, float *out, int64_t out_len);

/**
 * The gradient of a weighted sum of logits, out_i = sum_k weights[i * classes + k] df(x_i)[k]/dx_i:
 * the chain rule for whatever a program computes from logits, in one pass.
 *
 * @param head    the head
 * @param x       n x C x H x W finite values
 * @param weights n x classes finite values: the gradient of some number in the logits
 * @param n       number of images, >= 0
 * @param out     gets n x C x H x W values; may not overlap x
 * @param out_len length of `out`
 * @return as jem_head_logits()
 * @since 0.1
 */
JEM_API jem_status jem_head_grad_logits(jem_head *head, const float *x, const float *weights,
                                        int64_t n, float *out, int64_t out_len);

/**
 * Approximate mass: out[i] = - || d log p(x_i) / dx ||_2. Close to 0 where the density is
 * flat, strongly negative on narrow peaks and cliffs (JEM section 5.3 uses it to tell
 * in-distribution from out-of-distribution images).
 *
 * @param head    the head
 * @param x       n x C x H x W finite values
 * @param n       number of images, >= 0
 * @param out     gets n values
 * @param out_len length of `out`
 * @return as jem_head_logits()
 * @since 0.1
 */
JEM_API jem_status jem_head_mass(jem_head *head, const float *x, int64_t n, float *out,
                                 int64_t out_len);

/**
 * Give a head back.
 *
 * @param head the head, or NULL
 * @since 0.1
 */
JEM_API void jem_head_free(jem_head *head);

#ifdef __cplusplus
}
#endif

#endif
