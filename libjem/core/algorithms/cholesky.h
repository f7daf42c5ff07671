/* SPDX-License-Identifier: MIT */
#ifndef JEM_CORE_ALGORITHMS_CHOLESKY_H
#define JEM_CORE_ALGORITHMS_CHOLESKY_H

#include <jem/context.h>

#define JEM__CHOLESKY_SCRATCH 64 /* doubles of scratch per row */

/* Replace the lower triangle of a symmetric matrix (row-major, rows `stride` doubles apart) by
 * its factor L, L L' = matrix; what lies above the diagonal is neither read nor written. The
 * pivots of the exact factorisation must be at least `least` > 0: one that rounding has taken
 * below it is put back there, so the factor always exists. `scratch` holds
 * stride * JEM__CHOLESKY_SCRATCH doubles. Parallel. */
void jem__cholesky(jem_context *ctx, double *matrix, int64_t size, int64_t stride, double least,
                   double *scratch);

#endif
