/* SPDX-License-Identifier: MIT */
#ifndef JEM_CORE_LOG_H
#define JEM_CORE_LOG_H

/* Lines for the caller's log hook. Call only on the thread that called libjem, never in a
 * task of the pool. */

#include <jem/context.h>

void jem__log(jem_context *ctx, int32_t level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
