/* SPDX-License-Identifier: MIT */

/* Winograd's minimal filtering F(4x4, 3x3): a 3 x 3 convolution with 36 multiplications for 16
 * output pixels instead of 144 (Lavin and Gray, "Fast algorithms for convolutional neural
 * networks", 2015).
 *
 *     y = A' [ (G g G') * (B' d B) ] A         for each tile: d 6 x 6 input pixels,
 *                                              g 3 x 3 weights, y 4 x 4 output pixels
 *
 * The products * are elementwise over the 36 positions and sum over channels, so for each
 * position they are a matrix product: (tiles x c) by (c x k). A convolution of stride 2 splits
 * into its even and odd pixels, and is done with 81 multiplications instead of 144, or, in
 * tiles of 2 x 2, 25 instead of 36 (winograd_kernel.h). The input gradient is the same thing
 * with weights turned by 180 degrees and the two sides exchanged. In every case:
 *
 *   1. the tiles of the source are transformed into matrices V (tiles x c), activated on the way;
 *   2. each is multiplied with its weights U (c x k), made once per weight update, into M;
 *   3. M is transformed back into pixels and written with bias, residual and signs.
 *
 * Two schedules, which give the same bits, since a number of M is always one sum over c:
 *
 *   by blocks    A task does all three for a block of tiles whose V stays in the second-level
 *                cache, a slice of result channels at a time, so that M stays there too; the
 *                weights stream by once per block. For layers whose weights fit the outer cache.
 *   by phases    All threads transform a large group of tiles, multiply, transform back. In
 *                the middle a thread stays with one product, so that weights are read once
 *                per group. For wide layers, whose weights come from memory, and for few tiles. */

#include "backend/cpu/winograd/winograd.h"

#include <string.h>

#include "core/threads/threads.h"

#define FEWEST_CHANNELS 16                   /* fewer do not pay for the transforms */
#define BLOCK_BYTES     ((int64_t)700 << 10) /* V and a slice of M: most of a second-level cache */
#define GROUP_BYTES     ((int64_t)12 << 20) /* V and M of a group: well inside an outer cache */
#define SLICE_PANELS    2                   /* of M in a block */
#define BLOCK_TILES     56                  /* more gain nothing */
#define BLOCKS_LEAST    8                   /* for a few threads to share evenly */
#define TASK_TILES      8                   /* of phases 1 and 3 */
#define PLANE_PAD       16 /* floats: planes a power of two apart would share cache sets */

int32_t jem__winograd_fits(const jem__queue *queue, const jem__conv *conv)
{
    return queue->kernels->winograd != NULL && conv->kh == 3 && conv->kw == 3 &&
           conv->pad == 1 && (conv->stride == 1 || conv->stride == 2) &&
           conv->c >= FEWEST_CHANNELS && conv->k >= FEWEST_CHANNELS && conv->c % 8 == 0 &&
           conv->k % 8 == 0;
}

typedef struct winograd_job {
    const jem__winograd *what;
    const jem__winograd_tiles *tiles;
    const jem__kernels *kernels;
    const jem__winograd_kernels *transforms;
    float slope;          /* forward: of the source; backward: of what the signs belong to */
    int64_t c, k;         /* channels of source and result */
    int64_t c_row, k_row; /* the same as they lie in V and M */
    int64_t count;        /* tiles in all */
    int64_t block;        /* tiles of a block or group */
    int64_t slice;        /* result channels at a time */
    int64_t panels;       /* of U */
    int64_t first;        /* phases: the group's first tile */
    int64_t tasks_per_result, panels_per_task;
    const float *u, *outside;
    jem__scratch scratch;
} winograd_job;

/* V and M of a block or group: matrix i of V begins at v + i * v_plane and has a row per
 * tile. */
typedef struct matrices {
    int64_t first, count; /* tiles */
    float *v, *m;
    int64_t v_plane, m_plane, m_row;
} matrices;

static matrices matrices_at(const winograd_job *job, float *at, int64_t first, int64_t m_row)
{
    matrices x = {.first = first,
                  .count = jem__min(job->block, job->count - first),
                  .v = at,
                  .v_plane = job->block * job->c_row + PLANE_PAD,
                  .m_plane = job->block * m_row + PLANE_PAD,
                  .m_row = m_row};

    x.m = at + job->tiles->sources * x.v_plane;
    return x;
}

static int64_t matrices_floats(const winograd_job *job, int64_t m_row)
{
    return job->tiles->sources * (job->block * job->c_row + PLANE_PAD) +
           job->tiles->results * (job->block * m_row + PLANE_PAD);
}

/* Phase 1 for tiles from .. to - 1 of the matrices. */
static void transform(const winograd_job *job, const matrices *x, int64_t from, int64_t to)
{
    const int32_t backward = job->tiles->backward;
    const jem__winograd_source source = {.transform = backward ? job->transforms->input_back
                                                               : job->transforms->input,
                                         .images = job->what->x,
                                         .c = job->c,
                                         .slope = backward ? 1.0F : job->slope,
                                         .outside = job->outside,
                                         .first = x->first,
                                         .v = x->v,
                                         .plane = x->v_plane};

    jem__winograd_transform_tiles(job->tiles, &source, from, to);
}

/* Phase 2: result o, panels from .. to - 1, into M whose first column is channel col0. */
static void multiply(const winograd_job *job, const matrices *x, int64_t o, int64_t from,
                     int64_t to, int64_t col0)
{
    const jem__winograd_tiles *t = job->tiles;
    const int64_t cols = job->kernels->cols;

    for (int64_t p = t->first[o]; p < t->first[o + 1]; p++) {
        const float *b = job->u + (from * t->products + p) * job->c * cols;
        const jem__gemm gemm = {.m = x->count,
                                .n = jem__min(job->k_row, to * cols) - from * cols,
                                .k = job->c,
                                .a = x->v + t->in[p] * x->v_plane,
                                .a_row = job->c_row,
                                .a_step = 1,
                                .b = b,
                                .b_panel = t->products * job->c * cols,
                                .b_step = cols,
                                .c = x->m + o * x->m_plane + from * cols - col0,
                                .c_row = x->m_row,
                                .accumulate = p > t->first[o],
                                .next = p + 1 < t->products ? b + job->c * cols : NULL};
        job->kernels->gemm(&gemm);
    }
}

/* Where phase 3 reads and writes: addresses of the current tile. */
typedef struct target {
    const float *in[WINOGRAD_MOST], *add[WINOGRAD_MOST];
    float *out[WINOGRAD_MOST];
    uint8_t *bits[WINOGRAD_MOST];
} target;

/* The pixels of tile `tile` from channel col0 on; `sink` takes n channels of those beyond the
 * border, and after them their bits. */
static void target_of(const winograd_job *job, int64_t tile, int64_t col0, int64_t n,
                      float *sink, target *to)
{
    const jem__winograd *what = job->what;
    const int64_t pixels = job->tiles->dst_side * job->tiles->dst_side;
    const int64_t row = jem__sign_row(job->k);
    int64_t pixel[WINOGRAD_MOST];

    jem__winograd_target(job->tiles, tile, pixel);
    for (int64_t j = 0; j < pixels; j++)
        to->out[j] = pixel[j] >= 0 ? what->y + pixel[j] * job->k + col0 : sink;
    if (what->add != NULL)
        for (int64_t j = 0; j < pixels; j++)
            to->add[j] = pixel[j] >= 0 ? what->add + pixel[j] * job->k + col0 : sink;
    if (what->signs != NULL)
        for (int64_t j = 0; j < pixels; j++)
            to->bits[j] =
                pixel[j] >= 0 ? what->signs + pixel[j] * row + col0 / 8 : (uint8_t *)(sink + n);
}

/* Phase 3 for tiles from .. to - 1 and the n channels from col0 on, which is where M begins. */
static void inverse_transform(const winograd_job *job, const matrices *x, int64_t from,
                              int64_t to, int64_t col0, int64_t n, float *sink)
{
    const jem__winograd *what = job->what;
    const jem__winograd_inverse inverse =
        job->tiles->backward ? job->transforms->output_back : job->transforms->output;
    target tile;
    jem__winograd_pixels p = {.in = tile.in,
                              .bias = what->bias != NULL ? what->bias + col0 : NULL,
                              .add = what->add != NULL ? tile.add : NULL,
                              .out = tile.out,
                              .bits = what->signs != NULL ? tile.bits : NULL,
                              .slope = job->slope};

    for (int64_t j = 0; j < job->tiles->results; j++)
        tile.in[j] = x->m + j * x->m_plane;
    for (int64_t i = from; i < to; i++) {
        target_of(job, x->first + i, col0, n, sink, &tile);
        p.at = i * x->m_row;
        inverse(&p, n);
    }
}

/* ------------------------------------------------------------------ by blocks */

static void block_task(void *arg, int64_t task, int32_t worker)
{
    const winograd_job *job = arg;
    float *sink = job->scratch.workers + worker * job->scratch.per_worker;
    const matrices x = matrices_at(job, sink + 2 * job->slice, task * job->block, job->slice);
    const int64_t cols = job->kernels->cols;

    transform(job, &x, 0, x.count);
    for (int64_t col = 0; col < job->k; col += job->slice) {
        const int64_t n = jem__min(job->slice, job->k - col);
        for (int64_t o = 0; o < job->tiles->results; o++)
            multiply(job, &x, o, col / cols, jem__ceil_div(col + n, cols), col);
        inverse_transform(job, &x, 0, x.count, col, n, sink);
    }
}

/* Tiles of a block, or 0: the layer is too wide, or the tiles are too few. */
static int64_t block_size(const winograd_job *job)
{
    const int64_t rows = job->kernels->rows;
    const int64_t per_tile =
        job->tiles->sources * job->c_row + job->tiles->results * job->slice;
    const int64_t fit = BLOCK_BYTES / (int64_t)sizeof(float) / per_tile;
    const int64_t fair = jem__ceil_div(job->count, BLOCKS_LEAST);
    const int64_t most = jem__min(jem__min(fit, BLOCK_TILES), fair);

    return most / rows * rows;
}

static jem_status by_blocks(jem__queue *queue, winograd_job *job)
{
    JEM__TRY(jem__cpu_scratch(
        queue, job->c_row, 2 * job->slice + matrices_floats(job, job->slice), &job->scratch));
    memset(job->scratch.shared, 0, (size_t)job->c_row * sizeof(float));
    job->outside = job->scratch.shared;
    jem__cpu_for(queue, jem__ceil_div(job->count, job->block), block_task, job);
    return JEM_OK;
}

/* ------------------------------------------------------------------ by phases */

static matrices group(const winograd_job *job)
{
    return matrices_at(job, job->scratch.shared + job->c_row, job->first, job->k_row);
}

static void transform_task(void *arg, int64_t task, int32_t worker)
{
    const winograd_job *job = arg;
    const matrices x = group(job);

    (void)worker;
    transform(job, &x, task * TASK_TILES, jem__min(x.count, (task + 1) * TASK_TILES));
}

static void multiply_task(void *arg, int64_t task, int32_t worker)
{
    const winograd_job *job = arg;
    const matrices x = group(job);
    const int64_t from = task % job->tasks_per_result * job->panels_per_task;

    (void)worker;
    multiply(job, &x, task / job->tasks_per_result, from,
             jem__min(job->panels, from + job->panels_per_task), 0);
}

static void inverse_task(void *arg, int64_t task, int32_t worker)
{
    const winograd_job *job = arg;
    const matrices x = group(job);

    inverse_transform(job, &x, task * TASK_TILES, jem__min(x.count, (task + 1) * TASK_TILES), 0,
                      job->k, job->scratch.workers + worker * job->scratch.per_worker);
}

/* What fits into GROUP_BYTES, but no less than a few register tiles, since every group reads
 * all weights; groups of about equal size. */
static int64_t group_size(const winograd_job *job)
{
    const int64_t rows = job->kernels->rows;
    const int64_t per_tile =
        job->tiles->sources * job->c_row + job->tiles->results * job->k_row;
    const int64_t fit = GROUP_BYTES / (int64_t)sizeof(float) / per_tile;
    const int64_t most = jem__max(8 * rows, fit / rows * rows);
    const int64_t groups = jem__ceil_div(job->count, most);

    return jem__round_up(jem__ceil_div(job->count, groups), rows);
}

static jem_status by_phases(jem__queue *queue, winograd_job *job)
{
    job->block = group_size(job);
    job->panels_per_task = jem__ceil_div(job->panels, jem__min(job->panels, 4));
    job->tasks_per_result = jem__ceil_div(job->panels, job->panels_per_task);
    JEM__TRY(jem__cpu_scratch(queue, job->c_row + matrices_floats(job, job->k_row),
                              2 * job->k_row, &job->scratch));
    memset(job->scratch.shared, 0, (size_t)job->c_row * sizeof(float));
    job->outside = job->scratch.shared;
    for (job->first = 0; job->first < job->count; job->first += job->block) {
        const int64_t count = jem__min(job->block, job->count - job->first);
        const int64_t tasks = jem__ceil_div(count, TASK_TILES);
        jem__cpu_for(queue, tasks, transform_task, job);
        jem__cpu_for(queue, job->tiles->results * job->tasks_per_result, multiply_task, job);
        jem__cpu_for(queue, tasks, inverse_task, job);
    }
    return JEM_OK;
}

jem_status jem__winograd_run(jem__queue *queue, const jem__conv *conv, const jem__tensor *w,
                             const jem__winograd *what)
{
    jem__winograd_tiles tiles;
    winograd_job job = {.what = what,
                        .tiles = &tiles,
                        .kernels = queue->kernels,
                        .slope = conv->slope,
                        .c = what->backward ? conv->k : conv->c,
                        .k = what->backward ? conv->c : conv->k};

    jem__winograd_tiles_init(&tiles, conv, what->backward);
    job.transforms = &queue->kernels->winograd[tiles.kind];
    job.count = what->images * tiles.tiles_h * tiles.tiles_w;
    job.c_row = jem__winograd_row(job.c);
    job.k_row = jem__winograd_row(job.k);
    job.panels = jem__ceil_div(job.k, queue->kernels->cols);
    if (job.count == 0)
        return JEM_OK;
    JEM__TRY(jem__winograd_filter(queue, conv, &tiles, w, &job.u));
    job.slice = jem__min(job.k_row, SLICE_PANELS * queue->kernels->cols);
    job.block = block_size(&job);
    return job.block > 0 ? by_blocks(queue, &job) : by_phases(queue, &job);
}
