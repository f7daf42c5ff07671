/* SPDX-License-Identifier: MIT */
#ifndef KIT_LAB_OUT_SET_H
#define KIT_LAB_OUT_SET_H

/* Images that are not of a model's data, as --ood names them: a kind of outliers.h, made
 * from the in-distribution images, or a data set's test split as --data would name it. */

#include <jem/jem.h>

#include "kit/data/image_input.h"

struct out_set {
    const char *spec;
    /* The kind; of kinds that can be anything, with the last part of the place. */
    char name[64];
    struct image_input images;
};

/* What --ood takes, for help texts. */
#define OUT_SET_HELP "noise, constant, inverted or interp (made here), or what --data takes"

/* Is it a kind that --ood takes? Reads nothing: for option tables. */
int out_set_check(const char *spec);

/* Is it made here, of the model's data? */
int out_set_is_made(const char *spec);

/* Are there images enough of which it is made? Only interp wants more than one. */
int out_set_can_be_made(const char *spec, const struct image_input *in, int64_t count);

/* `count` images at most, 0: all (of what is made here, as many as there are of `in`). The
 * images must have the model's shape[0..2]; the error says how others can be given it. */
int out_set_open(jem_context *ctx, const int64_t shape[4], const char *spec,
                 const struct image_input *in, int64_t count, int64_t seed,
                 struct out_set *out);

void out_set_free(struct out_set *s);

#endif
