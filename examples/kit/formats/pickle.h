/* SPDX-License-Identifier: MIT */
#ifndef KIT_FORMATS_PICKLE_H
#define KIT_FORMATS_PICKLE_H

/* Python pickles of plain data and NumPy arrays, protocols 2 to 5, read and never executed.
 *
 * A pickle is a program for a stack machine. Here its opcodes and the few functions it may name
 * are fixed tables; they build the values below and can do nothing else. All other opcodes and
 * names are refused by an error that names them. Values may share others, and a list may even hold
 * itself, so whoever walks through them limits the depth. */

#include <stddef.h>
#include <stdint.h>

#define PICKLE_DIMS 8

enum pickle_kind {
    PICKLE_NONE,
    PICKLE_BOOL, /* as.integer */
    PICKLE_INT,  /* as.integer */
    PICKLE_FLOAT,
    PICKLE_TEXT, /* str, bytes or bytearray: Python 2 does not tell them apart either */
    PICKLE_TUPLE,
    PICKLE_LIST,
    PICKLE_DICT, /* as.list: key, value, key, value ... */
    PICKLE_ARRAY,
    /* Seen by the machine only. */
    PICKLE_DTYPE, /* as.array: type, item and order */
    PICKLE_GLOBAL,
    PICKLE_MARK
};

struct pickle_value;

struct pickle_text {
    const uint8_t *bytes; /* no zero at the end */
    size_t length;
};

struct pickle_list {
    struct pickle_value **items;
    size_t count, space;
};

/* A NumPy array; its bytes lie in the file and are as many as the shape needs. */
struct pickle_array {
    char type;   /* 'b' bool, 'i' signed, 'u' unsigned, 'f' float */
    int item;    /* bytes of a value */
    int big;     /* big-endian */
    int fortran; /* the first index runs fastest */
    int dims;
    int64_t shape[PICKLE_DIMS];
    int64_t count;
    const uint8_t *values; /* NULL: the pickle never filled it */
};

struct pickle_value {
    enum pickle_kind kind;
    union {
        int64_t integer;
        double real;
        struct pickle_text text;
        struct pickle_list list;
        struct pickle_array *array;
    } as;
};

struct pickle;

/* Read a whole pickle. The bytes must stay until pickle_free(). `name` is for messages. */
int pickle_read(const char *name, const uint8_t *bytes, size_t length, struct pickle **out);
void pickle_free(struct pickle *p);

/* What the pickle holds. */
const struct pickle_value *pickle_root(const struct pickle *p);

int pickle_text_is(const struct pickle_value *v, const char *text);

/* The value under a key of text; NULL where there is none or `dict` is no dictionary. */
const struct pickle_value *pickle_get(const struct pickle_value *dict, const char *key);

/* How many elements a list, a tuple or an array of one dimension has; -1: it is none. */
int64_t pickle_length(const struct pickle_value *v);

/* Element i of such a value as a whole number. Returns 0 when it is none. */
int pickle_integer_at(const struct pickle_value *v, int64_t i, int64_t *out);

/* "a list", "None" */
const char *pickle_kind_name(enum pickle_kind kind);

#endif
