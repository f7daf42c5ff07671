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

/* 0: there is surely nothing. What cannot be looked at exists, so that opening it tells why. */
int file_exists(const char *path);

/* The same for a choice that must not be wrong: a failure to look is reported. */
int file_look(const char *path, int *there);

/* Do two names lead to the same file or folder? */
int file_same(const char *a, const char *b, int *same);

/* A stream whose text is in memory once it is closed; NULL: no memory. A stream of open_memstream()
 * that cannot grow leaves out what does not fit and may not say so. */
FILE *file_open_memory(char **text, size_t *length);

/* Close it. Where memory ran out in between: returns 0, and *text is NULL. */
int file_close_memory(FILE *out, char **text);

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
