/* SPDX-License-Identifier: MIT */

/* See defence.h. */

#include "defence.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "attack_random.h"
#include "report.h"
#include "settings.h"

#define CHAINS 512       /* at a time, where the images allow */
#define STATES (1 << 26) /* floats in a trace, where one image allows */

/* A class whose share in the gradient is smaller than this is left out: float has no more. */
#define NEGLIGIBLE 1e-7

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
    d->some = calloc(chains * size, sizeof d->some[0]);
    d->add = calloc(chains * size, sizeof d->add[0]);
    d->logits = calloc(chains * (size_t)d->classes, sizeof d->logits[0]);
    d->seeds = calloc((size_t)(d->block * d->classes), sizeof d->seeds[0]);
    d->labels = calloc(chains, sizeof d->labels[0]);
    d->which = calloc(chains, sizeof d->which[0]);
    return d->ends != NULL && d->slopes != NULL && d->some != NULL && d->add != NULL &&
                   d->logits != NULL && d->seeds != NULL && d->labels != NULL &&
                   d->which != NULL
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
    free(d->some);
    free(d->add);
    free(d->trace);
    free(d->logits);
    free(d->seeds);
    free(d->labels);
    free(d->which);
    jem_sampler_free(d->sampler);
    jem_head_free(d->head);
    memset(d, 0, sizeof *d);
}

double defence_loss(const struct defence *d, const double *logits, int32_t y)
{
    double top = logits[0], sum = 0;

    for (int64_t k = 1; k < d->classes; k++)
        top = fmax(top, logits[k]);
    for (int64_t k = 0; k < d->classes; k++)
        sum += exp(logits[k] - top);
    return top + log(sum) - logits[y];
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

/* d loss / d f = softmax f - onehot y. That of class y is minus the sum of the others, so that
 * it keeps its digits where p(y|x) is almost 1. */
static void make_seeds(struct defence *d, const int32_t *y, int64_t n, const double *logits)
{
    for (int64_t i = 0; i < n; i++) {
        const double *f = logits + i * d->classes;
        const double log_sum = f[y[i]] + defence_loss(d, f, y[i]);
        double *seed = d->seeds + i * d->classes, others = 0;

        for (int64_t k = 0; k < d->classes; k++)
            if (k != y[i])
                others += seed[k] = exp(f[k] - log_sum);
        seed[y[i]] = -others;
    }
}

/* d loss / d x_k of each chain, when it is the only one of its image. */
static int slopes_of_one(struct defence *d, const int32_t *y, int64_t n)
{
    const int rc =
        report_jem(jem_head_grad_log_py(d->head, d->ends, y, n, d->slopes, n * d->size));

    for (int64_t j = 0; j < n * d->size && rc == EXIT_OK; j++)
        d->slopes[j] = -d->slopes[j];
    return rc;
}

/* The same of several, whose logits are averaged: the sum over classes of seed / chains times
 * d f[class] / d x_k. */
static int slopes_of_many(struct defence *d, const int32_t *y, int64_t n)
{
    const int64_t size = d->size, chains = d->chains;
    const size_t bytes = (size_t)size * sizeof d->ends[0];
    int rc = EXIT_OK;

    memset(d->slopes, 0, (size_t)(n * chains) * bytes);
    for (int64_t k = 0; k < d->classes && rc == EXIT_OK; k++) {
        int64_t m = 0;

        for (int64_t c = 0; c < n * chains; c++) {
            const double *seed = d->seeds + c / chains * d->classes;

            if (fabs(seed[k]) <= NEGLIGIBLE * fabs(seed[y[c / chains]]))
                continue;
            memcpy(d->some + m * size, d->ends + c * size, bytes);
            d->labels[m] = (int32_t)k;
            d->which[m++] = c;
        }
        rc = report_jem(jem_head_grad_log_px(d->head, d->some, d->labels, m, d->add, m * size));
        for (int64_t g = 0; g < m && rc == EXIT_OK; g++) {
            const int64_t c = d->which[g];
            const float share = (float)(d->seeds[c / chains * d->classes + k] / (double)chains);

            for (int64_t j = 0; j < size; j++)
                d->slopes[c * size + j] += share * d->add[g * size + j];
        }
    }
    return rc;
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
        make_seeds(d, y + i, m, logits + i * d->classes);
        rc = d->chains == 1 ? slopes_of_one(d, y + i, m) : slopes_of_many(d, y + i, m);
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
