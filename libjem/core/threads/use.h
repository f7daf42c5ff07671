/* SPDX-License-Identifier: MIT */
#ifndef JEM_CORE_THREADS_USE_H
#define JEM_CORE_THREADS_USE_H

/* A handle that one thread at a time may use says so instead of crashing: a call begins to use
 * it, and a second one meanwhile, of another thread or from a callback, is refused. */

#include <stdatomic.h>

#include <jem/status.h>

#include "core/error.h"

typedef struct jem__use {
    atomic_int busy;
} jem__use;

/* `what` is the handle's name in the error text. */
static inline jem_status jem__use_begin(jem__use *use, const char *caller, const char *what)
{
    if (atomic_exchange_explicit(&use->busy, 1, memory_order_acquire) == 0)
        return JEM_OK;
    return jem__fail(JEM_E_STATE,
                     "%s: the %s is in use by another call; one thread uses a %s at a time",
                     caller, what, what);
}

static inline void jem__use_end(jem__use *use)
{
    atomic_store_explicit(&use->busy, 0, memory_order_release);
}

#endif
