/* SPDX-License-Identifier: MIT */
#ifndef JEM_BACKEND_CPU_CONVOLUTION_CONV_DIRECT_H
#define JEM_BACKEND_CPU_CONVOLUTION_CONV_DIRECT_H

/* Convolutions with few input channels, the first layer of every network; see conv_direct.c. */

#include "backend/cpu/cpu.h"

/* Does it apply to this layer? All passes have the same answer. */
int32_t jem__direct_fits(const jem__queue *queue, const jem__conv *conv);

/* As jem__cpu_conv_forward() and the other two. */
jem_status jem__direct_forward(jem__queue *queue, const jem__conv *conv, const jem__tensor *x,
                               const jem__tensor *w, const jem__tensor *b,
                               const jem__tensor *add, const jem__tensor *y,
                               const jem__signs *signs_y);
jem_status jem__direct_backward_x(jem__queue *queue, const jem__conv *conv,
                                  const jem__tensor *gy, const jem__tensor *w,
                                  const jem__signs *signs_x, const jem__tensor *add,
                                  const jem__tensor *gx);
jem_status jem__direct_backward_w(jem__queue *queue, const jem__conv *conv,
                                  const jem__tensor *x, const jem__tensor *gy,
                                  const jem__tensor *gw, const jem__tensor *gb);

#endif
