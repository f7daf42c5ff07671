/* SPDX-License-Identifier: MIT */
#ifndef KIT_BASE_SHELL_H
#define KIT_BASE_SHELL_H

/* Words of commands that people copy into a shell. */

#include <stdio.h>

/* Write a word such that a POSIX shell reads it back as that one word: in single quotes, but only
 * where it has something that shells take for more than itself. */
void shell_word(FILE *out, const char *word);

/* The same as a text, to be given back with free(); NULL: no memory. */
char *shell_quoted(const char *word);

#endif
