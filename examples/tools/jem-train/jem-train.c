/* SPDX-License-Identifier: MIT */

/* jem-train: trains a JEM, validates it as it goes, and can be stopped and continued at any
 * time. All of the learning is in libjem's jem_trainer_*; this program owns the loop: when to
 * look, when to save, when to stop.
 *
 * Files in OUT: last.safetensors (everything needed to go on), best.safetensors (the model with
 * the best validation accuracy), log.jsonl, train.json, samples.png, live.html. */

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kit/base/json_log.h"
#include "kit/base/stop.h"
#include "kit/base/table.h"
#include "train_live.h"

#define LOG_EVERY       50 /* steps */
#define FAILURES_IN_ROW 10 /* --on-divergence resume stops at so many failed steps in a row */

static struct lab lab;
static struct train_arguments arg;

static const struct cli_option options[] = {
    {"Data and files", "data", "KIND", DATA_HELP " (default: fashion-mnist)", NULL,
     .text = &lab.data, .check = data_check},
    {NULL, "out", "DIR", "folder for the results; made if needed (with --resume: that file's)",
     NULL, .text = &lab.out},
    {NULL, "overwrite", NULL, "replace the training that is in DIR already", NULL,
     .flag = &arg.overwrite},
    {NULL, "log", "FILE", "log of JSON lines (default: DIR/log.jsonl)", NULL, .text = &arg.log},
    {"Settings", "preset", "NAME",
     PRESET_HELP ". Without --preset and --set the settings are chosen for the images", NULL,
     .list = &arg.presets},
    {NULL, "set", "NAME=VALUE",
     SET_HELP ". The data decide model.channels, model.height, model.width and model.classes",
     NULL, .list = &arg.sets},
    {NULL, "seed", "N", "short for --set train.seed=N", NULL, .text = &arg.seed},
    {NULL, "steps", "N",
     "length of the schedule, short for --set train.steps=N; 0: as the settings say", "0",
     .integer = &arg.steps, .max = 1000000000000},
    {"Beginning", "resume", "FILE",
     "go on with the training in FILE (last.safetensors); its settings hold", NULL,
     .text = &arg.resume},
    {NULL, "init", "FILE",
     "begin a new training with the weights of the model in FILE and with its settings "
     "model.*; the others are those of --preset and --set",
     NULL, .text = &arg.init},
    {"Ending", "stop-after", "N",
     "stop after N steps of this run; 0: at the end of the schedule", "0",
     .integer = &arg.stop_after, .max = INT64_MAX},
    {NULL, "time-budget", "SECONDS",
     "stop after so many seconds of training (validation not counted), with a schedule that is "
     "shortened to fit; 0: no limit",
     "0", .real = &arg.time_budget},
    {NULL, "yes", NULL,
     "start a training of more than an hour that neither --preset nor --time-budget stands for",
     NULL, .flag = &arg.yes},
    {NULL, "on-divergence", "WHAT",
     "when a step fails for NaN, infinity or a huge loss: stop; or resume: try again with "
     "other samples, and stop at the 10th failure in a row",
     "stop", .text = &arg.on_divergence},
    {"Chains", "guard", "MODE",
     "off; report: say when the chains are lost; act: keep them, as docs/guide.md says. "
     "Default: "
     "act where the settings are chosen and where --preset says so, else report",
     NULL, .text = &arg.guard},
    {NULL, "aim", "AIM",
     "what the guard holds on to: generate (images, robustness) or detect (accuracy, "
     "calibration, "
     "detection); short for --set guard.aim=AIM",
     NULL, .text = &arg.aim},
    {NULL, "lost-fails", NULL,
     "exit code 1 when the chains are lost at the end: a running AUC above 0.8", NULL,
     .flag = &arg.lost_fails},
    {"Watching", "validation", "N",
     "training images held out for validation; 0: none; -1: the data's own validation split, "
     "or "
     "else 5000, or a tenth of a small set. The test set is never touched",
     "-1", .integer = &arg.validation, .min = -1, .max = INT64_MAX},
    {NULL, "split-seed", "N",
     "chooses which images these are, whatever --seed says (with --resume: as before)", "1",
     .integer = &arg.split_seed},
    {NULL, "validate-every", "STEPS",
     "steps between validations; 0: 500, or as before with --resume", "0",
     .integer = &arg.validate_every, .max = INT64_MAX},
    {NULL, "save-every", "SECONDS",
     "seconds between saves of last.safetensors; 0: only at the end", "300",
     .real = &arg.save_every},
    {"Looking at a training", "status", "DIR",
     "say where the training in DIR stands, whether it runs or not, and end", NULL,
     .text = &arg.status},
    {NULL, "json", "FILE", "with --status: the same for programs", NULL, .text = &lab.json,
     .written = 1},
    LAB_QUIET(lab),
    LAB_COMPUTING(lab, "Computing"),
};

/* What the table cannot say: which options go together. */
static int check(void)
{
    const int has_settings =
        arg.sets.count > 0 || arg.presets.count > 0 || arg.seed != NULL || arg.steps > 0;

    if (arg.status != NULL)
        return CLI_GO;
    if (lab.json != NULL)
        return report_usage("--json FILE goes with --status DIR");
    if (lab.out == NULL && arg.resume == NULL)
        return report_usage("--out DIR is missing: where should the results go?");
    if (arg.resume != NULL && has_settings)
        return report_usage(
            "--resume goes on with the settings in the file; --set, --preset, --steps and "
            "--seed do not go with it (for new settings: --init; for some steps: "
            "--stop-after)");
    if (arg.resume != NULL && (arg.guard != NULL || arg.aim != NULL))
        return report_usage("--resume goes on with the guard in the file; --guard and --aim do "
                            "not go with it");
    if (arg.resume != NULL && arg.init != NULL)
        return report_usage("--resume and --init do not go together: the one goes on with a "
                            "training, the other begins a new one");
    if (strcmp(arg.on_divergence, "stop") != 0 && strcmp(arg.on_divergence, "resume") != 0)
        return report_usage("--on-divergence %s: must be stop or resume", arg.on_divergence);
    return CLI_GO;
}

static const struct cli command_line = {
    .program = "jem-train",
    .usage = "--out DIR [options]",
    .about = "Train an image classifier that is an energy-based model of its images as well "
             "(JEM, Grathwohl et al. 2020). Stop it with Ctrl-C and go on with --resume.",
    .notes = "Examples:\n"
             "  jem-train --preset demo --data fashion-mnist --out demo\n"
             "  jem-train --preset jem-cifar10 --data cifar10:cifar-10-batches-bin --out c10\n"
             "  jem-train --resume demo/last.safetensors\n"
             "  jem-train --init demo/best.safetensors --preset demo --set train.lr=1e-5 "
             "--out calmer\n",
    CLI_OPTIONS(options),
    .stoppable = 1,
    .check = check,
};

static double seconds_left(const struct run *r)
{
    const double rate = (double)(r->step - r->first_step) / r->seconds;
    const double left = (double)(r->limit - r->step) / rate;
    const double budget = r->arg->time_budget - r->seconds;

    return r->arg->time_budget > 0 && budget < left ? budget : left;
}

static void show_progress(struct run *r)
{
    const double rate = (double)(r->step - r->first_step) / r->seconds;
    const double auc = train_metric(r, "running_auc");
    char left[32], shown_rate[32], shown_auc[32] = "";

    if (!progress_due(&r->lab->progress))
        return;
    snprintf(shown_rate, sizeof shown_rate, rate < 100 ? "%.3g" : "%.0f", rate);
    if (!isnan(auc))
        snprintf(shown_auc, sizeof shown_auc, "  AUC %.2f", auc);
    progress_show(&r->lab->progress,
                  "step %" PRId64 "/%" PRId64
                  "  loss %.3f  accuracy %.2f%s  %s steps/s  left %s",
                  r->step, r->limit, train_metric(r, "loss"), train_metric(r, "accuracy"),
                  shown_auc, shown_rate, format_duration(seconds_left(r), left));
}

/* What there is after a divergence, and what to do. Going on with --resume would repeat the same
 * settings, so it is not proposed. */
static void advise(const struct run *r)
{
    report_note("the training diverged after step %" PRId64 "; %s/diverged.safetensors is its "
                "state now, last.safetensors that of step %" PRId64,
                r->step, r->folder, r->saved_step);
    if (train_has_best(r))
        report_note("best.safetensors is the model of step %" PRId64, r->best_step);
    else
        report_note("there is no best.safetensors, because no validation came before");
    report_note(
        "--resume would repeat the same settings; begin anew with calmer ones: a lower "
        "train.lr, a larger train.energy_l2, sgld.clamp_grad=1 and sgld.clamp_x=1 (more "
        "in docs/guide.md, \"When training diverges\")");
}

/* The state goes to a file of its own, and last.safetensors stays. */
static void keep_apart(struct run *r)
{
    char path[FILE_PATH_BYTES];

    must(file_join(path, r->folder, "diverged.safetensors"));
    must_jem(jem_trainer_save(r->trainer, path));
    advise(r);
}

static int went_wrong(const struct run *r)
{
    return strcmp(r->reason, "diverged") == 0;
}

/* A step failed for its numbers. The weights are those of the last good step, but a model on its
 * way out of the finite numbers is seldom worth more than an older one. */
static void on_divergence(struct run *r)
{
    json_t *line = train_new_line(r, "diverged");
    const int again =
        strcmp(r->arg->on_divergence, "resume") == 0 && ++r->failures_in_row < FAILURES_IN_ROW;

    r->diverged++;
    json_object_set_new(line, "message", json_text(report_reason()));
    json_object_set_new(line, "then", json_string(again ? "tried again" : "stopped"));
    if (again)
        report_note("%s; trying other samples (%" PRId64 " of %d failures in a row)",
                    report_reason(), r->failures_in_row, FAILURES_IN_ROW);
    else
        report_note("%s", report_reason());
    train_log_line(r, line);
    if (again)
        return;
    r->reason = "diverged";
    keep_apart(r);
}

/* The guard has gone back as often as it may, and the model is that of its last healthy state. */
static void on_used_up(struct run *r)
{
    r->reason = "guard";
    report_note("%s", report_reason());
}

/* What is due after a step. */
static void look(struct run *r, struct means *m)
{
    if (r->step % LOG_EVERY == 0 || r->step == r->limit)
        train_log_steps(r, m);
    show_progress(r);
    if (r->step % r->validate_every == 0)
        train_validate(r);
    if (r->arg->save_every > 0 && progress_clock() - r->saved_at > r->arg->save_every)
        train_save_now_and_then(r);
}

static void advance(struct run *r, struct means *m)
{
    const double start = progress_clock();
    const int64_t before = r->step;
    const jem_status status = jem_trainer_step(r->trainer, 1);

    r->seconds += progress_clock() - start;
    r->step = (int64_t)train_metric(r, "step");
    train_log_guard(r);
    if (status == JEM_E_NUMERIC) {
        if (train_guards(r))
            on_used_up(r);
        else
            on_divergence(r);
        return;
    }
    must_jem(status);
    r->failures_in_row = 0;
    if (r->step <= before) { /* the guard went back */
        memset(m, 0, sizeof *m);
        return;
    }
    train_add_metrics(r, m);
    look(r, m);
}

static void train(struct run *r)
{
    struct means m = {{0}, 0};

    while (strcmp(r->reason, "running") == 0) {
        if (stop_signal() != 0)
            r->reason = "interrupted";
        else if (r->step >= r->total)
            r->reason = "finished";
        else if (r->step >= r->limit)
            r->reason = "steps";
        else if (r->arg->time_budget > 0 && r->seconds >= r->arg->time_budget)
            r->reason = "time";
        else
            advance(r, &m);
    }
    progress_clear(&r->lab->progress);
    if (went_wrong(r))
        return;
    if (stop_signal() != 0)
        report_note("stopping; saving to %s", r->last);
    else if (r->validated_step != r->step || r->best_step == 0)
        train_validate(r);
    must(train_save(r));
}

/* The command that takes this training further, where there is one. */
static void print_next(const struct run *r)
{
    const int diverged = went_wrong(r);

    if (diverged && (train_has_best(r) || r->saved_step > 0))
        printf("begin anew jem-train --init %s %s--set ... --out NEW\n",
               train_quoted(r, train_has_best(r) ? r->best : r->last),
               r->arg->presets.count > 0 ? "--preset ... " : "");
    else if (!diverged && r->step < r->total)
        printf("go on      jem-train --resume %s\n", train_quoted(r, r->last));
}

static void print_summary(const struct run *r)
{
    char time[32];

    printf("steps      %" PRId64 " of %" PRId64 " (%s)\n", r->step, r->total, train_reason(r));
    printf("training   %s", format_duration(r->earlier_seconds + r->seconds, time));
    printf(", validation %s\n",
           format_duration(r->earlier_validate_seconds + r->validate_seconds, time));
    if (!isnan(r->best_accuracy))
        printf("accuracy   %.2f %% on %" PRId64 " validation images, at step %" PRId64 "\n",
               100 * r->best_accuracy, r->validation, r->best_step);
    if (train_has_best(r))
        printf("model      %s\n", r->best);
    train_say_end(r);
    print_next(r);
}

/* The last words: one that fails does not keep the others back. Returns an exit code. */
static int finish(struct run *r)
{
    json_t *line = train_new_line(r, "end");
    int rc, rc_samples;

    json_object_set_new(line, "reason", json_string(r->reason));
    rc = json_log_line(r->log, line);
    r->ended = 1;
    rc_samples = live_write(r);
    if (rc == EXIT_OK)
        rc = train_write_record(r);
    print_summary(r);
    if (r->lost_best)
        rc = report_failed("%s was not written when it should have been", r->best);
    if (went_wrong(r) || (arg.lost_fails && train_is_lost(r)))
        return EXIT_FAILED;
    return rc != EXIT_OK ? rc : rc_samples;
}

int main(int argc, char **argv)
{
    struct run r = {.lab = &lab,
                    .arg = &arg,
                    .reason = "running",
                    .best_accuracy = (double)NAN,
                    .best_auc = (double)NAN};

    lab_begin(&lab, &command_line, argc, argv);
    if (arg.status != NULL)
        lab_quit(train_status(arg.status, lab.json));
    stop_install();
    train_set_up(&r);
    train_expect(&r);
    train_remove_replaced(&r);
    train_open_log(&r);
    must(train_save(&r)); /* a folder that cannot be written shows now, not after hours */
    r.saved_at = progress_clock();
    train(&r);
    must(finish(&r));
    if (stop_signal() != 0)
        lab_quit(128 + stop_signal());
    return lab_end(&lab);
}
