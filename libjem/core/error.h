/* SPDX-License-Identifier: MIT */
#ifndef JEM_CORE_ERROR_H
#define JEM_CORE_ERROR_H

/* Failing: a status code plus one line of text in a fixed thread-local array. */

#include <jem/status.h>

/* Set this thread's error text (cut at 511 bytes) and return `status`, so that
 * `return jem__fail(JEM_E_SHAPE, "...", ...)` is the one idiom of failing. The text begins with
 * the public function and names the value and the limit:
 * "jem_head_logits: n = -1, must be at least 0". Quote what comes from outside with a limit
 * ("%.80s"), so that the reason still fits; what is not printable UTF-8 in it becomes "?". */
jem_status jem__fail(jem_status status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* An argument that is NULL: JEM_E_ARGUMENT, "jem_model_save: path is NULL". */
jem_status jem__fail_null(const char *caller, const char *name);
/* This thread's error text; starts empty. */
const char *jem__error_text(void);

/* Pass a failure on. Only where nothing has to be given back; else `goto`. */
#define JEM__TRY(call)                                                                         \
    do {                                                                                       \
        const jem_status status_ = (call);                                                     \
        if (status_ != JEM_OK)                                                                 \
            return status_;                                                                    \
    } while (0)

#endif
