/* SPDX-License-Identifier: MIT */

/* What jem-train writes down: a log of JSON lines while it runs, train.json about the run as a
 * whole, and the state to go on from. */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kit/base/json_log.h"
#include "kit/base/shell.h"
#include "train_live.h"

/* What jem_trainer_metric() knows, in the order of the log. The means are over the steps since
 * the last line; the others are the last step's. */
static const struct {
    const char *name;
    int mean;
} metrics[TRAIN_METRICS] = {
    {"epoch", 0},           {"learning_rate", 0},     {"loss", 1},
    {"loss_px", 1},         {"loss_py_x", 1},         {"loss_pxy", 1},
    {"loss_l2", 1},         {"accuracy", 1},          {"log_px_data", 1},
    {"log_px_sample", 1},   {"energy_gap", 1},        {"grad_norm", 1},
    {"log_px_data_std", 1}, {"log_px_sample_std", 1}, {"auc", 1},
    {"running_auc", 0},     {"energy_l2", 0},         {"step_size", 0},
    {"rollbacks", 0},       {"sample_saturation", 1}, {"sample_displacement", 1},
    {"sample_age", 1},      {"chain_steps", 0},       {"weight_px", 0},
};

double train_metric(const struct run *r, const char *name)
{
    double value = (double)NAN;

    return jem_trainer_metric(r->trainer, name, &value) == JEM_OK ? value : (double)NAN;
}

void train_add_metrics(const struct run *r, struct means *m)
{
    for (int i = 0; i < TRAIN_METRICS; i++)
        if (metrics[i].mean)
            m->sum[i] += train_metric(r, metrics[i].name);
    m->steps++;
}

/* What both the first line of the log and train.json say about the run. */
static json_t *describe(const struct run *r)
{
    json_t *object = json_object();

    json_set_text(object, "data", r->data_name);
    json_object_set_new(object, "validation", json_integer(r->validation));
    json_object_set_new(object, "split_seed", json_integer(r->split_seed));
    json_object_set_new(object, "validate_every", json_integer(r->validate_every));
    json_object_set_new(object, "validation_split", json_boolean(r->validation_split));
    json_object_set_new(object, "seed",
                        json_integer((json_int_t)settings_number(r->opts, "train.seed")));
    json_object_set_new(object, "steps_total", json_integer(r->total));
    json_object_set_new(object, "threads", json_integer(jem_context_threads(r->lab->ctx)));
    json_object_set_new(object, "kernels", json_string(jem_context_kernels(r->lab->ctx)));
    json_object_set_new(object, "libjem", json_string(jem_version_string()));
    json_object_set_new(object, "settings", settings_json(r->opts));
    return object;
}

int train_write_record(const struct run *r)
{
    json_t *object = describe(r), *best = json_object();

    json_object_set_new(object, "exit_reason", json_string(r->reason));
    json_object_set_new(object, "steps", json_integer(r->step));
    json_set_number(object, "seconds_training", r->earlier_seconds + r->seconds);
    json_set_number(object, "seconds_validation",
                    r->earlier_validate_seconds + r->validate_seconds);
    json_object_set_new(object, "diverged", json_integer(r->diverged));
    json_set_number(best, "validation_accuracy", r->best_accuracy);
    json_object_set_new(best, "step", json_integer(r->best_step));
    json_object_set_new(object, "best", best);
    return json_write_file(r->record, object);
}

/* A line of the log that begins with its type and where the training is. */
json_t *train_new_line(const struct run *r, const char *type)
{
    json_t *object = json_object();

    json_object_set_new(object, "type", json_string(type));
    json_object_set_new(object, "step", json_integer(r->step));
    json_set_number(object, "seconds", r->earlier_seconds + r->seconds);
    return object;
}

static void release_log(void *log)
{
    fclose(log);
}

void train_open_log(struct run *r)
{
    char path[FILE_PATH_BYTES];
    const char *name = r->arg->log != NULL ? r->arg->log : path;
    json_t *line, *about;

    must(file_join(path, r->folder, "log.jsonl"));
    r->live = lab_array(r->lab, 1, sizeof *r->live);
    if (r->arg->resume != NULL)
        must(live_read(r->live, name));
    must(json_log_open(name, r->arg->resume != NULL, &r->log));
    lab_keep(r->lab, r->log, release_log);
    line = train_new_line(r, r->arg->resume != NULL ? "resume" : "start");
    about = describe(r);
    json_object_update(line, about);
    json_decref(about);
    must(json_log_line(r->log, line));
}

void train_log_line(struct run *r, json_t *line)
{
    live_add(r->live, line);
    live_write(r);
    if (json_log_line(r->log, line) == EXIT_OK) {
        r->lost_lines = 0;
        return;
    }
    if (r->lost_lines++ == 0)
        report_note("the training goes on; the log may lack lines");
}

void train_log_steps(struct run *r, struct means *m)
{
    json_t *line = train_new_line(r, "step");

    for (int i = 0; i < TRAIN_METRICS; i++) {
        const double value =
            metrics[i].mean ? m->sum[i] / (double)m->steps : train_metric(r, metrics[i].name);

        json_set_number(line, metrics[i].name, value);
    }
    memset(m, 0, sizeof *m);
    train_log_line(r, line);
}

int train_save(struct run *r)
{
    jem_model *model = NULL;

    TRY(report_jem(jem_trainer_model(r->trainer, &model)));
    train_note_run(r, model);
    jem_model_free(model);
    TRY(report_jem(jem_trainer_save(r->trainer, r->last)));
    r->saved_step = r->step;
    return train_write_record(r);
}

void train_save_now_and_then(struct run *r)
{
    if (train_save(r) != EXIT_OK)
        report_note("the training goes on; saving is tried again in %g s", r->arg->save_every);
    r->saved_at = progress_clock();
}

const char *train_reason(const struct run *r)
{
    static const char *const words[][2] = {
        {"steps", "as many as --stop-after said"},
        {"time", "--time-budget is used up"},
        {"guard", "the guard's rollbacks are used up"},
    };

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcmp(r->reason, words[i][0]) == 0)
            return words[i][1];
    return r->reason;
}

const char *train_quoted(const struct run *r, const char *path)
{
    return lab_keep(r->lab, shell_quoted(path), free);
}
