/* SPDX-License-Identifier: MIT */
/* One training step: draw the batches, run the chains, judge the loss, update the weights.
 *
 * Nothing that outlives the step changes before the loss and the gradient were found good:
 * neither weights nor the replay buffer, so that the chains of an explosion do not come back
 * in later steps. */

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "core/context.h"
#include "core/error.h"
#include "train/loss.h"

/* Optimisers work in float: squares of a larger gradient would be infinite, and stay so. */
#define LARGEST_GRADIENT 1e18

/* What the gradient is multiplied by, so that its norm is at most train.grad_clip. */
static double clip_scale(const jem_trainer *t, double norm)
{
    return t->grad_clip > 0.0 && norm > t->grad_clip ? t->grad_clip / norm : 1.0;
}

/* Loss and gradient must be numbers, and small enough. */
static jem_status judge(const jem_trainer *t, const char *caller, const jem__step_metrics *m)
{
    const double norm = m->grad_norm * clip_scale(t, m->grad_norm); /* inf * 0 is NaN */
    if (!isfinite(m->loss) || fabs(m->loss) > t->max_loss)
        return jem__fail(JEM_E_NUMERIC,
                         "%s: step %" PRId64
                         ": loss = %g, train.max_loss = %g; weights are as before",
                         caller, t->step, m->loss, t->max_loss);
    if (!(norm <= LARGEST_GRADIENT))
        return jem__fail(JEM_E_NUMERIC,
                         "%s: step %" PRId64
                         ": loss = %g, but the gradient's norm = %g, must be "
                         "at most %g; weights are as before",
                         caller, t->step, m->loss, m->grad_norm, LARGEST_GRADIENT);
    return JEM_OK;
}

static jem_status optimise(jem_trainer *t, double lr, double grad_scale)
{
    const jem__backend *backend = t->ctx->backend;
    const double weight_decay = jem__option_f64(t->opts, "train.weight_decay");
    if (t->velocity.mem != NULL) {
        const jem__sgd sgd = {.lr = lr,
                              .momentum = jem__option_f64(t->opts, "train.momentum"),
                              .weight_decay = weight_decay,
                              .grad_scale = grad_scale,
                              .first = t->step == 0};
        return backend->sgd_step(t->queue, &sgd, &t->grads, &t->velocity, &t->model->params);
    }
    const jem__adam adam = {.lr = lr,
                            .beta1 = jem__option_f64(t->opts, "train.beta1"),
                            .beta2 = jem__option_f64(t->opts, "train.beta2"),
                            .eps = jem__option_f64(t->opts, "train.adam_eps"),
                            .weight_decay = weight_decay,
                            .grad_scale = grad_scale,
                            .step = t->step + 1};
    return backend->adam_step(t->queue, &adam, &t->grads, &t->adam_m, &t->adam_v,
                              &t->model->params);
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

static jem_status update(jem_trainer *t, jem__step_metrics *m)
{
    m->learning_rate = jem__schedule_lr(&t->schedule, t->step);
    JEM__TRY(optimise(t, m->learning_rate, clip_scale(t, m->grad_norm)));
    JEM__TRY(average(t));
    t->step++;
    t->metrics = *m;
    t->has_grads = 1;
    return JEM_OK;
}

static double saturation(const float *x, int64_t count)
{
    int64_t outside = 0;
    for (int64_t i = 0; i < count; i++)
        outside += x[i] >= 1.0f || x[i] <= -1.0f;
    return (double)outside / (double)count;
}

/* Chains: from the buffer, up the density of the current weights, into x_q. Each draw has a
 * class when chains climb log p(x|y) or the buffer is parted by class. */
static jem_status run_chains(jem_trainer *t, const char *caller)
{
    const int32_t *y = NULL;
    if (t->climb_class || t->buffer->class_parts) {
        for (int64_t i = 0; i < t->batch; i++) {
            const jem__rng rng = {t->sampler->key, JEM__RNG_SAMPLE_CLASS, 0,
                                  t->buffer->next_draw + (uint64_t)i};
            uint32_t words[2];
            jem__rng_words(&rng, 0, 2, words);
            t->y_q[i] = (int32_t)jem__rng_below(words, t->model->classes);
        }
        y = t->y_q;
    }
    JEM__TRY(jem__buffer_draw(t->buffer, caller, y, t->batch, t->x_q, t->slots));
    return jem__sampler_run(t->sampler, caller, t->x_q, t->climb_class ? y : NULL, t->batch,
                            -1);
}

/* Draw x_d and x_l. A shared batch is two parts, with and without label, since images without
 * one have no cross entropy. */
static int32_t draw_data(jem_trainer *t, int64_t number, jem__part parts[2])
{
    const jem__batches *d = &t->batches_d;
    const uint32_t data = t->roles & JEM__ROLE_DATA;
    const uint32_t labelled = t->roles & JEM__ROLE_LABELLED;
    if (t->share_batch && (data | labelled) != 0) {
        const int64_t n = jem__batches_draw(&t->batches_d, number, t->x_d, t->y_d);
        parts[0] = (jem__part){t->x_d, labelled != 0 ? t->y_d : NULL, n, data | labelled};
        parts[1] = (jem__part){t->x_d + n * d->image_size, NULL, d->batch - n, data};
        return 2;
    }
    int32_t count = 0;
    if (data != 0) {
        jem__batches_draw(&t->batches_d, number, t->x_d, t->y_d);
        parts[count++] = (jem__part){t->x_d, NULL, d->batch, data};
    }
    if (labelled != 0) {
        jem__batches_draw(&t->batches_l, number, t->x_l, t->y_l);
        parts[count++] = (jem__part){t->x_l, t->y_l, t->batches_l.batch, labelled};
    }
    return count;
}

static jem_status one_step(jem_trainer *t)
{
    static const char caller[] = "jem_trainer_step";
    jem__step_metrics m = jem__no_metrics();
    jem__part parts[3];
    t->has_grads = 0;
    int32_t count = draw_data(t, t->attempts++, parts);
    if (t->buffer != NULL) {
        JEM__TRY(run_chains(t, caller));
        parts[count++] = (jem__part){t->x_q, t->weight_pxy > 0.0 ? t->y_q : NULL, t->batch,
                                     JEM__ROLE_SAMPLE};
        m.sample_saturation = saturation(t->x_q, t->batch * jem__model_image_size(t->model));
    }
    JEM__TRY(jem__loss(t, parts, count, &m));
    JEM__TRY(judge(t, caller, &m));
    if (t->buffer != NULL)
        JEM__TRY(jem__buffer_store(t->buffer, caller, t->slots, t->batch, t->x_q));
    return update(t, &m);
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
    if (t->weight_pxy > 0.0 && n_q > 0 && y_q == NULL)
        return jem__fail(JEM_E_ARGUMENT, "%s: y_q is NULL, but train.weight_pxy = %g needs it",
                         caller, t->weight_pxy);
    const jem__part parts[3] = {
        {x_d, NULL, n_d, t->roles & JEM__ROLE_DATA},
        {x_l, y_l, n_l, t->roles & JEM__ROLE_LABELLED},
        {x_q, t->weight_pxy > 0.0 ? y_q : NULL, n_q, t->roles & JEM__ROLE_SAMPLE},
    };
    int32_t used = 0;
    for (int32_t i = 0; i < 3; i++)
        used += parts[i].roles != 0 && parts[i].n > 0;
    if (used == 0)
        return jem__fail(JEM_E_ARGUMENT,
                         "%s: n_d = %" PRId64 ", n_l = %" PRId64 ", n_q = %" PRId64
                         ": no image for any term with a weight above 0",
                         caller, n_d, n_l, n_q);
    jem__step_metrics m = jem__no_metrics();
    if (n_q > 0)
        m.sample_saturation = saturation(x_q, n_q * jem__model_image_size(t->model));
    t->has_grads = 0;
    JEM__TRY(jem__loss(t, parts, 3, &m));
    JEM__TRY(judge(t, caller, &m));
    return update(t, &m);
}
