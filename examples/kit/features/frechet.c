/* SPDX-License-Identifier: MIT */

/* With S = A A',
 *
 *     tr (S1 S2)^(1/2) = tr (A1' S2 A1)^(1/2) = sum of the singular values of A1' A2
 *
 * which needs neither the product S1 S2, which is not symmetric, nor square roots of eigenvalues
 * that are rounding errors: sqrt(1e-16) = 1e-8 would add up over thousands of directions without
 * variance. The same set twice gives 0. */

#include "kit/features/frechet.h"

#include <cblas.h>
#include <float.h>
#include <inttypes.h>
#include <lapacke.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kit/base/report.h"

#define BLOCK         256   /* rows that are centred at a time */
#define LARGEST_WIDTH 16384 /* features: their covariance has 2 GB */

void frechet_free(struct frechet_gaussian *g)
{
    free(g->mean);
    free(g->factor);
    memset(g, 0, sizeof *g);
}

static int find_mean(const float *x, const char *what, struct frechet_gaussian *g)
{
    memset(g->mean, 0, (size_t)g->d * sizeof g->mean[0]);
    for (int64_t i = 0; i < g->n; i++) {
        for (int64_t j = 0; j < g->d; j++) {
            const float v = x[i * g->d + j];

            if (!isfinite(v))
                return report_failed(
                    "%s: feature %" PRId64 " of image %" PRId64 " is not finite", what, j, i);
            g->mean[j] += (double)v;
        }
    }
    for (int64_t j = 0; j < g->d; j++)
        g->mean[j] /= (double)g->n;
    return EXIT_OK;
}

/* The upper triangle (column-major) of the covariance, in the place of its factor. */
static void find_covariance(const float *x, const struct frechet_gaussian *g, double *rows)
{
    const int d = (int)g->d;

    for (int64_t first = 0; first < g->n; first += BLOCK) {
        const int64_t m = g->n - first < BLOCK ? g->n - first : BLOCK;

        for (int64_t i = 0; i < m; i++)
            for (int64_t j = 0; j < g->d; j++)
                rows[i * g->d + j] = (double)x[(first + i) * g->d + j] - g->mean[j];
        cblas_dsyrk(CblasColMajor, CblasUpper, CblasNoTrans, d, (int)m,
                    1.0 / (double)(g->n - 1), rows, d, first > 0 ? 1.0 : 0.0, g->factor, d);
    }
}

/* LAPACKE takes memory of its own. */
static int is_no_memory(lapack_int code)
{
    return code == LAPACK_WORK_MEMORY_ERROR || code == LAPACK_TRANSPOSE_MEMORY_ERROR;
}

/* From the covariance to its factor, in place: eigenvectors times roots of eigenvalues, without
 * the eigenvalues that are only rounding. */
static int find_factor(const char *what, struct frechet_gaussian *g)
{
    double *eigenvalues = malloc((size_t)g->d * sizeof *eigenvalues);
    int64_t none = 0;
    double smallest;
    lapack_int code;

    if (eigenvalues == NULL)
        return report_no_memory();
    for (int64_t j = 0; j < g->d; j++)
        g->trace += g->factor[j * g->d + j];
    code = LAPACKE_dsyevd(LAPACK_COL_MAJOR, 'V', 'U', (lapack_int)g->d, g->factor,
                          (lapack_int)g->d, eigenvalues);
    if (code != 0) {
        free(eigenvalues);
        if (is_no_memory(code))
            return report_no_memory();
        return report_failed("%s: no eigenvalues of the covariance of %" PRId64
                             " features: LAPACK's dsyevd failed",
                             what, g->d);
    }
    smallest = eigenvalues[g->d - 1] * (double)g->d * DBL_EPSILON;
    while (none < g->d && eigenvalues[none] <= smallest) /* they ascend */
        none++;
    g->rank = g->d - none;
    memmove(g->factor, g->factor + none * g->d, (size_t)(g->rank * g->d) * sizeof g->factor[0]);
    for (int64_t k = 0; k < g->rank; k++)
        for (int64_t j = 0; j < g->d; j++)
            g->factor[k * g->d + j] *= sqrt(eigenvalues[none + k]);
    free(eigenvalues);
    return EXIT_OK;
}

/* `rows` is scratch memory for BLOCK rows. */
static int fit(const float *features, const char *what, struct frechet_gaussian *g,
               double *rows)
{
    g->mean = malloc((size_t)g->d * sizeof *g->mean);
    g->factor = malloc((size_t)(g->d * g->d) * sizeof *g->factor);
    if (g->mean == NULL || g->factor == NULL || rows == NULL)
        return report_no_memory();
    TRY(find_mean(features, what, g));
    find_covariance(features, g, rows);
    return find_factor(what, g);
}

int frechet_fit(const float *features, int64_t n, int64_t d, const char *what,
                struct frechet_gaussian *out)
{
    double *rows;
    int rc;

    memset(out, 0, sizeof *out);
    if (n < 2)
        return report_failed("%s: %" PRId64 " image(s); a Frechet distance needs two or more",
                             what, n);
    if (d < 1 || d > LARGEST_WIDTH)
        return report_failed("%s: %" PRId64 " features; a Frechet distance takes 1 to %d", what,
                             d, LARGEST_WIDTH);
    out->n = n;
    out->d = d;
    rows = malloc((size_t)(BLOCK * d) * sizeof *rows);
    rc = fit(features, what, out, rows);
    free(rows);
    if (rc != EXIT_OK)
        frechet_free(out);
    return rc;
}

/* The singular values of A1' A2, which `product` is scratch memory for. */
static int singular_values(const struct frechet_gaussian *a, const struct frechet_gaussian *b,
                           double *product, double *values)
{
    const int d = (int)a->d, rows = (int)a->rank, columns = (int)b->rank;
    double none[1];
    lapack_int code;

    if (product == NULL || values == NULL)
        return report_no_memory();
    cblas_dgemm(CblasColMajor, CblasTrans, CblasNoTrans, rows, columns, d, 1.0, a->factor, d,
                b->factor, d, 0.0, product, rows);
    code = LAPACKE_dgesdd(LAPACK_COL_MAJOR, 'N', rows, columns, product, rows, values, none, 1,
                          none, 1);
    if (is_no_memory(code))
        return report_no_memory();
    if (code != 0)
        return report_failed("Frechet distance: no singular values of %d x %d numbers: "
                             "LAPACK's dgesdd failed",
                             rows, columns);
    return EXIT_OK;
}

/* Their sum. */
static int overlap(const struct frechet_gaussian *a, const struct frechet_gaussian *b,
                   double *out)
{
    const int64_t rank = a->rank < b->rank ? a->rank : b->rank;
    double *product, *values;
    int rc;

    *out = 0;
    if (rank == 0)
        return EXIT_OK;
    product = malloc((size_t)(a->rank * b->rank) * sizeof *product);
    values = malloc((size_t)rank * sizeof *values);
    rc = singular_values(a, b, product, values);
    for (int64_t i = 0; i < rank && rc == EXIT_OK; i++)
        *out += values[i];
    free(product);
    free(values);
    return rc;
}

int frechet_distance(const struct frechet_gaussian *a, const struct frechet_gaussian *b,
                     double *out)
{
    double shift = 0, common = 0;

    if (a->d != b->d)
        return report_failed("Frechet distance: %" PRId64 " features against %" PRId64, a->d,
                             b->d);
    TRY(overlap(a, b, &common));
    for (int64_t j = 0; j < a->d; j++)
        shift += (a->mean[j] - b->mean[j]) * (a->mean[j] - b->mean[j]);
    *out = fmax(0, shift + a->trace + b->trace - 2 * common); /* rounding, not a distance < 0 */
    return EXIT_OK;
}
