/* SPDX-License-Identifier: MIT */
#ifndef JEM_SAMPLER_H
#define JEM_SAMPLER_H

/**
 * @file
 * SGLD: chains that climb towards likely images (Welling and Teh 2011; JEM section 4).
 *
 *     x <- x + step_size * clamp(d log p(x)/dx, clamp_grad) + noise_std * N(0, I)
 *     x <- clamp(x, clamp_x)
 *
 * with log p(x) = logsumexp f(x), or f(x)[y] when class numbers are given. The paper's values
 * (step_size 1, noise_std 0.01, 20 steps, no clamps) are the defaults; JEM++ and SADA-JEM are
 * other settings of the same sampler (clamps at 1, no noise, 5 to 20 steps). A clamp of 0 is
 * off.
 *
 * A chain starts from p0 ("start.kind"): "uniform", every value U(-1, 1), or "gaussian", the
 * informative start of JEM++: a Gaussian per class with the mean and covariance of a data
 * set's images, cut to [-1, 1].
 *
 * Random numbers come from Philox4x32-10 under the key (seed, stream). Every chain has a number
 * of its own, counted from 0 since the last jem_sampler_seed(); chain c gets the same noise
 * whatever batch or thread it runs in, so one call with n = 64 equals two calls with n = 32.
 */

#include <jem/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Make a sampler. Reads "sampler.rule", "sgld.*", "start.kind" and, as its seed, "train.seed".
 *
 * @param head the head whose density is climbed; kept alive; not to be used elsewhere while
 *             the sampler runs
 * @param opts settings, or NULL for the paper's
 * @param out  the new sampler, to be given back with jem_sampler_free(); NULL on failure
 * @return JEM_OK; JEM_E_ARGUMENT, JEM_E_NOMEM
 * @since 0.1
 */
JEM_API jem_status jem_sampler_create(jem_head *head, const jem_options *opts,
                                      jem_sampler **out);

/**
 * Start the random stream (seed, stream) from its beginning: chain and start numbers count
 * from 0 again.
 *
 * @param s      the sampler
 * @param seed   any number
 * @param stream any number; equal seeds with different streams are independent
 * @return JEM_OK; JEM_E_ARGUMENT
 * @since 0.1
 */
JEM_API jem_status jem_sampler_seed(jem_sampler *s, int64_t seed, int64_t stream);

/**
 * Learn the "gaussian" start distribution: per class the mean and the covariance of the
 * images of `data` (plus 1e-4 I), kept as a factor A with A A' = covariance: at most as many
 * columns as the class has images or the image has values.
 *
 * @param s    the sampler
 * @param data labelled images of the model's shape, at least two in every class
 * @return JEM_OK; JEM_E_ARGUMENT, JEM_E_SHAPE, JEM_E_STATE (a class with fewer than two
 *         images, or "start.kind" is "uniform"), JEM_E_NUMERIC (the covariance is not finite),
 *         JEM_E_NOMEM
 * @since 0.1
 */
JEM_API jem_status jem_sampler_fit_start(jem_sampler *s, const jem_dataset *data);

/**
 * Draw start images from p0.
 *
 * @param s the sampler
 * @param y class numbers, or NULL (a "gaussian" start then draws the class uniformly)
 * @param x gets n x C x H x W values
 * @param n number of images, >= 0
 * @return JEM_OK; JEM_E_ARGUMENT, JEM_E_RANGE, JEM_E_STATE ("gaussian" and not fitted)
 * @since 0.1
 */
JEM_API jem_status jem_sampler_init(jem_sampler *s, const int32_t *y, float *x, int64_t n);

/**
 * Run chains in place.
 *
 * @param s     the sampler
 * @param x     n x C x H x W finite values; start images in, samples out; unchanged on failure
 * @param y     class numbers for log p(x|y), or NULL for log p(x)
 * @param n     number of chains, >= 0
 * @param steps number of SGLD steps, 0 to 2^24 - 1; negative for the option "sgld.steps"
 * @return JEM_OK; JEM_E_ARGUMENT, JEM_E_RANGE (a class number, steps, n too large for memory),
 *         JEM_E_NOMEM, JEM_E_NUMERIC (an image was not finite, or a chain left the finite
 *         numbers; the text names it). A run that fails on the way has used up its chain
 *         numbers, so that another try gets other noise
 * @since 0.1
 */
JEM_API jem_status jem_sampler_run(jem_sampler *s, float *x, const int32_t *y, int64_t n,
                                   int64_t steps);

/**
 * Run chains and keep all their states: for films, and for jem_sampler_backward().
 *
 * The same chains, bit for bit, as those of jem_sampler_run().
 *
 * @param s         the sampler
 * @param x         n x C x H x W finite values: the starts
 * @param y         class numbers for log p(x|y), or NULL for log p(x)
 * @param n         number of chains, >= 0
 * @param steps     number of SGLD steps, 0 to 2^24 - 1
 * @param trace     gets steps + 1 blocks of n x C x H x W values: the starts, then the states
 *                  after each step; unspecified on failure. May not overlap x
 * @param trace_len length of `trace`
 * @return as jem_sampler_run(); JEM_E_SPACE
 * @since 0.1
 */
JEM_API jem_status jem_sampler_trace(jem_sampler *s, const float *x, const int32_t *y,
                                     int64_t n, int64_t steps, float *trace, int64_t trace_len);

/**
 * The exact gradient through chains: from that of a loss in the ends x_k to that in the starts
 * x_0, the noise held fixed. What an attack needs against a classifier that looks at an image
 * only after k steps of SGLD (JEM section 5.4). The common shortcut takes the first for the second
 * ("straight-through"), which usually flatters the defence. The exact one is 0 where clamp_x acted,
 * which can mask gradients, so that an attack should try both.
 *
 * Each step multiplies by (I + step_size H), H the Hessian of log p(x), and by 0 where a clamp
 * acted. The network is piecewise linear, so that H v is computed exactly, in a pass forward
 * and one back; the kinks of LeakyReLU have no part in it. For log p(x|y) H is 0.
 *
 * @param s         a sampler with the settings of the one that ran the chains
 * @param trace     what jem_sampler_trace() gave
 * @param trace_len length of `trace`
 * @param y         the class numbers of the chains, or NULL for log p(x)
 * @param n         number of chains, >= 0
 * @param steps     number of steps of the chains
 * @param grad      n x C x H x W values, d loss / d x_k in and d loss / d x_0 out; unchanged on
 *                  failure
 * @return JEM_OK; JEM_E_ARGUMENT, JEM_E_RANGE, JEM_E_SPACE, JEM_E_NOMEM, JEM_E_NUMERIC (a state
 *         or a gradient is not finite)
 * @since 0.1
 */
JEM_API jem_status jem_sampler_backward(jem_sampler *s, const float *trace, int64_t trace_len,
                                        const int32_t *y, int64_t n, int64_t steps,
                                        float *grad);

/**
 * Give a sampler back.
 *
 * @param s the sampler, or NULL
 * @since 0.1
 */
JEM_API void jem_sampler_free(jem_sampler *s);

#ifdef __cplusplus
}
#endif

#endif
