/* SPDX-License-Identifier: MIT */

/* The covariance of images and its factor.
 *
 * With 5,000 images of 3,072 values a class costs 50 GFLOP, so the work is blocked for the cache
 * and leaves loops that a compiler turns into vector code. Products are summed in float within
 * chunks of 256 images, the chunks in double: the rounding error stays far below the ridge.
 * Tasks are cut by the sizes alone and each sum has one fixed order, so the number of threads
 * does not change the result.
 *
 * Layouts: `panels` holds the centred images in groups of eight values, [panel][image][8], so
 * that the product of two groups reads two streams. `matrix` is size_up x size_up, row-major,
 * of which the lower triangle is used; size_up is size rounded up to whole panels, and the
 * padding is zero. */

#include "energy/covariance.h"

#include <string.h>

#include "core/algorithms/cholesky.h"
#include "core/error.h"
#include "core/memory.h"
#include "core/threads/threads.h"

#define PANEL 8   /* values in a panel; the kernel makes 4 x 8 products at once */
#define CHUNK 256 /* images whose products are summed in float */

struct jem__covariance {
    jem_context *ctx;
    int64_t size, size_up, n;
    float *panels;   /* size_up / PANEL x n_max x PANEL */
    double *matrix;  /* size_up x size_up */
    double *scratch; /* of the factorisation */
};

jem_status jem__covariance_create(jem_context *ctx, int64_t size, int64_t n_max,
                                  jem__covariance **out)
{
    jem__covariance *cov = jem__alloc(ctx, 1, sizeof *cov);

    *out = NULL;
    if (cov == NULL)
        return JEM_E_NOMEM;
    cov->ctx = ctx;
    cov->size = size;
    cov->size_up = jem__round_up(size, PANEL);
    cov->panels = jem__alloc_raw(ctx, n_max, cov->size_up * (int64_t)sizeof(float));
    if (cov->panels == NULL)
        goto fail;
    cov->matrix = jem__alloc_raw(ctx, cov->size_up, cov->size_up * (int64_t)sizeof(double));
    if (cov->matrix == NULL)
        goto fail;
    cov->scratch =
        jem__alloc_raw(ctx, cov->size_up, JEM__CHOLESKY_SCRATCH * (int64_t)sizeof(double));
    if (cov->scratch == NULL)
        goto fail;
    *out = cov;
    return JEM_OK;

fail:
    jem__covariance_free(cov);
    return JEM_E_NOMEM;
}

void jem__covariance_free(jem__covariance *cov)
{
    if (cov == NULL)
        return;
    jem__free(cov->ctx, cov->scratch);
    jem__free(cov->ctx, cov->matrix);
    jem__free(cov->ctx, cov->panels);
    jem__free(cov->ctx, cov);
}

void jem__mean(const jem_dataset *data, const int64_t *numbers, int64_t n, int64_t size,
               double *sums, float *image, float *mean)
{
    memset(sums, 0, (size_t)size * sizeof *sums);
    for (int64_t i = 0; i < n; i++) {
        jem__dataset_image(data, numbers[i], image);
        for (int64_t j = 0; j < size; j++)
            sums[j] += (double)image[j];
    }
    for (int64_t j = 0; j < size; j++)
        mean[j] = (float)(sums[j] / (double)n);
}

/* Centred images into panels. */
static void pack(jem__covariance *cov, const jem_dataset *data, const int64_t *numbers,
                 const float *mean, float *image)
{
    for (int64_t i = 0; i < cov->n; i++) {
        jem__dataset_image(data, numbers[i], image);
        for (int64_t j = 0; j < cov->size_up; j++) {
            const float value = j < cov->size ? image[j] - mean[j] : 0.0F;

            cov->panels[(j / PANEL * cov->n + i) * PANEL + j % PANEL] = value;
        }
    }
}

/* out[r][c] += sum over `count` images of a[r] * b[c], r < 4, c < 8. The four rows are spelled
 * out so that their sums stay in registers. */
static void multiply(const float *a, const float *b, int64_t count, double *out, int64_t stride)
{
    float sum[4][PANEL] = {{0}};

    for (int64_t i = 0; i < count; i++) {
        const float a0 = a[i * PANEL], a1 = a[i * PANEL + 1];
        const float a2 = a[i * PANEL + 2], a3 = a[i * PANEL + 3];

        for (int64_t c = 0; c < PANEL; c++) {
            const float bc = b[i * PANEL + c];

            sum[0][c] += a0 * bc;
            sum[1][c] += a1 * bc;
            sum[2][c] += a2 * bc;
            sum[3][c] += a3 * bc;
        }
    }
    for (int64_t r = 0; r < 4; r++) {
        for (int64_t c = 0; c < PANEL; c++)
            out[r * stride + c] += (double)sum[r][c];
    }
}

/* Task: eight rows of the matrix, up to and including the diagonal. */
static void covariance_rows(void *arg, int64_t panel, int32_t worker)
{
    const jem__covariance *cov = arg;
    double *rows = cov->matrix + panel * PANEL * cov->size_up;

    (void)worker;
    memset(rows, 0, (size_t)(PANEL * cov->size_up) * sizeof *rows);
    for (int64_t first = 0; first < cov->n; first += CHUNK) {
        const int64_t count = jem__min(cov->n - first, CHUNK);
        const float *a = cov->panels + (panel * cov->n + first) * PANEL;

        for (int64_t other = 0; other <= panel; other++) {
            const float *b = cov->panels + (other * cov->n + first) * PANEL;
            double *out = rows + other * PANEL;

            multiply(a, b, count, out, cov->size_up);
            multiply(a + 4, b, count, out + 4 * cov->size_up, cov->size_up);
        }
    }
}

void jem__covariance_factor(jem__covariance *cov, const jem_dataset *data,
                            const int64_t *numbers, int64_t n, const float *mean, double ridge,
                            float *image, float *factor)
{
    cov->n = n;
    pack(cov, data, numbers, mean, image);
    jem__parallel_for(cov->ctx, cov->size_up / PANEL, covariance_rows, cov);
    for (int64_t i = 0; i < cov->size; i++) {
        double *row = cov->matrix + i * cov->size_up;

        for (int64_t j = 0; j <= i; j++)
            row[j] /= (double)n;
        row[i] += ridge;
    }
    jem__cholesky(cov->ctx, cov->matrix, cov->size, cov->size_up, ridge, cov->scratch);
    for (int64_t i = 0; i < cov->size; i++) {
        const double *row = cov->matrix + i * cov->size_up;

        for (int64_t j = 0; j < cov->size; j++)
            factor[i * cov->size + j] = j <= i ? (float)row[j] : 0.0F;
    }
}
