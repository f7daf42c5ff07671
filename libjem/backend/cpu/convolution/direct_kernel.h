/* SPDX-License-Identifier: MIT */

/* The kernels of convolutions with few input channels, see direct.h; included after
 * tile_kernel.h, with the same vector type and besides v_load_part, v_store_part (the first n
 * lanes only), v_load_once and v_sums (WIDTH vectors to the vector of their sums).
 *
 * A vector holds output channels. Forward and weight gradient broadcast the numbers of the
 * input, which cost no more than a load; the input gradient multiplies vectors and adds their
 * lanes when all taps and groups are in, for WIDTH pixels together. Every result is made by
 * the same sequence of operations wherever its pixel lies in a tile. */

/* Load or store n channels of a group; all of them unless it is the last one. */
static inline __attribute__((always_inline)) vec load_lanes(const float *p, const int whole,
                                                            int64_t n)
{
    return whole ? v_load(p) : v_load_part(p, n);
}

/* The epilogue of one pixel and group: bias, residual, sign bits. `at` counts from d->out. */
static inline __attribute__((always_inline)) void
direct_store(const int whole, const jem__direct_row *d, vec value, int64_t q, int64_t k)
{
    const int64_t at = q * d->k + k, n = d->k - k;

    if (d->bias != NULL)
        value += load_lanes(d->bias + k, whole, n);
    if (d->add != NULL)
        value += load_lanes(d->add + at, whole, n);
    if (whole)
        v_store(d->out + at, value);
    else
        v_store_part(d->out + at, value, n);
    if (d->bits == NULL)
        return;
    uint8_t *bits = d->bits + q * ((d->k + 7) / 8) + k / 8;
    if (whole) {
        v_bits(bits, value);
    } else {
        uint8_t part[WIDTH / 8];
        v_bits(part, value);
        for (int64_t b = 0; b < (n + 7) / 8; b++)
            bits[b] = part[b];
    }
}

/* `rows` pixels from pixel q on, `vecs` groups from channel k0 on; a group that is not whole
 * comes alone. */
static inline __attribute__((always_inline)) void direct_tile(const int rows, const int vecs,
                                                              const int whole,
                                                              const jem__direct_row *d,
                                                              int64_t q, int64_t k0)
{
    vec acc[TILE_ROWS][2];
    const float *w = d->w + k0 * d->taps, *x = d->x + q;
    const int64_t next = d->taps * WIDTH;

    UNROLL for (int i = 0; i < TILE_ROWS; i++) acc[i][0] = acc[i][1] = v_broadcast(0.0F);
    for (int64_t t = 0; t < d->taps; t++, w += WIDTH) {
        const float *in = x + d->offset[t];
        const vec w0 = v_load(w), w1 = vecs > 1 ? v_load(w + next) : w0;
        UNROLL for (int i = 0; i < TILE_ROWS; i++) if (i < rows)
        {
            const vec xi = v_broadcast(in[i]);
            acc[i][0] = v_fma(xi, w0, acc[i][0]);
            if (vecs > 1)
                acc[i][1] = v_fma(xi, w1, acc[i][1]);
        }
    }
    UNROLL for (int i = 0; i < TILE_ROWS; i++) if (i < rows)
    {
        direct_store(whole, d, acc[i][0], q + i, k0);
        if (vecs > 1)
            direct_store(whole, d, acc[i][1], q + i, k0 + WIDTH);
    }
}

static inline __attribute__((always_inline)) void
direct_pixels(const int vecs, const int whole, const jem__direct_row *d, int64_t k0)
{
    int64_t q = 0;

    for (; q + TILE_ROWS <= d->pixels; q += TILE_ROWS)
        direct_tile(TILE_ROWS, vecs, whole, d, q, k0);
#if TILE_ROWS > 8
    if (q + 8 <= d->pixels) {
        direct_tile(8, vecs, whole, d, q, k0);
        q += 8;
    }
#endif
    if (q + 4 <= d->pixels) {
        direct_tile(4, vecs, whole, d, q, k0);
        q += 4;
    }
    if (q + 2 <= d->pixels) {
        direct_tile(2, vecs, whole, d, q, k0);
        q += 2;
    }
    if (q < d->pixels)
        direct_tile(1, vecs, whole, d, q, k0);
}

static void direct_forward(const jem__direct_row *row)
{
    const jem__direct_row local = *row, *d = &local; /* no store changes it */
    int64_t k = 0;

    for (; k + 2 * WIDTH <= d->k; k += 2 * WIDTH)
        direct_pixels(2, 1, d, k);
    if (k + WIDTH <= d->k) {
        direct_pixels(1, 1, d, k);
        k += WIDTH;
    }
    if (k < d->k)
        direct_pixels(1, 0, d, k);
}

/* The gradient of `n` pixels and `vecs` groups stays in registers while the loop runs over the
 * taps. Each group has two independent sums, to hide the latency of the multiply-add. */
static inline __attribute__((always_inline)) void direct_sums(const int n, const int vecs,
                                                              const int whole,
                                                              const jem__direct_row *d,
                                                              int64_t q, int64_t k0)
{
    const float *x = d->x + q, *from = d->gy + q * d->k + k0;
    float *sums = d->sums + k0 * (d->taps + 1);
    const int64_t next = (d->taps + 1) * WIDTH;
    const vec zero = v_broadcast(0.0F);
    vec gy[2][WIDTH], a[2], b[2];

    UNROLL for (int i = 0; i < WIDTH; i++)
    {
        if (i < n)
            gy[0][i] = load_lanes(from + i * d->k, whole, d->k - k0);
        if (i < n && vecs > 1)
            gy[1][i] = v_load(from + i * d->k + WIDTH);
    }
    for (int64_t t = 0; t < d->taps; t++, sums += WIDTH) {
        const float *in = x + d->offset[t];
        a[0] = v_load(sums);
        a[1] = vecs > 1 ? v_load(sums + next) : zero;
        b[0] = b[1] = zero;
        UNROLL for (int i = 0; i < WIDTH; i++) if (i < n)
        {
            vec *to = i % 2 == 0 ? a : b;
            const vec xi = v_broadcast(in[i]);
            to[0] = v_fma(xi, gy[0][i], to[0]);
            if (vecs > 1)
                to[1] = v_fma(xi, gy[1][i], to[1]);
        }
        v_store(sums, a[0] + b[0]);
        if (vecs > 1)
            v_store(sums + next, a[1] + b[1]);
    }
    UNROLL for (int j = 0; j < 2; j++) if (j < vecs)
    {
        a[j] = v_load(sums + j * next);
        b[j] = zero;
        UNROLL for (int i = 0; i < WIDTH; i += 2)
        {
            if (i < n)
                a[j] += gy[j][i];
            if (i + 1 < n)
                b[j] += gy[j][i + 1];
        }
        v_store(sums + j * next, a[j] + b[j]);
    }
}

static inline __attribute__((always_inline)) void
direct_weights_of(const int vecs, const int whole, const jem__direct_row *d, int64_t k0)
{
    const int most = WIDTH / vecs; /* pixels whose gy fits into the registers */
    int64_t q = 0;

    for (; q + most <= d->pixels; q += most)
        direct_sums(most, vecs, whole, d, q, k0);
    if (most > 8 && q + 8 <= d->pixels) {
        direct_sums(8, vecs, whole, d, q, k0);
        q += 8;
    }
    if (most > 4 && q + 4 <= d->pixels) {
        direct_sums(4, vecs, whole, d, q, k0);
        q += 4;
    }
    if (q + 2 <= d->pixels) {
        direct_sums(2, vecs, whole, d, q, k0);
        q += 2;
    }
    if (q < d->pixels)
        direct_sums(1, vecs, whole, d, q, k0);
}

static void direct_weights(const jem__direct_row *row)
{
    const jem__direct_row local = *row, *d = &local;
    int64_t k = 0;

    for (; k + 2 * WIDTH <= d->k; k += 2 * WIDTH)
        direct_weights_of(2, 1, d, k);
    if (k + WIDTH <= d->k) {
        direct_weights_of(1, 1, d, k);
        k += WIDTH;
    }
    if (k < d->k)
        direct_weights_of(1, 0, d, k);
}

/* n taps of a row. Pixel i and tap u read gy[i - u], which is loaded once for all of them. */
static inline __attribute__((always_inline)) void direct_taps(const int n, const int rows,
                                                              const float *gy, const float *w,
                                                              int64_t step, vec acc[WIDTH])
{
    vec wt[3];

    UNROLL for (int u = 0; u < 3; u++) if (u < n) wt[u] = v_load(w + u * step);
    UNROLL for (int i = -2; i < WIDTH; i++) if (i > -n && i < rows)
    {
        const vec g = v_load_once(gy + i * WIDTH);
        UNROLL for (int u = 0; u < 3; u++) if (u < n && i + u >= 0 && i + u < rows) acc[i + u] =
            v_fma(g, wt[u], acc[i + u]);
    }
}

/* The sums of `rows` pixels from pixel q on for one channel. */
static inline __attribute__((always_inline)) vec
direct_lanes(const int rows, const jem__direct_line *d, int64_t q, int64_t channel)
{
    vec acc[WIDTH];
    const int64_t step = d->w_step, taps_w = d->taps_w;

    UNROLL for (int i = 0; i < WIDTH; i++) acc[i] = v_broadcast(0.0F);
    for (int64_t g = 0; g < d->groups; g++)
        for (int64_t t = 0; t < d->taps_h; t++) {
            const float *gy = d->gy + g * d->gy_group + q * WIDTH - t * d->gy_row;
            const float *w = d->w + g * d->w_group + t * d->w_row + channel * WIDTH;
            if (taps_w == 3)
                direct_taps(3, rows, gy, w, step, acc);
            else
                for (int64_t u = 0; u < taps_w; u++)
                    direct_taps(1, rows, gy - u * WIDTH, w + u * step, step, acc);
        }
    return v_sums(acc);
}

/* WIDTH pixels of c channels, from planes to where they belong. */
static inline __attribute__((always_inline)) void
direct_interleave(const int c, const jem__direct_line *d, const float *sums, int64_t q)
{
    const float *add = d->add != NULL ? d->add + q * c : NULL;
    float *out = d->out + q * c;

    if (add != NULL)
        UNROLL for (int i = 0; i < WIDTH; i++) for (int j = 0; j < c; j++) out[i * c + j] =
            sums[j * WIDTH + i] + add[i * c + j];
    else
        UNROLL for (int i = 0; i < WIDTH; i++) for (int j = 0; j < c; j++) out[i * c + j] =
            sums[j * WIDTH + i];
}

/* The same for some pixels, a stride, and the activation's derivative. */
static void direct_epilogue(const jem__direct_line *d, const float *sums, int64_t q, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        const int64_t pixel = (q + i) * d->stride, at = pixel * d->c;
        for (int64_t j = 0; j < d->c; j++) {
            float value = sums[j * WIDTH + i];
            if (d->bits != NULL && (d->bits[pixel] >> j & 1) == 0) /* a byte per pixel */
                value *= d->slope;
            d->out[at + j] = d->add != NULL ? value + d->add[at + j] : value;
        }
    }
}

static void direct_gradient(const jem__direct_line *line)
{
    const jem__direct_line local = *line, *d = &local;

    for (int64_t q = 0; q < d->pixels; q += WIDTH) {
        const int64_t n = d->pixels - q;
        float sums[DIRECT_MOST * WIDTH];
        for (int64_t j = 0; j < d->c; j++) {
            vec sum;
            if (n > WIDTH / 4 * 3)
                sum = direct_lanes(WIDTH, d, q, j);
            else if (n > WIDTH / 2)
                sum = direct_lanes(WIDTH / 4 * 3, d, q, j);
            else if (n > WIDTH / 4)
                sum = direct_lanes(WIDTH / 2, d, q, j);
            else
                sum = direct_lanes(WIDTH / 4, d, q, j);
            v_store(sums + j * WIDTH, sum);
        }
        if (n < WIDTH || d->bits != NULL || d->stride > 1)
            direct_epilogue(d, sums, q, n < WIDTH ? n : WIDTH);
        else if (d->c == 1)
            direct_interleave(1, d, sums, q);
        else if (d->c == 2)
            direct_interleave(2, d, sums, q);
        else if (d->c == 3)
            direct_interleave(3, d, sums, q);
        else
            direct_interleave(4, d, sums, q);
    }
}

/* The middle of a plane; channels and stride are constants where that is worth it. */
static inline __attribute__((always_inline)) void direct_plane(const int64_t step,
                                                               const int activates, float slope,
                                                               const float *restrict x,
                                                               int64_t n, float *restrict out)
{
    for (int64_t i = 0; i < n; i++) {
        const float value = x[i * step], small = slope * value;
        out[i] = activates && !(value > small) ? small : value;
    }
}

static inline __attribute__((always_inline)) void
direct_plane_of(const int64_t step, float slope, const float *x, int64_t n, float *out)
{
    if (slope < 1.0F)
        direct_plane(step, 1, slope, x, n, out);
    else
        direct_plane(step, 0, slope, x, n, out);
}

static void direct_planes(const jem__direct_planes *d, const float *x, float *out)
{
    const int64_t step = d->stride * d->c;

    for (int64_t channel = 0; channel < d->c; channel++)
        for (int64_t phase = 0; phase < d->stride; phase++, out += d->columns) {
            /* column i is number i * stride + phase - pad of the row */
            int64_t first = (d->pad - phase + d->stride - 1) / d->stride;
            int64_t end = (d->w + d->pad - phase + d->stride - 1) / d->stride;
            first = first < d->columns ? first : d->columns;
            end = end < d->columns ? end : d->columns;
            end = end > first ? end : first;
            const float *in = x + (first * d->stride + phase - d->pad) * d->c + channel;
            for (int64_t i = 0; i < first; i++)
                out[i] = 0.0F;
            if (step == 1)
                direct_plane_of(1, d->slope, in, end - first, out + first);
            else if (step == 3)
                direct_plane_of(3, d->slope, in, end - first, out + first);
            else
                direct_plane_of(step, d->slope, in, end - first, out + first);
            for (int64_t i = end; i < d->columns; i++)
                out[i] = 0.0F;
        }
}

static void direct_groups(const float *gy, int64_t pixels, int64_t k, float *out, int64_t group)
{
    for (int64_t k0 = 0; k0 < k; k0 += WIDTH, out += group) {
        const int64_t n = k - k0;
        if (n >= WIDTH)
            for (int64_t i = 0; i < pixels; i++)
                v_store(out + i * WIDTH, v_load(gy + i * k + k0));
        else
            for (int64_t i = 0; i < pixels; i++)
                v_store(out + i * WIDTH, v_load_part(gy + i * k + k0, n));
    }
}

static const jem__direct_kernels direct = {.width = WIDTH,
                                           .forward = direct_forward,
                                           .weights = direct_weights,
                                           .gradient = direct_gradient,
                                           .planes = direct_planes,
                                           .groups = direct_groups};
