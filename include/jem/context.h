/* SPDX-License-Identifier: MIT */
#ifndef JEM_CONTEXT_H
#define JEM_CONTEXT_H

/**
 * @file
 * The context: where work runs, where memory comes from, where log lines go.
 *
 * Nearly every program makes one context and keeps it. There is no global state: two
 * contexts share nothing, so a plug-in and its host may both use libjem.
 *
 * What a child of fork() may do with its parent's objects, and how much stack a call needs:
 * <jem/types.h>.
 */

#include <jem/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Log level: the run cannot go on as asked. */
#define JEM_LOG_ERROR 1
/** Log level: something a user should know. */
#define JEM_LOG_WARNING 2
/** Log level: what is being done. */
#define JEM_LOG_INFO 3

/**
 * Make a context with the C library's allocator, no log, and one thread per processor that
 * the process may run on: no more than its affinity names or than the CPU quota of its control
 * group pays for, and at most 64.
 *
 * @param backend "cpu" (fast, float), "reference" (plain loops in double precision, slow, the
 *                oracle of the tests), or NULL for "cpu". "cpu:avx512", "cpu:avx2" and
 *                "cpu:blis" force a set of kernels instead of the best one this processor runs:
 *                for tests, and for equal bits on unequal machines
 * @param out     the new context, to be given back with jem_context_free(); NULL on failure
 * @return JEM_OK; JEM_E_ARGUMENT, JEM_E_NOMEM, JEM_E_UNKNOWN, JEM_E_UNSUPPORTED (kernels that
 *         this processor cannot run)
 * @since 0.1
 */
JEM_API jem_status jem_context_create(const char *backend, jem_context **out);

/**
 * Make a context whose memory comes from the caller.
 *
 * Everything libjem allocates for objects of this context goes through `alloc` and back through
 * `release`. Outside stay thread stacks and, with the kernels "blis" alone, the packing pool of
 * BLIS: BLIS 0.9 ends the process when that cannot grow, which libjem cannot prevent. The other
 * kernels do not use BLIS.
 *
 * @param backend see jem_context_create()
 * @param alloc   must be thread-safe; may fail by returning NULL
 * @param release gets exactly the pointers and sizes that `alloc` gave
 * @param user    handed to both; must outlive every object of the context
 * @param out     the new context; NULL on failure
 * @return JEM_OK; JEM_E_ARGUMENT, JEM_E_NOMEM, JEM_E_UNKNOWN, JEM_E_UNSUPPORTED (kernels that
 *         this processor cannot run)
 * @since 0.1
 */
JEM_API jem_status jem_context_create_with_allocator(const char *backend, jem_alloc_fn alloc,
                                                     jem_release_fn release, void *user,
                                                     jem_context **out);

/**
 * Say where log lines go. Default: nowhere.
 *
 * @param ctx   the context
 * @param level most talkative level wanted, JEM_LOG_ERROR to JEM_LOG_INFO; 0 for none
 * @param log   called with whole lines on the thread that called libjem; NULL for none
 * @param user  handed to `log`
 * @return JEM_OK; JEM_E_ARGUMENT, JEM_E_RANGE
 * @since 0.1
 */
JEM_API jem_status jem_context_set_log(jem_context *ctx, int32_t level, jem_log_fn log,
                                       void *user);

/**
 * Bound the threads that one call may use, its own included.
 *
 * The number never changes a result: sums run over fixed chunks in a fixed order. With 1 no
 * thread is ever started. When two threads call libjem through one context at the same time,
 * one of them gets the workers and the other works alone. Do not call this while another
 * thread works with an object of this context.
 *
 * @param ctx     the context
 * @param threads 1 to 64; 0 for as many as a new context has
 * @return JEM_OK; JEM_E_ARGUMENT, JEM_E_RANGE, JEM_E_NOMEM
 * @since 0.1
 */
JEM_API jem_status jem_context_set_threads(jem_context *ctx, int32_t threads);

/**
 * Which backend and which set of kernels compute, for example "cpu (avx512)" or
 * "cpu (blis 0.9.0)".
 *
 * @param ctx the context, or NULL
 * @return a text that lives as long as the context; "" for NULL
 * @since 0.1
 */
JEM_API const char *jem_context_kernels(const jem_context *ctx);

/**
 * How many threads a call may use.
 *
 * @param ctx the context, or NULL
 * @return the number; 0 for NULL
 * @since 0.1
 */
JEM_API int32_t jem_context_threads(const jem_context *ctx);

/**
 * Give a context back. Its memory goes when the last object made from it is freed too.
 *
 * @param ctx the context, or NULL
 * @since 0.1
 */
JEM_API void jem_context_free(jem_context *ctx);

#ifdef __cplusplus
}
#endif

#endif
