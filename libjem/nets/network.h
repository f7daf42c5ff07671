/* SPDX-License-Identifier: MIT */
#ifndef JEM_NETS_NETWORK_H
#define JEM_NETS_NETWORK_H

/* A network is a list of layers; each reads one or two earlier values and writes a new one.
 * Running the list forward gives logits, running it backward gives gradients. Values are
 * numbered: 0 is the image, the last one is the logits.
 *
 * Two ways to run it, with different workspaces:
 *   frozen     weights do not change: only sign bits are kept, values share a few blocks.
 *              Gives logits and the gradient in the image. What SGLD and scoring use.
 *   training   every value is kept, for the gradient in the weights. */

#include "backend/backend.h"

#define JEM__LAYER_INPUTS 2
#define JEM__LAYER_PARAMS 2

typedef struct jem__layer_kind jem__layer_kind; /* nets/layer.h */

typedef struct jem__layer {
    const jem__layer_kind *kind;
    int32_t in[JEM__LAYER_INPUTS], out; /* value numbers; -1: none */
    int32_t param, n_params;            /* parameters param .. param + n_params - 1 */
    float slope;                        /* of the activation through which in[0] is read */
    jem__conv conv;                     /* of convolutions; has the layer's slope */
} jem__layer;

typedef struct jem__param {
    char name[64];
    int64_t shape[4]; /* in files: k, c, kh, kw; linear: k, chw, 1, 1; bias: k, 1, 1, 1 */
    int64_t dims[4];  /* n, c, h, w below the seam; differs from shape for linear layers */
    int32_t rank;     /* dimensions in files: conv 4, linear 2, bias 1 */
    int64_t count;    /* product of shape */
    int64_t at;       /* where it begins in the flat block: a multiple of 16 */
    int64_t fan_in;   /* c * kh * kw of its layer: the range of its initial values */
} jem__param;

typedef struct jem__value {
    int64_t c, h, w;
} jem__value;

typedef struct jem__network {
    jem_context *ctx; /* for memory only, not a reference */
    jem__layer *layers;
    jem__param *params;
    jem__value *values;
    int32_t n_layers, n_params, n_values;
    int32_t cap_layers, cap_params, cap_values;
    int64_t param_count; /* numbers in the flat block, zero gaps included */
    int64_t classes;
} jem__network;

/* Building. Each function adds a layer and returns the number of its output value in *out;
 * sizes are checked here, so that the backends need not. `name` gives NAME.weight and
 * NAME.bias. A slope below 1 is possible only where signs are kept, that is for the output of
 * a convolution. */
jem_status jem__network_create(jem_context *ctx, int64_t c, int64_t h, int64_t w,
                               jem__network **out);
/* out = conv(a(in)) + bias [+ add]. add is another value of the same size, but never the image;
 * -1: none. */
jem_status jem__network_conv(jem__network *net, const char *name, int32_t in, float slope,
                             int64_t k, int64_t kernel, int64_t stride, int64_t pad,
                             int32_t add, int32_t *out);
/* Fully connected over all of a(in); stored in files with rank 2 (k x chw). */
jem_status jem__network_linear(jem__network *net, const char *name, int32_t in, float slope,
                               int64_t k, int32_t *out);
/* out = the mean of a(in) over the image. */
jem_status jem__network_pool(jem__network *net, int32_t in, float slope, int32_t *out);
void jem__network_free(jem__network *net); /* NULL accepted */

/* The layer that makes the logits, and how many numbers it reads of an image. */
const jem__layer *jem__network_last_layer(const jem__network *net);
int64_t jem__network_features(const jem__network *net);

/* The architectures (one file each); settings from "model.*". */
#define JEM__LEAKY_SLOPE 0.2F /* of their LeakyReLUs, as in the official code */
jem_status jem__wide_resnet(jem__network *net, int64_t depth, int64_t widen, int64_t classes);
jem_status jem__small_conv(jem__network *net, int64_t width, int64_t classes);
jem_status jem__mlp(jem__network *net, int64_t hidden, int64_t layers, int64_t classes);

/* Memory to run a network on up to max_batch images; fewer, but at least one, where the numbers
 * would take more than `most_bytes` (0: no bound). jem__workspace_batch tells how many. */
typedef struct jem__workspace jem__workspace;
jem_status jem__workspace_create(const jem__network *net, const jem__backend *backend,
                                 int64_t max_batch, int64_t most_bytes, int32_t training,
                                 jem__workspace **out);
int64_t jem__workspace_batch(const jem__workspace *ws);
void jem__workspace_free(jem__workspace *ws); /* NULL accepted */

/* Tensors of the workspace for n images, valid as long as the workspace. The image and the
 * gradient in the logits are to be written, before a forward and a backward pass. Features are
 * what the last layer reads, before its activation; a backward pass overwrites them. */
jem__tensor jem__workspace_image(const jem__workspace *ws, int64_t n);
jem__tensor jem__workspace_logits(const jem__workspace *ws, int64_t n);
jem__tensor jem__workspace_logits_at(const jem__workspace *ws, int64_t first, int64_t n);
jem__tensor jem__workspace_features(const jem__workspace *ws, int64_t n);
jem__tensor jem__workspace_grad_logits(const jem__workspace *ws, int64_t n);
jem__tensor jem__workspace_image_gradient(const jem__workspace *ws, int64_t n);

/* Each pass runs all layers, or, as ..._range(), layers first .. end - 1 alone: forward from
 * what the layers before have written, backward from what the layers behind have. `params` is
 * the flat block (n = 1, c = param_count, h = w = 1). */

/* logits(image). */
jem_status jem__network_forward(jem__workspace *ws, jem__queue *queue,
                                const jem__tensor *params, int64_t n);
jem_status jem__network_forward_range(jem__workspace *ws, jem__queue *queue,
                                      const jem__tensor *params, int64_t n, int32_t first,
                                      int32_t end);
/* After forward, from grad_logits: image gradient (frozen or training workspace). */
jem_status jem__network_backward_x(jem__workspace *ws, jem__queue *queue,
                                   const jem__tensor *params, int64_t n);
jem_status jem__network_backward_x_range(jem__workspace *ws, jem__queue *queue,
                                         const jem__tensor *params, int64_t n, int32_t first,
                                         int32_t end);
/* After forward, from grad_logits: grads += parameter gradient (training workspace only); no
 * image gradient is made. `grads` is a flat block like params. */
jem_status jem__network_backward_w(jem__workspace *ws, jem__queue *queue,
                                   const jem__tensor *params, const jem__tensor *grads,
                                   int64_t n);
jem_status jem__network_backward_w_range(jem__workspace *ws, jem__queue *queue,
                                         const jem__tensor *params, const jem__tensor *grads,
                                         int64_t n, int32_t first, int32_t end);
/* After forward, in a frozen workspace: how the logits change with the image. The network is
 * piecewise linear, so this is exact: one pass without biases, each activation with the slope
 * that it had. Reads the change of the image where jem__workspace_tangent() says; the change of
 * the logits takes the place of the logits. grad_logits and signs stay, so that backward_x may
 * follow. */
jem_status jem__workspace_tangent(jem__workspace *ws, int64_t n, jem__tensor *out);
jem_status jem__network_tangent(jem__workspace *ws, jem__queue *queue,
                                const jem__tensor *params, int64_t n);

/* A parameter as a tensor inside a flat block. */
jem__tensor jem__param_tensor(const jem__param *param, const jem__tensor *block);

#endif
