/* SPDX-License-Identifier: MIT */

/* The stack machine of a pickle: its memory, and one opcode after the other. Values lie in chunks,
 * which are freed together. Looking at the values: pickle_value.c. */

#include "kit/formats/pickle_machine.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "kit/base/report.h"

#define CHUNK_BYTES ((size_t)1 << 16)

/* Memory for values: in proportion to the file, so that a short file cannot ask for much. The
 * greediest opcode of one byte makes a value and a place in a list that doubles. */
#define MEMORY_FACTOR 128
#define MEMORY_MAX    ((size_t)1 << 29)

struct pickle_chunk {
    struct pickle_chunk *next;
    size_t used, space;
    _Alignas(max_align_t) uint8_t bytes[];
};

int pickle_refuse(const struct pickle *p, const char *format, ...)
{
    char text[256];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return report_failed("%s: not a pickle that is read: byte %zu: %s", p->name, p->opcode_at,
                         text);
}

void *pickle_alloc(struct pickle *p, size_t size)
{
    struct pickle_chunk *chunk = p->chunks;
    void *out;

    if (size > p->limit - p->used) {
        pickle_refuse(p, "its values need more than %zu bytes; refused", p->limit);
        return NULL;
    }
    size = (size + 15) / 16 * 16;
    if (chunk == NULL || chunk->space - chunk->used < size) {
        const size_t space = size > CHUNK_BYTES ? size : CHUNK_BYTES;

        chunk = calloc(1, sizeof *chunk + space);
        if (chunk == NULL) {
            report_no_memory();
            return NULL;
        }
        chunk->space = space;
        chunk->next = p->chunks;
        p->chunks = chunk;
    }
    out = chunk->bytes + chunk->used;
    chunk->used += size;
    p->used += size < p->limit - p->used ? size : p->limit - p->used;
    return out;
}

struct pickle_value *pickle_new(struct pickle *p, enum pickle_kind kind)
{
    struct pickle_value *v = pickle_alloc(p, sizeof *v);

    if (v != NULL)
        v->kind = kind;
    return v;
}

/* --- Reading a whole pickle --------------------------------------------------------------- */

static int run(struct pickle *p)
{
    if (p->length < 2 || p->bytes[0] != 0x80)
        return pickle_refuse(p, "it does not begin with PROTO (protocol 0 or 1, or no pickle)");
    while (p->root == NULL) {
        const struct pickle_opcode *op;

        p->opcode_at = p->at;
        if (p->at == p->length)
            return pickle_refuse(p, "cut short: it ends without STOP");
        op = &pickle_opcodes[p->bytes[p->at++]];
        if (op->name == NULL)
            return pickle_refuse(p, "0x%02x is not an opcode", p->bytes[p->opcode_at]);
        if (op->run == NULL)
            return pickle_refuse(p, "refused: opcode %s", op->name);
        TRY(op->run(p, op->arg));
    }
    return EXIT_OK;
}

int pickle_read(const char *name, const uint8_t *bytes, size_t length, struct pickle **out)
{
    struct pickle *p = calloc(1, sizeof *p);

    *out = NULL;
    if (p == NULL)
        return report_no_memory();
    p->name = name;
    p->bytes = bytes;
    p->length = length;
    p->limit = length < MEMORY_MAX / MEMORY_FACTOR ? length * MEMORY_FACTOR : MEMORY_MAX;
    p->mark.kind = PICKLE_MARK;
    if (run(p) != EXIT_OK) {
        pickle_free(p);
        return EXIT_FAILED;
    }
    *out = p;
    return EXIT_OK;
}

void pickle_free(struct pickle *p)
{
    if (p == NULL)
        return;
    while (p->chunks != NULL) {
        struct pickle_chunk *next = p->chunks->next;

        free(p->chunks);
        p->chunks = next;
    }
    free(p->stack);
    free(p->memo);
    free(p);
}

const struct pickle_value *pickle_root(const struct pickle *p)
{
    return p->root;
}
