/* SPDX-License-Identifier: MIT */
/* Convolutions; and fully connected layers: convolutions whose kernel is the image.
 *
 *     out = conv(a(in)) + bias [+ add]
 *
 * The value that is added reads the gradient of the output as its own. */

#include "nets/layer.h"

#include <inttypes.h>
#include <stddef.h>

#include "core/error.h"

enum { IN, ADD };      /* inputs */
enum { WEIGHT, BIAS }; /* parameters */

static jem_status check(const char *name, int32_t rank, jem__layer *layer,
                        jem__layer_made *made)
{
    jem__conv *v = &layer->conv;

    JEM__TRY(jem__check_size("kernel height", v->kh, JEM__MAX_SIDE));
    JEM__TRY(jem__check_size("kernel width", v->kw, JEM__MAX_SIDE));
    JEM__TRY(jem__check_size("stride", v->stride, JEM__MAX_SIDE));
    JEM__TRY(jem__check_size("output channels", v->k, JEM__MAX_CHANNELS));
    if (v->pad < 0 || v->pad > JEM__MAX_SIDE)
        return jem__fail(JEM_E_SHAPE,
                         "jem_model_create: %s: pad = %" PRId64 ", must be 0 to %" PRId64, name,
                         v->pad, JEM__MAX_SIDE);
    if (v->kh > v->h + 2 * v->pad || v->kw > v->w + 2 * v->pad)
        return jem__fail(JEM_E_SHAPE,
                         "jem_model_create: %s: a kernel of %" PRId64 " x %" PRId64
                         " does not fit %" PRId64 " x %" PRId64 " padded by %" PRId64,
                         name, v->kh, v->kw, v->h, v->w, v->pad);
    v->oh = (v->h + 2 * v->pad - v->kh) / v->stride + 1;
    v->ow = (v->w + 2 * v->pad - v->kw) / v->stride + 1;
    v->slope = layer->slope;

    const int64_t fan_in = v->c * v->kh * v->kw;
    made->out = (jem__value){v->k, v->oh, v->ow};
    made->n_params = 2;
    made->param[WEIGHT] = (jem__layer_param){.suffix = "weight",
                                             .shape = {v->k, v->c, v->kh, v->kw},
                                             .dims = {v->k, v->c, v->kh, v->kw},
                                             .rank = rank,
                                             .fan_in = fan_in};
    made->param[BIAS] = (jem__layer_param){.suffix = "bias",
                                           .shape = {v->k, 1, 1, 1},
                                           .dims = {v->k, 1, 1, 1},
                                           .rank = 1,
                                           .fan_in = fan_in};
    return JEM_OK;
}

static void take_input_size(const jem__network *net, jem__layer *layer)
{
    const jem__value *x = &net->values[layer->in[IN]];

    layer->conv.c = x->c;
    layer->conv.h = x->h;
    layer->conv.w = x->w;
}

static jem_status check_conv(const jem__network *net, const char *name, jem__layer *layer,
                             jem__layer_made *made)
{
    take_input_size(net, layer);
    return check(name, 4, layer, made);
}

static jem_status check_linear(const jem__network *net, const char *name, jem__layer *layer,
                               jem__layer_made *made)
{
    take_input_size(net, layer);
    layer->conv.kh = layer->conv.h;
    layer->conv.kw = layer->conv.w;
    layer->conv.stride = 1;
    JEM__TRY(check(name, 2, layer, made));
    int64_t *shape = made->param[WEIGHT].shape;
    shape[1] = made->param[WEIGHT].fan_in;
    shape[2] = shape[3] = 1;
    return JEM_OK;
}

static const jem__tensor *if_any(const jem__tensor *t)
{
    return t->mem != NULL ? t : NULL;
}

static jem_status forward(const jem__layer_pass *p)
{
    return p->backend->conv_forward(p->queue, &p->layer->conv, &p->in[IN], &p->param[WEIGHT],
                                    &p->param[BIAS], if_any(&p->in[ADD]), &p->out,
                                    &p->signs_out);
}

static jem_status backward_x(const jem__layer_pass *p, int32_t input)
{
    (void)input; /* the other one is handed on */
    return p->backend->conv_backward_x(p->queue, &p->layer->conv, &p->gy, &p->param[WEIGHT],
                                       &p->signs_in, if_any(&p->so_far), &p->gx);
}

static jem_status backward_w(const jem__layer_pass *p)
{
    return p->backend->conv_backward_w(p->queue, &p->layer->conv, &p->in[IN], &p->gy,
                                       &p->param[WEIGHT], &p->param[BIAS]);
}

/* The signs say which slope each number had, which those of its change do not. */
static jem_status tangent(const jem__layer_pass *p)
{
    const jem__signs none = {.mem = NULL}; /* the signs of the values stay */
    jem__conv conv = p->layer->conv;
    jem__tensor x = p->in[IN];

    if (jem__activates(conv.slope)) {
        x.mem = p->work.mem;
        x.at = p->work.at;
        JEM__TRY(p->backend->leak(p->queue, &p->in[IN], &p->signs_in, conv.slope, &x));
        conv.slope = 1.0F;
    }
    return p->backend->conv_forward(p->queue, &conv, &x, &p->param[WEIGHT], NULL,
                                    if_any(&p->in[ADD]), &p->out, &none);
}

static int64_t tangent_work(const jem__network *net, const jem__layer *layer)
{
    const jem__value *x = &net->values[layer->in[IN]];

    return jem__activates(layer->slope) ? x->c * x->h * x->w : 0;
}

#define ROW(kind_name, check_sizes)                                                            \
    {                                                                                          \
        .name = kind_name, .check = check_sizes, .forward = forward, .backward_x = backward_x, \
        .backward_w = backward_w, .tangent = tangent,                                          \
        .input =                                                                               \
            {[IN] = {.verb = "reads", .adds = 1}, [ADD] = {.verb = "adds", .handed_on = 1}},   \
        .keeps_signs = 1, .tangent_work = tangent_work                                         \
    }

static const jem__layer_kind conv_kind = ROW("conv", check_conv);
static const jem__layer_kind linear_kind = ROW("linear", check_linear);

jem_status jem__network_conv(jem__network *net, const char *name, int32_t in, float slope,
                             int64_t k, int64_t kernel, int64_t stride, int64_t pad,
                             int32_t add, int32_t *out)
{
    const jem__layer layer = {
        .kind = &conv_kind,
        .in = {[IN] = in, [ADD] = add},
        .slope = slope,
        .conv = {.k = k, .kh = kernel, .kw = kernel, .stride = stride, .pad = pad}};

    return jem__network_append(net, name, layer, out);
}

jem_status jem__network_linear(jem__network *net, const char *name, int32_t in, float slope,
                               int64_t k, int32_t *out)
{
    const jem__layer layer = {
        .kind = &linear_kind, .in = {[IN] = in, [ADD] = -1}, .slope = slope, .conv = {.k = k}};

    return jem__network_append(net, name, layer, out);
}
