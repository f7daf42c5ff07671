/* SPDX-License-Identifier: MIT */
#ifndef JEM_TRAIN_TRAINER_H
#define JEM_TRAIN_TRAINER_H

/* One training: the handle jem_trainer.
 *
 * Two counters drive it. `step` counts completed steps: the schedule, Adam's bias correction
 * and the averaging of weights follow it. `attempts` counts steps that were begun, failed ones
 * included: batches, augmentation and noise are numbered by it, so that after a failed step
 * others come. jem_trainer_step_on() moves only `step`. */

#include <jem/train.h>

#include "energy/replay_buffer.h"
#include "train/batch.h"
#include "train/gradient/gradient.h"
#include "train/guard.h"
#include "train/optimizer.h"
#include "train/schedule.h"
#include "train/sharpness.h"
#include "train/telemetry.h"

/* A step under way. */
struct jem__step {
    const char *caller;
    jem__batch batches[3];
    int32_t count;     /* of batches */
    double grad_scale; /* of the gradient in the update: clipping */
    jem__step_metrics metrics;
};

struct jem_trainer {
    jem_context *ctx;  /* a reference, as the next two */
    jem_model *model;  /* what is trained */
    jem_dataset *data; /* what it is trained on */
    jem_options *opts; /* a copy, with "model.*" of the model; noted in checkpoints */

    jem__loss_weights weights;
    double max_loss, grad_clip, ema_decay;
    int32_t share_batch;
    uint32_t roles; /* JEM__ROLE_*: the batches that the weights ask for */
    jem__schedule schedule;

    int64_t step, attempts;
    uint64_t fingerprint; /* of the data */

    jem__batches batches_d, batches_l; /* the latter only without share_batch */
    int64_t batch, batch_px;           /* images of x_l; of x_d and x_q, so chains */
    float *x_d, *x_l, *x_q;            /* NULL where not needed */
    int32_t *y_d, *y_l, *y_q;
    int64_t *slots, *ages; /* of x_q in the replay buffer */
    float *x_0;            /* where the chains that led to x_q began */

    jem_head *head; /* these three: NULL when no samples are needed */
    jem_sampler *sampler;
    jem_buffer *buffer;
    int32_t climb_class; /* chains climb log p(x|y) */

    jem__queue *queue;
    jem__gradient gradient;
    const jem__optimizer *optimizer;
    /* Blocks laid out like model->params; mem NULL: none. */
    jem__tensor grads;
    jem__tensor moments[JEM__OPTIMIZER_BLOCKS]; /* of the optimiser */
    jem__tensor ema;                            /* with "train.ema" only */
    jem__sharpness sharpness;
    int32_t has_grads; /* grads belong to the last step */
    jem__telemetry telemetry;
    jem__guard guard;
    jem__step_metrics metrics; /* of the last completed step */
    jem_trainer *self;         /* for the use of a trainer that is const */
    jem__use use;
};

jem_status jem__trainer_create(jem_model *model, jem_dataset *data, const jem_options *opts,
                               jem_trainer **out);
/* All of a trainer but the numbers that a file may hold: start distribution not fitted, buffer
 * empty. For jem__trainer_create() and jem__trainer_load(). */
jem_status jem__trainer_build(const char *caller, jem_model *model, jem_dataset *data,
                              const jem_options *opts, jem_trainer **out);
/* Model and data must agree in c, h, w and classes. */
jem_status jem__trainer_check_shape(const char *caller, const jem_model *model,
                                    const jem_dataset *data);
/* Which batches the options ask for (JEM__ROLE_*). */
uint32_t jem__trainer_roles(const jem_options *opts);

jem_status jem__trainer_step(jem_trainer *t, int64_t steps);
jem_status jem__trainer_step_on(jem_trainer *t, const float *x_d, int64_t n_d, const float *x_l,
                                const int32_t *y_l, int64_t n_l, const float *x_q,
                                const int32_t *y_q, int64_t n_q);
/* The losses of the step's batches at `params` into step->metrics, their gradient into `grads`:
 * flat blocks. */
jem_status jem__step_gradient(jem_trainer *t, jem__step *step, const jem__tensor *params,
                              const jem__tensor *grads);
jem_status jem__trainer_metric(const jem_trainer *t, const char *name, double *out);
jem_status jem__trainer_param_grad(const jem_trainer *t, const char *name, float *out,
                                   int64_t out_len);
jem_status jem__trainer_average_model(const jem_trainer *t, jem_model **out);
jem_status jem__trainer_save(const jem_trainer *t, const char *path);
jem_status jem__trainer_load(jem_context *ctx, jem_dataset *data, const char *path,
                             jem_trainer **out);
void jem__trainer_free(jem_trainer *t); /* NULL accepted */

#endif
