/* SPDX-License-Identifier: MIT */
#ifndef KIT_FORMATS_ZIP_H
#define KIT_FORMATS_ZIP_H

/* Zip files in memory, with or without zip64: members that are stored or deflated. Refused with
 * the reason: encrypted and split files, other methods, two members of one name or in the same
 * bytes, and headers that contradict each other. */

#include <stddef.h>
#include <stdint.h>

#define ZIP_MEMBERS 65536 /* at most */

struct zip_member {
    const char *name; /* not terminated; no byte below a space */
    int name_length;
    int method;
    uint32_t crc;
    uint64_t start;        /* of its header */
    uint64_t packed, size; /* bytes at `data`, and bytes unpacked: both at most FILE_CAP */
    const uint8_t *data;
};

struct zip {
    const char *path; /* for messages */
    const uint8_t *bytes;
    size_t length;
    struct zip_member *members; /* in the order of the file */
    size_t count;
};

/* `bytes` and `path` must outlive the zip. */
int zip_parse(const uint8_t *bytes, size_t length, const char *path, struct zip *out);
void zip_free(struct zip *z);

/* The first n <= size bytes of a member; all of them are checked against the member's CRC. */
int zip_unpack(const struct zip *z, const struct zip_member *m, uint8_t *out, size_t n);

#endif
