/* SPDX-License-Identifier: MIT */

/* Stochastic gradient Langevin dynamics: the loop
 *
 *     x <- x + step_size * clamp(d log p(x) / dx) + noise_std * N(0, I)
 *
 * as four calls to the backend per step. Between upload and download no number leaves it.
 *
 * A call works through its chains in the batches of the head's lanes (lanes.h) and keeps the
 * results aside until all have ended well, so that a failure leaves the caller's images as they
 * were. The chain numbers of a failed run are used up all the same: trying again then tries
 * other noise, where the same noise would fail again. */

#include "energy/sgld.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "core/context.h"
#include "core/error.h"
#include "core/memory.h"

jem_status jem__sampler_create(jem_head *head, const jem_options *opts, jem_sampler **out)
{
    const jem_model *model = head->model;
    jem_sampler *s = jem__alloc(model->ctx, 1, sizeof *s);
    jem_status status;

    *out = NULL;
    if (s == NULL)
        return JEM_E_NOMEM;
    atomic_init(&s->refs, 1);
    s->head = jem__head_ref(head);
    s->step_size = (float)jem__option_f64(opts, "sgld.step_size");
    s->noise_std = (float)jem__option_f64(opts, "sgld.noise_std");
    s->clamp_grad = (float)jem__option_f64(opts, "sgld.clamp_grad");
    s->clamp_x = (float)jem__option_f64(opts, "sgld.clamp_x");
    s->steps = jem__option_i64(opts, "sgld.steps");
    jem__sampler_seed(s, jem__option_i64(opts, "train.seed"), 0);
    status = jem__start_create(model->ctx, opts, head->image_size, model->classes, &s->start);
    if (status != JEM_OK) {
        jem__sampler_unref(s);
        return status;
    }
    *out = s;
    return JEM_OK;
}

jem_sampler *jem__sampler_ref(jem_sampler *s)
{
    atomic_fetch_add(&s->refs, 1);
    return s;
}

void jem__sampler_unref(jem_sampler *s)
{
    jem_head *head;

    if (s == NULL || atomic_fetch_sub(&s->refs, 1) != 1)
        return;
    head = s->head;
    jem__start_free(s->start);
    jem__free(head->model->ctx, s);
    jem__head_unref(head);
}

void jem__sampler_seed(jem_sampler *s, int64_t seed, int64_t stream)
{
    s->key = jem__rng_key(seed, stream);
    s->next_chain = 0;
    s->next_start = 0;
}

jem_status jem__sampler_init(jem_sampler *s, const char *caller, const int32_t *y, float *x,
                             int64_t n)
{
    JEM__TRY(jem__check_classes(caller, y, n, s->head->model->classes));
    JEM__TRY(jem__start_check(s->start, caller));
    jem__start_draw(s->start, s->key, s->next_start, y, n, x, NULL);
    s->next_start += (uint64_t)n;
    return JEM_OK;
}

/* Did image `i` of the call, chain first_chain + i, stay finite? A gradient that is NaN or
 * infinite makes NaN, which stays through all later steps, so looking at the end is enough. */
static jem_status check_chain(const jem_sampler *s, const char *caller, uint64_t first_chain,
                              int64_t i, const float *x, int64_t steps)
{
    for (int64_t j = 0; j < s->head->image_size; j++) {
        if (!isfinite(x[j])) {
            return jem__fail(JEM_E_NUMERIC,
                             "%s: chain %" PRIu64 " (image %" PRId64
                             " of this call) holds %g after %" PRId64 " steps of size %g",
                             caller, first_chain + (uint64_t)i, i, (double)x[j], steps,
                             (double)s->step_size);
        }
    }
    return JEM_OK;
}

/* A call: all chains into `result`, which holds n images. */
typedef struct sgld_call {
    jem_sampler *sampler;
    const char *caller;
    uint64_t first_chain;
    const float *x;
    const int32_t *y;
    int64_t n, steps;
    float *result;
    float *trace; /* steps blocks of n images, one after each step; or NULL */
} sgld_call;

/* The steps of a batch of chains. */
static jem_status run_steps(const sgld_call *call, const jem__lane *lane, int64_t first,
                            int64_t count)
{
    const int32_t *y = call->y == NULL ? NULL : call->y + first;
    const jem__density what = {.alpha = y == NULL, .beta = y != NULL, .scale = 1};
    const jem_sampler *s = call->sampler;
    const jem_model *model = s->head->model;
    const jem__backend *backend = model->ctx->backend;
    const jem__tensor image = jem__workspace_image(lane->ws, count);
    const jem__tensor logits = jem__workspace_logits(lane->ws, count);
    const jem__tensor grad_logits = jem__workspace_grad_logits(lane->ws, count);
    const jem__tensor gradient = jem__workspace_image_gradient(lane->ws, count);
    jem__sgld_step step = {.step_size = s->step_size,
                           .noise_std = s->noise_std,
                           .clamp_grad = s->clamp_grad,
                           .clamp_x = s->clamp_x,
                           .key = s->key,
                           .first_chain = call->first_chain + (uint64_t)first};

    for (int64_t i = 0; i < call->steps; i++) {
        step.step = (uint32_t)i;
        JEM__TRY(jem__network_forward(lane->ws, lane->queue, &model->params, count));
        JEM__TRY(backend->density(lane->queue, &what, &logits, y, NULL, NULL, &grad_logits));
        JEM__TRY(jem__network_backward_x(lane->ws, lane->queue, &model->params, count));
        JEM__TRY(backend->sgld_step(lane->queue, &step, &gradient, &image));
        if (call->trace != NULL)
            JEM__TRY(
                backend->download(lane->queue, &image,
                                  call->trace + (i * call->n + first) * s->head->image_size));
    }
    return JEM_OK;
}

/* Chains first .. first + count - 1 of a call, from upload to download. */
static jem_status run_batch(void *arg, const jem__lane *lane, int64_t first, int64_t count)
{
    const sgld_call *call = arg;
    const jem_head *head = call->sampler->head;
    const jem__backend *backend = head->model->ctx->backend;
    const jem__tensor image = jem__workspace_image(lane->ws, count);
    const int64_t size = head->image_size;

    JEM__TRY(backend->upload(lane->queue, &image, call->x + first * size));
    JEM__TRY(run_steps(call, lane, first, count));
    JEM__TRY(backend->download(lane->queue, &image, call->result + first * size));
    for (int64_t i = first; i < first + count; i++)
        JEM__TRY(check_chain(call->sampler, call->caller, call->first_chain, i,
                             call->result + i * size, call->steps));
    return JEM_OK;
}

/* Run the chains of a call, with the next chain numbers. */
static jem_status run_chains(sgld_call *call)
{
    jem_sampler *s = call->sampler;

    call->first_chain = s->next_chain;
    s->next_chain += (uint64_t)call->n;
    return jem__lanes_run(&s->head->lanes, call->n, run_batch, call);
}

jem_status jem__sampler_trace(jem_sampler *s, const char *caller, const float *x,
                              const int32_t *y, int64_t n, int64_t steps, float *trace)
{
    const jem_head *head = s->head;
    const int64_t count = n * head->image_size; /* fits: jem__check_images() */

    JEM__TRY(jem__check_classes(caller, y, n, head->model->classes));
    JEM__TRY(jem__check_finite(caller, x, n, head->image_size));
    if (count == 0)
        return JEM_OK;
    sgld_call call = {.sampler = s,
                      .caller = caller,
                      .x = trace,
                      .y = y,
                      .n = n,
                      .steps = steps,
                      .result = trace + steps * count,
                      .trace = trace + count};
    memcpy(trace, x, (size_t)count * sizeof *trace);
    return run_chains(&call);
}

jem_status jem__sampler_run(jem_sampler *s, const char *caller, float *x, const int32_t *y,
                            int64_t n, int64_t steps)
{
    const jem_head *head = s->head;
    jem_context *ctx = head->model->ctx;
    float *result = head->host; /* room for one batch; more needs memory of its own */
    const int64_t count = n * head->image_size; /* fits: jem__check_images() */
    jem_status status;

    JEM__TRY(jem__check_classes(caller, y, n, head->model->classes));
    JEM__TRY(jem__check_finite(caller, x, n, head->image_size));
    if (steps < 0)
        steps = s->steps;
    if (n > head->max_batch) {
        result = jem__alloc_raw(ctx, count, sizeof *result);
        if (result == NULL)
            return JEM_E_NOMEM;
    }
    sgld_call call = {.sampler = s,
                      .caller = caller,
                      .x = x,
                      .y = y,
                      .n = n,
                      .steps = steps,
                      .result = result};
    status = run_chains(&call);
    if (status == JEM_OK && count > 0)
        memcpy(x, result, (size_t)count * sizeof *x);
    if (result != head->host)
        jem__free(ctx, result);
    return status;
}
