/* SPDX-License-Identifier: MIT */

/* The packed tile kernel, written once for every vector width.
 *
 * Included by tile_avx512.c and tile_avx2.c, which define the vector type `vec` of WIDTH floats
 * with v_load, v_store, v_broadcast, v_fma, v_bits (one bit per positive lane) and v_leak
 * (lanes whose bit is 0 times the slope), and TILE_ROWS.
 *
 * A tile of C, TILE_ROWS x (2 * WIDTH), lives in registers while p runs: two vectors of B are
 * loaded, and each number of A is broadcast and multiplied into both. 14 x 2 accumulators, two
 * vectors of B and the broadcast fill the 32 registers of AVX-512; 6 x 2 those of AVX2. There
 * are enough independent accumulators to hide the latency of the multiply-add (4 cycles, two
 * per cycle). Smaller tiles serve the lower and the right edge. */

#ifdef __clang__
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 32")
#endif

/* `rows` and `vecs` are constants at every call, so the loops over them vanish. `n` is only
 * looked at when the tile sticks out at the right edge. */
static inline __attribute__((always_inline)) void tile(const int rows, const int vecs,
                                                       const jem__gemm *g, const float *a,
                                                       const float *b, float *c, int64_t n,
                                                       const float *ahead)
{
    vec acc[TILE_ROWS][2];
    const int64_t a_row = g->a_row, a_step = g->a_step, b_step = g->b_step, k = g->k;

    UNROLL for (int i = 0; i < rows; i++) UNROLL for (int j = 0; j < vecs; j++) acc[i][j] =
        v_broadcast(0.0F);

    for (int64_t p = 0; p < k; p++) {
        vec bp[2];
        UNROLL for (int j = 0; j < vecs; j++) bp[j] = v_load(b + p * b_step + j * WIDTH);
        __builtin_prefetch(ahead + p * 16, 0, 2);
        UNROLL for (int i = 0; i < rows; i++)
        {
            const vec ai = v_broadcast(a[i * a_row + p * a_step]);
            UNROLL for (int j = 0; j < vecs; j++) acc[i][j] = v_fma(ai, bp[j], acc[i][j]);
        }
    }

    if (n >= (int64_t)vecs * WIDTH) {
        UNROLL for (int i = 0; i < rows; i++) UNROLL for (int j = 0; j < vecs; j++)
        {
            float *out = c + i * g->c_row + j * WIDTH;
            if (g->accumulate)
                acc[i][j] += v_load(out);
            v_store(out, acc[i][j]);
        }
        return;
    }
    UNROLL for (int i = 0; i < rows; i++)
    {
        float row[2 * WIDTH];
        UNROLL for (int j = 0; j < vecs; j++) v_store(row + j * WIDTH, acc[i][j]);
        for (int64_t j = 0; j < n; j++)
            c[i * g->c_row + j] = (g->accumulate ? c[i * g->c_row + j] : 0.0F) + row[j];
    }
}

/* All rows of one panel, in tiles of TILE_ROWS and then 8 (AVX-512 only), 4, 2, 1. */
static inline __attribute__((always_inline)) void panel(const int vecs, const jem__gemm *g,
                                                        const float *b, float *c, int64_t n,
                                                        const float *ahead)
{
    const float *a = g->a;
    int64_t left = g->m;

    for (; left >= TILE_ROWS; left -= TILE_ROWS) {
        tile(TILE_ROWS, vecs, g, a, b, c, n, ahead);
        a += TILE_ROWS * g->a_row;
        c += TILE_ROWS * g->c_row;
        ahead += g->k * 16;
    }
#if TILE_ROWS > 8
    if (left >= 8) {
        tile(8, vecs, g, a, b, c, n, ahead);
        a += 8 * g->a_row;
        c += 8 * g->c_row;
        left -= 8;
    }
#endif
    if (left >= 4) {
        tile(4, vecs, g, a, b, c, n, ahead);
        a += 4 * g->a_row;
        c += 4 * g->c_row;
        left -= 4;
    }
    if (left >= 2) {
        tile(2, vecs, g, a, b, c, n, ahead);
        a += 2 * g->a_row;
        c += 2 * g->c_row;
        left -= 2;
    }
    if (left >= 1)
        tile(1, vecs, g, a, b, c, n, ahead);
}

static void tiles(const jem__gemm *g)
{
    const float *b = g->b;

    for (int64_t j = 0; j < g->n; j += 2 * WIDTH, b += g->b_panel) {
        const int64_t n = g->n - j;
        const float *ahead = n > 2 * WIDTH ? b + g->b_panel : g->next != NULL ? g->next : b;
        if (n > WIDTH)
            panel(2, g, b, g->c + j, n, ahead);
        else
            panel(1, g, b, g->c + j, n, ahead);
    }
}

static void epilogue_forward(const float *in, const float *bias, const float *add, float *out,
                             uint8_t *bits, int64_t n)
{
    int64_t j = 0;

    for (; j + WIDTH <= n; j += WIDTH) {
        vec value = v_load(in + j);
        if (bias != NULL)
            value += v_load(bias + j);
        if (add != NULL)
            value += v_load(add + j);
        v_store(out + j, value);
        if (bits != NULL)
            v_bits(bits + j / 8, value);
    }
    if (j < n)
        jem__epilogue_forward_plain(in, bias, add, out, bits, j, n);
}

static void epilogue_backward(const float *in, const uint8_t *bits, float slope,
                              const float *add, float *out, int64_t n)
{
    const vec slopes = v_broadcast(slope);
    int64_t j = 0;

    for (; j + WIDTH <= n; j += WIDTH) {
        vec value = v_load(in + j);
        if (bits != NULL)
            value = v_leak(bits + j / 8, value, slopes);
        if (add != NULL)
            value += v_load(add + j);
        v_store(out + j, value);
    }
    if (j < n)
        jem__epilogue_backward_plain(in, bits, slope, add, out, j, n);
}
