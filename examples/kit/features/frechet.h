/* SPDX-License-Identifier: MIT */
#ifndef KIT_FEATURES_FRECHET_H
#define KIT_FEATURES_FRECHET_H

/* The Frechet distance of two Gaussians (Dowson and Landau 1982) that are fitted to the features of
 * two sets of images. With the features of Inception-v3 it is FID (Heusel et al. 2017):
 *
 *     |m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1 S2)^(1/2)
 *
 * in double precision. It grows as the sets get smaller, so compare equal numbers of images. */

#include <stdint.h>

struct frechet_gaussian {
    int64_t n, d;
    double *mean;
    double trace;   /* of the covariance */
    int64_t rank;   /* of the covariance, numerically */
    double *factor; /* rank columns of d values; factor factor' = covariance */
};

/* Mean and covariance (divided by n - 1) of n >= 2 rows of d features. `what` is what errors call
 * the images. */
int frechet_fit(const float *features, int64_t n, int64_t d, const char *what,
                struct frechet_gaussian *out);

void frechet_free(struct frechet_gaussian *g);

int frechet_distance(const struct frechet_gaussian *a, const struct frechet_gaussian *b,
                     double *out);

#endif
