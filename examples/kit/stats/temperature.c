/* SPDX-License-Identifier: MIT */

/* See temperature.h. Newton's method on the slope, kept between two ends of different sign;
 * a step that would leave them goes to their middle instead. */

#include "kit/stats/temperature.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "kit/stats/logits.h"

#define STEPS  200
#define SLOPE  1e-10 /* in log b: a change of T by 1 % then changes NLL by less than 1e-12 */
#define WIDEST 1e6   /* T and 1/T that are looked at */
#define NEARBY 1.01

struct logits {
    const float *f;
    const int32_t *y;
    int64_t n, classes;
};

/* NLL and its first two derivatives in b. */
static double nll_at(const struct logits *l, double b, double *slope, double *curvature)
{
    double nll = 0, first = 0, second = 0;

    for (int64_t i = 0; i < l->n; i++) {
        const float *f = l->f + i * l->classes;
        const struct logits_moments m = logits_moments(f, l->classes, b);
        const double own = (double)f[l->y[i]] - m.top;

        nll += m.log_sum - b * own;
        first += m.mean - own;
        second += m.variance;
    }
    *slope = first / (double)l->n;
    *curvature = second / (double)l->n;
    return nll / (double)l->n;
}

static double slope_at(const struct logits *l, double b)
{
    double slope, curvature;

    nll_at(l, b, &slope, &curvature);
    return slope;
}

void temperature_none(struct temperature *out, const char *format, ...)
{
    va_list args;

    *out = (struct temperature){(double)NAN, (double)NAN, (double)NAN, (double)NAN, (double)NAN,
                                (double)NAN, (double)NAN, 0,           ""};
    va_start(args, format);
    vsnprintf(out->why_not, sizeof out->why_not, format, args);
    va_end(args);
}

/* Ends low < high of b, with NLL falling at the one and rising at the other; 0: there are none,
 * and the reason is in `out`. */
static int bracket(const struct logits *l, double *low, double *high, struct temperature *out)
{
    *high = 1;
    while (!(slope_at(l, *high) > 0)) {
        *high *= 2;
        if (*high > WIDEST) {
            temperature_none(out,
                             "the NLL of the %" PRId64 " images falls without end as T goes to "
                             "0, which means that (nearly) all are classified rightly; fit to "
                             "more, or other, images",
                             l->n);
            return 0;
        }
    }
    *low = *high / 2;
    while (!(slope_at(l, *low) < 0)) {
        *low /= 2;
        if (*low < 1 / WIDEST) {
            temperature_none(out,
                             "the NLL of the %" PRId64 " images falls without end as T grows, "
                             "which means that the logits say nothing about the labels",
                             l->n);
            return 0;
        }
    }
    return 1;
}

void temperature_fit(const float *logits, const int32_t *y, int64_t n, int64_t classes,
                     struct temperature *out)
{
    const struct logits l = {logits, y, n, classes};
    double low = 0, high = 0, b, slope, curvature;

    if (!bracket(&l, &low, &high, out))
        return;
    out->why_not[0] = '\0';
    out->nll_before = nll_at(&l, 1, &slope, &curvature);
    b = (low + high) / 2;
    for (out->steps = 1; out->steps < STEPS; out->steps++) {
        double next;

        nll_at(&l, b, &slope, &curvature);
        if (fabs(slope) * b < SLOPE)
            break;
        if (slope < 0)
            low = b;
        else
            high = b;
        next = b - slope / curvature;
        b = next > low && next < high ? next : (low + high) / 2;
    }
    out->t = 1 / b;
    out->nll = nll_at(&l, b, &slope, &curvature);
    out->slope = b * slope;
    out->curvature = b * b * curvature + out->slope;
    out->nll_colder = nll_at(&l, b * NEARBY, &slope, &curvature);
    out->nll_hotter = nll_at(&l, b / NEARBY, &slope, &curvature);
    if (!(fabs(out->slope) < SLOPE) || !(out->curvature > 0) ||
        !(out->nll <= fmin(out->nll_colder, out->nll_hotter)))
        temperature_none(out,
                         "the fit did not converge: after %d steps T = %.9g, slope of NLL in "
                         "log T %.3g, curvature %.3g",
                         out->steps, out->t, -out->slope, out->curvature);
}
