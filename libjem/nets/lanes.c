/* SPDX-License-Identifier: MIT */

/* See lanes.h. */

#include "nets/lanes.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "core/arithmetic.h"
#include "core/context.h"
#include "core/error.h"
#include "core/memory.h"
#include "core/threads/threads.h"

/* A network with at most so many parameters is small: its packed weights, about eight times as
 * much memory, then come from the outer cache, however many threads read them. */
#define SMALL_PARAMETERS ((int64_t)1 << 20)
#define SMALL_BATCH      16 /* images of a frozen lane at a time; more gain nothing */

/* Numbers of a lane's workspace: more images at a time would gain nothing, or little. */
#define FROZEN_BYTES   ((int64_t)40 << 20)
#define TRAINING_BYTES ((int64_t)1 << 30)

/* Images that the workspace of a lane is for. */
static int64_t lane_batch(int64_t max_batch, int64_t threads, int32_t training, int32_t small)
{
    if (training)
        return jem__min(max_batch, JEM__PART_IMAGES);
    return small ? jem__min(jem__ceil_div(max_batch, threads), SMALL_BATCH) : max_batch;
}

jem_status jem__lanes_create(const jem_model *model, int64_t max_batch, int32_t training,
                             jem__lanes *out)
{
    jem_context *ctx = model->ctx;
    const int64_t threads = jem__pool_threads(ctx->pool);
    const int64_t most_bytes = training ? TRAINING_BYTES : FROZEN_BYTES;
    const int32_t small = model->net->param_count <= SMALL_PARAMETERS;
    const int64_t batch = lane_batch(max_batch, threads, training, small);
    const int64_t count = small ? jem__min(jem__ceil_div(max_batch, batch), threads) : 1;

    *out = (jem__lanes){.ctx = ctx, .backend = ctx->backend, .training = training};
    out->list = jem__alloc(ctx, count, sizeof *out->list);
    if (out->list == NULL)
        return JEM_E_NOMEM;
    for (; out->count < count; out->count++) {
        jem__lane *lane = &out->list[out->count];
        /* The first one may use all threads: for a call of a few images. */
        jem_status status = ctx->backend->queue_create(ctx, out->count > 0, &lane->queue);
        if (status == JEM_OK)
            status = jem__workspace_create(model->net, ctx->backend, batch, most_bytes,
                                           training, &lane->ws);
        if (status != JEM_OK) {
            ctx->backend->queue_free(lane->queue);
            jem__lanes_free(out);
            return status;
        }
        out->batch = training ? JEM__PART_IMAGES : jem__workspace_batch(lane->ws);
    }
    return JEM_OK;
}

void jem__lanes_free(jem__lanes *lanes)
{
    for (int32_t i = 0; i < lanes->count; i++) {
        jem__workspace_free(lanes->list[i].ws);
        lanes->backend->queue_free(lanes->list[i].queue);
    }
    if (lanes->list != NULL)
        jem__free(lanes->ctx, lanes->list);
    *lanes = (jem__lanes){.list = NULL};
}

/* A task is a lane. One task alone leaves the pool to its lane's operations. */
typedef struct lanes_job {
    const jem__lanes *lanes;
    jem__lane_fn fn;
    void *arg;
    int64_t n, batch;
    atomic_llong next;   /* image */
    atomic_llong failed; /* first image of the first batch that failed, or n */
    pthread_mutex_t lock;
    jem_status status; /* of that batch, with its text; under the lock */
    char text[512];
} lanes_job;

static void note_failure(lanes_job *job, int64_t first, jem_status status)
{
    pthread_mutex_lock(&job->lock);
    if (first < atomic_load(&job->failed)) {
        atomic_store(&job->failed, first);
        job->status = status;
        (void)snprintf(job->text, sizeof job->text, "%s", jem__error_text());
    }
    pthread_mutex_unlock(&job->lock);
}

/* One lane takes batches until there are none, or one before has failed. */
static void lane_task(void *arg, int64_t task, int32_t worker)
{
    lanes_job *job = arg;

    (void)worker;
    for (;;) {
        const int64_t first = atomic_fetch_add(&job->next, job->batch);
        if (first >= atomic_load(&job->failed))
            return;
        const jem_status status = job->fn(job->arg, &job->lanes->list[task], first,
                                          jem__min(job->n - first, job->batch));
        if (status != JEM_OK)
            note_failure(job, first, status);
    }
}

jem_status jem__lanes_run(const jem__lanes *lanes, int64_t n, jem__lane_fn fn, void *arg)
{
    const int64_t share = lanes->training ? n : jem__ceil_div(n, lanes->count);
    lanes_job job = {
        .lanes = lanes, .fn = fn, .arg = arg, .n = n, .batch = jem__min(share, lanes->batch)};

    if (n == 0)
        return JEM_OK;
    atomic_init(&job.next, 0);
    atomic_init(&job.failed, n);
    if (pthread_mutex_init(&job.lock, NULL) != 0)
        return jem__fail(JEM_E_NOMEM, "no memory for a mutex");
    const int64_t batches = jem__ceil_div(n, job.batch);
    jem__parallel_for(lanes->ctx, jem__min(batches, lanes->count), lane_task, &job);
    pthread_mutex_destroy(&job.lock);
    if (job.status != JEM_OK)
        return jem__fail(job.status, "%s", job.text);
    return JEM_OK;
}
