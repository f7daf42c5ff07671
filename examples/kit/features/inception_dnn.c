/* SPDX-License-Identifier: MIT */

/* oneDNN 2. Values are stored channels last, which costs its kernels no speed; weights are brought
 * into the layout that a kernel asks for. */

#include "kit/features/inception_dnn.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <oneapi/dnnl/dnnl.h>

#include "kit/base/report.h"

/* From the OpenMP runtime that oneDNN is built on. clang brings no omp.h. */
void omp_set_num_threads(int threads);

#define ARGUMENTS (DNN_JOINED + 1)

struct layer {
    int64_t shape[3];
    dnnl_memory_desc_t format;
    dnnl_memory_t values;
    dnnl_primitive_t step; /* NULL for the input */
    dnnl_memory_t weights, bias;
    dnnl_exec_arg_t args[ARGUMENTS];
    int arg_count;
};

struct dnn {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    int64_t batch;
    struct layer *layers;
    int count, most;
    int rc;
};

static int failed(struct dnn *net, dnnl_status_t status, const char *what)
{
    if (status == dnnl_success)
        return 0;
    if (net->rc == EXIT_OK)
        net->rc =
            status == dnnl_out_of_memory
                ? report_no_memory()
                : report_failed("oneDNN: %s: %s (status %d)", what,
                                status == dnnl_unimplemented ? "no kernel for it" : "failed",
                                (int)status);
    return 1;
}

struct dnn *dnn_create(int layers, int64_t batch, int threads)
{
    struct dnn *net = calloc(1, sizeof *net);

    if (net == NULL || (net->layers = calloc((size_t)layers, sizeof net->layers[0])) == NULL) {
        free(net);
        report_no_memory();
        return NULL;
    }
    net->batch = batch;
    net->most = layers;
    omp_set_num_threads(threads);
    if (failed(net, dnnl_engine_create(&net->engine, dnnl_cpu, 0), "engine") ||
        failed(net, dnnl_stream_create(&net->stream, net->engine, dnnl_stream_default_flags),
               "stream")) {
        dnn_free(net);
        return NULL;
    }
    return net;
}

static void free_memory(dnnl_memory_t memory)
{
    if (memory != NULL)
        dnnl_memory_destroy(memory);
}

void dnn_free(struct dnn *net)
{
    if (net == NULL)
        return;
    for (int i = 0; i < net->count; i++) {
        free_memory(net->layers[i].values);
        free_memory(net->layers[i].weights);
        free_memory(net->layers[i].bias);
        if (net->layers[i].step != NULL)
            dnnl_primitive_destroy(net->layers[i].step);
    }
    if (net->stream != NULL)
        dnnl_stream_destroy(net->stream);
    if (net->engine != NULL)
        dnnl_engine_destroy(net->engine);
    free(net->layers);
    free(net);
}

/* The next layer, with memory for its values; NULL after a failure. */
static struct layer *add(struct dnn *net, int64_t channels, int64_t height, int64_t width)
{
    struct layer *l = &net->layers[net->count];
    const dnnl_dims_t dims = {net->batch, channels, height, width};

    if (net->rc != EXIT_OK)
        return NULL;
    if (net->count == net->most || channels < 1 || height < 1 || width < 1) {
        net->rc = report_failed("layer %d of %d, %" PRId64 " x %" PRId64 " x %" PRId64
                                ": not possible",
                                net->count, net->most, channels, height, width);
        return NULL;
    }
    net->count++;
    l->shape[0] = channels;
    l->shape[1] = height;
    l->shape[2] = width;
    if (failed(net, dnnl_memory_desc_init_by_tag(&l->format, 4, dims, dnnl_f32, dnnl_nhwc),
               "images") ||
        failed(net,
               dnnl_memory_create(&l->values, &l->format, net->engine, DNNL_MEMORY_ALLOCATE),
               "images"))
        return NULL;
    return l;
}

static void give(struct layer *l, int name, dnnl_memory_t memory)
{
    l->args[l->arg_count].arg = name;
    l->args[l->arg_count++].memory = memory;
}

/* The layer's step, by a description that is freed here. */
static int make_step(struct dnn *net, struct layer *l, dnnl_primitive_desc_t desc)
{
    failed(net, dnnl_primitive_create(&l->step, desc), "kernel");
    dnnl_primitive_desc_destroy(desc);
    give(l, DNNL_ARG_DST, l->values);
    return net->rc == EXIT_OK ? (int)(l - net->layers) : DNN_NONE;
}

int dnn_input(struct dnn *net, int64_t channels, int64_t height, int64_t width)
{
    return add(net, channels, height, width) == NULL ? DNN_NONE : net->count - 1;
}

static int64_t steps(int64_t size, int64_t window, int64_t stride, int64_t pad)
{
    return size + 2 * pad < window ? 0 : (size + 2 * pad - window) / stride + 1;
}

static struct layer *add_window(struct dnn *net, const struct layer *in, int64_t channels,
                                struct dnn_window w)
{
    return add(net, channels, steps(in->shape[1], w.height, w.stride, w.pad_height),
               steps(in->shape[2], w.width, w.stride, w.pad_width));
}

/* A copy of values in the layout that a kernel asks for. */
static dnnl_memory_t arrange(struct dnn *net, const dnnl_memory_desc_t *plain,
                             const dnnl_memory_desc_t *wanted, const float *values)
{
    void *bytes = NULL;
    dnnl_memory_t from = NULL, to = NULL;
    dnnl_primitive_desc_t desc = NULL;
    dnnl_primitive_t reorder = NULL;
    dnnl_exec_arg_t args[2] = {{DNNL_ARG_FROM, NULL}, {DNNL_ARG_TO, NULL}};

    if (!failed(net, dnnl_memory_create(&from, plain, net->engine, DNNL_MEMORY_ALLOCATE),
                "weights") &&
        !failed(net, dnnl_memory_create(&to, wanted, net->engine, DNNL_MEMORY_ALLOCATE),
                "weights") &&
        !failed(net, dnnl_memory_get_data_handle(from, &bytes), "weights") &&
        !failed(net,
                dnnl_reorder_primitive_desc_create(&desc, plain, net->engine, wanted,
                                                   net->engine, NULL),
                "layout of weights") &&
        !failed(net, dnnl_primitive_create(&reorder, desc), "layout of weights")) {
        memcpy(bytes, values, dnnl_memory_desc_get_size(plain));
        args[0].memory = from;
        args[1].memory = to;
        if (!failed(net, dnnl_primitive_execute(reorder, net->stream, 2, args), "weights"))
            failed(net, dnnl_stream_wait(net->stream), "weights");
    }
    if (reorder != NULL)
        dnnl_primitive_destroy(reorder);
    if (desc != NULL)
        dnnl_primitive_desc_destroy(desc);
    free_memory(from);
    return to;
}

/* What comes after a convolution: nothing, or a ReLU. */
static dnnl_primitive_attr_t after_conv(struct dnn *net, int relu)
{
    dnnl_primitive_attr_t attr = NULL;
    dnnl_post_ops_t after = NULL;

    if (!failed(net, dnnl_primitive_attr_create(&attr), "ReLU") && relu &&
        !failed(net, dnnl_post_ops_create(&after), "ReLU") &&
        !failed(net, dnnl_post_ops_append_eltwise(after, 1, dnnl_eltwise_relu, 0, 0), "ReLU"))
        failed(net, dnnl_primitive_attr_set_post_ops(attr, after), "ReLU");
    if (after != NULL)
        dnnl_post_ops_destroy(after);
    return attr;
}

static dnnl_primitive_desc_t describe_conv(struct dnn *net, const struct layer *in,
                                           const struct layer *out, struct dnn_window w,
                                           const dnnl_memory_desc_t *bias, int relu)
{
    const dnnl_dims_t sizes = {out->shape[0], in->shape[0], w.height, w.width};
    const dnnl_dims_t strides = {w.stride, w.stride}, pads = {w.pad_height, w.pad_width};
    dnnl_memory_desc_t weights;
    dnnl_convolution_desc_t conv;
    dnnl_primitive_attr_t attr = after_conv(net, relu);
    dnnl_primitive_desc_t desc = NULL;

    if (net->rc == EXIT_OK &&
        !failed(net,
                dnnl_memory_desc_init_by_tag(&weights, 4, sizes, dnnl_f32, dnnl_format_tag_any),
                "convolution") &&
        !failed(net,
                dnnl_convolution_forward_desc_init(
                    &conv, dnnl_forward_inference, dnnl_convolution_direct, &in->format,
                    &weights, bias, &out->format, strides, pads, pads),
                "convolution"))
        failed(net, dnnl_primitive_desc_create(&desc, &conv, attr, net->engine, NULL),
               "convolution");
    if (attr != NULL)
        dnnl_primitive_attr_destroy(attr);
    return desc;
}

int dnn_conv(struct dnn *net, int from, int64_t channels, struct dnn_window window,
             const float *weights, const float *bias, int relu)
{
    const struct layer *in = from == DNN_NONE ? NULL : &net->layers[from];
    struct layer *l = in == NULL ? NULL : add_window(net, in, channels, window);
    const dnnl_dims_t channel = {channels};
    dnnl_memory_desc_t plain, bias_format;
    dnnl_primitive_desc_t desc = NULL;

    if (l == NULL ||
        failed(net, dnnl_memory_desc_init_by_tag(&bias_format, 1, channel, dnnl_f32, dnnl_x),
               "bias") ||
        failed(net,
               dnnl_memory_desc_init_by_tag(
                   &plain, 4,
                   (dnnl_dims_t){channels, in->shape[0], window.height, window.width}, dnnl_f32,
                   dnnl_oihw),
               "weights"))
        return DNN_NONE;
    desc = describe_conv(net, in, l, window, &bias_format, relu);
    if (desc == NULL)
        return DNN_NONE;
    l->weights = arrange(net, &plain,
                         dnnl_primitive_desc_query_md(desc, dnnl_query_weights_md, 0), weights);
    l->bias = arrange(net, &bias_format, &bias_format, bias);
    give(l, DNNL_ARG_SRC, in->values);
    give(l, DNNL_ARG_WEIGHTS, l->weights);
    give(l, DNNL_ARG_BIAS, l->bias);
    return make_step(net, l, desc);
}

int dnn_pool(struct dnn *net, int from, enum dnn_pool kind, struct dnn_window window)
{
    const struct layer *in = from == DNN_NONE ? NULL : &net->layers[from];
    struct layer *l = in == NULL ? NULL : add_window(net, in, in->shape[0], window);
    const dnnl_dims_t sizes = {window.height, window.width};
    const dnnl_dims_t strides = {window.stride, window.stride};
    const dnnl_dims_t pads = {window.pad_height, window.pad_width};
    dnnl_pooling_desc_t pool;
    dnnl_primitive_desc_t desc = NULL;

    if (l == NULL ||
        failed(net,
               dnnl_pooling_forward_desc_init(
                   &pool, dnnl_forward_inference,
                   kind == DNN_MAX ? dnnl_pooling_max : dnnl_pooling_avg_exclude_padding,
                   &in->format, &l->format, strides, sizes, pads, pads),
               "pooling") ||
        failed(net, dnnl_primitive_desc_create(&desc, &pool, NULL, net->engine, NULL),
               "pooling"))
        return DNN_NONE;
    give(l, DNNL_ARG_SRC, in->values);
    return make_step(net, l, desc);
}

int dnn_join(struct dnn *net, const int *from, int count)
{
    dnnl_memory_desc_t formats[DNN_JOINED];
    dnnl_primitive_desc_t desc = NULL;
    struct layer *l;
    int64_t channels = 0;

    for (int i = 0; i < count; i++) {
        if (from[i] == DNN_NONE)
            return DNN_NONE;
        formats[i] = net->layers[from[i]].format;
        channels += net->layers[from[i]].shape[0];
    }
    l = add(net, channels, net->layers[from[0]].shape[1], net->layers[from[0]].shape[2]);
    if (l == NULL || failed(net,
                            dnnl_concat_primitive_desc_create(&desc, &l->format, count, 1,
                                                              formats, NULL, net->engine),
                            "concatenation"))
        return DNN_NONE;
    for (int i = 0; i < count; i++)
        give(l, DNNL_ARG_MULTIPLE_SRC + i, net->layers[from[i]].values);
    return make_step(net, l, desc);
}

int dnn_ready(const struct dnn *net)
{
    return net->rc;
}

void dnn_shape(const struct dnn *net, int layer, int64_t shape[3])
{
    memcpy(shape, net->layers[layer].shape, 3 * sizeof shape[0]);
}

float *dnn_values(const struct dnn *net, int layer)
{
    void *values = NULL;

    dnnl_memory_get_data_handle(net->layers[layer].values, &values);
    return values;
}

int dnn_run(struct dnn *net)
{
    for (int i = 0; i < net->count; i++) {
        const struct layer *l = &net->layers[i];

        if (l->step != NULL &&
            failed(net, dnnl_primitive_execute(l->step, net->stream, l->arg_count, l->args),
                   "layer"))
            return net->rc;
    }
    failed(net, dnnl_stream_wait(net->stream), "layers");
    return net->rc;
}
