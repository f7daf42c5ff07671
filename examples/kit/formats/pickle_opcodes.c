/* SPDX-License-Identifier: MIT */

/* The opcodes of a pickle. One is a row of a table; what has no row is refused. No function here
 * calls itself, so no pickle can exhaust the C stack.
 *
 * Format: Lib/pickletools.py of CPython. */

#include "kit/formats/pickle_machine.h"

#include <stdlib.h>
#include <string.h>

#include "kit/base/report.h"

#define STACK_MAX ((size_t)1 << 20)
#define MEMO_MAX  ((size_t)1 << 20)

/* --- Bytes -------------------------------------------------------------------------------- */

/* The next `size` bytes; NULL after reporting that they are not there. */
static const uint8_t *take(struct pickle *p, uint64_t size)
{
    const uint8_t *bytes = p->bytes + p->at;

    if (size > p->length - p->at) {
        pickle_refuse(p, "cut short: %llu bytes are needed, %zu follow",
                      (unsigned long long)size, p->length - p->at);
        return NULL;
    }
    p->at += (size_t)size;
    return bytes;
}

/* A little-endian number of `width` bytes. */
static int take_number(struct pickle *p, int width, uint64_t *out)
{
    const uint8_t *bytes = take(p, (uint64_t)width);

    if (bytes == NULL)
        return EXIT_FAILED;
    *out = 0;
    for (int i = width - 1; i >= 0; i--)
        *out = *out << 8 | bytes[i];
    return EXIT_OK;
}

/* A line, without its end. */
static int take_line(struct pickle *p, struct pickle_text *out)
{
    const uint8_t *start = p->bytes + p->at;
    const uint8_t *end = memchr(start, '\n', p->length - p->at);

    if (end == NULL)
        return pickle_refuse(p, "cut short: a line without its end");
    *out = (struct pickle_text){start, (size_t)(end - start)};
    p->at += out->length + 1;
    return EXIT_OK;
}

/* --- Stack, memo, lists ------------------------------------------------------------------- */

/* Space for `count` pointers, doubling. The caller has checked `count` against a maximum. */
static int grow(struct pickle_value ***items, size_t *space, size_t count)
{
    size_t wanted = *space == 0 ? 64 : *space;
    struct pickle_value **larger;

    while (wanted < count)
        wanted *= 2;
    if (wanted == *space)
        return EXIT_OK;
    larger = realloc(*items, wanted * sizeof(void *));
    if (larger == NULL)
        return report_no_memory();
    memset(larger + *space, 0, (wanted - *space) * sizeof(void *));
    *items = larger;
    *space = wanted;
    return EXIT_OK;
}

static int push(struct pickle *p, struct pickle_value *v)
{
    if (v == NULL)
        return EXIT_FAILED;
    if (p->depth == STACK_MAX)
        return pickle_refuse(p, "more than %zu values on the stack; refused", STACK_MAX);
    TRY(grow(&p->stack, &p->stack_space, p->depth + 1));
    p->stack[p->depth++] = v;
    return EXIT_OK;
}

/* The value that lies `below` the top; NULL after reporting that there is none. */
static struct pickle_value *peek(struct pickle *p, size_t below)
{
    for (size_t i = 0; i <= below; i++) {
        if (i >= p->depth || p->stack[p->depth - 1 - i]->kind == PICKLE_MARK) {
            pickle_refuse(p, "the stack has too few values");
            return NULL;
        }
    }
    return p->stack[p->depth - 1 - below];
}

/* Where the values above the last mark begin. */
static int find_mark(struct pickle *p, size_t *first)
{
    for (size_t i = p->depth; i > 0; i--) {
        if (p->stack[i - 1]->kind == PICKLE_MARK) {
            *first = i;
            return EXIT_OK;
        }
    }
    return pickle_refuse(p, "there is no mark on the stack");
}

static int append(struct pickle *p, struct pickle_list *list, struct pickle_value **items,
                  size_t count)
{
    if (count > list->space - list->count) {
        const size_t space = 2 * list->space + count;
        struct pickle_value **larger = pickle_alloc(p, space * sizeof(void *));

        if (larger == NULL)
            return EXIT_FAILED;
        if (list->count > 0)
            memcpy(larger, list->items, list->count * sizeof(void *));
        list->items = larger;
        list->space = space;
    }
    if (count > 0)
        memcpy(list->items + list->count, items, count * sizeof(void *));
    list->count += count;
    return EXIT_OK;
}

static int remember(struct pickle *p, uint64_t place)
{
    struct pickle_value *v = peek(p, 0);

    if (v == NULL)
        return EXIT_FAILED;
    if (place >= MEMO_MAX)
        return pickle_refuse(p, "memo %llu; refused beyond %zu", (unsigned long long)place,
                             MEMO_MAX);
    TRY(grow(&p->memo, &p->memo_space, (size_t)place + 1));
    p->memo[place] = v;
    p->memo_count++;
    return EXIT_OK;
}

/* --- Opcodes ------------------------------------------------------------------------------ */

static int op_proto(struct pickle *p, int arg)
{
    uint64_t version;

    (void)arg;
    TRY(take_number(p, 1, &version));
    if (p->opcode_at != 0 || version < 2 || version > 5)
        return pickle_refuse(p, "protocol %d; read are 2 to 5, said once at the start",
                             (int)version);
    return EXIT_OK;
}

static int op_frame(struct pickle *p, int arg)
{
    uint64_t length;

    (void)arg;
    TRY(take_number(p, 8, &length));
    if (length > p->length - p->at)
        return pickle_refuse(p, "cut short: a frame of %llu bytes, %zu follow",
                             (unsigned long long)length, p->length - p->at);
    return EXIT_OK;
}

static int op_stop(struct pickle *p, int arg)
{
    (void)arg;
    p->root = peek(p, 0);
    if (p->root == NULL)
        return EXIT_FAILED;
    if (p->depth != 1 || p->at != p->length)
        return pickle_refuse(p, "%zu value(s) and %zu byte(s) are left at the end",
                             p->depth - 1, p->length - p->at);
    return EXIT_OK;
}

static int op_mark(struct pickle *p, int arg)
{
    (void)arg;
    return push(p, &p->mark);
}

static int op_none(struct pickle *p, int arg)
{
    (void)arg;
    return push(p, pickle_new(p, PICKLE_NONE));
}

static int push_integer(struct pickle *p, enum pickle_kind kind, int64_t value)
{
    struct pickle_value *v = pickle_new(p, kind);

    if (v != NULL)
        v->as.integer = value;
    return push(p, v);
}

static int op_bool(struct pickle *p, int value)
{
    return push_integer(p, PICKLE_BOOL, value);
}

static int op_integer(struct pickle *p, int width)
{
    uint64_t value;

    TRY(take_number(p, width, &value));
    return push_integer(p, PICKLE_INT, width == 4 ? (int32_t)(uint32_t)value : (int64_t)value);
}

/* LONG1: a byte that counts the bytes of a number in two's complement. */
static int op_long(struct pickle *p, int arg)
{
    uint64_t width, value = 0;

    (void)arg;
    TRY(take_number(p, 1, &width));
    if (width > 8)
        return pickle_refuse(p, "refused: a number of %d bytes", (int)width);
    TRY(take_number(p, (int)width, &value));
    if (width > 0 && width < 8 && value >> (8 * width - 1) != 0)
        value |= UINT64_MAX << (8 * width);
    return push_integer(p, PICKLE_INT, (int64_t)value);
}

static int op_float(struct pickle *p, int arg)
{
    const uint8_t *bytes = take(p, 8);
    struct pickle_value *v = bytes == NULL ? NULL : pickle_new(p, PICKLE_FLOAT);
    uint64_t bits = 0;

    (void)arg;
    if (v == NULL)
        return EXIT_FAILED;
    for (int i = 0; i < 8; i++)
        bits = bits << 8 | bytes[i];
    memcpy(&v->as.real, &bits, sizeof bits);
    return push(p, v);
}

/* Text or bytes behind a length of `width` bytes. */
static int op_text(struct pickle *p, int width)
{
    struct pickle_value *v;
    const uint8_t *bytes;
    uint64_t length;

    TRY(take_number(p, width, &length));
    bytes = take(p, length);
    v = bytes == NULL ? NULL : pickle_new(p, PICKLE_TEXT);
    if (v != NULL)
        v->as.text = (struct pickle_text){bytes, (size_t)length};
    return push(p, v);
}

static int op_empty(struct pickle *p, int kind)
{
    return push(p, pickle_new(p, (enum pickle_kind)kind));
}

/* The `count` values on top become a tuple. */
static int make_tuple(struct pickle *p, size_t count, size_t below)
{
    struct pickle_value *v = pickle_new(p, PICKLE_TUPLE);

    if (v == NULL)
        return EXIT_FAILED;
    TRY(append(p, &v->as.list, p->stack + p->depth - count, count));
    p->depth -= count + below;
    return push(p, v);
}

static int op_tuple_of(struct pickle *p, int count)
{
    if (peek(p, (size_t)count - 1) == NULL)
        return EXIT_FAILED;
    return make_tuple(p, (size_t)count, 0);
}

static int op_tuple(struct pickle *p, int arg)
{
    size_t first = 0;

    (void)arg;
    TRY(find_mark(p, &first));
    return make_tuple(p, p->depth - first, 1);
}

/* The `count` values on top go into the list or dictionary that lies `below` further down. */
static int store(struct pickle *p, int kind, size_t count, size_t below)
{
    struct pickle_value *into;

    p->depth -= count + below;
    into = peek(p, 0);
    if (into == NULL)
        return EXIT_FAILED;
    if (into->kind != (enum pickle_kind)kind)
        return pickle_refuse(p, "items for %s", pickle_kind_name(into->kind));
    if (kind == PICKLE_DICT && count % 2 != 0)
        return pickle_refuse(p, "a key without a value");
    return append(p, &into->as.list, p->stack + p->depth + below, count);
}

static int op_append(struct pickle *p, int kind)
{
    const size_t count = kind == PICKLE_DICT ? 2 : 1;

    if (peek(p, count) == NULL)
        return EXIT_FAILED;
    return store(p, kind, count, 0);
}

static int op_appends(struct pickle *p, int kind)
{
    size_t first = 0;

    TRY(find_mark(p, &first));
    return store(p, kind, p->depth - first, 1);
}

static int op_put(struct pickle *p, int width)
{
    uint64_t place;

    TRY(take_number(p, width, &place));
    return remember(p, place);
}

static int op_memoize(struct pickle *p, int arg)
{
    (void)arg;
    return remember(p, p->memo_count);
}

static int op_get(struct pickle *p, int width)
{
    uint64_t place;

    TRY(take_number(p, width, &place));
    if (place >= p->memo_space || p->memo[place] == NULL)
        return pickle_refuse(p, "memo %llu holds nothing", (unsigned long long)place);
    return push(p, p->memo[place]);
}

static int op_global(struct pickle *p, int arg)
{
    struct pickle_text module = {NULL, 0}, name = {NULL, 0};
    struct pickle_value *v;

    (void)arg;
    TRY(take_line(p, &module));
    TRY(take_line(p, &name));
    TRY(pickle_global(p, module, name, &v));
    return push(p, v);
}

static int op_stack_global(struct pickle *p, int arg)
{
    const struct pickle_value *name = peek(p, 0), *module = name == NULL ? NULL : peek(p, 1);
    struct pickle_value *v;

    (void)arg;
    if (module == NULL)
        return EXIT_FAILED;
    if (module->kind != PICKLE_TEXT || name->kind != PICKLE_TEXT)
        return pickle_refuse(p, "STACK_GLOBAL of something else than two texts");
    TRY(pickle_global(p, module->as.text, name->as.text, &v));
    p->depth -= 2;
    return push(p, v);
}

static int op_reduce(struct pickle *p, int arg)
{
    const struct pickle_value *args = peek(p, 0), *function = args == NULL ? NULL : peek(p, 1);
    struct pickle_value *v;

    (void)arg;
    if (function == NULL)
        return EXIT_FAILED;
    TRY(pickle_call(p, function, args, &v));
    p->depth -= 2;
    return push(p, v);
}

static int op_build(struct pickle *p, int arg)
{
    const struct pickle_value *state = peek(p, 0);
    struct pickle_value *object = state == NULL ? NULL : peek(p, 1);

    (void)arg;
    if (object == NULL)
        return EXIT_FAILED;
    TRY(pickle_build(p, object, state));
    p->depth--;
    return EXIT_OK;
}

const struct pickle_opcode pickle_opcodes[256] = {
    [0x80] = {"PROTO", op_proto, 0},
    [0x95] = {"FRAME", op_frame, 0},
    ['.'] = {"STOP", op_stop, 0},
    ['('] = {"MARK", op_mark, 0},
    ['N'] = {"NONE", op_none, 0},
    [0x88] = {"NEWTRUE", op_bool, 1},
    [0x89] = {"NEWFALSE", op_bool, 0},
    ['K'] = {"BININT1", op_integer, 1},
    ['M'] = {"BININT2", op_integer, 2},
    ['J'] = {"BININT", op_integer, 4},
    [0x8a] = {"LONG1", op_long, 0},
    ['G'] = {"BINFLOAT", op_float, 0},
    ['U'] = {"SHORT_BINSTRING", op_text, 1},
    ['T'] = {"BINSTRING", op_text, 4},
    ['C'] = {"SHORT_BINBYTES", op_text, 1},
    ['B'] = {"BINBYTES", op_text, 4},
    [0x8e] = {"BINBYTES8", op_text, 8},
    [0x96] = {"BYTEARRAY8", op_text, 8},
    [0x8c] = {"SHORT_BINUNICODE", op_text, 1},
    ['X'] = {"BINUNICODE", op_text, 4},
    [0x8d] = {"BINUNICODE8", op_text, 8},
    [')'] = {"EMPTY_TUPLE", op_empty, PICKLE_TUPLE},
    [']'] = {"EMPTY_LIST", op_empty, PICKLE_LIST},
    ['}'] = {"EMPTY_DICT", op_empty, PICKLE_DICT},
    [0x85] = {"TUPLE1", op_tuple_of, 1},
    [0x86] = {"TUPLE2", op_tuple_of, 2},
    [0x87] = {"TUPLE3", op_tuple_of, 3},
    ['t'] = {"TUPLE", op_tuple, 0},
    ['a'] = {"APPEND", op_append, PICKLE_LIST},
    ['e'] = {"APPENDS", op_appends, PICKLE_LIST},
    ['s'] = {"SETITEM", op_append, PICKLE_DICT},
    ['u'] = {"SETITEMS", op_appends, PICKLE_DICT},
    ['q'] = {"BINPUT", op_put, 1},
    ['r'] = {"LONG_BINPUT", op_put, 4},
    [0x94] = {"MEMOIZE", op_memoize, 0},
    ['h'] = {"BINGET", op_get, 1},
    ['j'] = {"LONG_BINGET", op_get, 4},
    ['c'] = {"GLOBAL", op_global, 0},
    [0x93] = {"STACK_GLOBAL", op_stack_global, 0},
    ['R'] = {"REDUCE", op_reduce, 0},
    ['b'] = {"BUILD", op_build, 0},
    /* Known, and refused by name. */
    ['0'] = {"POP", NULL, 0},
    ['1'] = {"POP_MARK", NULL, 0},
    ['2'] = {"DUP", NULL, 0},
    ['F'] = {"FLOAT", NULL, 0},
    ['I'] = {"INT", NULL, 0},
    ['L'] = {"LONG", NULL, 0},
    ['S'] = {"STRING", NULL, 0},
    ['V'] = {"UNICODE", NULL, 0},
    ['P'] = {"PERSID", NULL, 0},
    ['Q'] = {"BINPERSID", NULL, 0},
    ['d'] = {"DICT", NULL, 0},
    ['g'] = {"GET", NULL, 0},
    ['i'] = {"INST", NULL, 0},
    ['l'] = {"LIST", NULL, 0},
    ['o'] = {"OBJ", NULL, 0},
    ['p'] = {"PUT", NULL, 0},
    [0x81] = {"NEWOBJ", NULL, 0},
    [0x82] = {"EXT1", NULL, 0},
    [0x83] = {"EXT2", NULL, 0},
    [0x84] = {"EXT4", NULL, 0},
    [0x8b] = {"LONG4", NULL, 0},
    [0x8f] = {"EMPTY_SET", NULL, 0},
    [0x90] = {"ADDITEMS", NULL, 0},
    [0x91] = {"FROZENSET", NULL, 0},
    [0x92] = {"NEWOBJ_EX", NULL, 0},
    [0x97] = {"NEXT_BUFFER", NULL, 0},
    [0x98] = {"READONLY_BUFFER", NULL, 0},
};
