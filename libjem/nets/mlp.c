/* SPDX-License-Identifier: MIT */
/* Fully connected layers with LeakyReLU between them; the first reads the raw image. For flat
 * data, for tests, and as the shortest example of an architecture. */

#include "nets/network.h"

#include <inttypes.h>
#include <stdio.h>

#include "core/error.h"

jem_status jem__mlp(jem__network *net, int64_t hidden, int64_t layers, int64_t classes)
{
    if (layers < 1 || layers > 1024)
        return jem__fail(JEM_E_SHAPE,
                         "jem_model_create: model.layers = %" PRId64 ", must be 1 to 1024",
                         layers);
    int32_t value = 0;
    for (int64_t i = 1; i <= layers; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "fc%" PRId64, i);
        JEM__TRY(jem__network_linear(net, name, value, i > 1 ? JEM__LEAKY_SLOPE : 1.0F, hidden,
                                     &value));
    }
    JEM__TRY(
        jem__network_linear(net, "class_output", value, JEM__LEAKY_SLOPE, classes, &value));
    net->classes = classes;
    return JEM_OK;
}
