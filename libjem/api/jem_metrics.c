/* SPDX-License-Identifier: MIT */
/* jem/metrics.h: arguments are checked here, the work is done in eval/. */

#include <jem/metrics.h>

#include <inttypes.h>
#include <stddef.h>

#include "core/error.h"
#include "core/memory.h"
#include "eval/metrics.h"

static jem_status check_count(const char *caller, const char *name, int64_t n)
{
    if (n < 1)
        return jem__fail(JEM_E_ARGUMENT, "%s: %s = %" PRId64 ", must be at least 1", caller,
                         name, n);
    return JEM_OK;
}

/* A table of n x classes numbers called `name`, with n labels. */
static jem_status check_table(const char *caller, const char *name, const float *table,
                              const int32_t *y, int64_t n, int64_t classes)
{
    int64_t count;
    if (table == NULL || y == NULL)
        return jem__fail_null(caller, table == NULL ? name : "y");
    JEM__TRY(check_count(caller, "n", n));
    JEM__TRY(check_count(caller, "classes", classes));
    if (!jem__mul(n, classes, &count))
        return jem__fail(JEM_E_ARGUMENT,
                         "%s: n = %" PRId64 ", classes = %" PRId64
                         ": more values than a 64-bit number counts",
                         caller, n, classes);
    return JEM_OK;
}

jem_status jem_metric_accuracy(const float *scores, const int32_t *y, int64_t n,
                               int64_t classes, double *out)
{
    const char *caller = "jem_metric_accuracy";
    if (out == NULL)
        return jem__fail_null(caller, "out");
    JEM__TRY(check_table(caller, "scores", scores, y, n, classes));
    return jem__metric_accuracy(scores, y, n, classes, out);
}

jem_status jem_metric_nll(const float *logits, const int32_t *y, int64_t n, int64_t classes,
                          double *out)
{
    const char *caller = "jem_metric_nll";
    if (out == NULL)
        return jem__fail_null(caller, "out");
    JEM__TRY(check_table(caller, "logits", logits, y, n, classes));
    return jem__metric_nll(logits, y, n, classes, out);
}

jem_status jem_metric_reliability(const float *prob, const int32_t *y, int64_t n,
                                  int64_t classes, int64_t bins, int64_t *count,
                                  double *confidence, double *accuracy)
{
    const char *caller = "jem_metric_reliability";
    JEM__TRY(check_table(caller, "prob", prob, y, n, classes));
    return jem__metric_reliability(caller, prob, y, n, classes, bins, count, confidence,
                                   accuracy);
}

jem_status jem_metric_ece(const float *prob, const int32_t *y, int64_t n, int64_t classes,
                          int64_t bins, double *out)
{
    const char *caller = "jem_metric_ece";
    if (out == NULL)
        return jem__fail_null(caller, "out");
    JEM__TRY(check_table(caller, "prob", prob, y, n, classes));
    return jem__metric_ece(prob, y, n, classes, bins, out);
}

jem_status jem_metric_mce(const float *prob, const int32_t *y, int64_t n, int64_t classes,
                          int64_t bins, double *out)
{
    const char *caller = "jem_metric_mce";
    if (out == NULL)
        return jem__fail_null(caller, "out");
    JEM__TRY(check_table(caller, "prob", prob, y, n, classes));
    return jem__metric_mce(prob, y, n, classes, bins, out);
}

jem_status jem_metric_classwise_ece(const float *prob, const int32_t *y, int64_t n,
                                    int64_t classes, int64_t bins, double *out)
{
    const char *caller = "jem_metric_classwise_ece";
    if (out == NULL)
        return jem__fail_null(caller, "out");
    JEM__TRY(check_table(caller, "prob", prob, y, n, classes));
    return jem__metric_classwise_ece(prob, y, n, classes, bins, out);
}

jem_status jem_metric_brier(const float *prob, const int32_t *y, int64_t n, int64_t classes,
                            double *out)
{
    const char *caller = "jem_metric_brier";
    if (out == NULL)
        return jem__fail_null(caller, "out");
    JEM__TRY(check_table(caller, "prob", prob, y, n, classes));
    return jem__metric_brier(prob, y, n, classes, out);
}

/* Two sets of scores, memory to sort them, a place for the answer. */
static jem_status check_sets(const char *caller, const jem_context *ctx, const float *in,
                             int64_t n_in, const float *other, int64_t n_other,
                             const double *out)
{
    if (ctx == NULL || out == NULL)
        return jem__fail_null(caller, ctx == NULL ? "ctx" : "out");
    if (in == NULL || other == NULL)
        return jem__fail_null(caller, in == NULL ? "in" : "other");
    JEM__TRY(check_count(caller, "n_in", n_in));
    return check_count(caller, "n_other", n_other);
}

jem_status jem_metric_aupr(jem_context *ctx, const float *in, int64_t n_in, const float *other,
                           int64_t n_other, double *out)
{
    JEM__TRY(check_sets("jem_metric_aupr", ctx, in, n_in, other, n_other, out));
    return jem__metric_aupr(ctx, in, n_in, other, n_other, out);
}

jem_status jem_metric_fpr(jem_context *ctx, const float *in, int64_t n_in, const float *other,
                          int64_t n_other, double tpr, double *out)
{
    JEM__TRY(check_sets("jem_metric_fpr", ctx, in, n_in, other, n_other, out));
    if (!(tpr > 0 && tpr <= 1))
        return jem__fail(JEM_E_RANGE, "jem_metric_fpr: tpr = %g, must be above 0 and at most 1",
                         tpr);
    return jem__metric_fpr(ctx, in, n_in, other, n_other, tpr, out);
}

jem_status jem_metric_auroc(jem_context *ctx, const float *in, int64_t n_in, const float *other,
                            int64_t n_other, double *out)
{
    JEM__TRY(check_sets("jem_metric_auroc", ctx, in, n_in, other, n_other, out));
    return jem__metric_auroc(ctx, in, n_in, other, n_other, out);
}

jem_status jem_metric_mean(const float *scores, int64_t n, double *mean, double *std)
{
    const char *caller = "jem_metric_mean";
    if (scores == NULL)
        return jem__fail_null(caller, "scores");
    JEM__TRY(check_count(caller, "n", n));
    return jem__metric_mean(scores, n, mean, std);
}
