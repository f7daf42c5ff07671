/* SPDX-License-Identifier: MIT */

/* The network, layer by layer, under the names that its weights have in the file. It differs from
 * torchvision's Inception-v3 in four places, because it is older: averages do not count padding;
 * Mixed_7c takes a maximum where the others average; there are 1008 classes; and IS is computed
 * on logits without bias. */

#include "kit/features/inception.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kit/base/report.h"
#include "kit/data/checkpoint.h"
#include "kit/features/inception_dnn.h"
#include "kit/features/resize_tf1.h"

#define LAYERS 128
#define BN_EPS 0.001 /* of the batch normalisation */

/* How the SHA-256 of the published file begins, and what its name ends with. */
#define PUBLISHED "6726825d"

struct inception {
    struct dnn *dnn;
    int input, tap[INCEPTION_TAPS], features, logits;
    char source[65];
};

/* What is needed while the network is put together. */
struct builder {
    struct dnn *dnn;
    struct checkpoint file;
    const char *block; /* what names begin with, before a dot; "" outside blocks */
    int rc;
};

/* A tensor of layer `name` of the block; NULL after an error, which is noted in the builder. */
static float *read_tensor(struct builder *b, const char *name, const char *tensor, int dims,
                          const int64_t *shape)
{
    char full[96];
    float *values = NULL;

    snprintf(full, sizeof full, "%s%s%s.%s", b->block, b->block[0] == '\0' ? "" : ".", name,
             tensor);
    if (b->rc == EXIT_OK)
        b->rc = checkpoint_tensor(&b->file, full, dims, shape, &values);
    return values;
}

/* Batch normalisation is a factor and a shift per channel, and goes into the convolution before
 * it: weights *= gamma / sqrt(var + eps), bias = beta - mean gamma / sqrt(var + eps). */
static int fold(const struct builder *b, const char *name, const int64_t shape[4],
                float *weights, const float *gamma, float *beta, const float *mean,
                const float *var)
{
    const int64_t size = shape[1] * shape[2] * shape[3];

    for (int64_t k = 0; k < shape[0]; k++) {
        const double factor = (double)gamma[k] / sqrt((double)var[k] + BN_EPS);

        beta[k] = (float)((double)beta[k] - (double)mean[k] * factor);
        for (int64_t i = k * size; i < (k + 1) * size; i++) {
            weights[i] = (float)((double)weights[i] * factor);
            if (!isfinite(weights[i]) || !isfinite(beta[k]))
                return report_failed("%s: layer %s.%s, channel %" PRId64
                                     ": weights that are not finite",
                                     b->file.path, b->block, name, k);
        }
    }
    return EXIT_OK;
}

/* Convolution, batch normalisation, ReLU. */
static int conv(struct builder *b, int x, const char *name, int64_t channels,
                struct dnn_window window)
{
    int64_t in[3], shape[4] = {channels, 0, window.height, window.width};
    float *weights, *gamma, *beta, *mean, *var;
    int layer = DNN_NONE;

    if (x == DNN_NONE)
        return DNN_NONE;
    dnn_shape(b->dnn, x, in);
    shape[1] = in[0];
    weights = read_tensor(b, name, "conv.weight", 4, shape);
    gamma = read_tensor(b, name, "bn.weight", 1, shape);
    beta = read_tensor(b, name, "bn.bias", 1, shape);
    mean = read_tensor(b, name, "bn.running_mean", 1, shape);
    var = read_tensor(b, name, "bn.running_var", 1, shape);
    if (b->rc == EXIT_OK)
        b->rc = fold(b, name, shape, weights, gamma, beta, mean, var);
    if (b->rc == EXIT_OK)
        layer = dnn_conv(b->dnn, x, channels, window, weights, beta, 1);
    free(weights);
    free(gamma);
    free(beta);
    free(mean);
    free(var);
    return layer;
}

/* Kernels of odd sizes that keep the image's size. */
static int same(struct builder *b, int x, const char *name, int64_t channels, int64_t height,
                int64_t width)
{
    return conv(b, x, name, channels,
                (struct dnn_window){height, width, 1, height / 2, width / 2});
}

static int one(struct builder *b, int x, const char *name, int64_t channels)
{
    return same(b, x, name, channels, 1, 1);
}

/* 3 x 3 without padding. */
static int inner(struct builder *b, int x, const char *name, int64_t channels, int64_t stride)
{
    return conv(b, x, name, channels, (struct dnn_window){3, 3, stride, 0, 0});
}

static int pool(struct builder *b, int x, enum dnn_pool kind)
{
    return dnn_pool(b->dnn, x, kind, (struct dnn_window){3, 3, 1, 1, 1});
}

static int halve(struct builder *b, int x)
{
    return dnn_pool(b->dnn, x, DNN_MAX, (struct dnn_window){3, 3, 2, 0, 0});
}

/* 35 x 35: "InceptionA". */
static int block_a(struct builder *b, const char *name, int x, int64_t pooled)
{
    int five, three, branch[4];

    b->block = name;
    branch[0] = one(b, x, "branch1x1", 64);
    five = one(b, x, "branch5x5_1", 48);
    branch[1] = same(b, five, "branch5x5_2", 64, 5, 5);
    three = one(b, x, "branch3x3dbl_1", 64);
    three = same(b, three, "branch3x3dbl_2", 96, 3, 3);
    branch[2] = same(b, three, "branch3x3dbl_3", 96, 3, 3);
    branch[3] = one(b, pool(b, x, DNN_MEAN), "branch_pool", pooled);
    return dnn_join(b->dnn, branch, 4);
}

/* 35 x 35 to 17 x 17: "InceptionB". */
static int block_b(struct builder *b, const char *name, int x)
{
    int three, branch[3];

    b->block = name;
    branch[0] = inner(b, x, "branch3x3", 384, 2);
    three = one(b, x, "branch3x3dbl_1", 64);
    three = same(b, three, "branch3x3dbl_2", 96, 3, 3);
    branch[1] = inner(b, three, "branch3x3dbl_3", 96, 2);
    branch[2] = halve(b, x);
    return dnn_join(b->dnn, branch, 3);
}

/* 17 x 17: "InceptionC". */
static int block_c(struct builder *b, const char *name, int x, int64_t width)
{
    int seven, twice, branch[4];

    b->block = name;
    branch[0] = one(b, x, "branch1x1", 192);
    seven = one(b, x, "branch7x7_1", width);
    seven = same(b, seven, "branch7x7_2", width, 1, 7);
    branch[1] = same(b, seven, "branch7x7_3", 192, 7, 1);
    twice = one(b, x, "branch7x7dbl_1", width);
    twice = same(b, twice, "branch7x7dbl_2", width, 7, 1);
    twice = same(b, twice, "branch7x7dbl_3", width, 1, 7);
    twice = same(b, twice, "branch7x7dbl_4", width, 7, 1);
    branch[2] = same(b, twice, "branch7x7dbl_5", 192, 1, 7);
    branch[3] = one(b, pool(b, x, DNN_MEAN), "branch_pool", 192);
    return dnn_join(b->dnn, branch, 4);
}

/* 17 x 17 to 8 x 8: "InceptionD". */
static int block_d(struct builder *b, const char *name, int x)
{
    int seven, branch[3];

    b->block = name;
    branch[0] = inner(b, one(b, x, "branch3x3_1", 192), "branch3x3_2", 320, 2);
    seven = one(b, x, "branch7x7x3_1", 192);
    seven = same(b, seven, "branch7x7x3_2", 192, 1, 7);
    seven = same(b, seven, "branch7x7x3_3", 192, 7, 1);
    branch[1] = inner(b, seven, "branch7x7x3_4", 192, 2);
    branch[2] = halve(b, x);
    return dnn_join(b->dnn, branch, 3);
}

/* 8 x 8: "InceptionE". */
static int block_e(struct builder *b, const char *name, int x, enum dnn_pool kind)
{
    int three, twice, branch[6];

    b->block = name;
    branch[0] = one(b, x, "branch1x1", 320);
    three = one(b, x, "branch3x3_1", 384);
    branch[1] = same(b, three, "branch3x3_2a", 384, 1, 3);
    branch[2] = same(b, three, "branch3x3_2b", 384, 3, 1);
    twice = one(b, x, "branch3x3dbl_1", 448);
    twice = same(b, twice, "branch3x3dbl_2", 384, 3, 3);
    branch[3] = same(b, twice, "branch3x3dbl_3a", 384, 1, 3);
    branch[4] = same(b, twice, "branch3x3dbl_3b", 384, 3, 1);
    branch[5] = one(b, pool(b, x, kind), "branch_pool", 192);
    return dnn_join(b->dnn, branch, 6);
}

/* The last layer, without its bias. */
static int classify(struct builder *b, int x)
{
    static const float no_bias[INCEPTION_CLASSES];
    const int64_t shape[2] = {INCEPTION_CLASSES, INCEPTION_FEATURES};
    float *weights;
    int layer = DNN_NONE;

    b->block = "";
    weights = read_tensor(b, "fc", "weight", 2, shape);
    if (b->rc == EXIT_OK)
        layer = dnn_conv(b->dnn, x, INCEPTION_CLASSES, (struct dnn_window){1, 1, 1, 0, 0},
                         weights, no_bias, 0);
    free(weights);
    return layer;
}

static void build(struct builder *b, struct inception *net)
{
    int *tap = net->tap;
    int x = net->input = dnn_input(b->dnn, 3, INCEPTION_SIDE, INCEPTION_SIDE);

    b->block = "";
    x = inner(b, x, "Conv2d_1a_3x3", 32, 2);
    x = inner(b, x, "Conv2d_2a_3x3", 32, 1);
    x = same(b, x, "Conv2d_2b_3x3", 64, 3, 3);
    x = tap[INCEPTION_POOL1] = halve(b, x);
    x = one(b, x, "Conv2d_3b_1x1", 80);
    x = inner(b, x, "Conv2d_4a_3x3", 192, 1);
    x = tap[INCEPTION_POOL2] = halve(b, x);
    x = tap[INCEPTION_5B] = block_a(b, "Mixed_5b", x, 32);
    x = tap[INCEPTION_5C] = block_a(b, "Mixed_5c", x, 64);
    x = tap[INCEPTION_5D] = block_a(b, "Mixed_5d", x, 64);
    x = tap[INCEPTION_6A] = block_b(b, "Mixed_6a", x);
    x = tap[INCEPTION_6B] = block_c(b, "Mixed_6b", x, 128);
    x = tap[INCEPTION_6C] = block_c(b, "Mixed_6c", x, 160);
    x = tap[INCEPTION_6D] = block_c(b, "Mixed_6d", x, 160);
    x = tap[INCEPTION_6E] = block_c(b, "Mixed_6e", x, 192);
    x = tap[INCEPTION_7A] = block_d(b, "Mixed_7a", x);
    x = tap[INCEPTION_7B] = block_e(b, "Mixed_7b", x, DNN_MEAN);
    x = tap[INCEPTION_7C] = block_e(b, "Mixed_7c", x, DNN_MAX);
    x = net->features = dnn_pool(b->dnn, x, DNN_MEAN, (struct dnn_window){8, 8, 1, 0, 0});
    net->logits = classify(b, x);
}

static int build_from(struct builder *b, int threads, struct inception *net)
{
    const json_t *metadata = json_object_get(b->file.header, "__metadata__");
    const char *source = json_string_value(json_object_get(metadata, "source_sha256"));

    snprintf(net->source, sizeof net->source, "%s", source == NULL ? "" : source);
    net->dnn = b->dnn = dnn_create(LAYERS, INCEPTION_BATCH, threads);
    if (b->dnn == NULL)
        return EXIT_FAILED;
    build(b, net);
    TRY(b->rc);
    return dnn_ready(net->dnn);
}

int inception_open(const char *path, int threads, struct inception **out)
{
    struct inception *net;
    struct builder b = {0};
    int rc;

    *out = NULL;
    TRY(checkpoint_open(path, &b.file));
    net = calloc(1, sizeof *net);
    rc = net == NULL ? report_no_memory() : build_from(&b, threads, net);
    checkpoint_close(&b.file);
    if (rc == EXIT_OK)
        *out = net;
    else
        inception_free(net);
    return rc;
}

void inception_free(struct inception *net)
{
    if (net != NULL)
        dnn_free(net->dnn);
    free(net);
}

const char *inception_source(const struct inception *net)
{
    return net->source[0] == '\0' ? NULL : net->source;
}

int inception_is_published(const struct inception *net)
{
    return strncmp(net->source, PUBLISHED, strlen(PUBLISHED)) == 0;
}

/* An image into the input's place i. */
static void put(const struct inception *net, int64_t i, const uint8_t *pixels, int64_t channels,
                int64_t height, int64_t width)
{
    const int64_t area = (int64_t)INCEPTION_SIDE * INCEPTION_SIDE;
    float *x = dnn_values(net->dnn, net->input) + i * area * 3;

    resize_tf1(pixels, height, width, channels, INCEPTION_SIDE, x);
    for (int64_t j = channels == 1 ? area : 0; j-- > 0;) /* from the end, so in place */
        x[3 * j] = x[3 * j + 1] = x[3 * j + 2] = x[j];
    for (int64_t j = 0; j < area * 3; j++)
        x[j] = (x[j] - 128.0f) / 128.0f;
}

int inception_run(struct inception *net, const uint8_t *pixels, int64_t n, int64_t channels,
                  int64_t height, int64_t width, float *features, float *logits)
{
    for (int64_t first = 0; first < n; first += INCEPTION_BATCH) {
        const int64_t m = n - first < INCEPTION_BATCH ? n - first : INCEPTION_BATCH;

        for (int64_t i = 0; i < m; i++)
            put(net, i, pixels + (first + i) * channels * height * width, channels, height,
                width);
        TRY(dnn_run(net->dnn)); /* places beyond m keep older images; nobody reads them */
        memcpy(features + first * INCEPTION_FEATURES, dnn_values(net->dnn, net->features),
               (size_t)(m * INCEPTION_FEATURES) * sizeof features[0]);
        if (logits != NULL)
            memcpy(logits + first * INCEPTION_CLASSES, dnn_values(net->dnn, net->logits),
                   (size_t)(m * INCEPTION_CLASSES) * sizeof logits[0]);
    }
    return EXIT_OK;
}

const float *inception_look(const struct inception *net, enum inception_tap tap,
                            int64_t shape[3])
{
    dnn_shape(net->dnn, net->tap[tap], shape);
    return dnn_values(net->dnn, net->tap[tap]);
}
