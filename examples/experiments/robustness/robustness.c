/* SPDX-License-Identifier: MIT */

/* See robustness.h. */

#include "robustness.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kit/base/json_log.h"
#include "kit/base/report.h"
#include "kit/base/table.h"
#include "kit/draw/plot.h"
#include "kit/draw/svg_file.h"
#include "kit/stats/median.h"
#include "kit/stats/share.h"

/* Of the largest eps: how far apart curves are drawn, whose intervals would hide each other; and
 * what is free at both ends. 16 curves fit. */
#define APART  0.008
#define MARGIN 0.07

/* "0.031" or "8/255"; NaN when it is neither. */
static double parse_one(const char *text)
{
    char *end = NULL;
    double value = strtod(text, &end);

    if (end == text)
        return (double)NAN;
    if (*end == '/') {
        const char *below = end + 1;
        const double by = strtod(below, &end);

        value = end == below || !(by > 0) ? (double)NAN : value / by;
    }
    return *end == '\0' ? value : (double)NAN;
}

/* Put it where it belongs; twice the same is once. */
static void insert(struct robustness_eps *e, double value, const char *text)
{
    int at = e->count;

    while (at > 0 && e->value[at - 1] >= value)
        at--;
    if (at < e->count && e->value[at] <= value)
        return;
    memmove(e->value + at + 1, e->value + at, (size_t)(e->count - at) * sizeof e->value[0]);
    memmove(e->text + at + 1, e->text + at, (size_t)(e->count - at) * sizeof e->text[0]);
    e->value[at] = value;
    snprintf(e->text[at], sizeof e->text[at], "%s", text);
    e->count++;
}

int robustness_parse_eps(const char *list, double most, struct robustness_eps *out)
{
    char one[sizeof out->text[0]];

    memset(out, 0, sizeof *out);
    for (const char *at = list;; at++) {
        const size_t length = strcspn(at, ",");
        double value = (double)NAN;

        if (length > 0 && length < sizeof one) {
            memcpy(one, at, length);
            one[length] = '\0';
            value = parse_one(one);
        }
        if (!(value > 0) || value > most)
            return report_usage("--eps %s: \"%.*s\" must be a number like 0.03 or 8/255, above "
                                "0, at most %g",
                                list, (int)(length < 60 ? length : 60), at, most);
        if (out->count == ROBUSTNESS_EPS)
            return report_usage("--eps %s: more than %d values", list, ROBUSTNESS_EPS);
        insert(out, value, one);
        at += length;
        if (*at == '\0')
            return EXIT_OK;
    }
}

struct robustness_row *robustness_add(struct robustness *r, const char *attack,
                                      const char *gradient, int64_t refine)
{
    struct robustness_row *rows = realloc(r->rows, ((size_t)r->count + 1) * sizeof r->rows[0]);
    double *reach = calloc((size_t)r->n, sizeof reach[0]);

    r->rows = rows != NULL ? rows : r->rows;
    if (rows == NULL || reach == NULL) {
        free(reach);
        report_no_memory();
        return NULL;
    }
    rows[r->count] = (struct robustness_row){attack, gradient, refine, 0, 0, reach};
    return &rows[r->count++];
}

void robustness_free(struct robustness *r)
{
    for (int i = 0; i < r->count; i++)
        free(r->rows[i].reach);
    free(r->rows);
    r->rows = NULL;
    r->count = 0;
}

int robustness_add_worst(struct robustness *r, int first)
{
    const int last = r->count;
    struct robustness_row *worst;

    if (last - first < 2)
        return EXIT_OK;
    worst = robustness_add(r, "worst", "none", r->rows[first].refine);
    if (worst == NULL)
        return EXIT_FAILED;
    for (int64_t i = 0; i < r->n; i++) {
        worst->reach[i] = (double)INFINITY;
        for (int k = first; k < last; k++)
            worst->reach[i] = fmin(worst->reach[i], r->rows[k].reach[i]);
    }
    return EXIT_OK;
}

/* A perturbation as long as eps but for rounding is within it. */
int64_t robustness_right(const struct robustness *r, const struct robustness_row *row,
                         double eps)
{
    int64_t right = 0;

    for (int64_t i = 0; i < r->n; i++)
        right += row->reach[i] > eps * (1 + 1e-6);
    return right;
}

static void print_share(struct table *t, const struct robustness *r,
                        const struct robustness_row *row, double eps)
{
    const int64_t right = robustness_right(r, row, eps);
    double low, high;

    share_interval(right, r->n, &low, &high);
    table_cell(t, "%.1f [%.0f, %.0f]", 100.0 * (double)right / (double)r->n, 100 * low,
               100 * high);
}

static void print_no_start(const struct robustness *r)
{
    for (int i = 0; i < r->count; i++)
        if (r->rows[i].no_start > 0)
            printf("\n%" PRId64 " of %" PRId64 " images not attacked by %s on JEM-%" PRId64
                   ", and counted as right: no start, all noise\nand the other images tried "
                   "are of their class for the model\n",
                   r->rows[i].no_start, r->n, r->rows[i].attack, r->rows[i].refine);
}

int robustness_print(const struct robustness *r)
{
    const char *headings[ROBUSTNESS_EPS + 6] = {"defence", "attack", "gradient", ">eps 0"};
    char eps[ROBUSTNESS_EPS][20];
    struct table *t;
    int at = 4, medians = 0, rc;

    for (int i = 0; i < r->count; i++)
        medians |= r->rows[i].smallest;

    for (int e = 0; e < r->eps.count; e++) {
        snprintf(eps[e], sizeof eps[e], ">%s", r->eps.text[e]);
        headings[at++] = eps[e];
    }
    if (medians)
        headings[at] = ">median";
    t = table_create(headings);
    if (t == NULL)
        return report_no_memory();
    for (int i = 0; i < r->count; i++) {
        const struct robustness_row *row = &r->rows[i];

        table_cell(t, "JEM-%" PRId64, row->refine);
        table_cell(t, "%s", row->attack);
        table_cell(t, "%s", row->gradient);
        print_share(t, r, row, 0);
        for (int e = 0; e < r->eps.count; e++)
            print_share(t, r, row, r->eps.value[e]);
        if (row->smallest)
            table_cell(t, "%.4g", median(row->reach, r->n));
        else if (medians)
            table_cell(t, "-");
    }
    printf("accuracy in %% of %" PRId64
           " images, with 95 %% intervals, at eps (%s, of images in "
           "[0, 1])\n\n",
           r->n, r->norm);
    rc = table_print(t, stdout);
    table_free(t);
    if (medians)
        printf("\nmedian: of the smallest perturbations found, 0 for images that are wrong "
               "without one\n");
    print_no_start(r);
    return rc;
}

static json_t *curve_point(const struct robustness *r, const struct robustness_row *row,
                           double eps)
{
    const int64_t right = robustness_right(r, row, eps);
    const char *attack = eps > 0 ? row->attack : "none";
    const char *gradient = eps > 0 ? row->gradient : "none";
    json_t *o = json_pack("{ss ss sI ss sI}", "attack", attack, "norm", r->norm, "refine_steps",
                          (json_int_t)row->refine, "gradient", gradient, "n", (json_int_t)r->n);
    double low, high;

    share_interval(right, r->n, &low, &high);
    json_set_number(o, "eps", eps);
    json_set_number(o, "accuracy", (double)right / (double)r->n);
    json_set_number(o, "low", low);
    json_set_number(o, "high", high);
    return o;
}

json_t *robustness_curve(const struct robustness *r)
{
    json_t *curve = json_array();

    for (int i = 0; i < r->count; i++) {
        if (i == 0 || r->rows[i].refine != r->rows[i - 1].refine)
            json_array_append_new(curve, curve_point(r, &r->rows[i], 0));
        for (int e = 0; e < r->eps.count; e++)
            json_array_append_new(curve, curve_point(r, &r->rows[i], r->eps.value[e]));
    }
    return curve;
}

json_t *robustness_smallest(const struct robustness *r)
{
    json_t *list = json_array();

    for (int i = 0; i < r->count; i++) {
        const struct robustness_row *row = &r->rows[i];
        json_t *o;

        if (!row->smallest)
            continue;
        o = json_pack("{ss ss sI ss sI sI}", "attack", row->attack, "norm", r->norm,
                      "refine_steps", (json_int_t)row->refine, "gradient", row->gradient, "n",
                      (json_int_t)r->n, "no_start", (json_int_t)row->no_start);
        json_set_number(o, "median", median(row->reach, r->n));
        json_array_append_new(list, o);
    }
    return list;
}

/* One curve with its intervals, from eps 0 on, moved sideways by `shift`. */
static void draw_curve(plot *p, const struct robustness *r, const struct robustness_row *row,
                       int colour, double shift)
{
    double x[ROBUSTNESS_EPS + 1] = {0}, y[ROBUSTNESS_EPS + 1];
    char name[64];

    for (int e = 0; e <= r->eps.count; e++) {
        const double eps = e > 0 ? r->eps.value[e - 1] : 0;
        const int64_t right = robustness_right(r, row, eps);
        double ends[2];

        x[e] = eps + shift;
        y[e] = 100.0 * (double)right / (double)r->n;
        share_interval(right, r->n, &ends[0], &ends[1]);
        ends[0] *= 100;
        ends[1] *= 100;
        plot_line(p, (double[]){x[e], x[e]}, ends, 2, colour, NULL);
    }
    snprintf(name, sizeof name, "JEM-%" PRId64 "%s%s", row->refine,
             strcmp(row->gradient, "none") == 0 ? "" : ", ",
             strcmp(row->gradient, "none") == 0 ? "" : row->gradient);
    plot_line(p, x, y, (size_t)r->eps.count + 1, colour, name);
}

static int draw_attack(const struct robustness *r, const char *attack, const char *folder)
{
    const double last = r->eps.value[r->eps.count - 1];
    char name[64], title[96], label[96];
    struct svg_file svg;
    plot p;
    int curves = 0, colour = 0, rc;

    for (int i = 0; i < r->count; i++)
        curves += strcmp(r->rows[i].attack, attack) == 0;
    snprintf(name, sizeof name, "%s.svg", attack);
    rc = svg_open(&svg, folder, name, 1);
    if (rc != EXIT_OK)
        return rc;
    snprintf(title, sizeof title, "Accuracy under attack: %s, %" PRId64 " images", attack,
             r->n);
    snprintf(label, sizeof label, "eps (%s, of images in [0, 1])%s",
             strcmp(r->norm, "l2") == 0 ? "L2" : "L-inf",
             curves > 1 ? "; curves drawn a little apart" : "");
    svg_begin_plot(&svg);
    plot_begin(&p, svg.out, title, label, "accuracy (%)", -MARGIN * last, (1 + MARGIN) * last,
               0, 100);
    for (int i = 0; i < r->count; i++)
        if (strcmp(r->rows[i].attack, attack) == 0) {
            draw_curve(&p, r, &r->rows[i], colour,
                       (colour - (curves - 1) / 2.0) * APART * last);
            colour++;
        }
    plot_end(&p);
    svg_end_plot(&svg);
    return svg_close(&svg);
}

int robustness_draw(const struct robustness *r, const char *folder)
{
    int rc = EXIT_OK;

    for (int i = 0; i < r->count && rc == EXIT_OK; i++) {
        int drawn = 0;

        for (int j = 0; j < i; j++)
            drawn |= strcmp(r->rows[j].attack, r->rows[i].attack) == 0;
        if (!drawn)
            rc = draw_attack(r, r->rows[i].attack, folder);
    }
    return rc;
}
