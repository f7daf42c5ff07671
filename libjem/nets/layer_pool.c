/* SPDX-License-Identifier: MIT */
/* The mean of a(in) over the image, channel by channel. */

#include "nets/layer.h"

#include <stddef.h>

static jem_status check(const jem__network *net, const char *name, jem__layer *layer,
                        jem__layer_made *made)
{
    (void)name; /* any size will do */
    made->out = (jem__value){net->values[layer->in[0]].c, 1, 1};
    return JEM_OK;
}

static jem_status forward(const jem__layer_pass *p)
{
    return p->backend->pool_forward(p->queue, &p->in[0], NULL, p->layer->slope, &p->out);
}

static jem_status backward_x(const jem__layer_pass *p, int32_t input)
{
    (void)input; /* the only one */
    return p->backend->pool_backward(p->queue, &p->gy, &p->signs_in, p->layer->slope, &p->gx);
}

static jem_status tangent(const jem__layer_pass *p)
{
    const jem__signs *signs = jem__activates(p->layer->slope) ? &p->signs_in : NULL;

    return p->backend->pool_forward(p->queue, &p->in[0], signs, p->layer->slope, &p->out);
}

static const jem__layer_kind pool_kind = {.name = "pool",
                                          .check = check,
                                          .forward = forward,
                                          .backward_x = backward_x,
                                          .tangent = tangent,
                                          .input = {{.verb = "pools"}}};

jem_status jem__network_pool(jem__network *net, int32_t in, float slope, int32_t *out)
{
    const jem__layer layer = {.kind = &pool_kind, .in = {in, -1}, .slope = slope};

    return jem__network_append(net, "the pooling layer", layer, out);
}
