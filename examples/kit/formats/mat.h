/* SPDX-License-Identifier: MIT */
#ifndef KIT_FORMATS_MAT_H
#define KIT_FORMATS_MAT_H

/* Arrays of numbers in MAT-files of version 5 (MATLAB's -v6 and -v7), packed or not, of either
 * byte order. Cells, structures, sparse and complex arrays, and -v7.3, are refused. */

#include <stdint.h>

#define MAT_DIMS 4

struct mat_file;

struct mat_array {
    const char *name;
    int dims; /* 2 to MAT_DIMS */
    int64_t shape[MAT_DIMS];
    int64_t count; /* product of the shape */
    int bytes;     /* of class uint8: mat_read_bytes() may be called */
};

int mat_open(const char *path, struct mat_file **out);
void mat_close(struct mat_file *file);

/* Find a variable, for which the file must be long enough. */
int mat_find(struct mat_file *file, const char *name, struct mat_array *out);

/* Read the `count` numbers of the variable that was found last, once; the first index runs
 * fastest. */
int mat_read_bytes(struct mat_file *file, const struct mat_array *a, uint8_t *out);
int mat_read_doubles(struct mat_file *file, const struct mat_array *a, double *out);

#endif
