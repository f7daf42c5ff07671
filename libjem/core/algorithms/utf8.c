/* SPDX-License-Identifier: MIT */
/* See utf8.h. */

#include "core/algorithms/utf8.h"

/* Bytes that follow a first byte; -1 where no character begins with it. */
static int32_t followers(uint8_t first)
{
    if (first < 0x80)
        return 0;
    if (first >= 0xC2 && first < 0xE0)
        return 1;
    if (first >= 0xE0 && first < 0xF0)
        return 2;
    return first >= 0xF0 && first < 0xF5 ? 3 : -1;
}

/* The second byte has a range of its own where the first allows overlong forms, surrogates or
 * numbers that are too large. */
static int32_t second_fits(uint8_t first, uint8_t second)
{
    const uint8_t low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
    const uint8_t high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;

    return second >= low && second <= high;
}

/* Bytes of the character at text[0], at most `left`; 0: none. */
static int64_t character(const uint8_t *text, int64_t left)
{
    const int32_t more = followers(text[0]);

    if (more < 0 || more >= left)
        return 0;
    if (more > 0 && !second_fits(text[0], text[1]))
        return 0;
    for (int32_t i = 2; i <= more; i++) {
        if ((text[i] & 0xC0) != 0x80)
            return 0;
    }
    return 1 + more;
}

int64_t jem__utf8_sound(const char *text, int64_t len)
{
    int64_t at = 0;

    while (at < len) {
        const int64_t bytes = character((const uint8_t *)text + at, len - at);
        if (bytes == 0)
            break;
        at += bytes;
    }
    return at;
}
