/* SPDX-License-Identifier: MIT */
/* Building a network: a list of layers, values and parameters.
 *
 * Every size a backend will ever see is checked here and only here: the products that follow
 * from the limits below fit 64 bits, kernels fit their input, added values fit their sum. */

#include "nets/layer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/arithmetic.h"
#include "core/error.h"
#include "core/memory.h"

#define MAX_VALUE   INT64_C(0x7fffffff)  /* numbers of one value of one image */
#define MAX_PARAM   INT64_C(0x100000000) /* 2^32: the random numbers of one address */
#define PARAM_ALIGN 16                   /* numbers: one cache line of float */

jem_status jem__check_size(const char *what, int64_t size, int64_t limit)
{
    if (size < 1 || size > limit)
        return jem__fail(JEM_E_SHAPE,
                         "jem_model_create: %s = %" PRId64 ", must be 1 to %" PRId64, what,
                         size, limit);
    return JEM_OK;
}

static jem_status check_value(const char *what, int64_t c, int64_t h, int64_t w)
{
    int64_t count = 0;

    if (!jem__mul(c, h, &count) || !jem__mul(count, w, &count) || count > MAX_VALUE)
        return jem__fail(JEM_E_SHAPE,
                         "jem_model_create: %s: %" PRId64 " x %" PRId64 " x %" PRId64
                         " numbers per image, at most %" PRId64 " are possible",
                         what, c, h, w, MAX_VALUE);
    return JEM_OK;
}

/* Space for `more` items in an array, doubling. */
static jem_status grow(jem_context *ctx, void **items, int32_t used, int32_t more, int64_t size,
                       int32_t *cap)
{
    if (used + more <= *cap)
        return JEM_OK;
    const int32_t wanted = used + more > 2 * *cap ? used + more : 2 * *cap;
    void *bigger = jem__alloc(ctx, wanted, size);
    if (bigger == NULL)
        return JEM_E_NOMEM;
    if (used > 0)
        memcpy(bigger, *items, (size_t)used * (size_t)size);
    jem__free(ctx, *items);
    *items = bigger;
    *cap = wanted;
    return JEM_OK;
}

/* Space for one more layer with its value and parameters, so that adding it cannot fail
 * halfway. */
static jem_status reserve(jem__network *net)
{
    void *layers = net->layers, *params = net->params, *values = net->values;
    jem_status status =
        grow(net->ctx, &layers, net->n_layers, 1, sizeof(jem__layer), &net->cap_layers);

    if (status == JEM_OK)
        status = grow(net->ctx, &params, net->n_params, JEM__LAYER_PARAMS, sizeof(jem__param),
                      &net->cap_params);
    if (status == JEM_OK)
        status =
            grow(net->ctx, &values, net->n_values, 1, sizeof(jem__value), &net->cap_values);
    net->layers = layers;
    net->params = params;
    net->values = values;
    return status;
}

jem_status jem__network_create(jem_context *ctx, int64_t c, int64_t h, int64_t w,
                               jem__network **out)
{
    *out = NULL;
    JEM__TRY(jem__check_size("channels", c, JEM__MAX_CHANNELS));
    JEM__TRY(jem__check_size("height", h, JEM__MAX_SIDE));
    JEM__TRY(jem__check_size("width", w, JEM__MAX_SIDE));
    JEM__TRY(check_value("image", c, h, w));
    jem__network *net = jem__alloc(ctx, 1, sizeof *net);
    if (net == NULL)
        return JEM_E_NOMEM;
    net->ctx = ctx;
    const jem_status status = reserve(net);
    if (status != JEM_OK) {
        jem__network_free(net);
        return status;
    }
    net->values[net->n_values++] = (jem__value){c, h, w};
    *out = net;
    return JEM_OK;
}

void jem__network_free(jem__network *net)
{
    if (net == NULL)
        return;
    jem__free(net->ctx, net->layers);
    jem__free(net->ctx, net->params);
    jem__free(net->ctx, net->values);
    jem__free(net->ctx, net);
}

/* Append a parameter; the sizes of its layer are known to be good. */
static jem_status add_param(jem__network *net, const char *name, const jem__layer_param *made)
{
    jem__param *p = &net->params[net->n_params];

    memset(p, 0, sizeof *p);
    const int length = snprintf(p->name, sizeof p->name, "%s.%s", name, made->suffix);
    if (length < 0 || (size_t)length >= sizeof p->name)
        return jem__fail(JEM_E_INTERNAL, "jem_model_create: parameter name %s.%s is too long",
                         name, made->suffix);
    const int64_t *dims = made->dims;
    p->count = 1;
    for (int i = 0; i < 4; i++) {
        p->shape[i] = made->shape[i];
        p->dims[i] = dims[i];
        if (!jem__mul(p->count, dims[i], &p->count) || p->count > MAX_PARAM)
            return jem__fail(JEM_E_SHAPE,
                             "jem_model_create: %s: %" PRId64 " x %" PRId64 " x %" PRId64
                             " x %" PRId64 " numbers, at most %" PRId64 " are possible",
                             p->name, dims[0], dims[1], dims[2], dims[3], MAX_PARAM);
    }
    p->rank = made->rank;
    p->fan_in = made->fan_in;
    p->at = net->param_count;
    net->param_count += jem__round_up(p->count, PARAM_ALIGN);
    net->n_params++;
    return JEM_OK;
}

static jem_status check_inputs(const jem__network *net, const char *name,
                               const jem__layer *layer)
{
    for (int32_t j = 0; j < JEM__LAYER_INPUTS; j++) {
        const char *verb = layer->kind->input[j].verb;
        const int32_t in = layer->in[j];
        if (in < (j == 0 ? 0 : -1) || in >= net->n_values)
            return jem__fail(JEM_E_INTERNAL,
                             "jem_model_create: %s %s value %" PRId32 " of %" PRId32, name,
                             j == 0 ? "reads" : verb, in, net->n_values);
        if (in == 0 && layer->kind->input[j].handed_on)
            return jem__fail(JEM_E_UNSUPPORTED, "jem_model_create: %s %s the image (value 0)",
                             name, verb);
    }
    if (!(layer->slope >= 0.0F && layer->slope <= 1.0F))
        return jem__fail(JEM_E_RANGE, "jem_model_create: %s: slope = %g, must be 0 to 1", name,
                         (double)layer->slope);
    const int32_t in = layer->in[0];
    if (jem__activates(layer->slope) && (in == 0 || !net->layers[in - 1].kind->keeps_signs))
        return jem__fail(JEM_E_UNSUPPORTED,
                         "jem_model_create: %s reads value %" PRId32
                         " through LeakyReLU, which only outputs of convolutions allow",
                         name, in);
    return JEM_OK;
}

/* A value whose gradient is that of the output has its size. */
static jem_status check_handed_on(const jem__network *net, const char *name,
                                  const jem__layer *layer, const jem__value *out)
{
    for (int32_t j = 0; j < JEM__LAYER_INPUTS; j++) {
        if (layer->in[j] < 0 || !layer->kind->input[j].handed_on)
            continue;
        const jem__value *v = &net->values[layer->in[j]];
        if (v->c != out->c || v->h != out->h || v->w != out->w)
            return jem__fail(JEM_E_SHAPE,
                             "jem_model_create: %s makes %" PRId64 " x %" PRId64 " x %" PRId64
                             " numbers and %s %" PRId64 " x %" PRId64 " x %" PRId64,
                             name, out->c, out->h, out->w, layer->kind->input[j].verb, v->c,
                             v->h, v->w);
    }
    return JEM_OK;
}

jem_status jem__network_append(jem__network *net, const char *name, jem__layer layer,
                               int32_t *out)
{
    jem__layer_made made = {.n_params = 0};

    JEM__TRY(check_inputs(net, name, &layer));
    JEM__TRY(layer.kind->check(net, name, &layer, &made));
    JEM__TRY(check_value(name, made.out.c, made.out.h, made.out.w));
    JEM__TRY(check_handed_on(net, name, &layer, &made.out));
    JEM__TRY(reserve(net));

    layer.param = net->n_params;
    layer.n_params = made.n_params;
    layer.out = net->n_values;
    for (int32_t i = 0; i < made.n_params; i++)
        JEM__TRY(add_param(net, name, &made.param[i]));
    net->layers[net->n_layers++] = layer;
    net->values[net->n_values++] = made.out;
    *out = layer.out;
    return JEM_OK;
}

const jem__layer *jem__network_last_layer(const jem__network *net)
{
    return &net->layers[net->n_layers - 1];
}

int64_t jem__network_features(const jem__network *net)
{
    const jem__value *v = &net->values[jem__network_last_layer(net)->in[0]];

    return v->c * v->h * v->w;
}

jem__tensor jem__param_tensor(const jem__param *param, const jem__tensor *block)
{
    return (jem__tensor){.mem = block->mem,
                         .at = block->at + param->at,
                         .n = param->dims[0],
                         .c = param->dims[1],
                         .h = param->dims[2],
                         .w = param->dims[3]};
}
