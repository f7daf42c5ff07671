/* SPDX-License-Identifier: MIT */
#ifndef KIT_STATS_BOOTSTRAP_H
#define KIT_STATS_BOOTSTRAP_H

/* How sure is an AUROC? The stratified percentile bootstrap (Efron and Tibshirani 1993):
 * both sets are drawn anew with replacement, each at its own size, `draws` times; low and
 * high are the 2.5 % and 97.5 % quantiles of the areas, between two of them by linear
 * interpolation.
 *
 * The draws depend on the seed and the sizes alone, so all scores of two sets see the same
 * ones. */

#include <stdint.h>

/* The scores are finite. Without draws low and high are NaN. */
int bootstrap_auroc(const float *in, int64_t n_in, const float *other, int64_t n_other,
                    int64_t draws, int64_t seed, double *low, double *high);

#endif
