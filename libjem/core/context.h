/* SPDX-License-Identifier: MIT */
#ifndef JEM_CORE_CONTEXT_H
#define JEM_CORE_CONTEXT_H

/* The environment that every object holds a reference to. */

#include <stdatomic.h>

#include <jem/context.h>

struct jem__backend; /* backend/backend.h; core only carries the pointer */
struct jem__pool;    /* core/threads/threads.c */

struct jem_context {
    atomic_int refs;
    jem_alloc_fn alloc;
    jem_release_fn release;
    void *alloc_user;
    int32_t log_level;
    jem_log_fn log;
    void *log_user;
    struct jem__pool *pool;
    const struct jem__backend *backend;
    char variant[16]; /* of the backend's kernels; "": the best */
    char kernels[96]; /* what computes, for people */
};

/* `alloc` NULL: the C library's allocator. `backend` may be NULL in tests of core. Starts with
 * one thread per processor. */
jem_status jem__context_create(const struct jem__backend *backend, const char *kernels,
                               jem_alloc_fn alloc, jem_release_fn release, void *user,
                               jem_context **out);
/* A pool of `threads`, 1 to 64, or 0: one per processor; the old pool stays when this fails. */
jem_status jem__context_set_threads(jem_context *ctx, int32_t threads);
jem_context *jem__context_ref(jem_context *ctx); /* returns ctx */
void jem__context_unref(jem_context *ctx);       /* NULL accepted */

#endif
