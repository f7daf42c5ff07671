/* SPDX-License-Identifier: MIT */

/* jem-stability: how often does training diverge, and what does recovery do? (JEM appendix H.3:
 * trainings diverged, and were begun again from the last checkpoint with another seed.)
 *
 * The settings of --preset and --set, and each --variant of them, are trained with several
 * seeds. Where a training leaves the finite numbers, the state that would be at hand is taken up
 * again in several ways, each for itself. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kit/base/stop.h"
#include "kit/lab/lab.h"
#include "stability.h"
#include "stability_report.h"

static struct lab lab;
static struct {
    struct cli_list presets, sets, variants;
    int64_t steps, seeds, save_every, recovery_steps;
} arg;

static const struct cli_option options[] = {
    {"Settings", "data", "KIND", DATA_HELP, "fashion-mnist", .text = &lab.data},
    {NULL, "preset", "NAME", PRESET_HELP, NULL, .list = &arg.presets},
    {NULL, "set", "NAME=VALUE", SET_HELP, NULL, .list = &arg.sets},
    {NULL, "variant", "NAME=VALUE[,NAME=VALUE...]",
     "train with these settings on top as well; may be repeated", NULL, .list = &arg.variants},
    {"Trainings", "stop-after", "N",
     "steps of each at the most, whatever its schedule; 0: the whole schedule", "2000",
     .integer = &arg.steps, .max = INT64_MAX},
    {NULL, "seeds", "N", "trainings of each variant, with seeds of their own", "3",
     .integer = &arg.seeds, .min = 1, .max = 1000},
    {NULL, "seed", "N", "the first of these (train.seed)", "1", .integer = &lab.seed, .min = 0,
     .max = INT32_MAX},
    {NULL, "save-every", "STEPS", "steps between checkpoints", "200",
     .integer = &arg.save_every, .min = 1, .max = INT64_MAX},
    {NULL, "recovery-steps", "N",
     "steps that a recovered training has to survive; at least as many as lie between "
     "checkpoints",
     "500", .integer = &arg.recovery_steps, .min = 1, .max = INT64_MAX},
    {"Results", "out", "DIR",
     "folder for gap.svg, and for the last checkpoint of each training that diverged, "
     "variantV-seedS.safetensors",
     NULL, .text = &lab.out, .required = 1},
    LAB_REST(lab),
};

static int check(void)
{
    if (arg.recovery_steps < arg.save_every)
        return report_usage("--recovery-steps %" PRId64
                            ": must be at least --save-every (%" PRId64
                            "), or a training could survive before it comes to the step "
                            "that failed",
                            arg.recovery_steps, arg.save_every);
    return CLI_GO;
}

static const struct cli command_line = {
    .program = "jem-stability",
    .usage = "--out DIR [options]",
    .about = "Train with several seeds, count how often training diverges, and try what is "
             "advised then: other samples, the last checkpoint with another seed, a lower "
             "learning rate, more SGLD steps.",
    .notes = "Examples:\n"
             "  jem-stability --preset demo --out calm\n"
             "  jem-stability --preset demo --set sgld.clamp_grad=0 --set sgld.clamp_x=0 \\\n"
             "      --variant train.energy_l2=0.1 --variant train.lr=1e-4,sgld.steps=20 --out "
             "wild\n",
    CLI_OPTIONS(options),
    .stoppable = 1,
    .check = check,
};

/* "a=1,b=2". A comma ends a setting where another "name=" follows; others belong to values, as
 * in train.decay_epochs=160,180. */
static void apply_variant(jem_options *opts, const char *text)
{
    char *at = lab_array(&lab, (int64_t)strlen(text) + 1, 1);

    memcpy(at, text, strlen(text) + 1);
    while (at != NULL) {
        char *end = strchr(at, ',');

        while (end != NULL && strcspn(end + 1, ",") <= strcspn(end + 1, "="))
            end = strchr(end + 1, ',');
        if (end != NULL)
            *end++ = '\0';
        must(settings_set(opts, "--variant", at));
        at = end;
    }
}

static jem_options *choose_settings(const char *variant)
{
    jem_options *opts = lab_settings(&lab, NULL, &arg.presets, &arg.sets);

    if (variant != NULL)
        apply_variant(opts, variant);
    must(settings_take_shape(opts, lab.shape));
    return opts;
}

static jem_dataset *open_data(void)
{
    jem_dataset *data = lab_dataset(&lab, lab.data, "train");
    int64_t n = 0, shape[4];

    must_jem(jem_dataset_shape(data, shape));
    must_jem(jem_dataset_size(data, &n));
    lab_set_shape(&lab, shape);
    lab_note_data(&lab, lab.data, "train", n);
    return data;
}

/* All that can be wrong is found here, before the first step. */
static struct stability set_up(void)
{
    struct stability s = {
        .lab = &lab,
        .data = open_data(),
        .steps = arg.steps,
        .save_every = arg.save_every,
        .recovery_steps = arg.recovery_steps,
        .seeds = arg.seeds,
        .variants = arg.variants.count + 1,
    };

    s.variant = lab_array(&lab, s.variants, sizeof *s.variant);
    s.run = lab_array(&lab, s.variants * s.seeds, sizeof *s.run);
    for (int64_t v = 0; v < s.variants; v++) {
        s.variant[v].text = v > 0 ? arg.variants.items[v - 1] : NULL;
        s.variant[v].opts = choose_settings(s.variant[v].text);
        stability_check(&s, &s.variant[v]);
    }
    return s;
}

/* Seed by seed, so that one that is stopped has looked at all variants alike. */
static void train_all(const struct stability *s)
{
    for (int64_t i = 0; i < s->seeds; i++)
        for (int64_t v = 0; v < s->variants && stop_signal() == 0; v++) {
            struct stability_run *r = &s->run[v * s->seeds + i];

            r->variant = v;
            r->seed = lab.seed + i;
            stability_train(s, r);
        }
}

static void say_protocol(const struct stability *s)
{
    record_protocol(
        lab.record,
        "Diverged: a step's loss, gradient or samples were not finite, or its loss was larger "
        "than train.max_loss; nothing else counts. Gap: mean log p(x) of the data less that of "
        "the samples, up to the last step that was made; the largest size of it after "
        "train.warmup_steps and over all seeds, the last one as a median over seeds, as is the "
        "share of sample values at or beyond +-1. After step: median (least to most) over the "
        "trainings that diverged. A checkpoint is kept every %" PRId64
        " steps, the first one before training. Each remedy begins at the same divergence and "
        "has %" PRId64 " steps to survive; one that does counts as so many steps. The last "
        "checkpoint as it is: weights, moments of the optimiser, replay buffer, schedule and "
        "random numbers are those of the file. Other samples: all of it as after the last good "
        "step, but for the random numbers of the failed one, which are used up. Another seed, "
        "and the remedies below it: a new training takes over weights and replay buffer of the "
        "checkpoint, as the official code does; moments, averaged weights and learning-rate "
        "schedule (with its warm-up) begin anew, its seed is the old one + %" PRId64
        ". 95 %% intervals: Wilson. Curves of gap.svg: the largest |gap| within 1/%d of the "
        "steps.",
        s->save_every, s->recovery_steps, s->seeds, STABILITY_POINTS);
}

static void say_files(const struct stability *s)
{
    int diverged = 0;

    for (int64_t i = 0; i < s->variants * s->seeds; i++)
        diverged |= s->run[i].end.diverged;
    if (stop_signal() != 0)
        record_say(lab.record, "\nStopped: trainings that were not completed are left out.\n");
    record_say(lab.record, "\npicture      %s/gap.svg\n", lab.out);
    if (diverged)
        record_say(lab.record, "checkpoints  %s/variant*-seed*.safetensors\n", lab.out);
}

static void note_settings(const struct stability *s)
{
    json_t *json = record_json(lab.record);
    jem_options *opts = s->variant[0].opts;

    must_jem(jem_options_set_i64(opts, "train.seed", lab.seed)); /* as it was asked for */
    json_object_set_new(json, "settings", settings_json(opts));
    json_object_set_new(json, "stopped", json_boolean(stop_signal() != 0));
    json_object_set_new(json, "save_every", json_integer((json_int_t)s->save_every));
    json_object_set_new(json, "recovery_steps", json_integer((json_int_t)s->recovery_steps));
}

int main(int argc, char **argv)
{
    struct stability s;

    lab_begin(&lab, &command_line, argc, argv);
    stop_install();
    lab_open(&lab);
    s = set_up();
    lab_has_folder(&lab);
    train_all(&s);
    stability_record(&s);
    lab_print(&lab);
    stability_draw(&s);
    say_files(&s);
    say_protocol(&s);
    note_settings(&s);
    lab_tell(&lab);
    if (stop_signal() != 0)
        lab_quit(128 + stop_signal());
    return lab_end(&lab);
}
