/* SPDX-License-Identifier: MIT */
#ifndef KIT_BASE_PROGRESS_H
#define KIT_BASE_PROGRESS_H

/* A line on stderr that says how far things are: rewritten in place on a terminal (at most 5
 * times a second), a plain line about every 10 seconds elsewhere. */

struct progress {
    int quiet, terminal;
    double last;  /* when the line was last written */
    int standing; /* a line without line end stands on the terminal */
};

/* Seconds on a clock that only goes forward. */
double progress_clock(void);

void progress_start(struct progress *p, int quiet);

/* Is it time for another line? Lets the caller skip the work of making one. */
int progress_due(const struct progress *p);
void progress_show(struct progress *p, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A line that stays: above the moving one on a terminal. Nothing when quiet. */
void progress_say(struct progress *p, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Remove the moving line. Call before anything else is printed; messages of report.h do it
 * themselves. */
void progress_clear(struct progress *p);

/* The same for the line that stands on the terminal, if there is one. */
void progress_clear_standing(void);

#endif
