/* SPDX-License-Identifier: MIT */

/* Progress on stderr, so that stdout stays clean for results. */

#include "progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

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
    if (p->standing)
        fputs("\r\033[K", stderr);
    p->standing = 0;
}

void progress_show(struct progress *p, const char *format, ...)
{
    va_list args;

    if (p->quiet)
        return;
    progress_clear(p);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    if (!p->terminal)
        fputc('\n', stderr);
    fflush(stderr);
    p->standing = p->terminal;
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
