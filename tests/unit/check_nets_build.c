/* SPDX-License-Identifier: MIT */
/* What networks are made of: names, shapes and numbers of parameters, the memory that a
 * workspace asks for, and everything that is refused. */

#include "check_nets.h"

#include <math.h>
#include <string.h>

#include "core/context.h"
#include "core/error.h"
#include "nets/network.h"
#include "test_support.h"

/* A network alone, without weights. */
typedef struct rig {
    jem_test_memory memory;
    jem_context *ctx;
    jem__network *net;
} rig;

static void open_context(rig *r)
{
    memset(r, 0, sizeof *r);
    jem_check_ok(jem__context_create(&jem__backend_reference, "", jem_test_alloc,
                                     jem_test_release, &r->memory, &r->ctx));
}

static void rig_close(rig *r)
{
    jem__network_free(r->net);
    jem__context_unref(r->ctx);
    jem_check_no_leak(&r->memory);
}

/* --- Structure and memory ----------------------------------------------------------------- */

/* Weights in all, without the gaps that align parameters. */
static int64_t weights_of(const jem__network *net)
{
    int64_t sum = 0, at = 0;

    for (int32_t i = 0; i < net->n_params; i++) {
        const jem__param *p = &net->params[i];
        int64_t in_shape = 1, in_dims = 1;
        for (int k = 0; k < 4; k++) {
            in_shape *= p->shape[k];
            in_dims *= p->dims[k];
        }
        ck_assert_int_eq(p->count, in_shape);
        ck_assert_int_eq(p->count, in_dims);
        ck_assert_int_eq(p->at % 16, 0);
        ck_assert_int_ge(p->at, at);
        at = p->at + p->count;
        sum += p->count;
    }
    ck_assert_int_ge(net->param_count, at);
    ck_assert_int_lt(net->param_count, at + 16);
    return sum;
}

/* The number of weights of a WRN, from Zagoruyko and Komodakis' table and the paper's
 * biases. */
static int64_t wrn_weights(int64_t depth, int64_t widen, int64_t channels, int64_t classes)
{
    const int64_t blocks = (depth - 4) / 6;
    int64_t sum = 9 * channels * 16 + 16, in = 16;

    for (int64_t width = 16 * widen; width <= 64 * widen; width *= 2) {
        const int64_t first = 9 * width * (in + width) + 2 * width;
        const int64_t shortcut = in == width ? 0 : in * width + width;
        sum += first + shortcut + (blocks - 1) * (18 * width * width + 2 * width);
        in = width;
    }
    return sum + in * classes + classes;
}

START_TEST(test_wrn_has_the_papers_size)
{
    static const int64_t cases[][5] = {{28, 10, 3, 10, 36471338}, /* 36.47 M */
                                       {28, 10, 3, 100, 36529028},
                                       {16, 2, 3, 10, 690986},
                                       {10, 1, 1, 10, 77418}};
    rig r;

    open_context(&r);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const int64_t *v = cases[i];
        jem_check_ok(jem__network_create(r.ctx, v[2], 32, 32, &r.net));
        jem_check_ok(jem__wide_resnet(r.net, v[0], v[1], v[3]));
        ck_assert_int_eq(weights_of(r.net), wrn_weights(v[0], v[1], v[2], v[3]));
        ck_assert_int_eq(weights_of(r.net), v[4]);
        ck_assert_int_eq(r.net->classes, v[3]);
        jem__network_free(r.net);
        r.net = NULL;
    }
    rig_close(&r);
}
END_TEST

static void check_param(const jem__network *net, int32_t i, const char *name, int32_t rank,
                        int64_t a, int64_t b, int64_t c, int64_t d, int64_t fan_in)
{
    const jem__param *p = &net->params[i];

    ck_assert_str_eq(p->name, name);
    ck_assert_int_eq(p->rank, rank);
    ck_assert_int_eq(p->shape[0], a);
    ck_assert_int_eq(p->shape[1], b);
    ck_assert_int_eq(p->shape[2], c);
    ck_assert_int_eq(p->shape[3], d);
    ck_assert_int_eq(p->fan_in, fan_in);
}

static void check_value(const jem__network *net, int32_t v, int64_t c, int64_t h, int64_t w)
{
    ck_assert_int_eq(net->values[v].c, c);
    ck_assert_int_eq(net->values[v].h, h);
    ck_assert_int_eq(net->values[v].w, w);
}

START_TEST(test_wrn_names_and_shapes_are_pytorchs)
{
    rig r;

    open_context(&r);
    jem_check_ok(jem__network_create(r.ctx, 3, 32, 24, &r.net));
    jem_check_ok(jem__wide_resnet(r.net, 16, 2, 10));
    const jem__network *net = r.net;
    ck_assert_int_eq(net->n_params, 2 * (1 + 12 + 3 + 1));
    check_param(net, 0, "f.conv1.weight", 4, 16, 3, 3, 3, 27);
    check_param(net, 1, "f.conv1.bias", 1, 16, 1, 1, 1, 27);
    check_param(net, 2, "f.layer1.0.conv1.weight", 4, 32, 16, 3, 3, 144);
    check_param(net, 4, "f.layer1.0.conv2.weight", 4, 32, 32, 3, 3, 288);
    check_param(net, 6, "f.layer1.0.shortcut.0.weight", 4, 32, 16, 1, 1, 16);
    check_param(net, 7, "f.layer1.0.shortcut.0.bias", 1, 32, 1, 1, 1, 16);
    check_param(net, 10, "f.layer1.1.conv2.weight", 4, 32, 32, 3, 3, 288);
    check_param(net, 12, "f.layer2.0.conv1.weight", 4, 64, 32, 3, 3, 288);
    check_param(net, 16, "f.layer2.0.shortcut.0.weight", 4, 64, 32, 1, 1, 32);
    check_param(net, 31, "f.layer3.1.conv2.bias", 1, 128, 1, 1, 1, 1152);
    check_param(net, 32, "class_output.weight", 2, 10, 128, 1, 1, 128);
    check_param(net, 33, "class_output.bias", 1, 10, 1, 1, 1, 128);

    /* conv1 of a stage works at the full size, conv2 has the stride, the end is global. */
    check_value(net, 1, 16, 32, 24);
    check_value(net, 7, 64, 32, 24);
    check_value(net, 8, 64, 16, 12);
    check_value(net, 12, 128, 16, 12);
    check_value(net, 13, 128, 8, 6);
    check_value(net, net->n_values - 2, 128, 1, 1);
    check_value(net, net->n_values - 1, 10, 1, 1);
    ck_assert_float_eq(net->layers[0].conv.slope, 1.0F);
    ck_assert_float_eq(net->layers[1].conv.slope, 0.2F);
    ck_assert_float_eq(net->layers[3].conv.slope, 1.0F); /* shortcut: raw block input */
    ck_assert_int_eq(net->layers[3].in[0], net->layers[1].in[0]);
    ck_assert_int_eq(net->layers[5].in[1], net->layers[4].in[0]); /* identity */
    rig_close(&r);
}
END_TEST

START_TEST(test_small_and_mlp_names_and_shapes)
{
    rig r;

    open_context(&r);
    jem_check_ok(jem__network_create(r.ctx, 1, 28, 27, &r.net));
    jem_check_ok(jem__small_conv(r.net, 16, 10));
    check_param(r.net, 0, "conv1.weight", 4, 16, 1, 3, 3, 9);
    check_param(r.net, 2, "conv2.weight", 4, 32, 16, 3, 3, 144);
    check_param(r.net, 6, "conv4.weight", 4, 64, 32, 3, 3, 288);
    check_param(r.net, 8, "conv5.weight", 4, 64, 64, 3, 3, 576);
    check_param(r.net, 10, "class_output.weight", 2, 10, 64, 1, 1, 64);
    check_value(r.net, 2, 32, 14, 14);
    check_value(r.net, 5, 64, 7, 7);
    ck_assert_int_eq(weights_of(r.net), 70122);
    for (int32_t i = 0; i < 5; i++)
        ck_assert_float_eq(r.net->layers[i].conv.slope, i > 0 ? 0.2F : 1.0F);
    jem__network_free(r.net);

    jem_check_ok(jem__network_create(r.ctx, 2, 3, 5, &r.net));
    jem_check_ok(jem__mlp(r.net, 7, 2, 4));
    ck_assert_int_eq(r.net->n_params, 6);
    check_param(r.net, 0, "fc1.weight", 2, 7, 30, 1, 1, 30);
    check_param(r.net, 2, "fc2.weight", 2, 7, 7, 1, 1, 7);
    check_param(r.net, 5, "class_output.bias", 1, 4, 1, 1, 1, 7);
    for (int32_t i = 0; i < 3; i++)
        ck_assert_float_eq(r.net->layers[i].conv.slope, i > 0 ? 0.2F : 1.0F);
    const jem__tensor block = {.n = 1, .c = r.net->param_count, .h = 1, .w = 1, .at = 5};
    const jem__tensor t = jem__param_tensor(&r.net->params[0], &block);
    ck_assert_int_eq(t.n, 7);
    ck_assert_int_eq(t.c, 2);
    ck_assert_int_eq(t.h, 3);
    ck_assert_int_eq(t.w, 5);
    ck_assert_int_eq(t.at, 5);
    ck_assert_int_eq(jem__param_tensor(&r.net->params[1], &block).at, 5 + 224);
    rig_close(&r);
}
END_TEST

/* A backend that only notes how much memory a workspace asks for. */
static int64_t noted_numbers, noted_bits;

static jem_status note_numbers(jem_context *ctx, int64_t count, jem__mem **out)
{
    (void)ctx;
    noted_numbers = count;
    *out = NULL;
    return JEM_OK;
}

static jem_status note_bits(jem_context *ctx, int64_t bytes, jem__mem **out)
{
    (void)ctx;
    noted_bits = bytes;
    *out = NULL;
    return JEM_OK;
}

START_TEST(test_workspace_of_the_papers_network_is_small)
{
    const int64_t batch = 64, unit = 160 * 32 * 32;
    rig r;

    open_context(&r);
    jem_check_ok(jem__network_create(r.ctx, 3, 32, 32, &r.net));
    jem_check_ok(jem__wide_resnet(r.net, 28, 10, 10));
    jem__backend noting = jem__backend_reference;
    noting.mem_create = note_numbers;
    noting.mem_create_bits = note_bits;
    int64_t all = 0;
    for (int32_t v = 0; v < r.net->n_values; v++)
        all += r.net->values[v].c * r.net->values[v].h * r.net->values[v].w;

    jem__workspace *ws = NULL;
    jem_check_ok(jem__workspace_create(r.net, &noting, batch, 0, 0, &ws));
    jem__workspace_free(ws);
    /* The entry of the second stage, and the images, logits and gradients that outlive it. */
    ck_assert_int_le(noted_numbers, batch * (unit * 7 / 2 + 2 * 3072 + 2 * 16));
    ck_assert_int_ge(noted_numbers, batch * unit * 7 / 2);
    ck_assert_int_le(noted_bits, batch * all / 8);
    ck_assert_int_ge(noted_bits, batch * all / 8 * 8 / 10);

    jem_check_ok(jem__workspace_create(r.net, &noting, batch, 0, 1, &ws));
    jem__workspace_free(ws);
    ck_assert_int_le(noted_numbers, batch * (all + unit * 7 / 2 + 3072 + 100));
    rig_close(&r);
}
END_TEST

/* --- Refusals -------------------------------------------------------------------------------- */

static jem__network *fresh(rig *r, int64_t c, int64_t h, int64_t w)
{
    jem__network_free(r->net);
    jem_check_ok(jem__network_create(r->ctx, c, h, w, &r->net));
    return r->net;
}

START_TEST(test_bad_sizes_are_refused_by_name)
{
    rig r;
    int32_t v = 0;
    jem__network *net = NULL;

    open_context(&r);
    jem_check_fails(jem__network_create(r.ctx, 0, 4, 4, &net), JEM_E_SHAPE, "channels = 0");
    jem_check_fails(jem__network_create(r.ctx, 1, -3, 4, &net), JEM_E_SHAPE, "height = -3");
    jem_check_fails(jem__network_create(r.ctx, 64, 65536, 65536, &net), JEM_E_SHAPE,
                    "64 x 65536 x 65536 numbers per image, at most 2147483647");
    ck_assert_ptr_null(net);

    jem_check_fails(jem__wide_resnet(fresh(&r, 3, 8, 8), 27, 1, 10), JEM_E_SHAPE,
                    "model.depth = 27, must be 6 n + 4");
    jem_check_fails(jem__wide_resnet(fresh(&r, 3, 8, 8), 4, 1, 10), JEM_E_SHAPE, "depth = 4");
    jem_check_fails(jem__wide_resnet(fresh(&r, 3, 8, 8), 10, 0, 10), JEM_E_SHAPE, "widen = 0");
    jem_check_fails(jem__wide_resnet(fresh(&r, 3, 30, 32), 10, 1, 10), JEM_E_SHAPE,
                    "images of 30 x 32, height and width must be multiples of 4");
    jem_check_fails(jem__wide_resnet(fresh(&r, 3, 4096, 4096), 10, 64, 10), JEM_E_SHAPE,
                    "f.layer1.0.conv1: 1024 x 4096 x 4096");
    jem_check_fails(jem__small_conv(fresh(&r, 3, 8, 8), 0, 10), JEM_E_SHAPE, "filters = 0");
    jem_check_fails(jem__small_conv(fresh(&r, 3, 8, 8), 4, 0), JEM_E_SHAPE, "channels = 0");
    jem_check_fails(jem__mlp(fresh(&r, 3, 8, 8), 4, 0, 10), JEM_E_SHAPE, "layers = 0");
    jem_check_fails(jem__mlp(fresh(&r, 64, 4096, 4096), 65536, 1, 10), JEM_E_SHAPE,
                    "fc1.weight: 65536 x 64 x 4096 x 4096 numbers");

    net = fresh(&r, 2, 3, 3);
    jem_check_fails(jem__network_conv(net, "k", 0, 1.0F, 4, 5, 1, 0, -1, &v), JEM_E_SHAPE,
                    "k: a kernel of 5 x 5 does not fit 3 x 3 padded by 0");
    jem_check_fails(jem__network_conv(net, "k", 0, 1.0F, 4, 3, 0, 1, -1, &v), JEM_E_SHAPE,
                    "stride = 0");
    jem_check_fails(jem__network_conv(net, "k", 0, 1.0F, 4, 3, 1, -1, -1, &v), JEM_E_SHAPE,
                    "pad = -1");
    jem_check_fails(jem__network_conv(net, "k", 0, 1.0F, 4, INT64_MAX, 1, 1, -1, &v),
                    JEM_E_SHAPE, "kernel height = 9223372036854775807");
    jem_check_fails(jem__network_conv(net, "k", 1, 1.0F, 4, 3, 1, 1, -1, &v), JEM_E_INTERNAL,
                    "value 1 of 1");
    jem_check_ok(jem__network_conv(net, "k", 0, 1.0F, 4, 3, 1, 1, -1, &v));
    jem_check_fails(jem__network_conv(net, "m", v, 0.2F, 4, 3, 2, 1, v, &v), JEM_E_SHAPE,
                    "m makes 4 x 2 x 2 numbers and adds 4 x 3 x 3");
    jem_check_fails(jem__network_conv(net,
                                      "a.name.that.is.far.too.long.for.the.field.that.a."
                                      "parameter.has",
                                      v, 0.2F, 4, 3, 1, 1, -1, &v),
                    JEM_E_INTERNAL, "too long");
    rig_close(&r);
}
END_TEST

START_TEST(test_networks_without_gradients_are_refused)
{
    rig r;
    int32_t a = 0, b = 0, c = 0;
    jem__workspace *ws = NULL;

    open_context(&r);
    jem__network *net = fresh(&r, 2, 3, 3);
    jem_check_fails(jem__workspace_create(net, r.ctx->backend, 1, 0, 0, &ws), JEM_E_UNSUPPORTED,
                    "no layers");
    jem_check_fails(jem__network_conv(net, "l", 0, 0.2F, 2, 3, 1, 1, -1, &a), JEM_E_UNSUPPORTED,
                    "l reads value 0 through LeakyReLU");
    jem_check_fails(jem__network_conv(net, "l", 0, 1.0F, 2, 3, 1, 1, 0, &a), JEM_E_UNSUPPORTED,
                    "l adds the image");
    jem_check_fails(jem__network_pool(net, 0, 0.2F, &a), JEM_E_UNSUPPORTED, "reads value 0");
    jem_check_ok(jem__network_conv(net, "a", 0, 1.0F, 2, 3, 1, 1, -1, &a));
    jem_check_fails(jem__network_linear(net, "s", a, 1.5F, 2, &c), JEM_E_RANGE,
                    "s: slope = 1.5, must be 0 to 1");
    jem_check_fails(jem__network_linear(net, "s", a, -0.1F, 2, &c), JEM_E_RANGE,
                    "slope = -0.1");
    jem_check_fails(jem__network_pool(net, a, NAN, &c), JEM_E_RANGE, "slope = nan");
    jem_check_ok(jem__network_pool(net, a, 0.2F, &b));
    jem_check_fails(jem__network_linear(net, "p", b, 0.2F, 2, &c), JEM_E_UNSUPPORTED,
                    "value 2");
    jem_check_ok(jem__network_linear(net, "c", a, 1.0F, 2, &c));
    jem_check_fails(jem__workspace_create(net, r.ctx->backend, 1, 0, 0, &ws), JEM_E_UNSUPPORTED,
                    "layer 1 of the network: nothing reads its output");

    jem_check_ok(jem__network_conv(net, "d", b, 1.0F, 2, 1, 1, 0, c, &c));
    jem_check_fails(jem__workspace_create(net, r.ctx->backend, 1, 0, 1, &ws), JEM_E_UNSUPPORTED,
                    "layer 1 of the network: a later layer reads the value that it pools");

    net = fresh(&r, 2, 3, 3);
    jem_check_ok(jem__network_conv(net, "a", 0, 1.0F, 2, 3, 1, 1, -1, &a));
    jem_check_ok(jem__network_conv(net, "b", a, 0.2F, 2, 3, 1, 1, -1, &b));
    jem_check_ok(jem__network_conv(net, "c", b, 0.2F, 2, 3, 1, 1, a, &c));
    jem_check_ok(jem__network_conv(net, "d", a, 0.2F, 2, 3, 1, 1, c, &c));
    jem_check_fails(jem__workspace_create(net, r.ctx->backend, 1, 0, 0, &ws), JEM_E_UNSUPPORTED,
                    "layer 2 of the network: a later layer reads the value that it adds");
    ck_assert_ptr_null(ws);
    rig_close(&r);
}
END_TEST

TCase *jem_nets_build_case(void)
{
    TCase *build = tcase_create("build");
    tcase_add_test(build, test_wrn_has_the_papers_size);
    tcase_add_test(build, test_wrn_names_and_shapes_are_pytorchs);
    tcase_add_test(build, test_small_and_mlp_names_and_shapes);
    tcase_add_test(build, test_workspace_of_the_papers_network_is_small);
    tcase_add_test(build, test_bad_sizes_are_refused_by_name);
    tcase_add_test(build, test_networks_without_gradients_are_refused);
    return build;
}
