/* SPDX-License-Identifier: MIT */
/* A small convolutional network for work on a CPU: five 3x3 convolutions, the second and the
 * fourth with stride 2, LeakyReLU between them, mean over the image, linear. */

#include "nets/network.h"

#include <inttypes.h>
#include <stdio.h>

#include "core/error.h"

jem_status jem__small_conv(jem__network *net, int64_t width, int64_t classes)
{
    static const struct {
        int64_t factor, stride;
    } convs[5] = {{1, 1}, {2, 2}, {2, 1}, {4, 2}, {4, 1}};

    if (width < 1 || width > 1024)
        return jem__fail(JEM_E_SHAPE,
                         "jem_model_create: model.filters = %" PRId64 ", must be 1 to 1024",
                         width);
    int32_t value = 0;
    for (int i = 0; i < 5; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "conv%d", i + 1);
        JEM__TRY(jem__network_conv(net, name, value, i > 0 ? JEM__LEAKY_SLOPE : 1.0F,
                                   width * convs[i].factor, 3, convs[i].stride, 1, -1, &value));
    }
    JEM__TRY(jem__network_pool(net, value, JEM__LEAKY_SLOPE, &value));
    JEM__TRY(jem__network_linear(net, "class_output", value, 1.0F, classes, &value));
    net->classes = classes;
    return JEM_OK;
}
