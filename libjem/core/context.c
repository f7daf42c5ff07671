/* SPDX-License-Identifier: MIT */
/* The context, the only object without a parent. It lives in its own allocator's memory like
 * everything else. */

#include "core/context.h"

#include <stdio.h>

#include "core/arithmetic.h"
#include "core/error.h"
#include "core/memory.h"
#include "core/threads/processors.h"
#include "core/threads/threads.h"

jem_status jem__context_create(const struct jem__backend *backend, const char *kernels,
                               jem_alloc_fn alloc, jem_release_fn release, void *user,
                               jem_context **out)
{
    *out = NULL;
    /* Enough of a context to allocate the real one. */
    jem_context first = {.alloc = alloc == NULL ? jem__default_alloc : alloc,
                         .release = alloc == NULL ? jem__default_release : release,
                         .alloc_user = user};
    jem_context *ctx = jem__alloc(&first, 1, (int64_t)sizeof *ctx);
    if (ctx == NULL)
        return JEM_E_NOMEM;
    atomic_init(&ctx->refs, 1);
    ctx->alloc = first.alloc;
    ctx->release = first.release;
    ctx->alloc_user = user;
    ctx->backend = backend;
    snprintf(ctx->kernels, sizeof ctx->kernels, "%s", kernels == NULL ? "" : kernels);
    const jem_status status = jem__context_set_threads(ctx, 0);
    if (status != JEM_OK) {
        jem__free(&first, ctx);
        return status;
    }
    *out = ctx;
    return JEM_OK;
}

jem_status jem__context_set_threads(jem_context *ctx, int32_t threads)
{
    struct jem__pool *pool = NULL;

    if (threads == 0)
        threads = (int32_t)jem__min(jem__processors(), JEM__MAX_THREADS);
    JEM__TRY(jem__pool_create(ctx, threads, &pool));
    jem__pool_free(ctx, ctx->pool);
    ctx->pool = pool;
    return JEM_OK;
}

jem_context *jem__context_ref(jem_context *ctx)
{
    atomic_fetch_add_explicit(&ctx->refs, 1, memory_order_relaxed);
    return ctx;
}

void jem__context_unref(jem_context *ctx)
{
    if (ctx == NULL || atomic_fetch_sub_explicit(&ctx->refs, 1, memory_order_acq_rel) != 1)
        return;
    jem__pool_free(ctx, ctx->pool);
    jem_context last = {
        .alloc = ctx->alloc, .release = ctx->release, .alloc_user = ctx->alloc_user};
    jem__free(&last, ctx);
}
