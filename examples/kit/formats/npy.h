/* SPDX-License-Identifier: MIT */
#ifndef KIT_FORMATS_NPY_H
#define KIT_FORMATS_NPY_H

/* NumPy's .npy files, versions 1 to 3: the plain types, either byte order, C and Fortran order.
 * Everything else is refused with its reason, as is a size that does not agree with the bytes. */

#include <stddef.h>
#include <stdint.h>

#define NPY_DIMS         64    /* NumPy's own limit */
#define NPY_HEADER_BYTES 65536 /* more is no header that NumPy writes for such types */

struct npy_array {
    char type; /* 'f' float, 'i' signed, 'u' unsigned, 'b' bool (one byte) */
    int item;  /* bytes of a value: f 2, 4, 8; i and u 1, 2, 4, 8; b 1 */
    int dims;  /* 0 to NPY_DIMS; 0 is one number */
    int64_t shape[NPY_DIMS];
    int64_t count; /* product of the shape */

    /* As in the file; npy_get_*() read them. */
    int big_endian, fortran;
    const uint8_t *values;
    uint8_t *bytes; /* what npy_free() gives back; or NULL */
};

int npy_read(const char *path, struct npy_array *out);
void npy_free(struct npy_array *a);

/* The same from memory, which must outlive the array. `name` is for messages. */
int npy_parse(const uint8_t *bytes, size_t length, const char *name, struct npy_array *out);

/* How long the file is whose first bytes these are (all of it, or NPY_HEADER_BYTES + 12). */
int npy_length(const uint8_t *bytes, size_t length, const char *name, uint64_t *out);

/* All `count` values in C order, whatever their type. A value that the target cannot hold is an
 * error: beyond its range, and for integers a fraction, an infinity or NaN. Floats are rounded
 * to the nearest; a bool is 0 or 1. */
int npy_get_f32(const struct npy_array *a, const char *name, float *out);
int npy_get_f64(const struct npy_array *a, const char *name, double *out);
int npy_get_i32(const struct npy_array *a, const char *name, int32_t *out);
int npy_get_i64(const struct npy_array *a, const char *name, int64_t *out);

/* Write version 1.0, C order, little-endian, at most NPY_DIMS sizes. The file is there whole or
 * not at all. */
int npy_write_f32(const char *path, const float *values, int dims, const int64_t *shape);
int npy_write_f64(const char *path, const double *values, int dims, const int64_t *shape);
int npy_write_i32(const char *path, const int32_t *values, int dims, const int64_t *shape);
int npy_write_i64(const char *path, const int64_t *values, int dims, const int64_t *shape);
int npy_write_u8(const char *path, const uint8_t *values, int dims, const int64_t *shape);

#endif
