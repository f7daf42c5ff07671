/* SPDX-License-Identifier: MIT */

/* See stability.h. */

#include "stability.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kit/base/file.h"
#include "kit/base/stop.h"
#include "kit/lab/train_best.h"

#define CHUNK 256 /* images of a buffer that are moved at a time */

const char *const stability_remedy_names[REMEDIES] = {
    "last-checkpoint", "other-samples", "new-seed", "half-rate", "twice-sgld",
};

/* The setting that a remedy changes. */
static const struct {
    const char *name; /* NULL: none */
    double factor;
} changes[REMEDIES] = {
    [REMEDY_HALF_RATE] = {"train.lr", 0.5},
    [REMEDY_TWICE_SGLD] = {"sgld.steps", 2},
};

static void release_model(void *model)
{
    jem_model_free(model);
}

static void release_trainer(void *trainer)
{
    jem_trainer_free(trainer);
}

static jem_trainer *create_trainer(const struct stability *s, const jem_options *opts)
{
    jem_model *model = NULL;
    jem_trainer *trainer = NULL;

    must_jem(jem_model_create(s->lab->ctx, opts, &model));
    lab_keep(s->lab, model, release_model);
    must_jem(jem_trainer_create(model, s->data, opts, &trainer));
    lab_drop(s->lab, model);
    return lab_keep(s->lab, trainer, release_trainer);
}

static jem_trainer *load_trainer(const struct stability *s, const char *path)
{
    jem_trainer *trainer = NULL;

    must_jem(jem_trainer_load(s->lab->ctx, s->data, path, &trainer));
    return lab_keep(s->lab, trainer, release_trainer);
}

/* Change the setting of a remedy; `before` gets the text to change it back with. */
static void change_setting(jem_options *opts, int remedy, char before[64])
{
    const char *name = changes[remedy].name;
    char text[64];

    if (name == NULL)
        return;
    must(settings_text(opts, name, before));
    snprintf(text, sizeof text, "%.17g", strtod(before, NULL) * changes[remedy].factor);
    if (jem_options_set_str(opts, name, text) != JEM_OK)
        must(report_failed("the remedy \"%s\" would set %s: %s", stability_remedy_names[remedy],
                           name, report_reason()));
}

static void restore_setting(jem_options *opts, int remedy, const char before[64])
{
    if (changes[remedy].name != NULL)
        must_jem(jem_options_set_str(opts, changes[remedy].name, before));
}

void stability_check(const struct stability *s, const struct stability_variant *v)
{
    if (v->text != NULL)
        s->lab->remark = lab_text(s->lab, "(this was --variant %s)", v->text);
    if (settings_number(v->opts, "train.weight_px") <= 0 &&
        settings_number(v->opts, "train.weight_pxy") <= 0)
        must(report_usage("train.weight_px is 0 (and train.weight_pxy): a classifier runs no "
                          "chains, and has nothing of what is looked at here"));
    for (int remedy = 0; remedy < REMEDIES; remedy++) {
        char before[64];

        change_setting(v->opts, remedy, before);
        restore_setting(v->opts, remedy, before);
    }
    lab_drop(s->lab, create_trainer(s, v->opts));
    s->lab->remark = NULL;
}

static double metric(const jem_trainer *trainer, const char *name)
{
    double value = (double)NAN;

    must_jem(jem_trainer_metric(trainer, name, &value));
    return value;
}

/* A step that leaves the finite numbers is a result. */
static void make_step(jem_trainer *trainer, int64_t most, struct stability_end *end)
{
    const double before = metric(trainer, "step");
    const jem_status status = jem_trainer_step(trainer, 1);

    if (status == JEM_E_NUMERIC) {
        end->diverged = 1;
        snprintf(end->message, sizeof end->message, "%s", report_reason());
    } else {
        must_jem(status);
        end->steps += (int64_t)(metric(trainer, "step") - before); /* a guard may go back */
    }
    end->complete = end->diverged || end->steps == most;
}

static void watch(const jem_trainer *trainer, double warmup, struct stability_run *r)
{
    const int64_t at = (r->end.steps - 1) * STABILITY_POINTS / r->planned;

    r->rollbacks = metric(trainer, "rollbacks");
    if (isnan(metric(trainer, "energy_gap")))
        return; /* the guard went back */
    r->gap_last = metric(trainer, "energy_gap");
    r->saturated = metric(trainer, "sample_saturation");
    r->auc_last = metric(trainer, "running_auc");
    if ((double)r->end.steps > warmup)
        r->gap_largest = fmax(r->gap_largest, fabs(r->gap_last)); /* fmax() skips NaN */
    if (!(fabs(r->gap_last) <= fabs(r->gap[at]))) {
        r->gap[at] = r->gap_last;
        r->step[at] = (double)r->end.steps;
    }
}

static void show(const struct stability *s, const struct stability_run *r, const char *remedy,
                 const struct stability_end *end, int64_t most)
{
    char gap[32] = "";

    if (!progress_due(&s->lab->progress))
        return;
    if (remedy == NULL)
        snprintf(gap, sizeof gap, "  gap %.3g", r->gap_last);
    progress_show(&s->lab->progress,
                  "variant %" PRId64 ", seed %" PRId64 "%s%s: step %" PRId64 "/%" PRId64 "%s",
                  r->variant, r->seed, remedy != NULL ? ", " : "", remedy != NULL ? remedy : "",
                  end->steps, most, gap);
}

/* Train as far as it goes. The first checkpoint is the untrained state, so that there is one. */
static void train(const struct stability *s, const jem_options *opts, const char *path,
                  jem_trainer *trainer, struct stability_run *r)
{
    const double warmup = settings_number(opts, "train.warmup_steps");

    must_jem(jem_trainer_save(trainer, path));
    while (!r->end.complete && stop_signal() == 0) {
        make_step(trainer, r->planned, &r->end);
        if (r->end.diverged)
            break;
        watch(trainer, warmup, r);
        show(s, r, NULL, &r->end, r->planned);
        if (r->end.steps % s->save_every == 0) {
            must_jem(jem_trainer_save(trainer, path));
            r->checkpoint = r->end.steps;
        }
    }
}

static void release_buffer(void *buffer)
{
    jem_buffer_free(buffer);
}

static jem_buffer *buffer_of(struct lab *l, jem_trainer *trainer)
{
    jem_buffer *buffer = NULL;

    must_jem(jem_trainer_buffer(trainer, &buffer));
    return lab_keep(l, buffer, release_buffer);
}

static void copy_buffer(struct lab *l, jem_trainer *from, jem_trainer *to)
{
    jem_buffer *a = buffer_of(l, from), *b = buffer_of(l, to);
    float *x = lab_floats(l, CHUNK * l->size);
    int64_t n = 0, slots[CHUNK];

    must_jem(jem_buffer_size(a, &n));
    for (int64_t first = 0; first < n; first += CHUNK) {
        const int64_t count = n - first < CHUNK ? n - first : CHUNK;

        for (int64_t i = 0; i < count; i++)
            slots[i] = first + i;
        must_jem(jem_buffer_read(a, first, count, x));
        must_jem(jem_buffer_store(b, slots, count, x));
    }
    lab_drop(l, a);
    lab_drop(l, b);
    lab_drop(l, x);
}

/* A new training from what the official code keeps of an old one: weights and replay buffer. Its
 * optimiser, schedule and random numbers begin anew, the latter with another seed. */
static jem_trainer *restart(const struct stability *s, jem_options *opts, const char *path,
                            int remedy, int64_t seed)
{
    jem_trainer *old = load_trainer(s, path), *trainer = NULL;
    jem_model *model = NULL;
    char before[64];

    must_jem(jem_trainer_model(old, &model));
    lab_keep(s->lab, model, release_model);
    must_jem(jem_options_set_i64(opts, "train.seed", seed));
    change_setting(opts, remedy, before);
    must_jem(jem_trainer_create(model, s->data, opts, &trainer));
    lab_keep(s->lab, trainer, release_trainer);
    restore_setting(opts, remedy, before);
    copy_buffer(s->lab, old, trainer);
    lab_drop(s->lab, model);
    lab_drop(s->lab, old);
    return trainer;
}

/* `failed` is the training that diverged, for the remedy that goes on with it. */
static void recover(const struct stability *s, jem_options *opts, const char *path, int remedy,
                    jem_trainer *failed, struct stability_run *r)
{
    struct stability_end *end = &r->remedy[remedy];
    jem_trainer *trainer = failed;

    if (remedy == REMEDY_REPEAT)
        trainer = load_trainer(s, path);
    else if (remedy != REMEDY_OTHER_SAMPLES)
        trainer = restart(s, opts, path, remedy, r->seed + s->seeds);
    while (!end->complete && stop_signal() == 0) {
        make_step(trainer, s->recovery_steps, end);
        show(s, r, stability_remedy_names[remedy], end, s->recovery_steps);
    }
    if (trainer != failed)
        lab_drop(s->lab, trainer);
}

static void say(const struct stability *s, const struct stability_run *r)
{
    if (r->end.diverged)
        progress_say(&s->lab->progress,
                     "variant %" PRId64 ", seed %" PRId64 ": diverged after step %" PRId64,
                     r->variant, r->seed, r->end.steps);
    else if (r->end.complete)
        progress_say(&s->lab->progress,
                     "variant %" PRId64 ", seed %" PRId64 ": %" PRId64 " steps", r->variant,
                     r->seed, r->end.steps);
}

static void plan(const struct stability *s, const jem_trainer *trainer, const jem_options *opts,
                 struct stability_run *r)
{
    must(train_planned_steps(trainer, opts, &r->planned));
    if (s->steps > 0 && s->steps < r->planned)
        r->planned = s->steps;
    r->gap_largest = r->gap_last = r->saturated = r->auc_last = (double)NAN;
    for (int i = 0; i < STABILITY_POINTS; i++)
        r->step[i] = r->gap[i] = (double)NAN;
    snprintf(r->file, sizeof r->file, "variant%" PRId64 "-seed%" PRId64 ".safetensors",
             r->variant, r->seed);
}

void stability_train(const struct stability *s, struct stability_run *r)
{
    jem_options *opts = s->variant[r->variant].opts;
    jem_trainer *trainer;
    char path[FILE_PATH_BYTES];

    must_jem(jem_options_set_i64(opts, "train.seed", r->seed));
    trainer = create_trainer(s, opts);
    plan(s, trainer, opts, r);
    must(file_join(path, s->lab->out, r->file));
    train(s, opts, path, trainer, r);
    say(s, r);
    for (int remedy = 0; remedy < REMEDIES && r->end.diverged; remedy++)
        recover(s, opts, path, remedy, trainer, r);
    if (r->end.complete && !r->end.diverged && unlink(path) != 0)
        must(report_failed("cannot remove %s: %s", path, strerror(errno)));
    progress_clear(&s->lab->progress);
    lab_drop(s->lab, trainer);
}
