/* SPDX-License-Identifier: MIT */

/* The gradient in the weights, in the domain of Winograd's products.
 *
 * Forward, number p of a tile is M[p] = V[in p] U[p], so with Z = A gy A' the gradient in M,
 *
 *     dU[p] = sum over tiles of Z[out p]' V[in p]         (k x c, one matrix product per p)
 *     gw += G' dU G
 *
 * which takes as few multiplications as the other passes. For a group of tiles, as in
 * winograd.c: transform x and gy; then, for one block of filters after another, whose
 * dU stays in the outer cache, multiply and transform back. Groups follow from the shape, so
 * sums do not depend on threads.
 *
 * Where both points of a number are 1, Z is the plain sum of the tile's gy: the bias's
 * gradient. */

#include "backend/cpu/winograd/winograd.h"

#include <string.h>

#include "core/threads/threads.h"

#define GROUP_BYTES ((int64_t)6 << 20) /* V and Z of a group, */
#define BLOCK_BYTES ((int64_t)4 << 20) /* dU of a block of filters */
#define GROUP_LEAST 64                 /* but not fewer tiles: each group transforms dU back, */
#define GROUP_MOST  256 /* nor more: a panel's column of V and Z stays in the caches */
#define TASK_TILES  8
#define PLANE_PAD   32 /* floats: apart in the cache sets, and a whole panel may be read */

typedef struct weight_job {
    const jem__winograd_tiles *x_tiles, *gy_tiles;
    const jem__kernels *kernels;
    jem__winograd_source x, gy;
    int64_t c, k;
    int64_t c_row, k_row; /* the same as they lie in V, Z and dU */
    int64_t count, group; /* tiles in all, of a group */
    int64_t rows;         /* of this group */
    int64_t block;        /* filters of a block */
    int64_t k0, filters;  /* of this block */
    int64_t panels_per_task, tasks_per_product;
    float *du; /* products x block x c */
    float *gw, *gb;
} weight_job;

static void transform_task(void *arg, int64_t task, int32_t worker)
{
    const weight_job *job = arg;
    const int64_t from = task * TASK_TILES, to = jem__min(job->rows, from + TASK_TILES);

    (void)worker;
    jem__winograd_transform_tiles(job->x_tiles, &job->x, from, to);
    jem__winograd_transform_tiles(job->gy_tiles, &job->gy, from, to);
}

static void sum_bias(const weight_job *job, const float *z)
{
    for (int64_t i = 0; i < job->rows; i++)
        for (int64_t j = 0; j < job->k; j++)
            job->gb[j] += z[i * job->k_row + j];
}

static void multiply_task(void *arg, int64_t task, int32_t worker)
{
    const weight_job *job = arg;
    const jem__winograd_tiles *t = job->x_tiles;
    const int64_t p = task / job->tasks_per_product, part = task % job->tasks_per_product;
    const int64_t width = job->panels_per_task * job->kernels->cols, col = part * width;
    const float *z = job->gy.v + t->out[p] * job->gy.plane;
    const jem__gemm gemm = {.m = job->filters,
                            .n = jem__min(width, job->c_row - col),
                            .k = job->rows,
                            .a = z + job->k0,
                            .a_row = 1,
                            .a_step = job->k_row,
                            .b = job->x.v + t->in[p] * job->x.plane + col,
                            .b_panel = job->kernels->cols,
                            .b_step = job->c_row,
                            .c = job->du + p * job->block * job->c_row + col,
                            .c_row = job->c_row,
                            .accumulate = 0};

    (void)worker;
    job->kernels->gemm(&gemm);
    if (job->gb != NULL && p == t->first[t->ones] && part == 0 && job->k0 == 0)
        sum_bias(job, z);
}

/* gw of one filter of the block. */
static void taps_task(void *arg, int64_t task, int32_t worker)
{
    const weight_job *job = arg;
    const jem__winograd_tiles *t = job->x_tiles;
    const float *in[WINOGRAD_MOST], *add[9];
    float *out[9];
    const jem__winograd_pixels pixels = {.in = in, .add = add, .out = out};

    (void)worker;
    for (int64_t p = 0; p < t->products; p++)
        in[t->filter[p]] = job->du + (p * job->block + task) * job->c_row;
    for (int64_t i = 0; i < 9; i++)
        add[i] = out[i] = job->gw + ((job->k0 + task) * 9 + i) * job->c;
    job->kernels->winograd[t->kind].taps(&pixels, job->c);
}

/* Memory, and the sizes of groups and blocks. */
static jem_status prepare(jem__queue *queue, weight_job *job)
{
    const jem__winograd_tiles *t = job->x_tiles;
    const int64_t narrow = job->gy_tiles->sources, rows = job->kernels->rows;
    const int64_t per_tile =
        (t->sources * job->c_row + narrow * job->k_row) * (int64_t)sizeof(float);
    const int64_t per_filter = t->products * job->c_row * (int64_t)sizeof(float);
    const int64_t most = jem__min(jem__max(GROUP_BYTES / per_tile, GROUP_LEAST), GROUP_MOST);
    const int64_t groups = jem__ceil_div(job->count, most);
    const int64_t zeros = jem__max(job->c_row, job->k_row);
    jem__scratch scratch;

    job->group = jem__round_up(jem__ceil_div(job->count, groups), TASK_TILES);
    job->block = jem__min(job->k, jem__max(BLOCK_BYTES / per_filter / rows, 1) * rows);
    job->x.plane = job->group * job->c_row + PLANE_PAD;
    job->gy.plane = job->group * job->k_row + PLANE_PAD;
    JEM__TRY(jem__cpu_scratch(queue,
                              zeros + t->sources * job->x.plane + narrow * job->gy.plane +
                                  t->products * job->block * job->c_row,
                              0, &scratch));
    memset(scratch.shared, 0, (size_t)zeros * sizeof(float));
    job->x.outside = job->gy.outside = scratch.shared;
    job->x.v = scratch.shared + zeros;
    job->gy.v = job->x.v + t->sources * job->x.plane;
    job->du = job->gy.v + narrow * job->gy.plane;
    return JEM_OK;
}

static void run(const jem__queue *queue, weight_job *job)
{
    const int64_t panels = jem__ceil_div(job->c_row, job->kernels->cols);

    job->panels_per_task = jem__ceil_div(panels, jem__min(panels, 4));
    job->tasks_per_product = jem__ceil_div(panels, job->panels_per_task);
    for (int64_t first = 0; first < job->count; first += job->group) {
        job->x.first = job->gy.first = first;
        job->rows = jem__min(job->group, job->count - first);
        jem__cpu_for(queue, jem__ceil_div(job->rows, TASK_TILES), transform_task, job);
        for (job->k0 = 0; job->k0 < job->k; job->k0 += job->block) {
            job->filters = jem__min(job->block, job->k - job->k0);
            jem__cpu_for(queue, job->x_tiles->products * job->tasks_per_product, multiply_task,
                         job);
            jem__cpu_for(queue, job->filters, taps_task, job);
        }
    }
}

jem_status jem__winograd_weight(jem__queue *queue, const jem__conv *conv, const jem__tensor *x,
                                const jem__tensor *gy, const jem__tensor *gw,
                                const jem__tensor *gb)
{
    jem__winograd_tiles x_tiles, gy_tiles;
    weight_job job = {.x_tiles = &x_tiles,
                      .gy_tiles = &gy_tiles,
                      .kernels = queue->kernels,
                      .x = {.images = jem__floats(x), .c = conv->c, .slope = conv->slope},
                      .gy = {.images = jem__floats(gy), .c = conv->k, .slope = 1.0F},
                      .c = conv->c,
                      .k = conv->k,
                      .c_row = jem__winograd_row(conv->c),
                      .k_row = jem__winograd_row(conv->k),
                      .gw = jem__floats(gw),
                      .gb = gb != NULL ? jem__floats(gb) : NULL};

    jem__winograd_tiles_init(&x_tiles, conv, 0);
    jem__winograd_tiles_gradient(&gy_tiles, &x_tiles);
    job.x.transform = queue->kernels->winograd[x_tiles.kind].input;
    job.gy.transform = queue->kernels->winograd[x_tiles.kind].gradient;
    job.count = x->n * x_tiles.tiles_h * x_tiles.tiles_w;
    if (job.count == 0)
        return JEM_OK;
    JEM__TRY(prepare(queue, &job));
    run(queue, &job);
    return JEM_OK;
}
