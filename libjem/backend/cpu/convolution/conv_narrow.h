/* SPDX-License-Identifier: MIT */
#ifndef JEM_BACKEND_CPU_CONVOLUTION_CONV_NARROW_H
#define JEM_BACKEND_CPU_CONVOLUTION_CONV_NARROW_H

/* The input gradient of a layer with few input channels without vectors; see conv_narrow.c. */

#include "backend/cpu/cpu.h"

int32_t jem__narrow_fits(const jem__conv *conv);

/* As jem__cpu_conv_backward_x(). */
jem_status jem__narrow_backward_x(jem__queue *queue, const jem__conv *conv,
                                  const jem__tensor *gy, const jem__tensor *w,
                                  const jem__signs *signs_x, const jem__tensor *add,
                                  const jem__tensor *gx);

#endif
