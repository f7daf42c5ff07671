/* SPDX-License-Identifier: MIT */
#ifndef JEM_CORE_FILE_H
#define JEM_CORE_FILE_H

/* Whole files in, atomic files out. `caller` is the public function for error texts. */

#include <jem/context.h>

/* At most the last 200 bytes of a path, so that an error text, 511 bytes, has space for the
 * reason. */
const char *jem__path_end(const char *path);

/* A read-only file, its size known. Short reads, EINTR and a file that shrinks are handled. */
struct jem__reader;
jem_status jem__reader_open(jem_context *ctx, const char *caller, const char *path,
                            struct jem__reader **out);
int64_t jem__reader_size(const struct jem__reader *r);
jem_status jem__reader_read(struct jem__reader *r, int64_t at, void *out, int64_t bytes);
void jem__reader_close(struct jem__reader *r); /* NULL accepted */

/* The whole file in one block (jem__free it). */
jem_status jem__file_slurp(jem_context *ctx, const char *caller, const char *path,
                           uint8_t **out, int64_t *out_len);

/* A file that replaces `path` in one step: a temporary file beside it, written, fsynced,
 * renamed, its folder fsynced. Until finish() succeeds `path` is untouched. A symbolic link is
 * followed and stays; the new file has the mode of the old one. What is no regular file (a named
 * pipe, a device, /dev/stdout) is written to as it is. Leftovers that processes which ended
 * badly made for the same path are removed. */
struct jem__writer;
jem_status jem__writer_open(jem_context *ctx, const char *caller, const char *path,
                            struct jem__writer **out);
jem_status jem__writer_write(struct jem__writer *w, const void *bytes, int64_t count);
jem_status jem__writer_finish(struct jem__writer *w); /* frees w, also on failure */
void jem__writer_abandon(struct jem__writer *w);      /* removes the temporary; NULL accepted */

#endif
