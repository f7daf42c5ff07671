/* SPDX-License-Identifier: MIT */

/* The transforms of Winograd's minimal filtering (Lavin and Gray 2015), written once for every
 * vector width; included after tile_kernel.h, with the same vector type. winograd.c tells what
 * they are part of.
 *
 * A vector holds WIDTH channels of one pixel. Every transform is a small matrix applied to the
 * columns and then to the rows of a tile, so each is given here for one line of numbers; the
 * two-dimensional ones below are made of them. */

#define LINE 9 /* the longest line: nine pixels of an input of stride 2 */

typedef void (*line_fn)(const vec *in, vec *out);

/* ------------------------------------------------------------------ stride 1: F(4, 3)
 *
 * Points 0, 1, -1, 2, -2 and infinity; A' is the transpose of gradient6.
 *
 *          |  4   0  -5   0   1   0 |           | 1  1  1  1  1  0 |
 *          |  0  -4  -4   1   1   0 |      A' = | 0  1 -1  2 -2  0 |
 *     B' = |  0   4  -4  -1   1   0 |           | 0  1  1  4  4  0 |
 *          |  0  -2  -1   2   1   0 |           | 0  1 -1  8 -8  1 |
 *          |  0   2  -1  -2   1   0 |
 *          |  0   4   0  -5   0   1 |  */
static inline __attribute__((always_inline)) void input6(const vec *d, vec *out)
{
    const vec two = v_broadcast(2.0F), four = v_broadcast(4.0F), five = v_broadcast(5.0F);
    const vec even = v_fnma(four, d[2], d[4]), odd = v_fnma(four, d[1], d[3]);
    const vec even2 = d[4] - d[2], odd2 = two * (d[3] - d[1]);

    out[0] = v_fma(four, d[0], v_fnma(five, d[2], d[4]));
    out[1] = even + odd;
    out[2] = even - odd;
    out[3] = even2 + odd2;
    out[4] = even2 - odd2;
    out[5] = v_fma(four, d[1], v_fnma(five, d[3], d[5]));
}

static inline __attribute__((always_inline)) void output6(const vec *m, vec *out)
{
    const vec two = v_broadcast(2.0F), four = v_broadcast(4.0F), eight = v_broadcast(8.0F);
    const vec sum1 = m[1] + m[2], difference1 = m[1] - m[2];
    const vec sum2 = m[3] + m[4], difference2 = m[3] - m[4];

    out[0] = m[0] + sum1 + sum2;
    out[1] = v_fma(two, difference2, difference1);
    out[2] = v_fma(four, sum2, sum1);
    out[3] = v_fma(eight, difference2, difference1) + m[5];
}

/* A y: what the gradient of four outputs is in the domain of the products. */
static inline __attribute__((always_inline)) void gradient6(const vec *y, vec *out)
{
    const vec two = v_broadcast(2.0F), four = v_broadcast(4.0F);
    const vec even = y[0] + y[2], odd = y[1] + y[3];
    const vec even2 = v_fma(four, y[2], y[0]), odd2 = two * v_fma(four, y[3], y[1]);

    out[0] = y[0];
    out[1] = even + odd;
    out[2] = even - odd;
    out[3] = even2 + odd2;
    out[4] = even2 - odd2;
    out[5] = y[3];
}

/* G = | 1/4 0 0 | -1/6 -1/6 -1/6 | -1/6 1/6 -1/6 | 1/24 1/12 1/6 | 1/24 -1/12 1/6 | 0 0 1 | */
static inline __attribute__((always_inline)) void filter6(const vec *g, vec *out)
{
    const vec quarter = v_broadcast(0.25F), sixth = v_broadcast(1.0F / 6.0F);
    const vec outer = sixth * (g[0] + g[2]), middle = sixth * g[1];
    const vec even = sixth * v_fma(quarter, g[0], g[2]), odd = v_broadcast(0.5F) * middle;

    out[0] = quarter * g[0];
    out[1] = v_broadcast(0.0F) - outer - middle;
    out[2] = middle - outer;
    out[3] = even + odd;
    out[4] = even - odd;
    out[5] = g[2];
}

/* G' u: back from the domain of the products to three taps. */
static inline __attribute__((always_inline)) void taps6(const vec *u, vec *out)
{
    const vec quarter = v_broadcast(0.25F), sixth = v_broadcast(1.0F / 6.0F);
    const vec sum1 = u[1] + u[2], sum2 = u[3] + u[4];

    out[0] = v_fma(sixth, v_fma(quarter, sum2, v_broadcast(0.0F) - sum1), quarter * u[0]);
    out[1] = sixth * v_fma(v_broadcast(0.5F), u[3] - u[4], u[2] - u[1]);
    out[2] = v_fma(sixth, sum2 - sum1, u[5]);
}

/* ------------------------------------------------------------------ stride 2: F(4, 2)
 *
 * Of the nine pixels of a line, every second one meets the outer two taps: a filter of two
 * taps, with points 0, 1, -1, 2 and infinity. The others meet the middle tap: a filter of one,
 * which at infinity is zero. So values 0..4 of a line are the outer taps', 5..8 the middle
 * tap's at the four finite points, and both are summed where the points agree.
 *
 *          | 2 -1 -2  1  0 |
 *          | 0  2  1 -1  0 |           | 1  1  1  1  0 |
 *     B' = | 0 -2  3 -1  0 |      A' = | 0  1 -1  2  0 |      G = | 1/2 0 | 1/2 1/2 |
 *          | 0 -1  0  1  0 |           | 0  1  1  4  0 |          | 1/6 -1/6 | 1/6 1/3 | 0 1 |
 *          | 0  2 -1 -2  1 |           | 0  1 -1  8  1 |  */
static inline __attribute__((always_inline)) void finite4(const vec *d, vec *out)
{
    const vec outer = d[3] - d[1];

    out[0] = v_fma(v_broadcast(2.0F), d[0] - d[2], outer);
    out[1] = d[1] + d[2] - outer;
    out[2] = v_fma(v_broadcast(3.0F), d[2] - d[1], v_broadcast(0.0F) - outer);
    out[3] = outer;
}

static inline __attribute__((always_inline)) void input5(const vec *d, vec *out)
{
    finite4(d, out);
    out[4] = v_fnma(v_broadcast(2.0F), d[3] - d[1], d[4] - d[2]);
}

static inline __attribute__((always_inline)) void input9(const vec *d, vec *out)
{
    const vec outer[5] = {d[0], d[2], d[4], d[6], d[8]}, middle[4] = {d[1], d[3], d[5], d[7]};

    input5(outer, out);
    finite4(middle, out + 5);
}

static inline __attribute__((always_inline)) void output4(const vec *m, vec *out)
{
    const vec sum = m[1] + m[2], difference = m[1] - m[2];

    out[0] = m[0] + sum + m[3];
    out[1] = v_fma(v_broadcast(2.0F), m[3], difference);
    out[2] = v_fma(v_broadcast(4.0F), m[3], sum);
    out[3] = v_fma(v_broadcast(8.0F), m[3], difference);
}

static inline __attribute__((always_inline)) void output5(const vec *m, vec *out)
{
    output4(m, out);
    out[3] += m[4];
}

/* Eight pixels of an input gradient: the middle tap's and the outer taps' in turns. */
static inline __attribute__((always_inline)) void output9(const vec *m, vec *out)
{
    vec outer[4], middle[4];

    output5(m, outer);
    output4(m + 5, middle);
    UNROLL for (int i = 0; i < 4; i++)
    {
        out[2 * i] = middle[i];
        out[2 * i + 1] = outer[i];
    }
}

static inline __attribute__((always_inline)) void gradient5(const vec *y, vec *out)
{
    const vec even = y[0] + y[2], odd = y[1] + y[3], two = v_broadcast(2.0F);

    out[0] = y[0];
    out[1] = even + odd;
    out[2] = even - odd;
    out[3] = v_fma(two, v_fma(two, v_fma(two, y[3], y[2]), y[1]), y[0]);
    out[4] = y[3];
}

static inline __attribute__((always_inline)) void filter9(const vec *g, vec *out)
{
    const vec half = v_broadcast(0.5F), sixth = v_broadcast(1.0F / 6.0F);

    out[0] = half * g[0];
    out[1] = half * (g[0] + g[2]);
    out[2] = sixth * (g[0] - g[2]);
    out[3] = sixth * v_fma(v_broadcast(2.0F), g[2], g[0]);
    out[4] = g[2];
    out[5] = out[6] = half * g[1];
    out[7] = out[8] = sixth * g[1];
}

static inline __attribute__((always_inline)) void taps9(const vec *u, vec *out)
{
    const vec half = v_broadcast(0.5F), sixth = v_broadcast(1.0F / 6.0F);

    out[0] = v_fma(half, u[0] + u[1], sixth * (u[2] + u[3]));
    out[1] = v_fma(half, u[5] + u[6], sixth * (u[7] + u[8]));
    out[2] =
        v_fma(half, u[1],
              v_fma(sixth, v_fma(v_broadcast(2.0F), u[3], v_broadcast(0.0F) - u[2]), u[4]));
}

/* ------------------------------------------------------------------ stride 2: F(2, 2)
 *
 * The same with points 0, 1 and infinity, for small images and for wide layers, whose
 * transformed weights take 25 numbers a filter instead of 81. Values 0..2 of a line are the
 * outer taps', 3 and 4 the middle tap's.
 *
 *     B' = | 1 -1 0 | 0 1 0 | 0 -1 1 |    A' = | 1 1 0 | 0 1 1 |    G = | 1 0 | 1 1 | 0 1 |  */
static inline __attribute__((always_inline)) void short_input3(const vec *d, vec *out)
{
    out[0] = d[0] - d[1];
    out[1] = d[1];
    out[2] = d[2] - d[1];
}

static inline __attribute__((always_inline)) void short_input5(const vec *d, vec *out)
{
    const vec outer[3] = {d[0], d[2], d[4]};

    short_input3(outer, out);
    out[3] = d[1] - d[3];
    out[4] = d[3];
}

static inline __attribute__((always_inline)) void short_output3(const vec *m, vec *out)
{
    out[0] = m[0] + m[1];
    out[1] = m[1] + m[2];
}

static inline __attribute__((always_inline)) void short_output5(const vec *m, vec *out)
{
    out[0] = m[3] + m[4];
    out[1] = m[0] + m[1];
    out[2] = m[4];
    out[3] = m[1] + m[2];
}

static inline __attribute__((always_inline)) void short_gradient3(const vec *y, vec *out)
{
    out[0] = y[0];
    out[1] = y[0] + y[1];
    out[2] = y[1];
}

static inline __attribute__((always_inline)) void short_filter5(const vec *g, vec *out)
{
    out[0] = g[0];
    out[1] = g[0] + g[2];
    out[2] = g[2];
    out[3] = out[4] = g[1];
}

static inline __attribute__((always_inline)) void short_taps5(const vec *u, vec *out)
{
    out[0] = u[0] + u[1];
    out[1] = u[3] + u[4];
    out[2] = u[1] + u[2];
}

/* ------------------------------------------------------------------ two dimensions */

/* Channels come in vectors; of the last one only `n` lanes may be there (`part`). What is read
 * then has zeros in the others. */
static inline __attribute__((always_inline)) vec load_part(const float *p, const int part,
                                                           int64_t n)
{
    return part ? v_load_part(p, n) : v_load(p);
}

/* The columns of `from` x `from` numbers at channel ch, each made `to` long. */
static inline __attribute__((always_inline)) void
columns(const line_fn f, const int from, const int to, const float *const *in, int64_t ch,
        const int activates, vec slope, const int part, int64_t n, vec half[LINE][LINE])
{
    UNROLL for (int x = 0; x < from; x++)
    {
        vec line[LINE], out[LINE];
        UNROLL for (int y = 0; y < from; y++)
        {
            const vec value = load_part(in[y * from + x] + ch, part, n);
            line[y] = activates ? v_max(value, value * slope) : value;
        }
        f(line, out);
        UNROLL for (int y = 0; y < to; y++) half[y][x] = out[y];
    }
}

/* One vector of channels; the result is always stored whole. */
static inline __attribute__((always_inline)) void
transform_vector(const line_fn f, const int from, const int to, const float *const *in,
                 const int activates, vec slope, float *const *out, int64_t at, int64_t ch,
                 const int part, int64_t n)
{
    vec half[LINE][LINE];

    columns(f, from, to, in, ch, activates, slope, part, n, half);
    UNROLL for (int y = 0; y < to; y++)
    {
        vec line[LINE];
        f(half[y], line);
        UNROLL for (int x = 0; x < to; x++) v_store(out[y * to + x] + at + ch, line[x]);
    }
}

static inline __attribute__((always_inline)) void
transform(const line_fn f, const int from, const int to, const float *const *in,
          const int activates, float slope, float *const *out, int64_t at, int64_t n)
{
    const vec slopes = v_broadcast(slope);
    int64_t ch = 0;

    for (; ch + WIDTH <= n; ch += WIDTH)
        transform_vector(f, from, to, in, activates, slopes, out, at, ch, 0, WIDTH);
    if (ch < n)
        transform_vector(f, from, to, in, activates, slopes, out, at, ch, 1, n - ch);
}

/* The inverse transform of one vector of channels, and what becomes of its pixels. `backward`
 * says which of the two epilogues of kernels.h it is. */
static inline __attribute__((always_inline)) void
inverse_vector(const line_fn f, const int from, const int to, const int backward,
               const jem__winograd_pixels *p, int64_t ch, const int part, int64_t n)
{
    vec half[LINE][LINE];
    const vec slope = v_broadcast(p->slope);
    const vec bias =
        !backward && p->bias != NULL ? load_part(p->bias + ch, part, n) : v_broadcast(0.0F);

    columns(f, from, to, p->in, p->at + ch, 0, v_broadcast(1.0F), 0, n, half);
    UNROLL for (int y = 0; y < to; y++)
    {
        vec line[LINE];
        f(half[y], line);
        UNROLL for (int x = 0; x < to; x++)
        {
            const int i = y * to + x;
            vec value = line[x];
            if (!backward)
                value += bias;
            else if (p->bits != NULL)
                value = part ? v_leak_byte(p->bits[i][ch / 8], value, slope)
                             : v_leak(p->bits[i] + ch / 8, value, slope);
            if (p->add != NULL)
                value += load_part(p->add[i] + ch, part, n);
            if (part)
                v_store_part(p->out[i] + ch, value, n);
            else
                v_store(p->out[i] + ch, value);
            if (!backward && p->bits != NULL) {
                uint8_t bits[WIDTH / 8];
                v_bits(part ? bits : p->bits[i] + ch / 8, value);
                if (part)
                    p->bits[i][ch / 8] = bits[0];
            }
        }
    }
}

static inline __attribute__((always_inline)) void inverse(const line_fn f, const int from,
                                                          const int to, const int backward,
                                                          const jem__winograd_pixels *p,
                                                          int64_t n)
{
    int64_t ch = 0;

    for (; ch + WIDTH <= n; ch += WIDTH)
        inverse_vector(f, from, to, backward, p, ch, 0, WIDTH);
    if (ch < n) /* eight channels, half a vector of sixteen */
        inverse_vector(f, from, to, backward, p, ch, 1, n - ch);
}

/* The table's entries; numbers are lengths of lines. */

static void winograd_input6(const float *const *in, float slope, float *const *out, int64_t at,
                            int64_t n)
{
    if (slope < 1.0F)
        transform(input6, 6, 6, in, 1, slope, out, at, n);
    else
        transform(input6, 6, 6, in, 0, 1.0F, out, at, n);
}

static void winograd_input9(const float *const *in, float slope, float *const *out, int64_t at,
                            int64_t n)
{
    if (slope < 1.0F)
        transform(input9, 9, 9, in, 1, slope, out, at, n);
    else
        transform(input9, 9, 9, in, 0, 1.0F, out, at, n);
}

static void winograd_input5(const float *const *in, float slope, float *const *out, int64_t at,
                            int64_t n)
{
    (void)slope;
    transform(input5, 5, 5, in, 0, 1.0F, out, at, n);
}

static void winograd_gradient6(const float *const *in, float slope, float *const *out,
                               int64_t at, int64_t n)
{
    (void)slope;
    transform(gradient6, 4, 6, in, 0, 1.0F, out, at, n);
}

static void winograd_gradient5(const float *const *in, float slope, float *const *out,
                               int64_t at, int64_t n)
{
    (void)slope;
    transform(gradient5, 4, 5, in, 0, 1.0F, out, at, n);
}

static void winograd_filter6(const float *const *in, float slope, float *const *out, int64_t at,
                             int64_t n)
{
    (void)slope;
    transform(filter6, 3, 6, in, 0, 1.0F, out, at, n);
}

static void winograd_filter9(const float *const *in, float slope, float *const *out, int64_t at,
                             int64_t n)
{
    (void)slope;
    transform(filter9, 3, 9, in, 0, 1.0F, out, at, n);
}

static void winograd_output6(const jem__winograd_pixels *p, int64_t n)
{
    inverse(output6, 6, 4, 0, p, n);
}

static void winograd_output6_back(const jem__winograd_pixels *p, int64_t n)
{
    inverse(output6, 6, 4, 1, p, n);
}

static void winograd_output5(const jem__winograd_pixels *p, int64_t n)
{
    inverse(output5, 5, 4, 0, p, n);
}

static void winograd_output9_back(const jem__winograd_pixels *p, int64_t n)
{
    inverse(output9, 9, 8, 1, p, n);
}

/* The weight gradient: taps += G' u G, which is the epilogue that adds. */
static void winograd_taps6(const jem__winograd_pixels *p, int64_t n)
{
    inverse(taps6, 6, 3, 1, p, n);
}

static void winograd_taps9(const jem__winograd_pixels *p, int64_t n)
{
    inverse(taps9, 9, 3, 1, p, n);
}

static void winograd_short_input5(const float *const *in, float slope, float *const *out,
                                  int64_t at, int64_t n)
{
    if (slope < 1.0F)
        transform(short_input5, 5, 5, in, 1, slope, out, at, n);
    else
        transform(short_input5, 5, 5, in, 0, 1.0F, out, at, n);
}

static void winograd_short_input3(const float *const *in, float slope, float *const *out,
                                  int64_t at, int64_t n)
{
    (void)slope;
    transform(short_input3, 3, 3, in, 0, 1.0F, out, at, n);
}

static void winograd_short_gradient3(const float *const *in, float slope, float *const *out,
                                     int64_t at, int64_t n)
{
    (void)slope;
    transform(short_gradient3, 2, 3, in, 0, 1.0F, out, at, n);
}

static void winograd_short_filter5(const float *const *in, float slope, float *const *out,
                                   int64_t at, int64_t n)
{
    (void)slope;
    transform(short_filter5, 3, 5, in, 0, 1.0F, out, at, n);
}

static void winograd_short_output3(const jem__winograd_pixels *p, int64_t n)
{
    inverse(short_output3, 3, 2, 0, p, n);
}

static void winograd_short_output5_back(const jem__winograd_pixels *p, int64_t n)
{
    inverse(short_output5, 5, 4, 1, p, n);
}

static void winograd_short_taps5(const jem__winograd_pixels *p, int64_t n)
{
    inverse(short_taps5, 5, 3, 1, p, n);
}

/* In the order of enum jem__winograd_kind. */
static const jem__winograd_kernels winograd[] = {
    {winograd_input6, winograd_output6, winograd_input6, winograd_output6_back,
     winograd_gradient6, winograd_filter6, winograd_taps6},
    {winograd_input9, winograd_output5, winograd_input5, winograd_output9_back,
     winograd_gradient5, winograd_filter9, winograd_taps9},
    {winograd_short_input5, winograd_short_output3, winograd_short_input3,
     winograd_short_output5_back, winograd_short_gradient3, winograd_short_filter5,
     winograd_short_taps5},
};
