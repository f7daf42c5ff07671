/* SPDX-License-Identifier: MIT */
/* The pool of threads.
 *
 * Calls are as short as 20 microseconds and come in thousands, while waking a sleeping thread
 * takes longer than that. So a call never waits for a worker that has not come: it is *open*
 * for whoever is awake, tasks are taken from a counter, and when the caller finds none left it
 * closes the call and waits only for workers inside. Waking sleepers is a hint; no result
 * depends on it.
 *
 *   caller:  write the call, generation++ (odd: open), wake sleepers, take tasks,
 *            generation++ (even: closed), wait until active = 0
 *   worker:  active++, look at generation: open: take tasks; in any case active--
 *
 * Both sides write one atomic and then read the other's, all sequentially consistent. So a
 * worker that saw the call open was counted before the caller looks at `active`, and one that
 * comes later sees it closed and touches nothing. Sleeping follows the same pattern (`sleepers`
 * and `generation`, `waiting` and `active`), with the mutex held from the look to the wait.
 *
 * A child of fork() has the pool's memory but none of its threads, and whatever lock one of them
 * held stays locked. So a pool knows the process whose it is; in another, calls are done by the
 * calling thread alone, and freeing gives back the memory and touches nothing else. */

#include "core/threads/threads.h"

#include <fenv.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "core/context.h"
#include "core/error.h"
#include "core/memory.h"

#define CACHE_LINE 64

/* How long to spin before sleeping: long enough for the gap between two layers, short enough not
 * to take a core from other work. */
#define SPIN_NANOSECONDS 8000

struct worker {
    struct jem__pool *pool;
    pthread_t thread;
    int32_t number; /* 1 .. threads - 1 */
};

struct jem__pool {
    int32_t threads;
    pid_t process;   /* that made it, and has its workers */
    int32_t started; /* 1 after the first parallel call; guarded by busy, as is the call */
    int32_t workers; /* that could be started */
    struct worker worker[JEM__MAX_THREADS - 1];

    /* The call that runs: written while closed, read by workers inside. */
    jem__task_fn task;
    void *arg;
    int64_t count;
    fenv_t environment;

    pthread_mutex_t mutex;
    pthread_cond_t work; /* a call was opened, or stop */
    pthread_cond_t done; /* active became 0 while the caller waits */
    atomic_int busy;     /* a call has the workers */
    atomic_int waiting;  /* the caller sleeps until active is 0 */
    atomic_int sleepers; /* workers that sleep, or are about to */
    atomic_int stop;

    _Alignas(CACHE_LINE) atomic_llong next; /* task */
    _Alignas(CACHE_LINE) atomic_uint generation;
    _Alignas(CACHE_LINE) atomic_int active;
};

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static int64_t nanoseconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Is there a call, other than `seen`, for a worker? Or the end of the pool? */
static int32_t has_news(struct jem__pool *pool, unsigned seen)
{
    const unsigned generation = atomic_load(&pool->generation);

    return ((generation & 1u) != 0 && generation != seen) || atomic_load(&pool->stop);
}

static int32_t is_idle(struct jem__pool *pool, unsigned unused)
{
    (void)unused;
    return atomic_load(&pool->active) == 0;
}

/* Spin for a few microseconds; 1 when the condition came true. */
static int32_t spin(struct jem__pool *pool, int32_t (*ready)(struct jem__pool *, unsigned),
                    unsigned seen)
{
    if (ready(pool, seen))
        return 1;
    const int64_t end = nanoseconds() + SPIN_NANOSECONDS;
    do {
        for (int32_t i = 0; i < 8; i++) {
            relax();
            if (ready(pool, seen))
                return 1;
        }
    } while (nanoseconds() < end);
    return 0;
}

static void await_news(struct jem__pool *pool, unsigned seen)
{
    /* A worker that wakes too late for a call spins for a while: the next is likely near. */
    while (!spin(pool, has_news, seen)) {
        pthread_mutex_lock(&pool->mutex);
        atomic_fetch_add(&pool->sleepers, 1);
        if (!has_news(pool, seen))
            pthread_cond_wait(&pool->work, &pool->mutex);
        atomic_fetch_sub(&pool->sleepers, 1);
        pthread_mutex_unlock(&pool->mutex);
    }
}

static void await_idle(struct jem__pool *pool)
{
    if (spin(pool, is_idle, 0))
        return;
    pthread_mutex_lock(&pool->mutex);
    atomic_store(&pool->waiting, 1);
    while (!is_idle(pool, 0))
        pthread_cond_wait(&pool->done, &pool->mutex);
    atomic_store(&pool->waiting, 0);
    pthread_mutex_unlock(&pool->mutex);
}

static void take_tasks(struct jem__pool *pool, int32_t worker)
{
    const jem__task_fn task = pool->task;
    void *arg = pool->arg;
    const int64_t count = pool->count;

    for (;;) {
        const int64_t i = atomic_fetch_add_explicit(&pool->next, 1, memory_order_relaxed);
        if (i >= count)
            return;
        task(arg, i, worker);
    }
}

static void *work(void *arg)
{
    const struct worker *self = arg;
    struct jem__pool *pool = self->pool;
    unsigned seen = 0;

    for (;;) {
        await_news(pool, seen);
        if (atomic_load(&pool->stop))
            return NULL;
        atomic_fetch_add(&pool->active, 1);
        const unsigned generation = atomic_load(&pool->generation);
        if ((generation & 1u) != 0) {
            seen = generation;
            fesetenv(&pool->environment);
            take_tasks(pool, self->number);
        }
        if (atomic_fetch_sub(&pool->active, 1) == 1 && atomic_load(&pool->waiting)) {
            pthread_mutex_lock(&pool->mutex);
            pthread_cond_signal(&pool->done);
            pthread_mutex_unlock(&pool->mutex);
        }
    }
}

/* It is no error when the system grants fewer threads, or none: the caller does the work. */
static void start_workers(struct jem__pool *pool)
{
    pool->started = 1;
    sigset_t all, old;
    sigfillset(&all);
    if (pthread_sigmask(SIG_SETMASK, &all, &old) != 0)
        return;
    for (int32_t i = 0; i < pool->threads - 1; i++) {
        struct worker *worker = &pool->worker[i];
        worker->pool = pool;
        worker->number = i + 1;
        if (pthread_create(&worker->thread, NULL, work, worker) != 0)
            break;
        pool->workers = i + 1;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

/* Wake one worker for each task beyond the one that the caller takes. */
static void wake(struct jem__pool *pool, int64_t tasks)
{
    const int64_t sleepers = atomic_load(&pool->sleepers);

    if (sleepers == 0)
        return;
    pthread_mutex_lock(&pool->mutex);
    for (int64_t i = 0; i < tasks - 1 && i < sleepers; i++)
        pthread_cond_signal(&pool->work);
    pthread_mutex_unlock(&pool->mutex);
}

static void run_shared(struct jem__pool *pool, int64_t count, jem__task_fn task, void *arg)
{
    pool->task = task;
    pool->arg = arg;
    pool->count = count;
    fegetenv(&pool->environment);
    atomic_store_explicit(&pool->next, 0, memory_order_relaxed);
    atomic_fetch_add(&pool->generation, 1);
    wake(pool, count);
    take_tasks(pool, 0);
    atomic_fetch_add(&pool->generation, 1);
    await_idle(pool);
}

void jem__parallel_for(jem_context *ctx, int64_t count, jem__task_fn task, void *arg)
{
    struct jem__pool *pool = ctx->pool;

    if (count > 1 && pool->threads > 1 && pool->process == getpid() &&
        !atomic_exchange(&pool->busy, 1)) {
        if (!pool->started)
            start_workers(pool);
        const int32_t shared = pool->workers > 0;
        if (shared)
            run_shared(pool, count, task, arg);
        atomic_store(&pool->busy, 0);
        if (shared)
            return;
    }
    for (int64_t i = 0; i < count; i++)
        task(arg, i, 0);
}

jem_status jem__pool_create(jem_context *ctx, int32_t threads, struct jem__pool **out)
{
    *out = NULL;
    struct jem__pool *pool = jem__alloc(ctx, 1, (int64_t)sizeof *pool);
    if (pool == NULL)
        return JEM_E_NOMEM;
    pool->threads = threads;
    pool->process = getpid();
    if (pthread_mutex_init(&pool->mutex, NULL) != 0)
        goto no_mutex;
    if (pthread_cond_init(&pool->work, NULL) != 0)
        goto no_work;
    if (pthread_cond_init(&pool->done, NULL) != 0)
        goto no_done;
    *out = pool;
    return JEM_OK;

no_done:
    pthread_cond_destroy(&pool->work);
no_work:
    pthread_mutex_destroy(&pool->mutex);
no_mutex:
    jem__free(ctx, pool);
    return jem__fail(JEM_E_NOMEM, "out of memory: no mutex or condition variable");
}

void jem__pool_free(jem_context *ctx, struct jem__pool *pool)
{
    if (pool == NULL)
        return;
    if (pool->process != getpid()) {
        jem__free(ctx, pool);
        return;
    }
    pthread_mutex_lock(&pool->mutex);
    atomic_store(&pool->stop, 1);
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->mutex);
    for (int32_t i = 0; i < pool->workers; i++)
        pthread_join(pool->worker[i].thread, NULL);
    pthread_cond_destroy(&pool->done);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->mutex);
    jem__free(ctx, pool);
}

int32_t jem__pool_threads(const struct jem__pool *pool)
{
    return pool->threads;
}
