/* SPDX-License-Identifier: MIT */
#ifndef JEM_IO_JSON_H
#define JEM_IO_JSON_H

/* A strict reader of JSON (RFC 8259), for headers of files: one value after the other, front to
 * back, without a tree. It needs memory for texts only, from the context's allocator, and says
 * when there is none; so a failed allocation is neither a syntax error nor another text.
 *
 * Functions return 1 when what they are for is there. Otherwise `wrong` says what is wrong at
 * byte `at`, or is NULL where the JSON is sound so far and only the value is of another kind. */

#include <jem/context.h>

typedef struct jem__json {
    const char *text;
    int64_t len, at;
    const char *wrong; /* a literal, or NULL */
} jem__json;

void jem__json_open(jem__json *j, const char *text, int64_t len);

/* The first byte of the next value: '{', '[', '"', a digit or '-', 't', 'f', 'n'; 0 at the end. */
char jem__json_peek(jem__json *j);

/* Into an object or array, which `bracket` begins. Then, before each of its members:
 *
 *     jem__json_enter(j, '{');
 *     for (int32_t first = 1; jem__json_next(j, '}', &first);)
 *         ... the name of an object's member (jem__json_name), its value ...
 *
 * next() is 0 at the end, and with `wrong` set where neither a member nor the end follows. */
int32_t jem__json_enter(jem__json *j, char bracket);
int32_t jem__json_next(jem__json *j, char bracket, int32_t *first);

/* A text in memory of its own (jem__free it), zero-ended, UTF-8 without zero bytes. JEM_E_NOMEM,
 * or JEM_E_FORMAT without an error text. */
jem_status jem__json_text(jem_context *ctx, jem__json *j, char **out);
/* The same, and the colon after it. */
jem_status jem__json_name(jem_context *ctx, jem__json *j, char **out);

/* A whole number without fraction or exponent. */
int32_t jem__json_integer(jem__json *j, int64_t *out);

/* Nothing but white space follows. */
int32_t jem__json_end(jem__json *j);

#endif
