/* SPDX-License-Identifier: MIT */

/* See text.h. */

#include "kit/base/text.h"

#include <stdlib.h>
#include <string.h>

#define BAD_BYTE "\xEF\xBF\xBD" /* U+FFFD */

/* Bytes of the character at p, at most `left`; 0: no sound one (RFC 3629). */
static size_t character(const unsigned char *p, size_t left)
{
    const unsigned char c = p[0];
    const size_t bytes = c < 0x80 ? 1 : c < 0xC2 ? 0 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;

    if (bytes == 0 || bytes > left || c > 0xF4)
        return 0;
    for (size_t i = 1; i < bytes; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    if ((c == 0xE0 && p[1] < 0xA0) || (c == 0xED && p[1] > 0x9F) ||
        (c == 0xF0 && p[1] < 0x90) || (c == 0xF4 && p[1] > 0x8F))
        return 0;
    return bytes;
}

size_t text_sound(const char *text, size_t length)
{
    size_t at = 0;

    while (at < length) {
        const size_t bytes = character((const unsigned char *)text + at, length - at);

        if (bytes == 0)
            break;
        at += bytes;
    }
    return at;
}

int text_is_utf8(const char *text)
{
    return text_sound(text, strlen(text)) == strlen(text);
}

char *text_shown(const char *text)
{
    const size_t length = strlen(text);
    char *shown = malloc(3 * length + 1), *to = shown;

    if (shown == NULL)
        return NULL;
    for (size_t at = 0; at < length;) {
        const size_t sound = text_sound(text + at, length - at);

        memcpy(to, text + at, sound);
        to += sound;
        at += sound;
        if (at < length) {
            memcpy(to, BAD_BYTE, 3);
            to += 3;
            at++;
        }
    }
    *to = '\0';
    return shown;
}

void text_write(FILE *out, const char *text, const char *special,
                void (*escape)(FILE *out, char c))
{
    for (size_t left = strlen(text); left > 0;) {
        const size_t plain = text_sound(text, strcspn(text, special));

        fwrite(text, 1, plain, out);
        text += plain;
        left -= plain;
        if (left == 0)
            return;
        if (strchr(special, *text) != NULL)
            escape(out, *text);
        else
            fputs(BAD_BYTE, out);
        text++;
        left--;
    }
}

static int stays(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-._~/", c) != NULL);
}

char *text_percent(const char *text)
{
    char *out = malloc(3 * strlen(text) + 1), *to = out;

    if (out == NULL)
        return NULL;
    for (; *text != '\0'; text++) {
        if (stays(*text))
            *to++ = *text;
        else
            to += sprintf(to, "%%%02X", (unsigned)(unsigned char)*text);
    }
    *to = '\0';
    return out;
}

static int hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
}

char *text_from_percent(const char *text)
{
    char *out = malloc(strlen(text) + 1), *to = out;

    for (; out != NULL && *text != '\0'; text++) {
        int byte = (unsigned char)*text;

        if (byte == '%') {
            const int high = hex(text[1]), low = high < 0 ? -1 : hex(text[2]);

            byte = low < 0 ? 0 : 16 * high + low;
            text += 2;
        }
        if (byte == 0) {
            free(out);
            return NULL;
        }
        *to++ = (char)byte;
    }
    if (out != NULL)
        *to = '\0';
    return out;
}

void text_trim(char *text)
{
    const size_t length = strlen(text);
    size_t from = length;

    while (from > 0 && length - from < 3 && ((unsigned char)text[from - 1] & 0xC0) == 0x80)
        from--;
    if (from > 0 && (unsigned char)text[from - 1] >= 0xC0 &&
        character((const unsigned char *)text + from - 1, length - from + 1) == 0)
        text[from - 1] = '\0';
}
