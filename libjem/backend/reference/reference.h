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
/* The activation of `slope`, and its derivative at number `at` by the sign bits. */
double jem__reference_activation(double value, float slope);
double jem__reference_derivative(const uint8_t *bits, int64_t at, float slope);
/* How many numbers a tensor holds. */
int64_t jem__reference_count(const jem__tensor *t);

/* The operations: reference_convolution.c, reference_pointwise.c, reference_optimizer.c. */
#define JEM__REFERENCE_DECLARE(name) jem__##name##_fn jem__reference_##name;
JEM__OPERATIONS(JEM__REFERENCE_DECLARE)

#endif
