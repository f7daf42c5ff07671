/* SPDX-License-Identifier: MIT */

/* Convolutions: the gradient in weights and bias.
 *
 *     gw[k, (tap, c)] += sum over pixels q of gy[q, k] * row q of the gathered input
 *
 * The work is cut two ways: into blocks of columns, which have results of their own, and,
 * where these are few, into groups of pixels, whose partial sums are added in order
 * afterwards. Both cuts follow from the shape alone, so the sum does not depend on the number
 * of threads. */

#include "backend/cpu/convolution/conv_direct.h"
#include "backend/cpu/convolution/gather.h"
#include "backend/cpu/winograd/winograd.h"
#include "core/threads/threads.h"

#include <string.h>

#define TASKS_WANTED 24 /* enough to keep a few threads evenly busy */
#define GROUPS_MAX   16

typedef struct weight_job {
    const jem__gather *gather;
    const jem__kernels *kernels;
    const float *x, *gy;
    int64_t rows, k, columns;
    int64_t blocks, groups, bands_per_group;
    jem__scratch scratch;
    float *partial; /* groups x (k x columns + k) */
    float *gw, *gb;
} weight_job;

static void sum_bias(float *restrict sum, const float *restrict gy, int64_t rows, int64_t k)
{
    for (int64_t r = 0; r < rows; r++)
        for (int64_t j = 0; j < k; j++)
            sum[j] += gy[r * k + j];
}

static void weight_task(void *arg, int64_t task, int32_t worker)
{
    const weight_job *job = arg;
    const int64_t group = task / job->blocks;
    const jem__gather_block block = jem__gather_block_at(job->gather, task % job->blocks);
    const int64_t column0 = block.first_tap * job->gather->c + block.c0;

    /* Rows of the gathered band are padded to whole panels, which the kernel may read. */
    const int64_t ld = jem__round_up(block.width, job->kernels->cols);
    float *partial = job->partial + group * (job->k * job->columns + job->k);
    float *columns = job->scratch.workers + worker * job->scratch.per_worker;
    const int64_t first = group * job->bands_per_group * GATHER_BAND;
    const int64_t end = jem__min(job->rows, first + job->bands_per_group * GATHER_BAND);

    for (int64_t q = first; q < end; q += GATHER_BAND) {
        const int64_t rows = jem__min(GATHER_BAND, end - q);
        jem__gather_rows(job->gather, &block, job->x, q, rows, columns, ld);
        const jem__gemm gemm = {.m = job->k,
                                .n = block.width,
                                .k = rows,
                                .a = job->gy + q * job->k,
                                .a_row = 1,
                                .a_step = job->k,
                                .b = columns,
                                .b_panel = job->kernels->cols,
                                .b_step = ld,
                                .c = partial + column0,
                                .c_row = job->columns,
                                .accumulate = 1};
        job->kernels->gemm(&gemm);
        if (task % job->blocks == 0 && job->gb != NULL)
            sum_bias(partial + job->k * job->columns, job->gy + q * job->k, rows, job->k);
    }
}

/* gw += the groups' sums, in order. */
static void reduce_task(void *arg, int64_t task, int32_t worker)
{
    const weight_job *job = arg;
    const int64_t size = job->k * job->columns, stride = size + job->k;
    const int64_t first = task * job->columns;

    (void)worker;
    for (int64_t group = 0; group < job->groups; group++) {
        const float *partial = job->partial + group * stride;
        for (int64_t i = first; i < first + job->columns; i++)
            job->gw[i] += partial[i];
        if (job->gb != NULL)
            job->gb[task] += partial[size + task];
    }
}

jem_status jem__cpu_conv_backward_w(jem__queue *queue, const jem__conv *conv,
                                    const jem__tensor *x, const jem__tensor *gy,
                                    const jem__tensor *gw, const jem__tensor *gb)
{
    jem__gather g;

    if (jem__winograd_fits(queue, conv))
        return jem__winograd_weight(queue, conv, x, gy, gw, gb);
    if (jem__direct_fits(queue, conv))
        return jem__direct_backward_w(queue, conv, x, gy, gw, gb);
    jem__gather_forward(&g, conv);
    weight_job job = {.gather = &g,
                      .kernels = queue->kernels,
                      .x = jem__floats(x),
                      .gy = jem__floats(gy),
                      .rows = x->n * g.grid_h * g.grid_w,
                      .k = conv->k,
                      .columns = jem__gather_columns(&g),
                      .blocks = jem__gather_blocks(&g),
                      .gw = jem__floats(gw),
                      .gb = gb != NULL ? jem__floats(gb) : NULL};
    if (job.rows == 0)
        return JEM_OK;

    const int64_t bands = jem__ceil_div(job.rows, GATHER_BAND);
    const int64_t wanted = jem__ceil_div(TASKS_WANTED, job.blocks);
    job.groups = jem__min(jem__min(wanted, GROUPS_MAX), bands);
    job.bands_per_group = jem__ceil_div(bands, job.groups);
    job.groups = jem__ceil_div(bands, job.bands_per_group);

    const int64_t partial = job.groups * (job.k * job.columns + job.k);
    const int64_t width = GATHER_BLOCK + queue->kernels->cols;
    JEM__TRY(jem__cpu_scratch(queue, partial, GATHER_BAND * width + queue->kernels->cols,
                              &job.scratch));
    job.partial = job.scratch.shared;
    memset(job.partial, 0, (size_t)partial * sizeof *job.partial);
    jem__cpu_for(queue, job.groups * job.blocks, weight_task, &job);
    jem__cpu_for(queue, job.k, reduce_task, &job);
    return JEM_OK;
}
