/* SPDX-License-Identifier: MIT */
/* Pooling, densities, the SGLD step and block operations of the reference backend. The noise is
 * that of core/random.h, in float, so that all backends walk the same chains. */

#include "backend/reference/reference.h"

#include <math.h>

/* y[n, c, h, w] = (1 or slope) * x[n, c, h, w] */
jem_status jem__reference_leak(jem__queue *queue, const jem__tensor *x, const jem__signs *signs,
                               float slope, const jem__tensor *y)
{
    (void)queue;
    for (int64_t i = 0; i < x->n; i++) {
        const uint8_t *bits = jem__reference_signs(signs, x->c, x->h, x->w, i);

        for (int64_t e = 0; e < x->c * x->h * x->w; e++)
            jem__reference_image(y, i)[e] =
                jem__reference_derivative(bits, e, slope) * jem__reference_image(x, i)[e];
    }
    return JEM_OK;
}

/* y[n, c] = the mean over h, w of a(x[n, c, h, w]), or of (1 or slope) * x[n, c, h, w] */
jem_status jem__reference_pool_forward(jem__queue *queue, const jem__tensor *x,
                                       const jem__signs *signs, float slope,
                                       const jem__tensor *y)
{
    const int64_t pixels = x->h * x->w;

    (void)queue;
    for (int64_t i = 0; i < x->n; i++) {
        const uint8_t *bits =
            signs != NULL ? jem__reference_signs(signs, x->c, x->h, x->w, i) : NULL;

        for (int64_t c = 0; c < x->c; c++) {
            const double *from = jem__reference_image(x, i) + c * pixels;
            double sum = 0;

            for (int64_t e = 0; e < pixels; e++)
                sum += bits != NULL
                           ? jem__reference_derivative(bits, c * pixels + e, slope) * from[e]
                           : jem__reference_activation(from[e], slope);
            jem__reference_image(y, i)[c] = sum / (double)pixels;
        }
    }
    return JEM_OK;
}

/* gx[n, c, h, w] = (1 or slope) * gy[n, c] / (h w) */
jem_status jem__reference_pool_backward(jem__queue *queue, const jem__tensor *gy,
                                        const jem__signs *signs_x, float slope,
                                        const jem__tensor *gx)
{
    const int64_t pixels = gx->h * gx->w;

    (void)queue;
    for (int64_t i = 0; i < gx->n; i++) {
        const uint8_t *bits = jem__activates(slope)
                                  ? jem__reference_signs(signs_x, gx->c, gx->h, gx->w, i)
                                  : NULL;

        for (int64_t e = 0; e < gx->c * pixels; e++) {
            const double g = jem__reference_image(gy, i)[e / pixels] / (double)pixels;

            jem__reference_image(gx, i)[e] =
                bits != NULL ? jem__reference_derivative(bits, e, slope) * g : g;
        }
    }
    return JEM_OK;
}

/* One image. With M = max_k f[k] and S = sum_k exp(f[k] - M), so that nothing overflows:
 *
 *     F = M + log S,      softmax f[k] = exp(f[k] - M) / S,
 *     slope = alpha + 2 lambda F + gamma / (1 + exp(-s F)),      s the sign of gamma,
 *     grad_logits[k] = scale * (slope softmax f[k] + beta [k = y] + mu / classes). */
static double density_of(const jem__density *what, const double *f, int64_t classes, int64_t y,
                         double *grad_logits)
{
    double max = f[0], sum = 0, log_px, slope;

    for (int64_t k = 1; k < classes; k++)
        max = f[k] > max ? f[k] : max;
    for (int64_t k = 0; k < classes; k++)
        sum += exp(f[k] - max);
    log_px = max + log(sum);
    slope = what->alpha + 2 * what->lambda * log_px +
            what->gamma / (1 + exp(what->gamma > 0 ? -log_px : log_px));
    for (int64_t k = 0; grad_logits != NULL && k < classes; k++) {
        const double softmax = exp(f[k] - max) / sum;

        grad_logits[k] = what->scale * (slope * softmax + (k == y ? what->beta : 0) +
                                        what->mu / (double)classes);
    }
    return log_px;
}

jem_status jem__reference_density(jem__queue *queue, const jem__density *what,
                                  const jem__tensor *logits, const int32_t *y, double *log_px,
                                  double *log_pxy, const jem__tensor *grad_logits)
{
    (void)queue;
    for (int64_t i = 0; i < logits->n; i++) {
        const double *f = jem__reference_image(logits, i);
        const double f_y =
            log_pxy != NULL ? f[y[i]] : 0; /* grad_logits may be the logits' memory */
        const double value =
            density_of(what, f, logits->c, y != NULL ? y[i] : -1,
                       grad_logits != NULL ? jem__reference_image(grad_logits, i) : NULL);

        if (log_px != NULL)
            log_px[i] = value;
        if (log_pxy != NULL)
            log_pxy[i] = f_y;
    }
    return JEM_OK;
}

/* p[k] <- p[k] (t[k] - sum_j p[j] t[j]) */
jem_status jem__reference_softmax_tangent(jem__queue *queue, const jem__tensor *t,
                                          const jem__tensor *p)
{
    (void)queue;
    for (int64_t i = 0; i < p->n; i++) {
        const double *change = jem__reference_image(t, i);
        double *prob = jem__reference_image(p, i), mean = 0;

        for (int64_t k = 0; k < p->c; k++)
            mean += prob[k] * change[k];
        for (int64_t k = 0; k < p->c; k++)
            prob[k] *= change[k] - mean;
    }
    return JEM_OK;
}

/* max(-limit, min(limit, value)); NaN stays NaN; limit 0 is off. */
static double clamp(double value, double limit)
{
    if (limit > 0 && value > limit)
        return limit;
    if (limit > 0 && value < -limit)
        return -limit;
    return value;
}

/* x <- clamp(x + step_size * clamp(g) + noise_std * N(0, I)) */
jem_status jem__reference_sgld_step(jem__queue *queue, const jem__sgld_step *what,
                                    const jem__tensor *g, const jem__tensor *x)
{
    const int64_t count = x->c * x->h * x->w;
    const double step_size = (double)what->step_size;

    (void)queue;
    for (int64_t i = 0; i < x->n; i++) {
        const jem__rng rng = {what->key, JEM__RNG_SGLD, what->step,
                              what->first_chain + (uint64_t)i};
        const double *gradient = jem__reference_image(g, i);
        double *to = jem__reference_image(x, i);
        float noise[4];

        for (int64_t e = 0; e < count; e++) {
            double value = to[e] + step_size * clamp(gradient[e], (double)what->clamp_grad);

            value +=
                gradient[e] - gradient[e]; /* 0, or NaN where the clamp hides an infinity */

            if (e % 4 == 0)
                jem__rng_normal(&rng, (uint32_t)e, 4, noise);
            value += (double)what->noise_std * (double)noise[e % 4];
            to[e] = clamp(value, (double)what->clamp_x);
        }
    }
    return JEM_OK;
}

jem_status jem__reference_fill(jem__queue *queue, const jem__tensor *x, float value)
{
    double *to = jem__reference_image(x, 0);

    (void)queue;
    for (int64_t e = 0; e < jem__reference_count(x); e++)
        to[e] = (double)value;
    return JEM_OK;
}

jem_status jem__reference_copy(jem__queue *queue, const jem__tensor *src,
                               const jem__tensor *dst)
{
    const double *from = jem__reference_image(src, 0);
    double *to = jem__reference_image(dst, 0);

    (void)queue;
    for (int64_t e = 0; e < jem__reference_count(src); e++)
        to[e] = from[e];
    return JEM_OK;
}

jem_status jem__reference_add(jem__queue *queue, const jem__tensor *src, const jem__tensor *x)
{
    const double *from = jem__reference_image(src, 0);
    double *to = jem__reference_image(x, 0);

    (void)queue;
    for (int64_t e = 0; e < jem__reference_count(x); e++)
        to[e] += from[e];
    return JEM_OK;
}

/* x <- x + t (to - x) */
jem_status jem__reference_lerp(jem__queue *queue, double t, const jem__tensor *to,
                               const jem__tensor *x)
{
    const double *goal = jem__reference_image(to, 0);
    double *at = jem__reference_image(x, 0);

    (void)queue;
    for (int64_t e = 0; e < jem__reference_count(x); e++)
        at[e] += t * (goal[e] - at[e]);
    return JEM_OK;
}

/* y = t a x + b */
jem_status jem__reference_multiply_add(jem__queue *queue, double t, const jem__tensor *a,
                                       const jem__tensor *x, const jem__tensor *b,
                                       const jem__tensor *y)
{
    const double *factor = a != NULL ? jem__reference_image(a, 0) : NULL;
    const double *term = b != NULL ? jem__reference_image(b, 0) : NULL;
    const double *from = jem__reference_image(x, 0);
    double *to = jem__reference_image(y, 0);

    (void)queue;
    for (int64_t e = 0; e < jem__reference_count(y); e++)
        to[e] =
            t * (factor != NULL ? factor[e] : 1.0) * from[e] + (term != NULL ? term[e] : 0.0);
    return JEM_OK;
}

/* out = sum x^2 */
jem_status jem__reference_sum_squares(jem__queue *queue, const jem__tensor *x, double *out)
{
    const double *from = jem__reference_image(x, 0);
    double sum = 0;

    (void)queue;
    for (int64_t e = 0; e < jem__reference_count(x); e++)
        sum += from[e] * from[e];
    *out = sum;
    return JEM_OK;
}
