/* SPDX-License-Identifier: MIT */

/* See paper_run.h. */

#include "paper_run.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "kit/base/file.h"
#include "kit/base/json_log.h"
#include "kit/base/shell.h"
#include "kit/base/stop.h"
#include "kit/base/table.h"
#include "paper_keep.h"

#define WORD_BYTES       128 /* of a word in a step */
#define QUICK_VALIDATION 500

extern char **environ;

/* --- A command line ----------------------------------------------------------------------- */

#define MAX_WORDS 256

struct words {
    char *word[MAX_WORDS];
    int count, lost; /* lost: memory or room ran out */
    json_t *key;     /* what the result depends on, for paper_keep.h */
};

__attribute__((format(printf, 2, 3))) static void add(struct words *w, const char *format, ...)
{
    char text[FILE_PATH_BYTES];
    va_list args;
    int length;

    va_start(args, format);
    length = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    /* The last place stays NULL, for posix_spawn(). */
    if (length < 0 || length >= (int)sizeof text || w->count == MAX_WORDS - 1 ||
        (w->word[w->count] = strdup(text)) == NULL)
        w->lost = 1;
    else
        w->count++;
}

/* A word that the result depends on. */
static void add_key(struct words *w, const char *text)
{
    add(w, "%s", text);
    json_array_append_new(w->key, json_text(text));
}

/* A file, on whose bytes it depends and not on their place. */
static void add_file(struct words *w, const char *path, const char *md5)
{
    add(w, "%s", path);
    json_array_append_new(w->key, json_string(md5));
}

static void add_number(struct words *w, int64_t value)
{
    char text[32];

    snprintf(text, sizeof text, "%" PRId64, value);
    add_key(w, text);
}

static void words_free(struct words *w)
{
    json_decref(w->key);
    for (int i = 0; i < w->count; i++)
        free(w->word[i]);
}

/* One word of a step. Returns 0 when the step is to be left out. */
static int expand(const struct paper_plan *plan, const char *word, struct words *w)
{
    const char *classifier = plan->model[ROLE_CLASSIFIER];
    const struct lab *lab = plan->lab;
    const struct paper_facts *f = &plan->facts;
    const int features = plan->inception != NULL || classifier != NULL;

    if (word[0] == '#') {
        const int64_t n = strtoll(word + 1, NULL, 10);

        add_number(w, lab->count > 0 && (n == 0 || lab->count < n) ? lab->count : n);
    } else if (strcmp(word, "@features") == 0) {
        if (!features)
            return 0;
        add_key(w, plan->inception != NULL ? "--inception" : "--features");
        add_file(w, plan->inception != NULL ? plan->inception : classifier,
                 plan->inception != NULL ? f->inception_md5 : f->md5[ROLE_CLASSIFIER]);
    } else if (strcmp(word, "@no-features") == 0) {
        return !features;
    } else if (strcmp(word, "@classifier") == 0) {
        if (classifier == NULL)
            return 0;
        add_file(w, classifier, f->md5[ROLE_CLASSIFIER]);
    } else if (strcmp(word, "@ood") == 0) {
        for (int64_t i = 0; i < plan->ood.count; i++) {
            add_key(w, "--ood");
            add_key(w, plan->ood.items[i]);
        }
        json_array_append_new(w->key, json_string(f->ood));
    } else if (strcmp(word, "@validation") == 0) {
        if (f->held_out > QUICK_VALIDATION) {
            add_key(w, "--validation");
            add_number(w, QUICK_VALIDATION);
        }
    } else {
        add_key(w, word);
    }
    return 1;
}

/* The step's own words. Returns 0 when it is to be left out. */
static int expand_all(const struct paper_plan *plan, const char *text, struct words *w)
{
    while (*text != '\0') {
        const size_t length = strcspn(text, " ");
        char word[WORD_BYTES];

        snprintf(word, sizeof word, "%.*s", (int)length, text);
        if (!expand(plan, word, w))
            return 0;
        text += length + strspn(text + length, " ");
    }
    return 1;
}

static const char *step_text(const struct paper_plan *plan, const struct paper_step *s)
{
    return plan->quick ? s->quick : s->full;
}

/* All words of a run. Returns 0 when it is to be left out. */
static int compose(const struct paper_plan *plan, const struct paper_run *run, struct words *w)
{
    const struct paper_step *s = run->step;

    w->key = paper_key(plan, s->program);
    json_array_append_new(w->key, json_string(plan->facts.train));
    json_array_append_new(w->key, json_string(plan->facts.test));
    add(w, "%s%s", plan->folder, s->program);
    if (run->role != ROLE_NONE) {
        add_key(w, "--model");
        add_file(w, plan->model[run->role], plan->facts.md5[run->role]);
    }
    add_key(w, "--data");
    add_key(w, plan->lab->data);
    if (!expand_all(plan, step_text(plan, s), w))
        return 0;
    add_key(w, "--seed");
    add_number(w, plan->lab->seed);
    add_key(w, "--backend");
    add_key(w, plan->lab->backend);
    add(w, "--out");
    add(w, "%s/%s", plan->lab->out, run->name);
    add(w, "--json");
    add(w, "%s/%s/result.json", plan->lab->out, run->name);
    add(w, "--threads");
    add(w, "%" PRId64, plan->lab->threads);
    add(w, "--quiet");
    return 1;
}

/* For people who want to run it again: the program by its name. */
static char *shell_text(const struct paper_step *s, const struct words *w)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = file_open_memory(&text, &length);

    if (out == NULL)
        return NULL;
    fputs(s->program, out);
    for (int i = 1; i < w->count; i++) {
        fputc(' ', out);
        shell_word(out, w->word[i]);
    }
    (void)file_close_memory(out, &text);
    return text;
}

/* --- Running ------------------------------------------------------------------------------ */

int paper_run_log(const struct paper_plan *plan, const struct paper_run *run,
                  char out[FILE_PATH_BYTES])
{
    char name[96];

    snprintf(name, sizeof name, "logs/%s.txt", run->name);
    return file_join(out, plan->lab->out, name);
}

/* Say on stderr and at the end of a log why a run has failed. Returns -1. */
__attribute__((format(printf, 2, 3))) static int fail(const char *log, const char *format, ...)
{
    char text[2 * FILE_PATH_BYTES];
    va_list args;
    FILE *out = fopen(log, "a");

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    report_note("%s", text);
    if (out != NULL) {
        fprintf(out, "%s: %s\n", report_program_name(), text);
        fclose(out);
    }
    return -1;
}

/* How far the report is. */
struct way {
    const struct paper_plan *plan;
    const struct paper_runs *runs;
    int made, left;      /* runs: made by this call, and yet to be made, this one among them */
    double taken, since; /* seconds of all that are made; when this one began */
};

/* "  about 5 min left", from how long a run took on average; nothing before the first, and nothing
 * when the last takes longer than that. */
static const char *time_left(const struct way *way, double spent, char out[64])
{
    const int known = way->made + way->runs->kept;
    const double each = known > 0 ? way->taken / known : 0;
    const double left = each * (way->left - 1) + (each > spent ? each - spent : 0);
    char time[32];

    out[0] = '\0';
    if (way->left > 0 && left > 0)
        snprintf(out, 64, "  about %s left", format_duration(left, time));
    return out;
}

static void show(const struct way *way, const struct paper_run *run)
{
    struct progress *p = &way->plan->lab->progress;
    const double spent = progress_clock() - way->since;
    char time[32], left[64];

    if (progress_due(p))
        progress_show(p, "%2d/%d %-28s %s so far%s", way->runs->kept + way->made + 1,
                      way->runs->wanted, run->name, format_duration(spent, time),
                      time_left(way, spent, left));
}

/* Wait for a program, which Ctrl-C ends. Polls, because a wait that a signal interrupts is begun
 * again (stop.c), and because time goes on. Returns waitpid()'s value. */
static pid_t wait_for(const struct way *way, const struct paper_run *run, pid_t child,
                      int *status)
{
    const struct timespec pause = {.tv_nsec = 20000000};
    int told = 0;
    pid_t got;

    while ((got = waitpid(child, status, WNOHANG)) == 0 || (got < 0 && errno == EINTR)) {
        if (stop_signal() != 0 && !told)
            told = kill(child, SIGTERM) == 0;
        show(way, run);
        nanosleep(&pause, NULL);
    }
    return got;
}

/* Run a program until it ends, with all that it prints in `log`. Returns its exit code, -1 when
 * there is none. */
static int spawn(const struct way *way, const struct paper_run *run, char *const *words,
                 const char *log)
{
    posix_spawn_file_actions_t actions;
    pid_t child = 0;
    int status = 0, error = posix_spawn_file_actions_init(&actions);

    if (error != 0)
        return fail(log, "cannot run %s: %s", words[0], strerror(error));
    error = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    if (error == 0)
        error = posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_TRUNC,
                                                 0666);
    if (error == 0)
        error = posix_spawn_file_actions_adddup2(&actions, 1, 2);
    if (error == 0)
        error = posix_spawnp(&child, words[0], &actions, NULL, words, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0)
        return fail(log, "cannot run %s: %s", words[0], strerror(error));
    if (wait_for(way, run, child, &status) < 0)
        return fail(log, "cannot wait for %s: %s", words[0], strerror(errno));
    if (WIFSIGNALED(status) && stop_signal() != 0)
        return -1;
    if (WIFSIGNALED(status))
        return fail(log, "%s was ended by signal %d", words[0], WTERMSIG(status));
    return WEXITSTATUS(status);
}

/* Run one; its result is read, if there is one. */
static int run_one(struct way *way, struct paper_run *run, struct words *w)
{
    const struct paper_plan *plan = way->plan;
    char log[FILE_PATH_BYTES], folder[FILE_PATH_BYTES], result[FILE_PATH_BYTES];

    TRY(file_join(folder, plan->lab->out, run->name));
    TRY(file_make_folder(folder));
    TRY(paper_run_log(plan, run, log));
    TRY(file_join(result, folder, "result.json"));
    paper_keep_nothing(folder);
    way->since = progress_clock();
    run->code = spawn(way, run, w->word, log);
    run->seconds = progress_clock() - way->since;
    progress_clear(&plan->lab->progress);
    if (run->code != 0)
        return EXIT_OK;
    if (json_read_file(result, &run->result) != EXIT_OK || run->result == NULL)
        run->code = fail(log, "%s is not there or is no JSON", result);
    else if (record_read(run->result, result, &run->record) != EXIT_OK)
        run->code = fail(log, "%s has tables that cannot be shown", result);
    else
        TRY(paper_keep(folder, run, w->key));
    return EXIT_OK;
}

static void say(const struct way *way, const struct paper_run *run)
{
    char log[FILE_PATH_BYTES], time[32], left[64];

    if (run->code == 0)
        progress_say(&way->plan->lab->progress, "%2d/%d %-28s %s%s",
                     way->runs->kept + way->made, way->runs->wanted, run->name,
                     format_duration(run->seconds, time), time_left(way, 0, left));
    else if (paper_run_log(way->plan, run, log) == EXIT_OK)
        report_note("%s has failed (exit code %d); what it said is in %s", run->name, run->code,
                    log);
}

/* --- All of them -------------------------------------------------------------------------- */

static void leave_out(struct paper_runs *out, const struct paper_run *run, const char *why)
{
    struct paper_left_out *l = &out->left_out[out->left_outs++];

    memcpy(l->name, run->name, sizeof l->name);
    l->section = run->step->section;
    l->why = why;
}

/* One more run, if it is to be made. */
static int plan_run(const struct paper_plan *plan, const struct paper_step *step, int role,
                    struct words *words, struct paper_runs *out)
{
    struct paper_run *run = &out->run[out->count];
    struct words *w = &words[out->count];
    const char *why;

    *run = (struct paper_run){.step = step, .role = role};
    snprintf(run->name, sizeof run->name, "%s-%s", step->name, paper_roles[role].name);
    if (!compose(plan, run, w)) {
        words_free(w);
        *w = (struct words){.count = 0};
        return EXIT_OK;
    }
    why = paper_why_not(plan->lab, &plan->facts, step->program, role, step_text(plan, step));
    if (why != NULL) {
        leave_out(out, run, why);
        words_free(w);
        *w = (struct words){.count = 0};
        return EXIT_OK;
    }
    out->count++;
    run->command = shell_text(step, w);
    if (w->lost || w->key == NULL || run->command == NULL)
        return report_failed("%s: no memory, or words that are too long", run->name);
    run->kept = paper_kept(plan, run, w->key);
    out->kept += run->kept;
    return EXIT_OK;
}

static int plan_all(const struct paper_plan *plan, struct words *words, struct paper_runs *out)
{
    for (int i = 0; i < paper_step_count; i++) {
        const struct paper_step *step = &paper_steps[i];

        for (int role = 0; role <= ROLES; role++)
            if ((step->roles & 1u << role) != 0 && step_text(plan, step) != NULL &&
                (role == ROLE_NONE || plan->model[role] != NULL))
                TRY(plan_run(plan, step, role, words, out));
    }
    out->wanted = out->count;
    return EXIT_OK;
}

/* All that are not there yet. Those that Ctrl-C leaves unfinished are none of the report's. */
static int make_all(struct way *way, struct words *words, struct paper_runs *out)
{
    int done = 0;

    way->left = out->count - out->kept;
    for (int i = 0; i < out->count; i++)
        way->taken += out->run[i].kept ? out->run[i].seconds : 0;
    for (int i = 0; i < out->count; i++) {
        struct paper_run run = out->run[i];

        if (!run.kept && stop_signal() == 0) {
            TRY(run_one(way, &out->run[i], &words[i]));
            run = out->run[i];
        } else if (!run.kept) {
            run.code = -1;
        }
        if (run.code != 0 && stop_signal() != 0) {
            free(run.command);
            out->run[i].command = NULL;
            continue;
        }
        if (!run.kept) {
            way->made++;
            way->left--;
            way->taken += run.seconds;
            say(way, &run);
        }
        out->failed += run.code != 0;
        out->run[i] = (struct paper_run){.command = NULL};
        out->run[done++] = run;
    }
    out->count = done;
    return EXIT_OK;
}

static void runs_free(void *memory)
{
    struct paper_runs *runs = memory;

    for (int i = 0; i < runs->count; i++) {
        free(runs->run[i].command);
        json_decref(runs->run[i].result);
        record_free(runs->run[i].record);
    }
    free(runs);
}

static void release_words(void *memory)
{
    struct words *words = memory;

    for (int i = 0; words[i].key != NULL; i++)
        words_free(&words[i]);
    free(words);
}

const struct paper_runs *paper_run_all(const struct paper_plan *plan)
{
    const int most = paper_step_count * (ROLES + 1);
    struct paper_run *run = lab_array(plan->lab, most, sizeof *run);
    struct paper_left_out *left_out = lab_array(plan->lab, most, sizeof *left_out);
    struct paper_runs *out = lab_keep(plan->lab, calloc(1, sizeof *out), runs_free);
    struct words *words =
        lab_keep(plan->lab, calloc((size_t)most + 1, sizeof *words), release_words);
    struct way way = {.plan = plan, .runs = out};
    char logs[FILE_PATH_BYTES];

    out->run = run;
    out->left_out = left_out;
    must(file_join(logs, plan->lab->out, "logs"));
    must(file_make_folder(logs));
    must(plan_all(plan, words, out));
    if (out->kept > 0)
        progress_say(&plan->lab->progress,
                     "%d of %d runs are there already, from the same programs, checkpoints, "
                     "data and settings; they are kept",
                     out->kept, out->wanted);
    must(make_all(&way, words, out));
    return out;
}
