/* SPDX-License-Identifier: MIT */
/* The pool: every task once, scratch indices never shared, whoever calls and however often. */

#define _GNU_SOURCE /* pthread_setattr_default_np */

#include "check_core.h"

#include <fenv.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <jem/status.h>

#include "core/context.h"
#include "core/threads/processors.h"
#include "core/threads/threads.h"
#include "test_support.h"

#define TASKS 10000

static jem_context *context_with(int32_t threads)
{
    jem_context *ctx = NULL;
    jem_check_ok(jem__context_create(NULL, "", NULL, NULL, NULL, &ctx));
    jem_check_ok(jem__context_set_threads(ctx, threads));
    return ctx;
}

struct tally {
    atomic_int runs[TASKS];
    atomic_int inside[JEM__MAX_THREADS]; /* tasks that use a worker's scratch right now */
    atomic_int shared, out_of_range;
    int32_t threads;
};

static void count_task(void *arg, int64_t task, int32_t worker)
{
    struct tally *tally = arg;
    if (worker < 0 || worker >= tally->threads) {
        atomic_fetch_add(&tally->out_of_range, 1);
        return;
    }
    if (atomic_fetch_add(&tally->inside[worker], 1) != 0)
        atomic_fetch_add(&tally->shared, 1);
    atomic_fetch_add(&tally->runs[task], 1);
    atomic_fetch_sub(&tally->inside[worker], 1);
}

START_TEST(every_task_runs_once)
{
    const int32_t threads[] = {1, 2, 3, 8};
    static struct tally tally;
    memset(&tally, 0, sizeof tally);
    tally.threads = threads[_i];
    jem_context *ctx = context_with(threads[_i]);
    const int64_t counts[] = {0, 1, 2, 7, 64, TASKS, TASKS};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        jem__parallel_for(ctx, counts[i], count_task, &tally);
        int64_t wrong = 0;
        for (int64_t task = 0; task < TASKS; task++)
            wrong += atomic_exchange(&tally.runs[task], 0) != (task < counts[i]);
        ck_assert_int_eq(wrong, 0);
    }
    ck_assert_int_eq(atomic_load(&tally.shared), 0);
    ck_assert_int_eq(atomic_load(&tally.out_of_range), 0);
    jem__context_unref(ctx);
}
END_TEST

struct sums { /* plain memory: what workers wrote must be there when the call returns */
    int64_t part[8];
    int64_t input;
};

static void add_task(void *arg, int64_t task, int32_t worker)
{
    struct sums *sums = arg;
    (void)worker;
    sums->part[task] = sums->input + task;
}

static int64_t run_short_calls(jem_context *ctx, int64_t calls)
{
    int64_t wrong = 0;
    for (int64_t call = 0; call < calls; call++) {
        struct sums sums = {.input = 1000 * call};
        jem__parallel_for(ctx, 8, add_task, &sums);
        for (int64_t task = 0; task < 8; task++)
            wrong += sums.part[task] != 1000 * call + task;
    }
    return wrong;
}

START_TEST(thousands_of_short_calls)
{
    const int32_t threads[] = {1, 2, 3, 8};
    jem_context *ctx = context_with(threads[_i]);
    ck_assert_int_eq(run_short_calls(ctx, 20000), 0);
    jem__context_unref(ctx);
}
END_TEST

static void *host(void *arg)
{
    return run_short_calls(arg, 5000) == 0 ? arg : NULL;
}

START_TEST(two_threads_share_a_context)
{
    jem_context *ctx = context_with(3);
    pthread_t other;
    void *result = NULL;
    ck_assert_int_eq(pthread_create(&other, NULL, host, ctx), 0);
    ck_assert_ptr_nonnull(host(ctx));
    pthread_join(other, &result);
    ck_assert_ptr_nonnull(result);
    jem__context_unref(ctx);
}
END_TEST

/* Two tasks that wait for each other (for 10 s at most), so that each has a thread. */
struct meeting {
    atomic_int arrived;
    int32_t worker[2], rounding[2], blocked[2];
};

static void meet(atomic_int *arrived, int32_t expected)
{
    const time_t end = time(NULL) + 10;
    atomic_fetch_add(arrived, 1);
    while (atomic_load(arrived) < expected && time(NULL) < end)
        ;
}

static void meet_task(void *arg, int64_t task, int32_t worker)
{
    struct meeting *meeting = arg;
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    meeting->worker[task] = worker;
    meeting->rounding[task] = fegetround();
    meeting->blocked[task] = sigismember(&mask, SIGUSR1) && sigismember(&mask, SIGALRM);
    meet(&meeting->arrived, 2);
}

START_TEST(workers_take_part_with_the_callers_rounding)
{
    jem_context *ctx = context_with(2);
    const int modes[] = {FE_DOWNWARD, FE_UPWARD, FE_TONEAREST};
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        struct meeting meeting = {0};
        fesetround(modes[i]);
        jem__parallel_for(ctx, 2, meet_task, &meeting);
        fesetround(FE_TONEAREST);
        const int32_t of_worker = meeting.worker[0] == 1 ? 0 : 1;
        ck_assert_int_eq(meeting.worker[of_worker], 1);
        ck_assert_int_eq(meeting.worker[1 - of_worker], 0);
        ck_assert_int_eq(meeting.rounding[0], modes[i]);
        ck_assert_int_eq(meeting.rounding[1], modes[i]);
        ck_assert_int_eq(meeting.blocked[of_worker], 1);
        ck_assert_int_eq(meeting.blocked[1 - of_worker], 0);
    }
    jem__context_unref(ctx);
}
END_TEST

struct occupation {
    jem_context *ctx;
    atomic_int inside, leave;
};

static void occupy_task(void *arg, int64_t task, int32_t worker)
{
    struct occupation *occupation = arg;
    (void)task;
    (void)worker;
    atomic_fetch_add(&occupation->inside, 1);
    while (!atomic_load(&occupation->leave))
        ;
}

static void *occupy(void *arg)
{
    struct occupation *occupation = arg;
    jem__parallel_for(occupation->ctx, 10, occupy_task, arg);
    return NULL;
}

struct solo {
    pthread_t caller;
    int64_t alone;
};

static void solo_task(void *arg, int64_t task, int32_t worker)
{
    struct solo *solo = arg;
    solo->alone +=
        worker == 0 && pthread_equal(pthread_self(), solo->caller) && task == solo->alone;
}

START_TEST(a_busy_pool_leaves_the_caller_alone)
{
    struct occupation occupation = {.ctx = context_with(2)};
    struct solo solo = {pthread_self(), 0};
    pthread_t other;
    ck_assert_int_eq(pthread_create(&other, NULL, occupy, &occupation), 0);
    while (atomic_load(&occupation.inside) == 0)
        ;
    jem__parallel_for(occupation.ctx, 100, solo_task, &solo);
    ck_assert_int_eq(solo.alone, 100);
    atomic_store(&occupation.leave, 1);
    pthread_join(other, NULL);
    ck_assert_int_eq(atomic_load(&occupation.inside), 10); /* and its own call is whole */
    jem__context_unref(occupation.ctx);
}
END_TEST

START_TEST(one_thread_starts_no_other)
{
    jem_context *ctx = context_with(1);
    struct solo solo = {pthread_self(), 0};
    jem__parallel_for(ctx, 100, solo_task, &solo);
    ck_assert_int_eq(solo.alone, 100);
    jem__context_unref(ctx);
}
END_TEST

START_TEST(a_system_without_threads_is_no_failure)
{
    pthread_attr_t usual, huge; /* a stack larger than any address space */
    ck_assert_int_eq(pthread_getattr_default_np(&usual), 0);
    ck_assert_int_eq(pthread_attr_init(&huge), 0);
    ck_assert_int_eq(pthread_attr_setstacksize(&huge, (size_t)1 << 50), 0);
    ck_assert_int_eq(pthread_setattr_default_np(&huge), 0);
    jem_context *ctx = context_with(4);
    struct solo solo = {pthread_self(), 0};
    jem__parallel_for(ctx, 100, solo_task, &solo);
    pthread_setattr_default_np(&usual);
    ck_assert_int_eq(solo.alone, 100);
    jem__context_unref(ctx);
    pthread_attr_destroy(&huge);
    pthread_attr_destroy(&usual);
}
END_TEST

START_TEST(the_pool_can_be_changed_between_calls)
{
    jem_test_memory memory = {0};
    jem_context *ctx = NULL;
    jem_check_ok(
        jem__context_create(NULL, "", jem_test_alloc, jem_test_release, &memory, &ctx));
    for (int32_t threads = 1; threads <= 5; threads++) {
        jem_check_ok(jem__context_set_threads(ctx, threads));
        ck_assert_int_eq(run_short_calls(ctx, 50), 0);
    }
    jem__context_unref(ctx);
    jem_check_no_leak(&memory);
}
END_TEST

/* --- Processors --------------------------------------------------------------------------- */

/* `root`/`name` with `text`, and its folders. */
static void put_file(const char *root, const char *name, const char *text)
{
    char path[2 * JEM_TEST_PATH];
    snprintf(path, sizeof path, "%s/%s", root, name);
    for (char *at = path + strlen(root) + 1; (at = strchr(at, '/')) != NULL; at++) {
        *at = '\0';
        (void)mkdir(path, 0777);
        *at = '/';
    }
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
}

/* What the groups in `text` grant. */
static int64_t quota_of(const char *root, const char *text)
{
    char group[2 * JEM_TEST_PATH];
    put_file(root, "group", text);
    snprintf(group, sizeof group, "%s/group", root);
    return jem__group_quota(group, root);
}

START_TEST(quotas_of_control_groups)
{
    char root[JEM_TEST_PATH];
    jem_test_path("groups", root);
    ck_assert_int_eq(mkdir(root, 0777), 0);
    put_file(root, "a/cpu.max", "400000 100000\n");
    put_file(root, "a/b/cpu.max", "150000 100000\n");
    put_file(root, "a/b/c/cpu.max", "max 100000\n");
    put_file(root, "a/d/cpu.max", "1000 100000\n");
    put_file(root, "odd/cpu.max", "many of them\n");
    put_file(root, "zero/cpu.max", "0 100000\n");
    put_file(root, "no/period/cpu.max", "100000\n");
    put_file(root, "huge/cpu.max", "99999999999999999999 1\n");
    put_file(root, "cpu/v1/cpu.cfs_quota_us", "250000\n");
    put_file(root, "cpu/v1/cpu.cfs_period_us", "100000\n");
    put_file(root, "cpu/free/cpu.cfs_quota_us", "-1\n");
    put_file(root, "cpu/free/cpu.cfs_period_us", "100000\n");
    ck_assert_int_eq(quota_of(root, "0::/a\n"), 4);
    ck_assert_int_eq(quota_of(root, "0::/a/b\n"), 2);   /* 1.5, rounded up */
    ck_assert_int_eq(quota_of(root, "0::/a/b/c\n"), 2); /* the parent's */
    ck_assert_int_eq(quota_of(root, "0::/a/d\n"), 1);
    ck_assert_int_eq(quota_of(root, "0::/\n"), 0);
    ck_assert_int_eq(quota_of(root, "0::/gone\n"), 0);
    ck_assert_int_eq(quota_of(root, "0::/odd\n"), 0);
    ck_assert_int_eq(quota_of(root, "0::/zero\n"), 0);
    ck_assert_int_eq(quota_of(root, "0::/no/period\n"), 0);
    ck_assert_int_eq(quota_of(root, "0::/huge\n"), 0);
    ck_assert_int_eq(quota_of(root, "4:cpu,cpuacct:/v1\n"), 3);
    ck_assert_int_eq(quota_of(root, "4:cpuset:/v1\n"), 0);
    ck_assert_int_eq(quota_of(root, "4:cpuacct,cpu:/free\n3:memory:/v1\n0::/a\n"), 4);
    ck_assert_int_eq(quota_of(root, "nonsense\n:\n::\n"), 0);
    ck_assert_int_eq(quota_of(root, ""), 0);
    ck_assert_int_eq(jem__group_quota("/no/such/file", root), 0);
}
END_TEST

START_TEST(affinity_bounds_the_default)
{
    cpu_set_t before, one;
    ck_assert_int_eq(sched_getaffinity(0, sizeof before, &before), 0);
    ck_assert_int_ge(jem__processors(), 1);
    ck_assert_int_le(jem__processors(), CPU_COUNT(&before));
    size_t first = 0;
    while (!CPU_ISSET(first, &before))
        first++;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    ck_assert_int_eq(sched_setaffinity(0, sizeof one, &one), 0);
    ck_assert_int_eq(jem__processors(), 1);
    ck_assert_int_eq(sched_setaffinity(0, sizeof before, &before), 0);
}
END_TEST

TCase *jem_core_threads_case(void)
{
    TCase *threads = tcase_create("threads");
    tcase_set_timeout(threads, 60);
    tcase_add_loop_test(threads, every_task_runs_once, 0, 4);
    tcase_add_loop_test(threads, thousands_of_short_calls, 0, 4);
    tcase_add_test(threads, two_threads_share_a_context);
    tcase_add_test(threads, workers_take_part_with_the_callers_rounding);
    tcase_add_test(threads, a_busy_pool_leaves_the_caller_alone);
    tcase_add_test(threads, one_thread_starts_no_other);
    tcase_add_test(threads, a_system_without_threads_is_no_failure);
    tcase_add_test(threads, the_pool_can_be_changed_between_calls);
    tcase_add_test(threads, quotas_of_control_groups);
    tcase_add_test(threads, affinity_bounds_the_default);
    return threads;
}
