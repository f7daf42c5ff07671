/* SPDX-License-Identifier: MIT */
#ifndef KIT_FORMATS_NPZ_H
#define KIT_FORMATS_NPZ_H

/* NumPy's .npz files: zip files of .npy files, read by libzip. Array "x" is the member "x.npy",
 * stored or deflated; members with another ending are left alone. Refused with the reason:
 * encrypted and split files, other methods, two members of one name, headers that contradict
 * each other, and sizes that the bytes do not have. Memory is asked for only when the header of
 * an array and the directory of the file agree on its size. */

#include <stddef.h>
#include <stdint.h>

#include "kit/formats/npy.h"

struct npz_member {
    const char *name; /* of the array: `length` bytes, not terminated */
    int length;
    uint64_t index, size; /* of the member */
};

struct npz {
    const char *path;    /* for messages */
    uint8_t *bytes;      /* the file; NULL after npz_parse() */
    struct zip *archive; /* libzip's */
    struct npz_member *members;
    size_t count;
};

/* `path`, and the bytes of npz_parse(), must outlive the file. */
int npz_open(const char *path, struct npz *out);
int npz_parse(const uint8_t *bytes, size_t length, const char *path, struct npz *out);
void npz_close(struct npz *z);

/* One array, which may outlive `z`. NULL: the only one. */
int npz_read(const struct npz *z, const char *name, struct npy_array *out);

/* The first n <= m->size bytes of a member; all of them are checked against the member's CRC. */
int npz_unpack(const struct npz *z, const struct npz_member *m, uint8_t *out, size_t n);

/* Arrays as the command line names them: FILE.npy, FILE.npz:NAME, or FILE.npz when it holds one
 * array. Does this text name one? Then read it. */
int npz_names_array(const char *text);
int npz_read_named(const char *text, struct npy_array *out);

#endif
