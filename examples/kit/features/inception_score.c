/* SPDX-License-Identifier: MIT */

#include "kit/features/inception_score.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kit/base/report.h"
#include "kit/stats/logits.h"

/* The Mersenne Twister MT19937 (Matsumoto and Nishimura 1998), because published scores were
 * shuffled by NumPy's. */
#define STATE 624

struct twister {
    uint32_t word[STATE];
    int next;
};

static void twister_seed(struct twister *t, uint32_t seed)
{
    t->word[0] = seed;
    for (uint32_t i = 1; i < STATE; i++)
        t->word[i] = 1812433253u * (t->word[i - 1] ^ t->word[i - 1] >> 30) + i;
    t->next = STATE;
}

static uint32_t twister_next(struct twister *t)
{
    uint32_t y;

    if (t->next == STATE) {
        for (int i = 0; i < STATE; i++) {
            y = (t->word[i] & 0x80000000u) | (t->word[(i + 1) % STATE] & 0x7fffffffu);
            t->word[i] = t->word[(i + 397) % STATE] ^ y >> 1 ^ (y & 1 ? 0x9908b0dfu : 0);
        }
        t->next = 0;
    }
    y = t->word[t->next++];
    y ^= y >> 11;
    y ^= y << 7 & 0x9d2c5680u;
    y ^= y << 15 & 0xefc60000u;
    return y ^ y >> 18;
}

/* NumPy's: draw as many bits as `most` has until the number is not above it. */
static uint32_t twister_up_to(struct twister *t, uint32_t most)
{
    uint32_t mask = most, value;

    for (int shift = 1; shift < 32; shift *= 2)
        mask |= mask >> shift;
    do
        value = twister_next(t) & mask;
    while (value > most);
    return value;
}

static void put_in_order(int64_t *order, int64_t n, int64_t seed)
{
    struct twister t;

    for (int64_t i = 0; i < n; i++)
        order[i] = i;
    if (seed < 0)
        return;
    twister_seed(&t, (uint32_t)seed);
    for (int64_t i = n - 1; i > 0; i--) {
        const int64_t j = twister_up_to(&t, (uint32_t)i);
        const int64_t kept = order[i];

        order[i] = order[j];
        order[j] = kept;
    }
}

/* exp of the mean of KL(p_i || p). As p is the mean of the p_i, that mean is the mean of
 * sum p_i log p_i plus the entropy of p. */
static double score_split(const float *logits, int64_t classes, const int64_t *order, int64_t n,
                          double *p, double *mean)
{
    double divergence = 0;

    memset(mean, 0, (size_t)classes * sizeof *mean);
    for (int64_t i = 0; i < n; i++) {
        divergence += logits_probabilities(logits + order[i] * classes, classes, p) / (double)n;
        for (int64_t k = 0; k < classes; k++)
            mean[k] += p[k] / (double)n;
    }
    for (int64_t k = 0; k < classes; k++)
        divergence -= mean[k] > 0 ? mean[k] * log(mean[k]) : 0;
    return exp(divergence);
}

int inception_score(const float *logits, int64_t n, int64_t classes, int64_t splits,
                    int64_t seed, double *mean, double *std)
{
    int64_t *order;
    double *p;
    double spread = 0;

    if (splits < 1 || n < splits || n > INT32_MAX)
        return report_failed("Inception Score: %" PRId64 " image(s) for %" PRId64 " splits", n,
                             splits);
    order = calloc((size_t)n, sizeof *order);
    p = malloc(2 * (size_t)classes * sizeof *p);
    if (order == NULL || p == NULL) {
        free(order);
        free(p);
        return report_no_memory();
    }
    put_in_order(order, n, seed);
    *mean = 0;
    for (int64_t i = 0; i < splits; i++) {
        const int64_t first = i * n / splits, end = (i + 1) * n / splits;
        const double score =
            score_split(logits, classes, order + first, end - first, p, p + classes);
        const double step = score - *mean;

        *mean += step / (double)(i + 1); /* Welford's update */
        spread += step * (score - *mean);
    }
    *std = sqrt(spread / (double)splits);
    free(order);
    free(p);
    return EXIT_OK;
}
