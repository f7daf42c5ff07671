/* SPDX-License-Identifier: MIT */

/* See few_labels.h. */

#include "few_labels.h"

#include <inttypes.h>
#include <stdlib.h>

#include "kit/base/splitmix.h"
#include "kit/cli/whole_numbers.h"

int label_sizes_read(const char *text, struct label_sizes *out)
{
    out->count = whole_numbers_read(text, ',', 1, INT64_MAX, MOST_SIZES, out->size);
    if (out->count == WHOLE_NUMBERS_TOO_MANY)
        return report_usage("--labels %s: more than %d numbers", text, MOST_SIZES);
    if (out->count == WHOLE_NUMBERS_WRONG)
        return report_usage("--labels %s: must be numbers of at least 1, joined by commas",
                            text);
    return CLI_GO;
}

/* 0 ... n - 1 in an order that the seed draws (Fisher and Yates, inside out). */
static int64_t *draw_order(struct lab *l, int64_t n, int64_t seed)
{
    int64_t *order = lab_array(l, n, sizeof *order);
    uint64_t state = splitmix_begin(seed, 0);

    for (int64_t i = 0; i < n; i++) {
        const int64_t j = splitmix_below(&state, i + 1);

        order[i] = order[j];
        order[j] = i;
    }
    return order;
}

/* Leave the first `size` labels of each class in the drawn order, -1 for the others. So with one
 * seed the labels of a smaller size are among those of a larger one. */
static void thin(struct lab *l, int32_t *y, int64_t n, int64_t size, int64_t seed)
{
    int64_t *order = draw_order(l, n, seed);
    int64_t *kept = lab_array(l, l->classes, sizeof *kept);

    for (int64_t i = 0; i < n; i++) {
        int32_t *label = &y[order[i]];

        if (*label < 0)
            continue;
        if (kept[*label] == size)
            *label = -1;
        else
            kept[*label]++;
    }
    for (int64_t k = 0; k < l->classes; k++)
        if (kept[k] < size)
            must(report_failed("--labels %" PRId64 ": class %" PRId64 " has only %" PRId64
                               " labelled training images",
                               size, k, kept[k]));
    lab_drop(l, order);
    lab_drop(l, kept);
}

static void release_dataset(void *data)
{
    jem_dataset_free(data);
}

jem_dataset *few_labels(struct lab *l, const jem_dataset *all, int64_t size, int64_t seed)
{
    jem_dataset *few = NULL;
    int64_t n = 0;
    float *x;
    int32_t *y;

    must_jem(jem_dataset_size(all, &n));
    x = lab_floats(l, n * l->size);
    y = lab_array(l, n, sizeof *y);
    must_jem(jem_dataset_read(all, 0, n, x, y));
    thin(l, y, n, size, seed);
    must_jem(jem_dataset_from_f32(l->ctx, x, y, n, l->shape, l->classes, &few));
    lab_drop(l, x);
    lab_drop(l, y);
    return lab_keep(l, few, release_dataset);
}

void few_labels_check(struct lab *l, const jem_dataset *all, const struct label_sizes *sizes)
{
    int64_t n = 0, most = 0;
    int32_t *y;

    must_jem(jem_dataset_size(all, &n));
    y = lab_array(l, n, sizeof *y);
    must_jem(jem_dataset_read(all, 0, n, NULL, y));
    for (int64_t i = 0; i < sizes->count; i++)
        most = sizes->size[i] > most ? sizes->size[i] : most;
    thin(l, y, n, most, l->seed);
    lab_drop(l, y);
}
