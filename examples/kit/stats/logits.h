/* SPDX-License-Identifier: MIT */
#ifndef KIT_STATS_LOGITS_H
#define KIT_STATS_LOGITS_H

/* What the logits f of one image say, in double precision. The largest logit is taken out
 * before exp(), so nothing overflows. */

#include <stdint.h>

/* max_k f[k], and the first k that has it. */
double logits_max(const float *f, int64_t classes);
int64_t logits_argmax(const float *f, int64_t classes);

/* T logsumexp_k f[k] / T. With T = 1 it is log p(x) + log Z (JEM equation 6). */
double logits_logsumexp(const float *f, int64_t classes, double t);

/* log sum_k exp f[k] over the classes other than `but`; -1: over all. */
double logits_logsumexp_but(const double *f, int64_t classes, int64_t but);

/* The energy score of Liu et al. 2020 without its constant,
 *
 *     T logsumexp_k f[k] / T  -  T log K  =  T log mean_k exp f[k] / T,        K classes
 *
 * which ranks images alike. As T grows, T log K would leave no digits for what differs between
 * images; this keeps them for every T > 0. It falls from max f, near T = 0, to mean f. */
double logits_energy(const float *f, int64_t classes, double t);

/* p[k] = softmax f, which is p(k|x). */
void logits_softmax(const float *f, int64_t classes, float *p);

/* The same in double precision; returns sum_k p[k] log p[k]. */
double logits_probabilities(const float *f, int64_t classes, double *p);

/* The entropy of p(y|x) in nats. */
double logits_entropy(const float *f, int64_t classes);

/* The logits as a random variable, each taken with its probability softmax b f, relative to the
 * largest one. */
struct logits_moments {
    double top;            /* the largest logit */
    double log_sum;        /* log sum_k exp b (f[k] - top) */
    double mean, variance; /* of f[k] - top */
};
struct logits_moments logits_moments(const float *f, int64_t classes, double b);

#endif
