/* SPDX-License-Identifier: MIT */
/* The error text: one fixed array per thread, so that reporting "out of memory" needs none and
 * threads never see each other's failures.
 *
 * A text quotes names and paths that may be cut or may come from a file. It is valid UTF-8 all
 * the same, for bindings that decode it, and holds nothing that a terminal would obey. */

#include "core/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define TEXT_SIZE 512

static _Thread_local char error_text[TEXT_SIZE];

/* Bytes of the printable UTF-8 character at `p` (Unicode, table 3-7); 0: there is none. */
static size_t character(const char *p)
{
    static const struct {
        unsigned char first, last; /* of the first byte */
        unsigned char low, high;   /* of the second one */
        size_t size;
    } kinds[] = {{0x20, 0x7E, 0, 0, 1},       {0xC2, 0xC2, 0xA0, 0xBF, 2},
                 {0xC3, 0xDF, 0x80, 0xBF, 2}, {0xE0, 0xE0, 0xA0, 0xBF, 3},
                 {0xE1, 0xEC, 0x80, 0xBF, 3}, {0xED, 0xED, 0x80, 0x9F, 3},
                 {0xEE, 0xEF, 0x80, 0xBF, 3}, {0xF0, 0xF0, 0x90, 0xBF, 4},
                 {0xF1, 0xF3, 0x80, 0xBF, 4}, {0xF4, 0xF4, 0x80, 0x8F, 4}};
    const unsigned char *u = (const unsigned char *)p;
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        if (u[0] < kinds[k].first || u[0] > kinds[k].last)
            continue;
        if (kinds[k].size > 1 && (u[1] < kinds[k].low || u[1] > kinds[k].high))
            return 0;
        for (size_t i = 2; i < kinds[k].size; i++) {
            if ((u[i] & 0xC0u) != 0x80u)
                return 0;
        }
        return kinds[k].size;
    }
    return 0;
}

jem_status jem__fail(jem_status status, const char *format, ...)
{
    /* Formatted aside, because an argument may be the old text. */
    char text[TEXT_SIZE + 4]; /* space for a whole character at the edge */
    va_list args;
    va_start(args, format);
    const int length = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (length < 0)
        text[0] = '\0';
    size_t at = 0;
    while (text[at] != '\0') {
        size_t size = character(text + at);
        if (size == 0) {
            text[at] = '?';
            size = 1;
        }
        if (at + size >= TEXT_SIZE)
            break;
        at += size;
    }
    memcpy(error_text, text, at);
    error_text[at] = '\0';
    return status;
}

jem_status jem__fail_null(const char *caller, const char *name)
{
    return jem__fail(JEM_E_ARGUMENT, "%s: %s is NULL", caller, name);
}

const char *jem__error_text(void)
{
    return error_text;
}
