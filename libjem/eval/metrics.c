/* SPDX-License-Identifier: MIT */
/* Accuracy, likelihood and means of scores, and two helpers that calibration.c shares.
 *
 * Rows are read once, in order, and everything is added in double precision in that order.
 * Counts are whole numbers until the last division. */

#include "eval/metrics.h"

#include <inttypes.h>
#include <math.h>
#include <stddef.h>

#include "core/check.h"
#include "core/error.h"

jem_status jem__metric_nan(const char *caller, const char *what, int64_t i, int64_t k)
{
    return jem__fail(JEM_E_NUMERIC, "%s: the %s of image %" PRId64 ", class %" PRId64 " is NaN",
                     caller, what, i, k);
}

/* The first of the largest entries. */
int64_t jem__metric_largest(const float *row, int64_t classes)
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
        JEM__TRY(jem__check_class(caller, y, i, classes));
        for (int64_t k = 0; k < classes; k++) {
            if (isnan(row[k]))
                return jem__metric_nan(caller, "score", i, k);
        }
        hits += jem__metric_largest(row, classes) == y[i];
    }
    *out = (double)hits / (double)n;
    return JEM_OK;
}

/* The largest logit is subtracted first, so that no exponential overflows. */
jem_status jem__metric_nll(const float *logits, const int32_t *y, int64_t n, int64_t classes,
                           double *out)
{
    const char *caller = "jem_metric_nll";
    double total = 0;

    for (int64_t i = 0; i < n; i++) {
        const float *row = logits + i * classes;
        JEM__TRY(jem__check_class(caller, y, i, classes));
        const int64_t bad = jem__first_not_finite(row, classes);
        if (bad >= 0)
            return jem__fail(JEM_E_NUMERIC,
                             "%s: the logit of image %" PRId64 ", class %" PRId64
                             " is %s, must be finite",
                             caller, i, bad, isnan(row[bad]) ? "NaN" : "infinite");
        const double top = (double)row[jem__metric_largest(row, classes)];
        double sum = 0;
        for (int64_t k = 0; k < classes; k++)
            sum += exp((double)row[k] - top);
        total += log(sum) + (top - (double)row[y[i]]);
    }
    *out = total / (double)n;
    return JEM_OK;
}

/* Two passes: the deviations are taken from the mean itself, so equal scores give exactly 0. */
jem_status jem__metric_mean(const float *scores, int64_t n, double *mean, double *std)
{
    double sum = 0, squares = 0;
    const int64_t bad = jem__first_not_finite(scores, n);

    if (bad >= 0)
        return jem__fail(JEM_E_NUMERIC,
                         "jem_metric_mean: scores[%" PRId64 "] is %s, must be finite", bad,
                         isnan(scores[bad]) ? "NaN" : "infinite");
    for (int64_t i = 0; i < n; i++)
        sum += (double)scores[i];
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
