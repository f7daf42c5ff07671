/* SPDX-License-Identifier: MIT */

/* See paper_run.h. */

#include "paper_run.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "kit/base/file.h"
#include "kit/base/json_log.h"
#include "kit/base/shell.h"
#include "kit/base/table.h"

#define WORD_BYTES 128 /* of a word in a step */

extern char **environ;

/* --- A command line ----------------------------------------------------------------------- */

#define MAX_WORDS 256

struct words {
    char *word[MAX_WORDS];
    int count, lost; /* lost: memory or room ran out */
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

static void words_free(struct words *w)
{
    for (int i = 0; i < w->count; i++)
        free(w->word[i]);
}

/* One word of a step. Returns 0 when the step is to be left out. */
static int expand(const struct paper_plan *plan, const char *word, struct words *w)
{
    const char *classifier = plan->model[ROLE_CLASSIFIER];
    const struct lab *lab = plan->lab;
    const int features = plan->inception != NULL || classifier != NULL;

    if (word[0] == '#') {
        const int64_t n = strtoll(word + 1, NULL, 10);

        add(w, "%" PRId64, lab->count > 0 && (n == 0 || lab->count < n) ? lab->count : n);
    } else if (strcmp(word, "@features") == 0) {
        if (!features)
            return 0;
        add(w, plan->inception != NULL ? "--inception" : "--features");
        add(w, "%s", plan->inception != NULL ? plan->inception : classifier);
    } else if (strcmp(word, "@no-features") == 0) {
        return !features;
    } else if (strcmp(word, "@classifier") == 0) {
        if (classifier == NULL)
            return 0;
        add(w, "%s", classifier);
    } else if (strcmp(word, "@ood") == 0) {
        for (int64_t i = 0; i < plan->ood.count; i++) {
            add(w, "--ood");
            add(w, "%s", plan->ood.items[i]);
        }
    } else {
        add(w, "%s", word);
    }
    return 1;
}

/* All words of a run. Returns 0 when it is to be left out. */
static int compose(const struct paper_plan *plan, const struct paper_run *run, struct words *w)
{
    const struct paper_step *s = run->step;
    const char *text = plan->quick ? s->quick : s->full;

    add(w, "%s%s", plan->folder, s->program);
    if (run->role != ROLE_NONE) {
        add(w, "--model");
        add(w, "%s", plan->model[run->role]);
    }
    add(w, "--data");
    add(w, "%s", plan->lab->data);
    while (*text != '\0') {
        const size_t length = strcspn(text, " ");
        char word[WORD_BYTES];

        snprintf(word, sizeof word, "%.*s", (int)length, text);
        if (!expand(plan, word, w))
            return 0;
        text += length + strspn(text + length, " ");
    }
    add(w, "--out");
    add(w, "%s/%s", plan->lab->out, run->name);
    add(w, "--json");
    add(w, "%s/%s/result.json", plan->lab->out, run->name);
    add(w, "--seed");
    add(w, "%" PRId64, plan->lab->seed);
    add(w, "--threads");
    add(w, "%" PRId64, plan->lab->threads);
    add(w, "--backend");
    add(w, "%s", plan->lab->backend);
    add(w, "--quiet");
    return 1;
}

/* For people who want to run it again: the program by its name. */
static char *shell_text(const struct paper_step *s, const struct words *w)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);

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

/* Run a program until it ends, with all that it prints in `log`. Returns its exit code, -1 when
 * there is none. */
static int spawn(char *const *words, const char *log)
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
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return fail(log, "cannot wait for %s: %s", words[0], strerror(errno));
    if (WIFSIGNALED(status))
        return fail(log, "%s was ended by signal %d", words[0], WTERMSIG(status));
    return WEXITSTATUS(status);
}

/* Run one; its result is read, if there is one. */
static int run_one(const struct paper_plan *plan, struct paper_run *run, struct words *w)
{
    const double start = progress_clock();
    char log[FILE_PATH_BYTES], folder[FILE_PATH_BYTES], result[FILE_PATH_BYTES];
    int rc = file_join(folder, plan->lab->out, run->name);

    run->command = shell_text(run->step, w);
    if (w->lost || run->command == NULL)
        return report_failed("%s: no memory, or words that are too long", run->name);
    if (rc == EXIT_OK)
        rc = file_make_folder(folder);
    if (rc == EXIT_OK)
        rc = paper_run_log(plan, run, log);
    if (rc == EXIT_OK)
        rc = file_join(result, folder, "result.json");
    if (rc != EXIT_OK)
        return rc;
    remove(result); /* of an earlier report */
    run->code = spawn(w->word, log);
    run->seconds = progress_clock() - start;
    if (run->code == 0 &&
        (json_read_file(result, &run->result) != EXIT_OK || run->result == NULL))
        run->code = fail(log, "%s is not there or is no JSON", result);
    else if (run->code == 0 && record_read(run->result, result, &run->record) != EXIT_OK)
        run->code = fail(log, "%s has tables that cannot be shown", result);
    return EXIT_OK;
}

static void say(const struct paper_plan *plan, struct progress *p, const struct paper_run *run)
{
    char log[FILE_PATH_BYTES], time[32];

    if (run->code == 0)
        progress_say(p, "%-32s %s", run->name, format_duration(run->seconds, time));
    else if (paper_run_log(plan, run, log) == EXIT_OK)
        report_note("%s has failed (exit code %d); what it said is in %s", run->name, run->code,
                    log);
}

static int run_step(const struct paper_plan *plan, const struct paper_step *step, int role,
                    struct paper_runs *out)
{
    struct progress *p = &plan->lab->progress;
    struct paper_run *run = &out->run[out->count];
    struct words w = {.count = 0};
    int rc = EXIT_OK;

    run->step = step;
    run->role = role;
    snprintf(run->name, sizeof run->name, "%s-%s", step->name, paper_roles[role].name);
    if (compose(plan, run, &w)) {
        out->count++;
        if (p->terminal)
            progress_show(p, "%s ...", run->name);
        rc = run_one(plan, run, &w);
        progress_clear(p);
        out->failed += run->code != 0;
        if (rc == EXIT_OK)
            say(plan, p, run);
    }
    words_free(&w);
    return rc;
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

const struct paper_runs *paper_run_all(const struct paper_plan *plan)
{
    struct paper_run *run = lab_array(plan->lab, paper_step_count * (ROLES + 1), sizeof *run);
    struct paper_runs *out = lab_keep(plan->lab, calloc(1, sizeof *out), runs_free);
    char logs[FILE_PATH_BYTES];

    out->run = run;
    must(file_join(logs, plan->lab->out, "logs"));
    must(file_make_folder(logs));
    for (int i = 0; i < paper_step_count; i++) {
        const struct paper_step *step = &paper_steps[i];

        for (int role = 0; role <= ROLES; role++)
            if ((step->roles & 1u << role) != 0 &&
                (plan->quick ? step->quick : step->full) != NULL &&
                (role == ROLE_NONE || plan->model[role] != NULL))
                must(run_step(plan, step, role, out));
    }
    return out;
}
