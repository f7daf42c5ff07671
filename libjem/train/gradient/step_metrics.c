/* SPDX-License-Identifier: MIT */
/* The table of metrics. */

#include "train/gradient/step_metrics.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

static const struct {
    const char *name;
    size_t at;
} table[] = {
    {"learning_rate", offsetof(jem__step_metrics, learning_rate)},
    {"weight_px", offsetof(jem__step_metrics, weight_px)},
    {"loss", offsetof(jem__step_metrics, loss)},
    {"loss_px", offsetof(jem__step_metrics, loss_px)},
    {"loss_py_x", offsetof(jem__step_metrics, loss_py_x)},
    {"loss_pxy", offsetof(jem__step_metrics, loss_pxy)},
    {"loss_l2", offsetof(jem__step_metrics, loss_l2)},
    {"log_px_data", offsetof(jem__step_metrics, log_px_data)},
    {"log_px_sample", offsetof(jem__step_metrics, log_px_sample)},
    {"energy_gap", offsetof(jem__step_metrics, energy_gap)},
    {"accuracy", offsetof(jem__step_metrics, accuracy)},
    {"grad_norm", offsetof(jem__step_metrics, grad_norm)},
    {"sample_saturation", offsetof(jem__step_metrics, sample_saturation)},
    {"log_px_data_std", offsetof(jem__step_metrics, log_px_data_std)},
    {"log_px_sample_std", offsetof(jem__step_metrics, log_px_sample_std)},
    {"auc", offsetof(jem__step_metrics, auc)},
    {"running_auc", offsetof(jem__step_metrics, running_auc)},
    {"sample_displacement", offsetof(jem__step_metrics, sample_displacement)},
    {"sample_age", offsetof(jem__step_metrics, sample_age)},
};

#define METRICS (sizeof table / sizeof table[0])

_Static_assert(METRICS * sizeof(double) == sizeof(jem__step_metrics),
               "every metric has a row in the table");

jem__step_metrics jem__no_metrics(void)
{
    const double none = (double)NAN;
    jem__step_metrics m;

    for (size_t i = 0; i < METRICS; i++)
        memcpy((char *)&m + table[i].at, &none, sizeof none);
    return m;
}

int32_t jem__step_metric(const jem__step_metrics *m, const char *name, double *out)
{
    for (size_t i = 0; i < METRICS; i++) {
        if (strcmp(name, table[i].name) == 0) {
            memcpy(out, (const char *)m + table[i].at, sizeof *out);
            return 1;
        }
    }
    return 0;
}
