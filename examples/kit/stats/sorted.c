/* SPDX-License-Identifier: MIT */

/* See sorted.h. */

#include "kit/stats/sorted.h"

#include <math.h>
#include <stdlib.h>

#include "kit/base/report.h"

struct numbered {
    double value;
    int64_t number;
};

static int compare_floats(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;

    return (x > y) - (x < y);
}

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static int compare_numbered(const void *a, const void *b)
{
    const struct numbered *x = a, *y = b;
    const int values = compare_doubles(&x->value, &y->value);

    return values != 0 ? values : (x->number > y->number) - (x->number < y->number);
}

void sort_floats(float *values, int64_t n)
{
    qsort(values, (size_t)n, sizeof *values, compare_floats);
}

void sort_doubles(double *values, int64_t n)
{
    qsort(values, (size_t)n, sizeof *values, compare_doubles);
}

/* One of the two is NULL. */
static int order_of(const float *floats, const double *doubles, int64_t n, int64_t *order)
{
    struct numbered *all = malloc((size_t)(n > 0 ? n : 1) * sizeof *all);

    if (all == NULL)
        return report_no_memory();
    for (int64_t i = 0; i < n; i++)
        all[i] = (struct numbered){floats != NULL ? (double)floats[i] : doubles[i], i};
    qsort(all, (size_t)n, sizeof *all, compare_numbered);
    for (int64_t i = 0; i < n; i++)
        order[i] = all[i].number;
    free(all);
    return EXIT_OK;
}

int sort_order(const float *values, int64_t n, int64_t *order)
{
    return order_of(values, NULL, n, order);
}

int sort_order_doubles(const double *values, int64_t n, int64_t *order)
{
    return order_of(NULL, values, n, order);
}

double sorted_median(const double *sorted, int64_t n)
{
    return (sorted[(n - 1) / 2] + sorted[n / 2]) / 2;
}

double sorted_quantile(const double *sorted, int64_t n, double share)
{
    const double at = share * (double)(n - 1);
    const int64_t below = (int64_t)floor(at);
    const double next = sorted[below + 1 < n ? below + 1 : below];

    return sorted[below] + (at - (double)below) * (next - sorted[below]);
}
