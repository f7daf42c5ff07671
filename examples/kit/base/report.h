/* SPDX-License-Identifier: MIT */
#ifndef KIT_BASE_REPORT_H
#define KIT_BASE_REPORT_H

/* What the programs say to people on stderr: "jem-train: what, where, what to do".
 *
 * Functions of the kit that can fail print their own error and return a program's exit code:
 * EXIT_OK, EXIT_FAILED or EXIT_USAGE. A caller only passes it on. */

#include <stdio.h>

#include <jem/types.h>

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* Pass a failure on. A function that has to give something back afterwards leaves the steps to an
 * inner one, and cleans up after it whatever its code. */
#define TRY(call)                                                                              \
    do {                                                                                       \
        const int code_ = (call);                                                              \
        if (code_ != EXIT_OK)                                                                  \
            return code_;                                                                      \
    } while (0)

/* The name that begins every message. */
void report_program(const char *name);
const char *report_program_name(void);

/* Messages go there instead; NULL: to stderr again. */
void report_to(FILE *other);

/* An error: returns EXIT_FAILED. */
int report_failed(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Bad usage: returns EXIT_USAGE, after pointing at --help. */
int report_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A text of libjem begins with the function that says it, "jem_model_load: ...", for those who
 * program. Here is where the rest begins, for those who use programs. */
const char *report_without_caller(const char *text);

/* jem_last_error() without the function. */
const char *report_reason(void);

/* A libjem call failed: report_reason() and the status; returns EXIT_FAILED. JEM_OK: EXIT_OK. */
int report_jem(jem_status status);

/* Something to know, without consequence. */
void report_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Something was reported that the program goes on without: its results are not whole, and it will not
 * end with EXIT_OK. */
void report_incomplete(void);

/* The end of a program: `code`, or EXIT_FAILED when its results are not whole or standard output
 * could not be written. */
int report_flush(int code);

/* Out of memory: returns EXIT_FAILED. */
static inline int report_no_memory(void)
{
    report_note("out of memory");
    return EXIT_FAILED;
}

#endif
