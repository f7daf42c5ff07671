/* SPDX-License-Identifier: MIT */
#ifndef TRAIN_RUN_H
#define TRAIN_RUN_H

/* One run of jem-train: what was asked for, what is open, and how far it is. jem-train.c has the
 * command line and the loop. train_setup.c opens everything, train_choose.c chooses settings where
 * none are given, train_guard.c hears what the guard does, train_expect.c estimates how long
 * the run will take, train_record.c writes the log and saves, train_facts.c keeps in the model
 * files what belongs to them, train_validate.c validates.
 *
 * A function that fails ends the program, as in kit/lab/lab.h: the training goes on from the last
 * save. Where a disk can be full for a while, the training goes on and tries again. */

#include <stdio.h>

#include <jansson.h>
#include <jem/jem.h>

#include "kit/base/file.h"
#include "kit/lab/lab.h"

struct train_arguments {
    const char *resume, *init, *log, *seed, *on_divergence, *status;
    struct cli_list presets, sets;
    int64_t steps, stop_after, validation, split_seed, validate_every;
    double time_budget, save_every;
    const char *guard, *aim;
    int overwrite, yes, lost_fails;
};

struct live; /* train_live.h */

struct run {
    struct lab *lab; /* has the shape of the data, and gives back all that is open */
    const struct train_arguments *arg;
    const char *data_name;
    jem_options *opts;
    jem_dataset *images, *held_out; /* training and validation; the latter may be NULL */
    jem_trainer *trainer;
    json_t *before; /* train.json of the run that is continued; or NULL */
    FILE *log;
    struct live *live;
    json_t *heard; /* lines of the guard, since the last step */
    int ended;
    char folder[FILE_PATH_BYTES], last[FILE_PATH_BYTES], best[FILE_PATH_BYTES];
    char record[FILE_PATH_BYTES]; /* train.json */

    int64_t validation;               /* images held out ... */
    int64_t split_seed;               /* ... and what chose them; */
    int validation_split;             /* or is it a split of the data set? */
    int64_t kept_validation;          /* of the training that is continued; -1: not known */
    int64_t kept_split_seed;          /* the same, ... */
    int keeps_split_seed;             /* ... where it is known */
    int kept_validation_split;        /* it validates with a split of the data set */
    int64_t validate_every;           /* steps */
    int64_t first_step, step, limit;  /* of this run */
    int64_t total;                    /* of the whole training */
    double seconds, validate_seconds; /* of this run */
    double earlier_seconds, earlier_validate_seconds;
    double saved_at;
    int64_t saved_step, validated_step;
    int64_t best_step;    /* 0: none yet */
    double best_accuracy; /* NaN: none yet */
    double best_auc;      /* of that model: data against samples; NaN: not known */
    int judges_chains;    /* a model counts as good only if its chains keep up */
    int64_t diverged, failures_in_row;
    int replaces;       /* another training in the folder, with --overwrite */
    int lost_best;      /* the best model could not be written */
    int lost_lines;     /* of the log, since the last one that was written */
    const char *reason; /* why the run ended; "running" until then */
};

/* Sums of the metrics over the steps since the last line of the log. */
#define TRAIN_METRICS 24
struct means {
    double sum[TRAIN_METRICS];
    int64_t steps;
};

/* train_setup.c: context, settings, data, folder, trainer. */
void train_set_up(struct run *r);
void train_remove_replaced(const struct run *r); /* with --overwrite, what is there */

/* train_choose.c: settings from the data, when nobody gives any; a schedule that fits
 * --time-budget, found by steps of a trainer that has to be made anew after it (if 1). */
int train_chooses(const struct train_arguments *a);
void train_choose(struct run *r);
int train_fit_budget(struct run *r);

/* train_expect.c: say what is trained on what, time one pass and say how long the run will take.
 * One that is long does not start unasked. */
void train_expect(struct run *r);

/* train_facts.c: write to the models, before they are saved, and read again. */
void train_note_run(const struct run *r, jem_model *model);
void train_recall_run(struct run *r);  /* from the file of --resume */
void train_recall_best(struct run *r); /* from best.safetensors; none: there is no best yet */

/* train_record.c: log.jsonl, train.json, last.safetensors. The last words of a run are written as
 * far as they can be: where these functions return an exit code, they have only reported. */
double train_metric(const struct run *r, const char *name); /* NaN when there is none */
void train_open_log(struct run *r);
json_t *train_new_line(const struct run *r, const char *type);
void train_add_metrics(const struct run *r, struct means *m);
void train_log_line(struct run *r, json_t *line); /* one that cannot be written is a warning */
void train_log_steps(struct run *r, struct means *m);
int train_save(struct run *r);
void train_save_now_and_then(struct run *r); /* one that fails is tried again the next time */
int train_write_record(const struct run *r);
const char *train_reason(const struct run *r); /* why the run ended, for people */
const char *train_quoted(const struct run *r, const char *path); /* for a shell */

/* train_guard.c: settings, log and last words of the guard. */
#define TRAIN_LOST 0.8 /* a running AUC above: samples are no longer like data to the model */
void train_set_guard(struct run *r);
void train_watch_guard(struct run *r);
void train_log_guard(struct run *r);   /* after a step, what it did in it */
int train_guards(const struct run *r); /* does it act? */
int train_is_lost(const struct run *r);
void train_say_end(const struct run *r);

/* train_validate.c: judge the model, keep the best; a picture of the replay buffer. */
void train_validate(struct run *r);
int train_has_best(const struct run *r); /* this training's best.safetensors, not a stray one */
int train_draw_samples(const struct run *r);

/* train_status.c: --status DIR, which returns an exit code; and the lock by which it knows that a
 * training runs. */
int train_status(const char *folder, const char *json); /* json NULL: no such file */
void train_lock(const struct run *r);

#endif
