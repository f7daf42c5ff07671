/* SPDX-License-Identifier: MIT */
#ifndef JEM_CORE_CHECK_H
#define JEM_CORE_CHECK_H

/* Checks of what callers hand in: images, labels, finite numbers. The error texts begin with
 * `caller`, the public function, and name index, value and limit. */

#include <jem/status.h>

/* n >= 0 images of `image_size` floats that memory can hold; x is not NULL when n > 0. */
jem_status jem__check_images(const char *caller, const float *x, int64_t n, int64_t image_size);

/* Every value of n images is finite. */
jem_status jem__check_finite(const char *caller, const float *x, int64_t n, int64_t image_size);

/* Labels 0 to classes - 1. y NULL: there are none to check. */
jem_status jem__check_classes(const char *caller, const int32_t *y, int64_t n, int64_t classes);

/* Labels -1 (unknown) to classes - 1. y NULL: there are none to check. */
jem_status jem__check_labels(const char *caller, const int32_t *y, int64_t n, int64_t classes);

/* The label y[i] alone, 0 to classes - 1. */
jem_status jem__check_class(const char *caller, const int32_t *y, int64_t i, int64_t classes);

/* The index of the first NaN or infinity; -1 when all numbers are finite. */
int64_t jem__first_not_finite(const float *x, int64_t count);

#endif
