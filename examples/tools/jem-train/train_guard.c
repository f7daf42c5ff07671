/* SPDX-License-Identifier: MIT */

/* What libjem's guard has to do with a run: its settings, its interventions in the log, and what
 * the end of the run means for log p(x). */

#include "train_run.h"

#include <math.h>
#include <string.h>

#include "kit/base/json_log.h"

/* On the command line, or what goes with the settings. */
void train_set_guard(struct run *r)
{
    const struct train_arguments *a = r->arg;
    char mode[64];

    must(settings_text(r->opts, "guard.mode", mode));
    if (a->guard != NULL && jem_options_set_str(r->opts, "guard.mode", a->guard) != JEM_OK)
        must(report_usage("--guard %s: must be off, report or act", a->guard));
    if (a->guard == NULL && strcmp(mode, "off") == 0)
        must_jem(jem_options_set_str(r->opts, "guard.mode", "report"));
    if (a->aim != NULL && jem_options_set_str(r->opts, "guard.aim", a->aim) != JEM_OK)
        must(report_usage("--aim %s: must be generate or detect", a->aim));
}

int train_guards(const struct run *r)
{
    char mode[64];

    must(settings_text(r->opts, "guard.mode", mode));
    return strcmp(mode, "act") == 0;
}

static int aims_to_generate(const struct run *r)
{
    char aim[64];

    must(settings_text(r->opts, "guard.aim", aim));
    return strcmp(aim, "generate") == 0;
}

/* Within a step: the trainer cannot be asked for anything. libjem's log has told it on stderr. */
static void hear(void *user, int64_t step, const char *action, const char *reason)
{
    struct run *r = user;
    json_t *line = train_new_line(r, "guard");

    json_object_set_new(line, "step", json_integer(step));
    json_set_text(line, "action", action);
    json_set_text(line, "reason", reason);
    json_array_append_new(r->heard, line);
}

void train_log_guard(struct run *r)
{
    size_t i;
    json_t *line;

    json_array_foreach(r->heard, i, line)
    {
        train_log_line(r, json_incref(line));
    }
    json_array_clear(r->heard);
}

static void release(void *array)
{
    json_decref(array);
}

void train_watch_guard(struct run *r)
{
    r->judges_chains = train_guards(r) && aims_to_generate(r);
    r->heard = json_array();
    lab_keep(r->lab, r->heard, release);
    must_jem(jem_trainer_on_guard(r->trainer, hear, r));
}

int train_is_lost(const struct run *r)
{
    return train_metric(r, "running_auc") > TRAIN_LOST;
}

/* Where on the scale between images and detection the run has ended, and what that means. */
void train_say_end(const struct run *r)
{
    const double auc = train_metric(r, "running_auc");

    if (isnan(auc))
        return;
    printf("chains     running AUC %.2f: ", auc);
    if (auc > TRAIN_LOST)
        printf("log p(x) tells samples from data. Class, confidence and detection may be good; "
               "samples will not look like data%s\n",
               aims_to_generate(r) ? " (docs/guide.md, \"When chains are lost\")"
                                   : ", as --aim detect means it");
    else if (auc > 0.7)
        printf("log p(x) tells some samples from data\n");
    else
        printf("samples are like data to log p(x)\n");
    if (train_metric(r, "rollbacks") > 0)
        printf("guard      went back %.0f time(s); each is a line of the log\n",
               train_metric(r, "rollbacks"));
}
