/* SPDX-License-Identifier: MIT */

/* See confusion.h. */

#include "kit/lab/confusion.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "kit/base/report.h"
#include "kit/data/data.h"
#include "kit/stats/share.h"

static const struct record_column class_columns[] = {
    {"class", "class", .kind = RECORD_WHOLE, .left = 1},
    {"n", "images", .kind = RECORD_WHOLE},
    {"right", "right", .kind = RECORD_WHOLE},
    {"accuracy", "accuracy", .decimals = 1, .percent = 1, .unit = " %"},
    {"low", "95 %", .decimals = 1, .percent = 1},
    {"high", NULL, .decimals = 1, .percent = 1, .join = " to "},
    {"taken_for", "most often taken for", .kind = RECORD_WHOLE, .left = 1},
    {"times", "times", .kind = RECORD_WHOLE},
};
static const struct record_layout per_class = {
    .name = "per_class",
    .title = "Accuracy per class",
    .only_page = 1,
    RECORD_COLUMNS(class_columns),
};

static const struct record_column pair_columns[] = {
    {"label", "label", .kind = RECORD_WHOLE, .left = 1},
    {"prediction", "prediction", .kind = RECORD_WHOLE, .left = 1},
    {"n", "images", .kind = RECORD_WHOLE, .heat = 1},
};
static const struct record_layout matrix = {
    .name = "confusion",
    .title = "Confusion matrix",
    .note = "A line per label, a column per prediction: how many images of the label the model "
            "takes for each class. The stronger the colour, the larger the share of the line.",
    .across = "prediction",
    .figure = "n",
    .only_page = 1,
    RECORD_COLUMNS(pair_columns),
};

/* k x k counts, a line per label. */
static int64_t *count_pairs(const struct evaluation *e)
{
    int64_t *counts = calloc((size_t)(e->classes * e->classes), sizeof *counts);

    for (int64_t i = 0; i < e->n && counts != NULL; i++)
        if (e->labels[i] >= 0)
            counts[e->labels[i] * e->classes + e->pred[i]]++;
    if (counts == NULL)
        report_no_memory();
    return counts;
}

static int64_t sum_of(const int64_t *line, int64_t k)
{
    int64_t sum = 0;

    for (int64_t j = 0; j < k; j++)
        sum += line[j];
    return sum;
}

static void put_class(struct record_table *t, const char *column, const struct lab *l,
                      int64_t y)
{
    const char *name = lab_class_name(l, y);

    record_whole(t, column, y);
    if (name != NULL)
        record_words(t, column, name);
}

static void put_accuracy(struct record_table *t, const struct lab *l, const int64_t *line,
                         int64_t y, int64_t k)
{
    const int64_t n = sum_of(line, k);
    double low, high;
    int64_t other = y == 0;

    if (n == 0)
        return;
    for (int64_t j = 0; j < k; j++)
        if (j != y && line[j] > line[other])
            other = j;
    share_interval(line[y], n, &low, &high);
    record_row(t);
    put_class(t, "class", l, y);
    record_whole(t, "n", n);
    record_whole(t, "right", line[y]);
    record_number(t, "accuracy", (double)line[y] / (double)n);
    record_number(t, "low", low);
    record_number(t, "high", high);
    if (k > 1 && line[other] > 0) {
        put_class(t, "taken_for", l, other);
        record_whole(t, "times", line[other]);
    } else {
        record_missing(t, "taken_for");
        record_missing(t, "times");
    }
}

int confusion_record(const struct lab *l, const struct evaluation *e)
{
    const int64_t k = e->classes;
    struct record_layout layout = matrix;
    struct record_table *t = record_table(l->record, &per_class);
    int64_t *counts = count_pairs(e);

    if (counts == NULL)
        return EXIT_FAILED;
    for (int64_t y = 0; y < k; y++)
        put_accuracy(t, l, counts + y * k, y, k);
    layout.only_files = k > CONFUSION_SHOWN;
    t = record_table(l->record, &layout);
    for (int64_t y = 0; y < k; y++)
        for (int64_t j = 0; j < k; j++) {
            record_row(t);
            put_class(t, "label", l, y);
            put_class(t, "prediction", l, j);
            record_whole(t, "n", counts[y * k + j]);
        }
    free(counts);
    return EXIT_OK;
}

int confusion_extremes(const struct evaluation *e, struct confusion_extremes *out)
{
    const int64_t k = e->classes;
    int64_t *counts = count_pairs(e);
    double best = -1, worst = 2, best_low = 0, worst_high = 1, low, high;

    if (counts == NULL)
        return EXIT_FAILED;
    *out = (struct confusion_extremes){.most = -1, .least = -1};
    for (int64_t y = 0; y < k; y++) {
        const int64_t n = sum_of(counts + y * k, k), right = counts[y * k + y];
        const double share = (double)right / (double)(n > 0 ? n : 1);

        if (n == 0)
            continue;
        share_interval(right, n, &low, &high);
        out->more_like_most += share == best;
        out->more_like_least += share == worst;
        best_low = share == best ? fmin(best_low, low) : best_low;
        worst_high = share == worst ? fmax(worst_high, high) : worst_high;
        if (share > best) {
            best = share, best_low = low;
            out->most = y, out->more_like_most = 0;
        }
        if (share < worst) {
            worst = share, worst_high = high;
            out->least = y, out->more_like_least = 0;
        }
    }
    out->apart = out->most >= 0 && worst_high < best_low;
    free(counts);
    return EXIT_OK;
}
