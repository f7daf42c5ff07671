/* SPDX-License-Identifier: MIT */
#ifndef BENCH_CLOCK_H
#define BENCH_CLOCK_H

/* How long, and how much memory. */

#include <jem/jem.h>

#include "bench_work.h"

struct bench_times {
    double min, median, max; /* seconds */
};

/* Run `repeat` times under the clock. */
int bench_measure(struct bench_work *w, int64_t repeat, struct bench_times *out);

/* The most memory that the process ever had, in bytes. */
int64_t bench_peak_rss(void);

/* A context that counts what libjem allocates; all contexts share one count. */
int bench_context(const char *backend, int64_t threads, jem_context **out);
int64_t bench_bytes(void);      /* at present */
int64_t bench_peak_bytes(void); /* the most since bench_peak_reset() */
void bench_peak_reset(void);

#endif
