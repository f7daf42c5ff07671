/* SPDX-License-Identifier: MIT */
/* The memory to run a network forward and backward in, planned once.
 *
 * Time is counted in steps: layer i of L runs forward at step i and backward at step
 * 2 L - 1 - i. Every value and every gradient is a block of numbers with a first and a last
 * step; blocks whose times do not meet may lie in the same place. So a frozen network needs
 * its widest moment only: for WRN-28-10 the entry to the second stage, 3.5 times 160 x 32 x 32
 * numbers per image, used by the forward and then by the backward pass. What outlives the
 * forward pass are sign bits. A training workspace keeps all values.
 *
 * The gradient of a value with several readers is made by the last of them and added to by the
 * others, going backward. A layer that hands its output's gradient on does not copy it: the
 * block itself changes its owner. */

#include "nets/workspace.h"

#include <inttypes.h>
#include <stddef.h>

#include "core/arithmetic.h"
#include "core/error.h"
#include "core/memory.h"
#include "nets/layer.h"

#define BLOCK_ALIGN 16 /* numbers per image: one cache line of float */
#define SIGNS_ALIGN 64 /* bytes */

static int64_t value_size(const jem__network *net, int32_t value)
{
    const jem__value *v = &net->values[value];

    return v->c * v->h * v->w;
}

static int32_t new_block(jem__workspace *ws, int32_t value, int32_t first, int32_t last)
{
    ws->blocks[ws->n_blocks] =
        (jem__block){.size = jem__round_up(value_size(ws->net, value), BLOCK_ALIGN),
                     .first = first,
                     .last = last};
    return ws->n_blocks++;
}

static void prolong(jem__workspace *ws, int32_t number, int32_t step)
{
    jem__block *b = &ws->blocks[number];

    b->last = b->last > step ? b->last : step;
}

/* Values live from their layer to their last reader; image and logits, what a backward pass
 * reads, and in training all, to the end. */
static void plan_values(jem__workspace *ws)
{
    const jem__network *net = ws->net;
    const int32_t end = 2 * net->n_layers;

    for (int32_t v = 0; v < net->n_values; v++) {
        const int32_t keep = ws->training || v == 0 || v == net->n_values - 1;
        const int32_t first = v == 0 ? 0 : v - 1; /* layer v - 1 writes value v */
        (void)new_block(ws, v, first, keep ? end : first);
    }
    for (int32_t i = 0; i < net->n_layers; i++) {
        const jem__layer *layer = &net->layers[i];
        for (int32_t j = 0; j < JEM__LAYER_INPUTS; j++)
            if (layer->in[j] >= 0)
                prolong(ws, layer->in[j], layer->kind->input[j].value_kept ? end : i);
    }
}

static jem_status unsupported(int32_t layer, const char *why, const char *verb)
{
    return jem__fail(JEM_E_UNSUPPORTED,
                     "jem_head_create: no gradient for layer %" PRId32 " of the network: %s%s",
                     layer, why, verb);
}

/* The route of input j of layer i, whose gradient is made at `step`. */
static jem_status plan_input(jem__workspace *ws, int32_t i, int32_t j, int32_t step,
                             int32_t *grad)
{
    const jem__layer *layer = &ws->net->layers[i];
    jem__route *route = &ws->routes[i];
    const int32_t in = layer->in[j], so_far = grad[in];

    if (so_far != JEM__NO_BLOCK && !layer->kind->input[j].adds)
        return unsupported(i, "a later layer reads the value that it ",
                           layer->kind->input[j].verb);
    int32_t gx = so_far;
    if (in == 0)
        gx = ws->image_gradient;
    else if (so_far == JEM__NO_BLOCK || so_far == route->gy || so_far == ws->grad_logits)
        gx = new_block(ws, in, step, step); /* gy is being read, grad_logits is kept */
    route->in[j].so_far = so_far;
    route->in[j].gx = gx;
    grad[in] = gx;
    return JEM_OK;
}

/* The route of one layer; grad[v] is the block of value v's gradient so far, or
 * JEM__NO_BLOCK. */
static jem_status plan_route(jem__workspace *ws, int32_t i, int32_t *grad)
{
    const jem__layer *layer = &ws->net->layers[i];
    const int32_t step = 2 * ws->net->n_layers - 1 - i;
    const int32_t gy = grad[layer->out];

    if (gy == JEM__NO_BLOCK)
        return unsupported(i, "nothing reads its output", "");
    ws->routes[i].gy = gy;
    for (int32_t j = 0; j < JEM__LAYER_INPUTS; j++) {
        if (layer->in[j] < 0 || !layer->kind->input[j].handed_on)
            continue;
        if (grad[layer->in[j]] != JEM__NO_BLOCK)
            return unsupported(i, "a later layer reads the value that it ",
                               layer->kind->input[j].verb);
        grad[layer->in[j]] = gy;
    }
    for (int32_t j = 0; j < JEM__LAYER_INPUTS; j++)
        if (layer->in[j] >= 0 && !layer->kind->input[j].handed_on)
            JEM__TRY(plan_input(ws, i, j, step, grad));
    /* A block that is added to need not be prolonged: it is the gy of an earlier layer. */
    prolong(ws, gy, step);
    return JEM_OK;
}

static jem_status plan_gradients(jem__workspace *ws)
{
    const jem__network *net = ws->net;
    const int32_t end = 2 * net->n_layers, logits = net->n_values - 1;
    int32_t *grad = jem__alloc(net->ctx, net->n_values, sizeof *grad);

    if (grad == NULL)
        return JEM_E_NOMEM;
    for (int32_t v = 0; v < net->n_values; v++)
        grad[v] = JEM__NO_BLOCK;
    ws->grad_logits = new_block(ws, logits, 0, end);
    ws->image_gradient = new_block(ws, 0, 0, end);
    grad[logits] = ws->grad_logits;
    jem_status status = JEM_OK;
    for (int32_t i = net->n_layers - 1; i >= 0 && status == JEM_OK; i--)
        status = plan_route(ws, i, grad);
    jem__free(net->ctx, grad);
    return status;
}

/* The lowest place for block b among those in `placed` (by place) that live at the same
 * time. */
static int64_t lowest_place(const jem__block *blocks, const int32_t *placed, int32_t count,
                            const jem__block *b)
{
    int64_t at = 0;

    for (int32_t i = 0; i < count; i++) {
        const jem__block *other = &blocks[placed[i]];
        if (other->last < b->first || other->first > b->last)
            continue;
        if (other->at >= at + b->size)
            break;
        if (other->at + other->size > at)
            at = other->at + other->size;
    }
    return at;
}

/* Place all blocks, the largest first, each as low as possible. Returns the numbers needed per
 * image. `order` and `placed` have space for all block numbers. */
static int64_t place_blocks(jem__workspace *ws, int32_t *order, int32_t *placed)
{
    jem__block *blocks = ws->blocks;

    for (int32_t i = 0; i < ws->n_blocks; i++) { /* insertion sort, stable */
        int32_t j = i;
        for (; j > 0 && blocks[order[j - 1]].size < blocks[i].size; j--)
            order[j] = order[j - 1];
        order[j] = i;
    }
    int64_t total = 0;
    for (int32_t i = 0; i < ws->n_blocks; i++) {
        jem__block *b = &blocks[order[i]];
        b->at = lowest_place(blocks, placed, i, b);
        total = jem__max(total, b->at + b->size);
        int32_t j = i;
        for (; j > 0 && blocks[placed[j - 1]].at > b->at; j--)
            placed[j] = placed[j - 1];
        placed[j] = order[i];
    }
    return total;
}

/* Block places for max_batch images, and the memory. */
static jem_status allocate_numbers(jem__workspace *ws)
{
    jem_context *ctx = ws->net->ctx;
    int32_t *order = jem__alloc(ctx, 2 * (int64_t)ws->n_blocks, sizeof *order);

    if (order == NULL)
        return JEM_E_NOMEM;
    const int64_t per_image = place_blocks(ws, order, order + ws->n_blocks);
    jem__free(ctx, order);

    const int64_t bytes = per_image * (int64_t)sizeof(float);
    if (ws->most_bytes > 0 && bytes > 0) { /* batches of about equal size */
        const int64_t fit = ws->most_bytes > bytes ? ws->most_bytes / bytes : 1;
        const int64_t batches = jem__ceil_div(ws->max_batch, fit);
        ws->max_batch = jem__ceil_div(ws->max_batch, batches);
    }
    int64_t total = 0;
    if (!jem__mul(per_image, ws->max_batch, &total))
        return jem__fail(JEM_E_NOMEM,
                         "jem_head_create: max_batch = %" PRId64 " images of %" PRId64
                         " numbers each are too many",
                         ws->max_batch, per_image);
    for (int32_t i = 0; i < ws->n_blocks; i++)
        ws->blocks[i].at *= ws->max_batch;
    return ws->backend->mem_create(ctx, total, &ws->numbers);
}

/* Signs of every value that is read through an activation. They all live to the end. */
static jem_status allocate_signs(jem__workspace *ws)
{
    const jem__network *net = ws->net;
    int64_t total = 0;

    for (int32_t v = 0; v < net->n_values; v++)
        ws->signs_at[v] = -1;
    for (int32_t i = 0; i < net->n_layers; i++) {
        const int32_t in = net->layers[i].in[0];
        const jem__value *v = &net->values[in];
        if (!jem__activates(net->layers[i].slope) || ws->signs_at[in] >= 0)
            continue;
        int64_t bytes = 0;
        if (!jem__mul(ws->backend->signs_bytes(v->c, v->h, v->w), ws->max_batch, &bytes) ||
            bytes > INT64_MAX / 2 - total)
            return jem__fail(JEM_E_NOMEM,
                             "jem_head_create: max_batch = %" PRId64 " images are too many",
                             ws->max_batch);
        ws->signs_at[in] = total;
        total += jem__round_up(bytes, SIGNS_ALIGN);
    }
    if (total == 0)
        return JEM_OK;
    return ws->backend->mem_create_bits(net->ctx, total, &ws->bits);
}

static jem_status plan(jem__workspace *ws)
{
    const jem__network *net = ws->net;

    /* values, grad_logits, image gradient, and at most one gradient per input of a layer */
    const int64_t most =
        (int64_t)net->n_values + 2 + (int64_t)net->n_layers * JEM__LAYER_INPUTS;
    ws->blocks = jem__alloc(net->ctx, most, sizeof *ws->blocks);
    ws->routes = jem__alloc(net->ctx, net->n_layers, sizeof *ws->routes);
    ws->signs_at = jem__alloc(net->ctx, net->n_values, sizeof *ws->signs_at);
    if (ws->blocks == NULL || ws->routes == NULL || ws->signs_at == NULL)
        return JEM_E_NOMEM;
    plan_values(ws);
    JEM__TRY(plan_gradients(ws));
    JEM__TRY(allocate_numbers(ws));
    return allocate_signs(ws);
}

jem_status jem__workspace_create(const jem__network *net, const jem__backend *backend,
                                 int64_t max_batch, int64_t most_bytes, int32_t training,
                                 jem__workspace **out)
{
    *out = NULL;
    if (max_batch < 1)
        return jem__fail(JEM_E_RANGE,
                         "jem_head_create: max_batch = %" PRId64 ", must be at least 1",
                         max_batch);
    if (net->n_layers == 0)
        return jem__fail(JEM_E_UNSUPPORTED, "jem_head_create: the network has no layers");
    jem__workspace *ws = jem__alloc(net->ctx, 1, sizeof *ws);
    if (ws == NULL)
        return JEM_E_NOMEM;
    ws->net = net;
    ws->backend = backend;
    ws->max_batch = max_batch;
    ws->most_bytes = most_bytes;
    ws->training = training;
    const jem_status status = plan(ws);
    if (status != JEM_OK) {
        jem__workspace_free(ws);
        return status;
    }
    *out = ws;
    return JEM_OK;
}

int64_t jem__workspace_batch(const jem__workspace *ws)
{
    return ws->max_batch;
}

void jem__workspace_free(jem__workspace *ws)
{
    if (ws == NULL)
        return;
    jem_context *ctx = ws->net->ctx;
    ws->backend->mem_free(ctx, ws->numbers);
    ws->backend->mem_free(ctx, ws->bits);
    ws->backend->mem_free(ctx, ws->tangent);
    jem__free(ctx, ws->blocks);
    jem__free(ctx, ws->routes);
    jem__free(ctx, ws->signs_at);
    jem__free(ctx, ws);
}

jem__tensor jem__workspace_tensor(const jem__workspace *ws, int32_t number, int32_t value,
                                  int64_t n)
{
    const jem__value *v = &ws->net->values[value];

    return (jem__tensor){.mem = ws->numbers,
                         .at = ws->blocks[number].at,
                         .n = n,
                         .c = v->c,
                         .h = v->h,
                         .w = v->w};
}

jem__tensor jem__workspace_image(const jem__workspace *ws, int64_t n)
{
    return jem__workspace_tensor(ws, 0, 0, n);
}

jem__tensor jem__workspace_logits(const jem__workspace *ws, int64_t n)
{
    const int32_t logits = ws->net->n_values - 1;

    return jem__workspace_tensor(ws, logits, logits, n);
}

jem__tensor jem__workspace_logits_at(const jem__workspace *ws, int64_t first, int64_t n)
{
    jem__tensor logits = jem__workspace_logits(ws, n);

    logits.at += first * logits.c * logits.h * logits.w;
    return logits;
}

jem__tensor jem__workspace_features(const jem__workspace *ws, int64_t n)
{
    const int32_t value = jem__network_last_layer(ws->net)->in[0];

    return jem__workspace_tensor(ws, value, value, n);
}

jem__tensor jem__workspace_grad_logits(const jem__workspace *ws, int64_t n)
{
    return jem__workspace_tensor(ws, ws->grad_logits, ws->net->n_values - 1, n);
}

jem__tensor jem__workspace_image_gradient(const jem__workspace *ws, int64_t n)
{
    return jem__workspace_tensor(ws, ws->image_gradient, 0, n);
}

jem__tensor jem__workspace_tangent_tensor(const jem__workspace *ws, int64_t at, int32_t value,
                                          int64_t n)
{
    jem__tensor t = jem__workspace_tensor(ws, value, value, n);

    t.mem = ws->tangent;
    t.at = at * ws->max_batch;
    return t;
}

/* Memory for the change of the image and, behind it, for the work of the layer that wants most.
 * Few workspaces ever need it. */
jem_status jem__workspace_tangent(jem__workspace *ws, int64_t n, jem__tensor *out)
{
    const jem__network *net = ws->net;
    int64_t most = 0;

    for (int32_t i = 0; i < net->n_layers && ws->tangent == NULL; i++) {
        const jem__layer *layer = &net->layers[i];
        const int64_t work =
            layer->kind->tangent_work != NULL ? layer->kind->tangent_work(net, layer) : 0;
        most = jem__max(most, work);
    }
    if (ws->tangent == NULL)
        JEM__TRY(ws->backend->mem_create(
            net->ctx, (ws->blocks[0].size + jem__round_up(most, BLOCK_ALIGN)) * ws->max_batch,
            &ws->tangent));
    *out = jem__workspace_tangent_tensor(ws, 0, 0, n);
    return JEM_OK;
}
