/* SPDX-License-Identifier: MIT */
/* The gradient through a chain.
 *
 * A step is x' = clamp(x + a clamp(g(x)) + noise), g = d log p(x) / dx. With v the gradient of a
 * loss in x', that in x is
 *
 *     u = v where |x'| is below its clamp, 0 elsewhere
 *     w = u where |g(x)| is below its clamp, 0 elsewhere
 *     v <- u + a H w,      H = dg/dx = J' (diag p - p p') J
 *
 * H, the Hessian of logsumexp f, has this form because f is piecewise linear: J is df/dx, p the
 * class probabilities. J w is one pass with the slopes that the LeakyReLUs have at x, J' one
 * backward pass, so a step costs three passes where the chain itself took two. For a chain on
 * f(x)[y] the Hessian is zero. Nothing but the states of the chain is needed: the noise is in
 * them. */

#include "energy/sgld.h"

#include <math.h>
#include <string.h>

#include "core/context.h"
#include "core/error.h"
#include "core/memory.h"

/* values[i] = 0 where the state lies on or beyond a clamp. No clamp: nothing. */
static void stop_at_clamp(const float *state, float clamp, int64_t count, float *values)
{
    for (int64_t i = 0; clamp > 0.0F && i < count; i++)
        values[i] = fabsf(state[i]) < clamp ? values[i] : 0.0F;
}

/* The forward pass at x, and, where gradients are clamped, d log p(x)/dx into g. grad_logits
 * holds p(y|x) afterwards. */
static jem_status linearise(const jem__chain_call *call, const jem__lane *lane, const float *x,
                            int64_t count, float *g)
{
    const jem__density log_px = {.alpha = 1, .scale = 1};
    const jem_model *model = call->sampler->head->model;
    const jem__backend *backend = model->ctx->backend;
    const jem__tensor image = jem__workspace_image(lane->ws, count);
    const jem__tensor logits = jem__workspace_logits(lane->ws, count);
    const jem__tensor grad_logits = jem__workspace_grad_logits(lane->ws, count);
    const jem__tensor gradient = jem__workspace_image_gradient(lane->ws, count);

    JEM__TRY(backend->upload(lane->queue, &image, x));
    JEM__TRY(jem__network_forward(lane->ws, lane->queue, &model->params, count));
    JEM__TRY(backend->density(lane->queue, &log_px, &logits, NULL, NULL, NULL, &grad_logits));
    if (!(call->sampler->clamp_grad > 0.0F))
        return JEM_OK;
    JEM__TRY(jem__network_backward_x(lane->ws, lane->queue, &model->params, count));
    return backend->download(lane->queue, &gradient, g);
}

/* w <- H w at the image that was linearised. */
static jem_status times_hessian(const jem__chain_call *call, const jem__lane *lane,
                                int64_t count, float *w)
{
    const jem_model *model = call->sampler->head->model;
    const jem__backend *backend = model->ctx->backend;
    const jem__tensor logits = jem__workspace_logits(lane->ws, count);
    const jem__tensor grad_logits = jem__workspace_grad_logits(lane->ws, count);
    const jem__tensor gradient = jem__workspace_image_gradient(lane->ws, count);
    jem__tensor change;

    JEM__TRY(jem__workspace_tangent(lane->ws, count, &change));
    JEM__TRY(backend->upload(lane->queue, &change, w));
    JEM__TRY(jem__network_tangent(lane->ws, lane->queue, &model->params, count));
    JEM__TRY(backend->softmax_tangent(lane->queue, &logits, &grad_logits));
    JEM__TRY(jem__network_backward_x(lane->ws, lane->queue, &model->params, count));
    return backend->download(lane->queue, &gradient, w);
}

/* One step back: v at state `after` becomes v at state `before`. g and w are scratch of the same
 * size. */
static jem_status step_back(const jem__chain_call *call, const jem__lane *lane,
                            const float *before, const float *after, int64_t count, float *g,
                            float *w, float *v)
{
    const jem_sampler *s = call->sampler;
    const int64_t numbers = count * s->head->image_size;

    stop_at_clamp(after, s->clamp_x, numbers, v);
    if (call->y != NULL)
        return JEM_OK;
    JEM__TRY(linearise(call, lane, before, count, g));
    memcpy(w, v, (size_t)numbers * sizeof *w);
    stop_at_clamp(g, s->clamp_grad, numbers, w);
    JEM__TRY(times_hessian(call, lane, count, w));
    for (int64_t i = 0; i < numbers; i++)
        v[i] += s->step_size * w[i];
    return JEM_OK;
}

jem_status jem__sgld_backward(const jem__chain_call *call, const jem__lane *lane, int64_t first,
                              int64_t count)
{
    const jem_head *head = call->sampler->head;
    jem_context *ctx = head->model->ctx;
    const int64_t numbers = count * head->image_size;
    float *v = call->result + first * head->image_size;
    float *space = jem__alloc_raw(ctx, 2 * numbers, sizeof *space);
    jem_status status = space == NULL ? JEM_E_NOMEM : JEM_OK;

    for (int64_t i = call->steps - 1; i >= 0 && status == JEM_OK; i--)
        status = step_back(call, lane, call->states + jem__chain_state(call, i, first),
                           call->states + jem__chain_state(call, i + 1, first), count, space,
                           space + numbers, v);
    jem__free(ctx, space);
    return status;
}
