/* SPDX-License-Identifier: MIT */
/* See guard.h. The constants were found by short trainings on pictures of several kinds
 * (docs/decisions.md). */

#include "train/guard.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "core/log.h"
#include "train/snapshot.h"

#define HALF_BAND  0.03
#define BEYOND     0.17 /* lost: so far above the band */
#define EVERY      5    /* steps between two turns of the knobs */
#define KEEP_EVERY 100  /* steps between states that are kept */
#define LEAST_BACK 50   /* steps to go back: a gap opens within as many */

/* The penalty: above the band times, below it divided by. */
#define RAISE 1.25
#define LOWER 1.05
#define FIRST 0.01 /* what a penalty of 0 is raised to */
#define SPEAK 2.0  /* a change by this factor is worth a line */

/* The size of an SGLD step, as a factor of the option. */
#define GAIN        1.5 /* times exp(GAIN x how far the AUC is out of bounds) */
#define LEAST_REACH 0.02
#define MOST_REACH  2.0
#define MILD        0.04 /* samples may score above the data by this much AUC below the band */

#define LONGER_EVERY 25 /* steps above the band for a chain of one step more */

/* At a rollback: factors of learning rate and penalty. */
#define CALMER   0.7
#define STRONGER 2.0

/* Where the AUC is held for each word of "guard.aim", and the least penalty. */
static const struct {
    const char *name;
    double auc, least;
} aims[] = {
    {"generate", 0.55, 0.0},
    {"detect", 0.90, 0.5},
};

/* ---- settings and decisions ---- */

static void apply(jem_trainer *t)
{
    const jem__guard *g = &t->guard;

    if (g->mode != JEM__GUARD_ACT)
        return;
    t->weights.energy_l2 = g->now.energy_l2;
    if (t->sampler == NULL)
        return;
    t->sampler->step_size = (float)(g->step_size * g->now.reach);
    t->sampler->steps = (int64_t)g->now.steps;
}

void jem__guard_init(jem_trainer *t)
{
    jem__guard *g = &t->guard;
    const char *mode = jem__option_str(t->opts, "guard.mode");
    const int32_t aim = strcmp(jem__option_str(t->opts, "guard.aim"), aims[1].name) == 0;
    const double asked = jem__option_f64(t->opts, "guard.auc");
    const double auc = asked > 0.0 ? asked : aims[aim].auc;

    g->mode = strcmp(mode, "act") == 0      ? JEM__GUARD_ACT
              : strcmp(mode, "report") == 0 ? JEM__GUARD_REPORT
                                            : JEM__GUARD_OFF;
    if ((t->roles & JEM__ROLE_SAMPLE) == 0)
        g->mode = JEM__GUARD_OFF; /* no chains to lose */
    g->low = auc - HALF_BAND;
    g->high = auc + HALF_BAND;
    g->lost = fmin(g->high + BEYOND, 1.0);
    g->most = jem__option_f64(t->opts, "guard.energy_l2_max");
    g->step_size = jem__option_f64(t->opts, "sgld.step_size");
    g->steps = (double)jem__option_i64(t->opts, "sgld.steps");
    g->chain_max = (double)jem__option_i64(t->opts, "guard.chain_max");
    g->rollbacks = jem__option_i64(t->opts, "guard.rollbacks");
    g->states = (int32_t)jem__option_i64(t->opts, "guard.states");
    g->now.energy_l2 = jem__option_f64(t->opts, "train.energy_l2");
    if (g->mode == JEM__GUARD_ACT)
        g->now.energy_l2 = fmax(g->now.energy_l2, aims[aim].least);
    g->now.floor = g->now.said = g->now.energy_l2;
    g->now.reach = g->now.rate = 1.0;
    g->now.kept_at = -1.0;
    g->now.steps = g->steps;
    apply(t);
}

static int32_t is_within(double value, double low, double high)
{
    return value >= low && value <= high; /* NaN is not */
}

jem_status jem__guard_decide(jem_trainer *t, const jem__guard_state *d)
{
    const double huge = 1e15, longest = fmax(t->guard.steps, t->guard.chain_max);

    if (!is_within(d->energy_l2, 0.0, 1e6) || !is_within(d->floor, 0.0, 1e6) ||
        !is_within(d->reach, LEAST_REACH, MOST_REACH) || !is_within(d->rate, 0.0, 1.0) ||
        !is_within(d->rollbacks, 0.0, huge) || !is_within(d->kept_at, -1.0, huge) ||
        !is_within(d->was_inside, 0.0, 1.0) || !is_within(d->said, -1.0, 1e6) ||
        !is_within(d->steps, t->guard.steps, longest) || d->steps != floor(d->steps) ||
        !is_within(d->above_from, 0.0, huge))
        return JEM_E_FORMAT;
    t->guard.now = *d;
    apply(t);
    return JEM_OK;
}

void jem__guard_free(jem__guard *g)
{
    while (g->count > 0)
        jem__trainer_snapshot_free(g->kept[--g->count]);
    jem__trainer_snapshot_free(g->room);
    g->room = NULL;
}

/* One intervention, to the log and to the caller. */
__attribute__((format(printf, 3, 4))) static void say(jem_trainer *t, const char *action,
                                                      const char *format, ...)
{
    char reason[240];
    va_list list;

    va_start(list, format);
    (void)vsnprintf(reason, sizeof reason, format, list);
    va_end(list);
    jem__log(t->ctx, JEM_LOG_WARNING, "guard, step %" PRId64 ": %s: %s", t->step, action,
             reason);
    if (t->guard.tell != NULL)
        t->guard.tell(t->guard.user, t->step, action, reason);
}

/* ---- states to go back to ---- */

static void drop(jem__guard *g, int32_t which)
{
    if (g->room == NULL)
        g->room = g->kept[which];
    else
        jem__trainer_snapshot_free(g->kept[which]);
    g->count--;
    for (int32_t i = which; i < g->count; i++)
        g->kept[i] = g->kept[i + 1];
}

static jem_status keep(jem_trainer *t)
{
    jem__guard *g = &t->guard;

    if (g->count == g->states)
        drop(g, 0);
    JEM__TRY(jem__trainer_snapshot_store(t, g->room));
    g->kept[g->count++] = g->room;
    g->room = NULL;
    g->now.kept_at = (double)t->step;
    return JEM_OK;
}

jem_status jem__guard_begin(jem_trainer *t)
{
    jem__guard *g = &t->guard;

    if (g->mode != JEM__GUARD_ACT)
        return JEM_OK;
    if (g->room == NULL && g->count < g->states)
        JEM__TRY(jem__trainer_snapshot_create(t, &g->room));
    return g->count == 0 ? keep(t) : JEM_OK;
}

/* The newest state that is old enough; the oldest if none is. */
static int32_t choose(const jem__guard *g, int64_t step)
{
    for (int32_t i = g->count - 1; i > 0; i--) {
        if (g->kept[i]->state.counters[0] + LEAST_BACK <= step)
            return i;
    }
    return 0;
}

/* ---- turning the knobs ---- */

static void set_penalty(jem__guard *g, double energy_l2)
{
    g->now.energy_l2 = fmax(fmin(energy_l2, fmax(g->most, g->now.floor)), g->now.floor);
}

static void set_reach(jem__guard *g, double reach)
{
    g->now.reach = fmax(fmin(reach, MOST_REACH), LEAST_REACH);
}

static void speak_of_penalty(jem_trainer *t, double auc)
{
    const jem__guard *g = &t->guard;
    const double before = g->now.said, now = g->now.energy_l2;

    if (now < before * SPEAK && now * SPEAK > before)
        return;
    t->guard.now.said = now;
    say(t, now > before ? "penalty raised" : "penalty lowered",
        "running AUC %.2f, to be held in %.2f to %.2f: train.energy_l2 from %.3g to %.3g, "
        "sgld.step_size = %.3g",
        auc, g->low, g->high, before, now, g->step_size * g->now.reach);
}

/* A penalty acts within steps, a longer chain costs time in each: it comes where the penalty alone
 * has not helped for a while. */
static void set_chains(jem_trainer *t, double auc)
{
    jem__guard *g = &t->guard;
    const double before = g->now.steps, step = (double)t->step;
    const int32_t above = auc > g->high, below = auc < g->low;

    if (g->chain_max == 0.0 || (above && step < g->now.above_from + LONGER_EVERY))
        return;
    g->now.above_from = step;
    g->now.steps = fmax(fmin(before + above - below, g->chain_max), g->steps);
    if (g->now.steps != before)
        say(t, above ? "chains longer" : "chains shorter",
            "running AUC %.2f, to be held in %.2f to %.2f: sgld.steps from %g to %g", auc,
            g->low, g->high, before, g->now.steps);
}

static void control(jem_trainer *t, double auc)
{
    jem__guard *g = &t->guard;

    if (auc > g->high) {
        set_penalty(g, fmax(g->now.energy_l2 * RAISE, FIRST));
        set_reach(g, g->now.reach * exp(GAIN * (auc - g->high)));
    } else if (auc < g->low) {
        set_penalty(g, g->now.energy_l2 / LOWER);
        set_reach(g, g->now.reach * exp(GAIN * fmin(auc - (g->low - MILD), 0.0)));
    }
    set_chains(t, auc);
    apply(t);
    speak_of_penalty(t, auc);
}

/* ---- going back ---- */

/* To the state, but with the random numbers that come now: other batches, other chains. */
static jem_status restore(jem_trainer *t, int32_t which)
{
    int64_t counters[JEM__STATE_COUNTERS];

    jem__state_counters(t, counters);
    JEM__TRY(jem__trainer_snapshot_restore(t, t->guard.kept[which]));
    counters[0] = t->step;
    jem__state_set_counters(t, counters);
    return JEM_OK;
}

static jem_status go_back(jem_trainer *t, const char *why)
{
    jem__guard *g = &t->guard;
    const int64_t from = t->step;
    const int32_t which = choose(g, from);

    JEM__TRY(restore(t, which));
    while (g->count > which + 1)
        drop(g, g->count - 1);
    if (g->count > 1)
        drop(g, which); /* if it goes wrong from here once more, the one before is next */
    g->now.kept_at = (double)t->step;
    g->now.rollbacks += 1.0;
    g->now.rate *= CALMER;
    g->now.floor = fmax(g->now.floor, fmin(fmax(g->now.floor * STRONGER, FIRST), g->most));
    set_penalty(g, g->now.energy_l2);
    set_reach(g, fmax(g->now.reach, 1.0));
    g->now.said = g->now.energy_l2;
    g->now.above_from = (double)t->step;
    apply(t);
    say(t, "rollback",
        "%s at step %" PRId64 "; back to step %" PRId64 ", learning rate x %.3g, "
        "train.energy_l2 = %.3g (%g of %" PRId64 ")",
        why, from, t->step, g->now.rate, g->now.energy_l2, g->now.rollbacks, g->rollbacks);
    return JEM_OK;
}

static jem_status give_up(jem_trainer *t, const char *why)
{
    const int64_t from = t->step;

    JEM__TRY(restore(t, choose(&t->guard, from)));
    say(t, "end", "%s at step %" PRId64 ", and guard.rollbacks = %" PRId64 " are used up", why,
        from, t->guard.rollbacks);
    return jem__fail(JEM_E_NUMERIC,
                     "jem_trainer_step: %s at step %" PRId64 ", and guard.rollbacks = %" PRId64
                     " are used up; the training is back at step %" PRId64,
                     why, from, t->guard.rollbacks, t->step);
}

static jem_status rescue(jem_trainer *t, const char *why)
{
    const jem__guard *g = &t->guard;

    return g->now.rollbacks < (double)g->rollbacks ? go_back(t, why) : give_up(t, why);
}

jem_status jem__guard_rescue(jem_trainer *t)
{
    return t->guard.mode == JEM__GUARD_ACT ? rescue(t, "a step failed") : JEM_E_NUMERIC;
}

/* Before the first 100 healthy steps there is nothing to go back to but the beginning. */
static jem_status act(jem_trainer *t, double auc)
{
    jem__guard *g = &t->guard;
    char why[64];

    if (auc > g->lost && g->now.kept_at > 0.0) {
        (void)snprintf(why, sizeof why, "a running AUC of %.2f", auc);
        return rescue(t, why);
    }
    if (t->step % EVERY == 0)
        control(t, auc);
    if (auc <= g->high && (double)t->step >= g->now.kept_at + KEEP_EVERY)
        return keep(t);
    return JEM_OK;
}

/* Once each time that the chains are lost. */
static void report(jem_trainer *t, double auc)
{
    jem__guard *g = &t->guard;

    if (auc <= g->high)
        g->now.said = 0.0;
    if (auc <= g->lost || g->now.said < 0.0 || g->now.was_inside == 0.0)
        return;
    g->now.said = -1.0;
    say(t, "lost", "a running AUC of %.2f, above %.2f: the chains do not keep up", auc,
        g->lost);
}

jem_status jem__guard_look(jem_trainer *t)
{
    jem__guard *g = &t->guard;
    const double auc = t->metrics.running_auc;

    /* While the weights are held the chains come to the model; nothing is to be slowed. */
    if (g->mode == JEM__GUARD_OFF || isnan(auc) || t->step <= t->schedule.hold)
        return JEM_OK;
    if (auc <= g->high)
        g->now.was_inside = 1.0;
    if (g->mode == JEM__GUARD_ACT)
        return act(t, auc);
    report(t, auc);
    return JEM_OK;
}
