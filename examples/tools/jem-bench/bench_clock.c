/* SPDX-License-Identifier: MIT */

/* Each run is timed by itself, because the median of many ignores a machine's hiccups. Memory is
 * counted twice: what the process has, which a user must have, and what libjem asked for, which is
 * the library's doing. */

#include "bench_clock.h"

#include <stdatomic.h>
#include <stdlib.h>

#include <sys/resource.h>

#include "kit/base/progress.h"
#include "kit/base/report.h"
#include "kit/stats/sorted.h"

static atomic_llong held, peak;

static int run_all(struct bench_work *w, int64_t repeat, double *seconds)
{
    for (int64_t i = 0; i < repeat; i++) {
        double start;

        if (w->reset != NULL)
            TRY(w->reset(w));
        start = progress_clock();
        TRY(w->run(w));
        seconds[i] = progress_clock() - start;
    }
    return EXIT_OK;
}

int bench_measure(struct bench_work *w, int64_t repeat, struct bench_times *out)
{
    double *seconds = calloc((size_t)repeat, sizeof *seconds);
    int rc;

    if (seconds == NULL)
        return report_no_memory();
    rc = run_all(w, repeat, seconds);
    sort_doubles(seconds, repeat);
    *out = (struct bench_times){.min = seconds[0],
                                .median = sorted_median(seconds, repeat),
                                .max = seconds[repeat - 1]};
    free(seconds);
    return rc;
}

int64_t bench_peak_rss(void)
{
    struct rusage usage;

    return getrusage(RUSAGE_SELF, &usage) == 0 ? (int64_t)usage.ru_maxrss * 1024 : 0;
}

static void *count_alloc(int64_t size, int64_t align, void *user)
{
    void *block = aligned_alloc((size_t)align, (size_t)size);
    long long now, most = atomic_load(&peak);

    (void)user;
    if (block == NULL)
        return NULL;
    now = atomic_fetch_add(&held, size) + size;
    while (now > most && !atomic_compare_exchange_weak(&peak, &most, now)) {
    }
    return block;
}

static void count_release(void *block, int64_t size, void *user)
{
    (void)user;
    atomic_fetch_sub(&held, size);
    free(block);
}

int bench_context(const char *backend, int64_t threads, jem_context **out)
{
    jem_status status =
        jem_context_create_with_allocator(backend, count_alloc, count_release, NULL, out);

    if (status == JEM_OK)
        status = jem_context_set_threads(*out, (int32_t)threads);
    if (status == JEM_OK)
        return EXIT_OK;
    report_jem(status);
    jem_context_free(*out);
    *out = NULL;
    return status == JEM_E_UNKNOWN ? EXIT_USAGE : EXIT_FAILED;
}

int64_t bench_bytes(void)
{
    return atomic_load(&held);
}

int64_t bench_peak_bytes(void)
{
    return atomic_load(&peak);
}

void bench_peak_reset(void)
{
    atomic_store(&peak, atomic_load(&held));
}
