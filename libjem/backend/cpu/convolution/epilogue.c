/* SPDX-License-Identifier: MIT */

/* The epilogues of a pixel in plain C; see kernels.h. */

#include "backend/cpu/cpu.h"

void jem__epilogue_forward_plain(const float *in, const float *bias, const float *add,
                                 float *out, uint8_t *bits, int64_t from, int64_t n)
{
    for (int64_t j = from; j < n; j++) {
        float value = in[j];
        if (bias != NULL)
            value += bias[j];
        if (add != NULL)
            value += add[j];
        out[j] = value;
        if (bits != NULL) {
            const unsigned before = j % 8 == 0 ? 0U : bits[j / 8];
            bits[j / 8] = (uint8_t)(before | (unsigned)(value > 0.0F) << (j % 8));
        }
    }
}

void jem__epilogue_backward_plain(const float *in, const uint8_t *bits, float slope,
                                  const float *add, float *out, int64_t from, int64_t n)
{
    for (int64_t j = from; j < n; j++) {
        float value = in[j];
        if (bits != NULL && (bits[j / 8] >> (j % 8) & 1) == 0)
            value *= slope;
        out[j] = add != NULL ? value + add[j] : value;
    }
}
