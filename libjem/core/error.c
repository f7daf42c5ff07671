/* SPDX-License-Identifier: MIT */
/* The error text: one fixed array per thread, so that reporting "out of memory" needs none and
 * threads never see each other's failures. */

#include "core/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define TEXT_SIZE 512

static _Thread_local char error_text[TEXT_SIZE];

/* Length of the longest beginning of `text` that fits and does not end inside a UTF-8
 * character: bindings decode this text, and half a character would be an error of its own. */
static size_t cut_length(const char *text)
{
    const size_t limit = TEXT_SIZE - 1;
    if (strlen(text) <= limit)
        return strlen(text);
    for (size_t back = 0; back < 4; back++) {
        if (((unsigned char)text[limit - back] & 0xC0u) != 0x80u)
            return limit - back;
    }
    return limit;
}

jem_status jem__fail(jem_status status, const char *format, ...)
{
    /* Formatted aside, because an argument may be the old text. */
    char text[TEXT_SIZE + 4];
    va_list args;
    va_start(args, format);
    const int length = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (length < 0)
        text[0] = '\0';
    const size_t kept = cut_length(text);
    memcpy(error_text, text, kept);
    error_text[kept] = '\0';
    return status;
}

const char *jem__error_text(void)
{
    return error_text;
}
