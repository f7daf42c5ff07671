/* SPDX-License-Identifier: MIT */

/* Looking at what a pickle holds. */

#include "kit/formats/pickle.h"

#include <string.h>

int pickle_text_is(const struct pickle_value *v, const char *text)
{
    return v->kind == PICKLE_TEXT && v->as.text.length == strlen(text) &&
           memcmp(v->as.text.bytes, text, v->as.text.length) == 0;
}

/* From the end: a key that is set twice has its last value, as in Python. */
const struct pickle_value *pickle_get(const struct pickle_value *dict, const char *key)
{
    if (dict->kind != PICKLE_DICT)
        return NULL;
    for (size_t i = dict->as.list.count; i >= 2; i -= 2)
        if (pickle_text_is(dict->as.list.items[i - 2], key))
            return dict->as.list.items[i - 1];
    return NULL;
}

int64_t pickle_length(const struct pickle_value *v)
{
    if (v->kind == PICKLE_LIST || v->kind == PICKLE_TUPLE)
        return (int64_t)v->as.list.count;
    if (v->kind == PICKLE_ARRAY && v->as.array->values != NULL && v->as.array->dims == 1)
        return v->as.array->count;
    return -1;
}

static int array_integer(const struct pickle_array *a, int64_t i, int64_t *out)
{
    const uint8_t *bytes = a->values + i * a->item;
    uint64_t value = 0;

    for (int k = 0; k < a->item; k++)
        value = value << 8 | bytes[a->big ? k : a->item - 1 - k];
    if (a->type == 'i' && a->item < 8 && value >> (8 * a->item - 1) != 0)
        value |= UINT64_MAX << (8 * a->item);
    *out = (int64_t)value;
    return a->type == 'i' || (a->type == 'u' && value <= INT64_MAX);
}

int pickle_integer_at(const struct pickle_value *v, int64_t i, int64_t *out)
{
    if (i < 0 || i >= pickle_length(v))
        return 0;
    if (v->kind == PICKLE_ARRAY)
        return array_integer(v->as.array, i, out);
    if (v->as.list.items[i]->kind != PICKLE_INT)
        return 0;
    *out = v->as.list.items[i]->as.integer;
    return 1;
}

const char *pickle_kind_name(enum pickle_kind kind)
{
    static const char *const names[] = {
        [PICKLE_NONE] = "None",     [PICKLE_BOOL] = "a bool", [PICKLE_INT] = "an int",
        [PICKLE_FLOAT] = "a float", [PICKLE_TEXT] = "a text", [PICKLE_TUPLE] = "a tuple",
        [PICKLE_LIST] = "a list",   [PICKLE_DICT] = "a dict", [PICKLE_ARRAY] = "an array",
        [PICKLE_DTYPE] = "a dtype", [PICKLE_MARK] = "a mark", [PICKLE_GLOBAL] = "a global",
    };

    return names[kind];
}
