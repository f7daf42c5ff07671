/* SPDX-License-Identifier: MIT */
/* One training step: draw the batches, run the chains, get loss and gradient, judge them,
 * update the weights and their average, store the chains.
 *
 * Weights and replay buffer change only after loss and gradient were found good, so that the
 * chains of an explosion do not come back in later steps. */

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "core/context.h"
#include "core/error.h"
#include "train/state.h"

/* Optimisers work in float: squares of a larger gradient would be infinite, and stay so. */
#define LARGEST_GRADIENT 1e18

/* ---- loss and gradient ---- */

jem_status jem__step_gradient(jem_trainer *t, jem__step *step, const jem__tensor *params,
                              const jem__tensor *grads)
{
    const jem__loss_counts n = jem__loss_count(step->batches, step->count);
    jem__loss_weights weights = t->weights;
    jem__loss_sums sums = {0};

    weights.px_share = jem__schedule_px_share(&t->schedule, t->step);
    JEM__TRY(jem__telemetry_watch(&t->telemetry, step->batches, step->count));
    JEM__TRY(t->ctx->backend->fill(t->queue, grads, 0.0F));
    for (int32_t i = 0; i < step->count; i++) {
        const jem__batch *batch = &step->batches[i];
        const jem__density what = jem__loss_coefficients(&weights, batch->roles, &n);
        if (batch->roles != 0)
            JEM__TRY(jem__gradient_add(&t->gradient, params, batch, &what, grads, &sums));
    }
    jem__loss_terms(&weights, &n, &sums, &step->metrics);
    return jem__telemetry_read(&t->telemetry, &n, &step->metrics);
}

/* ---- judging and updating ---- */

static jem_status measure(jem_trainer *t, jem__step *step)
{
    double squares = 0.0;

    JEM__TRY(t->ctx->backend->sum_squares(t->queue, &t->grads, &squares));
    step->metrics.grad_norm = sqrt(squares);
    return JEM_OK;
}

/* The factor that brings the gradient's norm down to train.grad_clip. */
static void clip(const jem_trainer *t, jem__step *step)
{
    const double norm = step->metrics.grad_norm;

    step->grad_scale = t->grad_clip > 0.0 && norm > t->grad_clip ? t->grad_clip / norm : 1.0;
}

/* Loss and clipped gradient must be numbers, and small enough. */
static jem_status judge(const jem_trainer *t, const jem__step *step)
{
    const jem__step_metrics *m = &step->metrics;

    if (!isfinite(m->loss) || fabs(m->loss) > t->max_loss)
        return jem__fail(JEM_E_NUMERIC,
                         "%s: step %" PRId64
                         ": loss = %g, train.max_loss = %g; weights are as before",
                         step->caller, t->step, m->loss, t->max_loss);
    /* Infinity times 0 is NaN: refused as well. */
    if (!(m->grad_norm * step->grad_scale <= LARGEST_GRADIENT))
        return jem__fail(JEM_E_NUMERIC,
                         "%s: step %" PRId64
                         ": loss = %g, but the gradient's norm = %g, must be "
                         "at most %g; weights are as before",
                         step->caller, t->step, m->loss, m->grad_norm, LARGEST_GRADIENT);
    return JEM_OK;
}

static jem_status update(jem_trainer *t, jem__step *step)
{
    step->metrics.learning_rate = jem__schedule_lr(&t->schedule, t->step) * t->guard.now.rate;
    return t->optimizer->update(t, step);
}

/* The average follows fast at first: in step s it keeps min(train.ema, (1 + s) / (10 + s)). */
static jem_status average(jem_trainer *t)
{
    if (t->ema.mem == NULL)
        return JEM_OK;
    const double s = (double)t->step;
    const double keep = fmin(t->ema_decay, (1.0 + s) / (10.0 + s));
    return t->ctx->backend->lerp(t->queue, 1.0 - keep, &t->model->params, &t->ema);
}

/* A step from its batches on. */
static jem_status learn(jem_trainer *t, jem__step *step)
{
    t->has_grads = 0;
    JEM__TRY(jem__step_gradient(t, step, &t->model->params, &t->grads));
    JEM__TRY(jem__sharpness_gradient(t, step));
    JEM__TRY(measure(t, step));
    clip(t, step);
    JEM__TRY(judge(t, step));
    JEM__TRY(update(t, step));
    JEM__TRY(average(t));
    t->step++;
    t->metrics = step->metrics;
    jem__telemetry_keep(&t->telemetry, &step->metrics);
    t->has_grads = 1;
    return JEM_OK;
}

/* ---- batches ---- */

static void add_batch(jem__step *step, jem__batch batch)
{
    step->batches[step->count++] = batch;
}

static double saturation(const float *x, int64_t count)
{
    int64_t outside = 0;

    for (int64_t i = 0; i < count; i++)
        outside += x[i] >= 1.0F || x[i] <= -1.0F;
    return (double)outside / (double)count;
}

/* How far the chains of this step went: the root of the mean square, per value. */
static double displacement(const float *from, const float *to, int64_t count)
{
    double squares = 0.0;

    for (int64_t i = 0; i < count; i++) {
        const double change = (double)to[i] - (double)from[i];
        squares += change * change;
    }
    return sqrt(squares / (double)count);
}

/* Draw x_q from the buffer and run its chains. A draw has a class when chains climb log p(x|y)
 * or the buffer is divided among the classes. */
static jem_status run_chains(jem_trainer *t, const char *caller)
{
    const int32_t *y = NULL;

    if (t->climb_class || t->buffer->class_parts) {
        for (int64_t i = 0; i < t->batch_px; i++) {
            const jem__rng rng = {t->sampler->key, JEM__RNG_SAMPLE_CLASS, 0,
                                  t->buffer->next_draw + (uint64_t)i};
            uint32_t words[2];
            jem__rng_words(&rng, 0, 2, words);
            t->y_q[i] = (int32_t)jem__rng_below(words, t->model->classes);
        }
        y = t->y_q;
    }
    JEM__TRY(jem__buffer_draw(t->buffer, caller, y, t->batch_px, t->x_q, t->slots, t->ages));
    memcpy(t->x_0, t->x_q,
           (size_t)(t->batch_px * jem__model_image_size(t->model)) * sizeof *t->x_0);
    return jem__sampler_run(t->sampler, caller, t->x_q, t->climb_class ? y : NULL, t->batch_px,
                            -1);
}

/* A shared batch counts as two, the images with and without a label, since the latter have no
 * cross entropy. */
static void draw_data(jem_trainer *t, int64_t number, jem__step *step)
{
    const jem__batches *d = &t->batches_d;
    const uint32_t data = t->roles & JEM__ROLE_DATA;
    const uint32_t labelled = t->roles & JEM__ROLE_LABELLED;

    if (t->share_batch && (data | labelled) != 0) {
        const int64_t n = jem__batches_draw(&t->batches_d, number, t->x_d, t->y_d);
        const int32_t *y = labelled != 0 ? t->y_d : NULL;
        add_batch(step, (jem__batch){t->x_d, y, n, data | labelled, NULL});
        add_batch(step,
                  (jem__batch){t->x_d + n * d->image_size, NULL, d->batch - n, data, NULL});
        return;
    }
    if (data != 0) {
        jem__batches_draw(&t->batches_d, number, t->x_d, t->y_d);
        add_batch(step, (jem__batch){t->x_d, NULL, d->batch, data, NULL});
    }
    if (labelled != 0) {
        jem__batches_draw(&t->batches_l, number, t->x_l, t->y_l);
        add_batch(step, (jem__batch){t->x_l, t->y_l, t->batches_l.batch, labelled, NULL});
    }
}

static jem_status draw_samples(jem_trainer *t, jem__step *step)
{
    const int32_t *y = t->weights.pxy > 0.0 ? t->y_q : NULL;
    const int64_t values = t->batch_px * jem__model_image_size(t->model);
    double age = 0.0;

    JEM__TRY(run_chains(t, step->caller));
    for (int64_t i = 0; i < t->batch_px; i++) {
        t->ages[i] += t->sampler->steps;
        age += (double)t->ages[i];
    }
    add_batch(step, (jem__batch){t->x_q, y, t->batch_px, JEM__ROLE_SAMPLE, NULL});
    step->metrics.sample_saturation = saturation(t->x_q, values);
    step->metrics.sample_displacement = displacement(t->x_0, t->x_q, values);
    step->metrics.sample_age = age / (double)t->batch_px;
    return JEM_OK;
}

static jem_status store_samples(jem_trainer *t, const jem__step *step)
{
    JEM__TRY(jem__buffer_store(t->buffer, step->caller, t->slots, t->batch_px, t->x_q));
    jem__buffer_set_ages(t->buffer, t->slots, t->batch_px, t->ages);
    return JEM_OK;
}

/* ---- steps ---- */

static jem_status try_step(jem_trainer *t)
{
    jem__step step = {.caller = "jem_trainer_step", .metrics = jem__no_metrics()};

    t->has_grads = 0;
    draw_data(t, t->attempts++, &step);
    if (t->buffer != NULL)
        JEM__TRY(draw_samples(t, &step));
    JEM__TRY(learn(t, &step));
    return t->buffer != NULL ? store_samples(t, &step) : JEM_OK;
}

/* An explosion has used up its random numbers, so that the next step tries others. What fails for
 * want of memory has not: once there is some, training goes on as if nothing had happened. */
static jem_status one_step(jem_trainer *t)
{
    int64_t before[JEM__STATE_COUNTERS];

    jem__state_counters(t, before);
    JEM__TRY(jem__guard_begin(t));
    const jem_status status = try_step(t);
    if (status == JEM_OK)
        return jem__guard_look(t);
    if (status == JEM_E_NUMERIC)
        return jem__guard_rescue(t);
    jem__state_set_counters(t, before);
    return status;
}

jem_status jem__trainer_step(jem_trainer *t, int64_t steps)
{
    for (int64_t i = 0; i < steps; i++)
        JEM__TRY(one_step(t));
    return JEM_OK;
}

/* The callers' batches: x finite, y in range (NULL accepted). */
static jem_status check_batch(const jem_trainer *t, const char *caller, const float *x,
                              const int32_t *y, int64_t n)
{
    JEM__TRY(jem__check_finite(caller, x, n, jem__model_image_size(t->model)));
    return jem__check_classes(caller, y, n, t->model->classes);
}

jem_status jem__trainer_step_on(jem_trainer *t, const float *x_d, int64_t n_d, const float *x_l,
                                const int32_t *y_l, int64_t n_l, const float *x_q,
                                const int32_t *y_q, int64_t n_q)
{
    static const char caller[] = "jem_trainer_step_on";

    JEM__TRY(check_batch(t, "jem_trainer_step_on: x_d", x_d, NULL, n_d));
    JEM__TRY(check_batch(t, "jem_trainer_step_on: x_l, y_l", x_l, y_l, n_l));
    JEM__TRY(check_batch(t, "jem_trainer_step_on: x_q, y_q", x_q, y_q, n_q));
    if (t->weights.pxy > 0.0 && n_q > 0 && y_q == NULL)
        return jem__fail(JEM_E_ARGUMENT, "%s: y_q is NULL, but train.weight_pxy = %g needs it",
                         caller, t->weights.pxy);
    jem__step step = {.caller = caller, .count = 3, .metrics = jem__no_metrics()};
    const jem__batch batches[3] = {
        {x_d, NULL, n_d, t->roles & JEM__ROLE_DATA, NULL},
        {x_l, y_l, n_l, t->roles & JEM__ROLE_LABELLED, NULL},
        {x_q, t->weights.pxy > 0.0 ? y_q : NULL, n_q, t->roles & JEM__ROLE_SAMPLE, NULL},
    };
    int32_t used = 0;
    for (int32_t i = 0; i < 3; i++)
        used += batches[i].roles != 0 && batches[i].n > 0;
    if (used == 0)
        return jem__fail(JEM_E_ARGUMENT,
                         "%s: n_d = %" PRId64 ", n_l = %" PRId64 ", n_q = %" PRId64
                         ": no image for any term with a weight above 0",
                         caller, n_d, n_l, n_q);
    memcpy(step.batches, batches, sizeof batches);
    if (n_q > 0)
        step.metrics.sample_saturation = saturation(x_q, n_q * jem__model_image_size(t->model));
    return learn(t, &step);
}
