/* SPDX-License-Identifier: MIT */

/* See outliers.h. */

#include "kit/data/outliers.h"

#include "kit/base/splitmix.h"

const struct outlier_kind outlier_kinds[] = {
    {"noise", "every pixel uniform in [-1, 1]"},
    {"constant", "images of one uniform value"},
    {"inverted", "the images, black and white exchanged"},
    {"interp", "averages of two of the images"},
};
const int outlier_count = (int)(sizeof outlier_kinds / sizeof outlier_kinds[0]);

void outliers_make(int kind, const float *x, int64_t n, const int64_t shape[3], int64_t seed,
                   float *out)
{
    const int64_t pixels = shape[1] * shape[2], size = shape[0] * pixels;
    uint64_t state = (uint64_t)seed * 4 + (uint64_t)kind;

    for (int64_t i = 0; i < n; i++, out += size) {
        const int64_t j = splitmix_below(&state, n);
        float value = 0;

        for (int64_t e = 0; e < size; e++) {
            if (kind == 0 || (kind == 1 && e % pixels == 0))
                value = splitmix_symmetric(&state);
            else if (kind == 2)
                value = -x[i * size + e];
            else if (kind == 3)
                value = 0.5F * (x[i * size + e] + x[(j == i ? (i + 1) % n : j) * size + e]);
            out[e] = value;
        }
    }
}
