/* SPDX-License-Identifier: MIT */
#ifndef KIT_BASE_TEXT_H
#define KIT_BASE_TEXT_H

/* Texts that come from outside, such as names of files, which are bytes: JSON, pages and models hold
 * UTF-8 alone.
 *
 * A text that is not UTF-8 is shown with U+FFFD for each bad byte; where it must come back as it was,
 * its bytes stand beside it percent-encoded, as in a URL. */

#include <stddef.h>
#include <stdio.h>

/* How many of the bytes are sound UTF-8: all, or those before the first bad character. */
size_t text_sound(const char *text, size_t length);

/* Is all of it UTF-8? */
int text_is_utf8(const char *text);

/* A copy for people (free()); NULL: out of memory. */
char *text_shown(const char *text);

/* Write it for people. escape() writes each of the characters in `special`. */
void text_write(FILE *out, const char *text, const char *special,
                void (*escape)(FILE *out, char c));

/* A copy with %XX for what is not a letter, a digit or one of -._~/ (free()); NULL: out of memory. */
char *text_percent(const char *text);

/* Back; NULL: out of memory, or a % without two hexadecimal digits, or %00. */
char *text_from_percent(const char *text);

/* Take what is left of a character away that was cut at the end. */
void text_trim(char *text);

#endif
