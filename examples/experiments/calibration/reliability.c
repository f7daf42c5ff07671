/* SPDX-License-Identifier: MIT */

/* See reliability.h. */

#include "reliability.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "kit/draw/plot.h"
#include "kit/draw/svg_file.h"

static const struct record_column bin_columns[] = {
    {"low", "confidence above", .kind = RECORD_DIGITS, .decimals = 3},
    {"high", "up to", .kind = RECORD_DIGITS, .decimals = 3},
    {"count", "images", .kind = RECORD_WHOLE},
    {"confidence", "mean confidence", .decimals = 4},
    {"accuracy", "accuracy", .decimals = 4},
    {NULL, "gap", .decimals = 4, .sign = 1},
};

void reliability_record(struct record *record, const char *name, int shown,
                        const struct reliability *r)
{
    const struct record_layout layout = {
        .name = name, .only_files = !shown, RECORD_COLUMNS(bin_columns)};
    struct record_table *t = record_table(record, &layout);

    for (int64_t b = 0; b < r->bins; b++) {
        record_row(t);
        record_number(t, "low", (double)b / (double)r->bins);
        record_number(t, "high", (double)(b + 1) / (double)r->bins);
        record_whole(t, "count", r->count[b]);
        record_number(t, "confidence", r->confidence[b]);
        record_number(t, "accuracy", r->accuracy[b]);
        record_number(t, "gap", r->accuracy[b] - r->confidence[b]);
        if (r->count[b] == 0)
            record_hide(t);
    }
}

/* Accuracy per bin with its distance from the confidence, and below the images per bin. */
void reliability_draw(const struct lab *l, const struct reliability *r, const char *title,
                      const char *name)
{
    enum { OVER = 1, UNDER = 4 }; /* colours */
    const double bins = (double)r->bins;
    char words[96];
    struct svg_file s;
    double most = 0;
    plot p;

    must(svg_open(&s, l->out, name, 2));
    snprintf(words, sizeof words, "%s: ECE %.2f %%, MCE %.2f %%", title, 100 * r->ece,
             100 * r->mce);
    svg_begin_plot(&s);
    plot_begin(&p, s.out, words, "confidence max p(y|x)", "accuracy", 0, 1, 0, 1);
    for (int64_t b = 0; b < r->bins; b++) {
        const double low = (double)b / bins, high = (double)(b + 1) / bins;
        const double right = r->accuracy[b], sure = r->confidence[b];

        if (r->count[b] == 0)
            continue;
        most = fmax(most, (double)r->count[b]);
        plot_bar(&p, low, high, fmin(right, sure), 0);
        plot_box(&p, low, high, right, sure, sure > right ? OVER : UNDER, 0.75);
    }
    plot_guide(&p, 0, 0, 1, 1);
    plot_note(&p, 0.02, 0.92, OVER, "confidence exceeds accuracy");
    plot_note(&p, 0.02, 0.84, UNDER, "accuracy exceeds confidence");
    plot_end(&p);
    svg_end_plot(&s);

    svg_begin_plot(&s);
    plot_begin(&p, s.out, "Images per bin", "confidence max p(y|x)", "images", 0, 1, 0,
               1.3 * most);
    for (int64_t b = 0; b < r->bins; b++) {
        plot_bar(&p, (double)b / bins, (double)(b + 1) / bins, (double)r->count[b], 2);
        snprintf(words, sizeof words, "%" PRId64, r->count[b]);
        if (r->count[b] > 0 && r->bins <= 40)
            plot_upright(&p, ((double)b + 0.5) / bins, (double)r->count[b], words);
    }
    plot_end(&p);
    svg_end_plot(&s);
    must(svg_close(&s));
}
