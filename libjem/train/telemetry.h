/* SPDX-License-Identifier: MIT */
#ifndef JEM_TRAIN_TELEMETRY_H
#define JEM_TRAIN_TELEMETRY_H

/* Do the chains keep up with the model? Energies have no scale, so a gap between data and
 * samples says little; what says it is the probability that an image of the data scores above a
 * sample, the area under the ROC curve of F(x_d) against F(x_q): 0.5 when samples are
 * like data to the model, 1 when it tells every sample from the data and the chains are lost.
 *
 * One step's area is noisy (64 against 64 images: a standard error of 0.05), so an exponential
 * mean over steps goes along, and is part of the training's state. */

#include "train/gradient/loss.h"

#define JEM__AUC_MEMORY 10 /* steps that the mean looks back on */

typedef struct jem__telemetry {
    jem_context *ctx;   /* for memory, not a reference */
    double running_auc; /* NaN: no step had data and samples */
    float *scores;      /* F of a step's images: x_d, then x_q */
    int64_t room;       /* scores that fit */
} jem__telemetry;

void jem__telemetry_init(jem_context *ctx, jem__telemetry *out);
void jem__telemetry_free(jem__telemetry *tel); /* all zero accepted */

/* Have the scores of a step's batches written where jem__telemetry_read() finds them. */
jem_status jem__telemetry_watch(jem__telemetry *tel, jem__batch *batches, int32_t count);
/* After the passes: area, its mean with this step, and the spread of F. Changes only *m, so that
 * a step may still fail; a score that is no number leaves them out. */
jem_status jem__telemetry_read(const jem__telemetry *tel, const jem__loss_counts *n,
                               jem__step_metrics *m);
/* The step is complete. */
void jem__telemetry_keep(jem__telemetry *tel, const jem__step_metrics *m);

#endif
