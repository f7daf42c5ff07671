/* SPDX-License-Identifier: MIT */
#ifndef JEM_ENERGY_COVARIANCE_H
#define JEM_ENERGY_COVARIANCE_H

/* Means and factors of covariances, for the Gaussian start. Written for the sizes of images:
 * thousands of images of thousands of values take seconds, not minutes. */

#include "data/dataset.h"

/* Memory for the factors of one fit. */
typedef struct jem__covariance jem__covariance;

/* For at most n_max images of `size` values, n_max >= size. */
jem_status jem__covariance_create(jem_context *ctx, int64_t size, int64_t n_max,
                                  jem__covariance **out);
void jem__covariance_free(jem__covariance *cov); /* NULL accepted */

/* mean[j] over the n images with the given numbers. `image` is scratch for one image. */
void jem__mean(const jem_dataset *data, const int64_t *numbers, int64_t n, int64_t size,
               double *sums, float *image, float *mean);

/* factor (size x size, row-major, zero above the diagonal) = the Cholesky factor of
 * 1/n sum (x - mean)(x - mean)' + ridge I. Every pivot of such a matrix is at least `ridge`, so
 * what rounding has taken below is put back there, and the factor always exists. Parallel. */
void jem__covariance_factor(jem__covariance *cov, const jem_dataset *data,
                            const int64_t *numbers, int64_t n, const float *mean, double ridge,
                            float *image, float *factor);

#endif
