/* SPDX-License-Identifier: MIT */
#ifndef KIT_DATA_IMAGE_LIST_H
#define KIT_DATA_IMAGE_LIST_H

/* Data sets made of one file per image: what folder, images and celeba share. They collect the
 * names of the files; the reading, and what is done to each image, is here. */

#include <jem/jem.h>

#include "kit/data/data_kind.h"

/* The options behind the folder of a --data (data.h); 0: not given. */
struct image_options {
    char folder[FILE_PATH_BYTES];
    int64_t channels; /* 1 grey, 3 colour */
    int64_t crop[2];  /* height, width */
    int64_t size[2];
    int square;    /* size=N: the shorter side becomes N, and the middle is kept */
    char attr[48]; /* celeba only */
};

/* Read `where`; what it does not say stays as it is in `out`. */
int image_options_read(const struct data_kind *kind, const char *where,
                       struct image_options *out);

struct image_list {
    int64_t count, space;
    char **path;
    int32_t *label; /* -1 unknown */
};

int image_list_add(struct image_list *list, const char *path, int32_t label);
void image_list_free(struct image_list *list);

/* Read all files, in this order, as a data set. Shows on a terminal how far it is. */
int image_list_read(jem_context *ctx, const struct image_list *list, int64_t classes,
                    const struct image_options *how, jem_dataset **out);

#endif
