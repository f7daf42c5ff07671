/* SPDX-License-Identifier: MIT */
/* Accuracy, likelihood, calibration, detection and means of scores.
 *
 * Rows are read once, in order, and everything is added in double precision in that order.
 * Counts are whole numbers until the last division. */

#include "eval/metrics.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "core/error.h"
#include "core/memory.h"

#define MAX_BINS 1000

static jem_status check_label(const char *caller, const int32_t *y, int64_t i, int64_t classes)
{
    if (y[i] < 0 || y[i] >= classes)
        return jem__fail(JEM_E_RANGE, "%s: y[%" PRId64 "] = %" PRId32 ", must be 0 to %" PRId64,
                         caller, i, y[i], classes - 1);
    return JEM_OK;
}

static jem_status not_a_number(const char *caller, const char *what, int64_t i, int64_t k)
{
    return jem__fail(JEM_E_NUMERIC, "%s: the %s of image %" PRId64 ", class %" PRId64 " is NaN",
                     caller, what, i, k);
}

/* The first of the largest entries. */
static int64_t largest(const float *row, int64_t classes)
{
    int64_t best = 0;
    for (int64_t k = 1; k < classes; k++) {
        if (row[k] > row[best])
            best = k;
    }
    return best;
}

jem_status jem__metric_accuracy(const float *scores, const int32_t *y, int64_t n,
                                int64_t classes, double *out)
{
    const char *caller = "jem_metric_accuracy";
    int64_t hits = 0;
    for (int64_t i = 0; i < n; i++) {
        const float *row = scores + i * classes;
        JEM__TRY(check_label(caller, y, i, classes));
        for (int64_t k = 0; k < classes; k++) {
            if (isnan(row[k]))
                return not_a_number(caller, "score", i, k);
        }
        hits += largest(row, classes) == y[i];
    }
    *out = (double)hits / (double)n;
    return JEM_OK;
}

/* logsumexp with the largest logit taken out first: no exponential overflows. */
jem_status jem__metric_nll(const float *logits, const int32_t *y, int64_t n, int64_t classes,
                           double *out)
{
    const char *caller = "jem_metric_nll";
    double total = 0;
    for (int64_t i = 0; i < n; i++) {
        const float *row = logits + i * classes;
        JEM__TRY(check_label(caller, y, i, classes));
        for (int64_t k = 0; k < classes; k++) {
            if (!isfinite(row[k]))
                return jem__fail(JEM_E_NUMERIC,
                                 "%s: the logit of image %" PRId64 ", class %" PRId64
                                 " is %s, must be finite",
                                 caller, i, k, isnan(row[k]) ? "NaN" : "infinite");
        }
        const double top = (double)row[largest(row, classes)];
        double sum = 0;
        for (int64_t k = 0; k < classes; k++)
            sum += exp((double)row[k] - top);
        total += log(sum) + (top - (double)row[y[i]]);
    }
    *out = total / (double)n;
    return JEM_OK;
}

/* What the bins hold: image counts, sums of confidence, right answers. */
typedef struct bins {
    int64_t count[MAX_BINS], hits[MAX_BINS];
    double confidence[MAX_BINS];
} bins;

/* The bin whose (b/count, (b+1)/count] holds `confidence`; 0 goes to the first. A float has 24
 * significant bits and the number of bins 10, so the product is exact in double precision and
 * a confidence never falls on the wrong side of an edge. */
static int64_t bin_of(float confidence, int64_t count)
{
    const int64_t b = (int64_t)ceil((double)confidence * (double)count) - 1;
    return b < 0 ? 0 : b;
}

static jem_status fill_bins(const char *caller, const float *prob, const int32_t *y, int64_t n,
                            int64_t classes, int64_t count, bins *out)
{
    if (count < 1 || count > MAX_BINS)
        return jem__fail(JEM_E_RANGE, "%s: bins = %" PRId64 ", must be 1 to %d", caller, count,
                         MAX_BINS);
    memset(out, 0, sizeof *out);
    for (int64_t i = 0; i < n; i++) {
        const float *row = prob + i * classes;
        JEM__TRY(check_label(caller, y, i, classes));
        for (int64_t k = 0; k < classes; k++) {
            if (isnan(row[k]))
                return not_a_number(caller, "probability", i, k);
            if (row[k] < 0 || row[k] > 1)
                return jem__fail(JEM_E_RANGE,
                                 "%s: the probability of image %" PRId64 ", class %" PRId64
                                 " is %g, must be 0 to 1",
                                 caller, i, k, (double)row[k]);
        }
        const int64_t best = largest(row, classes), b = bin_of(row[best], count);
        out->count[b]++;
        out->hits[b] += best == y[i];
        out->confidence[b] += (double)row[best];
    }
    return JEM_OK;
}

jem_status jem__metric_reliability(const char *caller, const float *prob, const int32_t *y,
                                   int64_t n, int64_t classes, int64_t count_bins,
                                   int64_t *count, double *confidence, double *accuracy)
{
    bins b;
    JEM__TRY(fill_bins(caller, prob, y, n, classes, count_bins, &b));
    for (int64_t i = 0; i < count_bins; i++) {
        const double images = b.count[i] > 0 ? (double)b.count[i] : 1; /* empty: 0 / 1 */
        if (count != NULL)
            count[i] = b.count[i];
        if (confidence != NULL)
            confidence[i] = b.confidence[i] / images;
        if (accuracy != NULL)
            accuracy[i] = (double)b.hits[i] / images;
    }
    return JEM_OK;
}

/* sum_b count_b / n |hits_b / count_b - confidence_b / count_b|, with count_b cancelled. */
jem_status jem__metric_ece(const float *prob, const int32_t *y, int64_t n, int64_t classes,
                           int64_t count_bins, double *out)
{
    bins b;
    JEM__TRY(fill_bins("jem_metric_ece", prob, y, n, classes, count_bins, &b));
    double sum = 0;
    for (int64_t i = 0; i < count_bins; i++)
        sum += fabs((double)b.hits[i] - b.confidence[i]);
    *out = sum / (double)n;
    return JEM_OK;
}

/* Restore the heap below `root`: a parent is never smaller than its children. */
static void sift_down(float *v, int64_t root, int64_t n)
{
    const float value = v[root];
    for (int64_t child = 2 * root + 1; child < n; child = 2 * root + 1) {
        if (child + 1 < n && v[child + 1] > v[child])
            child++;
        if (v[child] <= value)
            break;
        v[root] = v[child];
        root = child;
    }
    v[root] = value;
}

/* Heapsort: n log n on every input and no memory, unlike qsort, which may allocate. */
static void sort(float *v, int64_t n)
{
    for (int64_t i = n / 2 - 1; i >= 0; i--)
        sift_down(v, i, n);
    for (int64_t i = n - 1; i > 0; i--) {
        const float top = v[0];
        v[0] = v[i];
        v[i] = top;
        sift_down(v, 0, i);
    }
}

/* A sorted copy of scores without NaN. */
static jem_status sorted_copy(jem_context *ctx, const char *name, const float *scores,
                              int64_t n, float **out)
{
    for (int64_t i = 0; i < n; i++) {
        if (isnan(scores[i]))
            return jem__fail(JEM_E_NUMERIC, "jem_metric_auroc: %s[%" PRId64 "] is NaN", name,
                             i);
    }
    float *copy = jem__alloc_raw(ctx, n, sizeof *copy);
    if (copy == NULL)
        return JEM_E_NOMEM;
    memcpy(copy, scores, (size_t)n * sizeof *copy);
    sort(copy, n);
    *out = copy;
    return JEM_OK;
}

/* Mann-Whitney: 2 U = sum over `in` of 2 #(other < in) + #(other == in), a whole number; the
 * area is U / (n_in n_other). Both arrays ascend, so two marks in `other` only move forward. */
jem_status jem__metric_auroc(jem_context *ctx, const float *in, int64_t n_in,
                             const float *other, int64_t n_other, double *out)
{
    int64_t pairs;
    if (!jem__mul(n_in, n_other, &pairs) || pairs > INT64_MAX / 2)
        return jem__fail(JEM_E_ARGUMENT,
                         "jem_metric_auroc: n_in = %" PRId64 ", n_other = %" PRId64
                         ": more pairs than a 64-bit number counts",
                         n_in, n_other);
    float *a = NULL, *b = NULL;
    jem_status status = sorted_copy(ctx, "in", in, n_in, &a);
    if (status == JEM_OK)
        status = sorted_copy(ctx, "other", other, n_other, &b);
    if (status == JEM_OK) {
        int64_t twice_u = 0, less = 0, not_greater = 0;
        for (int64_t i = 0; i < n_in; i++) {
            while (less < n_other && b[less] < a[i])
                less++;
            while (not_greater < n_other && b[not_greater] <= a[i])
                not_greater++;
            twice_u += less + not_greater;
        }
        *out = (double)twice_u / (2 * (double)pairs);
    }
    jem__free(ctx, b);
    jem__free(ctx, a);
    return status;
}

/* Two passes: the deviations are taken from the mean itself, so equal scores give exactly 0. */
jem_status jem__metric_mean(const float *scores, int64_t n, double *mean, double *std)
{
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(scores[i]))
            return jem__fail(JEM_E_NUMERIC,
                             "jem_metric_mean: scores[%" PRId64 "] is %s, must be finite", i,
                             isnan(scores[i]) ? "NaN" : "infinite");
        sum += (double)scores[i];
    }
    const double centre = sum / (double)n;
    for (int64_t i = 0; i < n; i++) {
        const double d = (double)scores[i] - centre;
        squares += d * d;
    }
    if (mean != NULL)
        *mean = centre;
    if (std != NULL)
        *std = sqrt(squares / (double)n);
    return JEM_OK;
}
