/* SPDX-License-Identifier: MIT */

/* See paper_page.h: accuracy under attack, all checkpoints in one chart. */

#include "paper_page.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kit/base/report.h"
#include "kit/draw/plot.h"

#define MOST_POINTS 32
#define APART       0.006 /* of the largest eps: so far curves are drawn from each other */

/* What a chart is of. */
struct chart {
    const char *step; /* runs of one step have the same images and settings */
    const char *attack, *norm;
    double noise;
};

/* One curve of it. */
struct curve {
    const struct paper_run *run;
    double k;
    const char *gradient;
    size_t n;
    double eps[MOST_POINTS], right[MOST_POINTS], low[MOST_POINTS], high[MOST_POINTS];
};

static double number(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);

    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

static const char *word(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text == NULL ? "" : text;
}

static void add_point(struct curve *c, const json_t *row)
{
    if (c->n == MOST_POINTS)
        return;
    c->eps[c->n] = number(row, "eps");
    c->right[c->n] = 100 * number(row, "accuracy");
    c->low[c->n] = 100 * number(row, "low");
    c->high[c->n++] = 100 * number(row, "high");
}

/* Collects the curve of a chart that a row begins; 0: it begins none. */
static int collect(struct curve *c, const struct chart *chart, const struct paper_run *r,
                   size_t at)
{
    const json_t *rows = json_object_get(r->result, "curve"), *row;
    const json_t *first = json_array_get(rows, at), *before = json_array_get(rows, at - 1);
    size_t i;

    *c = (struct curve){
        .run = r, .k = number(first, "refine_steps"), .gradient = word(first, "gradient")};
    if (strcmp(r->step->name, chart->step) != 0 ||
        strcmp(word(first, "attack"), chart->attack) != 0 ||
        strcmp(word(first, "norm"), chart->norm) != 0 ||
        number(r->result, "input_noise") != chart->noise)
        return 0;
    if (at > 0 && strcmp(word(before, "attack"), chart->attack) == 0 &&
        number(before, "refine_steps") == c->k &&
        strcmp(word(before, "gradient"), c->gradient) == 0)
        return 0;
    json_array_foreach(rows, i, row)
    {
        const int clean = number(row, "eps") == 0;

        if (number(row, "refine_steps") == c->k &&
            (clean || (strcmp(word(row, "attack"), chart->attack) == 0 &&
                       strcmp(word(row, "gradient"), c->gradient) == 0)))
            add_point(c, row);
    }
    return c->n > 0;
}

/* The classifier has the same colour in all charts. */
static int colour_of(const struct curve *c, int number)
{
    return c->run->role == ROLE_CLASSIFIER ? 1 : number > 0 ? number + 1 : 0;
}

static void draw_curve(plot *p, struct curve *c, int colour, double shift)
{
    const int plain = c->run->role == ROLE_CLASSIFIER && c->k == 0;
    const int has_gradient = strcmp(c->gradient, "none") != 0;
    char name[128];

    for (size_t i = 0; i < c->n; i++)
        c->eps[i] += shift;
    if (plain)
        snprintf(name, sizeof name, "classifier");
    else if (c->run->role == ROLE_JEM)
        snprintf(name, sizeof name, "JEM-%.0f%s%s", c->k, has_gradient ? ", " : "",
                 has_gradient ? c->gradient : "");
    else
        snprintf(name, sizeof name, "%s, k = %.0f", paper_roles[c->run->role].title, c->k);
    plot_intervals(p, c->eps, c->low, c->high, c->n, colour);
    plot_line(p, c->eps, c->right, c->n, colour, name);
}

/* Calls draw_curve() for all curves, or with p NULL counts them and finds the largest eps. */
static int each_curve(plot *p, const struct chart *chart, const struct paper_runs *runs,
                      double *last, int count)
{
    struct curve *c = calloc(1, sizeof *c);
    int found = 0;

    if (c == NULL) {
        must(report_no_memory()); /* ends the program */
        return 0;
    }
    for (int i = 0; i < runs->count; i++) {
        const json_t *rows = json_object_get(runs->run[i].result, "curve");

        for (size_t at = 0; at < json_array_size(rows); at++) {
            if (!collect(c, chart, &runs->run[i], at))
                continue;
            if (p != NULL)
                draw_curve(p, c, colour_of(c, found),
                           (found - (count - 1) / 2.0) * APART * *last);
            else
                *last = fmax(*last, c->eps[c->n - 1]);
            found++;
        }
    }
    free(c);
    return found;
}

static void write_chart(FILE *out, const struct chart *chart, const struct paper_runs *runs)
{
    double last = 0, low = 0, high = 100;
    const int count = each_curve(NULL, chart, runs, &last, 0);
    const double margin = (0.03 + APART * count / 2.0) * last;
    const char *norm = strcmp(chart->norm, "l2") == 0 ? "L2" : "L-inf";
    char title[96], axis[96];
    plot p;

    plot_range(&low, &high);
    snprintf(title, sizeof title, "Accuracy under attack: %s, %s, input noise %g",
             chart->attack, norm, chart->noise);
    snprintf(axis, sizeof axis, "eps (%s, of images in [0, 1])%s", norm,
             count > 1 ? "; curves a little apart" : "");
    fputs("<figure class=\"chart\">", out);
    must(plot_begin(&p, out, title, axis, "accuracy (%)", -margin, last + margin, low, high));
    each_curve(&p, chart, runs, &last, count);
    must(plot_end(&p));
    fputs("<figcaption>All checkpoints, with 95 % intervals", out);
    fputs(strcmp(chart->attack, "worst") == 0 ? "; all attacks of a run together" : "", out);
    fputs("</figcaption></figure>\n", out);
}

/* Has a chart been drawn of a row that comes before? */
static int is_known(const struct paper_runs *runs, int run, size_t at,
                    const struct chart *chart)
{
    for (int i = 0; i <= run; i++) {
        const json_t *rows = json_object_get(runs->run[i].result, "curve");
        const size_t n = i < run ? json_array_size(rows) : at;

        for (size_t k = 0; k < n; k++) {
            const json_t *row = json_array_get(rows, k);

            if (strcmp(runs->run[i].step->name, chart->step) == 0 &&
                strcmp(word(row, "attack"), chart->attack) == 0 &&
                strcmp(word(row, "norm"), chart->norm) == 0 &&
                number(runs->run[i].result, "input_noise") == chart->noise)
                return 1;
        }
    }
    return 0;
}

/* "worst" says something of its own only where there was more than one attack. */
static int is_needed(const json_t *rows, const char *attack)
{
    const char *first = NULL;
    const json_t *row;
    size_t i;

    if (strcmp(attack, "worst") != 0)
        return 1;
    json_array_foreach(rows, i, row)
    {
        const char *own = word(row, "attack");

        if (strcmp(own, "none") == 0 || strcmp(own, "worst") == 0)
            continue;
        if (first != NULL && strcmp(first, own) != 0)
            return 1;
        first = own;
    }
    return 0;
}

void paper_charts(FILE *out, const struct paper_runs *runs)
{
    for (int i = 0; i < runs->count; i++) {
        const json_t *rows = json_object_get(runs->run[i].result, "curve");

        if (strcmp(runs->run[i].step->section, "robustness") != 0)
            continue;
        for (size_t at = 0; at < json_array_size(rows); at++) {
            const json_t *row = json_array_get(rows, at);
            const struct chart chart = {runs->run[i].step->name, word(row, "attack"),
                                        word(row, "norm"),
                                        number(runs->run[i].result, "input_noise")};

            if (number(row, "eps") > 0 && is_needed(rows, chart.attack) &&
                !is_known(runs, i, at, &chart))
                write_chart(out, &chart, runs);
        }
    }
}
