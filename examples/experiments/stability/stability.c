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
#include "kit/base/report.h"
#include "kit/base/stop.h"
#include "kit/cli/settings.h"
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

static int create_trainer(const struct stability *s, const jem_options *opts, jem_trainer **out)
{
    jem_model *model = NULL;
    int rc = report_jem(jem_model_create(s->ctx, opts, &model));

    if (rc == EXIT_OK)
        rc = report_jem(jem_trainer_create(model, s->data, opts, out));
    jem_model_free(model);
    return rc;
}

/* Change the setting of a remedy; `before` gets the text to change it back with. */
static int change_setting(jem_options *opts, int remedy, char before[64])
{
    const char *name = changes[remedy].name;
    char text[64];

    if (name == NULL || settings_text(opts, name, before) != EXIT_OK)
        return name == NULL ? EXIT_OK : EXIT_FAILED;
    snprintf(text, sizeof text, "%.17g", strtod(before, NULL) * changes[remedy].factor);
    if (jem_options_set_str(opts, name, text) == JEM_OK)
        return EXIT_OK;
    return report_failed("the remedy \"%s\" would set %s: %s", stability_remedy_names[remedy],
                         name, jem_last_error());
}

static int restore_setting(jem_options *opts, int remedy, const char before[64])
{
    return changes[remedy].name == NULL
               ? EXIT_OK
               : report_jem(jem_options_set_str(opts, changes[remedy].name, before));
}

int stability_check(const struct stability *s, const struct stability_variant *v)
{
    jem_trainer *trainer = NULL;
    char before[64];
    int rc = EXIT_OK;

    if (settings_number(v->opts, "train.weight_px") <= 0 &&
        settings_number(v->opts, "train.weight_pxy") <= 0)
        rc = report_usage("train.weight_px is 0 (and train.weight_pxy): a classifier runs no "
                          "chains, and has nothing of what is looked at here");
    for (int remedy = 0; remedy < REMEDIES && rc == EXIT_OK; remedy++) {
        rc = change_setting(v->opts, remedy, before);
        if (rc == EXIT_OK)
            rc = restore_setting(v->opts, remedy, before);
    }
    if (rc == EXIT_OK)
        rc = create_trainer(s, v->opts, &trainer);
    jem_trainer_free(trainer);
    if (rc != EXIT_OK && v->text != NULL)
        report_note("(this was --variant %s)", v->text);
    return rc;
}

static int make_step(jem_trainer *trainer, int64_t most, struct stability_end *end)
{
    const jem_status status = jem_trainer_step(trainer, 1);

    if (status != JEM_OK && status != JEM_E_NUMERIC)
        return report_jem(status);
    if (status == JEM_E_NUMERIC) {
        end->diverged = 1;
        snprintf(end->message, sizeof end->message, "%s", jem_last_error());
    } else {
        end->steps++;
    }
    end->complete = end->diverged || end->steps == most;
    return EXIT_OK;
}

static int watch(const jem_trainer *trainer, double warmup, struct stability_run *r)
{
    const int64_t at = (r->end.steps - 1) * STABILITY_POINTS / r->planned;
    int rc = report_jem(jem_trainer_metric(trainer, "energy_gap", &r->gap_last));

    if (rc == EXIT_OK)
        rc = report_jem(jem_trainer_metric(trainer, "sample_saturation", &r->saturated));
    if ((double)r->end.steps > warmup)
        r->gap_largest = fmax(r->gap_largest, fabs(r->gap_last)); /* fmax() skips NaN */
    if (!(fabs(r->gap_last) <= fabs(r->gap[at]))) {
        r->gap[at] = r->gap_last;
        r->step[at] = (double)r->end.steps;
    }
    return rc;
}

static void show(struct stability *s, const struct stability_run *r, const char *remedy,
                 const struct stability_end *end, int64_t most)
{
    char gap[32] = "";

    if (!progress_due(&s->progress))
        return;
    if (remedy == NULL)
        snprintf(gap, sizeof gap, "  gap %.3g", r->gap_last);
    progress_show(&s->progress,
                  "variant %" PRId64 ", seed %" PRId64 "%s%s: step %" PRId64 "/%" PRId64 "%s",
                  r->variant, r->seed, remedy != NULL ? ", " : "", remedy != NULL ? remedy : "",
                  end->steps, most, gap);
}

/* Train as far as it goes. The first checkpoint is the untrained state, so that there is one. */
static int train(struct stability *s, const jem_options *opts, const char *path,
                 jem_trainer *trainer, struct stability_run *r)
{
    const double warmup = settings_number(opts, "train.warmup_steps");
    int rc = report_jem(jem_trainer_save(trainer, path));

    while (rc == EXIT_OK && !r->end.complete && stop_signal() == 0) {
        rc = make_step(trainer, r->planned, &r->end);
        if (rc != EXIT_OK || r->end.diverged)
            break;
        rc = watch(trainer, warmup, r);
        show(s, r, NULL, &r->end, r->planned);
        if (rc == EXIT_OK && r->end.steps % s->save_every == 0) {
            rc = report_jem(jem_trainer_save(trainer, path));
            r->checkpoint = r->end.steps;
        }
    }
    return rc;
}

static int copy_images(const jem_buffer *from, jem_buffer *to, float *x, int64_t *slots)
{
    int64_t n = 0;
    int rc = report_jem(jem_buffer_size(from, &n));

    for (int64_t first = 0; first < n && rc == EXIT_OK; first += CHUNK) {
        const int64_t count = n - first < CHUNK ? n - first : CHUNK;

        for (int64_t i = 0; i < count; i++)
            slots[i] = first + i;
        rc = report_jem(jem_buffer_read(from, first, count, x));
        if (rc == EXIT_OK)
            rc = report_jem(jem_buffer_store(to, slots, count, x));
    }
    return rc;
}

static int copy_buffer(jem_trainer *from, jem_trainer *to, const jem_model *model)
{
    int64_t shape[4] = {0};
    jem_buffer *a = NULL, *b = NULL;
    float *x = NULL;
    int64_t *slots = calloc(CHUNK, sizeof *slots);
    int rc = report_jem(jem_model_shape(model, shape));

    if (rc == EXIT_OK) {
        x = calloc((size_t)(CHUNK * shape[0] * shape[1] * shape[2]), sizeof *x);
        rc = x == NULL || slots == NULL ? report_no_memory() : EXIT_OK;
    }
    if (rc == EXIT_OK)
        rc = report_jem(jem_trainer_buffer(from, &a));
    if (rc == EXIT_OK)
        rc = report_jem(jem_trainer_buffer(to, &b));
    if (rc == EXIT_OK)
        rc = copy_images(a, b, x, slots);
    jem_buffer_free(a);
    jem_buffer_free(b);
    free(x);
    free(slots);
    return rc;
}

/* A new training from what the official code keeps of an old one: weights and replay buffer. Its
 * optimiser, schedule and random numbers begin anew, the latter with another seed. */
static int restart(const struct stability *s, jem_options *opts, const char *path, int remedy,
                   int64_t seed, jem_trainer **out)
{
    jem_trainer *old = NULL;
    jem_model *model = NULL;
    char before[64];
    int rc = report_jem(jem_trainer_load(s->ctx, s->data, path, &old));

    if (rc == EXIT_OK)
        rc = report_jem(jem_trainer_model(old, &model));
    if (rc == EXIT_OK)
        rc = report_jem(jem_options_set_i64(opts, "train.seed", seed));
    if (rc == EXIT_OK)
        rc = change_setting(opts, remedy, before);
    if (rc == EXIT_OK) {
        rc = report_jem(jem_trainer_create(model, s->data, opts, out));
        if (restore_setting(opts, remedy, before) != EXIT_OK)
            rc = EXIT_FAILED;
    }
    if (rc == EXIT_OK)
        rc = copy_buffer(old, *out, model);
    jem_model_free(model);
    jem_trainer_free(old);
    return rc;
}

/* `failed` is the training that diverged, for the remedy that goes on with it. */
static int recover(struct stability *s, jem_options *opts, const char *path, int remedy,
                   jem_trainer *failed, struct stability_run *r)
{
    struct stability_end *end = &r->remedy[remedy];
    jem_trainer *own = NULL;
    int rc = EXIT_OK;

    if (remedy == REMEDY_REPEAT)
        rc = report_jem(jem_trainer_load(s->ctx, s->data, path, &own));
    else if (remedy != REMEDY_OTHER_SAMPLES)
        rc = restart(s, opts, path, remedy, r->seed + s->seeds, &own);
    while (rc == EXIT_OK && !end->complete && stop_signal() == 0) {
        rc = make_step(own != NULL ? own : failed, s->recovery_steps, end);
        show(s, r, stability_remedy_names[remedy], end, s->recovery_steps);
    }
    jem_trainer_free(own);
    return rc;
}

static void say(struct stability *s, const struct stability_run *r)
{
    if (r->end.diverged)
        progress_say(&s->progress,
                     "variant %" PRId64 ", seed %" PRId64 ": diverged after step %" PRId64,
                     r->variant, r->seed, r->end.steps);
    else if (r->end.complete)
        progress_say(&s->progress, "variant %" PRId64 ", seed %" PRId64 ": %" PRId64 " steps",
                     r->variant, r->seed, r->end.steps);
}

static int plan(const struct stability *s, const jem_trainer *trainer, const jem_options *opts,
                struct stability_run *r)
{
    const int rc = train_planned_steps(trainer, opts, &r->planned);

    if (s->steps > 0 && s->steps < r->planned)
        r->planned = s->steps;
    r->gap_largest = r->gap_last = r->saturated = (double)NAN;
    for (int i = 0; i < STABILITY_POINTS; i++)
        r->step[i] = r->gap[i] = (double)NAN;
    snprintf(r->file, sizeof r->file, "variant%" PRId64 "-seed%" PRId64 ".safetensors",
             r->variant, r->seed);
    return rc;
}

int stability_train(struct stability *s, struct stability_run *r)
{
    jem_options *opts = s->variant[r->variant].opts;
    jem_trainer *trainer = NULL;
    char path[FILE_PATH_BYTES];
    int rc = report_jem(jem_options_set_i64(opts, "train.seed", r->seed));

    if (rc == EXIT_OK)
        rc = create_trainer(s, opts, &trainer);
    if (rc == EXIT_OK)
        rc = plan(s, trainer, opts, r);
    if (rc == EXIT_OK)
        rc = file_join(path, s->out, r->file);
    if (rc == EXIT_OK)
        rc = train(s, opts, path, trainer, r);
    if (rc == EXIT_OK)
        say(s, r);
    for (int remedy = 0; remedy < REMEDIES && rc == EXIT_OK && r->end.diverged; remedy++)
        rc = recover(s, opts, path, remedy, trainer, r);
    if (rc == EXIT_OK && r->end.complete && !r->end.diverged && unlink(path) != 0)
        rc = report_failed("cannot remove %s: %s", path, strerror(errno));
    progress_clear(&s->progress);
    jem_trainer_free(trainer);
    return rc;
}
