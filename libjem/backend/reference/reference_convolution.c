/* SPDX-License-Identifier: MIT */
/* Convolution of the reference backend and its two gradients, each as the sum of its
 * definition. With input pixel (iy, ix) under tap (ky, kx) of output pixel (oy, ox),
 *
 *     iy = oy * stride + ky - pad,        ix = ox * stride + kx - pad,
 *
 * pixels outside the image count as 0. */

#include "backend/reference/reference.h"

static int32_t inside(int64_t at, int64_t size)
{
    return at >= 0 && at < size;
}

/* sum over c, ky, kx of a(x[c, iy, ix]) * w[c, ky, kx], where a is the activation and w
 * belongs to one output channel. */
static double window_sum(const jem__conv *conv, const double *x, const double *w, int64_t oy,
                         int64_t ox)
{
    double sum = 0;

    for (int64_t c = 0; c < conv->c; c++) {
        for (int64_t ky = 0; ky < conv->kh; ky++) {
            const int64_t iy = oy * conv->stride + ky - conv->pad;

            for (int64_t kx = 0; inside(iy, conv->h) && kx < conv->kw; kx++) {
                const int64_t ix = ox * conv->stride + kx - conv->pad;
                double value;

                if (!inside(ix, conv->w))
                    continue;
                value = x[(c * conv->h + iy) * conv->w + ix];
                if (jem__activates(conv->slope))
                    value = jem__reference_activation(value, conv->slope);
                sum += value * w[(c * conv->kh + ky) * conv->kw + kx];
            }
        }
    }
    return sum;
}

/* y[k, oy, ox] = window sum + b[k] + add[k, oy, ox] */
jem_status jem__reference_conv_forward(jem__queue *queue, const jem__conv *conv,
                                       const jem__tensor *x, const jem__tensor *w,
                                       const jem__tensor *b, const jem__tensor *add,
                                       const jem__tensor *y, const jem__signs *signs_y)
{
    const double *weights = jem__reference_image(w, 0);
    const int64_t taps = conv->c * conv->kh * conv->kw, pixels = conv->oh * conv->ow;

    (void)queue;
    for (int64_t i = 0; i < x->n; i++) {
        const double *from = jem__reference_image(x, i);
        double *to = jem__reference_image(y, i);

        for (int64_t e = 0; e < conv->k * pixels; e++) {
            const int64_t k = e / pixels, oy = e % pixels / conv->ow, ox = e % conv->ow;
            double value = window_sum(conv, from, weights + k * taps, oy, ox);

            if (b != NULL)
                value += jem__reference_image(b, 0)[k];
            if (add != NULL)
                value += jem__reference_image(add, i)[e];
            to[e] = value;
            if (signs_y != NULL && signs_y->mem != NULL)
                jem__reference_sign_put(
                    jem__reference_signs(signs_y, conv->k, conv->oh, conv->ow, i), e, value);
        }
    }
    return JEM_OK;
}

/* Which output row (or column) has its tap number `tap` over input row `at`? -1: none. */
static int64_t output_of(int64_t at, int64_t tap, const jem__conv *conv, int64_t outputs)
{
    const int64_t shifted = at + conv->pad - tap;

    if (shifted < 0 || shifted % conv->stride != 0 || shifted / conv->stride >= outputs)
        return -1;
    return shifted / conv->stride;
}

/* sum over k, ky, kx of gy[k, oy, ox] * w[k, c, ky, kx], for one pixel of gx */
static double transposed_sum(const jem__conv *conv, const double *gy, const double *w,
                             int64_t c, int64_t iy, int64_t ix)
{
    double sum = 0;

    for (int64_t k = 0; k < conv->k; k++) {
        for (int64_t ky = 0; ky < conv->kh; ky++) {
            const int64_t oy = output_of(iy, ky, conv, conv->oh);

            for (int64_t kx = 0; oy >= 0 && kx < conv->kw; kx++) {
                const int64_t ox = output_of(ix, kx, conv, conv->ow);

                if (ox >= 0)
                    sum += gy[(k * conv->oh + oy) * conv->ow + ox] *
                           w[((k * conv->c + c) * conv->kh + ky) * conv->kw + kx];
            }
        }
    }
    return sum;
}

/* gx[c, iy, ix] = a'(x) * transposed sum + add[c, iy, ix] */
jem_status jem__reference_conv_backward_x(jem__queue *queue, const jem__conv *conv,
                                          const jem__tensor *gy, const jem__tensor *w,
                                          const jem__signs *signs_x, const jem__tensor *add,
                                          const jem__tensor *gx)
{
    const double *weights = jem__reference_image(w, 0);
    const int64_t pixels = conv->h * conv->w;

    (void)queue;
    for (int64_t i = 0; i < gy->n; i++) {
        const double *from = jem__reference_image(gy, i);
        double *to = jem__reference_image(gx, i);

        for (int64_t e = 0; e < conv->c * pixels; e++) {
            const int64_t c = e / pixels, iy = e % pixels / conv->w, ix = e % conv->w;
            double value = transposed_sum(conv, from, weights, c, iy, ix);

            if (jem__activates(conv->slope))
                value *= jem__reference_derivative(
                    jem__reference_signs(signs_x, conv->c, conv->h, conv->w, i), e,
                    conv->slope);
            if (add != NULL)
                value += jem__reference_image(add, i)[e];
            to[e] = value;
        }
    }
    return JEM_OK;
}

/* sum over oy, ox of gy[k, oy, ox] * a(x[c, iy, ix]), for one tap of one image */
static double tap_sum(const jem__conv *conv, const double *x, const double *gy, int64_t ky,
                      int64_t kx)
{
    double sum = 0;

    for (int64_t oy = 0; oy < conv->oh; oy++) {
        const int64_t iy = oy * conv->stride + ky - conv->pad;

        for (int64_t ox = 0; inside(iy, conv->h) && ox < conv->ow; ox++) {
            const int64_t ix = ox * conv->stride + kx - conv->pad;
            double value;

            if (!inside(ix, conv->w))
                continue;
            value = x[iy * conv->w + ix];
            if (jem__activates(conv->slope))
                value = jem__reference_activation(value, conv->slope);
            sum += gy[oy * conv->ow + ox] * value;
        }
    }
    return sum;
}

/* gw[k, c, ky, kx] += sum over images of the tap sum; gb[k] += sum of gy[k] */
jem_status jem__reference_conv_backward_w(jem__queue *queue, const jem__conv *conv,
                                          const jem__tensor *x, const jem__tensor *gy,
                                          const jem__tensor *gw, const jem__tensor *gb)
{
    const int64_t area = conv->kh * conv->kw, taps = conv->c * area;
    const int64_t pixels = conv->oh * conv->ow;
    double *weights = jem__reference_image(gw, 0);

    (void)queue;
    for (int64_t i = 0; i < x->n; i++) {
        for (int64_t e = 0; e < conv->k * taps; e++) {
            const int64_t k = e / taps, c = e % taps / area;
            const int64_t ky = e % area / conv->kw, kx = e % conv->kw;

            weights[e] += tap_sum(conv, jem__reference_image(x, i) + c * conv->h * conv->w,
                                  jem__reference_image(gy, i) + k * pixels, ky, kx);
        }
        for (int64_t e = 0; gb != NULL && e < conv->k * pixels; e++)
            jem__reference_image(gb, 0)[e / pixels] += jem__reference_image(gy, i)[e];
    }
    return JEM_OK;
}
