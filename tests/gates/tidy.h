/* SPDX-License-Identifier: MIT */
#ifndef JEM_TIDY_H
#define JEM_TIDY_H

/* Included first when clang-tidy reads the library. It looks at one file at a time, so it cannot
 * know that jem__fail() returns its first argument and takes every failure for a success. */

#include "core/error.h"

static inline void jem__said(const char *format, ...)
{
    (void)format;
}

#define jem__fail(status, ...) (jem__said(__VA_ARGS__), (status))

#endif
