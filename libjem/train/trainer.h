/* SPDX-License-Identifier: MIT */
#ifndef JEM_TRAIN_TRAINER_H
#define JEM_TRAIN_TRAINER_H

/* One training: the handle jem_trainer.
 *
 * Two counters drive it. `step` counts completed steps: the schedule, Adam's bias correction and
 * the averaging of weights follow it. `attempts` counts steps that were begun, failed ones included:
 * batches, augmentation and noise have addresses made of it, so that a step that failed
 * is followed by one with other images. jem_trainer_step_on() moves only the former. */

#include <jem/train.h>

#include "energy/replay_buffer.h"
#include "train/batch.h"
#include "train/schedule.h"

/* What the last completed step produced; NaN: nothing. See jem_trainer_metric(). */
typedef struct jem__step_metrics {
    double learning_rate, loss, loss_px, loss_py_x, loss_pxy, loss_l2;
    double log_px_data, log_px_sample, energy_gap, accuracy, grad_norm, sample_saturation;
} jem__step_metrics;

struct jem_trainer {
    jem_context *ctx;  /* a reference, as the next two */
    jem_model *model;  /* what is trained */
    jem_dataset *data; /* what it is trained on */
    jem_options *opts; /* a copy, with "model.*" of the model; noted in checkpoints */

    double weight_px, weight_py_x, weight_pxy, energy_l2;
    double max_loss, grad_clip, ema_decay;
    int32_t share_batch;
    uint32_t roles; /* JEM__ROLE_*: the batches that the weights ask for */
    jem__schedule schedule;

    int64_t step, attempts;
    uint64_t fingerprint; /* of the data */

    jem__batches batches_d, batches_l; /* the latter only without share_batch */
    int64_t batch;                     /* "train.batch": images in one pass, chains */
    float *x_d, *x_l, *x_q;            /* batch images each; NULL where not needed */
    int32_t *y_d, *y_l, *y_q;
    int64_t *slots;           /* of x_q in the replay buffer */
    double *log_px, *log_pxy; /* batch numbers each, of one round */
    float *logits;            /* batch x classes, of one round */

    jem_head *head; /* these three: NULL when no samples are needed */
    jem_sampler *sampler;
    jem_buffer *buffer;
    int32_t climb_class; /* chains climb log p(x|y) */

    jem__queue *queue;
    jem__lanes lanes;           /* training */
    jem__tensor grads;          /* blocks laid out like model->params; mem NULL: none */
    jem__tensor *partial;       /* gradients of a lane's batch, one per batch of a round */
    int64_t partials;           /* 0: batches add to grads one after another */
    jem__tensor adam_m, adam_v; /* Adam only */
    jem__tensor velocity;       /* SGD only */
    jem__tensor ema;            /* with "train.ema" only */
    int32_t has_grads;          /* grads belong to the last step */
    jem__step_metrics metrics;
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
jem_status jem__trainer_metric(const jem_trainer *t, const char *name, double *out);
jem_status jem__trainer_param_grad(const jem_trainer *t, const char *name, float *out,
                                   int64_t out_len);
jem_status jem__trainer_average_model(const jem_trainer *t, jem_model **out);
jem_status jem__trainer_save(const jem_trainer *t, const char *path);
jem_status jem__trainer_load(jem_context *ctx, jem_dataset *data, const char *path,
                             jem_trainer **out);
void jem__trainer_free(jem_trainer *t); /* NULL accepted */

#endif
