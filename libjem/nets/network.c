/* SPDX-License-Identifier: MIT */
/* Building a network: a list of layers, values and parameters.
 *
 * Every size a backend will ever see is checked here and only here: the products that follow from
 * the limits below fit 64 bits, kernels fit their input, added values fit their sum. */

#include "nets/network.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "core/memory.h"

#define MAX_CHANNELS (INT64_C(1) << 20)
#define MAX_SIDE     (INT64_C(1) << 16)
#define MAX_VALUE    INT64_C(0x7fffffff)  /* numbers of one value of one image */
#define MAX_PARAM    INT64_C(0x100000000) /* 2^32: the random numbers of one address */
#define PARAM_ALIGN  16                   /* numbers: one cache line of float */

static jem_status check_size(const char *what, int64_t size, int64_t limit)
{
    if (size < 1 || size > limit)
        return jem__fail(JEM_E_SHAPE,
                         "jem_model_create: %s = %" PRId64 ", must be 1 to %" PRId64, what,
                         size, limit);
    return JEM_OK;
}

/* Numbers in a value, in *out. */
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

/* Room for `more` items in an array, doubling. */
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

/* Room for one more layer with its value and parameters, so that adding it cannot fail halfway. */
static jem_status reserve(jem__network *net)
{
    void *layers = net->layers, *params = net->params, *values = net->values;
    jem_status status = grow(net->ctx, &layers, net->n_layers, 1, (int64_t)sizeof(jem__layer),
                             &net->cap_layers);
    if (status == JEM_OK)
        status = grow(net->ctx, &params, net->n_params, 2, (int64_t)sizeof(jem__param),
                      &net->cap_params);
    if (status == JEM_OK)
        status = grow(net->ctx, &values, net->n_values, 1, (int64_t)sizeof(jem__value),
                      &net->cap_values);
    net->layers = layers;
    net->params = params;
    net->values = values;
    return status;
}

jem_status jem__network_create(jem_context *ctx, int64_t c, int64_t h, int64_t w,
                               jem__network **out)
{
    *out = NULL;
    JEM__TRY(check_size("channels", c, MAX_CHANNELS));
    JEM__TRY(check_size("height", h, MAX_SIDE));
    JEM__TRY(check_size("width", w, MAX_SIDE));
    JEM__TRY(check_value("image", c, h, w));
    jem__network *net = jem__alloc(ctx, 1, (int64_t)sizeof *net);
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

/* Append a parameter; sizes are known to be good. */
static jem_status add_param(jem__network *net, const char *name, const char *suffix,
                            const int64_t shape[4], const int64_t dims[4], int32_t rank,
                            int64_t fan_in)
{
    jem__param *p = &net->params[net->n_params];
    memset(p, 0, sizeof *p);
    const int length = snprintf(p->name, sizeof p->name, "%s.%s", name, suffix);
    if (length < 0 || (size_t)length >= sizeof p->name)
        return jem__fail(JEM_E_INTERNAL, "jem_model_create: parameter name %s.%s is too long",
                         name, suffix);
    p->count = 1;
    for (int i = 0; i < 4; i++) {
        p->shape[i] = shape[i];
        p->dims[i] = dims[i];
        if (!jem__mul(p->count, dims[i], &p->count) || p->count > MAX_PARAM)
            return jem__fail(JEM_E_SHAPE,
                             "jem_model_create: %s: %" PRId64 " x %" PRId64 " x %" PRId64
                             " x %" PRId64 " numbers, at most %" PRId64 " are possible",
                             p->name, dims[0], dims[1], dims[2], dims[3], MAX_PARAM);
    }
    p->rank = rank;
    p->fan_in = fan_in;
    p->at = net->param_count;
    net->param_count += (p->count + PARAM_ALIGN - 1) / PARAM_ALIGN * PARAM_ALIGN;
    net->n_params++;
    return JEM_OK;
}

/* Only a convolution keeps the signs that the gradient of LeakyReLU needs. */
static jem_status check_input(const jem__network *net, const char *name, int32_t in,
                              int32_t leaky)
{
    if (in < 0 || in >= net->n_values)
        return jem__fail(JEM_E_INTERNAL,
                         "jem_model_create: %s reads value %" PRId32 " of %" PRId32, name, in,
                         net->n_values);
    if (leaky && (in == 0 || net->layers[in - 1].kind != JEM__LAYER_CONV))
        return jem__fail(JEM_E_UNSUPPORTED,
                         "jem_model_create: %s reads value %" PRId32
                         " through LeakyReLU, which only outputs of convolutions allow",
                         name, in);
    return JEM_OK;
}

static jem_status check_add(const jem__network *net, const char *name, int32_t add,
                            const jem__value *sum)
{
    if (add == -1)
        return JEM_OK;
    if (add < -1 || add >= net->n_values)
        return jem__fail(JEM_E_INTERNAL,
                         "jem_model_create: %s adds value %" PRId32 " of %" PRId32, name, add,
                         net->n_values);
    if (add == 0)
        return jem__fail(JEM_E_UNSUPPORTED, "jem_model_create: %s adds the image (value 0)",
                         name);
    const jem__value *v = &net->values[add];
    if (v->c != sum->c || v->h != sum->h || v->w != sum->w)
        return jem__fail(JEM_E_SHAPE,
                         "jem_model_create: %s makes %" PRId64 " x %" PRId64 " x %" PRId64
                         " numbers and adds %" PRId64 " x %" PRId64 " x %" PRId64,
                         name, sum->c, sum->h, sum->w, v->c, v->h, v->w);
    return JEM_OK;
}

/* Check the sizes of a convolution and fill in those of its output. */
static jem_status complete_conv(const char *name, jem__conv *v)
{
    JEM__TRY(check_size("kernel height", v->kh, MAX_SIDE));
    JEM__TRY(check_size("kernel width", v->kw, MAX_SIDE));
    JEM__TRY(check_size("stride", v->stride, MAX_SIDE));
    JEM__TRY(check_size("output channels", v->k, MAX_CHANNELS));
    if (v->pad < 0 || v->pad > MAX_SIDE)
        return jem__fail(JEM_E_SHAPE,
                         "jem_model_create: %s: pad = %" PRId64 ", must be 0 to %" PRId64, name,
                         v->pad, MAX_SIDE);
    if (v->kh > v->h + 2 * v->pad || v->kw > v->w + 2 * v->pad)
        return jem__fail(JEM_E_SHAPE,
                         "jem_model_create: %s: a kernel of %" PRId64 " x %" PRId64
                         " does not fit %" PRId64 " x %" PRId64 " padded by %" PRId64,
                         name, v->kh, v->kw, v->h, v->w, v->pad);
    v->oh = (v->h + 2 * v->pad - v->kh) / v->stride + 1;
    v->ow = (v->w + 2 * v->pad - v->kw) / v->stride + 1;
    return check_value(name, v->k, v->oh, v->ow);
}

/* Append a convolution whose c, h, w are those of value `in`. A linear layer says so by rank 2. */
static jem_status add_conv(jem__network *net, const char *name, jem__layer layer, int32_t rank,
                           int32_t *out)
{
    jem__conv *v = &layer.conv;
    JEM__TRY(complete_conv(name, v));
    const jem__value made = {v->k, v->oh, v->ow};
    JEM__TRY(check_add(net, name, layer.add, &made));
    JEM__TRY(reserve(net));

    const int64_t dims[4] = {v->k, v->c, v->kh, v->kw};
    const int64_t flat[4] = {v->k, v->c * v->kh * v->kw, 1, 1};
    const int64_t bias[4] = {v->k, 1, 1, 1};
    const int64_t fan_in = flat[1];
    layer.kind = JEM__LAYER_CONV;
    layer.weight = net->n_params;
    layer.bias = net->n_params + 1;
    layer.out = net->n_values;
    JEM__TRY(add_param(net, name, "weight", rank == 2 ? flat : dims, dims, rank, fan_in));
    JEM__TRY(add_param(net, name, "bias", bias, bias, 1, fan_in));
    net->layers[net->n_layers++] = layer;
    net->values[net->n_values++] = made;
    *out = layer.out;
    return JEM_OK;
}

jem_status jem__network_conv(jem__network *net, const char *name, int32_t in,
                             int32_t leaky_input, int64_t k, int64_t kernel, int64_t stride,
                             int64_t pad, int32_t add, int32_t *out)
{
    JEM__TRY(check_input(net, name, in, leaky_input));
    const jem__value *x = &net->values[in];
    const jem__layer layer = {.in = in,
                              .add = add,
                              .conv = {.c = x->c,
                                       .h = x->h,
                                       .w = x->w,
                                       .k = k,
                                       .kh = kernel,
                                       .kw = kernel,
                                       .stride = stride,
                                       .pad = pad,
                                       .leaky_input = leaky_input}};
    return add_conv(net, name, layer, 4, out);
}

jem_status jem__network_linear(jem__network *net, const char *name, int32_t in,
                               int32_t leaky_input, int64_t k, int32_t *out)
{
    JEM__TRY(check_input(net, name, in, leaky_input));
    const jem__value *x = &net->values[in];
    const jem__layer layer = {.in = in,
                              .add = -1,
                              .conv = {.c = x->c,
                                       .h = x->h,
                                       .w = x->w,
                                       .k = k,
                                       .kh = x->h,
                                       .kw = x->w,
                                       .stride = 1,
                                       .leaky_input = leaky_input}};
    return add_conv(net, name, layer, 2, out);
}

jem_status jem__network_pool(jem__network *net, int32_t in, int32_t *out)
{
    JEM__TRY(check_input(net, "the pooling layer", in, 1));
    JEM__TRY(reserve(net));
    net->layers[net->n_layers++] = (jem__layer){.kind = JEM__LAYER_POOL,
                                                .in = in,
                                                .add = -1,
                                                .out = net->n_values,
                                                .weight = -1,
                                                .bias = -1};
    *out = net->n_values;
    net->values[net->n_values] = (jem__value){net->values[in].c, 1, 1};
    net->n_values++;
    return JEM_OK;
}

const jem__layer *jem__network_last_layer(const jem__network *net)
{
    return &net->layers[net->n_layers - 1];
}

int64_t jem__network_features(const jem__network *net)
{
    const jem__value *v = &net->values[jem__network_last_layer(net)->in];
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
