/* SPDX-License-Identifier: MIT */
/* Running a network forward and backward in memory that was planned once.
 *
 * Time is counted in steps: layer i of L runs forward at step i and backward at step
 * 2 L - 1 - i. Every value and every gradient is a block of numbers with a first and a last
 * step; blocks whose times do not meet may lie in the same place. So a frozen network needs
 * its widest moment only: for WRN-28-10 the entry to the second stage, 3.5 times 160 x 32 x 32
 * numbers per image, used by the forward and then by the backward pass. What outlives the
 * forward pass are sign bits. A training workspace keeps all values.
 *
 * The gradient of a value with several readers is made by the last of them and added to by the
 * others, going backward. A layer that adds a value hands its output's gradient on to it
 * untouched: not a copy, the block itself changes its owner. */

#include "nets/network.h"

#include <inttypes.h>
#include <stddef.h>

#include "core/error.h"
#include "core/memory.h"

#define BLOCK_ALIGN 16 /* numbers per image: one cache line of float */
#define SIGNS_ALIGN 64 /* bytes */

enum { NO_BLOCK = -1 };

/* Sizes and places are numbers per image until the plan is done, then numbers in `numbers`. */
typedef struct block {
    int64_t size, at;
    int32_t first, last; /* steps, inclusive */
} block;

/* Where one layer's backward pass reads and writes: block numbers. */
typedef struct route {
    int32_t gy, add, gx; /* add: gradient of the input so far, or NO_BLOCK */
} route;

struct jem__workspace {
    const jem__network *net;
    const jem__backend *backend;
    int64_t max_batch, most_bytes;
    int32_t training;
    jem__mem *numbers, *bits;
    block *
        blocks; /* block v < n_values is value v, block n_values is grad_logits, then gradients */
    route *routes;     /* per layer */
    int64_t *signs_at; /* per value; -1: not kept */
    int32_t n_blocks;
    int32_t grad_logits, image_gradient; /* blocks */
    jem__mem
        *tangent; /* a change of the image, then one of a layer's input; made when wanted */
};

/* ---------------------------------------------------------------------------------------------
 * Planning
 * ------------------------------------------------------------------------------------------- */

static int64_t round_up(int64_t count, int64_t unit)
{
    return (count + unit - 1) / unit * unit;
}

static int32_t new_block(jem__workspace *ws, int32_t value, int32_t first, int32_t last)
{
    const jem__value *v = &ws->net->values[value];
    ws->blocks[ws->n_blocks] = (block){
        .size = round_up(v->c * v->h * v->w, BLOCK_ALIGN), .first = first, .last = last};
    return ws->n_blocks++;
}

/* Values live from their layer to their last reader; image and logits, and in training all,
 * to the end. */
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
        block *in = &ws->blocks[layer->in];
        in->last = in->last > i ? in->last : i;
        if (layer->add >= 0) {
            block *add = &ws->blocks[layer->add];
            add->last = add->last > i ? add->last : i;
        }
    }
}

static jem_status unsupported(int32_t layer, const char *why)
{
    return jem__fail(JEM_E_UNSUPPORTED,
                     "jem_head_create: no gradient for layer %" PRId32 " of the network: %s",
                     layer, why);
}

/* The route of one layer; grad[v] is the block of value v's gradient so far, or NO_BLOCK. */
static jem_status plan_route(jem__workspace *ws, int32_t i, int32_t *grad)
{
    const jem__layer *layer = &ws->net->layers[i];
    const int32_t step = 2 * ws->net->n_layers - 1 - i;
    const int32_t gy = grad[layer->out];
    if (gy == NO_BLOCK)
        return unsupported(i, "nothing reads its output");
    if (layer->add >= 0) {
        if (grad[layer->add] != NO_BLOCK)
            return unsupported(i, "a later layer reads the value that it adds");
        grad[layer->add] = gy;
    }
    const int32_t so_far = grad[layer->in];
    if (so_far != NO_BLOCK && layer->kind == JEM__LAYER_POOL)
        return unsupported(i, "a later layer reads the value that it pools");

    int32_t gx = so_far;
    if (layer->in == 0)
        gx = ws->image_gradient;
    else if (so_far == NO_BLOCK || so_far == gy || so_far == ws->grad_logits)
        gx = new_block(ws, layer->in, step, step); /* gy is being read, grad_logits is kept */
    ws->routes[i] = (route){.gy = gy, .add = so_far, .gx = gx};
    grad[layer->in] = gx;
    /* A block that is added to need not be prolonged: it is the gy of an earlier layer. */
    ws->blocks[gy].last = ws->blocks[gy].last > step ? ws->blocks[gy].last : step;
    return JEM_OK;
}

static jem_status plan_gradients(jem__workspace *ws)
{
    const jem__network *net = ws->net;
    const int32_t end = 2 * net->n_layers, logits = net->n_values - 1;
    int32_t *grad = jem__alloc(net->ctx, net->n_values, (int64_t)sizeof *grad);
    if (grad == NULL)
        return JEM_E_NOMEM;
    for (int32_t v = 0; v < net->n_values; v++)
        grad[v] = NO_BLOCK;
    ws->grad_logits = new_block(ws, logits, 0, end);
    ws->image_gradient = new_block(ws, 0, 0, end);
    grad[logits] = ws->grad_logits;
    jem_status status = JEM_OK;
    for (int32_t i = net->n_layers - 1; i >= 0 && status == JEM_OK; i--)
        status = plan_route(ws, i, grad);
    jem__free(net->ctx, grad);
    return status;
}

/* The lowest place for block b among those in `placed` (by place) that live at the same time. */
static int64_t lowest_place(const block *blocks, const int32_t *placed, int32_t count,
                            const block *b)
{
    int64_t at = 0;
    for (int32_t i = 0; i < count; i++) {
        const block *other = &blocks[placed[i]];
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
 * image. `order` and `placed` have room for all block numbers. */
static int64_t place_blocks(jem__workspace *ws, int32_t *order, int32_t *placed)
{
    block *blocks = ws->blocks;
    for (int32_t i = 0; i < ws->n_blocks; i++) { /* insertion sort, stable */
        int32_t j = i;
        for (; j > 0 && blocks[order[j - 1]].size < blocks[i].size; j--)
            order[j] = order[j - 1];
        order[j] = i;
    }
    int64_t total = 0;
    for (int32_t i = 0; i < ws->n_blocks; i++) {
        block *b = &blocks[order[i]];
        b->at = lowest_place(blocks, placed, i, b);
        total = total > b->at + b->size ? total : b->at + b->size;
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
    int32_t *order = jem__alloc(ctx, 2 * (int64_t)ws->n_blocks, (int64_t)sizeof *order);
    if (order == NULL)
        return JEM_E_NOMEM;
    const int64_t per_image = place_blocks(ws, order, order + ws->n_blocks);
    jem__free(ctx, order);

    const int64_t bytes = per_image * (int64_t)sizeof(float);
    if (ws->most_bytes > 0 && bytes > 0) { /* batches of about equal size */
        const int64_t fit = ws->most_bytes > bytes ? ws->most_bytes / bytes : 1;
        const int64_t batches = (ws->max_batch + fit - 1) / fit;
        ws->max_batch = (ws->max_batch + batches - 1) / batches;
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

/* Signs of every value that is read through LeakyReLU. They all live to the end. */
static jem_status allocate_signs(jem__workspace *ws)
{
    const jem__network *net = ws->net;
    int64_t total = 0;
    for (int32_t v = 0; v < net->n_values; v++)
        ws->signs_at[v] = -1;
    for (int32_t i = 0; i < net->n_layers; i++) {
        const jem__layer *layer = &net->layers[i];
        const jem__value *v = &net->values[layer->in];
        if ((layer->kind == JEM__LAYER_CONV && !layer->conv.leaky_input) ||
            ws->signs_at[layer->in] >= 0)
            continue;
        int64_t bytes = 0;
        if (!jem__mul(ws->backend->signs_bytes(v->c, v->h, v->w), ws->max_batch, &bytes) ||
            bytes > INT64_MAX / 2 - total)
            return jem__fail(JEM_E_NOMEM,
                             "jem_head_create: max_batch = %" PRId64 " images are too many",
                             ws->max_batch);
        ws->signs_at[layer->in] = total;
        total += round_up(bytes, SIGNS_ALIGN);
    }
    if (total == 0)
        return JEM_OK;
    return ws->backend->mem_create_bits(net->ctx, total, &ws->bits);
}

static jem_status plan(jem__workspace *ws)
{
    const jem__network *net = ws->net;
    /* values, grad_logits, image gradient, and at most one gradient per layer */
    const int64_t most = (int64_t)net->n_values + 2 + net->n_layers;
    ws->blocks = jem__alloc(net->ctx, most, (int64_t)sizeof *ws->blocks);
    ws->routes = jem__alloc(net->ctx, net->n_layers, (int64_t)sizeof *ws->routes);
    ws->signs_at = jem__alloc(net->ctx, net->n_values, (int64_t)sizeof *ws->signs_at);
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
    jem__workspace *ws = jem__alloc(net->ctx, 1, (int64_t)sizeof *ws);
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

/* ---------------------------------------------------------------------------------------------
 * Running
 * ------------------------------------------------------------------------------------------- */

/* Block `number` with the sizes of value `value`, for n images. */
static jem__tensor tensor(const jem__workspace *ws, int32_t number, int32_t value, int64_t n)
{
    const jem__value *v = &ws->net->values[value];
    return (jem__tensor){.mem = ws->numbers,
                         .at = ws->blocks[number].at,
                         .n = n,
                         .c = v->c,
                         .h = v->h,
                         .w = v->w};
}

static jem__signs signs_of(const jem__workspace *ws, int32_t value)
{
    const int64_t at = ws->signs_at[value];
    return at < 0 ? (jem__signs){.mem = NULL} : (jem__signs){.mem = ws->bits, .at = at};
}

jem__tensor jem__workspace_image(const jem__workspace *ws, int64_t n)
{
    return tensor(ws, 0, 0, n);
}

jem__tensor jem__workspace_logits(const jem__workspace *ws, int64_t n)
{
    const int32_t logits = ws->net->n_values - 1;
    return tensor(ws, logits, logits, n);
}

jem__tensor jem__workspace_logits_at(const jem__workspace *ws, int64_t first, int64_t n)
{
    jem__tensor logits = jem__workspace_logits(ws, n);
    logits.at += first * logits.c * logits.h * logits.w;
    return logits;
}

jem__tensor jem__workspace_features(const jem__workspace *ws, int64_t n)
{
    const int32_t value = jem__network_last_layer(ws->net)->in;
    return tensor(ws, value, value, n);
}

jem__tensor jem__workspace_grad_logits(const jem__workspace *ws, int64_t n)
{
    return tensor(ws, ws->grad_logits, ws->net->n_values - 1, n);
}

jem__tensor jem__workspace_image_gradient(const jem__workspace *ws, int64_t n)
{
    return tensor(ws, ws->image_gradient, 0, n);
}

static jem_status check_batch(const jem__workspace *ws, int64_t n)
{
    if (n < 0 || n > ws->max_batch)
        return jem__fail(JEM_E_INTERNAL,
                         "libjem: a batch of %" PRId64 " images, must be 0 to %" PRId64, n,
                         ws->max_batch);
    return JEM_OK;
}

static jem_status layer_forward(const jem__workspace *ws, jem__queue *queue,
                                const jem__layer *layer, const jem__tensor *params, int64_t n)
{
    const jem__tensor x = tensor(ws, layer->in, layer->in, n);
    const jem__tensor y = tensor(ws, layer->out, layer->out, n);
    if (layer->kind == JEM__LAYER_POOL)
        return ws->backend->pool_forward(queue, &x, NULL, &y);
    const jem__tensor w = jem__param_tensor(&ws->net->params[layer->weight], params);
    const jem__tensor b = jem__param_tensor(&ws->net->params[layer->bias], params);
    const int32_t added = layer->add >= 0 ? layer->add : 0;
    const jem__tensor add = tensor(ws, added, added, n);
    const jem__signs signs = signs_of(ws, layer->out);
    return ws->backend->conv_forward(queue, &layer->conv, &x, &w, &b,
                                     layer->add >= 0 ? &add : NULL, &y, &signs);
}

jem_status jem__network_forward(jem__workspace *ws, jem__queue *queue,
                                const jem__tensor *params, int64_t n)
{
    JEM__TRY(check_batch(ws, n));
    if (n == 0)
        return JEM_OK;
    for (int32_t i = 0; i < ws->net->n_layers; i++)
        JEM__TRY(layer_forward(ws, queue, &ws->net->layers[i], params, n));
    return JEM_OK;
}

/* Value `value` in the memory for tangents, `at` numbers per image into it. */
static jem__tensor tangent_tensor(const jem__workspace *ws, int64_t at, int32_t value,
                                  int64_t n)
{
    const jem__value *v = &ws->net->values[value];
    return (jem__tensor){
        .mem = ws->tangent, .at = at * ws->max_batch, .n = n, .c = v->c, .h = v->h, .w = v->w};
}

/* Room for the change of the image and, behind it, of the largest value that a convolution
 * reads through LeakyReLU. Few workspaces ever need it. */
jem_status jem__workspace_tangent(jem__workspace *ws, int64_t n, jem__tensor *out)
{
    int64_t widest = 0;
    if (ws->tangent == NULL) {
        for (int32_t i = 0; i < ws->net->n_layers; i++) {
            const jem__layer *layer = &ws->net->layers[i];
            const int64_t size = ws->blocks[layer->in].size;
            if (layer->kind == JEM__LAYER_CONV && layer->conv.leaky_input && size > widest)
                widest = size;
        }
        JEM__TRY(ws->backend->mem_create(
            ws->net->ctx, (ws->blocks[0].size + widest) * ws->max_batch, &ws->tangent));
    }
    *out = tangent_tensor(ws, 0, 0, n);
    return JEM_OK;
}

static jem_status layer_tangent(const jem__workspace *ws, jem__queue *queue,
                                const jem__layer *layer, const jem__tensor *params, int64_t n)
{
    const jem__tensor y = tensor(ws, layer->out, layer->out, n);
    const jem__signs signs = signs_of(ws, layer->in);
    const jem__signs none = {.mem = NULL}; /* those of the values stay */
    jem__tensor x =
        layer->in == 0 ? tangent_tensor(ws, 0, 0, n) : tensor(ws, layer->in, layer->in, n);
    if (layer->kind == JEM__LAYER_POOL)
        return ws->backend->pool_forward(queue, &x, &signs, &y);
    jem__conv conv = layer->conv;
    if (conv.leaky_input) {
        const jem__tensor leaked = tangent_tensor(ws, ws->blocks[0].size, layer->in, n);
        JEM__TRY(ws->backend->leak(queue, &x, &signs, &leaked));
        conv.leaky_input = 0;
        x = leaked;
    }
    const jem__tensor w = jem__param_tensor(&ws->net->params[layer->weight], params);
    const int32_t added = layer->add >= 0 ? layer->add : 0;
    const jem__tensor add = tensor(ws, added, added, n);
    return ws->backend->conv_forward(queue, &conv, &x, &w, NULL, layer->add >= 0 ? &add : NULL,
                                     &y, &none);
}

jem_status jem__network_tangent(jem__workspace *ws, jem__queue *queue,
                                const jem__tensor *params, int64_t n)
{
    JEM__TRY(check_batch(ws, n));
    if (ws->training || ws->tangent == NULL)
        return jem__fail(JEM_E_INTERNAL,
                         "libjem: a tangent needs a frozen workspace and its image");
    for (int32_t i = 0; i < ws->net->n_layers && n > 0; i++)
        JEM__TRY(layer_tangent(ws, queue, &ws->net->layers[i], params, n));
    return JEM_OK;
}

/* The gradient of layer i's input. */
static jem_status layer_backward_x(const jem__workspace *ws, jem__queue *queue, int32_t i,
                                   const jem__tensor *params, int64_t n)
{
    const jem__layer *layer = &ws->net->layers[i];
    const route *r = &ws->routes[i];
    const jem__tensor gy = tensor(ws, r->gy, layer->out, n);
    const jem__tensor gx = tensor(ws, r->gx, layer->in, n);
    const jem__signs signs = signs_of(ws, layer->in);
    if (layer->kind == JEM__LAYER_POOL)
        return ws->backend->pool_backward(queue, &gy, &signs, &gx);
    const jem__tensor w = jem__param_tensor(&ws->net->params[layer->weight], params);
    const jem__tensor add = tensor(ws, r->add == NO_BLOCK ? r->gx : r->add, layer->in, n);
    return ws->backend->conv_backward_x(queue, &layer->conv, &gy, &w,
                                        layer->conv.leaky_input ? &signs : NULL,
                                        r->add == NO_BLOCK ? NULL : &add, &gx);
}

/* grads += the gradient of layer i's parameters. */
static jem_status layer_backward_w(const jem__workspace *ws, jem__queue *queue, int32_t i,
                                   const jem__tensor *grads, int64_t n)
{
    const jem__layer *layer = &ws->net->layers[i];
    if (layer->kind == JEM__LAYER_POOL)
        return JEM_OK;
    const jem__tensor x = tensor(ws, layer->in, layer->in, n);
    const jem__tensor gy = tensor(ws, ws->routes[i].gy, layer->out, n);
    const jem__tensor gw = jem__param_tensor(&ws->net->params[layer->weight], grads);
    const jem__tensor gb = jem__param_tensor(&ws->net->params[layer->bias], grads);
    return ws->backend->conv_backward_w(queue, &layer->conv, &x, &gy, &gw, &gb);
}

jem_status jem__network_backward_x(jem__workspace *ws, jem__queue *queue,
                                   const jem__tensor *params, int64_t n)
{
    JEM__TRY(check_batch(ws, n));
    if (n == 0)
        return JEM_OK;
    for (int32_t i = ws->net->n_layers - 1; i >= 0; i--)
        JEM__TRY(layer_backward_x(ws, queue, i, params, n));
    return JEM_OK;
}

jem_status jem__network_backward_w(jem__workspace *ws, jem__queue *queue,
                                   const jem__tensor *params, const jem__tensor *grads,
                                   int64_t n)
{
    JEM__TRY(check_batch(ws, n));
    if (!ws->training)
        return jem__fail(JEM_E_INTERNAL,
                         "libjem: the gradient of weights needs a training workspace");
    if (n == 0)
        return JEM_OK;
    for (int32_t i = ws->net->n_layers - 1; i >= 0; i--) {
        JEM__TRY(layer_backward_w(ws, queue, i, grads, n));
        if (ws->net->layers[i].in != 0) /* nobody wants the image's gradient here */
            JEM__TRY(layer_backward_x(ws, queue, i, params, n));
    }
    return JEM_OK;
}
