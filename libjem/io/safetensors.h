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
#define JEM__ST_MAX_HEADER  (16 << 20) /* bytes */

/* The dtypes of the format whose numbers are whole bytes, in upstream's order of writing. */
typedef struct jem__st_dtype {
    const char *name;
    int64_t size;
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
/* Read a tensor's numbers; dtype must be the one asked for ("F32", "I64"), count must match. */
jem_status jem__st_read_f32(jem__st_file *f, const jem__st_tensor *t, float *out,
                            int64_t count);
jem_status jem__st_read_i64(jem__st_file *f, const jem__st_tensor *t, int64_t *out,
                            int64_t count);
void jem__st_close(jem__st_file *f); /* NULL accepted */

/* Writing: declare all metadata and tensors (data is referenced, not copied), then write. Texts
 * must be ASCII, names unique; anything else is JEM_E_INTERNAL. */
typedef struct jem__st_builder jem__st_builder;
jem_status jem__st_builder_create(jem_context *ctx, jem__st_builder **out);
jem_status jem__st_add_metadata(jem__st_builder *b, const char *key, const char *value);
jem_status jem__st_add(jem__st_builder *b, const char *name, const char *dtype, int32_t rank,
                       const int64_t *shape, const void *data);
jem_status jem__st_write(jem__st_builder *b, const char *caller, const char *path);
void jem__st_builder_free(jem__st_builder *b); /* NULL accepted */

#endif
