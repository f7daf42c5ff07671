/* SPDX-License-Identifier: MIT */
#ifndef KIT_DATA_DATA_KIND_H
#define KIT_DATA_DATA_KIND_H

/* What data.c knows about a kind of data set. Each family of formats has a file, data_NAME.c,
 * which finds the files, reads what libjem cannot read, and says what to install or to download
 * when they are missing. */

#include <jem/jem.h>

#include "kit/base/file.h"
#include "kit/data/data.h"

struct data_kind {
    const char *name;
    const char *folder; /* where to look when none is given; NULL: a folder must be given */
    const char *inside; /* the folder's name within the official archive; or NULL */
    const char *advice; /* where the files come from */
    const char *const *classes; /* names, ended by NULL; or NULL */
    int (*open)(jem_context *ctx, const struct data_kind *kind, const char *where,
                const char *split, jem_dataset **out);
};

/* out = folder/name or folder/name.gz, whichever exists; an error gives the kind's advice. */
int data_find_file(const struct data_kind *kind, const char *folder, const char *name,
                   char out[FILE_PATH_BYTES]);

int data_open_mnist(jem_context *ctx, const struct data_kind *kind, const char *where,
                    const char *split, jem_dataset **out);
int data_open_idx(jem_context *ctx, const struct data_kind *kind, const char *where,
                  const char *split, jem_dataset **out);
int data_open_cifar(jem_context *ctx, const struct data_kind *kind, const char *where,
                    const char *split, jem_dataset **out);
int data_open_folder(jem_context *ctx, const struct data_kind *kind, const char *where,
                     const char *split, jem_dataset **out);
int data_open_images(jem_context *ctx, const struct data_kind *kind, const char *where,
                     const char *split, jem_dataset **out);
int data_open_celeba(jem_context *ctx, const struct data_kind *kind, const char *where,
                     const char *split, jem_dataset **out);
int data_open_svhn(jem_context *ctx, const struct data_kind *kind, const char *where,
                   const char *split, jem_dataset **out);
int data_open_npy(jem_context *ctx, const struct data_kind *kind, const char *where,
                  const char *split, jem_dataset **out);

/* The files that the functions above would read, for kinds whose files have fixed names. */
int data_mnist_files(const struct data_kind *kind, const char *where, const char *split,
                     struct data_files *out);
int data_cifar_files(const struct data_kind *kind, const char *where, const char *split,
                     struct data_files *out);
int data_svhn_files(const struct data_kind *kind, const char *where, const char *split,
                    struct data_files *out);

/* data_has_split() of a folder. */
int data_folder_has_split(const struct data_kind *kind, const char *where, const char *split,
                          int *has);

/* Are labels named in the place of arrays? */
int data_npy_labelled(const struct data_kind *kind, const char *where, int *labelled);

/* The test part of a set that has no test split of its own (data_test.c). */
struct data_test {
    int said;      /* by ",test=" */
    double share;  /* of all images, or */
    int64_t count; /* so many; both 0: no test part */
};

/* What the words behind the place say; `fallback` holds when they say nothing. */
int data_test_read(const struct data_kind *kind, const char *where, double fallback,
                   struct data_test *out);

/* Is it a word that data_test_read() reads? */
int data_test_is_word(const char *word);

/* *data becomes its training or its test part. */
int data_test_take(const char *spec, const struct data_test *t, const char *split,
                   jem_dataset **data);

/* data_class_name() of kinds whose folder or options name the classes; y >= 0. */
const char *data_folder_class(const struct data_kind *kind, const char *where, int64_t y);
const char *data_celeba_class(const struct data_kind *kind, const char *where, int64_t y);

extern const char *const data_cifar100_classes[];

#endif
