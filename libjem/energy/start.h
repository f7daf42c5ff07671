/* SPDX-License-Identifier: MIT */
#ifndef JEM_ENERGY_START_H
#define JEM_ENERGY_START_H

/* p0, where chains begin: uniform on [-1, 1], or a Gaussian per class (JEM++'s informative
 * start): mean_y + A_y z, cut to [-1, 1], A_y A_y' = covariance + 1e-4 I. With fewer images
 * than values A_y is the centred images over sqrt(n) (plus 1e-2 z'), else the Cholesky
 * factor. */

#include "core/options.h"
#include "core/random.h"
#include "data/dataset.h"

typedef struct jem__start jem__start;

jem_status jem__start_create(jem_context *ctx, const jem_options *opts, int64_t image_size,
                             int64_t classes, jem__start **out);
jem_status jem__start_fit(jem__start *start, const char *caller, const jem_dataset *data);
int32_t jem__start_ready(const jem__start *start); /* 0: gaussian and not fitted */
jem_status jem__start_check(const jem__start *start, const char *caller); /* ready, or fail */
/* Start numbers first .. first + n - 1. y NULL: gaussian draws the class uniformly. Written to
 * x; classes_out (may be NULL) gets the class used, -1 for uniform. Parallel. */
void jem__start_draw(const jem__start *start, jem__key key, uint64_t first, const int32_t *y,
                     int64_t n, float *x, int32_t *classes_out);
void jem__start_free(jem__start *start); /* NULL accepted */

/* For checkpoints: the fitted numbers as one float block per class: mean (image_size), then A
 * (image_size x columns, row-major); so size = image_size * (columns + 1), and columns =
 * image_size tells that A is a Cholesky factor. set_block copies. */
int64_t jem__start_block_size(const jem__start *start, int64_t class_number); /* 0: none */
const float *jem__start_block(const jem__start *start, int64_t class_number);
jem_status jem__start_set_block(jem__start *start, int64_t class_number, const float *block,
                                int64_t size);

#endif
