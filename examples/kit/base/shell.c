/* SPDX-License-Identifier: MIT */

/* See shell.h. */

#include "kit/base/shell.h"
#include "kit/base/file.h"

#include <stdlib.h>
#include <string.h>

/* A list of what is plain: whatever a shell has beyond it, quotes do no harm. "~" is not plain,
 * nor is any byte beyond ASCII, which some locales count among the blanks. */
static int is_plain(const char *word)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./,:=@%+";

    return word[0] != '\0' && word[strspn(word, plain)] == '\0';
}

void shell_word(FILE *out, const char *word)
{
    if (is_plain(word)) {
        fputs(word, out);
        return;
    }
    fputc('\'', out);
    for (; *word != '\0'; word++)
        if (*word == '\'')
            fputs("'\\''", out);
        else
            fputc(*word, out);
    fputc('\'', out);
}

char *shell_quoted(const char *word)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = file_open_memory(&text, &length);

    if (out == NULL)
        return NULL;
    shell_word(out, word);
    (void)file_close_memory(out, &text);
    return text;
}
