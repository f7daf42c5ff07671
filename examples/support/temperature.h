/* SPDX-License-Identifier: MIT */
#ifndef EXAMPLES_SUPPORT_TEMPERATURE_H
#define EXAMPLES_SUPPORT_TEMPERATURE_H

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
    double t;                      /* T */
    double nll_before, nll;        /* at T = 1 and at T, in nats */
    double slope, curvature;       /* at T: NLL' and NLL'' as derivatives in log b */
    double nll_colder, nll_hotter; /* at T / 1.01 and T * 1.01: both larger at a minimum */
    int steps;                     /* of Newton's method and of bisection */
};

/* Fit to n logits with labels in [0, classes). Fails, with the reason, where NLL has no minimum
 * at a positive T, or where the slope does not come down to rounding. */
int temperature_fit(const float *logits, const int32_t *y, int64_t n, int64_t classes,
                    struct temperature *out);

#endif
