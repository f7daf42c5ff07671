/* SPDX-License-Identifier: MIT */

/* See demo_page.h: grids of images, and what their rows are. */

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "demo_page.h"
#include "kit/base/file.h"
#include "kit/images/image.h"
#include "kit/stats/sorted.h"

enum { COLUMNS = 10, SHOWN = 40 };

static const char *class_name(struct lab *l, int64_t y)
{
    const char *name = lab_class_name(l, y);

    return name != NULL ? name : lab_text(l, "class %" PRId64, y);
}

/* The class of most images of a row, and how many it has; of several the first. Images without a
 * class have y < 0. */
static int64_t most_frequent(const int32_t *y, int64_t n, int64_t *times)
{
    int64_t best = -1;

    *times = 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t same = 0;

        for (int64_t j = 0; j < n; j++)
            same += y[i] >= 0 && y[j] == y[i];
        if (same > *times) {
            *times = same;
            best = y[i];
        }
    }
    return best;
}

static const char *label_row(struct lab *l, const int32_t *y, int64_t n, double from, double to)
{
    int64_t times;
    const int64_t best = most_frequent(y, n, &times);
    const char *range = lab_text(l, n > 1 ? "%.3g to %.3g" : "%.3g", from, to);

    return best < 0 ? range
                    : lab_text(l, "%s (%" PRId64 "/%" PRId64 "): %s", class_name(l, best),
                               times, n, range);
}

static struct demo_labels begin_labels(struct lab *l, int64_t rows)
{
    return (struct demo_labels){0, lab_array(l, rows, sizeof(const char *))};
}

/* --- The most and the least likely images --------------------------------------------------- */

void demo_draw_likely(struct lab *l, const struct image_input *in, struct demo *d)
{
    const int64_t n = in->n, shown = n < SHOWN ? n : SHOWN;
    float *grid = lab_floats(l, shown * l->size), *energy = lab_negated(l, d->in.log_px, n);
    int64_t *order = lab_array(l, n, sizeof *order);
    int32_t y[COLUMNS];
    char path[FILE_PATH_BYTES];

    must(sort_order(energy, n, order));
    for (int least = 0; least < 2; least++) {
        struct demo_labels *labels = least ? &d->unlikely : &d->likely;

        *labels = begin_labels(l, SHOWN / COLUMNS);
        for (int64_t i = 0; i < shown; i++) {
            const int64_t from = order[least ? n - 1 - i : i];
            const int64_t first =
                order[least ? n - 1 - i / COLUMNS * COLUMNS : i / COLUMNS * COLUMNS];

            memcpy(grid + i * l->size, in->x + from * l->size, (size_t)l->size * sizeof *grid);
            y[i % COLUMNS] = d->no_classes == NULL ? d->test->labels[from] : -1;
            if (i % COLUMNS == COLUMNS - 1 || i == shown - 1)
                labels->text[labels->count++] =
                    label_row(l, y, i % COLUMNS + 1, (double)d->in.log_px[first],
                              (double)d->in.log_px[from]);
        }
        must(file_join(path, l->out, least ? "unlikely.png" : "likely.png"));
        must(image_write_grid(path, grid, shown, l->shape, COLUMNS));
    }
}

/* --- Pictures of others ------------------------------------------------------------------- */

/* samples.png of the training: its images are scored as the picture has them. */
static void label_samples(struct lab *l, const char *path, struct demo *d)
{
    const struct evaluation *e;
    struct image_input in = {0};
    float *x;
    int64_t rows;

    must(image_read_grid(path, l->shape, COLUMNS, &x, &in.n, &rows));
    in.of = in.n;
    in.x = lab_keep(l, x, free);
    if (in.n == 0)
        return;
    e = lab_evaluate(l, &in);
    d->samples = begin_labels(l, rows);
    for (int64_t first = 0; first < in.n; first += COLUMNS) {
        const int64_t n = in.n - first < COLUMNS ? in.n - first : COLUMNS;
        double low = HUGE_VAL, high = -HUGE_VAL;
        int32_t y[COLUMNS];

        for (int64_t i = 0; i < n; i++) {
            low = fmin(low, (double)e->log_px[first + i]);
            high = fmax(high, (double)e->log_px[first + i]);
            y[i] = d->no_classes == NULL ? e->pred[first + i] : -1;
        }
        d->samples.text[d->samples.count++] = label_row(l, y, n, low, high);
    }
}

/* The mean p(y|x) of class y in what jem-sample has written of this model; NaN: it has not. */
static double confidence_of(const struct lab *l, const json_t *drawn, int64_t y)
{
    const json_t *rows = json_object_get(drawn, "rows"), *row, *value;
    size_t i;

    if (!json_equal(json_object_get(drawn, "model_md5"),
                    json_object_get(record_json(l->record), "model_md5")))
        return (double)NAN;
    json_array_foreach(rows, i, row)
    {
        value = json_object_get(row, "confidence");
        if (json_integer_value(json_object_get(row, "class")) == y && json_is_number(value))
            return json_number_value(value);
    }
    return (double)NAN;
}

/* drawn/classes.png of jem-sample has a row for each class. */
static void label_drawn(struct lab *l, const char *run, struct demo *d)
{
    char path[FILE_PATH_BYTES];
    json_t *drawn = NULL;

    must(file_join(path, run, "drawn/sample.json"));
    must(json_read_file(path, &drawn));
    d->drawn = begin_labels(l, l->classes);
    for (int64_t y = 0; y < l->classes; y++) {
        const char *name = class_name(l, y);
        const double sure = confidence_of(l, drawn, y);

        d->drawn.text[d->drawn.count++] =
            isnan(sure) ? name : lab_text(l, "%s: p(y|x) %.2f", name, sure);
    }
    json_decref(drawn);
}

void demo_label_pictures(struct lab *l, const char *run, struct demo *d)
{
    char path[FILE_PATH_BYTES];

    must(file_join(path, run, "samples.png"));
    if (file_exists(path))
        label_samples(l, path, d);
    must(file_join(path, run, "drawn/classes.png"));
    if (file_exists(path) && d->no_classes == NULL)
        label_drawn(l, run, d);
}
