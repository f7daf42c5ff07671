/* SPDX-License-Identifier: MIT */

/* The covariance of images and its Cholesky factor.
 *
 * For 3,072 values and 5,000 images a class costs 50 GFLOP for the covariance and 10 for the
 * factor, so both are blocked for the cache and leave loops that a compiler turns into vector
 * code. Products are summed in float within chunks of 256 images, the chunks in double: the
 * rounding error stays far below the ridge. Tasks are cut by the sizes alone and each sum has
 * one fixed order, so the number of threads cannot be seen in the result.
 *
 * Layouts: `panels` holds the centred images value-group by value-group, [panel][image][8]: the
 * product kernel reads two panels as two streams. `matrix` is size_up x size_up, row-major,
 * lower triangle; size_up is size rounded up to whole panels, the rest zeros. */

#include "energy/covariance.h"

#include <math.h>
#include <string.h>

#include "core/error.h"
#include "core/memory.h"
#include "core/threads.h"

#define PANEL 8   /* values in a panel; the kernel makes 4 x 8 products at once */
#define CHUNK 256 /* images whose products are summed in float */
#define BLOCK 64  /* columns that the Cholesky factorisation takes at once */
#define ROWS  32  /* rows below them in one task */

struct jem__covariance {
    jem_context *ctx;
    int64_t size, size_up, n;
    float *panels;  /* size_up / PANEL x n_max x PANEL */
    double *matrix; /* size_up x size_up */
    double *below;  /* BLOCK x size_up: the current columns, transposed */
    int64_t column; /* the first of them */
    int64_t width;  /* their number */
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
    cov->size_up = (size + PANEL - 1) / PANEL * PANEL;
    cov->panels = jem__alloc_raw(ctx, n_max, cov->size_up * (int64_t)sizeof(float));
    if (cov->panels == NULL)
        goto fail;
    cov->matrix = jem__alloc_raw(ctx, cov->size_up, cov->size_up * (int64_t)sizeof(double));
    if (cov->matrix == NULL)
        goto fail;
    cov->below = jem__alloc_raw(ctx, cov->size_up, BLOCK * (int64_t)sizeof(double));
    if (cov->below == NULL)
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
    jem__free(cov->ctx, cov->below);
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
            const float value = j < cov->size ? image[j] - mean[j] : 0.0f;

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

/* Factor the block on the diagonal, unblocked. */
static void factor_diagonal(jem__covariance *cov, double ridge)
{
    double *at = cov->matrix + cov->column * cov->size_up + cov->column;

    for (int64_t j = 0; j < cov->width; j++) {
        double *row = at + j * cov->size_up;
        double pivot = row[j];

        for (int64_t k = 0; k < j; k++)
            pivot -= row[k] * row[k];
        row[j] = sqrt(pivot > ridge ? pivot : ridge);
        for (int64_t i = j + 1; i < cov->width; i++) {
            double *lower = at + i * cov->size_up;
            double sum = lower[j];

            for (int64_t k = 0; k < j; k++)
                sum -= lower[k] * row[k];
            lower[j] = sum / row[j];
        }
    }
}

/* Task: finish the current columns in 32 rows below the diagonal block, and keep a transposed
 * copy for the update. */
static void solve_rows(void *arg, int64_t task, int32_t worker)
{
    jem__covariance *cov = arg;
    const int64_t first = cov->column + cov->width + task * ROWS;
    const int64_t last = jem__min(first + ROWS, cov->size);
    const double *diagonal = cov->matrix + cov->column * cov->size_up + cov->column;

    (void)worker;
    for (int64_t i = first; i < last; i++) {
        double *row = cov->matrix + i * cov->size_up + cov->column;

        for (int64_t j = 0; j < cov->width; j++) {
            const double *done = diagonal + j * cov->size_up;
            double sum = row[j];

            for (int64_t k = 0; k < j; k++)
                sum -= row[k] * done[k];
            row[j] = sum / done[j];
            cov->below[j * cov->size_up + i] = row[j];
        }
    }
}

/* Task: subtract the current columns' products from 32 rows of the rest, four columns at a
 * time and in their order. */
static void update_rows(void *arg, int64_t task, int32_t worker)
{
    const jem__covariance *cov = arg;
    const int64_t from = cov->column + cov->width;
    const int64_t first = from + task * ROWS;
    const int64_t last = jem__min(first + ROWS, cov->size);

    (void)worker;
    for (int64_t k = 0; k + 4 <= cov->width; k += 4) {
        const double *b0 = cov->below + k * cov->size_up, *b1 = b0 + cov->size_up;
        const double *b2 = b1 + cov->size_up, *b3 = b2 + cov->size_up;

        for (int64_t i = first; i < last; i++) {
            double *row = cov->matrix + i * cov->size_up;
            const double a0 = row[cov->column + k], a1 = row[cov->column + k + 1];
            const double a2 = row[cov->column + k + 2], a3 = row[cov->column + k + 3];

            for (int64_t j = from; j <= i; j++)
                row[j] -= a0 * b0[j] + a1 * b1[j] + a2 * b2[j] + a3 * b3[j];
        }
    }
}

/* Right-looking blocked Cholesky factorisation in place. Only the last block may be narrower
 * than BLOCK, and nothing is left to update after it. */
static void cholesky(jem__covariance *cov, double ridge)
{
    for (cov->column = 0; cov->column < cov->size; cov->column += BLOCK) {
        const int64_t left = cov->size - cov->column;
        int64_t tasks;

        cov->width = jem__min(left, BLOCK);
        tasks = jem__ceil_div(left - cov->width, ROWS);
        factor_diagonal(cov, ridge);
        jem__parallel_for(cov->ctx, tasks, solve_rows, cov);
        jem__parallel_for(cov->ctx, tasks, update_rows, cov);
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
    cholesky(cov, ridge);
    for (int64_t i = 0; i < cov->size; i++) {
        const double *row = cov->matrix + i * cov->size_up;

        for (int64_t j = 0; j < cov->size; j++)
            factor[i * cov->size + j] = j <= i ? (float)row[j] : 0.0f;
    }
}
