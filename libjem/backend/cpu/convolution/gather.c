/* SPDX-License-Identifier: MIT */

/* See gather.h. */

#include "backend/cpu/convolution/gather.h"

void jem__gather_forward(jem__gather *g, const jem__conv *conv)
{
    *g = (jem__gather){.c = conv->c,
                       .h = conv->h,
                       .w = conv->w,
                       .grid_h = conv->oh,
                       .grid_w = conv->ow,
                       .stride = conv->stride,
                       .dy = -conv->pad,
                       .dx = -conv->pad,
                       .taps_h = conv->kh,
                       .taps_w = conv->kw,
                       .ky = 0,
                       .kx = 0,
                       .kstep = 1,
                       .slope = conv->slope};
}

void jem__gather_backward(jem__gather *g, const jem__conv *conv, int64_t py, int64_t px)
{
    /* Input pixel y = py + s q is reached from output row (y + pad - ky) / s where that
     * divides: for ky = (py + pad) mod s and every s-th after it. The largest ky reads the
     * first row. */
    const int64_t s = conv->stride;
    const int64_t ky = (py + conv->pad) % s, kx = (px + conv->pad) % s;
    const int64_t taps_h = ky < conv->kh ? jem__ceil_div(conv->kh - ky, s) : 0;
    const int64_t taps_w = kx < conv->kw ? jem__ceil_div(conv->kw - kx, s) : 0;

    *g = (jem__gather){.c = conv->k,
                       .h = conv->oh,
                       .w = conv->ow,
                       .grid_h = py < conv->h ? jem__ceil_div(conv->h - py, s) : 0,
                       .grid_w = px < conv->w ? jem__ceil_div(conv->w - px, s) : 0,
                       .stride = 1,
                       .dy = (py + conv->pad - ky) / s - (taps_h - 1),
                       .dx = (px + conv->pad - kx) / s - (taps_w - 1),
                       .taps_h = taps_h,
                       .taps_w = taps_w,
                       .ky = ky + (taps_h - 1) * s,
                       .kx = kx + (taps_w - 1) * s,
                       .kstep = -s,
                       .slope = 1.0F};
}

int64_t jem__gather_columns(const jem__gather *g)
{
    return g->taps_h * g->taps_w * g->c;
}

/* Blocks per tap when a tap is wide; else taps per block. */
static int64_t blocks_per_tap(const jem__gather *g)
{
    return jem__ceil_div(g->c, GATHER_BLOCK);
}

static int64_t taps_per_block(const jem__gather *g)
{
    return jem__max(1, GATHER_BLOCK / g->c);
}

int64_t jem__gather_blocks(const jem__gather *g)
{
    const int64_t taps = g->taps_h * g->taps_w;

    if (g->c > GATHER_BLOCK)
        return taps * blocks_per_tap(g);
    return jem__ceil_div(taps, taps_per_block(g));
}

jem__gather_block jem__gather_block_at(const jem__gather *g, int64_t index)
{
    jem__gather_block b;

    if (g->c > GATHER_BLOCK) {
        const int64_t parts = blocks_per_tap(g);
        b.first_tap = index / parts;
        b.taps = 1;
        b.c0 = index % parts * GATHER_BLOCK;
        b.channels = jem__min(GATHER_BLOCK, g->c - b.c0);
    } else {
        const int64_t per = taps_per_block(g);
        b.first_tap = index * per;
        b.taps = jem__min(per, g->taps_h * g->taps_w - b.first_tap);
        b.c0 = 0;
        b.channels = g->c;
    }
    b.width = b.taps * b.channels;
    return b;
}

static inline void zeros(float *out, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = 0.0F;
}

/* An activation is max(x, slope * x), which compilers know as one vector instruction. */
static inline void copy(float *restrict out, const float *restrict in, int64_t n, float slope)
{
    if (jem__activates(slope))
        for (int64_t i = 0; i < n; i++) {
            const float small = slope * in[i];
            out[i] = in[i] > small ? in[i] : small;
        }
    else
        for (int64_t i = 0; i < n; i++)
            out[i] = in[i];
}

/* `taps` neighbours from tap (i, j) on, which are one run of memory where they lie inside the
 * image; zeros where they do not. */
static inline float *gather_run(const jem__gather *g, const jem__gather_block *block,
                                const float *image, int64_t y, int64_t x, int64_t taps,
                                float *out)
{
    const int64_t c = block->channels;
    int64_t before = 0, inside = 0;

    if (y >= 0 && y < g->h) {
        before = jem__min(jem__max(-x, 0), taps);
        inside = jem__max(jem__min(g->w - x, taps), before) - before;
    }
    zeros(out, before * c);
    if (inside > 0)
        copy(out + before * c, image + (y * g->w + x + before) * g->c + block->c0, inside * c,
             g->slope);
    zeros(out + (before + inside) * c, (taps - before - inside) * c);
    return out + taps * c;
}

void jem__gather_rows(const jem__gather *g, const jem__gather_block *block, const float *src,
                      int64_t q0, int64_t rows, float *out, int64_t ld)
{
    const int64_t per_image = g->grid_h * g->grid_w, size = g->h * g->w * g->c;
    int64_t image = q0 / per_image, qy = q0 % per_image / g->grid_w, qx = q0 % g->grid_w;

    for (int64_t r = 0; r < rows; r++, out += ld) {
        const int64_t y = qy * g->stride + g->dy, x = qx * g->stride + g->dx;
        int64_t i = block->first_tap / g->taps_w, j = block->first_tap % g->taps_w;
        float *to = out;
        for (int64_t left = block->taps; left > 0;) {
            const int64_t run = jem__min(left, g->taps_w - j);
            to = gather_run(g, block, src + image * size, y + i, x + j, run, to);
            left -= run;
            j = 0;
            i++;
        }
        if (++qx == g->grid_w) {
            qx = 0;
            if (++qy == g->grid_h) {
                qy = 0;
                image++;
            }
        }
    }
}
