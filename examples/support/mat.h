/* SPDX-License-Identifier: MIT */
#ifndef EXAMPLES_SUPPORT_MAT_H
#define EXAMPLES_SUPPORT_MAT_H

/* Arrays of numbers in MATLAB 5 MAT-files, through libmatio. */

#include <stdint.h>

#define MAT_DIMS 4

struct mat_file;

struct mat_array {
    const char *name;
    int dims; /* 2 to MAT_DIMS */
    int64_t shape[MAT_DIMS];
    int64_t count;  /* product of the shape */
    int is_bytes;   /* class uint8; else double */
    void *variable; /* libmatio's */
};

int mat_open(const char *path, struct mat_file **out);
void mat_close(struct mat_file *file);

/* Find a variable. Its class and shape are known then, and that the file is long enough for
 * them, packed or not; its numbers are not yet read. */
int mat_find(struct mat_file *file, const char *name, struct mat_array *out);
void mat_array_free(struct mat_array *a);

/* Read `count` numbers, the first index fastest: uint8_t or double. */
int mat_read(struct mat_file *file, const struct mat_array *a, void *out);

#endif
