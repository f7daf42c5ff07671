/* SPDX-License-Identifier: MIT */
/* The learning rate and a weight as functions of the step.
 *
 * As in the official code the warm-up overrides everything else: step s of `warmup` has the
 * rate lr * s / warmup, hence 0 in the very first step; milestones count epochs of the data
 * from 0. The cosine (Loshchilov and Hutter 2017, one period) runs from the end of the warm-up
 * to the end of the training and stays at 0 after it. Steps that hold come before the warm-up. */

#include "train/schedule.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/memory.h"

#define PI 3.14159265358979323846

/* "160,180" into numbers. The option lets nothing else through. */
static void parse_epochs(const char *text, jem__schedule *out)
{
    while (*text != '\0' && out->n_milestones < JEM__MAX_MILESTONES) {
        char *end = NULL;
        out->milestones[out->n_milestones++] = strtoll(text, &end, 10);
        text = *end == ',' ? end + 1 : end;
    }
}

jem_status jem__schedule_create(const jem_options *opts, int64_t batches_per_epoch,
                                jem__schedule *out)
{
    const char *kind = jem__option_str(opts, "train.schedule");

    memset(out, 0, sizeof *out);
    out->kind = strcmp(kind, "cosine") == 0     ? JEM__SCHEDULE_COSINE
                : strcmp(kind, "constant") == 0 ? JEM__SCHEDULE_CONSTANT
                                                : JEM__SCHEDULE_MILESTONES;
    out->lr = jem__option_f64(opts, "train.lr");
    out->decay_rate = jem__option_f64(opts, "train.decay_rate");
    out->hold = jem__option_i64(opts, "train.hold_steps");
    out->warmup = jem__option_i64(opts, "train.warmup_steps");
    out->px_ramp = jem__option_i64(opts, "train.weight_px_ramp");
    out->batches_per_epoch = batches_per_epoch;
    out->total = jem__option_i64(opts, "train.steps");
    if (out->total == 0) {
        const int64_t epochs = jem__option_i64(opts, "train.epochs");
        if (!jem__mul(epochs, batches_per_epoch, &out->total))
            return jem__fail(JEM_E_RANGE,
                             "jem_trainer_create: train.epochs = %" PRId64 " of %" PRId64
                             " batches are too many steps",
                             epochs, batches_per_epoch);
    }
    parse_epochs(jem__option_str(opts, "train.decay_epochs"), out);
    return JEM_OK;
}

double jem__schedule_lr(const jem__schedule *s, int64_t step)
{
    const int64_t start = s->hold + s->warmup;

    if (step < s->hold)
        return 0.0;
    if (step < start)
        return s->lr * ((double)(step - s->hold) / (double)s->warmup);
    double lr = s->lr;
    switch (s->kind) {
    case JEM__SCHEDULE_MILESTONES:
        for (int32_t i = 0; i < s->n_milestones; i++) {
            if (s->milestones[i] <= step / s->batches_per_epoch)
                lr *= s->decay_rate;
        }
        break;
    case JEM__SCHEDULE_COSINE:
        if (step >= s->total)
            return 0.0;
        lr *= 0.5 * (1.0 + cos(PI * (double)(step - start) / (double)(s->total - start)));
        break;
    case JEM__SCHEDULE_CONSTANT:
        break;
    }
    return lr;
}

double jem__schedule_px_share(const jem__schedule *s, int64_t step)
{
    const int64_t since = step > s->hold ? step - s->hold : 0;

    return since < s->px_ramp ? (double)since / (double)s->px_ramp : 1.0;
}
