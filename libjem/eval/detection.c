/* SPDX-License-Identifier: MIT */
/* How well a score tells one set of images from another. All three measures depend on the order
 * of the scores only, and are counted exactly. */

#include "eval/metrics.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "core/algorithms/sort.h"
#include "core/error.h"
#include "core/memory.h"

/* Both sets as sorted copies without NaN, given back with free_both(). */
typedef struct both {
    float *in, *other;
} both;

static void free_both(jem_context *ctx, const both *b)
{
    jem__free(ctx, b->other);
    jem__free(ctx, b->in);
}

static jem_status sorted_copy(jem_context *ctx, const char *caller, const char *name,
                              const float *scores, int64_t n, float **out)
{
    for (int64_t i = 0; i < n; i++) {
        if (isnan(scores[i]))
            return jem__fail(JEM_E_NUMERIC, "%s: %s[%" PRId64 "] is NaN", caller, name, i);
    }
    float *copy = jem__alloc_raw(ctx, n, sizeof *copy);
    if (copy == NULL)
        return JEM_E_NOMEM;
    memcpy(copy, scores, (size_t)n * sizeof *copy);
    jem__sort_floats(copy, n);
    *out = copy;
    return JEM_OK;
}

static jem_status sort_both(jem_context *ctx, const char *caller, const float *in, int64_t n_in,
                            const float *other, int64_t n_other, both *out)
{
    *out = (both){NULL, NULL};
    jem_status status = sorted_copy(ctx, caller, "in", in, n_in, &out->in);
    if (status == JEM_OK)
        status = sorted_copy(ctx, caller, "other", other, n_other, &out->other);
    if (status != JEM_OK) {
        free_both(ctx, out);
        *out = (both){NULL, NULL};
    }
    return status;
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
    both s;
    JEM__TRY(sort_both(ctx, "jem_metric_auroc", in, n_in, other, n_other, &s));
    int64_t twice_u = 0, less = 0, not_greater = 0;
    for (int64_t i = 0; i < n_in; i++) {
        while (less < n_other && s.other[less] < s.in[i])
            less++;
        while (not_greater < n_other && s.other[not_greater] <= s.in[i])
            not_greater++;
        twice_u += less + not_greater;
    }
    *out = (double)twice_u / (2 * (double)pairs);
    free_both(ctx, &s);
    return JEM_OK;
}

/* Thresholds fall from the largest score to the smallest, equal scores at once; each adds
 * precision times the recall it gained. */
jem_status jem__metric_aupr(jem_context *ctx, const float *in, int64_t n_in, const float *other,
                            int64_t n_other, double *out)
{
    both s;

    JEM__TRY(sort_both(ctx, "jem_metric_aupr", in, n_in, other, n_other, &s));
    int64_t i = n_in, j = n_other; /* scores below the threshold */
    double area = 0;
    while (i > 0) {
        const int64_t before = i;
        const float threshold = s.in[i - 1];
        while (i > 0 && s.in[i - 1] == threshold)
            i--;
        while (j > 0 && s.other[j - 1] >= threshold)
            j--;
        const double found = (double)(n_in - i);
        area += (double)(before - i) / (double)n_in * found / (found + (double)(n_other - j));
    }
    *out = area;
    free_both(ctx, &s);
    return JEM_OK;
}

/* The highest threshold that keeps enough of `in` is one of its scores. */
jem_status jem__metric_fpr(jem_context *ctx, const float *in, int64_t n_in, const float *other,
                           int64_t n_other, double tpr, double *out)
{
    both s;

    JEM__TRY(sort_both(ctx, "jem_metric_fpr", in, n_in, other, n_other, &s));
    int64_t keep = (int64_t)ceil(tpr * (double)n_in);
    /* the product may be rounded up before ceil: 0.95 * 20 need not be 19 */
    if (keep > 0 && (double)(keep - 1) / (double)n_in >= tpr)
        keep--;
    const float threshold = s.in[n_in - (keep > 0 ? keep : 1)];
    int64_t below = 0;
    while (below < n_other && s.other[below] < threshold)
        below++;
    *out = (double)(n_other - below) / (double)n_other;
    free_both(ctx, &s);
    return JEM_OK;
}
