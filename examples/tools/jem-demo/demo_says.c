/* SPDX-License-Identifier: MIT */

/* See demo_page.h: what the figures say. A comparison is claimed only where a 95 % interval bears it
 * out. */

#include <math.h>

#include "demo_page.h"
#include "kit/base/report.h"
#include "kit/data/data.h"
#include "kit/draw/plot.h"
#include "kit/lab/confusion.h"
#include "kit/stats/share.h"

/* The sets whose interval lies above 0.5, below it, or around it. */
static void list_sets(FILE *out, const struct demo *d, int side, const char *before,
                      const char *after)
{
    int any = 0;

    for (int k = 0; k < DEMO_OUTLIERS; k++) {
        const struct demo_outliers *o = &d->outliers[k];
        const int own = o->auroc_low > 0.5 ? 1 : o->auroc_high < 0.5 ? -1 : 0;

        if (o->name == NULL || own != side)
            continue;
        fputs(any++ ? ", " : before, out);
        html_text(out, o->name);
        fprintf(out, isnan(o->auroc_low) ? " (%.3f)" : " (%.3f [%.3f, %.3f])", o->auroc_log_px,
                o->auroc_low, o->auroc_high);
    }
    if (any)
        fputs(after, out);
}

void demo_say_density(FILE *out, const struct demo *d)
{
    char higher[96];

    snprintf(higher, sizeof higher,
             "log p(x) is higher on %s more often than not against: ", lab_images_are(d->lab));
    fputs("<p class=\"verdict\">AUROC with 95 % intervals. ", out);
    list_sets(out, d, 1, higher, ". ");
    list_sets(out, d, -1,
              "It is the other way round, the other images score higher, against: ", ". ");
    list_sets(out, d, 0, "No difference can be told against: ", ".");
    fputs("</p>\n", out);
}

int demo_say_confidence(FILE *out, const struct demo *d)
{
    const struct evaluation *e = d->test;
    double low, high, sure = 0;
    int64_t right = 0, n = 0;

    for (int64_t i = 0; i < e->n; i++)
        if (e->labels[i] >= 0) {
            n++;
            right += e->pred[i] == e->labels[i];
            sure += (double)e->prob_y[i * e->classes + e->pred[i]];
        }
    if (n == 0)
        return EXIT_OK;
    sure /= (double)n;
    share_interval(right, n, &low, &high);
    fprintf(out,
            "<p class=\"verdict\">On average the model is %.1f %% sure, and right on %.1f %% "
            "(95 %% interval %.1f to %.1f): ",
            100 * sure, 100 * (double)right / (double)n, 100 * low, 100 * high);
    fputs(sure < low    ? "it is less sure than it could be."
          : sure > high ? "it is surer than it should be."
                        : "no difference can be told between the two.",
          out);
    fputs("</p>\n", out);
    return EXIT_OK;
}

/* A class, and that there are others like it. */
static void put_classes(FILE *out, const struct demo *d, int64_t y, int more)
{
    const char *name = lab_class_name(d->lab, y);

    if (name != NULL)
        html_text(out, name);
    else
        fprintf(out, "class %d", (int)y);
    if (more > 0)
        fprintf(out, " (and as often on %d %s)", more, more == 1 ? "other" : "others");
}

int demo_say_classes(FILE *out, const struct demo *d)
{
    struct confusion_extremes c;

    TRY(confusion_extremes(d->test, &c));
    if (c.most < 0)
        return EXIT_OK;
    fputs("<p class=\"verdict\">", out);
    if (c.apart) {
        fputs("The model is most often right on ", out);
        put_classes(out, d, c.most, c.more_like_most);
        fputs(" and least often on ", out);
        put_classes(out, d, c.least, c.more_like_least);
        fputs("; the 95 % intervals of the two do not meet.", out);
    } else {
        fputs("No difference can be told between the classes: the 95 % intervals of the most "
              "and the least often right meet.",
              out);
    }
    fputs("</p>\n", out);
    return EXIT_OK;
}
