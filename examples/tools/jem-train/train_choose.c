/* SPDX-License-Identifier: MIT */

/* The settings of a training for which nobody gave any: from the images alone, their number, size
 * and classes. What is chosen is a command line, so that it can be read, repeated and changed. */

#include "train_run.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "kit/lab/train_best.h"

/* Passes over the training images: as many as are good for large sets, within these bounds, but of
 * a small set no more than that, or log p(x) becomes one of the training images alone. */
#define PASSES      12
#define MOST_PASSES 80
#define LEAST_STEPS 3000
#define MOST_STEPS  12000

#define BATCH 64 /* of the preset demo */

#define LARGE_IMAGE (48 * 48) /* pixels; above, the network has half the filters */

#define CHAINS           400 /* in the replay buffer, or as many for each class: */
#define CHAINS_PER_CLASS 10

#define CHOICES 12

struct choices {
    struct cli_list sets;
    const char *items[CHOICES];
};

__attribute__((format(printf, 4, 5))) static void
choose(struct run *r, struct choices *c, const char *setting, const char *format, ...)
{
    char reason[160];
    va_list list;

    va_start(list, format);
    vsnprintf(reason, sizeof reason, format, list);
    va_end(list);
    c->items[c->sets.count++] = setting;
    progress_say(&r->lab->progress, "  %-26s %s", setting, reason);
}

/* Images of the rarest class; and -1 where an image has no label. */
static int64_t rarest(const struct run *r, int64_t n)
{
    const int64_t classes = r->lab->shape[3];
    int64_t *count = lab_array(r->lab, classes, sizeof *count), least = n;
    int32_t y[256];

    for (int64_t i = 0; i < n; i += 256) {
        const int64_t some = n - i < 256 ? n - i : 256;

        must_jem(jem_dataset_read(r->images, i, some, NULL, y));
        for (int64_t k = 0; k < some; k++)
            if (y[k] >= 0)
                count[y[k]]++;
    }
    for (int64_t k = 0; k < classes; k++)
        least = count[k] < least ? count[k] : least;
    lab_drop(r->lab, count);
    return least;
}

static void choose_network(struct run *r, struct choices *c)
{
    const int64_t *shape = r->lab->shape;

    if (shape[1] * shape[2] > LARGE_IMAGE)
        choose(r, c, "model.filters=16",
               "images of %" PRId64 " x %" PRId64 " take long: half the filters", shape[1],
               shape[2]);
    if (shape[0] == 3)
        choose(r, c, "train.flip=1",
               "colour: photographs are as likely mirrored (letters are not: then "
               "train.flip=0)");
}

static void choose_length(struct run *r, struct choices *c, int64_t n)
{
    const int64_t batch = n < BATCH ? n : BATCH; /* of fewer images each batch holds all */
    const int64_t most = MOST_PASSES * n / batch, wanted = PASSES * n / batch;
    int64_t steps = wanted < LEAST_STEPS ? LEAST_STEPS : wanted;

    steps = steps < MOST_STEPS ? steps : MOST_STEPS;
    steps = steps < most ? steps : most;
    steps = steps < 1 ? 1 : steps;

    choose(r, c, lab_text(r->lab, "train.steps=%" PRId64, steps),
           "%" PRId64 " training images, %.3g passes", n, (double)(steps * batch) / (double)n);
}

static void choose_chains(struct run *r, struct choices *c, int64_t n)
{
    const int64_t classes = r->lab->shape[3];

    if (rarest(r, n) < 2)
        choose(r, c, "start.kind=uniform",
               "a class has fewer than two images, too few for a start of its own");
    if (classes * CHAINS_PER_CLASS > CHAINS)
        choose(r, c, lab_text(r->lab, "pcd.capacity=%" PRId64, classes * CHAINS_PER_CLASS),
               "%" PRId64 " classes, %d chains for each", classes, CHAINS_PER_CLASS);
}

int train_chooses(const struct train_arguments *a)
{
    return a->presets.count == 0 && a->sets.count == 0 && a->resume == NULL;
}

static void say_command(struct run *r, const struct choices *c)
{
    char line[1024];
    size_t used = (size_t)snprintf(line, sizeof line, "jem-train --preset demo");

    for (int64_t i = 0; i < c->sets.count && used < sizeof line; i++)
        used += (size_t)snprintf(line + used, sizeof line - used, " --set %s", c->items[i]);
    progress_say(&r->lab->progress, "to change one of them: %s --data ...", line);
}

void train_choose(struct run *r)
{
    const char *demo[] = {"demo"};
    const struct cli_list presets = {.items = demo, .count = 1};
    struct choices c = {.sets = {.count = 0}};
    int64_t n = 0;

    c.sets.items = c.items;
    must_jem(jem_dataset_size(r->images, &n));
    progress_say(&r->lab->progress,
                 "no settings are given; chosen for these images: preset demo, and");
    choose_network(r, &c);
    choose_length(r, &c, n);
    choose_chains(r, &c, n);
    choose(r, &c, "guard.mode=act", "chains are kept from being lost");
    say_command(r, &c);
    r->opts = lab_settings(r->lab, NULL, &presets, &c.sets);
}

/* ---- a schedule that fits the time ---- */

#define TIMED_STEPS 12  /* the first makes ready, and the median of the others counts ... */
#define TIMED_FOR   2.0 /* ... or of fewer, but two, once so many seconds have gone into them */
#define SHARE       0.9 /* of the budget: validation and a guard's rollbacks need time too */

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Seconds of a training step, by steps of a training that is thrown away afterwards. One that
 * diverges is timed all the same: what is to be done about it decides the run. */
static double time_step(struct run *r)
{
    double took[TIMED_STEPS], all = 0;
    int n = 0;

    for (; n < TIMED_STEPS && (n < 2 || all < TIMED_FOR); n++) {
        const double began = progress_clock();

        const jem_status status = jem_trainer_step(r->trainer, 1);

        if (status != JEM_E_NUMERIC)
            must_jem(status);
        took[n] = progress_clock() - began;
        all += took[n];
    }
    qsort(took + 1, (size_t)(n - 1), sizeof took[0], by_size);
    return took[1 + (n - 1) / 2];
}

int train_fit_budget(struct run *r)
{
    char schedule[64];
    const double budget = r->arg->time_budget;
    int64_t steps, warmup;
    double step;

    must(settings_text(r->opts, "train.schedule", schedule));
    must(train_planned_steps(r->trainer, r->opts, &steps));
    if (budget <= 0 || r->arg->steps > 0 || strcmp(schedule, "milestones") == 0)
        return 0;
    step = time_step(r);
    if (step * (double)steps <= SHARE * budget)
        return 1; /* the schedule as it is, from the beginning */
    steps = (int64_t)fmax(SHARE * budget / step, 1);
    warmup = (int64_t)settings_number(r->opts, "train.warmup_steps");
    warmup = warmup < steps / 10 ? warmup : steps / 10;
    must_jem(jem_options_set_i64(r->opts, "train.steps", steps));
    must_jem(jem_options_set_i64(r->opts, "train.warmup_steps", warmup));
    progress_say(
        &r->lab->progress,
        "--time-budget %g: the schedule, learning rate included, is shortened to %" PRId64
        " steps of %.2g s (--steps N keeps its length)",
        budget, steps, step);
    return 1;
}
