/* SPDX-License-Identifier: MIT */

/* After tensorflow/core/kernels/resize_bilinear_op.cc: all in float and in its order, for the same
 * bits. (The build keeps the compiler from contracting a * b + c.) */

#include "kit/features/resize_tf1.h"

/* Where a new pixel looks along one axis: between `low` and `high`, a share of the way. */
struct place {
    int64_t low, high;
    float share;
};

static struct place look(int64_t at, int64_t from, int64_t to)
{
    const float place = (float)at * ((float)from / (float)to);
    const int64_t low = (int64_t)place;

    return (struct place){low, low + 1 < from ? low + 1 : from - 1, place - (float)low};
}

static float between(float a, float b, float share)
{
    return a + (b - a) * share;
}

void resize_tf1(const uint8_t *in, int64_t height, int64_t width, int64_t channels,
                int64_t size, float *out)
{
    for (int64_t i = 0; i < size; i++) {
        const struct place y = look(i, height, size);
        const uint8_t *upper = in + y.low * width * channels;
        const uint8_t *lower = in + y.high * width * channels;

        for (int64_t j = 0; j < size; j++) {
            const struct place x = look(j, width, size);
            const int64_t left = x.low * channels, right = x.high * channels;

            for (int64_t c = 0; c < channels; c++)
                *out++ = between(
                    between((float)upper[left + c], (float)upper[right + c], x.share),
                    between((float)lower[left + c], (float)lower[right + c], x.share), y.share);
        }
    }
}
