/* SPDX-License-Identifier: MIT */

/* SVHN, cropped digits: MAT-files with X, 32 x 32 x 3 x N bytes of which the first index runs
 * fastest, and y, N labels 1 to 10. 10 stands for the digit 0. */

#include "kit/data/data_kind.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kit/base/report.h"
#include "kit/formats/mat.h"

#define SIDE 32

/* From columns to rows, in place: the whole set can be a gigabyte, which need not be there
 * twice. */
static void transpose(uint8_t *x, int64_t planes)
{
    for (int64_t p = 0; p < planes; p++, x += SIDE * SIDE) {
        for (int r = 0; r < SIDE; r++) {
            for (int c = r + 1; c < SIDE; c++) {
                const uint8_t v = x[r * SIDE + c];

                x[r * SIDE + c] = x[c * SIDE + r];
                x[c * SIDE + r] = v;
            }
        }
    }
}

/* *x is the caller's, also on failure. */
static int read_images(struct mat_file *file, const char *path, uint8_t **x, int64_t *n)
{
    struct mat_array a;

    TRY(mat_find(file, "X", &a));
    *n = a.dims == 4 ? a.shape[3] : 1; /* MATLAB drops a last 1 */
    if (!a.bytes || a.dims < 3 || a.shape[0] != SIDE || a.shape[1] != SIDE || a.shape[2] != 3 ||
        *n < 1)
        return report_failed("%s: X is not 32 x 32 x 3 x N of class uint8", path);
    *x = malloc((size_t)a.count);
    if (*x == NULL)
        return report_no_memory();
    TRY(mat_read_bytes(file, &a, *x));
    transpose(*x, *n * 3);
    return EXIT_OK;
}

static int take_labels(const char *path, const double *values, int64_t n, int32_t *y)
{
    for (int64_t i = 0; i < n; i++) {
        const double v = values[i];

        if (!(v >= 1 && v <= 10) || v != (int)v)
            return report_failed("%s: label %" PRId64 " is %g; SVHN's are 1 to 10 (10 is the "
                                 "digit 0)",
                                 path, i, v);
        y[i] = (int32_t)v % 10;
    }
    return EXIT_OK;
}

/* *y is the caller's, also on failure. */
static int read_labels(struct mat_file *file, const char *path, int64_t n, int32_t **y)
{
    struct mat_array a;
    double *values;
    int rc;

    TRY(mat_find(file, "y", &a));
    if (a.count != n || a.dims != 2 || (a.shape[0] != 1 && a.shape[1] != 1))
        return report_failed("%s: y has %" PRId64 " numbers for %" PRId64
                             " images; it must be N x 1",
                             path, a.count, n);
    *y = malloc((size_t)n * sizeof **y);
    values = malloc((size_t)n * sizeof *values);
    if (*y == NULL || values == NULL)
        rc = report_no_memory();
    else
        rc = mat_read_doubles(file, &a, values);
    if (rc == EXIT_OK)
        rc = take_labels(path, values, n, *y);
    free(values);
    return rc;
}

int data_svhn_files(const struct data_kind *kind, const char *where, const char *split,
                    struct data_files *out)
{
    char name[32];

    out->count = 1;
    snprintf(name, sizeof name, "%s_32x32.mat", split);
    return data_find_file(kind, where, name, out->path[0]);
}

struct digits {
    struct mat_file *file;
    uint8_t *x;
    int32_t *y;
    int64_t n;
};

static int read_digits(const char *path, struct digits *d)
{
    TRY(mat_open(path, &d->file));
    TRY(read_images(d->file, path, &d->x, &d->n));
    return read_labels(d->file, path, d->n, &d->y);
}

int data_open_svhn(jem_context *ctx, const struct data_kind *kind, const char *where,
                   const char *split, jem_dataset **out)
{
    static const int64_t shape[3] = {3, SIDE, SIDE};
    struct data_files files;
    struct digits d = {NULL, NULL, NULL, 0};
    int rc;

    TRY(data_svhn_files(kind, where, split, &files));
    rc = read_digits(files.path[0], &d);
    mat_close(d.file); /* before libjem copies the images */
    if (rc == EXIT_OK)
        rc = report_jem(jem_dataset_from_u8(ctx, d.x, d.y, d.n, shape, 10, out));
    free(d.x);
    free(d.y);
    return rc;
}
