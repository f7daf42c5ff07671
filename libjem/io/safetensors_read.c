/* SPDX-License-Identifier: MIT */
/* Reading safetensors files that may come from anywhere.
 *
 * Everything the header claims is compared with the file before a tensor is touched, as upstream
 * (safetensors/src/tensor.rs) does: offsets must tile the data without hole or overlap, shapes
 * must account for every byte, nothing may follow. Limits of our own keep the cost of a hostile
 * header small: its length, its depth, the number of its values (jansson makes a node of
 * about a hundred bytes for each), names and ranks. */

#include "io/safetensors.h"

#include <inttypes.h>
#include <string.h>

#include <jansson.h>

#include "core/algorithms/sort.h"
#include "core/context.h"
#include "core/error.h"
#include "core/file.h"
#include "core/memory.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "tensors are read and written as they lie in memory");

#define MAX_DEPTH  4
#define MAX_VALUES (1 << 20) /* 65,536 tensors of rank 8 have fewer */

typedef struct pair {
    char *key, *value;
} pair;

struct jem__st_file {
    jem_context *ctx; /* a reference */
    const char *caller;
    char *path; /* its end, for error texts */
    struct jem__reader *reader;
    jem__st_tensor *tensors; /* by offset */
    int64_t n_tensors;
    pair *metadata;
    int64_t n_metadata;
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

/* One pass over the header before the JSON parser sees it: how deep, how many values. Broken
 * JSON may be miscounted; it is refused a moment later. */
static jem_status scan_header(const jem__st_file *f, const char *text, int64_t len)
{
    int64_t depth = 0, values = 1;
    int32_t in_string = 0;

    for (int64_t i = 0; i < len; i++) {
        const char c = text[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = 0;
            continue;
        }
        in_string = c == '"';
        depth += (c == '{' || c == '[') - (c == '}' || c == ']');
        values += c == '{' || c == '[' || c == ',';
        if (depth > MAX_DEPTH)
            return jem__fail(JEM_E_FORMAT,
                             "%s: %s: header nests deeper than %d at offset %" PRId64,
                             f->caller, f->path, MAX_DEPTH, 8 + i);
        if (values > MAX_VALUES)
            return jem__fail(JEM_E_FORMAT, "%s: %s: header holds more than %d values",
                             f->caller, f->path, MAX_VALUES);
    }
    return JEM_OK;
}

/* A whole number >= 0; `field` and `index` say which. */
static jem_status read_size(const jem__st_file *f, const char *name, const char *field,
                            size_t index, const json_t *value, int64_t *out)
{
    if (!json_is_integer(value))
        return jem__fail(JEM_E_FORMAT, "%s: %s: tensor \"%.64s\": %s[%zu] is not an integer",
                         f->caller, f->path, name, field, index);
    *out = (int64_t)json_integer_value(value);
    if (*out < 0)
        return jem__fail(JEM_E_FORMAT,
                         "%s: %s: tensor \"%.64s\": %s[%zu] = %" PRId64 ", must be at least 0",
                         f->caller, f->path, name, field, index, *out);
    return JEM_OK;
}

static jem_status read_shape(const jem__st_file *f, const char *name, const json_t *shape,
                             jem__st_tensor *t)
{
    if (!json_is_array(shape))
        return jem__fail(JEM_E_FORMAT, "%s: %s: tensor \"%.64s\": shape is not an array",
                         f->caller, f->path, name);
    if (json_array_size(shape) > JEM__ST_MAX_RANK)
        return jem__fail(JEM_E_FORMAT,
                         "%s: %s: tensor \"%.64s\": %zu dimensions, must be at most %d",
                         f->caller, f->path, name, json_array_size(shape), JEM__ST_MAX_RANK);
    t->rank = (int32_t)json_array_size(shape);
    t->count = 1;
    for (int32_t i = 0; i < t->rank; i++) {
        const size_t at = (size_t)i;
        JEM__TRY(read_size(f, name, "shape", at, json_array_get(shape, at), &t->shape[i]));
        if (!jem__mul(t->count, t->shape[i], &t->count))
            return jem__fail(JEM_E_FORMAT,
                             "%s: %s: tensor \"%.64s\": its shape holds more numbers than a "
                             "64-bit number counts",
                             f->caller, f->path, name);
    }
    return JEM_OK;
}

/* Offsets relative to the data, which is `data_len` bytes long. */
static jem_status read_offsets(const jem__st_file *f, const char *name, const json_t *offsets,
                               int64_t data_len, jem__st_tensor *t)
{
    int64_t end = 0;

    if (!json_is_array(offsets) || json_array_size(offsets) != 2)
        return jem__fail(JEM_E_FORMAT,
                         "%s: %s: tensor \"%.64s\": data_offsets is not an array of two",
                         f->caller, f->path, name);
    JEM__TRY(read_size(f, name, "data_offsets", 0, json_array_get(offsets, 0), &t->at));
    JEM__TRY(read_size(f, name, "data_offsets", 1, json_array_get(offsets, 1), &end));
    if (end < t->at || end > data_len)
        return jem__fail(JEM_E_FORMAT,
                         "%s: %s: tensor \"%.64s\": data_offsets end at %" PRId64
                         ", must be %" PRId64 " to %" PRId64 ", where the data ends",
                         f->caller, f->path, name, end, t->at, data_len);
    t->bytes = end - t->at;
    return JEM_OK;
}

static jem_status read_tensor(jem__st_file *f, const char *name, const json_t *info,
                              int64_t data_len, jem__st_tensor *t)
{
    if (strlen(name) > JEM__ST_MAX_NAME)
        return jem__fail(JEM_E_FORMAT,
                         "%s: %s: tensor \"%.64s...\": name of %zu bytes, must be at most %d",
                         f->caller, f->path, name, strlen(name), JEM__ST_MAX_NAME);
    const char *dtype = json_string_value(json_object_get(info, "dtype"));
    if (dtype == NULL || json_object_size(info) != 3)
        return jem__fail(JEM_E_FORMAT,
                         "%s: %s: tensor \"%.64s\": must have exactly dtype, shape and "
                         "data_offsets",
                         f->caller, f->path, name);
    const jem__st_dtype *type = jem__st_dtype_find(dtype);
    if (type == NULL)
        return jem__fail(JEM_E_FORMAT, "%s: %s: tensor \"%.64s\": unknown dtype \"%.64s\"",
                         f->caller, f->path, name, dtype);
    t->dtype = type->name;
    JEM__TRY(read_shape(f, name, json_object_get(info, "shape"), t));
    JEM__TRY(read_offsets(f, name, json_object_get(info, "data_offsets"), data_len, t));
    int64_t bits;
    if (!jem__mul(t->count, type->bits, &bits) || bits % 8 != 0 || bits / 8 != t->bytes)
        return jem__fail(JEM_E_FORMAT,
                         "%s: %s: tensor \"%.64s\": %" PRId64 " numbers of type %s do not fill "
                         "its %" PRId64 " bytes",
                         f->caller, f->path, name, t->count, t->dtype, t->bytes);
    t->name = jem__strdup(f->ctx, name);
    return t->name == NULL ? JEM_E_NOMEM : JEM_OK;
}

static jem_status read_metadata(jem__st_file *f, json_t *metadata)
{
    if (!json_is_object(metadata))
        return jem__fail(JEM_E_FORMAT, "%s: %s: __metadata__ is not an object", f->caller,
                         f->path);
    if (json_object_size(metadata) > JEM__ST_MAX_TENSORS)
        return jem__fail(JEM_E_FORMAT,
                         "%s: %s: __metadata__ has %zu entries, must be at most %d", f->caller,
                         f->path, json_object_size(metadata), JEM__ST_MAX_TENSORS);
    f->metadata = jem__alloc(f->ctx, (int64_t)json_object_size(metadata), sizeof *f->metadata);
    if (f->metadata == NULL)
        return JEM_E_NOMEM;
    for (void *it = json_object_iter(metadata); it != NULL;
         it = json_object_iter_next(metadata, it)) {
        const char *key = json_object_iter_key(it);
        const char *value = json_string_value(json_object_iter_value(it));
        if (value == NULL)
            return jem__fail(JEM_E_FORMAT, "%s: %s: metadata \"%.64s\" is not a text",
                             f->caller, f->path, key);
        pair *p = &f->metadata[f->n_metadata++];
        p->key = jem__strdup(f->ctx, key);
        p->value = jem__strdup(f->ctx, value);
        if (p->key == NULL || p->value == NULL)
            return JEM_E_NOMEM;
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

static jem_status read_root(jem__st_file *f, json_t *root, int64_t data_begin, int64_t data_len)
{
    if (!json_is_object(root))
        return jem__fail(JEM_E_FORMAT, "%s: %s: header is not a JSON object", f->caller,
                         f->path);
    json_t *metadata = json_object_get(root, "__metadata__");
    const size_t tensors = json_object_size(root) - (metadata != NULL);
    if (tensors > JEM__ST_MAX_TENSORS)
        return jem__fail(JEM_E_FORMAT, "%s: %s: %zu tensors, must be at most %d", f->caller,
                         f->path, tensors, JEM__ST_MAX_TENSORS);
    if (metadata != NULL)
        JEM__TRY(read_metadata(f, metadata));
    f->tensors = jem__alloc(f->ctx, (int64_t)tensors, sizeof *f->tensors);
    if (f->tensors == NULL)
        return JEM_E_NOMEM;
    for (void *it = json_object_iter(root); it != NULL; it = json_object_iter_next(root, it)) {
        const json_t *info = json_object_iter_value(it);
        if (info != metadata)
            JEM__TRY(read_tensor(f, json_object_iter_key(it), info, data_len,
                                 &f->tensors[f->n_tensors++]));
    }
    return check_tiling(f, data_begin, data_len);
}

static jem_status read_header(jem__st_file *f, const char *text, int64_t len)
{
    json_error_t error;

    JEM__TRY(scan_header(f, text, len));
    json_t *root = json_loadb(text, (size_t)len, JSON_REJECT_DUPLICATES, &error);
    /* When its own memory runs out, jansson leaves no text; or, within a text, calls it a syntax
     * error, which nobody can tell from one. */
    if (root == NULL && error.text[0] == '\0')
        return jem__fail(JEM_E_NOMEM, "%s: %s: out of memory: no JSON node for the header",
                         f->caller, f->path);
    if (root == NULL)
        return jem__fail(JEM_E_FORMAT, "%s: %s: header, byte %d: %s", f->caller, f->path,
                         error.position, error.text);
    const jem_status status =
        read_root(f, root, 8 + len, jem__reader_size(f->reader) - (8 + len));
    json_decref(root);
    return status;
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
                         " bytes follow",
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
