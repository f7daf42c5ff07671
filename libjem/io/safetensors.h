/* SPDX-License-Identifier: MIT */
#ifndef JEM_IO_SAFETENSORS_H
#define JEM_IO_SAFETENSORS_H

/* The safetensors container (huggingface/safetensors): 8 bytes header length, a JSON header,
 * then the tensors' bytes. Reading checks everything before it allocates: header length, unique
 * names, dtypes, shapes without overflow, offsets contiguous from 0 without hole or overlap,
 * total equal to the file size. Numbers are little-endian, in files and here. */

#include <jem/context.h>

#define JEM__ST_MAX_RANK    8
#define JEM__ST_MAX_TENSORS 65536
#define JEM__ST_MAX_NAME    512        /* bytes */
#define JEM__ST_MAX_HEADER  (32 << 20) /* bytes: of what jem/model.h allows, six for each byte */

/* The dtypes of the format, in upstream's order of writing. */
enum jem__st_kind {
    JEM__ST_FLOAT,
    JEM__ST_BFLOAT,
    JEM__ST_SIGNED,
    JEM__ST_UNSIGNED,
    JEM__ST_BOOL,
    JEM__ST_OPAQUE /* known, so that a file with such tensors opens; not read as numbers */
};
typedef struct jem__st_dtype {
    const char *name;
    int64_t bits; /* of a number */
    enum jem__st_kind kind;
} jem__st_dtype;
const jem__st_dtype *jem__st_dtype_find(const char *name); /* NULL: unknown */

typedef struct jem__st_tensor {
    char *name;
    const char *dtype; /* "F32", "I64", "U8", ...; a literal */
    int32_t rank;
    int64_t shape[JEM__ST_MAX_RANK];
    int64_t count;     /* numbers */
    int64_t at, bytes; /* in the file */
} jem__st_tensor;

/* A shape for error texts: "[16, 3, 3, 3]". */
#define JEM__ST_SHAPE_SIZE 192
void jem__st_shape_text(int32_t rank, const int64_t *shape, char out[JEM__ST_SHAPE_SIZE]);

typedef struct jem__st_file jem__st_file;

jem_status jem__st_open(jem_context *ctx, const char *caller, const char *path,
                        jem__st_file **out);
int64_t jem__st_count(const jem__st_file *f);
const jem__st_tensor *jem__st_tensor_at(const jem__st_file *f, int64_t i);   /* by offset */
const jem__st_tensor *jem__st_find(const jem__st_file *f, const char *name); /* NULL: none */
const char *jem__st_metadata(const jem__st_file *f, const char *key);        /* NULL: none */
int64_t jem__st_metadata_count(const jem__st_file *f);
void jem__st_metadata_at(const jem__st_file *f, int64_t i, const char **key,
                         const char **value);
const char *jem__st_path(const jem__st_file *f); /* for error texts: the last 200 bytes */
const char *jem__st_caller(const jem__st_file *f);
/* Read a tensor's numbers; count must be the tensor's. As float: F32, F64, F16, BF16, integers
 * and BOOL, rounded to nearest where a float does not hold them, so that a large F64 becomes
 * infinite. As int64_t: integers and BOOL that fit. Other dtypes are refused by name. */
jem_status jem__st_read_f32(jem__st_file *f, const jem__st_tensor *t, float *out,
                            int64_t count);
jem_status jem__st_read_i64(jem__st_file *f, const jem__st_tensor *t, int64_t *out,
                            int64_t count);
/* `bytes` bytes of a tensor from its byte `from` on, as they lie in the file. */
jem_status jem__st_read_bytes(jem__st_file *f, const jem__st_tensor *t, int64_t from, void *out,
                              int64_t bytes);
void jem__st_close(jem__st_file *f); /* NULL accepted */

/* Writing: declare all metadata and tensors (data is referenced, not copied), then write. Names
 * and keys must be ASCII and unique, values UTF-8; anything else is JEM_E_INTERNAL. */
typedef struct jem__st_builder jem__st_builder;
jem_status jem__st_builder_create(jem_context *ctx, jem__st_builder **out);
jem_status jem__st_add_metadata(jem__st_builder *b, const char *key, const char *value);
jem_status jem__st_add(jem__st_builder *b, const char *name, const char *dtype, int32_t rank,
                       const int64_t *shape, const void *data);
jem_status jem__st_write(jem__st_builder *b, const char *caller, const char *path);
void jem__st_builder_free(jem__st_builder *b); /* NULL accepted */

#endif
