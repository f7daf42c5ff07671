/* SPDX-License-Identifier: MIT */
#ifndef JEM_BACKEND_REFERENCE_REFERENCE_H
#define JEM_BACKEND_REFERENCE_REFERENCE_H

/* The inside of the reference backend: one file per group of rows of the table.
 *
 * Numbers are doubles in row-major n, c, h, w; sign bits are eight to a byte, lowest first, in
 * the order c, h, w, and every image begins with a fresh byte. Sums run in index order. */

#include <stddef.h>

#include "backend/backend.h"
#include "core/error.h"

/* A block holds either numbers or bits; the other pointer is NULL. */
struct jem__mem {
    double *numbers;
    uint8_t *bits;
};

struct jem__queue {
    jem_context *ctx; /* the reference backend needs no scratch memory */
};

/* For tests, which perturb single numbers to take finite differences. */
double *jem__reference_numbers(jem__mem *mem);

/* Image i of a tensor, and the sign bits of image i of a c x h x w tensor. */
double *jem__reference_image(const jem__tensor *t, int64_t i);
uint8_t *jem__reference_signs(const jem__signs *signs, int64_t c, int64_t h, int64_t w,
                              int64_t i);
void jem__reference_sign_put(uint8_t *bits, int64_t at, double value);
/* What LeakyReLU multiplies number `at` by: 1 or the leak. */
double jem__reference_slope(const uint8_t *bits, int64_t at);
double jem__reference_leaky(double value);
/* How many numbers a tensor holds. */
int64_t jem__reference_count(const jem__tensor *t);

/* convolution.c */
jem_status jem__reference_conv_forward(jem__queue *queue, const jem__conv *conv,
                                       const jem__tensor *x, const jem__tensor *w,
                                       const jem__tensor *b, const jem__tensor *add,
                                       const jem__tensor *y, const jem__signs *signs_y);
jem_status jem__reference_conv_backward_x(jem__queue *queue, const jem__conv *conv,
                                          const jem__tensor *gy, const jem__tensor *w,
                                          const jem__signs *signs_x, const jem__tensor *add,
                                          const jem__tensor *gx);
jem_status jem__reference_conv_backward_w(jem__queue *queue, const jem__conv *conv,
                                          const jem__tensor *x, const jem__tensor *gy,
                                          const jem__tensor *gw, const jem__tensor *gb);

/* pointwise.c */
jem_status jem__reference_leak(jem__queue *queue, const jem__tensor *x, const jem__signs *signs,
                               const jem__tensor *y);
jem_status jem__reference_pool_forward(jem__queue *queue, const jem__tensor *x,
                                       const jem__signs *signs, const jem__tensor *y);
jem_status jem__reference_pool_backward(jem__queue *queue, const jem__tensor *gy,
                                        const jem__signs *signs_x, const jem__tensor *gx);
jem_status jem__reference_density(jem__queue *queue, const jem__density *what,
                                  const jem__tensor *logits, const int32_t *y, double *log_px,
                                  double *log_pxy, const jem__tensor *grad_logits);
jem_status jem__reference_softmax_tangent(jem__queue *queue, const jem__tensor *t,
                                          const jem__tensor *p);
jem_status jem__reference_sgld_step(jem__queue *queue, const jem__sgld_step *what,
                                    const jem__tensor *g, const jem__tensor *x);
jem_status jem__reference_fill(jem__queue *queue, const jem__tensor *x, float value);
jem_status jem__reference_copy(jem__queue *queue, const jem__tensor *src,
                               const jem__tensor *dst);
jem_status jem__reference_add(jem__queue *queue, const jem__tensor *src, const jem__tensor *x);
jem_status jem__reference_lerp(jem__queue *queue, double t, const jem__tensor *to,
                               const jem__tensor *x);
jem_status jem__reference_sum_squares(jem__queue *queue, const jem__tensor *x, double *out);

/* optimizer.c */
jem_status jem__reference_adam_step(jem__queue *queue, const jem__adam *what,
                                    const jem__tensor *grad, const jem__tensor *m,
                                    const jem__tensor *v, const jem__tensor *param);
jem_status jem__reference_sgd_step(jem__queue *queue, const jem__sgd *what,
                                   const jem__tensor *grad, const jem__tensor *velocity,
                                   const jem__tensor *param);

#endif
