/* SPDX-License-Identifier: MIT */
#ifndef PAPER_RUN_H
#define PAPER_RUN_H

/* The paper's experiments as command lines of the other programs; runs them one by one.
 *
 * Below the folder of a report, NAME/ has the pictures of a run and its result.json, and
 * logs/NAME.txt all that it printed. What an earlier call has finished there is not run again
 * (paper_keep.h). */

#include <jansson.h>

#include "kit/base/file.h"
#include "kit/lab/lab.h"
#include "paper_needs.h"

/* What a checkpoint is to the report. */
enum {
    ROLE_JEM,
    ROLE_CLASSIFIER,
    ROLE_EBM,
    ROLE_FACTORED,
    ROLE_CLASS_CONDITIONAL,
    ROLES,
    ROLE_NONE = ROLES /* a program that trains its models itself */
};

struct paper_role {
    const char *name;  /* of its option, and in names of files */
    const char *title; /* on the page */
};
extern const struct paper_role paper_roles[ROLES + 1];

_Static_assert(PAPER_MODELS == ROLES, "a fact per role");

/* What the caller asks for. */
struct paper_plan {
    struct lab *lab;          /* count: no more images than so many in anything; 0: no limit */
    const char *model[ROLES]; /* NULL: not given */
    const char *inception;
    struct cli_list ood;
    int quick;
    char folder[FILE_PATH_BYTES]; /* of the programs; "" where the shell finds them by name */
    struct paper_facts facts;
};

struct paper_step {
    const char *section; /* of the page */
    const char *name;
    const char *program;
    unsigned roles;           /* 1 << ROLE_JEM and the like: once for each of these */
    const char *quick, *full; /* further words; NULL: not run */
    const char *pictures;     /* files below NAME/ that the page shows */
    const char *part;         /* of the section, with tables of its own; NULL: all of it */
};
extern const struct paper_step paper_steps[];
extern const int paper_step_count;

struct paper_run {
    const struct paper_step *step;
    int role;
    char name[64]; /* "ood-jem" */
    char *command; /* as a shell would take it */
    int code;      /* exit code; -1: could not be started, or ended by a signal */
    double seconds;
    int kept;              /* an earlier call has made it */
    json_t *result;        /* NULL: failed */
    struct record *record; /* the tables of the result */
};

/* A run that checkpoints or data do not allow. */
struct paper_left_out {
    char name[64];
    const char *section, *why;
};

struct paper_runs {
    struct paper_run *run;
    struct paper_left_out *left_out;
    int count, failed, kept, left_outs;
    int wanted; /* count, unless Ctrl-C came before all were made */
};

/* Run all steps that the plan has checkpoints for, but for those that an earlier call with the
 * same folder has finished. A program that fails is counted, and the others go on; Ctrl-C ends the
 * one that is running and leaves out the rest. */
const struct paper_runs *paper_run_all(const struct paper_plan *plan);

/* out = the log of a run. */
int paper_run_log(const struct paper_plan *plan, const struct paper_run *run,
                  char out[FILE_PATH_BYTES]);

#endif
