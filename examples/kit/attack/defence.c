/* SPDX-License-Identifier: MIT */

/* See defence.h. */

#include "kit/attack/defence.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kit/attack/attack_random.h"
#include "kit/base/report.h"
#include "kit/cli/settings.h"
#include "kit/stats/logits.h"

#define CHAINS 512       /* at a time, where the images allow */
#define STATES (1 << 26) /* floats in a trace, where one image allows */

static int64_t choose_block(const struct defence *d)
{
    const int64_t by_chains = CHAINS / d->chains;
    const int64_t by_memory = STATES / d->size / (d->steps + 1) / d->chains;
    const int64_t block = by_chains < by_memory ? by_chains : by_memory;

    return block > 1 ? block : 1;
}

static int allocate(struct defence *d)
{
    const size_t chains = (size_t)(d->block * d->chains), size = (size_t)d->size;

    d->ends = calloc(chains * size, sizeof d->ends[0]);
    d->slopes = calloc(chains * size, sizeof d->slopes[0]);
    d->logits = calloc(chains * (size_t)d->classes, sizeof d->logits[0]);
    d->grad_logits = calloc(chains * (size_t)d->classes, sizeof d->grad_logits[0]);
    return d->ends != NULL && d->slopes != NULL && d->logits != NULL && d->grad_logits != NULL
               ? EXIT_OK
               : report_no_memory();
}

int defence_open(jem_model *model, const jem_options *opts, int64_t steps, int64_t chains,
                 double input_noise, int64_t seed, struct defence *out)
{
    int64_t shape[4] = {0, 0, 0, 0};
    int rc = report_jem(jem_model_shape(model, shape));

    *out = (struct defence){
        .steps = steps, .chains = chains, .input_noise = input_noise, .exact = 1, .seed = seed};
    out->random = input_noise > 0 || (steps > 0 && settings_number(opts, "sgld.noise_std") > 0);
    out->size = shape[0] * shape[1] * shape[2];
    out->classes = shape[3];
    if (rc == EXIT_OK)
        rc = report_jem(jem_head_create(model, CHAINS, &out->head));
    if (rc == EXIT_OK && steps > 0)
        rc = report_jem(jem_sampler_create(out->head, opts, &out->sampler));
    if (rc == EXIT_OK) {
        out->block = choose_block(out);
        rc = allocate(out);
    }
    if (rc != EXIT_OK)
        defence_close(out);
    return rc;
}

void defence_close(struct defence *d)
{
    free(d->ends);
    free(d->slopes);
    free(d->trace);
    free(d->logits);
    free(d->grad_logits);
    jem_sampler_free(d->sampler);
    jem_head_free(d->head);
    memset(d, 0, sizeof *d);
}

double defence_loss(const struct defence *d, const double *logits, int32_t y)
{
    return logits_logsumexp_but(logits, d->classes, -1) - logits[y];
}

double defence_margin(const struct defence *d, const double *logits, int32_t y)
{
    double other = -(double)INFINITY;

    for (int64_t k = 0; k < d->classes; k++)
        if (k != y)
            other = fmax(other, logits[k]);
    return logits[y] - other;
}

/* Chains of the images first, ..., first + n - 1 of a call: their starts in d->ends. */
static void start_chains(struct defence *d, const float *x, int64_t first, int64_t n)
{
    float *out = d->ends;

    for (int64_t c = 0; c < n * d->chains; c++, out += d->size) {
        struct attack_random r =
            attack_random_at(d->seed, ATTACK_FOR_INPUT, d->draw, first * d->chains + c);

        memcpy(out, x + c / d->chains * d->size, (size_t)d->size * sizeof out[0]);
        for (int64_t j = 0; d->input_noise > 0 && j < d->size; j++)
            out[j] += (float)(d->input_noise * attack_random_normal(&r));
    }
}

/* Run them; `keep`: with all states in d->trace. */
static int run_chains(struct defence *d, int64_t count, int keep)
{
    const int64_t all = (d->steps + 1) * count * d->size;
    int rc;

    if (d->steps == 0)
        return EXIT_OK;
    if (!keep)
        return report_jem(jem_sampler_run(d->sampler, d->ends, NULL, count, d->steps));
    if (d->trace == NULL)
        d->trace = malloc((size_t)((d->steps + 1) * d->block * d->chains * d->size) *
                          sizeof d->trace[0]);
    if (d->trace == NULL)
        return report_no_memory();
    rc = report_jem(
        jem_sampler_trace(d->sampler, d->ends, NULL, count, d->steps, d->trace, all));
    if (rc == EXIT_OK)
        memcpy(d->ends, d->trace + d->steps * count * d->size,
               (size_t)(count * d->size) * sizeof d->ends[0]);
    return rc;
}

static int average_logits(struct defence *d, int64_t n, double *out)
{
    const int64_t chains = n * d->chains, classes = d->classes;
    const int rc =
        report_jem(jem_head_logits(d->head, d->ends, chains, d->logits, chains * classes));

    if (rc != EXIT_OK)
        return rc;
    memset(out, 0, (size_t)(n * classes) * sizeof out[0]);
    for (int64_t c = 0; c < chains; c++)
        for (int64_t k = 0; k < classes; k++)
            out[c / d->chains * classes + k] +=
                (double)d->logits[c * classes + k] / (double)d->chains;
    return EXIT_OK;
}

/* The gradient of the loss in the logits of each of an image's chains: the loss is that of their
 * mean f, so it is (softmax f - onehot y) / chains. The entry of class y is minus the sum of the
 * others, so that it keeps its digits where p(y|x) is almost 1. */
static void make_grad_logits(const struct defence *d, const double *f, int32_t y, float *grad)
{
    const double log_sum = f[y] + defence_loss(d, f, y);
    double others = 0;

    for (int64_t k = 0; k < d->classes; k++) {
        const double share = k == y ? 0 : exp(f[k] - log_sum) / (double)d->chains;

        others += share;
        grad[k] = (float)share;
    }
    grad[y] = (float)-others;
    for (int64_t c = 1; c < d->chains; c++)
        memcpy(grad + c * d->classes, grad, (size_t)d->classes * sizeof grad[0]);
}

/* d loss / d x_k of each chain. */
static int slopes_at_ends(struct defence *d, const int32_t *y, int64_t n, const double *logits)
{
    const int64_t count = n * d->chains;

    for (int64_t i = 0; i < n; i++)
        make_grad_logits(d, logits + i * d->classes, y[i],
                         d->grad_logits + i * d->chains * d->classes);
    return report_jem(jem_head_grad_logits(d->head, d->ends, d->grad_logits, count, d->slopes,
                                           count * d->size));
}

/* grad = d loss / d x: the sum over an image's chains, gone back through them or not. */
static int back_to_images(struct defence *d, int64_t n, float *grad)
{
    const int64_t count = n * d->chains, size = d->size;
    int rc = EXIT_OK;

    if (d->exact && d->steps > 0)
        rc =
            report_jem(jem_sampler_backward(d->sampler, d->trace, (d->steps + 1) * count * size,
                                            NULL, count, d->steps, d->slopes));
    memset(grad, 0, (size_t)(n * size) * sizeof grad[0]);
    for (int64_t c = 0; c < count && rc == EXIT_OK; c++)
        for (int64_t j = 0; j < size; j++)
            grad[c / d->chains * size + j] += d->slopes[c * size + j];
    return rc;
}

/* One call: block by block; `grad` NULL: not wanted. */
static int look(struct defence *d, const float *x, const int32_t *y, int64_t n, double *logits,
                float *grad)
{
    int rc = EXIT_OK;

    if (d->sampler != NULL)
        rc = report_jem(jem_sampler_seed(d->sampler, d->seed, d->draw));
    for (int64_t i = 0; i < n && rc == EXIT_OK; i += d->block) {
        const int64_t m = n - i < d->block ? n - i : d->block;

        start_chains(d, x + i * d->size, i, m);
        rc = run_chains(d, m * d->chains, grad != NULL && d->exact);
        if (rc == EXIT_OK)
            rc = average_logits(d, m, logits + i * d->classes);
        if (rc != EXIT_OK || grad == NULL)
            continue;
        rc = slopes_at_ends(d, y + i, m, logits + i * d->classes);
        if (rc == EXIT_OK)
            rc = back_to_images(d, m, grad + i * d->size);
    }
    d->draw++;
    return rc;
}

int defence_logits(struct defence *d, const float *x, int64_t n, double *logits)
{
    return look(d, x, NULL, n, logits, NULL);
}

int defence_gradient(struct defence *d, const float *x, const int32_t *y, int64_t n,
                     double *logits, float *grad)
{
    return look(d, x, y, n, logits, grad);
}
