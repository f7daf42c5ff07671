/* SPDX-License-Identifier: MIT */
/* The paper's network: a Wide ResNet (Zagoruyko and Komodakis 2016) without normalisation, as
 * models/wideresnet.py of the official code builds it with --norm None.
 *
 *     stem        conv 3x3, 16 channels, no activation after it
 *     3 stages    of (depth - 4) / 6 blocks; 16k, 32k, 64k channels; strides 1, 2, 2
 *     head        LeakyReLU, mean over the image, linear
 *
 *     block       y = conv2(leaky(conv1(leaky(x)))) + shortcut(x)
 *
 * The stride is in conv2, so conv1 of a stage's first block works at the full size with the
 * new number of channels: the largest value of the network. */

#include "nets/network.h"

#include <inttypes.h>
#include <stdio.h>

#include "core/error.h"

static jem_status block(jem__network *net, const char *prefix, int64_t channels, int64_t stride,
                        int32_t *value)
{
    char name[64];
    const int32_t x = *value;
    int32_t inner = 0;

    (void)snprintf(name, sizeof name, "%s.conv1", prefix);
    JEM__TRY(jem__network_conv(net, name, x, JEM__LEAKY_SLOPE, channels, 3, 1, 1, -1, &inner));
    (void)snprintf(name, sizeof name, "%s.conv2", prefix);
    if (stride == 1 && net->values[x].c == channels)
        return jem__network_conv(net, name, inner, JEM__LEAKY_SLOPE, channels, 3, stride, 1, x,
                                 value);

    /* The shortcut comes last and adds conv2's output to its own: the sum is the same, and the
     * parameters stand in the order of PyTorch's state dict. */
    JEM__TRY(jem__network_conv(net, name, inner, JEM__LEAKY_SLOPE, channels, 3, stride, 1, -1,
                               &inner));
    (void)snprintf(name, sizeof name, "%s.shortcut.0", prefix);
    return jem__network_conv(net, name, x, 1.0F, channels, 1, stride, 0, inner, value);
}

jem_status jem__wide_resnet(jem__network *net, int64_t depth, int64_t widen, int64_t classes)
{
    if (depth < 10 || depth % 6 != 4)
        return jem__fail(JEM_E_SHAPE,
                         "jem_model_create: model.depth = %" PRId64
                         ", must be 6 n + 4 for a wrn: 10, 16, 22, 28, ...",
                         depth);
    if (widen < 1 || widen > 1024)
        return jem__fail(JEM_E_SHAPE,
                         "jem_model_create: model.widen = %" PRId64 ", must be 1 to 1024",
                         widen);
    if (net->values[0].h % 4 != 0 || net->values[0].w % 4 != 0)
        return jem__fail(JEM_E_SHAPE,
                         "jem_model_create: images of %" PRId64 " x %" PRId64
                         ", height and width must be multiples of 4 for a wrn",
                         net->values[0].h, net->values[0].w);

    int32_t value = 0;
    JEM__TRY(jem__network_conv(net, "f.conv1", 0, 1.0F, 16, 3, 1, 1, -1, &value));
    for (int64_t stage = 0; stage < 3; stage++) {
        const int64_t channels = (16 * widen) << stage;
        for (int64_t b = 0; b < (depth - 4) / 6; b++) {
            char prefix[48];
            (void)snprintf(prefix, sizeof prefix, "f.layer%" PRId64 ".%" PRId64, stage + 1, b);
            JEM__TRY(block(net, prefix, channels, b == 0 && stage > 0 ? 2 : 1, &value));
        }
    }
    JEM__TRY(jem__network_pool(net, value, JEM__LEAKY_SLOPE, &value));
    JEM__TRY(jem__network_linear(net, "class_output", value, 1.0F, classes, &value));
    net->classes = classes;
    return JEM_OK;
}
