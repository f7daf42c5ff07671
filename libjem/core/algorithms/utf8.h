/* SPDX-License-Identifier: MIT */
#ifndef JEM_CORE_ALGORITHMS_UTF8_H
#define JEM_CORE_ALGORITHMS_UTF8_H

/* UTF-8 as RFC 3629 has it: no overlong form, no surrogate, nothing above U+10FFFF. */

#include <stdint.h>

/* How many of the `len` bytes are sound: `len` when all are, else where the first bad or
 * unfinished character begins. */
int64_t jem__utf8_sound(const char *text, int64_t len);

#endif
