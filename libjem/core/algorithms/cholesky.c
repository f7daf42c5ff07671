/* SPDX-License-Identifier: MIT */

/* Right-looking blocked Cholesky factorisation, which leaves loops that a compiler turns into
 * vector code. Tasks are cut by the sizes alone and each sum has one fixed order, so the number
 * of threads does not change the result. */

#include "core/algorithms/cholesky.h"

#include <math.h>

#include "core/arithmetic.h"
#include "core/threads/threads.h"

#define BLOCK JEM__CHOLESKY_SCRATCH /* columns taken at once */
#define ROWS  32                    /* rows below them in one task */

typedef struct factorisation {
    double *matrix;
    double *below; /* BLOCK x stride: the current columns, transposed */
    int64_t size, stride;
    double least;
    int64_t column, width; /* the first of the current columns, their number */
} factorisation;

/* Factor the block on the diagonal, unblocked. */
static void factor_diagonal(const factorisation *f)
{
    double *at = f->matrix + f->column * f->stride + f->column;

    for (int64_t j = 0; j < f->width; j++) {
        double *row = at + j * f->stride;
        double pivot = row[j];

        for (int64_t k = 0; k < j; k++)
            pivot -= row[k] * row[k];
        row[j] = sqrt(pivot > f->least ? pivot : f->least);
        for (int64_t i = j + 1; i < f->width; i++) {
            double *lower = at + i * f->stride;
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
    factorisation *f = arg;
    const int64_t first = f->column + f->width + task * ROWS;
    const int64_t last = jem__min(first + ROWS, f->size);
    const double *diagonal = f->matrix + f->column * f->stride + f->column;

    (void)worker;
    for (int64_t i = first; i < last; i++) {
        double *row = f->matrix + i * f->stride + f->column;

        for (int64_t j = 0; j < f->width; j++) {
            const double *done = diagonal + j * f->stride;
            double sum = row[j];

            for (int64_t k = 0; k < j; k++)
                sum -= row[k] * done[k];
            row[j] = sum / done[j];
            f->below[j * f->stride + i] = row[j];
        }
    }
}

/* Task: subtract the current columns' products from 32 rows of the rest, four columns at a
 * time and in their order. */
static void update_rows(void *arg, int64_t task, int32_t worker)
{
    const factorisation *f = arg;
    const int64_t from = f->column + f->width;
    const int64_t first = from + task * ROWS;
    const int64_t last = jem__min(first + ROWS, f->size);

    (void)worker;
    for (int64_t k = 0; k + 4 <= f->width; k += 4) {
        const double *b0 = f->below + k * f->stride, *b1 = b0 + f->stride;
        const double *b2 = b1 + f->stride, *b3 = b2 + f->stride;

        for (int64_t i = first; i < last; i++) {
            double *row = f->matrix + i * f->stride;
            const double a0 = row[f->column + k], a1 = row[f->column + k + 1];
            const double a2 = row[f->column + k + 2], a3 = row[f->column + k + 3];

            for (int64_t j = from; j <= i; j++)
                row[j] -= a0 * b0[j] + a1 * b1[j] + a2 * b2[j] + a3 * b3[j];
        }
    }
}

void jem__cholesky(jem_context *ctx, double *matrix, int64_t size, int64_t stride, double least,
                   double *scratch)
{
    factorisation f = {
        .matrix = matrix, .below = scratch, .size = size, .stride = stride, .least = least};

    for (; f.column < size; f.column += BLOCK) {
        const int64_t left = size - f.column;

        f.width = jem__min(left, BLOCK);
        factor_diagonal(&f);
        /* Only the last block may be narrower, and no rows are left below it. */
        const int64_t tasks = jem__ceil_div(left - f.width, ROWS);
        jem__parallel_for(ctx, tasks, solve_rows, &f);
        jem__parallel_for(ctx, tasks, update_rows, &f);
    }
}
