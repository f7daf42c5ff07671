/* SPDX-License-Identifier: MIT */

/* The transforms of Winograd's minimal filtering F(4x4, 3x3) (Lavin and Gray 2015), written once
 * for every vector width; included after tile_kernel.h, with the same vector type. What they
 * are part of is told in winograd.c.
 *
 * A vector holds WIDTH channels of one pixel, so a transform is a few dozen additions of whole
 * vectors, channel group by channel group. */

/* B' d for one column (or row) of six numbers:
 *
 *          |  4   0  -5   0   1   0 |
 *          |  0  -4  -4   1   1   0 |
 *     B' = |  0   4  -4  -1   1   0 |
 *          |  0  -2  -1   2   1   0 |
 *          |  0   2  -1  -2   1   0 |
 *          |  0   4   0  -5   0   1 |  */
static inline __attribute__((always_inline)) void transform_input(const vec d[6], vec out[6])
{
    const vec two = v_broadcast(2.0F), four = v_broadcast(4.0F), five = v_broadcast(5.0F);
    const vec even = d[4] - four * d[2], odd = d[3] - four * d[1];
    const vec even2 = d[4] - d[2], odd2 = two * (d[3] - d[1]);

    out[0] = four * d[0] - five * d[2] + d[4];
    out[1] = even + odd;
    out[2] = even - odd;
    out[3] = even2 + odd2;
    out[4] = even2 - odd2;
    out[5] = four * d[1] - five * d[3] + d[5];
}

/* A' m for one column (or row) of six numbers:
 *
 *          | 1  1  1  1  1  0 |
 *     A' = | 0  1 -1  2 -2  0 |
 *          | 0  1  1  4  4  0 |
 *          | 0  1 -1  8 -8  1 |  */
static inline __attribute__((always_inline)) void transform_output(const vec m[6], vec out[4])
{
    const vec two = v_broadcast(2.0F), four = v_broadcast(4.0F), eight = v_broadcast(8.0F);
    const vec sum1 = m[1] + m[2], difference1 = m[1] - m[2];
    const vec sum2 = m[3] + m[4], difference2 = m[3] - m[4];

    out[0] = m[0] + sum1 + sum2;
    out[1] = difference1 + two * difference2;
    out[2] = sum1 + four * sum2;
    out[3] = difference1 + eight * difference2 + m[5];
}

static inline __attribute__((always_inline)) vec load_leaky(const float *p, const int leaky)
{
    const vec value = v_load(p);

    return leaky ? v_max(value, value * v_broadcast(JEM__LEAK)) : value;
}

static inline __attribute__((always_inline)) void
input_tile(const float *const pixels[36], int64_t c, const int leaky, float *v, int64_t plane)
{
    for (int64_t ch = 0; ch < c; ch += WIDTH) {
        vec half[6][6];
        UNROLL for (int x = 0; x < 6; x++)
        {
            vec column[6], out[6];
            UNROLL for (int y = 0; y < 6; y++) column[y] =
                load_leaky(pixels[y * 6 + x] + ch, leaky);
            transform_input(column, out);
            UNROLL for (int y = 0; y < 6; y++) half[y][x] = out[y];
        }
        UNROLL for (int y = 0; y < 6; y++)
        {
            vec out[6];
            transform_input(half[y], out);
            UNROLL for (int x = 0; x < 6; x++) v_store(v + (y * 6 + x) * plane + ch, out[x]);
        }
    }
}

static void winograd_input(const float *const pixels[36], int64_t c, int32_t leaky, float *v,
                           int64_t plane)
{
    if (leaky)
        input_tile(pixels, c, 1, v, plane);
    else
        input_tile(pixels, c, 0, v, plane);
}

static void winograd_output(const float *m, int64_t plane, int64_t k, float *out)
{
    for (int64_t ch = 0; ch < k; ch += WIDTH) {
        vec half[4][6];
        UNROLL for (int x = 0; x < 6; x++)
        {
            vec column[6], four[4];
            UNROLL for (int y = 0; y < 6; y++) column[y] = v_load(m + (y * 6 + x) * plane + ch);
            transform_output(column, four);
            UNROLL for (int y = 0; y < 4; y++) half[y][x] = four[y];
        }
        UNROLL for (int y = 0; y < 4; y++)
        {
            vec four[4];
            transform_output(half[y], four);
            UNROLL for (int x = 0; x < 4; x++) v_store(out + (y * 4 + x) * k + ch, four[x]);
        }
    }
}
