/* SPDX-License-Identifier: MIT */
/* See sharpness.h. */

#include "train/sharpness.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "core/context.h"
#include "core/error.h"
#include "train/trainer.h"

void jem__sharpness_init(const jem_options *opts, jem__sharpness *out)
{
    const char *kind = jem__option_str(opts, "train.sam");

    *out = (jem__sharpness){.adaptive = strcmp(kind, "adaptive") == 0};
    if (strcmp(kind, "off") != 0)
        out->rho = jem__option_f64(opts, "train.sam_rho");
}

/* ||T g||; of the adaptive kind, w g is left in `there`: T^2 g is w times that. */
static jem_status measure(const jem_trainer *t, double *norm)
{
    const jem__backend *backend = t->ctx->backend;
    const jem__tensor *there = &t->sharpness.there, *scaled = &t->grads;
    double squares = 0.0;

    if (t->sharpness.adaptive) {
        JEM__TRY(
            backend->multiply_add(t->queue, 1.0, &t->model->params, &t->grads, NULL, there));
        scaled = there;
    }
    JEM__TRY(backend->sum_squares(t->queue, scaled, &squares));
    *norm = sqrt(squares);
    return JEM_OK;
}

static jem_status climb(const jem_trainer *t, double norm)
{
    const jem__sharpness *s = &t->sharpness;
    const jem__tensor *w = &t->model->params;

    return t->ctx->backend->multiply_add(t->queue, s->rho / norm, s->adaptive ? w : NULL,
                                         s->adaptive ? &s->there : &t->grads, w, &s->there);
}

jem_status jem__sharpness_gradient(jem_trainer *t, const jem__step *step)
{
    const double here = step->metrics.loss;
    jem__step other = *step;
    double norm;

    if (t->sharpness.there.mem == NULL || !isfinite(here) || fabs(here) > t->max_loss)
        return JEM_OK;
    JEM__TRY(measure(t, &norm));
    if (!isfinite(norm) || norm == 0.0)
        return JEM_OK;
    JEM__TRY(climb(t, norm));
    other.metrics = jem__no_metrics();
    JEM__TRY(jem__step_gradient(t, &other, &t->sharpness.there, &t->grads));
    const double loss = other.metrics.loss;
    if (isfinite(loss) && fabs(loss) <= t->max_loss)
        return JEM_OK;
    return jem__fail(JEM_E_NUMERIC,
                     "%s: step %" PRId64
                     ": loss = %g, but %g at the weights of train.sam_rho = "
                     "%g, train.max_loss = %g; weights are as before",
                     step->caller, t->step, here, loss, t->sharpness.rho, t->max_loss);
}
