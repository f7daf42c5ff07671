/* SPDX-License-Identifier: MIT */

/* The input gradient of a layer with few input channels, where the kernels have no vectors and
 * conv_direct.c does not apply.
 *
 * Gathering (gather.h) would lead to a matrix product with c columns, 1 or 3, where the kernels
 * work on a whole panel of them. Turned round, all taps are columns:
 *
 *     t[q, (tap, c)] = sum over k of gy[q, k] * w[k, (tap, c)]         one product per image
 *     gx[pixel that tap reads from q, c] += t[q, (tap, c)]             added in a fixed order
 *
 * with 9 or 27 useful columns. A task is an image. */

#include "backend/cpu/convolution/conv_narrow.h"

#include <string.h>

#include "core/threads/threads.h"

#define MOST_CHANNELS 4
#define PACKED_FORM   1 /* see form_of() in conv.c: Winograd does not apply here */

int32_t jem__narrow_fits(const jem__conv *conv)
{
    return conv->c <= MOST_CHANNELS && conv->k > 1 && conv->kh * conv->kw > 1 && conv->oh > 1;
}

typedef struct narrow_job {
    const jem__conv *conv;
    const jem__kernels *kernels;
    int64_t columns, padded; /* taps x c; rounded up to whole panels */
    const float *gy, *w, *packed, *add;
    const uint8_t *bits;
    float *gx;
    jem__scratch scratch;
} narrow_job;

/* k x columns as stored, in panels. */
static void pack(const jem__queue *queue, void *arg, float *out)
{
    const narrow_job *job = arg;
    const int64_t cols = job->kernels->cols, k = job->conv->k;

    (void)queue;
    memset(out, 0, (size_t)(k * job->padded) * sizeof *out);
    for (int64_t i = 0; i < k; i++)
        for (int64_t j = 0; j < job->columns; j++)
            out[j / cols * k * cols + i * cols + j % cols] = job->w[i * job->columns + j];
}

/* Add the products of output pixel (oy, ox) where its taps read. */
static void scatter(const jem__conv *conv, const float *t, int64_t oy, int64_t ox, float *gx)
{
    const int64_t y0 = oy * conv->stride - conv->pad, x0 = ox * conv->stride - conv->pad;
    const int64_t from = jem__max(0, -x0), to = jem__min(conv->kw, conv->w - x0);

    for (int64_t ky = 0; ky < conv->kh; ky++) {
        const int64_t y = y0 + ky;
        if (y < 0 || y >= conv->h)
            continue;
        float *out = gx + (y * conv->w + x0) * conv->c;
        const float *in = t + ky * conv->kw * conv->c;
        for (int64_t j = from * conv->c; j < to * conv->c; j++)
            out[j] += in[j];
    }
}

static void narrow_image(void *arg, int64_t image, int32_t worker)
{
    const narrow_job *job = arg;
    const jem__conv *conv = job->conv;
    const int64_t rows = conv->oh * conv->ow, pixels = conv->h * conv->w;
    float *t = job->scratch.workers + worker * job->scratch.per_worker;
    float *sum = t + rows * job->columns;
    const jem__gemm gemm = {.m = rows,
                            .n = job->columns,
                            .k = conv->k,
                            .a = job->gy + image * rows * conv->k,
                            .a_row = conv->k,
                            .a_step = 1,
                            .b = job->packed,
                            .b_panel = conv->k * job->kernels->cols,
                            .b_step = job->kernels->cols,
                            .c = t,
                            .c_row = job->columns,
                            .accumulate = 0};

    job->kernels->gemm(&gemm);
    memset(sum, 0, (size_t)(pixels * conv->c) * sizeof *sum);
    for (int64_t q = 0; q < rows; q++)
        scatter(conv, t + q * job->columns, q / conv->ow, q % conv->ow, sum);
    for (int64_t p = 0; p < pixels; p++) {
        const int64_t at = image * pixels + p;
        job->kernels->epilogue_backward(
            sum + p * conv->c,
            job->bits != NULL ? job->bits + at * jem__sign_row(conv->c) : NULL, conv->slope,
            job->add != NULL ? job->add + at * conv->c : NULL, job->gx + at * conv->c, conv->c);
    }
}

jem_status jem__narrow_backward_x(jem__queue *queue, const jem__conv *conv,
                                  const jem__tensor *gy, const jem__tensor *w,
                                  const jem__signs *signs_x, const jem__tensor *add,
                                  const jem__tensor *gx)
{
    const int64_t columns = conv->kh * conv->kw * conv->c;
    narrow_job job = {.conv = conv,
                      .kernels = queue->kernels,
                      .columns = columns,
                      .padded = jem__round_up(columns, queue->kernels->cols),
                      .gy = jem__floats(gy),
                      .w = jem__floats(w),
                      .add = add != NULL ? jem__floats(add) : NULL,
                      .bits = jem__activates(conv->slope) ? jem__bits(signs_x) : NULL,
                      .gx = jem__floats(gx)};

    JEM__TRY(
        jem__packed_get(queue, w, PACKED_FORM, conv->k * job.padded, pack, &job, &job.packed));
    JEM__TRY(jem__cpu_scratch(
        queue, 0, conv->oh * conv->ow * columns + conv->h * conv->w * conv->c, &job.scratch));
    jem__cpu_for(queue, gx->n, narrow_image, &job);
    return JEM_OK;
}
