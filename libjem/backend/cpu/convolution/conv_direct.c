/* SPDX-License-Identifier: MIT */

/* Convolutions with few input channels: the first layer of every network, all three passes.
 *
 * Gathering (gather.h) would copy every pixel once per tap, more work than the 9 or 27
 * multiplications it prepares. Here rows of the input are laid out once, padded, so that a tap
 * is an offset; the kernels (direct_kernel.h) walk over them. A task is a band of rows of one
 * image. For the input gradient it is the gradient of the output that is laid out.
 *
 * Rows are walked in a fixed order within a task and partial sums of the weights are added in
 * the order of the tasks, both of which follow from the shape alone. */

#include "backend/cpu/convolution/conv_direct.h"

#include <string.h>

#include "core/threads/threads.h"

#define PACKED_FORM 0     /* of the weights; see form_of() in conv.c: here they have no other */
#define BAND_PIXELS 1024  /* output pixels of a task, about */
#define BAND_FLOATS 16384 /* of the gradient that an input gradient's task lays out, about */
#define GROUPS_MAX  16    /* partial sums of the weights */
#define ALIGN       16    /* floats of a cache line */

int32_t jem__direct_fits(const jem__queue *queue, const jem__conv *conv)
{
    const int32_t connected = conv->pad == 0 && conv->kh == conv->h && conv->kw == conv->w;

    return queue->kernels->direct != NULL && conv->c <= DIRECT_MOST && !connected;
}

typedef struct direct_job {
    const jem__conv *conv;
    const jem__direct_kernels *kernels;
    int64_t groups, taps; /* of output channels; kh x kw x c */
    int64_t bands, rows;  /* per image; rows of a band */
    const float *w;       /* packed, or as stored while packing */
    jem__scratch scratch;
    /* forward and weights */
    jem__direct_planes planes;
    const int64_t *offset;
    const float *x, *bias, *add;
    float *y;
    uint8_t *signs;
    /* weights */
    int64_t units, units_per_task, partial_size;
    float *partial, *gw, *gb;
    /* gradient */
    const float *gy;
    int64_t left, columns; /* of a padded row of gy: columns in front of the first one */
    const uint8_t *bits;
    float *gx;
} direct_job;

static direct_job job_of(const jem__queue *queue, const jem__conv *conv)
{
    const jem__direct_kernels *kernels = queue->kernels->direct;

    return (direct_job){.conv = conv,
                        .kernels = kernels,
                        .groups = jem__ceil_div(conv->k, kernels->width),
                        .taps = conv->kh * conv->kw * conv->c};
}

/* Bands of about `rows` rows each out of `total`, all of nearly the same height. */
static void cut(direct_job *job, int64_t total, int64_t rows)
{
    job->bands = jem__ceil_div(total, jem__max(1, jem__min(rows, total)));
    job->rows = jem__ceil_div(total, job->bands);
    job->bands = jem__ceil_div(total, job->rows);
}

static void pack(const jem__queue *queue, void *arg, float *out)
{
    const direct_job *job = arg;
    const int64_t width = job->kernels->width, k = job->conv->k, taps = job->taps;

    (void)queue;
    for (int64_t i = 0; i < job->groups * width; i++)
        for (int64_t t = 0; t < taps; t++)
            out[(i / width * taps + t) * width + i % width] =
                i < k ? job->w[i * taps + t] : 0.0F;
}

static jem_status packed_weights(jem__queue *queue, const jem__tensor *w, direct_job *job)
{
    const int64_t count = job->groups * job->taps * job->kernels->width;

    job->w = jem__floats(w);
    return jem__packed_get(queue, w, PACKED_FORM, count, pack, job, &job->w);
}

/* ------------------------------------------------------------------ forward and weights */

static int64_t planes_row(const direct_job *job)
{
    return job->planes.c * job->planes.stride * job->planes.columns;
}

/* Where taps read, and scratch for `shared` floats more and the planes of a band. */
static jem_status prepare_planes(jem__queue *queue, direct_job *job, int64_t shared)
{
    const jem__conv *conv = job->conv;
    const int64_t s = conv->stride;
    const int64_t table = jem__round_up(2 * job->taps, ALIGN);

    cut(job, conv->oh, BAND_PIXELS / conv->ow);
    job->planes = (jem__direct_planes){.w = conv->w,
                                       .c = conv->c,
                                       .stride = s,
                                       .pad = conv->pad,
                                       .columns = conv->ow + (conv->kw - 1) / s,
                                       .slope = conv->slope};
    JEM__TRY(jem__cpu_scratch(queue, table + shared,
                              ((job->rows - 1) * s + conv->kh) * planes_row(job),
                              &job->scratch));
    job->partial = job->scratch.shared + table;
    int64_t *offset = (int64_t *)(void *)job->scratch.shared;
    job->offset = offset;
    for (int64_t ky = 0; ky < conv->kh; ky++)
        for (int64_t kx = 0; kx < conv->kw; kx++)
            for (int64_t c = 0; c < conv->c; c++)
                *offset++ =
                    ky * planes_row(job) + (c * s + kx % s) * job->planes.columns + kx / s;
    return JEM_OK;
}

/* Lay out what output rows first .. first + rows - 1 of an image read. */
static void lay_planes(const direct_job *job, int64_t image, int64_t first, int64_t rows,
                       float *out)
{
    const jem__conv *conv = job->conv;
    const float *x = job->x + image * conv->h * conv->w * conv->c;
    const int64_t size = planes_row(job), y0 = first * conv->stride - conv->pad;
    const int64_t count = (rows - 1) * conv->stride + conv->kh;

    for (int64_t y = y0; y < y0 + count; y++, out += size) {
        if (y >= 0 && y < conv->h)
            job->kernels->planes(&job->planes, x + y * conv->w * conv->c, out);
        else
            memset(out, 0, (size_t)size * sizeof *out);
    }
}

static void forward_band(void *arg, int64_t task, int32_t worker)
{
    const direct_job *job = arg;
    const jem__conv *conv = job->conv;
    const int64_t image = task / job->bands, first = task % job->bands * job->rows;
    const int64_t rows = jem__min(job->rows, conv->oh - first);
    float *planes = job->scratch.workers + worker * job->scratch.per_worker;

    lay_planes(job, image, first, rows, planes);
    for (int64_t r = 0; r < rows; r++) {
        const int64_t pixel = (image * conv->oh + first + r) * conv->ow;
        const jem__direct_row row = {
            .pixels = conv->ow,
            .k = conv->k,
            .taps = job->taps,
            .x = planes + r * conv->stride * planes_row(job),
            .offset = job->offset,
            .w = job->w,
            .bias = job->bias,
            .add = job->add != NULL ? job->add + pixel * conv->k : NULL,
            .out = job->y + pixel * conv->k,
            .bits = job->signs != NULL ? job->signs + pixel * jem__sign_row(conv->k) : NULL};
        job->kernels->forward(&row);
    }
}

jem_status jem__direct_forward(jem__queue *queue, const jem__conv *conv, const jem__tensor *x,
                               const jem__tensor *w, const jem__tensor *b,
                               const jem__tensor *add, const jem__tensor *y,
                               const jem__signs *signs_y)
{
    direct_job job = job_of(queue, conv);

    job.x = jem__floats(x);
    job.bias = b != NULL ? jem__floats(b) : NULL;
    job.add = add != NULL ? jem__floats(add) : NULL;
    job.y = jem__floats(y);
    job.signs = signs_y != NULL && signs_y->mem != NULL ? jem__bits(signs_y) : NULL;
    JEM__TRY(packed_weights(queue, w, &job));
    JEM__TRY(prepare_planes(queue, &job, 0));
    jem__cpu_for(queue, x->n * job.bands, forward_band, &job);
    return JEM_OK;
}

/* Some bands into one partial sum. */
static void weights_task(void *arg, int64_t task, int32_t worker)
{
    const direct_job *job = arg;
    const jem__conv *conv = job->conv;
    const int64_t end = jem__min(job->units, (task + 1) * job->units_per_task);
    float *planes = job->scratch.workers + worker * job->scratch.per_worker;
    float *partial = job->partial + task * job->partial_size;

    memset(partial, 0, (size_t)job->partial_size * sizeof *partial);
    for (int64_t unit = task * job->units_per_task; unit < end; unit++) {
        const int64_t image = unit / job->bands, first = unit % job->bands * job->rows;
        const int64_t rows = jem__min(job->rows, conv->oh - first);
        lay_planes(job, image, first, rows, planes);
        for (int64_t r = 0; r < rows; r++) {
            const int64_t pixel = (image * conv->oh + first + r) * conv->ow;
            const jem__direct_row row = {.pixels = conv->ow,
                                         .k = conv->k,
                                         .taps = job->taps,
                                         .x = planes + r * conv->stride * planes_row(job),
                                         .offset = job->offset,
                                         .gy = job->gy + pixel * conv->k,
                                         .sums = partial};
            job->kernels->weights(&row);
        }
    }
}

/* gw and gb += the partial sums of `tasks` tasks, in order. */
static void add_partial(const direct_job *job, int64_t tasks)
{
    const int64_t width = job->kernels->width, taps = job->taps;
    float *sum = job->partial;

    for (int64_t task = 1; task < tasks; task++) {
        const float *more = job->partial + task * job->partial_size;
        for (int64_t i = 0; i < job->partial_size; i++)
            sum[i] += more[i];
    }
    for (int64_t k = 0; k < job->conv->k; k++) {
        const float *in = sum + k / width * (taps + 1) * width + k % width;
        for (int64_t t = 0; t < taps; t++)
            job->gw[k * taps + t] += in[t * width];
        if (job->gb != NULL)
            job->gb[k] += in[taps * width];
    }
}

jem_status jem__direct_backward_w(jem__queue *queue, const jem__conv *conv,
                                  const jem__tensor *x, const jem__tensor *gy,
                                  const jem__tensor *gw, const jem__tensor *gb)
{
    direct_job job = job_of(queue, conv);
    const int64_t size = job.groups * (job.taps + 1) * job.kernels->width;

    if (x->n == 0)
        return JEM_OK;
    job.x = jem__floats(x);
    job.gy = jem__floats(gy);
    job.gw = jem__floats(gw);
    job.gb = gb != NULL ? jem__floats(gb) : NULL;
    job.partial_size = jem__round_up(size, ALIGN);
    JEM__TRY(prepare_planes(queue, &job, GROUPS_MAX * job.partial_size));
    job.units = x->n * job.bands;
    job.units_per_task = jem__ceil_div(job.units, GROUPS_MAX);
    const int64_t tasks = jem__ceil_div(job.units, job.units_per_task);
    jem__cpu_for(queue, tasks, weights_task, &job);
    add_partial(&job, tasks);
    return JEM_OK;
}

/* ------------------------------------------------------------------ input gradient */

/* Rows first .. first + count - 1 of an image's gy, padded with zeros where there are none. */
static void lay_gradient(const direct_job *job, int64_t image, int64_t first, int64_t count,
                         float *out)
{
    const jem__conv *conv = job->conv;
    const int64_t width = job->kernels->width, plane = job->columns * width;
    const int64_t left = jem__max(0, job->left), skipped = jem__max(0, -job->left);
    const int64_t inside = jem__max(0, jem__min(conv->ow - skipped, job->columns - left));
    const float *gy = job->gy + image * conv->oh * conv->ow * conv->k;

    for (int64_t y = first; y < first + count; y++, out += job->groups * plane) {
        if (y < 0 || y >= conv->oh || inside == 0) {
            memset(out, 0, (size_t)(job->groups * plane) * sizeof *out);
            continue;
        }
        for (int64_t g = 0; g < job->groups; g++) {
            memset(out + g * plane, 0, (size_t)(left * width) * sizeof *out);
            memset(out + g * plane + (left + inside) * width, 0,
                   (size_t)((job->columns - left - inside) * width) * sizeof *out);
        }
        job->kernels->groups(gy + (y * conv->ow + skipped) * conv->k, inside, conv->k,
                             out + left * width, plane);
    }
    memset(out, 0, (size_t)(width * width) * sizeof *out);
}

/* Input row y of an image. Row y and tap ky meet in output row (y + pad - ky) / stride where
 * that divides: for ky = (y + pad) mod stride + t * stride that is output row
 * floor((y + pad) / stride) - t. Columns likewise, so every stride-th pixel has the same taps.
 * The first row that all of them reach is (y + pad - kh + 1) / stride, rounded up; C rounds
 * towards zero, which inside of the image is at most one row too many. */
static void gradient_row(const direct_job *job, int64_t image, int64_t y, const float *rows,
                         int64_t first)
{
    const jem__conv *conv = job->conv;
    const int64_t s = conv->stride, c = conv->c, width = job->kernels->width;
    const int64_t ky = (y + conv->pad) % s, row_size = job->groups * job->columns * width;
    const float *row = rows + ((y + conv->pad) / s - first) * row_size;

    for (int64_t x = 0; x < jem__min(s, conv->w); x++) {
        const int64_t kx = (x + conv->pad) % s, pixel = (image * conv->h + y) * conv->w + x;
        const jem__direct_line line = {
            .pixels = jem__ceil_div(conv->w - x, s),
            .c = c,
            .stride = s,
            .groups = job->groups,
            .taps_h = ky < conv->kh ? jem__ceil_div(conv->kh - ky, s) : 0,
            .taps_w = kx < conv->kw ? jem__ceil_div(conv->kw - kx, s) : 0,
            .gy = row + ((x + conv->pad) / s + job->left) * width,
            .gy_group = job->columns * width,
            .gy_row = row_size,
            .w = job->w + (ky * conv->kw + kx) * c * width,
            .w_group = job->taps * width,
            .w_row = s * conv->kw * c * width,
            .w_step = s * c * width,
            .add = job->add != NULL ? job->add + pixel * c : NULL,
            .out = job->gx + pixel * c,
            .bits = job->bits != NULL ? job->bits + pixel * jem__sign_row(c) : NULL,
            .slope = conv->slope};
        job->kernels->gradient(&line);
    }
}

static void gradient_band(void *arg, int64_t task, int32_t worker)
{
    const direct_job *job = arg;
    const jem__conv *conv = job->conv;
    const int64_t image = task / job->bands, y0 = task % job->bands * job->rows;
    const int64_t y1 = jem__min(conv->h, y0 + job->rows);
    const int64_t first = (y0 + conv->pad - conv->kh + 1) / conv->stride;
    const int64_t last = (y1 - 1 + conv->pad) / conv->stride;
    float *rows = job->scratch.workers + worker * job->scratch.per_worker;

    lay_gradient(job, image, first, last - first + 1, rows);
    for (int64_t y = y0; y < y1; y++)
        gradient_row(job, image, y, rows, first);
}

jem_status jem__direct_backward_x(jem__queue *queue, const jem__conv *conv,
                                  const jem__tensor *gy, const jem__tensor *w,
                                  const jem__signs *signs_x, const jem__tensor *add,
                                  const jem__tensor *gx)
{
    direct_job job = job_of(queue, conv);
    const int64_t s = conv->stride, width = job.kernels->width;

    job.gy = jem__floats(gy);
    job.add = add != NULL ? jem__floats(add) : NULL;
    job.bits = jem__activates(conv->slope) ? jem__bits(signs_x) : NULL;
    job.gx = jem__floats(gx);
    job.left = (conv->kw - 1 - conv->pad) / s;
    job.columns = (conv->w - 1 + conv->pad) / s + job.left + 1;
    const int64_t row = job.groups * job.columns * width;
    cut(&job, conv->h, BAND_FLOATS * s / row);
    /* A band of rows reads one output row per `stride`, and those of the first taps. */
    const int64_t rows = (job.rows + conv->kh - 2) / s + 2;
    JEM__TRY(packed_weights(queue, w, &job));
    JEM__TRY(jem__cpu_scratch(queue, 0, rows * row + width * width, &job.scratch));
    jem__cpu_for(queue, gx->n * job.bands, gradient_band, &job);
    return JEM_OK;
}
