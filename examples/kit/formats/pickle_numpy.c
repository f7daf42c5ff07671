/* SPDX-License-Identifier: MIT */

/* The functions a pickle may name: those with which NumPy 1 and 2 save an array, and those with
 * which Python 3 saves bytes in protocol 2. Each is a few lines that check their arguments. */

#include "kit/formats/pickle_machine.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "kit/base/report.h"

enum function { RECONSTRUCT, FROM_BUFFER, NDARRAY, DTYPE, ENCODE, BYTES };

static const struct {
    const char *module, *name;
    enum function function;
} globals[] = {
    {"numpy.core.multiarray", "_reconstruct", RECONSTRUCT},
    {"numpy._core.multiarray", "_reconstruct", RECONSTRUCT},
    {"numpy.core.numeric", "_frombuffer", FROM_BUFFER},
    {"numpy._core.numeric", "_frombuffer", FROM_BUFFER},
    {"numpy", "ndarray", NDARRAY},
    {"numpy", "dtype", DTYPE},
    {"_codecs", "encode", ENCODE},
    {"__builtin__", "bytes", BYTES},
    {"builtins", "bytes", BYTES},
};
#define GLOBALS ((int)(sizeof globals / sizeof globals[0]))

static int same(struct pickle_text a, const char *b)
{
    return a.length == strlen(b) && memcmp(a.bytes, b, a.length) == 0;
}

/* For messages: short, and without what could play tricks on a terminal. */
static const char *printable(struct pickle_text text, char out[64])
{
    size_t length = text.length < 63 ? text.length : 63;

    if (length > 0)
        memcpy(out, text.bytes, length);
    for (size_t i = 0; i < length; i++)
        if (text.bytes[i] < ' ' || text.bytes[i] > '~')
            out[i] = '?';
    out[length] = '\0';
    return out;
}

int pickle_global(struct pickle *p, struct pickle_text module, struct pickle_text name,
                  struct pickle_value **out)
{
    char a[64], b[64];

    for (int i = 0; i < GLOBALS; i++) {
        if (!same(module, globals[i].module) || !same(name, globals[i].name))
            continue;
        *out = pickle_new(p, PICKLE_GLOBAL);
        if (*out == NULL)
            return EXIT_FAILED;
        (*out)->as.integer = i;
        return EXIT_OK;
    }
    return pickle_refuse(p, "refused: global %s.%s", printable(module, a), printable(name, b));
}

static int is_global(const struct pickle_value *v, enum function function)
{
    return v->kind == PICKLE_GLOBAL && globals[v->as.integer].function == function;
}

static int is_tuple(const struct pickle_value *v, size_t count)
{
    return v->kind == PICKLE_TUPLE && v->as.list.count >= count;
}

/* numpy.dtype("u1", ...): kind and bytes; the byte order comes with BUILD. */
static int make_dtype(struct pickle *p, const struct pickle_value *args,
                      struct pickle_value **out)
{
    static const char *const known[] = {"b1", "u1", "u2", "u4", "u8", "i1",
                                        "i2", "i4", "i8", "f2", "f4", "f8"};
    const struct pickle_value *text = is_tuple(args, 1) ? args->as.list.items[0] : NULL;
    char shown[64];

    if (text == NULL || text->kind != PICKLE_TEXT)
        return pickle_refuse(p, "numpy.dtype needs the name of a type");
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (!same(text->as.text, known[i]))
            continue;
        *out = pickle_new(p, PICKLE_DTYPE);
        if (*out == NULL)
            return EXIT_FAILED;
        (*out)->as.array = pickle_alloc(p, sizeof *(*out)->as.array);
        if ((*out)->as.array == NULL)
            return EXIT_FAILED;
        (*out)->as.array->type = known[i][0];
        (*out)->as.array->item = known[i][1] - '0';
        return EXIT_OK;
    }
    return pickle_refuse(p, "refused: numpy.dtype %s", printable(text->as.text, shown));
}

/* The state (3, order, None, None, None, -1, -1, 0) of a dtype without fields. */
static int build_dtype(struct pickle *p, struct pickle_array *type,
                       const struct pickle_value *state)
{
    struct pickle_value *const *item = state->as.list.items;

    if (!is_tuple(state, 5) || item[1]->kind != PICKLE_TEXT || item[1]->as.text.length != 1 ||
        strchr("<>|=", item[1]->as.text.bytes[0]) == NULL)
        return pickle_refuse(p, "the state of a numpy.dtype is not (version, order, ...)");
    if (item[2]->kind != PICKLE_NONE || item[3]->kind != PICKLE_NONE ||
        item[4]->kind != PICKLE_NONE)
        return pickle_refuse(p, "refused: numpy.dtype with fields or of sub-arrays");
    type->big = item[1]->as.text.bytes[0] == '>';
    return EXIT_OK;
}

/* Shape, type, order and bytes become an array, if they agree. */
static int fill_array(struct pickle *p, struct pickle_array *a,
                      const struct pickle_value *shape, const struct pickle_value *type,
                      int fortran, const struct pickle_value *bytes)
{
    int64_t size = 0;

    if (shape->kind != PICKLE_TUPLE || shape->as.list.count > PICKLE_DIMS)
        return pickle_refuse(p, "an array's shape is not a tuple of at most %d", PICKLE_DIMS);
    if (type->kind != PICKLE_DTYPE)
        return pickle_refuse(p, "an array's type is %s, not a dtype",
                             pickle_kind_name(type->kind));
    if (bytes->kind != PICKLE_TEXT)
        return pickle_refuse(p, "an array's values are %s, not bytes",
                             pickle_kind_name(bytes->kind));
    *a = *type->as.array;
    a->fortran = fortran;
    a->dims = (int)shape->as.list.count;
    a->count = 1;
    for (int i = 0; i < a->dims; i++) {
        const struct pickle_value *d = shape->as.list.items[i];

        if (d->kind != PICKLE_INT || d->as.integer < 0)
            return pickle_refuse(p, "an array's size %d is not a number from 0", i);
        a->shape[i] = d->as.integer;
        if (__builtin_mul_overflow(a->count, d->as.integer, &a->count))
            return pickle_refuse(p, "the sizes of an array's shape overflow");
    }
    if (__builtin_mul_overflow(a->count, (int64_t)a->item, &size) ||
        (uint64_t)size != bytes->as.text.length)
        return pickle_refuse(p, "an array of %" PRId64 " values of %d bytes has %zu bytes",
                             a->count, a->item, bytes->as.text.length);
    a->values = bytes->as.text.bytes;
    return EXIT_OK;
}

static struct pickle_value *new_array(struct pickle *p)
{
    struct pickle_value *v = pickle_new(p, PICKLE_ARRAY);

    if (v != NULL)
        v->as.array = pickle_alloc(p, sizeof *v->as.array);
    return v != NULL && v->as.array != NULL ? v : NULL;
}

/* The state (1, shape, dtype, is_fortran, bytes) of an array. */
static int build_array(struct pickle *p, struct pickle_array *a,
                       const struct pickle_value *state)
{
    struct pickle_value *const *item = state->as.list.items;

    if (!is_tuple(state, 5) || (item[3]->kind != PICKLE_BOOL && item[3]->kind != PICKLE_INT))
        return pickle_refuse(
            p, "the state of an array is not (version, shape, dtype, order, bytes)");
    return fill_array(p, a, item[1], item[2], item[3]->as.integer != 0, item[4]);
}

/* _frombuffer(bytes, dtype, shape, "C" or "F") */
static int from_buffer(struct pickle *p, const struct pickle_value *args,
                       struct pickle_value **out)
{
    struct pickle_value *const *item = args->as.list.items;

    if (!is_tuple(args, 4) || (!pickle_text_is(item[3], "C") && !pickle_text_is(item[3], "F")))
        return pickle_refuse(p, "_frombuffer needs bytes, dtype, shape and \"C\" or \"F\"");
    *out = new_array(p);
    if (*out == NULL)
        return EXIT_FAILED;
    return fill_array(p, (*out)->as.array, item[2], item[1], pickle_text_is(item[3], "F"),
                      item[0]);
}

/* encode(text, "latin1"): how Python 3 writes bytes in protocol 2. The text is UTF-8. */
static int encode(struct pickle *p, const struct pickle_value *args, struct pickle_value **out)
{
    struct pickle_value *const *item = args->as.list.items;
    struct pickle_text text;
    uint8_t *bytes;
    size_t length = 0;

    if (!is_tuple(args, 2) || item[0]->kind != PICKLE_TEXT ||
        !pickle_text_is(item[1], "latin1"))
        return pickle_refuse(p, "_codecs.encode needs a text and \"latin1\"");
    text = item[0]->as.text;
    *out = pickle_new(p, PICKLE_TEXT);
    bytes = *out == NULL ? NULL : pickle_alloc(p, text.length + 1);
    if (bytes == NULL)
        return EXIT_FAILED;
    for (size_t i = 0; i < text.length; i++) {
        const int b = text.bytes[i];
        const int pair = (b == 0xC2 || b == 0xC3) && i + 1 < text.length &&
                         (text.bytes[i + 1] & 0xC0) == 0x80;

        if (b >= 0x80 && !pair)
            return pickle_refuse(p, "a text to be latin1 has another character at %zu", i);
        bytes[length++] = (uint8_t)(pair ? (b & 3) << 6 | (text.bytes[++i] & 0x3F) : b);
    }
    (*out)->as.text = (struct pickle_text){bytes, length};
    return EXIT_OK;
}

int pickle_call(struct pickle *p, const struct pickle_value *function,
                const struct pickle_value *args, struct pickle_value **out)
{
    if (function->kind != PICKLE_GLOBAL || args->kind != PICKLE_TUPLE)
        return pickle_refuse(p, "REDUCE of %s with %s", pickle_kind_name(function->kind),
                             pickle_kind_name(args->kind));
    switch (globals[function->as.integer].function) {
    case RECONSTRUCT:
        if (!is_tuple(args, 1) || !is_global(args->as.list.items[0], NDARRAY))
            return pickle_refuse(p, "_reconstruct of something else than numpy.ndarray");
        *out = new_array(p);
        return *out == NULL ? EXIT_FAILED : EXIT_OK;
    case FROM_BUFFER:
        return from_buffer(p, args, out);
    case DTYPE:
        return make_dtype(p, args, out);
    case ENCODE:
        return encode(p, args, out);
    case BYTES:
        if (args->as.list.count != 0)
            return pickle_refuse(p, "refused: bytes() with arguments");
        *out = pickle_new(p, PICKLE_TEXT);
        if (*out == NULL)
            return EXIT_FAILED;
        (*out)->as.text.bytes = p->bytes; /* none of them, but no NULL either */
        return EXIT_OK;
    case NDARRAY:
    default:
        return pickle_refuse(p, "refused: a call of numpy.ndarray");
    }
}

int pickle_build(struct pickle *p, struct pickle_value *object,
                 const struct pickle_value *state)
{
    if (state->kind != PICKLE_TUPLE)
        return pickle_refuse(p, "BUILD with %s", pickle_kind_name(state->kind));
    if (object->kind == PICKLE_DTYPE)
        return build_dtype(p, object->as.array, state);
    if (object->kind == PICKLE_ARRAY && object->as.array->values == NULL)
        return build_array(p, object->as.array, state);
    return pickle_refuse(p, "BUILD of %s", pickle_kind_name(object->kind));
}
