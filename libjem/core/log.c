/* SPDX-License-Identifier: MIT */
/* Log lines: formatted into a fixed buffer, so that logging cannot fail. */

#include "core/log.h"

#include <stdarg.h>
#include <stdio.h>

#include "core/context.h"

void jem__log(jem_context *ctx, int32_t level, const char *format, ...)
{
    if (ctx->log == NULL || level > ctx->log_level)
        return;
    char line[512];
    va_list args;
    va_start(args, format);
    const int length = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (length >= 0)
        ctx->log(level, line, ctx->log_user);
}
