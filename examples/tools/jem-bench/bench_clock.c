/* SPDX-License-Identifier: MIT */

/* Times of single runs and their median: the machine's hiccups shall not move the result. Memory
 * is told twice, as the process has it (what a user must have) and as libjem asked for it (what
 * the library can answer for). */

#include "bench_clock.h"

#include <stdatomic.h>
#include <stdlib.h>

#include <sys/resource.h>

#include "kit/base/progress.h"
#include "kit/base/report.h"
#include "kit/stats/median.h"

static atomic_llong held, peak;

static int run_all(struct bench_work *w, int64_t repeat, double *seconds)
{
    for (int64_t i = 0; i < repeat; i++) {
        int rc = w->reset == NULL ? EXIT_OK : w->reset(w);
        const double start = progress_clock();

        if (rc == EXIT_OK)
            rc = w->run(w);
        seconds[i] = progress_clock() - start;
        if (rc != EXIT_OK)
            return rc;
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
    sort_values(seconds, repeat);
    *out = (struct bench_times){.min = seconds[0],
                                .median = median_of_sorted(seconds, repeat),
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
