/* SPDX-License-Identifier: MIT */
#ifndef KIT_FEATURES_INCEPTION_SCORE_H
#define KIT_FEATURES_INCEPTION_SCORE_H

/* The Inception Score (Salimans et al. 2016): images are good when each shows one thing clearly
 * and all together show many. With p_i the softmax of image i and p their mean over a split,
 *
 *     score of a split = exp( mean_i KL(p_i || p) )
 *
 * and the result is mean and standard deviation over the splits. */

#include <stdint.h>

#define INCEPTION_SCORE_SPLITS 10

/* The usual seed of the shuffle: torch-fidelity's. */
#define INCEPTION_SCORE_SEED 2020

/* n rows of `classes` logits; split i has rows i n / splits to (i + 1) n / splits - 1, in the
 * order of numpy.random.RandomState(seed).permutation(n), or for seed < 0 in their own. */
int inception_score(const float *logits, int64_t n, int64_t classes, int64_t splits,
                    int64_t seed, double *mean, double *std);

#endif
