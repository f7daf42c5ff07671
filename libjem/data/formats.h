/* SPDX-License-Identifier: MIT */
#ifndef JEM_DATA_FORMATS_H
#define JEM_DATA_FORMATS_H

/* File formats of data sets: a format is a row of the table in formats.c and a parser in a file
 * of its own, which checks the bytes and makes a data set of them. */

#include "data/dataset.h"

/* The bytes of a file and what to call them in error texts. */
typedef struct jem__blob {
    const char *name; /* never NULL */
    const uint8_t *bytes;
    int64_t len;
} jem__blob;

/* A data set from bytes of a known kind; `labels` with bytes NULL: none given. */
jem_status jem__formats_parse(jem_context *ctx, const char *caller, const char *kind,
                              const jem__blob *images, const jem__blob *labels,
                              jem_dataset **out);
/* The same from files; `labels` may be NULL. */
jem_status jem__formats_open(jem_context *ctx, const char *caller, const char *kind,
                             const char *images, const char *labels, jem_dataset **out);

/* A parser. Formats that keep labels among the images are given `labels` without bytes. */
typedef jem_status jem__parse_fn(jem_context *ctx, const char *caller, const jem__blob *images,
                                 const jem__blob *labels, jem_dataset **out);

jem__parse_fn jem__idx_parse;
jem__parse_fn jem__cifar10_parse;
jem__parse_fn jem__cifar100_parse; /* fine labels */

/* JEM_E_UNSUPPORTED when the bytes begin like a gzip file. */
jem_status jem__blob_not_gzip(const jem__blob *blob, const char *caller);

#endif
