/* SPDX-License-Identifier: MIT */

/* The weights of a layer in the domain of Winograd's products, U = G g G'.
 *
 * A task makes all products of one panel (`cols` channels of the result) and a block of ROWS
 * channels of the source. The transform runs over vectors of input channels, which lie side by
 * side in memory. Backward these are the panel's columns, and what comes out is in place; forward
 * they are its rows, and a block is transposed on the way out. */

#include "backend/cpu/winograd.h"
#include "core/threads.h"

#include <string.h>

#define TAPS 9
#define ROWS 16

typedef struct filter_job {
    const jem__winograd_tiles *tiles;
    const jem__kernels *kernels;
    const float *w;     /* k x 3 x 3 x c as stored */
    int64_t c;          /* as stored */
    int64_t rows, cols; /* channels of source and result */
    int64_t blocks;     /* of rows */
    float *u;
    jem__scratch scratch; /* per worker: products x (cols x ROWS) */
} filter_job;

/* The nine taps of filter k from input channel c on; turned by 180 degrees for the way back. */
static void taps_of(const filter_job *job, int64_t k, int64_t c, const float *taps[TAPS])
{
    for (int64_t i = 0; i < TAPS; i++) {
        const int64_t tap = job->tiles->backward ? TAPS - 1 - i : i;
        taps[i] = job->w + (k * TAPS + tap) * job->c + c;
    }
}

/* Rows row .. row + n - 1 (filters) of panel p. */
static void filter_back(const filter_job *job, int64_t p, int64_t row, int64_t n)
{
    const jem__winograd_tiles *t = job->tiles;
    const int64_t panel = job->kernels->cols, col = p * panel;
    const int64_t width = jem__min(panel, job->cols - col);
    float *u = job->u + p * t->products * job->rows * panel;

    for (int64_t r = row; r < row + n; r++) {
        const float *taps[TAPS];
        float *out[WINOGRAD_MOST];
        taps_of(job, r, col, taps);
        for (int64_t i = 0; i < t->products; i++) {
            out[t->filter[i]] = u + (i * job->rows + r) * panel;
            memset(out[t->filter[i]] + width, 0, (size_t)(panel - width) * sizeof(float));
        }
        job->kernels->winograd[t->stride - 1].filter(taps, 0, out, 0, width);
    }
}

/* Rows row .. row + n - 1 (input channels) of panel p, by way of `block`: products x cols x n. */
static void filter_forward(const filter_job *job, int64_t p, int64_t row, int64_t n,
                           float *block)
{
    const jem__winograd_tiles *t = job->tiles;
    const int64_t panel = job->kernels->cols, col = p * panel;
    const int64_t width = jem__min(panel, job->cols - col);
    float *u = job->u + (p * t->products * job->rows + row) * panel;

    for (int64_t j = 0; j < width; j++) {
        const float *taps[TAPS];
        float *out[WINOGRAD_MOST];
        taps_of(job, col + j, row, taps);
        for (int64_t i = 0; i < t->products; i++)
            out[t->filter[i]] = block + (i * panel + j) * ROWS;
        job->kernels->winograd[t->stride - 1].filter(taps, 0, out, 0, n);
    }
    for (int64_t i = 0; i < t->products; i++) {
        const float *in = block + i * panel * ROWS;
        float *out = u + i * job->rows * panel;
        for (int64_t r = 0; r < n; r++)
            for (int64_t j = 0; j < panel; j++)
                out[r * panel + j] = j < width ? in[j * ROWS + r] : 0.0F;
    }
}

static void filter_task(void *arg, int64_t task, int32_t worker)
{
    const filter_job *job = arg;
    const int64_t p = task / job->blocks, row = task % job->blocks * ROWS;
    const int64_t n = jem__min(ROWS, job->rows - row);

    if (job->tiles->backward)
        filter_back(job, p, row, n);
    else
        filter_forward(job, p, row, n, job->scratch.workers + worker * job->scratch.per_worker);
}

static void pack(jem_context *ctx, void *arg, float *out)
{
    filter_job *job = arg;

    job->u = out;
    jem__parallel_for(ctx, jem__ceil_div(job->cols, job->kernels->cols) * job->blocks,
                      filter_task, job);
}

jem_status jem__winograd_filter(jem__device *dev, const jem__conv *conv,
                                const jem__winograd_tiles *tiles, const jem__tensor *w,
                                const float **out)
{
    filter_job job = {.tiles = tiles,
                      .kernels = dev->kernels,
                      .w = jem__floats(w),
                      .c = conv->c,
                      .rows = tiles->backward ? conv->k : conv->c,
                      .cols = tiles->backward ? conv->c : conv->k};
    const int64_t panels = jem__ceil_div(job.cols, dev->kernels->cols);
    const int64_t count = panels * tiles->products * job.rows * dev->kernels->cols;

    job.blocks = jem__ceil_div(job.rows, ROWS);
    JEM__TRY(
        jem__cpu_scratch(dev, 0, tiles->products * dev->kernels->cols * ROWS, &job.scratch));
    return jem__filters_get(dev->ctx, w, tiles->backward ? 1 : 0, count, pack, &job, out);
}
