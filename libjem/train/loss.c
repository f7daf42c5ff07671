/* SPDX-License-Identifier: MIT */
/* The loss of one step and its gradient. With F = logsumexp f and n_d, n_l, n_q images,
 *
 *     loss = sum over images of   alpha F + lambda F^2 + beta f_y,
 *
 *               alpha               lambda           beta
 *     x_d      -weight_px / n_d     energy_l2 / n_d
 *     x_l       weight_py_x / n_l                   -(weight_py_x + weight_pxy) / n_l
 *     x_q       weight_px / n_q     energy_l2 / n_q   weight_pxy / n_q
 *
 * since cross entropy is F - f_y. An image that is in x_d and in x_l has the sum of both rows
 * and goes through the network once. The gradient of all passes adds up in one block. */

#include "train/loss.h"

#include <math.h>

#include "core/context.h"
#include "core/error.h"

struct sums {
    int64_t n_d, n_l, n_q, correct;
    double f_d, f2_d, f_q, f2_q, ce_l, fy_l, fy_q;
};

jem__step_metrics jem__no_metrics(void)
{
    const double none = (double)NAN;
    return (jem__step_metrics){.learning_rate = none,
                               .loss = none,
                               .loss_px = none,
                               .loss_py_x = none,
                               .loss_pxy = none,
                               .loss_l2 = none,
                               .log_px_data = none,
                               .log_px_sample = none,
                               .energy_gap = none,
                               .accuracy = none,
                               .grad_norm = none,
                               .sample_saturation = none};
}

static double mean(double sum, int64_t n)
{
    return n > 0 ? sum / (double)n : 0.0;
}

static void count_images(const jem__part *parts, int32_t count, struct sums *s)
{
    for (int32_t i = 0; i < count; i++) {
        s->n_d += (parts[i].roles & JEM__ROLE_DATA) != 0 ? parts[i].n : 0;
        s->n_l += (parts[i].roles & JEM__ROLE_LABELLED) != 0 ? parts[i].n : 0;
        s->n_q += (parts[i].roles & JEM__ROLE_SAMPLE) != 0 ? parts[i].n : 0;
    }
}

/* The table at the top. The means divide here, so `scale` stays 1. */
static jem__density coefficients(const jem_trainer *t, uint32_t roles, const struct sums *s)
{
    jem__density what = {.scale = 1.0};
    if ((roles & JEM__ROLE_DATA) != 0) {
        what.alpha -= t->weight_px / (double)s->n_d;
        what.lambda += t->energy_l2 / (double)s->n_d;
    }
    if ((roles & JEM__ROLE_LABELLED) != 0) {
        what.alpha += t->weight_py_x / (double)s->n_l;
        what.beta -= (t->weight_py_x + t->weight_pxy) / (double)s->n_l;
    }
    if ((roles & JEM__ROLE_SAMPLE) != 0) {
        what.alpha += t->weight_px / (double)s->n_q;
        what.lambda += t->energy_l2 / (double)s->n_q;
        what.beta += t->weight_pxy / (double)s->n_q;
    }
    return what;
}

static int64_t count_correct(const float *logits, const int32_t *y, int64_t n, int64_t classes)
{
    int64_t correct = 0;
    for (int64_t i = 0; i < n; i++) {
        const float *f = logits + i * classes;
        int64_t best = 0;
        for (int64_t k = 1; k < classes; k++) {
            if (f[k] > f[best])
                best = k;
        }
        correct += best == y[i];
    }
    return correct;
}

static void add_scores(const jem_trainer *t, uint32_t roles, int32_t has_y, int64_t n,
                       struct sums *s)
{
    for (int64_t i = 0; i < n; i++) {
        const double f = t->log_px[i];
        const double fy = has_y ? t->log_pxy[i] : 0.0;
        if ((roles & JEM__ROLE_DATA) != 0) {
            s->f_d += f;
            s->f2_d += f * f;
        }
        if ((roles & JEM__ROLE_LABELLED) != 0) {
            s->ce_l += f - fy;
            s->fy_l += fy;
        }
        if ((roles & JEM__ROLE_SAMPLE) != 0) {
            s->f_q += f;
            s->f2_q += f * f;
            s->fy_q += fy;
        }
    }
}

/* A round: as many images as there is room for scores and partial gradients. */
typedef struct round_call {
    jem_trainer *t;
    jem__density what;
    uint32_t roles;
    const float *x;
    const int32_t *y;
} round_call;

/* Forward, scores, backward for the images of one lane's batch. */
static jem_status run_pass(void *arg, const jem__lane *lane, int64_t first, int64_t n)
{
    const round_call *call = arg;
    jem_trainer *t = call->t;
    const jem__backend *backend = t->ctx->backend;
    const jem__tensor image = jem__workspace_image(lane->ws, n);
    const jem__tensor logits = jem__workspace_logits(lane->ws, n);
    const jem__tensor grad_logits = jem__workspace_grad_logits(lane->ws, n);
    const int32_t *y = call->y != NULL ? call->y + first : NULL;
    const jem__tensor *grads =
        t->partials > 0 ? &t->partial[first / t->lanes.batch] : &t->grads;
    JEM__TRY(backend->upload(lane->queue, &image,
                             call->x + first * jem__model_image_size(t->model)));
    JEM__TRY(jem__network_forward(lane->ws, lane->queue, &t->model->params, n));
    JEM__TRY(backend->density(lane->queue, &call->what, &logits, y, t->log_px + first,
                              y != NULL ? t->log_pxy + first : NULL, &grad_logits));
    if ((call->roles & JEM__ROLE_LABELLED) != 0)
        JEM__TRY(
            backend->download(lane->queue, &logits, t->logits + first * t->model->classes));
    if (t->partials > 0)
        JEM__TRY(backend->fill(lane->queue, grads, 0.0f));
    return jem__network_backward_w(lane->ws, lane->queue, &t->model->params, grads, n);
}

/* The partial gradients of n images, in order. */
static jem_status add_partials(jem_trainer *t, int64_t n)
{
    for (int64_t i = 0; i < t->partials && i * t->lanes.batch < n; i++)
        JEM__TRY(t->ctx->backend->add(t->queue, &t->partial[i], &t->grads));
    return JEM_OK;
}

static jem_status run_part(jem_trainer *t, const jem__part *part, struct sums *s)
{
    const int64_t room = t->partials > 0 ? t->partials * t->lanes.batch : t->batch;
    const int64_t most = room < t->batch ? room : t->batch;
    const int64_t size = jem__model_image_size(t->model);
    round_call call = {.t = t, .what = coefficients(t, part->roles, s), .roles = part->roles};
    for (int64_t at = 0; at < part->n; at += most) {
        const int64_t left = part->n - at, n = left < most ? left : most;
        call.x = part->x + at * size;
        call.y = part->y != NULL ? part->y + at : NULL;
        JEM__TRY(jem__lanes_run(&t->lanes, n, run_pass, &call));
        JEM__TRY(add_partials(t, n));
        add_scores(t, part->roles, call.y != NULL, n, s);
        if ((part->roles & JEM__ROLE_LABELLED) != 0 && call.y != NULL)
            s->correct += count_correct(t->logits, call.y, n, t->model->classes);
    }
    return JEM_OK;
}

/* A term appears when its weight is not 0 and it has an image. */
static void sum_up(const jem_trainer *t, const struct sums *s, jem__step_metrics *m)
{
    m->loss = 0.0;
    if (s->n_d > 0)
        m->log_px_data = mean(s->f_d, s->n_d);
    if (s->n_q > 0)
        m->log_px_sample = mean(s->f_q, s->n_q);
    if (s->n_d > 0 && s->n_q > 0)
        m->energy_gap = m->log_px_data - m->log_px_sample;
    if (s->n_l > 0)
        m->accuracy = mean((double)s->correct, s->n_l);
    if (t->weight_px > 0.0 && s->n_d + s->n_q > 0) {
        m->loss_px = t->weight_px * (mean(s->f_q, s->n_q) - mean(s->f_d, s->n_d));
        m->loss += m->loss_px;
    }
    if (t->weight_py_x > 0.0 && s->n_l > 0) {
        m->loss_py_x = t->weight_py_x * mean(s->ce_l, s->n_l);
        m->loss += m->loss_py_x;
    }
    if (t->weight_pxy > 0.0 && s->n_l + s->n_q > 0) {
        m->loss_pxy = t->weight_pxy * (mean(s->fy_q, s->n_q) - mean(s->fy_l, s->n_l));
        m->loss += m->loss_pxy;
    }
    if (t->energy_l2 > 0.0 && s->n_d + s->n_q > 0) {
        m->loss_l2 = t->energy_l2 * (mean(s->f2_d, s->n_d) + mean(s->f2_q, s->n_q));
        m->loss += m->loss_l2;
    }
}

jem_status jem__loss(jem_trainer *t, const jem__part *parts, int32_t count,
                     jem__step_metrics *m)
{
    const jem__backend *backend = t->ctx->backend;
    struct sums s = {0};
    count_images(parts, count, &s);
    JEM__TRY(backend->fill(t->queue, &t->grads, 0.0f));
    for (int32_t i = 0; i < count; i++) {
        if (parts[i].roles != 0)
            JEM__TRY(run_part(t, &parts[i], &s));
    }
    sum_up(t, &s, m);
    double squares = 0.0;
    JEM__TRY(backend->sum_squares(t->queue, &t->grads, &squares));
    m->grad_norm = sqrt(squares);
    return JEM_OK;
}
