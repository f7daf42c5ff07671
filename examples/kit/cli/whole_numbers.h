/* SPDX-License-Identifier: MIT */
#ifndef KIT_CLI_WHOLE_NUMBERS_H
#define KIT_CLI_WHOLE_NUMBERS_H

/* Several whole numbers in the value of one option: "10,100", "28-10", "32x32x3". */

#include <stdint.h>

#define WHOLE_NUMBERS_WRONG    (-1)
#define WHOLE_NUMBERS_TOO_MANY (-2)

/* At most `space` numbers from `least` to `most` with the separator between; returns how many, or
 * one of the above for the first fault from the left. */
int whole_numbers_read(const char *text, char separator, int64_t least, int64_t most, int space,
                       int64_t *out);

#endif
