/* SPDX-License-Identifier: MIT */
#ifndef EXAMPLES_SUPPORT_NPY_H
#define EXAMPLES_SUPPORT_NPY_H

/* NumPy's .npy files, versions 1 to 3. */

#include <stdint.h>

#define NPY_DIMS 8

struct npy_array {
    char type; /* 'f' float, 'u' unsigned, 'i' signed */
    int item;  /* bytes of a value: f 4 or 8, u 1, i 4 or 8 */
    int dims;  /* 0 to NPY_DIMS */
    int64_t shape[NPY_DIMS];
    int64_t count;         /* product of the shape */
    uint8_t *bytes;        /* the file */
    const uint8_t *values; /* count x item bytes, little-endian, within `bytes` */
};

/* Read a file: types f4, f8, u1, i4, i8, little-endian, C order. Everything else, and any size
 * that does not agree with the bytes, is refused with its reason. */
int npy_read(const char *path, struct npy_array *out);
void npy_free(struct npy_array *a);

/* Value i, whatever the type. */
double npy_value(const struct npy_array *a, int64_t i);

/* Write version 1.0, C order. */
int npy_write_f32(const char *path, const float *values, int dims, const int64_t *shape);
int npy_write_u8(const char *path, const uint8_t *values, int dims, const int64_t *shape);
int npy_write_i32(const char *path, const int32_t *values, int dims, const int64_t *shape);

#endif
