/* SPDX-License-Identifier: MIT */
/* A step of SGLD is four calls to the backend: forward, gradient in the logits, backward,
 * update. No number leaves it between them. */

#include "energy/sgld.h"

#include "core/context.h"
#include "core/error.h"

jem_status jem__sgld_run(const jem__chain_call *call, const jem__lane *lane, int64_t first,
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
            JEM__TRY(backend->download(lane->queue, &image,
                                       call->trace + jem__chain_state(call, i + 1, first)));
    }
    return JEM_OK;
}
