/* SPDX-License-Identifier: MIT */

/* Progress on stderr, so that stdout stays clean for results. */

#include "kit/base/progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

static int any_standing; /* a line of anybody's stands on the terminal */

double progress_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void progress_start(struct progress *p, int quiet)
{
    p->quiet = quiet;
    p->terminal = isatty(STDERR_FILENO);
    p->last = progress_clock();
    p->standing = 0;
}

int progress_due(const struct progress *p)
{
    return !p->quiet && progress_clock() - p->last >= (p->terminal ? 0.2 : 10.0);
}

void progress_clear(struct progress *p)
{
    any_standing |= p->standing;
    p->standing = 0;
    progress_clear_standing();
}

void progress_clear_standing(void)
{
    if (any_standing)
        fputs("\r\033[K", stderr);
    any_standing = 0;
}

/* Columns of the terminal. */
static size_t columns(void)
{
    struct winsize size;

    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

/* A line that wrapped could not be removed, so on a terminal it is cut. */
void progress_show(struct progress *p, const char *format, ...)
{
    char line[256];
    va_list args;

    if (p->quiet)
        return;
    progress_clear(p);
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (p->terminal && strlen(line) >= columns())
        line[columns() - 1] = '\0';
    fprintf(stderr, p->terminal ? "%s" : "%s\n", line);
    fflush(stderr);
    p->standing = p->terminal;
    any_standing = p->standing;
    p->last = progress_clock();
}

void progress_say(struct progress *p, const char *format, ...)
{
    va_list args;

    if (p->quiet)
        return;
    progress_clear(p);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    fflush(stderr);
}
