/* SPDX-License-Identifier: MIT */
/* Writing safetensors files in upstream's layout: tensors by dtype (widest first), then name, so
 * that each lies at a multiple of its number size; the header padded with spaces to 8 bytes.
 *
 * The header is produced twice by the same code: once to be counted, once to be kept. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/algorithms/utf8.h"
#include "core/context.h"
#include "core/error.h"
#include "core/file.h"
#include "core/memory.h"
#include "io/safetensors.h"

typedef struct entry {
    jem__st_tensor tensor; /* `at` is relative to the data, set when written */
    const jem__st_dtype *type;
    const void *data;
} entry;

typedef struct pair {
    char *key, *value;
} pair;

struct jem__st_builder {
    jem_context *ctx; /* a reference */
    entry *entries;   /* in file order */
    int64_t n_entries, cap_entries;
    pair *metadata; /* by key */
    int64_t n_metadata, cap_metadata;
};

/* Text that is counted (out NULL) or written. */
typedef struct sink {
    char *out;
    int64_t len;
} sink;

jem_status jem__st_builder_create(jem_context *ctx, jem__st_builder **out)
{
    *out = NULL;
    jem__st_builder *b = jem__alloc(ctx, 1, sizeof *b);
    if (b == NULL)
        return JEM_E_NOMEM;
    b->ctx = jem__context_ref(ctx);
    *out = b;
    return JEM_OK;
}

void jem__st_builder_free(jem__st_builder *b)
{
    if (b == NULL)
        return;
    jem_context *ctx = b->ctx;
    for (int64_t i = 0; i < b->n_entries; i++)
        jem__free(ctx, b->entries[i].tensor.name);
    for (int64_t i = 0; i < b->n_metadata; i++) {
        jem__free(ctx, b->metadata[i].key);
        jem__free(ctx, b->metadata[i].value);
    }
    jem__free(ctx, b->entries);
    jem__free(ctx, b->metadata);
    jem__free(ctx, b);
    jem__context_unref(ctx);
}

/* An array with space for one more element than `n`: the array itself or a copy twice as long;
 * NULL when memory ran out (the old array is then untouched). */
static void *grown(jem_context *ctx, void *array, int64_t n, int64_t *cap, int64_t size)
{
    if (n < *cap)
        return array;
    const int64_t more = *cap > 0 ? 2 * *cap : 16;
    void *copy = jem__alloc(ctx, more, size);
    if (copy == NULL)
        return NULL;
    if (n > 0)
        memcpy(copy, array, (size_t)(n * size));
    jem__free(ctx, array);
    *cap = more;
    return copy;
}

static int32_t is_ascii(const char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text > 127)
            return 0;
    }
    return 1;
}

jem_status jem__st_add_metadata(jem__st_builder *b, const char *key, const char *value)
{
    const int64_t len = (int64_t)strlen(value);
    if (!is_ascii(key) || jem__utf8_sound(value, len) < len)
        return jem__fail(JEM_E_INTERNAL, "jem__st_add_metadata: \"%.64s\" is not UTF-8", key);
    int64_t at = b->n_metadata;
    while (at > 0 && strcmp(b->metadata[at - 1].key, key) > 0)
        at--;
    if (at > 0 && strcmp(b->metadata[at - 1].key, key) == 0)
        return jem__fail(JEM_E_INTERNAL, "jem__st_add_metadata: \"%.64s\" is there twice", key);
    pair *pairs =
        grown(b->ctx, b->metadata, b->n_metadata, &b->cap_metadata, sizeof *b->metadata);
    if (pairs == NULL)
        return JEM_E_NOMEM;
    b->metadata = pairs;
    pair p = {jem__strdup(b->ctx, key), jem__strdup(b->ctx, value)};
    if (p.key == NULL || p.value == NULL) {
        jem__free(b->ctx, p.key);
        jem__free(b->ctx, p.value);
        return JEM_E_NOMEM;
    }
    memmove(pairs + at + 1, pairs + at, (size_t)(b->n_metadata - at) * sizeof *pairs);
    pairs[at] = p;
    b->n_metadata++;
    return JEM_OK;
}

/* Everything about a tensor but its copy of the name. */
static jem_status fill_entry(const jem__st_builder *b, const char *name, const char *dtype,
                             int32_t rank, const int64_t *shape, const void *data, entry *e)
{
    memset(e, 0, sizeof *e);
    e->type = jem__st_dtype_find(dtype);
    if (e->type == NULL || rank < 0 || rank > JEM__ST_MAX_RANK)
        return jem__fail(JEM_E_INTERNAL, "jem__st_add: \"%.64s\": dtype %.8s or rank %" PRId32,
                         name, dtype, rank);
    if (!is_ascii(name) || strlen(name) > JEM__ST_MAX_NAME || strcmp(name, "__metadata__") == 0)
        return jem__fail(JEM_E_INTERNAL, "jem__st_add: \"%.64s\" is no name for a tensor",
                         name);
    for (int64_t i = 0; i < b->n_entries; i++) {
        if (strcmp(b->entries[i].tensor.name, name) == 0)
            return jem__fail(JEM_E_INTERNAL, "jem__st_add: \"%.64s\" is there twice", name);
    }
    e->data = data;
    e->tensor.dtype = e->type->name;
    e->tensor.rank = rank;
    e->tensor.count = 1;
    int32_t fits = b->n_entries < JEM__ST_MAX_TENSORS;
    for (int32_t i = 0; i < rank; i++) {
        e->tensor.shape[i] = shape[i];
        fits = fits && jem__mul(e->tensor.count, shape[i], &e->tensor.count);
    }
    int64_t bits = 0;
    if (!fits || !jem__mul(e->tensor.count, e->type->bits, &bits) || bits % 8 != 0)
        return jem__fail(JEM_E_INTERNAL, "jem__st_add: \"%.64s\" is too much", name);
    e->tensor.bytes = bits / 8;
    return JEM_OK;
}

static int32_t goes_after(const entry *e, const jem__st_dtype *type, const char *name)
{
    return e->type != type ? e->type > type : strcmp(e->tensor.name, name) > 0;
}

jem_status jem__st_add(jem__st_builder *b, const char *name, const char *dtype, int32_t rank,
                       const int64_t *shape, const void *data)
{
    entry e;

    JEM__TRY(fill_entry(b, name, dtype, rank, shape, data, &e));
    entry *entries =
        grown(b->ctx, b->entries, b->n_entries, &b->cap_entries, sizeof *b->entries);
    if (entries == NULL)
        return JEM_E_NOMEM;
    b->entries = entries;
    e.tensor.name = jem__strdup(b->ctx, name);
    if (e.tensor.name == NULL)
        return JEM_E_NOMEM;
    int64_t at = b->n_entries;
    while (at > 0 && goes_after(&entries[at - 1], e.type, name))
        at--;
    memmove(entries + at + 1, entries + at, (size_t)(b->n_entries - at) * sizeof *entries);
    entries[at] = e;
    b->n_entries++;
    return JEM_OK;
}

static void put(sink *s, const char *text)
{
    const size_t n = strlen(text);

    if (s->out != NULL)
        memcpy(s->out + s->len, text, n);
    s->len += (int64_t)n;
}

static void put_number(sink *s, int64_t value)
{
    char text[24];

    snprintf(text, sizeof text, "%" PRId64, value);
    put(s, text);
}

static void put_string(sink *s, const char *text)
{
    put(s, "\"");
    for (; *text != '\0'; text++) {
        const unsigned char c = (unsigned char)*text;
        char escape[8] = {(char)c, '\0'};
        if (c == '"' || c == '\\')
            snprintf(escape, sizeof escape, "\\%c", c);
        else if (c < 0x20)
            snprintf(escape, sizeof escape, "\\u%04x", (unsigned)c);
        put(s, escape);
    }
    put(s, "\"");
}

static void put_entry(sink *s, const jem__st_tensor *t)
{
    put_string(s, t->name);
    put(s, ":{\"dtype\":");
    put_string(s, t->dtype);
    put(s, ",\"shape\":[");
    for (int32_t i = 0; i < t->rank; i++) {
        put(s, i > 0 ? "," : "");
        put_number(s, t->shape[i]);
    }
    put(s, "],\"data_offsets\":[");
    put_number(s, t->at);
    put(s, ",");
    put_number(s, t->at + t->bytes);
    put(s, "]}");
}

static void put_header(sink *s, const jem__st_builder *b)
{
    put(s, "{");
    for (int64_t i = 0; i < b->n_metadata; i++) {
        put(s, i > 0 ? "," : "\"__metadata__\":{");
        put_string(s, b->metadata[i].key);
        put(s, ":");
        put_string(s, b->metadata[i].value);
    }
    put(s, b->n_metadata > 0 ? "}" : "");
    for (int64_t i = 0; i < b->n_entries; i++) {
        put(s, i > 0 || b->n_metadata > 0 ? "," : "");
        put_entry(s, &b->entries[i].tensor);
    }
    put(s, "}");
    while (s->len % 8 != 0)
        put(s, " ");
}

/* The 8 bytes of the header's length, the header, the tensors. */
static jem_status write_all(const jem__st_builder *b, const sink *header, struct jem__writer *w)
{
    uint8_t len[8];

    for (int32_t i = 0; i < 8; i++)
        len[i] = (uint8_t)((uint64_t)header->len >> (8 * i));
    JEM__TRY(jem__writer_write(w, len, 8));
    JEM__TRY(jem__writer_write(w, header->out, header->len));
    for (int64_t i = 0; i < b->n_entries; i++)
        JEM__TRY(jem__writer_write(w, b->entries[i].data, b->entries[i].tensor.bytes));
    return JEM_OK;
}

jem_status jem__st_write(jem__st_builder *b, const char *caller, const char *path)
{
    int64_t end = 0;

    for (int64_t i = 0; i < b->n_entries; i++) {
        jem__st_tensor *t = &b->entries[i].tensor;
        if (t->bytes > INT64_MAX / 2 - end)
            return jem__fail(JEM_E_INTERNAL, "%s: %s: too many bytes", caller, path);
        t->at = end;
        end += t->bytes;
    }
    sink header = {NULL, 0};
    put_header(&header, b);
    if (header.len > JEM__ST_MAX_HEADER)
        return jem__fail(JEM_E_INTERNAL, "%s: %s: header of %" PRId64 " bytes, at most %d",
                         caller, path, header.len, JEM__ST_MAX_HEADER);
    header.out = jem__alloc_raw(b->ctx, header.len, 1);
    if (header.out == NULL)
        return JEM_E_NOMEM;
    header.len = 0;
    put_header(&header, b);

    struct jem__writer *w;
    jem_status status = jem__writer_open(b->ctx, caller, path, &w);
    if (status == JEM_OK) {
        status = write_all(b, &header, w);
        if (status == JEM_OK)
            status = jem__writer_finish(w);
        else
            jem__writer_abandon(w);
    }
    jem__free(b->ctx, header.out);
    return status;
}
