/* SPDX-License-Identifier: MIT */
#ifndef JEM_TRAIN_H
#define JEM_TRAIN_H

/**
 * @file
 * Training: cross entropy plus a maximum-likelihood term for log p(x) (JEM Algorithm 1).
 *
 * One step minimises, with F(x) = logsumexp_y f(x)[y],
 *
 *       weight_px   * ( mean F(x_q) - mean F(x_d) )
 *     + weight_py_x * mean CE( f(x_l), y_l )
 *     + weight_pxy  * ( mean f(x_q)[y_q] - mean f(x_l)[y_l] )
 *     + energy_l2   * ( mean F(x_d)^2 + mean F(x_q)^2 )
 *
 * and with "train.contrast" = "logistic" the first line is
 * weight_px * ( mean softplus(F(x_q)) + mean softplus(-F(x_d)) ).
 *
 * x_d and x_l are independently shuffled batches of the data (one batch serves as both with
 * "train.share_batch" = 1), x_q come from SGLD chains in the replay buffer and carry no
 * gradient. x_d and x_q may have a size of their own, "train.batch_px", and x_d images that are
 * neither cropped nor mirrored, "train.augment_px" = 0. Weights 0 / 1 / 0 and energy_l2 0 make it an ordinary classifier, and no chain is
 * run.
 *
 * With "guard.mode" = "act" a guard watches every step and keeps the chains from being left
 * behind, which is how a training loses its density without any number being wrong. It looks at
 * the metric "running_auc" and holds it in a band around "guard.auc": above it the energy
 * penalty rises and chains take larger steps (and more of them, up to "guard.chain_max"), below
 * it all fall back. Where that is not enough,
 * or a step fails for its numbers, the training goes back to one of the last "guard.states"
 * healthy states, which it keeps in memory and in its file, with other random numbers, 0.7 times
 * the learning rate and a stronger penalty; after "guard.rollbacks" of these jem_trainer_step()
 * fails with JEM_E_NUMERIC, and the model is that of the last healthy state. "report" only says
 * when chains are lost. jem_trainer_on_guard() hears of each intervention.
 *
 * The caller owns the loop: call jem_trainer_step() as often as wanted, look at
 * jem_trainer_metric() between calls, save when wanted, stop when wanted. A training that was
 * saved and loaded goes on as if it had never stopped, bit for bit (on the backend
 * "reference", which computes in double precision, up to the rounding of the file's floats).
 *
 * A step fails with JEM_E_NUMERIC before any weight is touched when its loss is NaN, infinite
 * or larger in magnitude than "train.max_loss", or when its gradient is NaN or, after clipping,
 * has a norm above 1e18 (with "train.sam" also when that happens at the weights nearby): the model
 * keeps the weights of the last completed step. The random numbers of the failed step are used up,
 * so calling again tries other samples. After any other failure, such as JEM_E_NOMEM, calling again
 * does the step as if it had not failed.
 */

#include <jem/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Told of what the guard of a training does ("guard.mode").
 *
 * @param user   as given to jem_trainer_on_guard()
 * @param step   completed steps, after the intervention
 * @param action "penalty raised", "penalty lowered", "chains longer", "chains shorter",
 *               "rollback", "end", "lost"
 * @param reason with the figures; both texts live as long as the call
 */
typedef void (*jem_guard_fn)(void *user, int64_t step, const char *action, const char *reason);

/**
 * Begin a training. Reads "train.*", "sgld.*", "start.*" and "pcd.*".
 *
 * @param model the model to be trained; kept alive; its weights change with every step
 * @param data  images of the model's shape with labels; kept alive, not copied
 * @param opts  settings, or NULL for the paper's
 * @param out   the new trainer, to be given back with jem_trainer_free(); NULL on failure
 * @return JEM_OK; JEM_E_ARGUMENT, JEM_E_SHAPE, JEM_E_RANGE, JEM_E_STATE (a "gaussian" start
 *         and a class with fewer than two images), JEM_E_NOMEM
 * @since 0.1
 */
JEM_API jem_status jem_trainer_create(jem_model *model, jem_dataset *data,
                                      const jem_options *opts, jem_trainer **out);

/**
 * Go on with a training that jem_trainer_save() wrote: weights, buffer, optimiser, schedule,
 * random positions and settings come from the file, images from `data`.
 *
 * @param ctx  the context
 * @param data the same images, in the same order, as when the training began
 * @param path file name
 * @param out  the trainer; NULL on failure
 * @return JEM_OK; JEM_E_ARGUMENT, JEM_E_IO, JEM_E_FORMAT, JEM_E_VERSION, JEM_E_SHAPE,
 *         JEM_E_STATE (the file holds a model without a training, or other images were used),
 *         JEM_E_NUMERIC, JEM_E_NOMEM
 * @since 0.1
 */
JEM_API jem_status jem_trainer_load(jem_context *ctx, jem_dataset *data, const char *path,
                                    jem_trainer **out);

/**
 * Make training steps. Stops at the first one that fails. Where a guard goes back, the metric
 * "step" is smaller afterwards: a caller that wants to reach a step asks for one at a time.
 *
 * @param t     the trainer
 * @param steps number of steps, >= 0
 * @return JEM_OK; JEM_E_ARGUMENT; JEM_E_NUMERIC (a loss, gradient or chain left the finite
 *         numbers, or the loss exceeded "train.max_loss"; completed steps are kept);
 *         JEM_E_NOMEM
 * @since 0.1
 */
JEM_API jem_status jem_trainer_step(jem_trainer *t, int64_t steps);

/**
 * Say whom the guard tells of what it does. Each intervention goes to the log of the context as
 * well (jem_context_set_log()).
 *
 * @param t    the trainer
 * @param tell called during jem_trainer_step(), on its thread; must not use the trainer; NULL
 *             for nobody
 * @param user handed to `tell`
 * @return JEM_OK; JEM_E_ARGUMENT
 * @since 0.1
 */
JEM_API jem_status jem_trainer_on_guard(jem_trainer *t, jem_guard_fn tell, void *user);

/**
 * One training step on batches the caller brings, with samples the caller drew: for own
 * data pipelines, own samplers, and comparison with other implementations. Neither the
 * trainer's data, nor its buffer, nor its random streams are touched.
 *
 * Terms whose batch is empty are left out. Augmentation and input noise are not applied.
 *
 * @param t   the trainer
 * @param x_d images for log p(x), n_d x C x H x W; may be NULL with n_d = 0
 * @param n_d number of them, >= 0
 * @param x_l labelled images, n_l x C x H x W; may be NULL with n_l = 0
 * @param y_l their labels
 * @param n_l number of them, >= 0
 * @param x_q samples, n_q x C x H x W; may be NULL with n_q = 0
 * @param y_q their classes, needed when "train.weight_pxy" is not 0; else may be NULL
 * @param n_q number of them, >= 0
 * @return as jem_trainer_step(); JEM_E_RANGE (a class number, a count too large for memory)
 * @since 0.1
 */
JEM_API jem_status jem_trainer_step_on(jem_trainer *t, const float *x_d, int64_t n_d,
                                       const float *x_l, const int32_t *y_l, int64_t n_l,
                                       const float *x_q, const int32_t *y_q, int64_t n_q);

/**
 * A number about the last completed step or about the training as a whole.
 *
 *     "step" "epoch" "learning_rate" "batches_per_epoch"
 *     "weight_px"                                          train.weight_px as it was in the step
 *                                                          (train.weight_px_ramp)
 *     "loss" "loss_px" "loss_py_x" "loss_pxy" "loss_l2"    the terms, with their weights
 *     "log_px_data" "log_px_sample"                        mean F(x_d), mean F(x_q)
 *     "energy_gap"                                         their difference, data - sample
 *     "accuracy"                                           of the labelled batch, 0 to 1
 *     "grad_norm"                                          before clipping; with "train.sam" of
 *                                                          the gradient that the update uses
 *     "auc" "running_auc"                                  do the chains keep up? The chance that
 *                                                          an image of x_d scores above one of
 *                                                          x_q: 0.5 when they do, 1 when the
 *                                                          model tells all samples from data;
 *                                                          and its mean over about ten steps
 *     "log_px_data_std" "log_px_sample_std"                spread of F(x_d), F(x_q)
 *     "sample_saturation"                                  share of sample values at or beyond
 *                                                          +-1
 *     "sample_displacement"                                how far the step's chains went: root
 *                                                          of the mean square, per value
 *     "sample_age"                                         SGLD steps since the chains' starts,
 *                                                          mean
 *     "energy_l2" "step_size"                              energy_l2 and sgld.step_size as the
 *                                                          guard has set them
 *     "chain_steps"                                        SGLD steps of a chain, which are
 *                                                          sgld.steps unless the guard has made
 *                                                          chains longer ("guard.chain_max")
 *     "rollbacks"                                          how often it went back
 *
 * A number that the last step did not produce is NaN.
 *
 * @param t    the trainer
 * @param name one of the names above
 * @param out  the number
 * @return JEM_OK; JEM_E_ARGUMENT, JEM_E_UNKNOWN
 * @since 0.1
 */
JEM_API jem_status jem_trainer_metric(const jem_trainer *t, const char *name, double *out);

/**
 * The gradient of the last step's loss with respect to a parameter, before clipping and
 * without weight decay. With "train.sam" it is the one that the update used, of the loss at
 * weights nearby.
 *
 * @param t       the trainer; its last step was completed, and made since it was loaded
 * @param name    a parameter's name, see jem_model_param_info()
 * @param out     gets the values, in row-major order of the parameter's shape
 * @param out_len length of `out`
 * @return JEM_OK; JEM_E_ARGUMENT, JEM_E_UNKNOWN, JEM_E_SPACE, JEM_E_STATE (no such step)
 * @since 0.1
 */
JEM_API jem_status jem_trainer_param_grad(const jem_trainer *t, const char *name, float *out,
                                          int64_t out_len);

/**
 * The model being trained, for heads and for saving. Do not use it while a step runs.
 *
 * @param t   the trainer
 * @param out a handle of its own, to be given back with jem_model_free(); NULL on failure
 * @return JEM_OK; JEM_E_ARGUMENT
 * @since 0.1
 */
JEM_API jem_status jem_trainer_model(jem_trainer *t, jem_model **out);

/**
 * The exponential moving average of the weights ("train.ema" > 0), as a model of its own. It is
 * calmer than the weights of the last step, and usually classifies better.
 *
 * @param t   the trainer
 * @param out a copy made now, to be given back with jem_model_free(); NULL on failure
 * @return JEM_OK; JEM_E_ARGUMENT, JEM_E_STATE ("train.ema" is 0), JEM_E_NOMEM
 * @since 0.1
 */
JEM_API jem_status jem_trainer_average_model(jem_trainer *t, jem_model **out);

/**
 * The replay buffer of the training, for pictures. Do not use it while a step runs.
 *
 * @param t   the trainer
 * @param out a handle of its own, to be given back with jem_buffer_free(); NULL on failure
 * @return JEM_OK; JEM_E_ARGUMENT, JEM_E_STATE (a classifier has no buffer)
 * @since 0.1
 */
JEM_API jem_status jem_trainer_buffer(jem_trainer *t, jem_buffer **out);

/**
 * Write everything that is needed to go on, in one safetensors file: weights, buffer,
 * optimiser state, schedule, random positions, settings. Written like jem_model_save(); the
 * file opens with jem_model_load() as well.
 *
 * @param t    the trainer
 * @param path file name
 * @return JEM_OK; JEM_E_ARGUMENT, JEM_E_IO, JEM_E_NOMEM
 * @since 0.1
 */
JEM_API jem_status jem_trainer_save(const jem_trainer *t, const char *path);

/**
 * Give a trainer back.
 *
 * @param t the trainer, or NULL
 * @since 0.1
 */
JEM_API void jem_trainer_free(jem_trainer *t);

#ifdef __cplusplus
}
#endif

#endif
