/* SPDX-License-Identifier: MIT */
#ifndef KIT_STATS_TEMPERATURE_H
#define KIT_STATS_TEMPERATURE_H

/* Temperature scaling (Guo et al. 2017): the one number T that, dividing all logits, makes the
 * labels of held-out images most likely. With b = 1/T,
 *
 *     NLL(b)   = mean of  logsumexp_k b f_k - b f_y
 *     NLL'(b)  = mean of  E_p[f] - f_y        p = softmax b f
 *     NLL''(b) = mean of  Var_p[f]  >= 0
 *
 * NLL is convex in b, so a b > 0 with NLL' = 0 is the minimum, and the only one where
 * NLL'' > 0. */

#include <stdint.h>

struct temperature {
    double t;                      /* T; NaN, as all that follow: none, see why_not */
    double nll_before, nll;        /* at T = 1 and at T, in nats */
    double slope, curvature;       /* at T: NLL' and NLL'' as derivatives in log b */
    double nll_colder, nll_hotter; /* at T / 1.01 and T * 1.01: both larger at a minimum */
    int steps;                     /* of Newton's method and of bisection */
    char why_not[256];             /* why there is no T; empty: there is */
};

/* Fit to n logits with labels in [0, classes). There is no T where NLL has no minimum at a
 * positive one, or where the slope does not come down to rounding. */
void temperature_fit(const float *logits, const int32_t *y, int64_t n, int64_t classes,
                     struct temperature *out);

/* No T, for a reason given like printf's. */
void temperature_none(struct temperature *out, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
