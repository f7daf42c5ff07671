/* SPDX-License-Identifier: MIT */

/* See reliability.h. */

#include "kit/draw/reliability.h"

#include <inttypes.h>
#include <math.h>

#include <jem/jem.h>

#include "kit/base/report.h"
#include "kit/draw/plot.h"
#include "kit/draw/svg_file.h"

#define MOST_WRITTEN 40 /* bins that have their counts written above them */

int reliability_measure(const float *prob_y, const int32_t *labels, int64_t n, int64_t k,
                        int64_t bins, struct reliability *out)
{
    out->bins = bins;
    TRY(report_jem(jem_metric_ece(prob_y, labels, n, k, bins, &out->ece)));
    TRY(report_jem(jem_metric_mce(prob_y, labels, n, k, bins, &out->mce)));
    return report_jem(jem_metric_reliability(prob_y, labels, n, k, bins, out->count,
                                             out->confidence, out->accuracy));
}

/* All but the end of the plot, as draw_counts() below. */
static int draw(plot *p, FILE *out, const struct reliability *r, const char *title)
{
    enum { RIGHT = 0, OVER = 1, UNDER = 4 }; /* colours */
    const double bins = (double)r->bins;
    char words[128];

    snprintf(words, sizeof words, "%s: ECE %.2f %%, MCE %.2f %%", title, 100 * r->ece,
             100 * r->mce);
    TRY(plot_begin(p, out, words, "confidence max p(y|x)", "accuracy", 0, 1, 0, 1.04));
    for (int64_t b = 0; b < r->bins; b++) {
        const double low = (double)b / bins, high = (double)(b + 1) / bins;
        const double right = r->accuracy[b], sure = r->confidence[b];

        if (r->count[b] == 0)
            continue;
        plot_bar(p, low, high, fmin(right, sure), RIGHT);
        plot_box(p, low, high, right, sure, sure > right ? OVER : UNDER, 0.75);
    }
    plot_guide(p, 0, 0, 1, 1);
    plot_legend(p, RIGHT, "both");
    plot_legend(p, OVER, "confidence exceeds accuracy");
    plot_legend(p, UNDER, "accuracy exceeds confidence");
    return EXIT_OK;
}

static int draw_counts(plot *p, FILE *out, const struct reliability *r)
{
    const double bins = (double)r->bins;
    const int written = r->bins <= MOST_WRITTEN;
    double most = 0;
    char words[32];

    for (int64_t b = 0; b < r->bins; b++)
        most = fmax(most, (double)r->count[b]);
    TRY(plot_begin(p, out, "Images per bin", "confidence max p(y|x)", "images", 0, 1, 0,
                   (written ? 1.25 : 1.05) * most));
    for (int64_t b = 0; b < r->bins; b++) {
        plot_bar(p, (double)b / bins, (double)(b + 1) / bins, (double)r->count[b], 2);
        snprintf(words, sizeof words, "%" PRId64, r->count[b]);
        if (r->count[b] > 0 && written)
            plot_upright(p, ((double)b + 0.5) / bins, (double)r->count[b], words);
    }
    return EXIT_OK;
}

int reliability_draw(FILE *out, const struct reliability *r, const char *title)
{
    plot p;

    TRY(draw(&p, out, r, title));
    return plot_end(&p);
}

int reliability_draw_counts(FILE *out, const struct reliability *r)
{
    plot p;

    TRY(draw_counts(&p, out, r));
    return plot_end(&p);
}

static int draw_both(struct svg_file *s, const struct reliability *r, const char *title)
{
    plot p;

    svg_begin_plot(s);
    TRY(draw(&p, s->out, r, title));
    TRY(svg_end_plot(s, &p));
    svg_begin_plot(s);
    TRY(draw_counts(&p, s->out, r));
    return svg_end_plot(s, &p);
}

int reliability_write(const char *folder, const char *name, const struct reliability *r,
                      const char *title)
{
    struct svg_file s;
    int rc, closed;

    TRY(svg_open(&s, folder, name));
    rc = draw_both(&s, r, title);
    closed = svg_close(&s, rc == EXIT_OK);
    return rc == EXIT_OK ? closed : rc;
}
