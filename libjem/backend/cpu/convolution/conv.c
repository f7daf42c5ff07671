/* SPDX-License-Identifier: MIT */

/* Convolutions: forward, and the gradient in the input. Here it is decided how a layer is
 * computed: 3 x 3 layers of stride 1 and 2 by winograd.c, layers with few input channels by
 * conv_direct.c (where the kernels have no vectors, their input gradient by conv_narrow.c), all
 * others in this file.
 *
 * Both directions gather a band of rows (gather.h) and multiply it with packed weights, one
 * block of columns at a time, into a band of results that stays in the cache. The epilogue
 * then walks over that band once: bias, residual and sign bits, or the activation's derivative
 * and the gradient that comes from elsewhere. Bands are the tasks of the thread pool; their
 * number depends on the shape alone.
 *
 * A fully connected layer (kernel = image) is the 1 x 1 convolution of a 1 x 1 image with
 * c * h * w channels: with channels last the numbers already lie in that order. */

#include "backend/cpu/convolution/conv_direct.h"
#include "backend/cpu/convolution/conv_narrow.h"
#include "backend/cpu/convolution/gather.h"
#include "backend/cpu/winograd/winograd.h"
#include "core/threads/threads.h"

/* Packed weights: blocks one after another, each in panels of `cols` output columns, each
 * panel as width x cols. Columns past the last one are zero. */
typedef struct pack_job {
    const jem__gather *gather;
    const float *w; /* k, kh, kw, c */
    int64_t kh, kw, wc;
    int32_t transposed; /* 0: rows (tap, c), columns k; 1: rows (tap, k), columns c */
    int64_t cols, n, panels;
    float *out;
} pack_job;

static void pack_panel(void *arg, int64_t task, int32_t worker)
{
    const pack_job *job = arg;
    const jem__gather *g = job->gather;
    const jem__gather_block block = jem__gather_block_at(g, task / job->panels);
    const int64_t j0 = task % job->panels * job->cols;
    const int64_t n = jem__min(job->cols, job->n - j0);

    /* The blocks before this one have row0 rows in all, whatever the width of each. */
    const int64_t row0 = block.first_tap * g->c + block.c0;
    float *out = job->out + row0 * job->panels * job->cols + j0 * block.width;
    const int64_t tap_size = job->wc, k_size = job->kh * job->kw * job->wc;

    (void)worker;
    for (int64_t t = 0; t < block.taps; t++) {
        const int64_t tap = block.first_tap + t;
        const int64_t ky = g->ky + tap / g->taps_w * g->kstep;
        const int64_t kx = g->kx + tap % g->taps_w * g->kstep;
        const float *w = job->w + (ky * job->kw + kx) * tap_size;
        for (int64_t r = block.c0; r < block.c0 + block.channels; r++, out += job->cols) {
            int64_t j = 0;
            if (job->transposed)
                for (; j < n; j++)
                    out[j] = w[r * k_size + j0 + j];
            else
                for (; j < n; j++)
                    out[j] = w[(j0 + j) * k_size + r];
            for (; j < job->cols; j++)
                out[j] = 0.0F;
        }
    }
}

typedef struct conv_job {
    const jem__gather *gather;
    const jem__kernels *kernels;
    const float *src, *packed;
    int64_t rows, n; /* rows over all images, output columns */
    int64_t n_padded;
    jem__scratch scratch;
    /* epilogue */
    const float *bias, *add;
    float *out;
    uint8_t *signs; /* forward: written, or NULL; backward: read, or NULL */
    float slope;    /* backward */
    int32_t backward;
    int64_t out_h, out_w, py, px, spread; /* grid pixel q lies at (py + spread qy, ...) */
} conv_job;

/* Write grid pixel q, whose sums are `in`. */
static void epilogue_pixel(const conv_job *job, const float *in, int64_t q)
{
    const jem__gather *g = job->gather;
    int64_t pixel = q;

    if (job->backward) {
        const int64_t grid = g->grid_h * g->grid_w;
        const int64_t y = job->py + job->spread * (q % grid / g->grid_w);
        const int64_t x = job->px + job->spread * (q % g->grid_w);
        pixel = (q / grid * job->out_h + y) * job->out_w + x;
    }
    const int64_t at = pixel * job->n;
    const float *add = job->add != NULL ? job->add + at : NULL;
    uint8_t *bits = job->signs != NULL ? job->signs + pixel * jem__sign_row(job->n) : NULL;

    if (job->backward)
        job->kernels->epilogue_backward(in, bits, job->slope, add, job->out + at, job->n);
    else
        job->kernels->epilogue_forward(in, job->bias, add, job->out + at, bits, job->n);
}

static void conv_band(void *arg, int64_t task, int32_t worker)
{
    const conv_job *job = arg;
    const jem__gather *g = job->gather;
    const int64_t q0 = task * GATHER_BAND, rows = jem__min(GATHER_BAND, job->rows - q0);
    const int64_t blocks = jem__gather_blocks(g);
    float *columns = job->scratch.workers + worker * job->scratch.per_worker;
    float *result = columns + GATHER_BAND * GATHER_BLOCK;

    for (int64_t i = 0; i < blocks; i++) {
        const jem__gather_block block = jem__gather_block_at(g, i);
        const int64_t row0 = block.first_tap * g->c + block.c0;
        jem__gather_rows(g, &block, job->src, q0, rows, columns, block.width);
        const jem__gemm gemm = {.m = rows,
                                .n = job->n,
                                .k = block.width,
                                .a = columns,
                                .a_row = block.width,
                                .a_step = 1,
                                .b = job->packed + row0 * job->n_padded,
                                .b_panel = block.width * job->kernels->cols,
                                .b_step = job->kernels->cols,
                                .c = result,
                                .c_row = job->n,
                                .accumulate = i > 0};
        job->kernels->gemm(&gemm);
    }
    if (blocks == 0)
        for (int64_t i = 0; i < rows * job->n; i++)
            result[i] = 0.0F;

    for (int64_t r = 0; r < rows; r++)
        epilogue_pixel(job, result + r * job->n, q0 + r);
}

static void pack(const jem__queue *queue, void *arg, float *out)
{
    pack_job *job = arg;

    job->out = out;
    jem__cpu_for(queue, jem__gather_blocks(job->gather) * job->panels, pack_panel, job);
}

/* The number of a packed form of a tensor: 0 and 1 are Winograd's, 2 is that of the forward
 * pass, and from 3 on each parity of the input gradient has its own. */
static int32_t form_of(const conv_job *job)
{
    return (int32_t)(job->backward ? 3 + job->py * job->spread + job->px : 2);
}

/* Pack the weights and run the bands of one gather. */
static jem_status run(jem__queue *queue, const jem__gather *g, const jem__conv *conv,
                      const jem__tensor *w, int64_t images, conv_job *job)
{
    const int64_t cols = queue->kernels->cols;
    const int64_t panels = jem__ceil_div(job->n, cols);
    const int64_t packed = jem__gather_columns(g) * panels * cols;
    const int64_t band = GATHER_BAND * (GATHER_BLOCK + job->n);
    pack_job weights = {.gather = g,
                        .w = jem__floats(w),
                        .kh = conv->kh,
                        .kw = conv->kw,
                        .wc = conv->c,
                        .transposed = job->backward,
                        .cols = cols,
                        .n = job->n,
                        .panels = panels};

    job->rows = images * g->grid_h * g->grid_w;
    if (job->rows == 0)
        return JEM_OK;
    JEM__TRY(jem__packed_get(queue, w, form_of(job), packed, pack, &weights, &job->packed));
    JEM__TRY(jem__cpu_scratch(queue, 0, band, &job->scratch));
    job->gather = g;
    job->kernels = queue->kernels;
    job->n_padded = panels * cols;
    jem__cpu_for(queue, jem__ceil_div(job->rows, GATHER_BAND), conv_band, job);
    return JEM_OK;
}

/* See the top: a fully connected layer as a 1 x 1 convolution. */
static jem__conv simplified(const jem__conv *conv)
{
    jem__conv c = *conv;

    if (c.pad == 0 && c.kh == c.h && c.kw == c.w) {
        c.c *= c.h * c.w;
        c.h = c.w = c.kh = c.kw = c.oh = c.ow = c.stride = 1;
    }
    return c;
}

jem_status jem__cpu_conv_forward(jem__queue *queue, const jem__conv *conv, const jem__tensor *x,
                                 const jem__tensor *w, const jem__tensor *b,
                                 const jem__tensor *add, const jem__tensor *y,
                                 const jem__signs *signs_y)
{
    if (jem__direct_fits(queue, conv))
        return jem__direct_forward(queue, conv, x, w, b, add, y, signs_y);
    if (jem__winograd_fits(queue, conv)) {
        const jem__winograd what = {
            .images = x->n,
            .x = jem__floats(x),
            .bias = b != NULL ? jem__floats(b) : NULL,
            .add = add != NULL ? jem__floats(add) : NULL,
            .y = jem__floats(y),
            .signs = signs_y != NULL && signs_y->mem != NULL ? jem__bits(signs_y) : NULL};
        return jem__winograd_run(queue, conv, w, &what);
    }

    const jem__conv shape = simplified(conv);
    jem__gather g;
    conv_job job = {.src = jem__floats(x),
                    .n = shape.k,
                    .bias = b != NULL ? jem__floats(b) : NULL,
                    .add = add != NULL ? jem__floats(add) : NULL,
                    .out = jem__floats(y),
                    .signs =
                        signs_y != NULL && signs_y->mem != NULL ? jem__bits(signs_y) : NULL};

    jem__gather_forward(&g, &shape);
    return run(queue, &g, &shape, w, x->n, &job);
}

jem_status jem__cpu_conv_backward_x(jem__queue *queue, const jem__conv *conv,
                                    const jem__tensor *gy, const jem__tensor *w,
                                    const jem__signs *signs_x, const jem__tensor *add,
                                    const jem__tensor *gx)
{
    if (jem__winograd_fits(queue, conv)) {
        const jem__winograd what = {.backward = 1,
                                    .images = gx->n,
                                    .x = jem__floats(gy),
                                    .add = add != NULL ? jem__floats(add) : NULL,
                                    .y = jem__floats(gx),
                                    .signs = jem__activates(conv->slope) ? jem__bits(signs_x)
                                                                         : NULL};
        return jem__winograd_run(queue, conv, w, &what);
    }

    if (jem__direct_fits(queue, conv))
        return jem__direct_backward_x(queue, conv, gy, w, signs_x, add, gx);
    if (jem__narrow_fits(conv))
        return jem__narrow_backward_x(queue, conv, gy, w, signs_x, add, gx);

    /* Sign rows are padded per pixel: one long row only where nothing is padded. */
    const int32_t padded = jem__activates(conv->slope) && conv->c % 8 != 0;
    const jem__conv shape = padded ? *conv : simplified(conv);

    for (int64_t py = 0; py < shape.stride; py++)
        for (int64_t px = 0; px < shape.stride; px++) {
            jem__gather g;
            conv_job job = {.src = jem__floats(gy),
                            .n = shape.c,
                            .add = add != NULL ? jem__floats(add) : NULL,
                            .out = jem__floats(gx),
                            .signs = jem__activates(conv->slope) ? jem__bits(signs_x) : NULL,
                            .slope = conv->slope,
                            .backward = 1,
                            .out_h = shape.h,
                            .out_w = shape.w,
                            .py = py,
                            .px = px,
                            .spread = shape.stride};
            jem__gather_backward(&g, &shape, py, px);
            JEM__TRY(run(queue, &g, &shape, w, gx->n, &job));
        }
    return JEM_OK;
}
