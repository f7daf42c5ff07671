/* SPDX-License-Identifier: MIT */
/* Running a network: its layers one after another, each on its own tensors of the workspace. */

#include <inttypes.h>
#include <stddef.h>

#include "core/error.h"
#include "nets/layer.h"
#include "nets/workspace.h"

/* What the pass of one layer has before it is told which pass it is. */
static jem__layer_pass pass_of(const jem__workspace *ws, jem__queue *queue, int32_t i,
                               const jem__tensor *params, int64_t n)
{
    const jem__layer *layer = &ws->net->layers[i];
    const int64_t signs_in = ws->signs_at[layer->in[0]], signs_out = ws->signs_at[layer->out];
    jem__layer_pass pass = {.backend = ws->backend, .queue = queue, .layer = layer};

    for (int32_t j = 0; j < JEM__LAYER_INPUTS; j++)
        if (layer->in[j] >= 0)
            pass.in[j] = jem__workspace_tensor(ws, layer->in[j], layer->in[j], n);
    pass.out = jem__workspace_tensor(ws, layer->out, layer->out, n);
    if (signs_in >= 0)
        pass.signs_in = (jem__signs){.mem = ws->bits, .at = signs_in};
    if (signs_out >= 0)
        pass.signs_out = (jem__signs){.mem = ws->bits, .at = signs_out};
    for (int32_t k = 0; k < layer->n_params; k++)
        pass.param[k] = jem__param_tensor(&ws->net->params[layer->param + k], params);
    return pass;
}

static jem_status layer_forward(const jem__workspace *ws, jem__queue *queue, int32_t i,
                                const jem__tensor *params, int64_t n)
{
    const jem__layer_pass pass = pass_of(ws, queue, i, params, n);

    return pass.layer->kind->forward(&pass);
}

/* The gradients of layer i's inputs; `image`: that of the image too. */
static jem_status layer_backward_x(const jem__workspace *ws, jem__queue *queue, int32_t i,
                                   const jem__tensor *params, int64_t n, int32_t image)
{
    const jem__tensor none = {.mem = NULL};
    jem__layer_pass pass = pass_of(ws, queue, i, params, n);
    const jem__layer *layer = pass.layer;

    pass.gy = jem__workspace_tensor(ws, ws->routes[i].gy, layer->out, n);
    for (int32_t j = 0; j < JEM__LAYER_INPUTS; j++) {
        const int32_t in = layer->in[j];
        const int32_t so_far = ws->routes[i].in[j].so_far, gx = ws->routes[i].in[j].gx;
        if (in < 0 || layer->kind->input[j].handed_on || (in == 0 && !image))
            continue;
        pass.gx = jem__workspace_tensor(ws, gx, in, n);
        pass.so_far = so_far != JEM__NO_BLOCK ? jem__workspace_tensor(ws, so_far, in, n) : none;
        JEM__TRY(layer->kind->backward_x(&pass, j));
    }
    return JEM_OK;
}

/* grads += the gradient of layer i's parameters. */
static jem_status layer_backward_w(const jem__workspace *ws, jem__queue *queue, int32_t i,
                                   const jem__tensor *grads, int64_t n)
{
    jem__layer_pass pass = pass_of(ws, queue, i, grads, n);

    pass.gy = jem__workspace_tensor(ws, ws->routes[i].gy, pass.layer->out, n);
    return pass.layer->kind->backward_w != NULL ? pass.layer->kind->backward_w(&pass) : JEM_OK;
}

static jem_status layer_tangent(const jem__workspace *ws, jem__queue *queue, int32_t i,
                                const jem__tensor *params, int64_t n)
{
    jem__layer_pass pass = pass_of(ws, queue, i, params, n);
    const jem__layer_kind *kind = pass.layer->kind;

    if (kind->tangent == NULL)
        return jem__fail(JEM_E_UNSUPPORTED,
                         "libjem: layer %" PRId32 " (%s) of the network has no tangent", i,
                         kind->name);
    for (int32_t j = 0; j < JEM__LAYER_INPUTS; j++)
        if (pass.layer->in[j] == 0)
            pass.in[j] = jem__workspace_tangent_tensor(ws, 0, 0, n);
    pass.work = jem__workspace_tangent_tensor(ws, ws->blocks[0].size, pass.layer->in[0], n);
    return kind->tangent(&pass);
}

static jem_status check_run(const jem__workspace *ws, int64_t n, int32_t first, int32_t end)
{
    if (n < 0 || n > ws->max_batch)
        return jem__fail(JEM_E_INTERNAL,
                         "libjem: a batch of %" PRId64 " images, must be 0 to %" PRId64, n,
                         ws->max_batch);
    if (first < 0 || first > end || end > ws->net->n_layers)
        return jem__fail(JEM_E_INTERNAL,
                         "libjem: layers %" PRId32 " to %" PRId32 " of a network of %" PRId32,
                         first, end, ws->net->n_layers);
    return JEM_OK;
}

jem_status jem__network_forward_range(jem__workspace *ws, jem__queue *queue,
                                      const jem__tensor *params, int64_t n, int32_t first,
                                      int32_t end)
{
    JEM__TRY(check_run(ws, n, first, end));
    for (int32_t i = first; i < end && n > 0; i++)
        JEM__TRY(layer_forward(ws, queue, i, params, n));
    return JEM_OK;
}

jem_status jem__network_forward(jem__workspace *ws, jem__queue *queue,
                                const jem__tensor *params, int64_t n)
{
    return jem__network_forward_range(ws, queue, params, n, 0, ws->net->n_layers);
}

jem_status jem__network_backward_x_range(jem__workspace *ws, jem__queue *queue,
                                         const jem__tensor *params, int64_t n, int32_t first,
                                         int32_t end)
{
    JEM__TRY(check_run(ws, n, first, end));
    for (int32_t i = end - 1; i >= first && n > 0; i--)
        JEM__TRY(layer_backward_x(ws, queue, i, params, n, 1));
    return JEM_OK;
}

jem_status jem__network_backward_x(jem__workspace *ws, jem__queue *queue,
                                   const jem__tensor *params, int64_t n)
{
    return jem__network_backward_x_range(ws, queue, params, n, 0, ws->net->n_layers);
}

jem_status jem__network_backward_w_range(jem__workspace *ws, jem__queue *queue,
                                         const jem__tensor *params, const jem__tensor *grads,
                                         int64_t n, int32_t first, int32_t end)
{
    JEM__TRY(check_run(ws, n, first, end));
    if (!ws->training)
        return jem__fail(JEM_E_INTERNAL,
                         "libjem: the gradient of weights needs a training workspace");
    for (int32_t i = end - 1; i >= first && n > 0; i--) {
        JEM__TRY(layer_backward_w(ws, queue, i, grads, n));
        JEM__TRY(layer_backward_x(ws, queue, i, params, n, 0));
    }
    return JEM_OK;
}

jem_status jem__network_backward_w(jem__workspace *ws, jem__queue *queue,
                                   const jem__tensor *params, const jem__tensor *grads,
                                   int64_t n)
{
    return jem__network_backward_w_range(ws, queue, params, grads, n, 0, ws->net->n_layers);
}

jem_status jem__network_tangent(jem__workspace *ws, jem__queue *queue,
                                const jem__tensor *params, int64_t n)
{
    JEM__TRY(check_run(ws, n, 0, ws->net->n_layers));
    if (ws->training || ws->tangent == NULL)
        return jem__fail(JEM_E_INTERNAL,
                         "libjem: a tangent needs a frozen workspace and its image");
    for (int32_t i = 0; i < ws->net->n_layers && n > 0; i++)
        JEM__TRY(layer_tangent(ws, queue, i, params, n));
    return JEM_OK;
}
