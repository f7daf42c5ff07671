/* SPDX-License-Identifier: MIT */
#ifndef EXAMPLES_SUPPORT_DATA_H
#define EXAMPLES_SUPPORT_DATA_H

/* Data sets by name, as --data takes them:
 *
 *     fashion-mnist[:DIR]     Debian's package dataset-fashion-mnist, or a folder with its files
 *     mnist:DIR               the four files of MNIST (or of anything laid out like it)
 *     idx:IMAGES,LABELS       two IDX files; they serve as training and as test set
 *     cifar10:DIR             CIFAR-10, binary version
 *     cifar100:DIR            CIFAR-100, binary version
 *
 * Files may be packed with gzip. */

#include <jem/jem.h>

/* The help text of --data. */
#define DATA_HELP                                                                              \
    "fashion-mnist[:DIR], mnist:DIR, idx:IMAGES,LABELS, cifar10:DIR or cifar100:DIR"

/* `split` is "train" or "test". Errors say what to install or to download. */
int data_open(jem_context *ctx, const char *spec, const char *split, jem_dataset **out);

/* The name of class y in the data set, or NULL where none is known. */
const char *data_class_name(const char *spec, int64_t y);

#endif
