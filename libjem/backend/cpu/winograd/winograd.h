/* SPDX-License-Identifier: MIT */
#ifndef JEM_BACKEND_CPU_WINOGRAD_WINOGRAD_H
#define JEM_BACKEND_CPU_WINOGRAD_WINOGRAD_H

/* 3 x 3 convolutions of stride 1 and 2 by Winograd's minimal filtering; see winograd.c. */

#include "backend/cpu/winograd/winograd_tiles.h"

/* Does it apply to this layer? All passes have the same answer. */
int32_t jem__winograd_fits(const jem__queue *queue, const jem__conv *conv);

/* y = conv(a(x)) + bias [+ add], signs; or, `backward`, the input gradient: x is gy
 * and y is gx, signs are read. Pointers may be NULL as in backend.h. */
typedef struct jem__winograd {
    int32_t backward;
    int64_t images;
    const float *x, *bias, *add;
    float *y;
    uint8_t *signs;
} jem__winograd;

jem_status jem__winograd_run(jem__queue *queue, const jem__conv *conv, const jem__tensor *w,
                             const jem__winograd *what);

/* winograd_weight.c: gw += the gradient in the weights, gb += the sum of gy; gb may be NULL. */
jem_status jem__winograd_weight(jem__queue *queue, const jem__conv *conv, const jem__tensor *x,
                                const jem__tensor *gy, const jem__tensor *gw,
                                const jem__tensor *gb);

/* winograd_filter.c: the transformed weights of one direction, made once per weight update:
 * panels x products x rows x cols floats (rows: channels of the source; a panel: `cols`
 * channels of the result, the last one filled up with zeros). */
jem_status jem__winograd_filter(jem__queue *queue, const jem__conv *conv,
                                const jem__winograd_tiles *tiles, const jem__tensor *w,
                                const float **out);

#endif
