/* SPDX-License-Identifier: MIT */
#ifndef JEM_FAULTS_INJECT_H
#define JEM_FAULTS_INJECT_H

/* Faults on purpose. inject.so is loaded before everything else (LD_PRELOAD) and stands between a
 * process and the C library. Its events are of three kinds: allocations, I/O, new threads. One event
 * of a kind can be made to fail, or all from one on, or the process be killed at it.
 *
 * From outside, for whole programs:
 *
 *     INJECT=KIND:N     KIND: alloc, io, thread; kill: an I/O event that changes files, SIGKILL
 *                       instead of it; short: a read or write of half as much. N: which, from 1 on;
 *                       "N+": all from the Nth on; 0: none, count only; "@MODULE+OFFSET": the
 *                       first one with this caller
 *     INJECT_OUT=FILE   what happened: `count KIND N`, and a line for each failed event, or for each
 *                       event when N is 0: `KIND NAME MODULE+OFFSET ...`, callers from inside out */

enum inject_kind {
    INJECT_ALLOC,
    INJECT_IO,
    INJECT_THREAD,
    INJECT_KILL,
    INJECT_SHORT,
    INJECT_KINDS
};

#define INJECT_DEPTH 5 /* callers kept of an event */

/* From inside; weak, so that a program runs without inject.so too. */
__attribute__((weak)) void inject_arm(enum inject_kind kind, long at, int all);
__attribute__((weak)) void inject_disarm(void);
__attribute__((weak)) long inject_count(enum inject_kind kind); /* since inject_arm() */
__attribute__((weak)) long inject_failed(void); /* events that failed since then */
__attribute__((weak)) long inject_live(void);   /* blocks not given back, all in all */
__attribute__((weak)) void
inject_trace(int every); /* 1: keep the callers of each event, 0: of failed ones */

#endif
