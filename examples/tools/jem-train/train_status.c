/* SPDX-License-Identifier: MIT */

/* jem-train --status DIR: where the training in a folder stands. Whoever trains there holds a lock
 * on the folder, which goes when the program does, however it ends. */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "kit/base/json_log.h"
#include "kit/base/table.h"
#include "train_live.h"

struct status {
    const char *state; /* running, or ended, or killed: without a last word */
    const char *reason;
    int64_t step, total, best_step;
    double left, validation, validated_step, best, gap, auc; /* NaN: not known */
};

/* *fd = -1 where another program holds it. File systems without locks know no other. */
static int take_lock(const char *folder, int *fd)
{
    *fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*fd < 0)
        return report_failed("%s: %s", folder, strerror(errno));
    if (flock(*fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
        return EXIT_OK;
    close(*fd);
    *fd = -1;
    return EXIT_OK;
}

void train_lock(const struct run *r)
{
    int fd;

    must(take_lock(r->folder, &fd)); /* until the program ends */
    if (fd < 0)
        must(report_failed("%s: another jem-train is training there; wait for it, or choose "
                           "another --out",
                           r->folder));
}

/* Seconds to the end at the pace of the last steps. */
static double time_left(const struct live_series *t, const struct status *s)
{
    const size_t n = t->n;
    double seconds, steps;

    if (n < 2)
        return (double)NAN;
    seconds = t->value[LIVE_SECONDS][n - 1] - t->value[LIVE_SECONDS][n - 2];
    steps = t->step[n - 1] - t->step[n - 2];
    return steps > 0 ? seconds / steps * (double)(s->total - s->step) : (double)NAN;
}

static double number(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);

    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

/* The log is younger than train.json, which is written with each save. */
static void judge(struct status *s, const json_t *record, const struct live *l, int running)
{
    const struct live_series *t = &l->training, *v = &l->validation;
    const json_t *best = json_object_get(record, "best");

    s->reason = json_string_value(json_object_get(record, "exit_reason"));
    s->reason = s->reason != NULL ? s->reason : "running";
    s->state = running ? "running" : strcmp(s->reason, "running") == 0 ? "killed" : "ended";
    s->step = json_integer_value(json_object_get(record, "steps"));
    if (running && t->n > 0 && t->step[t->n - 1] > (double)s->step)
        s->step = (int64_t)t->step[t->n - 1];
    s->total = json_integer_value(json_object_get(record, "steps_total"));
    s->left = running ? time_left(t, s) : (double)NAN;
    s->validation = live_last(v, LIVE_ACCURACY);
    s->validated_step = v->n > 0 ? v->step[v->n - 1] : (double)NAN;
    s->best = 100 * number(best, "validation_accuracy");
    s->best_step = json_integer_value(json_object_get(best, "step"));
    for (size_t i = 0; i < v->n; i++)
        if (running && !(v->value[LIVE_ACCURACY][i] <= s->best)) {
            s->best = v->value[LIVE_ACCURACY][i];
            s->best_step = (int64_t)v->step[i];
        }
    s->gap = live_last(t, LIVE_GAP);
    s->auc = live_last(t, LIVE_AUC);
}

static double percent(const struct status *s)
{
    return s->total > 0 ? 100.0 * (double)s->step / (double)s->total : (double)NAN;
}

static int write_json(const struct status *s, const char *json)
{
    json_t *o = json_object();

    json_set_text(o, "state", s->state);
    json_set_text(o, "exit_reason", s->reason);
    json_object_set_new(o, "step", json_integer(s->step));
    json_object_set_new(o, "steps_total", json_integer(s->total));
    json_set_number(o, "percent", percent(s));
    json_set_number(o, "seconds_left", s->left);
    json_set_number(o, "validation_accuracy", s->validation / 100);
    json_set_number(o, "validation_step", s->validated_step);
    json_set_number(o, "best_accuracy", s->best / 100);
    json_object_set_new(o, "best_step", json_integer(s->best_step));
    json_set_number(o, "energy_gap", s->gap);
    json_set_number(o, "auc", s->auc);
    return json_write_file(json, o);
}

static void print_text(const struct status *s)
{
    char left[32];

    printf("state      %s", s->state);
    if (strcmp(s->state, "ended") == 0)
        printf(" (%s)", s->reason);
    if (strcmp(s->state, "killed") == 0)
        printf(" (it ended without a last word; --resume goes on from the last save)");
    printf("\nstep       %" PRId64 " of %" PRId64 " (%.1f %%)\n", s->step, s->total,
           percent(s));
    if (isfinite(s->left))
        printf("time left  %s, at the pace of the last steps\n",
               format_duration(s->left, left));
    if (isfinite(s->validation))
        printf("validation %.2f %% at step %.0f\n", s->validation, s->validated_step);
    if (isfinite(s->best))
        printf("best       %.2f %% at step %" PRId64 "\n", s->best, s->best_step);
    if (isfinite(s->auc))
        printf("chains     AUC of data against samples %.2f\n", s->auc);
}

int train_status(const char *folder, const char *json)
{
    struct live *l = calloc(1, sizeof *l);
    char path[FILE_PATH_BYTES];
    struct status s;
    json_t *record = NULL;
    int fd = -1, rc = l != NULL ? take_lock(folder, &fd) : report_no_memory();
    const int running = fd < 0;

    if (fd >= 0)
        close(fd);
    if (rc == EXIT_OK)
        rc = file_join(path, folder, "train.json");
    if (rc == EXIT_OK)
        rc = json_read_file(path, &record);
    if (rc == EXIT_OK && record == NULL)
        rc = report_failed("%s: there is no train.json, so no training", folder);
    if (rc == EXIT_OK)
        rc = file_join(path, folder, "log.jsonl");
    if (rc == EXIT_OK)
        rc = live_read(l, path);
    if (rc == EXIT_OK) {
        judge(&s, record, l, running);
        print_text(&s);
        rc = json != NULL ? write_json(&s, json) : EXIT_OK;
    }
    json_decref(record);
    free(l);
    return report_flush(rc);
}
