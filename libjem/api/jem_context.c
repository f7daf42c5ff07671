/* SPDX-License-Identifier: MIT */
/* <jem/context.h>: chooses the backend by name; the rest is core/context.c. */

#include <jem/context.h>

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "backend/backend.h"
#include "core/context.h"
#include "core/error.h"
#include "core/threads/threads.h"

static const jem__backend *const backends[] = {&jem__backend_cpu, &jem__backend_reference};

/* `name` is BACKEND or BACKEND:VARIANT; NULL stands for the first backend. */
static jem_status choose(const char *caller, const char *name, const jem__backend **out,
                         const char **variant)
{
    char known[128] = "";
    for (size_t i = 0; i < sizeof backends / sizeof backends[0]; i++) {
        const char *own = backends[i]->name;
        const size_t length = strlen(own), used = strlen(known);
        *out = backends[i];
        *variant = "";
        if (name == NULL || strcmp(name, own) == 0)
            return JEM_OK;
        if (strncmp(name, own, length) == 0 && name[length] == ':') {
            *variant = name + length + 1;
            return JEM_OK;
        }
        snprintf(known + used, sizeof known - used, "%s%s", i == 0 ? "" : ", ", own);
    }
    return jem__fail(JEM_E_UNKNOWN, "%s: unknown backend \"%.80s\"; known are %s", caller, name,
                     known);
}

static jem_status create(const char *caller, const char *name, jem_alloc_fn alloc,
                         jem_release_fn release, void *user, jem_context **out)
{
    const jem__backend *backend = NULL;
    const char *variant = NULL;
    char kernels[96] = "";
    JEM__TRY(choose(caller, name, &backend, &variant));
    JEM__TRY(backend->describe(variant, kernels, (int64_t)sizeof kernels));
    JEM__TRY(jem__context_create(backend, kernels, alloc, release, user, out));
    snprintf((*out)->variant, sizeof(*out)->variant, "%s", variant);
    return JEM_OK;
}

jem_status jem_context_create(const char *backend, jem_context **out)
{
    if (out == NULL)
        return jem__fail_null("jem_context_create", "out");
    *out = NULL;
    return create("jem_context_create", backend, NULL, NULL, NULL, out);
}

jem_status jem_context_create_with_allocator(const char *backend, jem_alloc_fn alloc,
                                             jem_release_fn release, void *user,
                                             jem_context **out)
{
    const char *caller = "jem_context_create_with_allocator";
    if (out == NULL)
        return jem__fail_null(caller, "out");
    *out = NULL;
    if (alloc == NULL || release == NULL)
        return jem__fail_null(caller, alloc == NULL ? "alloc" : "release");
    return create(caller, backend, alloc, release, user, out);
}

jem_status jem_context_set_log(jem_context *ctx, int32_t level, jem_log_fn log, void *user)
{
    if (ctx == NULL)
        return jem__fail_null("jem_context_set_log", "ctx");
    if (level < 0 || level > JEM_LOG_INFO)
        return jem__fail(JEM_E_RANGE,
                         "jem_context_set_log: level = %" PRId32 ", must be 0 to %d", level,
                         JEM_LOG_INFO);
    ctx->log_level = level;
    ctx->log = log;
    ctx->log_user = user;
    return JEM_OK;
}

jem_status jem_context_set_threads(jem_context *ctx, int32_t threads)
{
    if (ctx == NULL)
        return jem__fail_null("jem_context_set_threads", "ctx");
    if (threads < 0 || threads > JEM__MAX_THREADS)
        return jem__fail(JEM_E_RANGE,
                         "jem_context_set_threads: threads = %" PRId32 ", must be 0 to %d",
                         threads, JEM__MAX_THREADS);
    return jem__context_set_threads(ctx, threads);
}

const char *jem_context_kernels(const jem_context *ctx)
{
    return ctx == NULL ? "" : ctx->kernels;
}

int32_t jem_context_threads(const jem_context *ctx)
{
    return ctx == NULL ? 0 : jem__pool_threads(ctx->pool);
}

void jem_context_free(jem_context *ctx)
{
    jem__context_unref(ctx);
}
