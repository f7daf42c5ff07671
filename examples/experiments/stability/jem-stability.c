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

#include <jem/jem.h>

#include "kit/base/file.h"
#include "kit/base/progress.h"
#include "kit/base/report.h"
#include "kit/base/stop.h"
#include "kit/cli/cli.h"
#include "kit/cli/settings.h"
#include "kit/data/data.h"
#include "kit/lab/experiment.h"
#include "stability.h"
#include "stability_report.h"

static struct {
    const char *data, *out, *json, *backend;
    struct cli_list presets, sets, variants;
    int64_t steps, seeds, seed, save_every, recovery_steps, threads;
    int quiet;
} arg;

static const struct cli_option options[] = {
    {"Settings", "data", "KIND", DATA_HELP, "fashion-mnist", .text = &arg.data},
    {NULL, "preset", "NAME", "a named set of settings; may be repeated; applied before --set",
     NULL, .list = &arg.presets},
    {NULL, "set", "NAME=VALUE", "one setting; may be repeated", NULL, .list = &arg.sets},
    {NULL, "variant", "NAME=VALUE[,NAME=VALUE...]",
     "train with these settings on top as well; may be repeated", NULL, .list = &arg.variants},
    {"Trainings", "steps", "N",
     "steps of each at the most, whatever its schedule; 0: the whole schedule", "2000",
     .integer = &arg.steps, .max = INT64_MAX},
    {NULL, "seeds", "N", "trainings of each variant, with seeds of their own", "3",
     .integer = &arg.seeds, .min = 1, .max = 1000},
    {NULL, "seed", "N", "the first of these (train.seed)", "1", .integer = &arg.seed, .min = 0,
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
     NULL, .text = &arg.out},
    {NULL, "json", "FILE", "the figures for programs", NULL, .text = &arg.json, .written = 1},
    {NULL, "quiet", NULL, "no progress on stderr", NULL, .flag = &arg.quiet},
    {"Computing", "threads", "N", "0: one per processor; changes no result", "0",
     .integer = &arg.threads, .max = 64},
    {NULL, "backend", "NAME", BACKEND_HELP, "cpu", .text = &arg.backend},
};

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
    .options = options,
    .count = (int)(sizeof options / sizeof options[0]),
    .stoppable = 1,
};

static int check_arguments(void)
{
    if (arg.out == NULL)
        return report_usage("--out DIR is missing: where should the results go?");
    if (arg.recovery_steps < arg.save_every)
        return report_usage("--recovery-steps %" PRId64
                            ": must be at least --save-every (%" PRId64
                            "), or a training could survive before it comes to the step "
                            "that failed",
                            arg.recovery_steps, arg.save_every);
    return CLI_GO;
}

/* "a=1,b=2". A comma ends a setting where another "name=" follows; others belong to values, as
 * in train.decay_epochs=160,180. */
static int apply_variant(jem_options *opts, const char *text)
{
    char *copy = strdup(text), *at = copy;
    int rc = copy == NULL ? report_no_memory() : EXIT_OK;

    while (rc == EXIT_OK && at != NULL) {
        char *end = strchr(at, ',');

        while (end != NULL && strcspn(end + 1, ",") <= strcspn(end + 1, "="))
            end = strchr(end + 1, ',');
        if (end != NULL)
            *end++ = '\0';
        rc = settings_set(opts, "--variant", at);
        at = end;
    }
    free(copy);
    return rc;
}

static int choose_settings(const struct experiment *e, struct stability_variant *v)
{
    int rc = report_jem(jem_options_create(e->ctx, &v->opts));

    if (rc == EXIT_OK)
        rc = settings_apply(v->opts, &arg.presets, &arg.sets);
    if (rc == EXIT_OK && v->text != NULL)
        rc = apply_variant(v->opts, v->text);
    return rc == EXIT_OK ? settings_take_shape(v->opts, e->shape) : rc;
}

static int open_data(struct experiment *e, struct stability *s)
{
    int64_t n = 0;
    int rc = data_open(e->ctx, arg.data, "train", &s->data);

    if (rc == EXIT_OK)
        rc = report_jem(jem_dataset_shape(s->data, e->shape));
    if (rc == EXIT_OK)
        rc = report_jem(jem_dataset_size(s->data, &n));
    if (rc == EXIT_OK)
        json_object_set_new(
            e->json, "data",
            json_pack("{ss ss sI}", "spec", arg.data, "split", "train", "n", (json_int_t)n));
    return rc;
}

/* All that can be wrong is found here, before the first step. */
static int set_up(struct experiment *e, struct stability *s)
{
    int rc = experiment_begin(arg.backend, arg.threads, arg.seed, e);

    s->ctx = e->ctx;
    s->out = arg.out;
    s->steps = arg.steps;
    s->save_every = arg.save_every;
    s->recovery_steps = arg.recovery_steps;
    s->first_seed = arg.seed;
    s->seeds = arg.seeds;
    s->variants = arg.variants.count + 1;
    s->variant = calloc((size_t)s->variants, sizeof *s->variant);
    s->run = calloc((size_t)(s->variants * s->seeds), sizeof *s->run);
    s->scratch = calloc((size_t)(s->variants * s->seeds), sizeof *s->scratch);
    if (rc == EXIT_OK && (s->variant == NULL || s->run == NULL || s->scratch == NULL))
        rc = report_no_memory();
    if (rc == EXIT_OK)
        rc = open_data(e, s);
    for (int64_t v = 0; v < s->variants && rc == EXIT_OK; v++) {
        s->variant[v].text = v > 0 ? arg.variants.items[v - 1] : NULL;
        rc = choose_settings(e, &s->variant[v]);
        if (rc == EXIT_OK)
            rc = stability_check(s, &s->variant[v]);
    }
    return rc == EXIT_OK ? file_make_folder(arg.out) : rc;
}

/* Seed by seed, so that one that is stopped has looked at all variants alike. */
static int train_all(struct stability *s)
{
    int rc = EXIT_OK;

    progress_start(&s->progress, arg.quiet);
    for (int64_t i = 0; i < s->seeds; i++)
        for (int64_t v = 0; v < s->variants && rc == EXIT_OK && stop_signal() == 0; v++) {
            struct stability_run *r = &s->run[v * s->seeds + i];

            r->variant = v;
            r->seed = s->first_seed + i;
            rc = stability_train(s, r);
        }
    return rc;
}

static void say_protocol(const struct stability *s, struct experiment *e)
{
    experiment_set_protocol(
        e,
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

static int write_results(const struct stability *s, struct experiment *e)
{
    int rc = stability_print(s), diverged = 0;

    for (int64_t i = 0; i < s->variants * s->seeds; i++)
        diverged |= s->run[i].end.diverged;
    if (rc == EXIT_OK)
        rc = stability_draw(s);
    if (rc != EXIT_OK)
        return rc;
    if (stop_signal() != 0)
        printf("\nStopped: trainings that were not completed are left out.\n");
    printf("\npicture      %s/gap.svg\n", s->out);
    if (diverged)
        printf("checkpoints  %s/variant*-seed*.safetensors\n", s->out);
    say_protocol(s, e);
    experiment_print_protocol(e);
    stability_to_json(s, e->json);
    json_object_set_new(e->json, "stopped", json_boolean(stop_signal() != 0));
    json_object_set_new(e->json, "save_every", json_integer((json_int_t)s->save_every));
    json_object_set_new(e->json, "recovery_steps", json_integer((json_int_t)s->recovery_steps));
    json_object_set_new(e->json, "settings", settings_json(s->variant[0].opts));
    return experiment_write(e, arg.json);
}

static int run(struct experiment *e, struct stability *s)
{
    int rc = set_up(e, s);

    if (rc == EXIT_OK)
        rc = train_all(s);
    if (rc == EXIT_OK) /* as it was asked for, in the JSON */
        rc = report_jem(jem_options_set_i64(s->variant[0].opts, "train.seed", s->first_seed));
    if (rc == EXIT_OK)
        rc = write_results(s, e);
    return rc == EXIT_OK && stop_signal() != 0 ? 128 + stop_signal() : rc;
}

static void tear_down(struct stability *s)
{
    for (int64_t v = 0; s->variant != NULL && v < s->variants; v++)
        jem_options_free(s->variant[v].opts);
    free(s->variant);
    free(s->run);
    free(s->scratch);
    jem_dataset_free(s->data);
}

int main(int argc, char **argv)
{
    struct experiment e = {0};
    struct stability s = {0};
    int rc = cli_parse(&command_line, argc, argv);

    if (rc == CLI_GO)
        rc = check_arguments();
    if (rc == CLI_GO) {
        stop_install();
        rc = report_flush(run(&e, &s));
    }
    tear_down(&s);
    experiment_close(&e);
    cli_list_free(&arg.presets);
    cli_list_free(&arg.sets);
    cli_list_free(&arg.variants);
    return rc;
}
