/* SPDX-License-Identifier: MIT */
#ifndef JEM_CORE_THREADS_H
#define JEM_CORE_THREADS_H

/* A pool of pthreads that runs numbered tasks.
 *
 * The work is cut into tasks by its shape alone, never by the number of threads, and tasks do
 * not depend on each other; so which thread runs which task cannot change a bit of the
 * result. Sums over tasks are made afterwards, in task order. */

#include <jem/context.h>

struct jem__pool;

#define JEM__MAX_THREADS 64

/* Workers start with the first parallel call, not here; 1 thread never starts any. */
jem_status jem__pool_create(jem_context *ctx, int32_t threads, struct jem__pool **out);
void jem__pool_free(jem_context *ctx, struct jem__pool *pool);
int32_t jem__pool_threads(const struct jem__pool *pool);

/* One task. `worker` is 0 .. JEM__MAX_THREADS - 1 and unique among the tasks of one call that
 * run at the same moment: an index for scratch memory that belongs to the call. */
typedef void (*jem__task_fn)(void *arg, int64_t task, int32_t worker);

/* Run tasks 0 .. count - 1 and return when all are done. If the pool is busy, with another
 * thread's call or because a task calls this, or no worker could be started, the calling thread
 * does it all, as worker 0. Workers start with all signals blocked and the caller's
 * floating-point environment is theirs. */
void jem__parallel_for(jem_context *ctx, int64_t count, jem__task_fn task, void *arg);

#endif
