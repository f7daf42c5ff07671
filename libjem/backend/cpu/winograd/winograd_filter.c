/* SPDX-License-Identifier: MIT */

/* The weights of a layer in the domain of Winograd's products, U = G g G'.
 *
 * A task makes all products of one panel (`cols` channels of the result) and a block of ROWS
 * channels of the source. The transform runs over vectors of the panel's channels. Backward
 * these are the layer's input channels, which lie side by side in memory; forward they are its
 * filters, so the nine taps of a block are transposed first, which costs a quarter or less of
 * transposing the products. */

#include "backend/cpu/winograd/winograd.h"
#include "core/threads/threads.h"

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
    jem__scratch scratch; /* per worker: TAPS x ROWS x cols */
} filter_job;

/* block[tap][row][column] of n input channels from `row` on and `width` filters from `col`
 * on. */
static void transpose(const filter_job *job, int64_t row, int64_t n, int64_t col, int64_t width,
                      float *block)
{
    const int64_t panel = job->kernels->cols;

    for (int64_t j = 0; j < width; j++)
        for (int64_t i = 0; i < TAPS; i++) {
            const float *in = job->w + ((col + j) * TAPS + i) * job->c + row;
            float *out = block + i * ROWS * panel + j;
            for (int64_t r = 0; r < n; r++)
                out[r * panel] = in[r];
        }
}

/* Channels past the last one are zero. */
static void fill_up(const filter_job *job, int64_t width, float *const *out)
{
    const int64_t panel = job->kernels->cols;

    if (width < panel)
        for (int64_t i = 0; i < job->tiles->products; i++)
            memset(out[i] + width, 0, (size_t)(panel - width) * sizeof(float));
}

static void filter_task(void *arg, int64_t task, int32_t worker)
{
    const filter_job *job = arg;
    const jem__winograd_tiles *t = job->tiles;
    const int64_t panel = job->kernels->cols, p = task / job->blocks, col = p * panel;
    const int64_t width = jem__min(panel, job->cols - col);
    const int64_t row0 = task % job->blocks * ROWS, n = jem__min(ROWS, job->rows - row0);
    float *block = job->scratch.workers + worker * job->scratch.per_worker;
    float *u = job->u + p * t->products * job->rows * panel;

    if (!t->backward)
        transpose(job, row0, n, col, width, block);
    for (int64_t r = 0; r < n; r++) {
        const float *taps[TAPS];
        float *out[WINOGRAD_MOST];
        /* The way back sees the taps turned by 180 degrees. */
        for (int64_t i = 0; i < TAPS; i++)
            taps[i] = t->backward ? job->w + ((row0 + r) * TAPS + TAPS - 1 - i) * job->c + col
                                  : block + (i * ROWS + r) * panel;
        for (int64_t i = 0; i < t->products; i++)
            out[t->filter[i]] = u + (i * job->rows + row0 + r) * panel;
        job->kernels->winograd[t->kind].filter(taps, 1.0F, out, 0, width);
        fill_up(job, width, out);
    }
}

static void pack(const jem__queue *queue, void *arg, float *out)
{
    filter_job *job = arg;

    job->u = out;
    jem__cpu_for(queue, jem__ceil_div(job->cols, job->kernels->cols) * job->blocks, filter_task,
                 job);
}

jem_status jem__winograd_filter(jem__queue *queue, const jem__conv *conv,
                                const jem__winograd_tiles *tiles, const jem__tensor *w,
                                const float **out)
{
    filter_job job = {.tiles = tiles,
                      .kernels = queue->kernels,
                      .w = jem__floats(w),
                      .c = conv->c,
                      .rows = tiles->backward ? conv->k : conv->c,
                      .cols = tiles->backward ? conv->c : conv->k};
    const int64_t panels = jem__ceil_div(job.cols, queue->kernels->cols);
    const int64_t count = panels * tiles->products * job.rows * queue->kernels->cols;

    job.blocks = jem__ceil_div(job.rows, ROWS);
    JEM__TRY(jem__cpu_scratch(queue, 0, TAPS * ROWS * queue->kernels->cols, &job.scratch));
    return jem__packed_get(queue, w, tiles->backward ? 1 : 0, count, pack, &job, out);
}
