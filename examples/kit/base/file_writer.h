/* SPDX-License-Identifier: MIT */
#ifndef KIT_BASE_FILE_WRITER_H
#define KIT_BASE_FILE_WRITER_H

/* Files that programs write, by the rules by which libjem saves.
 *
 * The bytes go to a temporary file beside the target, which takes its place in one step when they
 * are on the disk; so a file is the old or the new one, never half of one, after a power cut too. A symbolic link is followed and stays, a link to
 * nothing makes its target. A file keeps its mode. What is no regular file (a named pipe, a device,
 * /dev/fd/N) is written to as it is, and "-" is standard output. Temporary files that killed
 * programs left beside the same target are removed. */

#include <stdio.h>

#include "kit/base/file.h"

struct file_writer {
    const char *name;                /* as it was given, for messages */
    char path[FILE_PATH_BYTES];      /* what it leads to */
    char temporary[FILE_PATH_BYTES]; /* "": written directly */
    FILE *stream;                    /* write here */
};

int file_writer_open(struct file_writer *w, const char *name);

/* Close it; `sound` 0: it is of no use, so that a file stays as it was. */
int file_writer_close(struct file_writer *w, int sound);

/* Can it be written? Asked before long work. */
int file_writable(const char *name);

/* Does the name stand for standard output: "-", /dev/stdout? */
int file_is_stdout(const char *name);

/* Keep standard output for the file that goes there: what else the program prints goes to standard
 * error from here on. */
int file_claim_stdout(void);

#endif
