/* SPDX-License-Identifier: MIT */
#ifndef KIT_FORMATS_NPZ_H
#define KIT_FORMATS_NPZ_H

/* NumPy's .npz files: zip files of .npy files. Array "x" is the member "x.npy"; members with
 * another ending are left alone. */

#include <stddef.h>
#include <stdint.h>

#include "kit/formats/npy.h"
#include "kit/formats/zip.h"

struct npz {
    uint8_t *bytes; /* the file; NULL after npz_parse() */
    struct zip zip; /* its members are the arrays; others are left out */
};

/* `path`, and the bytes of npz_parse(), must outlive the file. */
int npz_open(const char *path, struct npz *out);
int npz_parse(const uint8_t *bytes, size_t length, const char *path, struct npz *out);
void npz_close(struct npz *z);

/* The name of array i < z->zip.count: `length` bytes, not terminated. */
const char *npz_name(const struct npz *z, size_t i, int *length);

/* One array, on its own feet: it may outlive `z`. NULL: the only one. */
int npz_read(const struct npz *z, const char *name, struct npy_array *out);

/* Arrays as the command line names them: FILE.npy, FILE.npz:NAME, or FILE.npz when it holds one
 * array. Does this text name one? Then read it. */
int npz_names_array(const char *text);
int npz_read_named(const char *text, struct npy_array *out);

#endif
