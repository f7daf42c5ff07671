/* SPDX-License-Identifier: MIT */
#ifndef KIT_STATS_LOGITS_H
#define KIT_STATS_LOGITS_H

/* What the logits f of one image say, in double precision. The largest logit is taken out before
 * exp(), so nothing overflows. */

#include <stdint.h>

/* max_k f[k], and the first k that has it. */
double logits_max(const float *f, int64_t classes);
int64_t logits_argmax(const float *f, int64_t classes);

/* T logsumexp_k f[k] / T. With T = 1 it is log p(x) + log Z (JEM equation 6). */
double logits_logsumexp(const float *f, int64_t classes, double t);

/* p[k] = softmax f, which is p(k|x). */
void logits_softmax(const float *f, int64_t classes, float *p);

/* The entropy of p(y|x) in nats. */
double logits_entropy(const float *f, int64_t classes);

#endif
