/* SPDX-License-Identifier: MIT */
/* A call runs its chains in the batches of the head's lanes (nets/lanes.h) and keeps the results
 * aside until all have ended well, so that a failure leaves the caller's images as they were. A
 * failed run uses up its chain numbers nevertheless: trying again then means other noise, where
 * the same noise would fail again. */

#include "energy/sampler.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "core/check.h"
#include "core/context.h"
#include "core/error.h"
#include "core/memory.h"
#include "energy/sgld.h"

const jem__chain_rule jem__chain_rules[JEM__CHAIN_RULES] = {
    {"sgld", jem__sgld_run, jem__sgld_backward},
};

/* By a value of "sampler.rule", which the table of options has checked. */
static const jem__chain_rule *find_rule(const char *name)
{
    for (int32_t i = 0; i < JEM__CHAIN_RULES; i++) {
        if (strcmp(jem__chain_rules[i].name, name) == 0)
            return &jem__chain_rules[i];
    }
    return NULL;
}

jem_status jem__sampler_create(jem_head *head, const jem_options *opts, jem_sampler **out)
{
    const jem_model *model = head->model;

    *out = NULL;
    jem_sampler *s = jem__alloc(model->ctx, 1, sizeof *s);
    if (s == NULL)
        return JEM_E_NOMEM;
    atomic_init(&s->refs, 1);
    s->head = jem__head_ref(head);
    s->rule = find_rule(jem__option_str(opts, "sampler.rule"));
    s->step_size = (float)jem__option_f64(opts, "sgld.step_size");
    s->noise_std = (float)jem__option_f64(opts, "sgld.noise_std");
    s->clamp_grad = (float)jem__option_f64(opts, "sgld.clamp_grad");
    s->clamp_x = (float)jem__option_f64(opts, "sgld.clamp_x");
    s->steps = jem__option_i64(opts, "sgld.steps");
    jem__sampler_seed(s, jem__option_i64(opts, "train.seed"), 0);
    const jem_status status =
        jem__start_create(model->ctx, opts, head->image_size, model->classes, &s->start);
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
    if (s == NULL || atomic_fetch_sub(&s->refs, 1) != 1)
        return;
    jem_head *head = s->head;
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

/* Did image `i` of the call stay finite? A gradient that is NaN or infinite makes NaN, which
 * stays through all later steps, so looking at the end is enough. */
static jem_status check_chain(const jem__chain_call *call, int64_t i)
{
    const int64_t size = call->sampler->head->image_size;
    const float *x = call->result + i * size;
    const int64_t at = jem__first_not_finite(x, size);

    if (at < 0)
        return JEM_OK;
    return jem__fail(JEM_E_NUMERIC,
                     "%s: chain %" PRIu64 " (image %" PRId64
                     " of this call) holds %g after %" PRId64 " steps of size %g",
                     call->caller, call->first_chain + (uint64_t)i, i, (double)x[at],
                     call->steps, (double)call->sampler->step_size);
}

int64_t jem__chain_state(const jem__chain_call *call, int64_t step, int64_t first)
{
    return (step * call->n + first) * call->sampler->head->image_size;
}

/* Chains first .. first + count - 1 of a call, from upload to download. */
static jem_status run_batch(void *arg, const jem__lane *lane, int64_t first, int64_t count)
{
    const jem__chain_call *call = arg;
    const jem_head *head = call->sampler->head;
    const jem__backend *backend = head->model->ctx->backend;
    const jem__tensor image = jem__workspace_image(lane->ws, count);
    const int64_t size = head->image_size;

    JEM__TRY(backend->upload(lane->queue, &image, call->x + first * size));
    JEM__TRY(call->sampler->rule->run(call, lane, first, count));
    JEM__TRY(backend->download(lane->queue, &image, call->result + first * size));
    for (int64_t i = first; i < first + count; i++)
        JEM__TRY(check_chain(call, i));
    return JEM_OK;
}

/* Run the chains of a call, with the next chain numbers. */
static jem_status run_chains(jem_sampler *s, jem__chain_call *call)
{
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
    memcpy(trace, x, (size_t)count * sizeof *trace);
    jem__chain_call call = {.sampler = s,
                            .caller = caller,
                            .y = y,
                            .n = n,
                            .steps = steps,
                            .x = trace,
                            .result = trace + steps * count,
                            .trace = trace};
    return run_chains(s, &call);
}

jem_status jem__sampler_run(jem_sampler *s, const char *caller, float *x, const int32_t *y,
                            int64_t n, int64_t steps)
{
    const jem_head *head = s->head;
    jem_context *ctx = head->model->ctx;
    const int64_t count = n * head->image_size; /* fits: jem__check_images() */
    float *result = head->host; /* holds max_batch images; more need memory of their own */

    JEM__TRY(jem__check_classes(caller, y, n, head->model->classes));
    JEM__TRY(jem__check_finite(caller, x, n, head->image_size));
    if (n > head->max_batch) {
        result = jem__alloc_raw(ctx, count, sizeof *result);
        if (result == NULL)
            return JEM_E_NOMEM;
    }
    jem__chain_call call = {.sampler = s,
                            .caller = caller,
                            .y = y,
                            .n = n,
                            .steps = steps < 0 ? s->steps : steps,
                            .x = x,
                            .result = result};
    const jem_status status = run_chains(s, &call);
    if (status == JEM_OK && count > 0)
        memcpy(x, result, (size_t)count * sizeof *x);
    if (result != head->host)
        jem__free(ctx, result);
    return status;
}

static jem_status backward_batch(void *arg, const jem__lane *lane, int64_t first, int64_t count)
{
    const jem__chain_call *call = arg;

    return call->sampler->rule->backward(call, lane, first, count);
}

jem_status jem__sampler_backward(jem_sampler *s, const char *caller, const float *trace,
                                 const int32_t *y, int64_t n, int64_t steps, float *grad)
{
    const jem_head *head = s->head;
    jem_context *ctx = head->model->ctx;
    const int64_t count = n * head->image_size; /* fits: jem__check_images() */

    JEM__TRY(jem__check_classes(caller, y, n, head->model->classes));
    JEM__TRY(jem__check_finite(caller, trace, (steps + 1) * n, head->image_size));
    JEM__TRY(jem__check_finite(caller, grad, n, head->image_size));
    if (count == 0)
        return JEM_OK;
    float *result = jem__alloc_raw(ctx, count, sizeof *result);
    if (result == NULL)
        return JEM_E_NOMEM;
    memcpy(result, grad, (size_t)count * sizeof *result);
    jem__chain_call call = {.sampler = s,
                            .caller = caller,
                            .y = y,
                            .n = n,
                            .steps = steps,
                            .states = trace,
                            .result = result};
    jem_status status = jem__lanes_run(&head->lanes, n, backward_batch, &call);
    if (status == JEM_OK)
        status = jem__check_finite(caller, result, n, head->image_size);
    if (status == JEM_OK)
        memcpy(grad, result, (size_t)count * sizeof *grad);
    jem__free(ctx, result);
    return status;
}
