/* SPDX-License-Identifier: MIT */
/* See json.h. */

#include "io/json.h"

#include <stddef.h>
#include <string.h>

#include "core/algorithms/utf8.h"
#include "core/error.h"
#include "core/memory.h"

void jem__json_open(jem__json *j, const char *text, int64_t len)
{
    *j = (jem__json){.text = text, .len = len};
}

/* The byte at `at`; 0, which no JSON holds, beyond the end. */
static char byte_at(const jem__json *j, int64_t at)
{
    if (at >= j->len)
        return '\0';
    return j->text[at];
}

static int32_t fail(jem__json *j, const char *wrong)
{
    if (j->wrong == NULL)
        j->wrong = wrong;
    return 0;
}

char jem__json_peek(jem__json *j)
{
    char c = byte_at(j, j->at);

    while (c == ' ' || c == '\t' || c == '\r' || c == '\n')
        c = byte_at(j, ++j->at);
    return c;
}

static int32_t take(jem__json *j, char c)
{
    if (j->wrong != NULL || jem__json_peek(j) != c)
        return 0;
    j->at++;
    return 1;
}

int32_t jem__json_enter(jem__json *j, char bracket)
{
    return take(j, bracket);
}

int32_t jem__json_next(jem__json *j, char bracket, int32_t *first)
{
    const int32_t was_first = *first;

    *first = 0;
    if (j->wrong != NULL || take(j, bracket))
        return 0;
    if (was_first || take(j, ','))
        return 1;
    return fail(j, bracket == '}' ? "neither , nor } follows" : "neither , nor ] follows");
}

int32_t jem__json_end(jem__json *j)
{
    if (j->wrong != NULL)
        return 0;
    (void)jem__json_peek(j);
    return j->at == j->len || fail(j, "something follows the end");
}

int32_t jem__json_integer(jem__json *j, int64_t *out)
{
    const char c = jem__json_peek(j);
    int64_t at = j->at + (c == '-'), value = 0;

    if (j->wrong != NULL || byte_at(j, at) < '0' || byte_at(j, at) > '9')
        return 0;
    const int64_t digits = at;
    for (; byte_at(j, at) >= '0' && byte_at(j, at) <= '9'; at++) {
        if (!jem__mul(value, 10, &value) || !jem__add(value, byte_at(j, at) - '0', &value))
            return fail(j, "too big integer");
    }
    if (byte_at(j, digits) == '0' && at > digits + 1)
        return fail(j, "a number that begins with 0");
    if (byte_at(j, at) == '.' || byte_at(j, at) == 'e' || byte_at(j, at) == 'E')
        return 0;
    j->at = at;
    *out = c == '-' ? -value : value;
    return 1;
}

/* ---- texts ---- */

/* Four hexadecimal digits; -1: something else. */
static int32_t hex_at(const jem__json *j, int64_t at)
{
    int32_t value = 0;

    for (int64_t i = at; i < at + 4; i++) {
        const char c = byte_at(j, i);
        const int32_t digit = c >= '0' && c <= '9'   ? c - '0'
                              : c >= 'a' && c <= 'f' ? c - 'a' + 10
                              : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                     : -1;
        if (digit < 0)
            return -1;
        value = 16 * value + digit;
    }
    return value;
}

static char *put_utf8(char *out, int32_t c)
{
    if (c < 0x80) {
        *out++ = (char)c;
    } else if (c < 0x800) {
        *out++ = (char)(0xC0 | c >> 6);
        *out++ = (char)(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
        *out++ = (char)(0xE0 | c >> 12);
        *out++ = (char)(0x80 | (c >> 6 & 0x3F));
        *out++ = (char)(0x80 | (c & 0x3F));
    } else {
        *out++ = (char)(0xF0 | c >> 18);
        *out++ = (char)(0x80 | (c >> 12 & 0x3F));
        *out++ = (char)(0x80 | (c >> 6 & 0x3F));
        *out++ = (char)(0x80 | (c & 0x3F));
    }
    return out;
}

/* What \u says at j->at, behind the u: one number, or a pair of surrogates; 0: nothing sound. */
static int32_t code_point(jem__json *j)
{
    const int32_t c = hex_at(j, j->at);

    if (c < 0 || (c >= 0xDC00 && c < 0xE000))
        return 0;
    j->at += 4;
    if (c < 0xD800 || c >= 0xE000)
        return c;
    if (byte_at(j, j->at) != '\\' || byte_at(j, j->at + 1) != 'u')
        return 0;
    const int32_t low = hex_at(j, j->at + 2);
    if (low < 0xDC00 || low >= 0xE000)
        return 0;
    j->at += 6;
    return 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
}

/* The character of an escape, whose backslash was read; NULL with `wrong` set. */
static char *put_escape(jem__json *j, char *out)
{
    static const char names[] = "\"\\/bfnrt", means[] = "\"\\/\b\f\n\r\t";
    const char c = byte_at(j, j->at);
    const char *known = c != '\0' ? strchr(names, c) : NULL;

    if (known != NULL) {
        j->at++;
        *out++ = means[known - names];
        return out;
    }
    if (c == 'u') {
        j->at++;
        const int32_t point = code_point(j);
        if (point > 0)
            return put_utf8(out, point);
        (void)fail(j, "\\u names no character, or the zero byte");
        return NULL;
    }
    (void)fail(j, "no such escape");
    return NULL;
}

/* From behind the quotation mark to behind the last one. What comes out is never longer than what
 * goes in. */
static int32_t decode(jem__json *j, char *out)
{
    const char *begin = out;
    const int64_t from = j->at;

    while (byte_at(j, j->at) != '"') {
        const char c = byte_at(j, j->at);
        if ((unsigned char)c < 0x20)
            return fail(j, j->at < j->len ? "a control character in a text"
                                          : "a text without an end");
        j->at++;
        if (c != '\\')
            *out++ = c;
        else if ((out = put_escape(j, out)) == NULL)
            return 0;
    }
    j->at++;
    *out = '\0';
    if (jem__utf8_sound(begin, out - begin) < out - begin) {
        j->at = from;
        return fail(j, "a text that is not UTF-8");
    }
    return 1;
}

/* Bytes of the text that begins here, escapes as they stand: a bound for what it decodes to. */
static int64_t raw_length(const jem__json *j)
{
    int64_t at = j->at;

    while (at < j->len && j->text[at] != '"')
        at += j->text[at] == '\\' ? 2 : 1;
    return jem__min(at, j->len) - j->at;
}

jem_status jem__json_text(jem_context *ctx, jem__json *j, char **out)
{
    *out = NULL;
    if (!take(j, '"')) {
        (void)fail(j, "no text where one must be");
        return JEM_E_FORMAT;
    }
    char *text = jem__alloc_raw(ctx, raw_length(j) + 1, 1);
    if (text == NULL)
        return JEM_E_NOMEM;
    if (!decode(j, text)) {
        jem__free(ctx, text);
        return JEM_E_FORMAT;
    }
    *out = text;
    return JEM_OK;
}

jem_status jem__json_name(jem_context *ctx, jem__json *j, char **out)
{
    const jem_status status = jem__json_text(ctx, j, out);

    if (status != JEM_OK || take(j, ':'))
        return status;
    (void)fail(j, "no : behind a name");
    jem__free(ctx, *out);
    *out = NULL;
    return JEM_E_FORMAT;
}
