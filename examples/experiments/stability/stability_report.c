/* SPDX-License-Identifier: MIT */

/* See stability_report.h. */

#include "stability_report.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kit/base/json_log.h"
#include "kit/base/report.h"
#include "kit/base/table.h"
#include "kit/draw/plot.h"
#include "kit/draw/svg_file.h"
#include "kit/stats/median.h"
#include "kit/stats/share.h"

#define SMALLEST_GAP 1e-2 /* that a plot tells from 0 */
#define MOST_KEYS    10   /* entries of a plot's legend */
#define TITLE_LENGTH 52   /* characters of a plot's title */

static const char *const remedy_texts[REMEDIES] = {
    "the last checkpoint, gone on with as it is",
    "the failed step again, with other samples",
    "the last checkpoint, with another seed",
    "... and half the learning rate",
    "... and twice the SGLD steps",
};

/* --- Summaries ---------------------------------------------------------------------------- */

/* Some numbers, without those that are NaN; NaN when none are left. */
struct spread {
    int64_t n;
    double median, min, max;
};

static void spread_add(const struct stability *s, struct spread *a, double value)
{
    if (isnan(value))
        return;
    a->min = a->n == 0 ? value : fmin(a->min, value);
    a->max = a->n == 0 ? value : fmax(a->max, value);
    s->scratch[a->n++] = value;
}

static void spread_end(const struct stability *s, struct spread *a)
{
    if (a->n == 0)
        a->median = a->min = a->max = (double)NAN;
    else
        a->median = median(s->scratch, a->n);
}

enum { AFTER_STEP, GAP_LARGEST, GAP_LAST, SATURATED };

static double value_of(const struct stability_run *r, int what)
{
    switch (what) {
    case AFTER_STEP:
        return r->end.diverged ? (double)r->end.steps : (double)NAN;
    case GAP_LARGEST:
        return r->gap_largest;
    case GAP_LAST:
        return r->gap_last;
    default:
        return r->saturated;
    }
}

static struct spread spread_of_variant(const struct stability *s, int64_t variant, int what)
{
    struct spread a = {0};

    for (int64_t i = 0; i < s->seeds; i++) {
        const struct stability_run *r = &s->run[variant * s->seeds + i];

        if (r->end.complete)
            spread_add(s, &a, value_of(r, what));
    }
    spread_end(s, &a);
    return a;
}

struct tally {
    int64_t n, diverged;
};

static struct tally tally_of_variant(const struct stability *s, int64_t variant)
{
    struct tally t = {0};

    for (int64_t i = 0; i < s->seeds; i++) {
        const struct stability_end *end = &s->run[variant * s->seeds + i].end;

        t.n += end->complete;
        t.diverged += end->complete && end->diverged;
    }
    return t;
}

/* `same_step`: those that failed where the first training had. */
static struct tally tally_of_remedy(const struct stability *s, int remedy, struct spread *steps,
                                    int64_t *same_step)
{
    struct tally t = {0};

    *steps = (struct spread){0};
    *same_step = 0;
    for (int64_t i = 0; i < s->variants * s->seeds; i++) {
        const struct stability_run *r = &s->run[i];
        const struct stability_end *end = &r->remedy[remedy];

        if (!end->complete)
            continue;
        t.n++;
        t.diverged += end->diverged;
        *same_step += end->diverged && r->checkpoint + end->steps == r->end.steps;
        spread_add(s, steps, (double)end->steps);
    }
    spread_end(s, steps);
    return t;
}

/* --- Tables ------------------------------------------------------------------------------- */

static void print_number(struct table *t, double value)
{
    if (isnan(value))
        table_cell(t, "-");
    else
        table_cell(t, "%.3g", value);
}

static void print_count(struct table *t, int64_t hits, int64_t n)
{
    double low, high;

    table_cell(t, "%" PRId64 " of %" PRId64, hits, n);
    if (n == 0) {
        table_cell(t, "-");
        return;
    }
    share_interval(hits, n, &low, &high);
    table_cell(t, "%.0f to %.0f %%", 100 * low, 100 * high);
}

static void print_steps(struct table *t, const struct spread *steps)
{
    if (steps->n == 0)
        table_cell(t, "-");
    else if (steps->n == 1)
        table_cell(t, "%.0f", steps->median);
    else
        table_cell(t, "%.0f (%.0f to %.0f)", steps->median, steps->min, steps->max);
}

static const char *text_of(const struct stability_variant *v)
{
    return v->text != NULL ? v->text : "as --preset and --set say";
}

static int print_variants(const struct stability *s)
{
    static const char *const headings[] = {">variant",    ">diverged",      ">95 % interval",
                                           ">after step", ">largest |gap|", ">last gap",
                                           ">saturated",  "settings",       NULL};
    struct table *t = table_create(headings);
    int rc;

    if (t == NULL)
        return report_no_memory();
    for (int64_t v = 0; v < s->variants; v++) {
        const struct tally tally = tally_of_variant(s, v);
        const struct spread after = spread_of_variant(s, v, AFTER_STEP);
        const double saturated = spread_of_variant(s, v, SATURATED).median;

        table_cell(t, "%" PRId64, v);
        print_count(t, tally.diverged, tally.n);
        print_steps(t, &after);
        print_number(t, spread_of_variant(s, v, GAP_LARGEST).max);
        print_number(t, spread_of_variant(s, v, GAP_LAST).median);
        if (isnan(saturated))
            table_cell(t, "-");
        else
            table_cell(t, "%.1f %%", 100 * saturated);
        table_cell(t, "%s", text_of(&s->variant[v]));
    }
    printf("How often does training diverge, and when?\n\n");
    rc = table_print(t, stdout);
    table_free(t);
    return rc;
}

static int print_remedies(const struct stability *s)
{
    static const char *const headings[] = {"remedy",         ">tried",        ">survived",
                                           ">95 % interval", ">median steps", NULL};
    struct table *t = table_create(headings);
    struct spread steps;
    struct tally tally;
    int64_t same = 0;
    int rc;

    if (t == NULL)
        return report_no_memory();
    for (int remedy = 0; remedy < REMEDIES; remedy++) {
        tally = tally_of_remedy(s, remedy, &steps, &same);
        table_cell(t, "%s", remedy_texts[remedy]);
        table_cell(t, "%" PRId64, tally.n);
        print_count(t, tally.n - tally.diverged, tally.n);
        if (steps.n == 0)
            table_cell(t, "-");
        else
            table_cell(t, "%.4g", steps.median);
    }
    printf("\nWhat does recovery do? (%" PRId64 " steps to survive)\n\n", s->recovery_steps);
    rc = table_print(t, stdout);
    table_free(t);
    tally = tally_of_remedy(s, REMEDY_REPEAT, &steps, &same);
    printf(
        "\nGone on with as it is, the last checkpoint failed at the same step again in %" PRId64
        " of %" PRId64 " cases.\n",
        same, tally.n);
    return rc;
}

int stability_print(const struct stability *s)
{
    int64_t diverged = 0;
    int rc = print_variants(s);

    for (int64_t v = 0; v < s->variants; v++)
        diverged += tally_of_variant(s, v).diverged;
    if (rc == EXIT_OK && diverged > 0)
        rc = print_remedies(s);
    else if (rc == EXIT_OK)
        printf("\nNo training diverged, so there was nothing to recover from.\n");
    return rc;
}

/* --- The picture -------------------------------------------------------------------------- */

/* Gaps before a divergence are millions of times larger than those of a calm training. */
static double height_of(double gap)
{
    return log10(fmax(fabs(gap), SMALLEST_GAP));
}

struct ranges {
    double steps, low, high;
};

static struct ranges find_ranges(const struct stability *s)
{
    struct ranges all = {1, (double)NAN, (double)NAN};

    for (int64_t i = 0; i < s->variants * s->seeds; i++) {
        const struct stability_run *r = &s->run[i];

        all.steps = fmax(all.steps, (double)r->planned);
        for (int k = 0; k < STABILITY_POINTS && r->planned > 0; k++)
            if (!isnan(r->gap[k])) {
                all.low = fmin(all.low, height_of(r->gap[k])); /* skips NaN */
                all.high = fmax(all.high, height_of(r->gap[k]));
            }
    }
    if (isnan(all.low))
        all.low = all.high = 0;
    all.low = floor(all.low);
    all.high = ceil(all.high);
    all.high += (all.high - all.low + 1) * 0.08 * fmin((double)s->seeds, 5); /* the legend's */
    return all;
}

static void draw_run(plot *p, const struct stability_run *r, int colour)
{
    double step[STABILITY_POINTS], height[STABILITY_POINTS];
    char name[64];
    size_t n = 0;

    for (int k = 0; k < STABILITY_POINTS; k++)
        if (!isnan(r->gap[k])) {
            step[n] = r->step[k];
            height[n++] = height_of(r->gap[k]);
        }
    if (r->end.diverged)
        plot_guide(p, (double)r->end.steps, p->y0, (double)r->end.steps, p->y1);
    snprintf(name, sizeof name, "seed %" PRId64, r->seed);
    if (r->end.diverged)
        snprintf(name, sizeof name, "seed %" PRId64 ", diverged after step %" PRId64, r->seed,
                 r->end.steps);
    plot_line(p, step, height, n, colour, colour < MOST_KEYS ? name : NULL);
}

int stability_draw(const struct stability *s)
{
    const struct ranges ranges = find_ranges(s);
    struct svg_file file;
    int rc = svg_open(&file, s->out, "gap.svg", (int)s->variants);

    if (rc != EXIT_OK)
        return rc;
    for (int64_t v = 0; v < s->variants; v++) {
        char title[TITLE_LENGTH + 1];
        plot p;

        if (snprintf(title, sizeof title, "%" PRId64 ": %s", v, text_of(&s->variant[v])) >
            TITLE_LENGTH)
            memcpy(title + TITLE_LENGTH - 3, "...", 4);
        svg_begin_plot(&file);
        plot_begin(&p, file.out, title, "training step", "log10 of |energy gap| in nats", 0,
                   ranges.steps, ranges.low, ranges.high);
        for (int64_t i = 0; i < s->seeds; i++)
            if (s->run[v * s->seeds + i].planned > 0) /* it was begun */
                draw_run(&p, &s->run[v * s->seeds + i], (int)i);
        plot_end(&p);
        svg_end_plot(&file);
    }
    return svg_close(&file);
}

/* --- JSON --------------------------------------------------------------------------------- */

static void set_text(json_t *object, const char *name, const char *text)
{
    json_object_set_new(object, name, text != NULL ? json_string(text) : json_null());
}

static void set_end(json_t *object, const struct stability_end *end)
{
    json_object_set_new(object, "complete", json_boolean(end->complete));
    json_object_set_new(object, "diverged", json_boolean(end->diverged));
    json_set_number(object, "steps", (double)end->steps);
    set_text(object, "message", end->diverged ? end->message : NULL);
}

static json_t *curve_json(const struct stability_run *r)
{
    json_t *curve = json_object(), *steps = json_array(), *gaps = json_array();

    for (int k = 0; k < STABILITY_POINTS && r->planned > 0; k++)
        if (isfinite(r->gap[k])) {
            json_array_append_new(steps, json_integer((json_int_t)r->step[k]));
            json_array_append_new(gaps, json_real(r->gap[k]));
        }
    json_object_set_new(curve, "step", steps);
    json_object_set_new(curve, "energy_gap", gaps);
    return curve;
}

static json_t *run_json(const struct stability *s, const struct stability_run *r)
{
    json_t *run = json_object(), *recovery = json_array();

    json_set_number(run, "variant", (double)r->variant);
    json_set_number(run, "seed", (double)r->seed);
    json_set_number(run, "planned_steps", (double)r->planned);
    set_end(run, &r->end);
    json_set_number(run, "largest_energy_gap", r->gap_largest);
    json_set_number(run, "last_energy_gap", r->gap_last);
    json_set_number(run, "last_sample_saturation", r->saturated);
    json_object_set_new(run, "curve", curve_json(r));
    for (int remedy = 0; remedy < REMEDIES && r->end.diverged; remedy++) {
        json_t *one = json_object();

        set_text(one, "remedy", stability_remedy_names[remedy]);
        json_set_number(one, "seed",
                        (double)(remedy < REMEDY_NEW_SEED ? r->seed : r->seed + s->seeds));
        json_set_number(
            one, "from_step",
            (double)(remedy == REMEDY_OTHER_SAMPLES ? r->end.steps : r->checkpoint));
        set_end(one, &r->remedy[remedy]);
        json_array_append_new(recovery, one);
    }
    if (r->end.diverged) {
        json_set_number(run, "checkpoint_step", (double)r->checkpoint);
        set_text(run, "file", r->file);
    }
    json_object_set_new(run, "recovery", recovery);
    return run;
}

static json_t *variant_json(const struct stability *s, int64_t v)
{
    const struct tally tally = tally_of_variant(s, v);
    json_t *one = json_object();

    set_text(one, "set", s->variant[v].text);
    json_set_number(one, "trainings", (double)tally.n);
    json_set_number(one, "diverged", (double)tally.diverged);
    json_set_number(one, "median_step", spread_of_variant(s, v, AFTER_STEP).median);
    json_set_number(one, "largest_energy_gap", spread_of_variant(s, v, GAP_LARGEST).max);
    json_set_number(one, "last_energy_gap", spread_of_variant(s, v, GAP_LAST).median);
    json_set_number(one, "last_sample_saturation", spread_of_variant(s, v, SATURATED).median);
    return one;
}

static json_t *remedy_json(const struct stability *s, int remedy)
{
    struct spread steps;
    int64_t same;
    const struct tally tally = tally_of_remedy(s, remedy, &steps, &same);
    json_t *one = json_object();

    set_text(one, "remedy", stability_remedy_names[remedy]);
    set_text(one, "text", remedy_texts[remedy]);
    json_set_number(one, "tried", (double)tally.n);
    json_set_number(one, "survived", (double)(tally.n - tally.diverged));
    json_set_number(one, "median_steps", steps.median);
    if (remedy == REMEDY_REPEAT)
        json_set_number(one, "failed_at_the_same_step", (double)same);
    return one;
}

void stability_to_json(const struct stability *s, json_t *json)
{
    json_t *variants = json_array(), *recovery = json_array(), *runs = json_array();

    for (int64_t v = 0; v < s->variants; v++)
        json_array_append_new(variants, variant_json(s, v));
    for (int remedy = 0; remedy < REMEDIES; remedy++)
        json_array_append_new(recovery, remedy_json(s, remedy));
    for (int64_t i = 0; i < s->variants * s->seeds; i++)
        if (s->run[i].planned > 0)
            json_array_append_new(runs, run_json(s, &s->run[i]));
    json_object_set_new(json, "variants", variants);
    json_object_set_new(json, "recovery", recovery);
    json_object_set_new(json, "runs", runs);
}
