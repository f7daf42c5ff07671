/* SPDX-License-Identifier: MIT */
/* <jem/status.h>: names of codes, and the error text of core/error.c. */

#include <jem/status.h>

#include "core/error.h"

const char *jem_status_name(jem_status status)
{
    switch (status) {
    case JEM_OK:
        return "JEM_OK";
    case JEM_E_INTERNAL:
        return "JEM_E_INTERNAL";
    case JEM_E_ARGUMENT:
        return "JEM_E_ARGUMENT";
    case JEM_E_NOMEM:
        return "JEM_E_NOMEM";
    case JEM_E_UNKNOWN:
        return "JEM_E_UNKNOWN";
    case JEM_E_RANGE:
        return "JEM_E_RANGE";
    case JEM_E_SHAPE:
        return "JEM_E_SHAPE";
    case JEM_E_SPACE:
        return "JEM_E_SPACE";
    case JEM_E_STATE:
        return "JEM_E_STATE";
    case JEM_E_UNSUPPORTED:
        return "JEM_E_UNSUPPORTED";
    case JEM_E_IO:
        return "JEM_E_IO";
    case JEM_E_FORMAT:
        return "JEM_E_FORMAT";
    case JEM_E_VERSION:
        return "JEM_E_VERSION";
    case JEM_E_NUMERIC:
        return "JEM_E_NUMERIC";
    case JEM_E_BACKEND:
        return "JEM_E_BACKEND";
    default:
        return "JEM_E_?";
    }
}

const char *jem_last_error(void)
{
    return jem__error_text();
}
