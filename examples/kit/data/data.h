/* SPDX-License-Identifier: MIT */
#ifndef KIT_DATA_DATA_H
#define KIT_DATA_DATA_H

/* Data sets by name, as --data takes them:
 *
 *     fashion-mnist[:DIR]     Debian's package dataset-fashion-mnist, or a folder with its files
 *     mnist:DIR               the four files of MNIST (or of anything laid out like it)
 *     idx:IMAGES,LABELS       two IDX files
 *     cifar10:DIR             CIFAR-10, binary or Python version
 *     cifar100:DIR            CIFAR-100, binary or Python version
 *     svhn:DIR                SVHN, cropped digits; has a split "extra" as well
 *     npy:IMAGES[,LABELS]     NumPy arrays; ",classes=K" and ",range=A..B" may follow
 *     folder:DIR[,OPTIONS]    PNG and JPEG files in a folder per class; DIR/train, DIR/validation
 *                             and DIR/test, under any of their usual names, are the splits
 *     images:DIR[,OPTIONS]    the PNG and JPEG files in one folder, without labels
 *     celeba:DIR[,OPTIONS]    CelebA; attr=NAME gives labels, the others crop=178,size=32
 *
 * Where idx, npy, folder and images have no test split, ",test=20%" (or test=N images) makes one,
 * out of the same images for every program (data_test.c). It is the default where there are
 * labels; with ",test=0" all images serve for training and for testing.
 *
 * Of the folders of splits, train is also training; validation is valid, val or dev; test is
 * testing, eval or evaluation; in any case of letters. A folder with such a name that holds images
 * itself is a class. Without test, validation is the test split; with it, it is what jem-train
 * validates with.
 *
 * Files may be packed with gzip, those of SVHN excepted. Classes of a folder are the names of
 * its (or of its train's) subfolders, sorted; images lie in them at any depth. Hidden files are
 * skipped. Options, which are applied in this order whatever the order they are given in:
 *
 *     grey, colour            (gray, color) make all images so; otherwise they must be alike
 *     crop=N, crop=HxW        keep the middle, N x N or height x width pixels
 *     size=N                  resize the shorter side to N and keep the middle N x N
 *     size=HxW                resize to height x width
 *
 * The first comma ends the folder, so its name can have none. */

#include <jem/jem.h>

#include "kit/base/file.h"

/* The help text of --data. */
#define DATA_HELP                                                                              \
    "fashion-mnist[:DIR], cifar10:DIR, npy:IMAGES,LABELS or another that jem-data --kinds "    \
    "lists"

/* The help text of --split. */
#define SPLIT_HELP "train or test; of some folders also validation, of SVHN extra"

/* The list of jem-data --kinds, on stdout. */
int data_print_kinds(void);

/* Is it a known kind, with a place where one is needed? Reads nothing: for option tables. */
int data_check(const char *spec);

/* The same data from any working directory: *out, to be given back with free(), is `spec` with
 * absolute names of its files and folders. */
int data_absolute(const char *spec, char **out);

/* `split` is "train" or "test", or "validation" where data_has_validation(). Errors say what to
 * install or to download. */
int data_open(jem_context *ctx, const char *spec, const char *split, jem_dataset **out);

/* *own = 0 where both splits are the same images: what is fitted to the one says nothing when it
 * is tested on the other. */
int data_own_splits(const char *spec, int *own);

/* Has the set a split for validation beside those for training and for testing? */
int data_has_validation(const char *spec, int *has);

/* How large the test part is that is made of a set without a test split; "": none is made. */
#define DATA_TEST_TEXT 48
int data_test_text(const char *spec, char out[DATA_TEST_TEXT]);

/* The files of a data set, for kinds whose files have fixed names; count 0 for others. */
#define DATA_FILES 5
struct data_files {
    int count;
    char path[DATA_FILES][FILE_PATH_BYTES];
};
int data_list_files(const char *spec, const char *split, struct data_files *out);

/* The name of class y in the data set; NULL: not known. The next call may overwrite it. */
const char *data_class_name(const char *spec, int64_t y);

#endif
