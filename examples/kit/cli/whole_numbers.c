/* SPDX-License-Identifier: MIT */

/* See whole_numbers.h. */

#include "kit/cli/whole_numbers.h"

#include <errno.h>
#include <stdlib.h>

int whole_numbers_read(const char *text, char separator, int64_t least, int64_t most, int space,
                       int64_t *out)
{
    for (int n = 0;; n++) {
        char *end = NULL;
        int64_t value;

        errno = 0;
        value = strtoll(text, &end, 10);
        if (end == text || errno != 0 || value < least || value > most ||
            (*end != separator && *end != '\0'))
            return WHOLE_NUMBERS_WRONG;
        if (n == space)
            return WHOLE_NUMBERS_TOO_MANY;
        out[n] = value;
        if (*end == '\0')
            return n + 1;
        text = end + 1;
    }
}
