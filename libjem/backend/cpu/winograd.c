/* SPDX-License-Identifier: MIT */

/* Winograd's minimal filtering F(4x4, 3x3): a 3 x 3 convolution with 36 multiplications for 16
 * output pixels instead of 144 (Lavin and Gray, "Fast algorithms for convolutional neural
 * networks", 2015).
 *
 *     y = A' [ (G g G') * (B' d B) ] A         for each tile: d 6 x 6 input pixels,
 *                                              g 3 x 3 weights, y 4 x 4 output pixels
 *
 * The products * are elementwise over the 36 positions and sum over channels, so for each
 * position they are a matrix product: (tiles x c) by (c x k). Work runs in three phases over a
 * group of tiles whose transformed numbers stay in the outer cache:
 *
 *   1. transform the tiles of the input into 36 matrices V (tiles x c), LeakyReLU on the way;
 *   2. multiply each with its matrix of weights U (c x k), made once per weight update;
 *   3. transform the results M back, and write them with bias, residual and signs.
 *
 * In phase 2 a thread stays with one position, so that a position's weights, the largest
 * operand of wide layers, are read once per group and shared by all its tiles. What a tile gives
 * does not depend on its group. The input gradient is the same convolution with weights turned by
 * 180 degrees and c and k exchanged. */

#include "backend/cpu/winograd.h"

#include <string.h>

#include "core/threads.h"

#define POSITIONS   36
#define TILE_OUT    4                  /* output pixels of a tile, per side */
#define TILE_IN     6                  /* input pixels of a tile, per side */
#define GROUP_BYTES ((int64_t)6 << 20) /* of V and M: well inside the outer cache */
#define TASK_TILES  14                 /* tiles of a task in phases 1 and 3 */
#define PLANE_PAD   16 /* floats: planes a power of two apart would share cache sets */

int32_t jem__winograd_fits(const jem__device *dev, const jem__conv *conv)
{
    return dev->kernels->winograd_input != NULL && conv->kh == 3 && conv->kw == 3 &&
           conv->stride == 1 && conv->pad == 1 && conv->c % 16 == 0 && conv->k % 16 == 0;
}

/* ------------------------------------------------------------------ weights */

typedef struct weight_job {
    const float *w;     /* k x 3 x 3 x c as stored */
    int64_t rows, cols; /* of U: input and output channels of this direction */
    int32_t backward;
    int64_t stored_c, panel;
    float *u; /* positions x panels x rows x panel */
} weight_job;

/* G g for three numbers:  G = | 1/4 0 0 | -1/6 -1/6 -1/6 | -1/6 1/6 -1/6 |
 *                             | 1/24 1/12 1/6 | 1/24 -1/12 1/6 | 0 0 1 |  */
static inline void transform_weights(float a, float b, float c, float out[6])
{
    const float sixth = 1.0F / 6.0F, even = (a * 0.25F + c) * sixth, odd = b * (0.5F * sixth);

    out[0] = 0.25F * a;
    out[1] = -sixth * (a + b + c);
    out[2] = -sixth * (a - b + c);
    out[3] = even + odd;
    out[4] = even - odd;
    out[5] = c;
}

/* U of one (input, output) channel pair. */
static void weights_of(const weight_job *job, int64_t row, int64_t col, float u[POSITIONS])
{
    const int64_t k = job->backward ? row : col, c = job->backward ? col : row;
    const float *w = job->w + k * 9 * job->stored_c + c;
    float half[3][6], column[6];

    for (int i = 0; i < 3; i++) {
        float g[3];
        for (int j = 0; j < 3; j++)
            g[j] = w[(job->backward ? (2 - i) * 3 + 2 - j : i * 3 + j) * job->stored_c];
        transform_weights(g[0], g[1], g[2], half[i]);
    }
    for (int x = 0; x < 6; x++) {
        transform_weights(half[0][x], half[1][x], half[2][x], column);
        for (int y = 0; y < 6; y++)
            u[y * 6 + x] = column[y];
    }
}

/* One row of one panel, all positions. */
static void weight_task(void *arg, int64_t task, int32_t worker)
{
    const weight_job *job = arg;
    const int64_t panels = jem__ceil_div(job->cols, job->panel);
    const int64_t p = task / job->rows, row = task % job->rows;
    const int64_t position = panels * job->rows * job->panel;
    float *out = job->u + (p * job->rows + row) * job->panel;

    (void)worker;
    for (int64_t j = 0; j < job->panel; j++) {
        const int64_t col = p * job->panel + j;
        float u[POSITIONS] = {0};
        if (col < job->cols)
            weights_of(job, row, col, u);
        for (int64_t i = 0; i < POSITIONS; i++)
            out[i * position + j] = u[i];
    }
}

static void pack(jem_context *ctx, void *arg, float *out)
{
    weight_job *job = arg;

    job->u = out;
    jem__parallel_for(ctx, jem__ceil_div(job->cols, job->panel) * job->rows, weight_task, job);
}

/* ------------------------------------------------------------------ the three phases */

typedef struct tile_job {
    const jem__winograd *what;
    const jem__kernels *kernels;
    int32_t leaky;
    int64_t h, w, c, k; /* c in, k out of this direction */
    int64_t tiles_h, tiles_w;
    int64_t first, count; /* tiles of this group */
    const float *u, *zeros;
    float *v, *m;
    int64_t v_plane, m_plane, u_plane, panels_per_task, tasks_per_position;
    jem__scratch scratch;
} tile_job;

typedef struct place {
    int64_t image, y, x; /* of the tile's first output pixel */
} place;

static place place_of(const tile_job *job, int64_t tile)
{
    const int64_t per_image = job->tiles_h * job->tiles_w, t = tile % per_image;

    return (place){tile / per_image, t / job->tiles_w * TILE_OUT, t % job->tiles_w * TILE_OUT};
}

static void input_task(void *arg, int64_t task, int32_t worker)
{
    const tile_job *job = arg;
    const int64_t end = jem__min(job->count, (task + 1) * TASK_TILES);

    (void)worker;
    for (int64_t t = task * TASK_TILES; t < end; t++) {
        const place at = place_of(job, job->first + t);
        const float *image = job->what->x + at.image * job->h * job->w * job->c;
        const float *pixels[POSITIONS];
        for (int64_t i = 0; i < POSITIONS; i++) {
            const int64_t y = at.y - 1 + i / TILE_IN, x = at.x - 1 + i % TILE_IN;
            const int32_t inside = y >= 0 && y < job->h && x >= 0 && x < job->w;
            pixels[i] = inside ? image + (y * job->w + x) * job->c : job->zeros;
        }
        job->kernels->winograd_input(pixels, job->c, job->leaky, job->v + t * job->c,
                                     job->v_plane);
    }
}

static void product_task(void *arg, int64_t task, int32_t worker)
{
    const tile_job *job = arg;
    const int64_t position = task / job->tasks_per_position;
    const int64_t panel = task % job->tasks_per_position * job->panels_per_task;
    const int64_t col = panel * job->kernels->cols;
    const jem__gemm gemm = {
        .m = job->count,
        .n = jem__min(job->k - col, job->panels_per_task * job->kernels->cols),
        .k = job->c,
        .a = job->v + position * job->v_plane,
        .a_row = job->c,
        .a_step = 1,
        .b = job->u + position * job->u_plane + panel * job->c * job->kernels->cols,
        .b_panel = job->c * job->kernels->cols,
        .b_step = job->kernels->cols,
        .c = job->m + position * job->m_plane + col,
        .c_row = job->k,
        .accumulate = 0};

    (void)worker;
    job->kernels->gemm(&gemm);
}

static void output_task(void *arg, int64_t task, int32_t worker)
{
    const tile_job *job = arg;
    const jem__winograd *what = job->what;
    const int64_t end = jem__min(job->count, (task + 1) * TASK_TILES), k = job->k;
    float *tile = job->scratch.workers + worker * job->scratch.per_worker;

    for (int64_t t = task * TASK_TILES; t < end; t++) {
        const place at = place_of(job, job->first + t);
        job->kernels->winograd_output(job->m + t * k, job->m_plane, k, tile);
        for (int64_t i = 0; i < (int64_t)TILE_OUT * TILE_OUT; i++) {
            const int64_t y = at.y + i / TILE_OUT, x = at.x + i % TILE_OUT;
            if (y >= job->h || x >= job->w)
                continue;
            const int64_t pixel = (at.image * job->h + y) * job->w + x;
            const float *add = what->add != NULL ? what->add + pixel * k : NULL;
            uint8_t *bits = what->signs != NULL ? what->signs + pixel * jem__sign_row(k) : NULL;
            if (what->backward)
                job->kernels->finish_backward(tile + i * k, bits, add, what->y + pixel * k, k);
            else
                job->kernels->finish_forward(tile + i * k, what->bias, add, what->y + pixel * k,
                                             bits, k);
        }
    }
}

/* Tiles of a group: what fits into GROUP_BYTES, a multiple of the rows of a register tile, and
 * groups of about equal size. */
static int64_t group_size(int64_t tiles, int64_t c, int64_t k)
{
    const int64_t fit = GROUP_BYTES / (POSITIONS * (c + k) * (int64_t)sizeof(float));
    const int64_t most = jem__max(TASK_TILES, fit / TASK_TILES * TASK_TILES);
    const int64_t groups = jem__ceil_div(tiles, most);

    return jem__ceil_div(jem__ceil_div(tiles, groups), TASK_TILES) * TASK_TILES;
}

static jem_status prepare(jem__device *dev, const jem__conv *conv, const jem__tensor *w,
                          tile_job *job)
{
    const int64_t cols = dev->kernels->cols, panels = jem__ceil_div(job->k, cols);
    const int64_t count = POSITIONS * panels * job->c * cols;
    weight_job weights = {.w = jem__floats(w),
                          .rows = job->c,
                          .cols = job->k,
                          .backward = job->what->backward,
                          .stored_c = conv->c,
                          .panel = cols};

    job->u_plane = panels * job->c * cols;
    job->panels_per_task = jem__ceil_div(panels, jem__min(panels, 4));
    job->tasks_per_position = jem__ceil_div(panels, job->panels_per_task);
    return jem__filters_get(dev->ctx, w, job->what->backward ? 1 : 0, count, pack, &weights,
                            &job->u);
}

jem_status jem__winograd_run(jem__device *dev, const jem__conv *conv, const jem__tensor *w,
                             const jem__winograd *what)
{
    tile_job job = {.what = what,
                    .kernels = dev->kernels,
                    .leaky = what->backward ? 0 : conv->leaky_input,
                    .h = conv->h,
                    .w = conv->w,
                    .c = what->backward ? conv->k : conv->c,
                    .k = what->backward ? conv->c : conv->k,
                    .tiles_h = jem__ceil_div(conv->h, TILE_OUT),
                    .tiles_w = jem__ceil_div(conv->w, TILE_OUT)};
    const int64_t tiles = what->images * job.tiles_h * job.tiles_w;

    if (tiles == 0)
        return JEM_OK;
    JEM__TRY(prepare(dev, conv, w, &job));
    const int64_t group = group_size(tiles, job.c, job.k);
    job.v_plane = group * job.c + PLANE_PAD;
    job.m_plane = group * job.k + PLANE_PAD;
    JEM__TRY(jem__cpu_scratch(dev, job.c + POSITIONS * (job.v_plane + job.m_plane),
                              (int64_t)TILE_OUT * TILE_OUT * job.k, &job.scratch));
    job.zeros = job.scratch.shared;
    memset(job.scratch.shared, 0, (size_t)job.c * sizeof *job.scratch.shared);
    job.v = job.scratch.shared + job.c;
    job.m = job.v + POSITIONS * job.v_plane;
    for (job.first = 0; job.first < tiles; job.first += group) {
        job.count = jem__min(group, tiles - job.first);
        const int64_t tasks = jem__ceil_div(job.count, TASK_TILES);
        jem__parallel_for(dev->ctx, tasks, input_task, &job);
        jem__parallel_for(dev->ctx, POSITIONS * job.tasks_per_position, product_task, &job);
        jem__parallel_for(dev->ctx, tasks, output_task, &job);
    }
    return JEM_OK;
}
