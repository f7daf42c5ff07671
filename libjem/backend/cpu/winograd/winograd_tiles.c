/* SPDX-License-Identifier: MIT */

/* See winograd_tiles.h. */

#include "backend/cpu/winograd/winograd_tiles.h"

#include <string.h>

/* Transformed weights of more bytes stay in no cache: every pass reads them from memory. */
#define WIDE_BYTES ((int64_t)64 << 20)

/* Where tiles of 4 x 4 fit, those of 2 x 2 take a quarter more multiplications. But they waste
 * fewer beyond the border of a small image, and have a third of the weights. */
static enum jem__winograd_kind kind_of(const jem__conv *conv)
{
    const int64_t long_tiles = jem__ceil_div(conv->oh, 4) * jem__ceil_div(conv->ow, 4);
    const int64_t short_tiles = jem__ceil_div(conv->oh, 2) * jem__ceil_div(conv->ow, 2);
    const int64_t bytes = 81 * conv->c * conv->k * (int64_t)sizeof(float);

    if (conv->stride == 1)
        return JEM__WINOGRAD_S1;
    if (25 * short_tiles <= 81 * long_tiles || bytes > WIDE_BYTES)
        return JEM__WINOGRAD_S2_SHORT;
    return JEM__WINOGRAD_S2;
}

/* The numbers of a line of x and those of y belong together by their points. Stride 1: one to
 * one. Stride 2: the outer taps come first, at all points, then the middle tap at the finite
 * ones. */
static void join(jem__winograd_tiles *t, int32_t wide, int32_t narrow)
{
    uint8_t result[WINOGRAD_MOST], next[WINOGRAD_MOST];
    int32_t j = 0;

    for (int32_t y = 0; y < wide; y++)
        for (int32_t x = 0; x < wide; x++, j++) {
            result[j] = (uint8_t)(y % narrow * narrow + x % narrow);
            t->first[result[j] + 1]++;
        }
    for (int32_t o = 0; o < narrow * narrow; o++) {
        next[o] = t->first[o];
        t->first[o + 1] = (uint8_t)(t->first[o + 1] + t->first[o]);
    }
    for (j = 0; j < wide * wide; j++) {
        const uint8_t p = next[result[j]]++;
        t->in[p] = t->filter[p] = (uint8_t)j;
        t->out[p] = result[j];
    }
    t->products = wide * wide;
}

/* Backward x and y exchange their roles: product p makes number p of x. */
static void exchange(jem__winograd_tiles *t)
{
    uint8_t narrow[WINOGRAD_MOST];

    for (int32_t p = 0; p < t->products; p++)
        narrow[t->in[p]] = t->out[p];
    for (int32_t p = 0; p < t->products; p++) {
        t->in[p] = narrow[p];
        t->out[p] = t->filter[p] = t->first[p] = (uint8_t)p;
    }
    t->first[t->products] = (uint8_t)t->products;
}

void jem__winograd_tiles_init(jem__winograd_tiles *t, const jem__conv *conv, int32_t backward)
{
    static const struct {
        int32_t tile, wide, narrow; /* pixels of y, numbers of x and of y, per line */
    } sizes[] = {{4, 6, 6}, {4, 9, 5}, {2, 5, 3}};
    const enum jem__winograd_kind kind = kind_of(conv);
    const int32_t tile = sizes[kind].tile, wide = sizes[kind].wide, narrow = sizes[kind].narrow;
    const int64_t stride = conv->stride;

    *t = (jem__winograd_tiles){.kind = kind,
                               .backward = backward,
                               .ones = narrow + 1,
                               .sources = wide * wide,
                               .results = narrow * narrow,
                               .tiles_h = jem__ceil_div(conv->oh, tile),
                               .tiles_w = jem__ceil_div(conv->ow, tile),
                               .src_side = wide,
                               .src_step = stride * tile,
                               .src_origin = -1,
                               .src_h = conv->h,
                               .src_w = conv->w,
                               .dst_side = tile,
                               .dst_step = tile,
                               .dst_h = conv->oh,
                               .dst_w = conv->ow};
    join(t, wide, narrow);
    if (!backward)
        return;
    exchange(t);
    t->sources = narrow * narrow;
    t->results = wide * wide;
    t->src_side = narrow;
    t->src_step = tile;
    t->src_origin = stride == 1 ? -1 : 0;
    t->src_h = conv->oh;
    t->src_w = conv->ow;
    t->dst_side = t->dst_step = stride * tile;
    t->dst_h = conv->h;
    t->dst_w = conv->w;
}

void jem__winograd_tiles_gradient(jem__winograd_tiles *gy, const jem__winograd_tiles *x)
{
    *gy = *x;
    gy->sources = x->results;
    gy->src_side = gy->src_step = x->dst_side;
    gy->src_origin = 0;
    gy->src_h = x->dst_h;
    gy->src_w = x->dst_w;
}

/* Where the pixels of tile number `tile` lie. */
static void pixels_of(const jem__winograd_tiles *t, const jem__winograd_source *s, int64_t tile,
                      const float **out)
{
    const int64_t per_image = t->tiles_h * t->tiles_w, at = tile % per_image;
    const int64_t y0 = at / t->tiles_w * t->src_step + t->src_origin;
    const int64_t x0 = at % t->tiles_w * t->src_step + t->src_origin;
    const int64_t image = tile / per_image * t->src_h;

    for (int64_t i = 0; i < t->src_side; i++) {
        const int32_t row_inside = y0 + i >= 0 && y0 + i < t->src_h;
        const int64_t row = (image + y0 + i) * t->src_w + x0;
        for (int64_t j = 0; j < t->src_side; j++) {
            const int32_t inside = row_inside && x0 + j >= 0 && x0 + j < t->src_w;
            *out++ = inside ? s->images + (row + j) * s->c : s->outside;
        }
    }
}

/* A tile is a few pixels of each of several rows, which processors do not foresee. So its
 * pixels are prefetched while the tile before it is transformed. That tile shares its last
 * columns with this one: they need no prefetch. */
static void prefetch(const jem__winograd_tiles *t, const float *const *pixels, int64_t c)
{
    const int64_t shared = t->src_side - t->src_step;

    for (int64_t i = 0; i < t->src_side; i++)
        for (int64_t j = shared; j < t->src_side; j++)
            for (int64_t ch = 0; ch < c; ch += 16)
                __builtin_prefetch(pixels[i * t->src_side + j] + ch);
}

void jem__winograd_transform_tiles(const jem__winograd_tiles *t, const jem__winograd_source *s,
                                   int64_t from, int64_t to)
{
    const float *pixels[2][WINOGRAD_MOST];
    float *out[WINOGRAD_MOST];

    for (int64_t j = 0; j < t->sources; j++)
        out[j] = s->v + j * s->plane;
    if (from < to)
        pixels_of(t, s, s->first + from, pixels[from % 2]);
    for (int64_t i = from; i < to; i++) {
        if (i + 1 < to) {
            const float **next = pixels[(i + 1) % 2];
            pixels_of(t, s, s->first + i + 1, next);
            prefetch(t, next, s->c);
        }
        s->transform(pixels[i % 2], s->slope, out, i * jem__winograd_row(s->c), s->c);
    }
}

void jem__winograd_target(const jem__winograd_tiles *t, int64_t tile, int64_t *pixel)
{
    const int64_t per_image = t->tiles_h * t->tiles_w, at = tile % per_image;
    const int64_t y0 = at / t->tiles_w * t->dst_step, x0 = at % t->tiles_w * t->dst_step;
    const int64_t image = tile / per_image * t->dst_h * t->dst_w;

    for (int64_t i = 0; i < t->dst_side; i++)
        for (int64_t j = 0; j < t->dst_side; j++) {
            const int32_t inside = y0 + i < t->dst_h && x0 + j < t->dst_w;
            *pixel++ = inside ? image + (y0 + i) * t->dst_w + x0 + j : -1;
        }
}
