/* SPDX-License-Identifier: MIT */
/* Is a probability of 0.8 right 8 times of 10? Bins, the errors that are read from them, and a
 * score without bins. */

#include "eval/metrics.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "core/check.h"
#include "core/error.h"

#define MAX_BINS 1000

/* What the bins hold: image counts, sums of confidence, right answers. */
typedef struct bins {
    int64_t count[MAX_BINS], hits[MAX_BINS];
    double confidence[MAX_BINS];
} bins;

/* The bin whose (b/count, (b+1)/count] holds `confidence`; 0 goes to the first. A float has 24
 * significant bits and the number of bins 10, so the product is exact in double precision and
 * no confidence falls on the wrong side of an edge. */
static int64_t bin_of(float confidence, int64_t count)
{
    const int64_t b = (int64_t)ceil((double)confidence * (double)count) - 1;

    return b < 0 ? 0 : b;
}

static jem_status check_bins(const char *caller, int64_t count)
{
    if (count < 1 || count > MAX_BINS)
        return jem__fail(JEM_E_RANGE, "%s: bins = %" PRId64 ", must be 1 to %d", caller, count,
                         MAX_BINS);
    return JEM_OK;
}

/* Row i of a table of probabilities, and its label. */
static jem_status check_row(const char *caller, const float *row, const int32_t *y, int64_t i,
                            int64_t classes)
{
    JEM__TRY(jem__check_class(caller, y, i, classes));
    for (int64_t k = 0; k < classes; k++) {
        if (isnan(row[k]))
            return jem__metric_nan(caller, "probability", i, k);
        if (row[k] < 0 || row[k] > 1)
            return jem__fail(JEM_E_RANGE,
                             "%s: the probability of image %" PRId64 ", class %" PRId64
                             " is %g, must be 0 to 1",
                             caller, i, k, (double)row[k]);
    }
    return JEM_OK;
}

static jem_status fill_bins(const char *caller, const float *prob, const int32_t *y, int64_t n,
                            int64_t classes, int64_t count, bins *out)
{
    JEM__TRY(check_bins(caller, count));
    memset(out, 0, sizeof *out);
    for (int64_t i = 0; i < n; i++) {
        const float *row = prob + i * classes;
        JEM__TRY(check_row(caller, row, y, i, classes));
        const int64_t best = jem__metric_largest(row, classes), b = bin_of(row[best], count);
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

/* max_b |hits_b - confidence_b| / count_b, bins with images only. */
jem_status jem__metric_mce(const float *prob, const int32_t *y, int64_t n, int64_t classes,
                           int64_t count_bins, double *out)
{
    bins b;

    JEM__TRY(fill_bins("jem_metric_mce", prob, y, n, classes, count_bins, &b));
    *out = 0;
    for (int64_t i = 0; i < count_bins; i++) {
        const double images = b.count[i] > 0 ? (double)b.count[i] : 1;
        const double gap = fabs((double)b.hits[i] - b.confidence[i]) / images;
        *out = gap > *out ? gap : *out;
    }
    return JEM_OK;
}

/* Class by class, the ECE of p(k|x) as a statement about y = k; their mean. */
jem_status jem__metric_classwise_ece(const float *prob, const int32_t *y, int64_t n,
                                     int64_t classes, int64_t count_bins, double *out)
{
    static const char caller[] = "jem_metric_classwise_ece";
    double sum = 0;

    JEM__TRY(check_bins(caller, count_bins));
    for (int64_t i = 0; i < n; i++)
        JEM__TRY(check_row(caller, prob + i * classes, y, i, classes));
    for (int64_t k = 0; k < classes; k++) {
        bins b = {.count = {0}};
        for (int64_t i = 0; i < n; i++) {
            const float p = prob[i * classes + k];
            const int64_t bin = bin_of(p, count_bins);
            b.hits[bin] += y[i] == k;
            b.confidence[bin] += (double)p;
        }
        for (int64_t j = 0; j < count_bins; j++)
            sum += fabs((double)b.hits[j] - b.confidence[j]);
    }
    *out = sum / (double)n / (double)classes;
    return JEM_OK;
}

jem_status jem__metric_brier(const float *prob, const int32_t *y, int64_t n, int64_t classes,
                             double *out)
{
    double sum = 0;

    for (int64_t i = 0; i < n; i++) {
        const float *row = prob + i * classes;
        JEM__TRY(check_row("jem_metric_brier", row, y, i, classes));
        for (int64_t k = 0; k < classes; k++) {
            const double d = (double)row[k] - (k == y[i] ? 1 : 0);
            sum += d * d;
        }
    }
    *out = sum / (double)n;
    return JEM_OK;
}
