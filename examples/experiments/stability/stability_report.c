/* SPDX-License-Identifier: MIT */

/* See stability_report.h. */

#include "stability_report.h"

#include <inttypes.h>
#include <math.h>

#include "kit/stats/share.h"
#include "kit/stats/spread.h"

static const char *const remedy_texts[REMEDIES] = {
    "the last checkpoint, gone on with as it is",
    "the failed step again, with other samples",
    "the last checkpoint, with another seed",
    "... and half the learning rate",
    "... and twice the SGLD steps",
};

const char *stability_text(const struct stability_variant *v)
{
    return v->text != NULL ? v->text : "as --preset and --set say";
}

/* --- Summaries ---------------------------------------------------------------------------- */

enum { AFTER_STEP, GAP_LARGEST, GAP_LAST, SATURATED, AUC_LAST, ROLLBACKS };

static double value_of(const struct stability_run *r, int what)
{
    switch (what) {
    case AFTER_STEP:
        return r->end.diverged ? (double)r->end.steps : (double)NAN;
    case GAP_LARGEST:
        return r->gap_largest;
    case GAP_LAST:
        return r->gap_last;
    case AUC_LAST:
        return r->auc_last;
    case ROLLBACKS:
        return r->rollbacks;
    default:
        return r->saturated;
    }
}

/* Over the seeds, without what is NaN. */
static struct spread spread_of_variant(const struct stability *s, int64_t variant, int what)
{
    double *values = lab_array(s->lab, s->seeds, sizeof *values);
    struct spread spread;
    int64_t n = 0;

    for (int64_t i = 0; i < s->seeds; i++) {
        const struct stability_run *r = &s->run[variant * s->seeds + i];

        if (r->end.complete && !isnan(value_of(r, what)))
            values[n++] = value_of(r, what);
    }
    spread = spread_of(values, n);
    lab_drop(s->lab, values);
    return spread;
}

struct tally {
    int64_t n, diverged;
    int64_t lost; /* diverged, or left its chains behind */
};

static struct tally tally_of_variant(const struct stability *s, int64_t variant)
{
    struct tally t = {0};

    for (int64_t i = 0; i < s->seeds; i++) {
        const struct stability_end *end = &s->run[variant * s->seeds + i].end;

        t.n += end->complete;
        t.diverged += end->complete && end->diverged;
        t.lost += end->complete &&
                  (end->diverged || s->run[variant * s->seeds + i].auc_last > STABILITY_LOST);
    }
    return t;
}

/* *same_step: how many failed where the first training had. */
static struct tally tally_of_remedy(const struct stability *s, int remedy, struct spread *steps,
                                    int64_t *same_step)
{
    double *values = lab_array(s->lab, s->variants * s->seeds, sizeof *values);
    struct tally t = {0};

    *same_step = 0;
    for (int64_t i = 0; i < s->variants * s->seeds; i++) {
        const struct stability_run *r = &s->run[i];
        const struct stability_end *end = &r->remedy[remedy];

        if (!end->complete)
            continue;
        values[t.n++] = (double)end->steps;
        t.diverged += end->diverged;
        *same_step += end->diverged && r->checkpoint + end->steps == r->end.steps;
    }
    *steps = spread_of(values, t.n);
    lab_drop(s->lab, values);
    return t;
}

/* --- Tables ------------------------------------------------------------------------------- */

#define INTERVAL                                                                               \
    {NULL, "95 % interval", .percent = 1, .unit = " %"},                                       \
    {                                                                                          \
        NULL, "upper end", .percent = 1, .join = " to "                                        \
    }

static const struct record_column variant_columns[] = {
    {NULL, "variant", .kind = RECORD_WHOLE},
    {"diverged", "diverged", .kind = RECORD_WHOLE},
    {"trainings", NULL, .kind = RECORD_WHOLE, .join = " of "},
    INTERVAL,
    {"median_step", "after step", .decimals = 0},
    {NULL, "at least", .decimals = 0, .join = " ("},
    {NULL, "at most", .decimals = 0, .join = " to ", .unit = ")"},
    {"lost", "lost", .kind = RECORD_WHOLE},
    {"last_auc", "last AUC", .decimals = 2},
    {"rollbacks", "rollbacks", .decimals = 0},
    {"largest_energy_gap", "largest |gap|", .kind = RECORD_DIGITS, .decimals = 3},
    {"last_energy_gap", "last gap", .kind = RECORD_DIGITS, .decimals = 3},
    {"last_sample_saturation", "saturated", .decimals = 1, .percent = 1, .unit = " %"},
    {"set", "settings", .kind = RECORD_TEXT},
};

static const struct record_layout variant_layout = {
    "variants",
    .title = "How often does training diverge, and when?",
    RECORD_COLUMNS(variant_columns),
};

static const struct record_column remedy_columns[] = {
    {"remedy", NULL, .kind = RECORD_TEXT},
    {"text", "remedy", .kind = RECORD_TEXT},
    {"tried", "tried", .kind = RECORD_WHOLE},
    {"survived", "survived", .kind = RECORD_WHOLE},
    {NULL, "of", .kind = RECORD_WHOLE, .join = " of "},
    INTERVAL,
    {"median_steps", "median steps", .kind = RECORD_DIGITS, .decimals = 4},
    {"failed_at_the_same_step", NULL, .kind = RECORD_WHOLE},
};

static void record_share(struct record_table *t, int64_t hits, int64_t n)
{
    double low = (double)NAN, high = (double)NAN;

    if (n > 0)
        share_interval(hits, n, &low, &high);
    record_number(t, "95 % interval", low);
    record_number(t, "upper end", high);
}

/* Returns how many trainings diverged. */
static int64_t record_variants(const struct stability *s)
{
    struct record *record = s->lab->record;
    struct record_table *t;
    int64_t diverged = 0;

    record_say(record, "%s\n\n", variant_layout.title);
    t = record_table(record, &variant_layout);
    for (int64_t v = 0; v < s->variants; v++) {
        const struct tally tally = tally_of_variant(s, v);
        const struct spread after = spread_of_variant(s, v, AFTER_STEP);

        diverged += tally.diverged;
        record_row(t);
        record_whole(t, "variant", v);
        record_whole(t, "diverged", tally.diverged);
        record_whole(t, "trainings", tally.n);
        record_share(t, tally.diverged, tally.n);
        record_number(t, "median_step", after.median);
        if (after.n > 1) {
            record_number(t, "at least", after.min);
            record_number(t, "at most", after.max);
        }
        record_whole(t, "lost", tally.lost);
        record_number(t, "last_auc", spread_of_variant(s, v, AUC_LAST).median);
        record_number(t, "rollbacks", spread_of_variant(s, v, ROLLBACKS).median);
        record_number(t, "largest_energy_gap", spread_of_variant(s, v, GAP_LARGEST).max);
        record_number(t, "last_energy_gap", spread_of_variant(s, v, GAP_LAST).median);
        record_number(t, "last_sample_saturation", spread_of_variant(s, v, SATURATED).median);
        record_text(t, "set", s->variant[v].text);
        record_words(t, "set", stability_text(&s->variant[v]));
    }
    return diverged;
}

static void record_remedies(const struct stability *s, int any_diverged)
{
    const struct record_layout layout = {
        "recovery",
        .title = lab_text(s->lab, "What does recovery do? (%" PRId64 " steps to survive)",
                          s->recovery_steps),
        .only_files = !any_diverged,
        RECORD_COLUMNS(remedy_columns),
    };
    struct record *record = s->lab->record;
    struct record_table *t;
    int64_t repeated = 0, repeated_of = 0;

    if (any_diverged)
        record_say(record, "\n%s\n\n", layout.title);
    t = record_table(record, &layout);
    for (int remedy = 0; remedy < REMEDIES; remedy++) {
        struct spread steps;
        int64_t same;
        const struct tally tally = tally_of_remedy(s, remedy, &steps, &same);

        record_row(t);
        record_text(t, "remedy", stability_remedy_names[remedy]);
        record_text(t, "text", remedy_texts[remedy]);
        record_whole(t, "tried", tally.n);
        record_whole(t, "survived", tally.n - tally.diverged);
        record_whole(t, "of", tally.n);
        record_share(t, tally.n - tally.diverged, tally.n);
        record_number(t, "median_steps", steps.median);
        if (remedy == REMEDY_REPEAT) {
            record_whole(t, "failed_at_the_same_step", same);
            repeated = same;
            repeated_of = tally.n;
        }
    }
    if (any_diverged)
        record_say(record,
                   "\nGone on with as it is, the last checkpoint failed at the same step again "
                   "in %" PRId64 " of %" PRId64 " cases.\n",
                   repeated, repeated_of);
    else
        record_say(record, "\nNo training diverged, so there was nothing to recover from.\n");
}

/* --- Single trainings: curves and recoveries, which no table holds ------------------------- */

static void set_end(json_t *object, const struct stability_end *end)
{
    json_object_set_new(object, "complete", json_boolean(end->complete));
    json_object_set_new(object, "diverged", json_boolean(end->diverged));
    json_set_number(object, "steps", (double)end->steps);
    json_set_text(object, "message", end->diverged ? end->message : NULL);
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
    json_set_number(run, "last_auc", r->auc_last);
    json_set_number(run, "rollbacks", r->rollbacks);
    json_object_set_new(run, "curve", curve_json(r));
    for (int remedy = 0; remedy < REMEDIES && r->end.diverged; remedy++) {
        json_t *one = json_object();

        json_set_text(one, "remedy", stability_remedy_names[remedy]);
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
        json_set_text(run, "file", r->file);
    }
    json_object_set_new(run, "recovery", recovery);
    return run;
}

void stability_record(const struct stability *s)
{
    json_t *runs = json_array();

    record_remedies(s, record_variants(s) > 0);
    for (int64_t i = 0; i < s->variants * s->seeds; i++)
        if (s->run[i].planned > 0)
            json_array_append_new(runs, run_json(s, &s->run[i]));
    json_object_set_new(record_json(s->lab->record), "runs", runs);
}
