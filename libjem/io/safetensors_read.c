/* SPDX-License-Identifier: MIT */
/* Reading safetensors files that may come from anywhere.
 *
 * Everything the header claims is compared with the file before a tensor is touched, as upstream
 * (safetensors/src/tensor.rs) does: offsets must tile the data without hole or overlap, shapes
 * must account for every byte, nothing may follow. Limits of our own keep the cost of a hostile
 * header small: its length, the numbers of tensors and texts, names and ranks. */

#include "io/safetensors.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/algorithms/sort.h"
#include "core/context.h"
#include "core/error.h"
#include "core/file.h"
#include "core/memory.h"
#include "io/json.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "tensors are read and written as they lie in memory");

typedef struct pair {
    char *key, *value;
} pair;

struct jem__st_file {
    jem_context *ctx; /* a reference */
    const char *caller;
    char *path; /* its end, for error texts */
    struct jem__reader *reader;
    jem__st_tensor *tensors; /* by offset */
    int64_t n_tensors, room_tensors;
    pair *metadata; /* by key, once all are read */
    int64_t n_metadata, room_metadata;
    int32_t has_metadata;
};

static const jem__st_dtype dtypes[] = {
    {"U64", 64, JEM__ST_UNSIGNED},      {"I64", 64, JEM__ST_SIGNED},
    {"F64", 64, JEM__ST_FLOAT},         {"C64", 64, JEM__ST_OPAQUE},
    {"F32", 32, JEM__ST_FLOAT},         {"U32", 32, JEM__ST_UNSIGNED},
    {"I32", 32, JEM__ST_SIGNED},        {"BF16", 16, JEM__ST_BFLOAT},
    {"F16", 16, JEM__ST_FLOAT},         {"U16", 16, JEM__ST_UNSIGNED},
    {"I16", 16, JEM__ST_SIGNED},        {"F8_E5M2FNUZ", 8, JEM__ST_OPAQUE},
    {"F8_E4M3FNUZ", 8, JEM__ST_OPAQUE}, {"F8_E8M0", 8, JEM__ST_OPAQUE},
    {"F8_E4M3", 8, JEM__ST_OPAQUE},     {"F8_E5M2", 8, JEM__ST_OPAQUE},
    {"I8", 8, JEM__ST_SIGNED},          {"U8", 8, JEM__ST_UNSIGNED},
    {"F6_E3M2", 6, JEM__ST_OPAQUE},     {"F6_E2M3", 6, JEM__ST_OPAQUE},
    {"F4", 4, JEM__ST_OPAQUE},          {"BOOL", 8, JEM__ST_BOOL},
};

const jem__st_dtype *jem__st_dtype_find(const char *name)
{
    for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++) {
        if (strcmp(dtypes[i].name, name) == 0)
            return &dtypes[i];
    }
    return NULL;
}

void jem__st_shape_text(int32_t rank, const int64_t *shape, char out[JEM__ST_SHAPE_SIZE])
{
    int used = snprintf(out, JEM__ST_SHAPE_SIZE, "[");

    for (int32_t i = 0; i < rank; i++)
        used += snprintf(out + used, (size_t)(JEM__ST_SHAPE_SIZE - used), "%s%" PRId64,
                         i > 0 ? ", " : "", shape[i]);
    (void)snprintf(out + used, (size_t)(JEM__ST_SHAPE_SIZE - used), "]");
}

/* The text of a failure of the reader, at the place where it stands. */
static jem_status bad_json(const jem__st_file *f, const jem__json *j)
{
    return jem__fail(JEM_E_FORMAT, "%s: %s: header, byte %" PRId64 ": %s", f->caller, f->path,
                     j->at, j->wrong != NULL ? j->wrong : "no sound value");
}

/* A name or text of the header; frees nothing on failure, since there is nothing. */
static jem_status read_name(const jem__st_file *f, jem__json *j, char **out)
{
    const jem_status status = jem__json_name(f->ctx, j, out);

    return status == JEM_E_FORMAT ? bad_json(f, j) : status;
}

static jem_status read_text(const jem__st_file *f, jem__json *j, char **out)
{
    const jem_status status = jem__json_text(f->ctx, j, out);

    return status == JEM_E_FORMAT ? bad_json(f, j) : status;
}

/* A whole number >= 0; `field` and `index` say which. */
static jem_status read_size(const jem__st_file *f, jem__json *j, const char *name,
                            const char *field, int32_t index, int64_t *out)
{
    if (!jem__json_integer(j, out)) {
        if (j->wrong != NULL)
            return bad_json(f, j);
        return jem__fail(JEM_E_FORMAT,
                         "%s: %s: tensor \"%.64s\": %s[%" PRId32 "] is not an integer",
                         f->caller, f->path, name, field, index);
    }
    if (*out < 0)
        return jem__fail(JEM_E_FORMAT,
                         "%s: %s: tensor \"%.64s\": %s[%" PRId32 "] = %" PRId64
                         ", must be at least 0",
                         f->caller, f->path, name, field, index, *out);
    return JEM_OK;
}

static jem_status read_shape(const jem__st_file *f, jem__json *j, const char *name,
                             jem__st_tensor *t)
{
    if (!jem__json_enter(j, '['))
        return jem__fail(JEM_E_FORMAT, "%s: %s: tensor \"%.64s\": shape is not an array",
                         f->caller, f->path, name);
    t->rank = 0;
    t->count = 1;
    for (int32_t first = 1; jem__json_next(j, ']', &first); t->rank++) {
        int64_t size = 0;
        JEM__TRY(read_size(f, j, name, "shape", t->rank, &size));
        if (t->rank == JEM__ST_MAX_RANK)
            return jem__fail(JEM_E_FORMAT,
                             "%s: %s: tensor \"%.64s\": %d dimensions or more, must be at most "
                             "%d",
                             f->caller, f->path, name, JEM__ST_MAX_RANK + 1, JEM__ST_MAX_RANK);
        t->shape[t->rank] = size;
        if (!jem__mul(t->count, size, &t->count))
            return jem__fail(JEM_E_FORMAT,
                             "%s: %s: tensor \"%.64s\": its shape holds more numbers than a "
                             "64-bit number counts",
                             f->caller, f->path, name);
    }
    return j->wrong != NULL ? bad_json(f, j) : JEM_OK;
}

/* Offsets relative to the data. */
static jem_status read_offsets(const jem__st_file *f, jem__json *j, const char *name,
                               int64_t out[2])
{
    int32_t count = 0, sound = jem__json_enter(j, '[');

    for (int32_t first = 1; sound && jem__json_next(j, ']', &first); count++) {
        if (count < 2)
            JEM__TRY(read_size(f, j, name, "data_offsets", count, &out[count]));
        sound = count < 2;
    }
    if (j->wrong != NULL)
        return bad_json(f, j);
    if (!sound || count != 2)
        return jem__fail(JEM_E_FORMAT,
                         "%s: %s: tensor \"%.64s\": data_offsets is not an array of two",
                         f->caller, f->path, name);
    return JEM_OK;
}

static jem_status read_dtype(const jem__st_file *f, jem__json *j, const char *name,
                             jem__st_tensor *t)
{
    char *dtype;

    JEM__TRY(read_text(f, j, &dtype));
    const jem__st_dtype *type = jem__st_dtype_find(dtype);
    jem_status status = JEM_OK;
    if (type == NULL)
        status = jem__fail(JEM_E_FORMAT, "%s: %s: tensor \"%.64s\": unknown dtype \"%.64s\"",
                           f->caller, f->path, name, dtype);
    else
        t->dtype = type->name;
    jem__free(f->ctx, dtype);
    return status;
}

/* Which of a tensor's three members this is, as a bit; 0: none of them. */
enum { DTYPE = 1, SHAPE = 2, OFFSETS = 4 };

static int32_t member(const char *key)
{
    return strcmp(key, "dtype") == 0          ? DTYPE
           : strcmp(key, "shape") == 0        ? SHAPE
           : strcmp(key, "data_offsets") == 0 ? OFFSETS
                                              : 0;
}

static jem_status bad_members(const jem__st_file *f, const char *name)
{
    return jem__fail(
        JEM_E_FORMAT,
        "%s: %s: tensor \"%.64s\": must have exactly dtype, shape and data_offsets", f->caller,
        f->path, name);
}

static jem_status read_member(const jem__st_file *f, jem__json *j, const char *name,
                              int32_t *seen, jem__st_tensor *t, int64_t offsets[2])
{
    char *key;

    JEM__TRY(read_name(f, j, &key));
    const int32_t which = member(key);
    const int32_t twice = (*seen & which) != 0;
    jem__free(f->ctx, key);
    *seen |= which;
    if (twice)
        return jem__fail(JEM_E_FORMAT, "%s: %s: tensor \"%.64s\": duplicate object key",
                         f->caller, f->path, name);
    if (which == DTYPE && jem__json_peek(j) == '"')
        return read_dtype(f, j, name, t);
    if (which == SHAPE)
        return read_shape(f, j, name, t);
    if (which == OFFSETS)
        return read_offsets(f, j, name, offsets);
    return bad_members(f, name);
}

static jem_status check_tensor(const jem__st_file *f, const char *name,
                               const int64_t offsets[2], int64_t data_len, jem__st_tensor *t)
{
    const int64_t begin = offsets[0], end = offsets[1];
    int64_t bits;

    if (end < begin || end > data_len)
        return jem__fail(JEM_E_FORMAT,
                         "%s: %s: tensor \"%.64s\": data_offsets end at %" PRId64
                         ", must be %" PRId64 " to %" PRId64 ", where the data ends",
                         f->caller, f->path, name, end, begin, data_len);
    t->at = begin;
    t->bytes = end - begin;
    const jem__st_dtype *type = jem__st_dtype_find(t->dtype);
    if (type == NULL || !jem__mul(t->count, type->bits, &bits) || bits % 8 != 0 ||
        bits / 8 != t->bytes)
        return jem__fail(JEM_E_FORMAT,
                         "%s: %s: tensor \"%.64s\": %" PRId64 " numbers of type %s do not fill "
                         "its %" PRId64 " bytes",
                         f->caller, f->path, name, t->count, t->dtype, t->bytes);
    return JEM_OK;
}

/* The tensor whose name was read, all but the name. */
static jem_status read_tensor(const jem__st_file *f, jem__json *j, const char *name,
                              int64_t data_len, jem__st_tensor *t)
{
    int64_t offsets[2] = {0, 0};
    int32_t seen = 0;

    if (strlen(name) > JEM__ST_MAX_NAME)
        return jem__fail(JEM_E_FORMAT,
                         "%s: %s: tensor \"%.64s...\": name of %zu bytes, must be at most %d",
                         f->caller, f->path, name, strlen(name), JEM__ST_MAX_NAME);
    if (!jem__json_enter(j, '{'))
        return bad_members(f, name);
    for (int32_t first = 1; jem__json_next(j, '}', &first);)
        JEM__TRY(read_member(f, j, name, &seen, t, offsets));
    if (j->wrong != NULL)
        return bad_json(f, j);
    if (seen != (DTYPE | SHAPE | OFFSETS))
        return bad_members(f, name);
    return check_tensor(f, name, offsets, data_len, t);
}

/* Space for one more element than `n`, at most `most`. */
static jem_status make_room(const jem__st_file *f, void **array, int64_t n, int64_t *room,
                            int64_t size, int64_t most, const char *what)
{
    if (n >= most)
        return jem__fail(JEM_E_FORMAT,
                         "%s: %s: %" PRId64 " %s or more, must be at most %" PRId64, f->caller,
                         f->path, n + 1, what, most);
    if (n < *room)
        return JEM_OK;
    const int64_t more = *room > 0 ? 2 * *room : 16;
    void *copy = jem__alloc(f->ctx, more, size);
    if (copy == NULL)
        return JEM_E_NOMEM;
    if (n > 0)
        memcpy(copy, *array, (size_t)(n * size));
    jem__free(f->ctx, *array);
    *array = copy;
    *room = more;
    return JEM_OK;
}

static jem_status read_entry(jem__st_file *f, jem__json *j)
{
    void *list = f->metadata;
    const jem_status room = make_room(f, &list, f->n_metadata, &f->room_metadata,
                                      sizeof *f->metadata, JEM__ST_MAX_TENSORS, "metadata");

    f->metadata = list;
    JEM__TRY(room);
    pair *p = &f->metadata[f->n_metadata];
    JEM__TRY(read_name(f, j, &p->key));
    f->n_metadata++; /* freed with the file from here on */
    if (jem__json_peek(j) != '"')
        return jem__fail(JEM_E_FORMAT, "%s: %s: metadata \"%.64s\" is not a text", f->caller,
                         f->path, p->key);
    return read_text(f, j, &p->value);
}

static int32_t key_before(const void *first, const void *second)
{
    return strcmp(((const pair *)first)->key, ((const pair *)second)->key) < 0;
}

static jem_status read_metadata(jem__st_file *f, jem__json *j)
{
    if (f->has_metadata)
        return jem__fail(JEM_E_FORMAT, "%s: %s: __metadata__: duplicate object key", f->caller,
                         f->path);
    f->has_metadata = 1;
    if (!jem__json_enter(j, '{'))
        return jem__fail(JEM_E_FORMAT, "%s: %s: __metadata__ is not an object", f->caller,
                         f->path);
    for (int32_t first = 1; jem__json_next(j, '}', &first);)
        JEM__TRY(read_entry(f, j));
    if (j->wrong != NULL)
        return bad_json(f, j);
    jem__sort(f->metadata, f->n_metadata, sizeof *f->metadata, key_before);
    for (int64_t i = 1; i < f->n_metadata; i++) {
        if (strcmp(f->metadata[i - 1].key, f->metadata[i].key) == 0)
            return jem__fail(JEM_E_FORMAT, "%s: %s: metadata \"%.64s\": duplicate object key",
                             f->caller, f->path, f->metadata[i].key);
    }
    return JEM_OK;
}

static int32_t lies_before(const void *first, const void *second)
{
    const jem__st_tensor *a = first, *b = second;

    return a->at != b->at ? a->at < b->at : a->bytes < b->bytes;
}

/* Offsets must tile the data: 0 to the first end, from there to the next, ... to the end of the
 * file. Afterwards `at` counts from the beginning of the file. */
static jem_status check_tiling(jem__st_file *f, int64_t data_begin, int64_t data_len)
{
    int64_t end = 0;

    jem__sort(f->tensors, f->n_tensors, sizeof *f->tensors, lies_before);
    for (int64_t i = 0; i < f->n_tensors; i++) {
        jem__st_tensor *t = &f->tensors[i];
        if (t->at != end)
            return jem__fail(JEM_E_FORMAT,
                             "%s: %s: tensor \"%.64s\" begins at data offset %" PRId64
                             ", must be %" PRId64 ", where the one before ends",
                             f->caller, f->path, t->name, t->at, end);
        end += t->bytes;
        t->at += data_begin;
    }
    if (end != data_len)
        return jem__fail(JEM_E_FORMAT,
                         "%s: %s: tensors end at data offset %" PRId64 ", the file at %" PRId64,
                         f->caller, f->path, end, data_len);
    return JEM_OK;
}

static int32_t name_before(const void *first, const void *second)
{
    return strcmp(((const jem__st_tensor *)first)->name,
                  ((const jem__st_tensor *)second)->name) < 0;
}

static jem_status check_names(jem__st_file *f)
{
    jem__sort(f->tensors, f->n_tensors, sizeof *f->tensors, name_before);
    for (int64_t i = 1; i < f->n_tensors; i++) {
        if (strcmp(f->tensors[i - 1].name, f->tensors[i].name) == 0)
            return jem__fail(JEM_E_FORMAT, "%s: %s: tensor \"%.64s\": duplicate object key",
                             f->caller, f->path, f->tensors[i].name);
    }
    return JEM_OK;
}

/* A tensor, or the metadata, which stand side by side. */
static jem_status read_thing(jem__st_file *f, jem__json *j, int64_t data_len)
{
    char *name;

    JEM__TRY(read_name(f, j, &name));
    if (strcmp(name, "__metadata__") == 0) {
        jem__free(f->ctx, name);
        return read_metadata(f, j);
    }
    void *list = f->tensors;
    const jem_status room = make_room(f, &list, f->n_tensors, &f->room_tensors,
                                      sizeof *f->tensors, JEM__ST_MAX_TENSORS, "tensors");
    f->tensors = list;
    if (room != JEM_OK) {
        jem__free(f->ctx, name);
        return room;
    }
    jem__st_tensor *t = &f->tensors[f->n_tensors++];
    t->name = name; /* freed with the file from here on */
    return read_tensor(f, j, name, data_len, t);
}

static jem_status read_header(jem__st_file *f, const char *text, int64_t len)
{
    const int64_t data_begin = 8 + len, data_len = jem__reader_size(f->reader) - data_begin;
    jem__json j;

    jem__json_open(&j, text, len);
    if (!jem__json_enter(&j, '{')) {
        if (jem__json_peek(&j) == '[' || jem__json_peek(&j) == '"')
            return jem__fail(JEM_E_FORMAT, "%s: %s: header is not a JSON object", f->caller,
                             f->path);
        return bad_json(f, &j);
    }
    for (int32_t first = 1; jem__json_next(&j, '}', &first);)
        JEM__TRY(read_thing(f, &j, data_len));
    if (!jem__json_end(&j))
        return bad_json(f, &j);
    JEM__TRY(check_names(f));
    return check_tiling(f, data_begin, data_len);
}

static jem_status read_file(jem__st_file *f)
{
    const int64_t size = jem__reader_size(f->reader);
    uint8_t raw[8];
    uint64_t len = 0;

    if (size < 8)
        return jem__fail(JEM_E_FORMAT, "%s: %s: %" PRId64 " bytes, must be at least 8",
                         f->caller, f->path, size);
    JEM__TRY(jem__reader_read(f->reader, 0, raw, 8));
    for (int32_t i = 7; i >= 0; i--)
        len = len << 8 | raw[i];
    if (len > (uint64_t)(size - 8))
        return jem__fail(JEM_E_FORMAT,
                         "%s: %s: header length %" PRIu64 " at offset 0, only %" PRId64
                         " bytes follow: not a safetensors file, or cut short",
                         f->caller, f->path, len, size - 8);
    if (len > JEM__ST_MAX_HEADER)
        return jem__fail(JEM_E_FORMAT,
                         "%s: %s: header length %" PRIu64 " at offset 0, must be at most %d",
                         f->caller, f->path, len, JEM__ST_MAX_HEADER);
    char *text = jem__alloc_raw(f->ctx, (int64_t)len, 1);
    if (text == NULL)
        return JEM_E_NOMEM;
    jem_status status = jem__reader_read(f->reader, 8, text, (int64_t)len);
    if (status == JEM_OK)
        status = read_header(f, text, (int64_t)len);
    jem__free(f->ctx, text);
    return status;
}

jem_status jem__st_open(jem_context *ctx, const char *caller, const char *path,
                        jem__st_file **out)
{
    *out = NULL;
    jem__st_file *f = jem__alloc(ctx, 1, sizeof *f);
    if (f == NULL)
        return JEM_E_NOMEM;
    f->ctx = jem__context_ref(ctx);
    f->caller = caller;
    f->path = jem__strdup(ctx, jem__path_end(path));
    jem_status status = f->path == NULL ? JEM_E_NOMEM : JEM_OK;
    if (status == JEM_OK)
        status = jem__reader_open(ctx, caller, path, &f->reader);
    if (status == JEM_OK)
        status = read_file(f);
    if (status != JEM_OK) {
        jem__st_close(f);
        return status;
    }
    *out = f;
    return JEM_OK;
}

void jem__st_close(jem__st_file *f)
{
    if (f == NULL)
        return;
    jem_context *ctx = f->ctx;
    for (int64_t i = 0; i < f->n_tensors; i++)
        jem__free(ctx, f->tensors[i].name);
    for (int64_t i = 0; i < f->n_metadata; i++) {
        jem__free(ctx, f->metadata[i].key);
        jem__free(ctx, f->metadata[i].value);
    }
    jem__free(ctx, f->tensors);
    jem__free(ctx, f->metadata);
    jem__free(ctx, f->path);
    jem__reader_close(f->reader);
    jem__free(ctx, f);
    jem__context_unref(ctx);
}

int64_t jem__st_count(const jem__st_file *f)
{
    return f->n_tensors;
}

const jem__st_tensor *jem__st_tensor_at(const jem__st_file *f, int64_t i)
{
    return &f->tensors[i];
}

const jem__st_tensor *jem__st_find(const jem__st_file *f, const char *name)
{
    for (int64_t i = 0; i < f->n_tensors; i++) {
        if (strcmp(f->tensors[i].name, name) == 0)
            return &f->tensors[i];
    }
    return NULL;
}

const char *jem__st_metadata(const jem__st_file *f, const char *key)
{
    for (int64_t i = 0; i < f->n_metadata; i++) {
        if (strcmp(f->metadata[i].key, key) == 0)
            return f->metadata[i].value;
    }
    return NULL;
}

int64_t jem__st_metadata_count(const jem__st_file *f)
{
    return f->n_metadata;
}

void jem__st_metadata_at(const jem__st_file *f, int64_t i, const char **key, const char **value)
{
    *key = f->metadata[i].key;
    *value = f->metadata[i].value;
}

const char *jem__st_path(const jem__st_file *f)
{
    return f->path;
}

jem_status jem__st_read_bytes(jem__st_file *f, const jem__st_tensor *t, int64_t from, void *out,
                              int64_t bytes)
{
    if (from < 0 || bytes < 0 || bytes > t->bytes || from > t->bytes - bytes)
        return jem__fail(JEM_E_INTERNAL, "%s: %s: tensor \"%.64s\" has %" PRId64 " bytes",
                         f->caller, f->path, t->name, t->bytes);
    return jem__reader_read(f->reader, t->at + from, out, bytes);
}

const char *jem__st_caller(const jem__st_file *f)
{
    return f->caller;
}
