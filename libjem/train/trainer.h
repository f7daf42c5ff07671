/* SPDX-License-Identifier: MIT */
#ifndef JEM_TRAIN_TRAINER_H
#define JEM_TRAIN_TRAINER_H

/* One training: the handle jem_trainer. */

#include <jem/train.h>

#include "data/augment.h"
#include "energy/replay_buffer.h"
#include "train/schedule.h"

struct jem_trainer;

jem_status jem__trainer_create(jem_model *model, jem_dataset *data, const jem_options *opts,
                               jem_trainer **out);
jem_status jem__trainer_load(jem_context *ctx, jem_dataset *data, const char *path,
                             jem_trainer **out);
jem_status jem__trainer_step(jem_trainer *t, int64_t steps);
jem_status jem__trainer_step_on(jem_trainer *t, const float *x_d, int64_t n_d, const float *x_l,
                                const int32_t *y_l, int64_t n_l, const float *x_q,
                                const int32_t *y_q, int64_t n_q);
jem_status jem__trainer_metric(const jem_trainer *t, const char *name, double *out);
jem_status jem__trainer_param_grad(const jem_trainer *t, const char *name, float *out,
                                   int64_t out_len);
jem_status jem__trainer_save(const jem_trainer *t, const char *path);
void jem__trainer_free(jem_trainer *t);

#endif
