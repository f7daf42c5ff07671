/* SPDX-License-Identifier: MIT */

/* The trace of (S1 S2)^(1/2) without a product S1 S2, which is not symmetric, and without the
 * square root of eigenvalues that are rounding errors: with S = A A',
 *
 *     tr (S1 S2)^(1/2) = tr (A1' S2 A1)^(1/2) = sum of the singular values of A1' A2
 *
 * so an error of 1e-16 stays one, where sqrt(1e-16) = 1e-8 for each of thousands of directions
 * without variance would add up. The same set twice gives 0. */

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

/* The covariance's upper triangle (column-major), around the known mean, where its factor will be. */
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

/* From the covariance to its factor, in place: eigenvectors times roots of eigenvalues, without
 * those that are zero but for rounding. */
static int find_factor(const char *what, struct frechet_gaussian *g)
{
    double *eigenvalues = malloc((size_t)g->d * sizeof *eigenvalues);
    int64_t none = 0;
    double smallest;

    if (eigenvalues == NULL)
        return report_no_memory();
    for (int64_t j = 0; j < g->d; j++)
        g->trace += g->factor[j * g->d + j];
    if (LAPACKE_dsyevd(LAPACK_COL_MAJOR, 'V', 'U', (lapack_int)g->d, g->factor,
                       (lapack_int)g->d, eigenvalues) != 0) {
        free(eigenvalues);
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
    out->mean = malloc((size_t)d * sizeof out->mean[0]);
    rows = malloc((size_t)(BLOCK * d) * sizeof *rows);
    out->factor = malloc((size_t)(d * d) * sizeof out->factor[0]);
    if (out->mean == NULL || rows == NULL || out->factor == NULL)
        rc = report_no_memory();
    else
        rc = find_mean(features, what, out);
    if (rc == EXIT_OK) {
        find_covariance(features, out, rows);
        rc = find_factor(what, out);
    }
    free(rows);
    if (rc != EXIT_OK)
        frechet_free(out);
    return rc;
}

/* The sum of the singular values of A1' A2. */
static int overlap(const struct frechet_gaussian *a, const struct frechet_gaussian *b,
                   double *out)
{
    const int64_t rank = a->rank < b->rank ? a->rank : b->rank;
    const int d = (int)a->d, rows = (int)a->rank, columns = (int)b->rank;
    double *product, *values, none[1];
    int rc = EXIT_OK;

    *out = 0;
    if (rank == 0)
        return EXIT_OK;
    product = malloc((size_t)(a->rank * b->rank) * sizeof *product);
    values = malloc((size_t)rank * sizeof *values);
    if (product == NULL || values == NULL) {
        rc = report_no_memory();
    } else {
        cblas_dgemm(CblasColMajor, CblasTrans, CblasNoTrans, rows, columns, d, 1.0, a->factor,
                    d, b->factor, d, 0.0, product, rows);
        if (LAPACKE_dgesdd(LAPACK_COL_MAJOR, 'N', rows, columns, product, rows, values, none, 1,
                           none, 1) != 0)
            rc = report_failed("Frechet distance: no singular values of %d x %d numbers: "
                               "LAPACK's dgesdd failed",
                               rows, columns);
    }
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
    int rc;

    if (a->d != b->d)
        return report_failed("Frechet distance: %" PRId64 " features against %" PRId64, a->d,
                             b->d);
    rc = overlap(a, b, &common);
    for (int64_t j = 0; j < a->d; j++)
        shift += (a->mean[j] - b->mean[j]) * (a->mean[j] - b->mean[j]);
    *out = fmax(0, shift + a->trace + b->trace - 2 * common); /* rounding, not a distance < 0 */
    return rc;
}
