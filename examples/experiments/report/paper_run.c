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

#include "kit/base/json_log.h"
#include "kit/base/progress.h"
#include "kit/base/report.h"
#include "kit/base/table.h"

#define WORD_BYTES 64 /* of a word of the table below */

extern char **environ;

const struct paper_role paper_roles[ROLES + 1] = {
    {"jem", "JEM"},
    {"classifier", "classifier"},
    {"ebm", "unconditional EBM"},
    {"factored", "p(x|y) factored"},
    {"class-conditional", "JEM, chains on p(x|y)"},
    {"new", "trained here"},
};

enum {
    JEM = 1 << ROLE_JEM,
    CLASSIFIER = 1 << ROLE_CLASSIFIER,
    EBM = 1 << ROLE_EBM,
    ABLATIONS = 1 << ROLE_FACTORED | 1 << ROLE_CLASS_CONDITIONAL,
    NEW = 1 << ROLE_NONE
};

/* In the words: #N is N images, or --count when that is fewer (#0: all). @features, @ood and
 * @classifier stand for what the user gave; a step whose @features or @classifier was not given
 * is left out, and one with @no-features when they were. */
static const struct paper_step steps[] = {
    {"hybrid", "hybrid", "jem-hybrid", JEM | EBM | ABLATIONS,
     "@features --count #0 --chains #500 --steps 100 --reference #2000",
     "@features --count #0 --chains #10000 --steps 256 --reference #0",
     "samples.png starts.png"},
    {"hybrid", "hybrid", "jem-hybrid", JEM | ABLATIONS, "@no-features --count #0 --chains 0",
     "@no-features --count #0 --chains 0", ""},
    {"hybrid", "hybrid", "jem-hybrid", CLASSIFIER, "--count #0 --chains 0",
     "--count #0 --chains 0", ""},
    {"samples", "samples", "jem-sample", JEM,
     "--count #64 --per-class #8 --film #6 --steps 300",
     "--count #100 --per-class #10 --film #10 --steps 1000",
     "samples.png classes.png film.png"},
    {"samples", "samples", "jem-sample", EBM, "--count #64 --per-class 0 --film #6 --steps 300",
     "--count #100 --per-class 0 --film #10 --steps 1000", "samples.png film.png"},
    {"calibration", "calibration", "jem-calibration", JEM | CLASSIFIER,
     "--count #0 --fit-count 2000", "--count #0", "reliability.svg reliability-scaled.svg"},
    {"ood", "ood", "jem-ood", JEM | CLASSIFIER, "--count #500 --count-ood #500 @ood",
     "--count #0 --count-ood #0 @ood", "log_px.svg prob_y.svg mass.svg"},
    {"ood", "ood", "jem-ood", EBM, "--count #500 --count-ood #500 @ood",
     "--count #0 --count-ood #0 @ood", "log_px.svg mass.svg"},
    {"robustness", "robustness-linf", "jem-robustness", JEM,
     "--count #20 --steps 10 --refine 0,1", "--count #100 --refine 0,1,10",
     "pgd.svg adversarial.png"},
    {"robustness", "robustness-linf", "jem-robustness", CLASSIFIER,
     "--count #20 --steps 10 --refine 0", "--count #100 --refine 0", "pgd.svg"},
    {"robustness", "robustness-l2", "jem-robustness", JEM,
     "--norm l2 --count #20 --steps 10 --refine 0,1", "--norm l2 --count #100 --refine 0,1,10",
     "pgd.svg"},
    {"robustness", "robustness-l2", "jem-robustness", CLASSIFIER,
     "--norm l2 --count #20 --steps 10 --refine 0", "--norm l2 --count #100 --refine 0",
     "pgd.svg"},
    {"robustness", "robustness-transfer", "jem-robustness", JEM,
     "--attack transfer --source @classifier --count #20 --steps 10 --refine 0,1",
     "--attack transfer --source @classifier --count #100 --refine 0,1,10", "transfer.svg"},
    {"robustness", "robustness-refined", "jem-robustness", JEM, NULL,
     "--attack apgd --gradient exact --refine 0,1,10 --steps 50 --eot 10 --eps 8/255,16/255 "
     "--count #100",
     "worst.svg"},
    {"robustness", "robustness-auto", "jem-robustness", JEM | CLASSIFIER,
     "--attack apgd --attack square --refine 0 --input-noise 0 --steps 10 --queries 100 "
     "--count #20",
     "--attack apgd --attack square --refine 0 --input-noise 0 --steps 100 --queries 5000 "
     "--count #100",
     "worst.svg"},
    {"robustness", "robustness-blind", "jem-robustness", JEM,
     "--attack noise --attack pointwise --attack hopskipjump --refine 0 --norm l2 --queries "
     "200 "
     "--count #5",
     "--attack noise --attack pointwise --attack hopskipjump --refine 0,1 --norm l2 --count "
     "#50",
     "worst.svg"},
    {"robustness", "robustness-blind", "jem-robustness", CLASSIFIER,
     "--attack noise --attack pointwise --attack hopskipjump --refine 0 --norm l2 --queries "
     "200 "
     "--count #5",
     "--attack noise --attack pointwise --attack hopskipjump --refine 0 --norm l2 --count #50",
     "worst.svg"},
    {"distal", "distal", "jem-distal", JEM | CLASSIFIER, "--count #5 --steps 200",
     "--count #10 --steps 1000", "distal.png"},
    {"likely", "likely", "jem-likely", JEM, "--count #0", "--count #0",
     "test-log_px-most.png test-log_px-least.png test-log_pxy-class-most.png "
     "test-log_pxy-class-least.png test-log_py-most.png test-log_py-least.png"},
    {"semisup", "semisup", "jem-semisup", NEW,
     "--preset demo --set model.filters=8 --steps 60 --validate-every 30 --labels 10 --seeds 1 "
     "--validation 500 --count #500",
     "--preset demo --labels 5,20,100 --seeds 1 --count #0", ""},
    {"stability", "stability", "jem-stability", NEW,
     "--preset demo --set model.filters=8 --set sgld.clamp_grad=0 --set sgld.clamp_x=0 "
     "--set train.energy_l2=0 --set train.lr=0.1 --set train.warmup_steps=5 --set "
     "sgld.step_size=10 --set start.kind=uniform --variant "
     "sgld.clamp_grad=1,sgld.clamp_x=1,train.energy_l2=0.1,train.lr=0.001 --steps 30 --seeds 1 "
     "--save-every 10 --recovery-steps 10",
     "--preset demo --set sgld.clamp_grad=0 --set sgld.clamp_x=0 --set train.energy_l2=0 "
     "--set train.weight_px=1 --set sgld.step_size=1 --set sgld.steps=5 --set "
     "start.kind=uniform --set pcd.capacity=10000 --set pcd.restart_prob=0.05 --set "
     "train.input_noise=0.03 --set train.schedule=constant --set train.lr=0.001 --variant "
     "sgld.clamp_grad=1,sgld.clamp_x=1 --variant train.energy_l2=0.1 --variant train.lr=1e-4 "
     "--steps 400 --seeds 3 --save-every 50 --recovery-steps 200",
     "gap.svg"},
};

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

/* One word of the table. Returns 0 when the step is to be left out. */
static int expand(const struct paper_plan *plan, const char *word, struct words *w)
{
    const char *classifier = plan->model[ROLE_CLASSIFIER];
    const int features = plan->inception != NULL || classifier != NULL;

    if (word[0] == '#') {
        const int64_t n = strtoll(word + 1, NULL, 10);

        add(w, "%" PRId64, plan->count > 0 && (n == 0 || plan->count < n) ? plan->count : n);
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
        for (int64_t i = 0; i < plan->ood->count; i++) {
            add(w, "--ood");
            add(w, "%s", plan->ood->items[i]);
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
    add(w, "%s", plan->data);
    while (*text != '\0') {
        const size_t length = strcspn(text, " ");
        char word[WORD_BYTES];

        snprintf(word, sizeof word, "%.*s", (int)length, text);
        if (!expand(plan, word, w))
            return 0;
        text += length + strspn(text + length, " ");
    }
    add(w, "--out");
    add(w, "%s/%s", plan->out, run->name);
    add(w, "--json");
    add(w, "%s/%s/result.json", plan->out, run->name);
    add(w, "--seed");
    add(w, "%" PRId64, plan->seed);
    add(w, "--threads");
    add(w, "%" PRId64, plan->threads);
    add(w, "--backend");
    add(w, "%s", plan->backend);
    add(w, "--quiet");
    return 1;
}

/* For people who want to run it again: the program by its name, words quoted where needed. */
static char *shell_text(const struct paper_step *s, const struct words *w)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./,:=@%+";
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);

    if (out == NULL)
        return NULL;
    fputs(s->program, out);
    for (int i = 1; i < w->count; i++) {
        const char *word = w->word[i];

        if (word[strspn(word, plain)] == '\0' && word[0] != '\0') {
            fprintf(out, " %s", word);
            continue;
        }
        fputs(" '", out);
        for (; *word != '\0'; word++)
            if (*word == '\'')
                fputs("'\\''", out);
            else
                fputc(*word, out);
        fputc('\'', out);
    }
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

/* --- Running ------------------------------------------------------------------------------ */

int paper_run_log(const struct paper_plan *plan, const struct paper_run *run,
                  char out[FILE_PATH_BYTES])
{
    char name[96];

    snprintf(name, sizeof name, "logs/%s.txt", run->name);
    return file_join(out, plan->out, name);
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
    int rc = file_join(folder, plan->out, run->name);

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
                    struct progress *p, struct paper_runs *out)
{
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

int paper_run_all(const struct paper_plan *plan, int quiet, struct paper_runs *out)
{
    const size_t count = sizeof steps / sizeof steps[0];
    char logs[FILE_PATH_BYTES];
    struct progress p;
    int rc = file_join(logs, plan->out, "logs");

    memset(out, 0, sizeof *out);
    out->run = calloc(count * (ROLES + 1), sizeof out->run[0]);
    if (out->run == NULL)
        return report_no_memory();
    if (rc == EXIT_OK)
        rc = file_make_folder(logs);
    progress_start(&p, quiet);
    for (size_t i = 0; i < count; i++)
        for (int role = 0; role <= ROLES && rc == EXIT_OK; role++)
            if ((steps[i].roles & 1u << role) != 0 &&
                (plan->quick ? steps[i].quick : steps[i].full) != NULL &&
                (role == ROLE_NONE || plan->model[role] != NULL))
                rc = run_step(plan, &steps[i], role, &p, out);
    return rc;
}

void paper_runs_free(struct paper_runs *runs)
{
    for (int i = 0; i < runs->count; i++) {
        free(runs->run[i].command);
        json_decref(runs->run[i].result);
    }
    free(runs->run);
    memset(runs, 0, sizeof *runs);
}
