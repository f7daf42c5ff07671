/* SPDX-License-Identifier: MIT */
#ifndef JEM_TRAIN_STEP_METRICS_H
#define JEM_TRAIN_STEP_METRICS_H

/* What a step produced, by name for jem_trainer_metric(). NaN: nothing. */

#include <stdint.h>

typedef struct jem__step_metrics {
    double learning_rate, weight_px, loss, loss_px, loss_py_x, loss_pxy, loss_l2;
    double log_px_data, log_px_sample, energy_gap, accuracy, grad_norm, sample_saturation;
    double log_px_data_std, log_px_sample_std, auc, running_auc; /* telemetry.h */
    double sample_displacement, sample_age;                      /* of the chains */
} jem__step_metrics;

jem__step_metrics jem__no_metrics(void); /* all NaN */
/* The metric `name` in *out; 0 when there is none of that name. */
int32_t jem__step_metric(const jem__step_metrics *m, const char *name, double *out);

#endif
