/* SPDX-License-Identifier: MIT */
#ifndef KIT_BASE_FILE_H
#define KIT_BASE_FILE_H

/* Whole files, folders and names of files. */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define FILE_PATH_BYTES 4096

/* The bytes of a file, unpacked if it is a gzip file; to be given back with free(). Refuses
 * more than FILE_CAP bytes, so that a small gzip bomb cannot fill the memory. */
#define FILE_CAP ((size_t)1 << 30)
int file_read(const char *path, uint8_t **out, size_t *out_length);

int file_exists(const char *path);

/* A file that replaces `path` in one step: its bytes go to a temporary file beside it. Refuses what
 * is there and is no regular file: renaming over a device would, for root, replace it. */
struct file_writer {
    const char *path;
    char temporary[FILE_PATH_BYTES];
    FILE *stream; /* write here */
};

int file_writer_open(struct file_writer *w, const char *path);

/* Is there nothing at `path`, or a regular file? Asked by file_writer_open(), and before long work. */
int file_replaceable(const char *path);

/* Close it; `sound` 0: it is of no use, so that `path` stays as it was. */
int file_writer_close(struct file_writer *w, int sound);

/* Do two names lead to the same file or folder? */
int file_same(const char *a, const char *b);

/* Make a folder and its parents. */
int file_make_folder(const char *path);

/* out = folder/name. */
int file_join(char out[FILE_PATH_BYTES], const char *folder, const char *name);

/* What follows the last slash. */
const char *file_name_of(const char *path);

/* out = the folder of a file ("." when the name has none). */
int file_folder_of(char out[FILE_PATH_BYTES], const char *path);

/* Does the name end so, whatever the case of its letters? */
int file_has_ending(const char *path, const char *ending);

#endif
