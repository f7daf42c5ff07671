/* SPDX-License-Identifier: MIT */
#ifndef KIT_FORMATS_PICKLE_MACHINE_H
#define KIT_FORMATS_PICKLE_MACHINE_H

/* Shared by the stack machine (pickle.c), its opcodes (pickle_opcodes.c) and the functions a pickle
 * may name (pickle_numpy.c). */

#include "kit/formats/pickle.h"

struct pickle_chunk;

struct pickle {
    const char *name;
    const uint8_t *bytes;
    size_t length, at, opcode_at;
    struct pickle_chunk *chunks; /* memory of all values */
    size_t used, limit;
    struct pickle_value **stack;
    size_t depth, stack_space;
    struct pickle_value **memo;
    size_t memo_count, memo_space; /* the next MEMOIZE; entries that exist */
    struct pickle_value mark;
    struct pickle_value *root;
};

/* One opcode: its name, and what it does with which argument. No function: it is refused; no name:
 * there is none. */
struct pickle_opcode {
    const char *name;
    int (*run)(struct pickle *p, int arg);
    int arg;
};
extern const struct pickle_opcode pickle_opcodes[256];

/* An error that names the file and the place. Returns EXIT_FAILED. */
int pickle_refuse(const struct pickle *p, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Zeroed memory that lives as long as the pickle; NULL after reporting the error. */
void *pickle_alloc(struct pickle *p, size_t size);
struct pickle_value *pickle_new(struct pickle *p, enum pickle_kind kind);

/* The three ways in which a pickle reaches functions and objects: naming one, calling it,
 * filling what it returned. */
int pickle_global(struct pickle *p, struct pickle_text module, struct pickle_text name,
                  struct pickle_value **out);
int pickle_call(struct pickle *p, const struct pickle_value *function,
                const struct pickle_value *args, struct pickle_value **out);
int pickle_build(struct pickle *p, struct pickle_value *object,
                 const struct pickle_value *state);

#endif
