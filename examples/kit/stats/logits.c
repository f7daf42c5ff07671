/* SPDX-License-Identifier: MIT */

/* See logits.h. */

#include "kit/stats/logits.h"

#include <math.h>

int64_t logits_argmax(const float *f, int64_t classes)
{
    int64_t best = 0;

    for (int64_t k = 1; k < classes; k++)
        if (f[k] > f[best])
            best = k;
    return best;
}

double logits_max(const float *f, int64_t classes)
{
    return (double)f[logits_argmax(f, classes)];
}

double logits_logsumexp(const float *f, int64_t classes, double t)
{
    const double top = logits_max(f, classes);
    double sum = 0;

    for (int64_t k = 0; k < classes; k++)
        sum += exp(((double)f[k] - top) / t);
    return top + t * log(sum);
}

double logits_logsumexp_but(const double *f, int64_t classes, int64_t but)
{
    double top = -HUGE_VAL, sum = 0;

    for (int64_t k = 0; k < classes; k++)
        top = k != but ? fmax(top, f[k]) : top;
    for (int64_t k = 0; k < classes; k++)
        sum += k != but ? exp(f[k] - top) : 0;
    return top + log(sum);
}

double logits_energy(const float *f, int64_t classes, double t)
{
    const double top = logits_max(f, classes);
    double sum = 0;

    for (int64_t k = 0; k < classes; k++)
        sum += expm1(((double)f[k] - top) / t);
    return top + t * log1p(sum / (double)classes);
}

void logits_softmax(const float *f, int64_t classes, float *p)
{
    const double top = logits_max(f, classes);
    double sum = 0;

    for (int64_t k = 0; k < classes; k++)
        sum += exp((double)f[k] - top);
    for (int64_t k = 0; k < classes; k++)
        p[k] = (float)(exp((double)f[k] - top) / sum);
}

double logits_probabilities(const float *f, int64_t classes, double *p)
{
    const double top = logits_max(f, classes);
    double sum = 0, score = 0;

    for (int64_t k = 0; k < classes; k++)
        sum += p[k] = exp((double)f[k] - top);
    for (int64_t k = 0; k < classes; k++) {
        p[k] /= sum;
        score += p[k] * ((double)f[k] - top - log(sum));
    }
    return score;
}

double logits_entropy(const float *f, int64_t classes)
{
    const double log_sum = logits_logsumexp(f, classes, 1);
    double entropy = 0;

    for (int64_t k = 0; k < classes; k++) {
        const double log_p = (double)f[k] - log_sum;

        entropy -= exp(log_p) * log_p;
    }
    return entropy;
}

struct logits_moments logits_moments(const float *f, int64_t classes, double b)
{
    struct logits_moments m = {.top = logits_max(f, classes)};
    double sum = 0, square = 0;

    for (int64_t k = 0; k < classes; k++) {
        const double d = (double)f[k] - m.top, p = exp(b * d);

        sum += p;
        m.mean += p * d;
        square += p * d * d;
    }
    m.log_sum = log(sum);
    m.mean /= sum;
    m.variance = square / sum - m.mean * m.mean;
    return m;
}
