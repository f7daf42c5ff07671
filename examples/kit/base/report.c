/* SPDX-License-Identifier: MIT */

/* Messages on stderr. One place, so that all of them begin with the program's name and all
 * exit codes agree. */

#include "kit/base/report.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <jem/status.h>

#include "kit/base/progress.h"

static const char *program = "jem";
static FILE *stream; /* NULL: stderr */

void report_to(FILE *other)
{
    stream = other;
}

/* Where the next message goes, a line of its own. */
static FILE *out(void)
{
    progress_clear_standing();
    return stream != NULL ? stream : stderr;
}

void report_program(const char *name)
{
    program = name;
}

const char *report_program_name(void)
{
    return program;
}

static void say(const char *format, va_list args) __attribute__((format(printf, 1, 0)));

static void say(const char *format, va_list args)
{
    fprintf(out(), "%s: ", program);
    vfprintf(out(), format, args);
    fputc('\n', out());
}

int report_failed(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say(format, args);
    va_end(args);
    return EXIT_FAILED;
}

int report_usage(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say(format, args);
    va_end(args);
    fprintf(out(), "%s: see %s --help\n", program, program);
    return EXIT_USAGE;
}

const char *report_without_caller(const char *text)
{
    static const char prefix[] = "jem_";
    const size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_");

    if (strncmp(text, prefix, sizeof prefix - 1) != 0 || strncmp(text + length, ": ", 2) != 0)
        return text;
    return text + length + 2;
}

const char *report_reason(void)
{
    return report_without_caller(jem_last_error());
}

int report_jem(jem_status status)
{
    if (status == JEM_OK)
        return EXIT_OK;
    fprintf(out(), "%s: %s (%s)\n", program, report_reason(), jem_status_name(status));
    return EXIT_FAILED;
}

static int incomplete;

void report_incomplete(void)
{
    incomplete = 1;
}

int report_flush(int code)
{
    if (code == EXIT_OK && incomplete)
        code = EXIT_FAILED;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    report_failed("cannot write to standard output: %s", strerror(errno));
    return code == EXIT_OK ? EXIT_FAILED : code;
}

void report_note(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say(format, args);
    va_end(args);
}
