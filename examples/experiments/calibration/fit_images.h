/* SPDX-License-Identifier: MIT */
#ifndef FIT_IMAGES_H
#define FIT_IMAGES_H

/* The images that the temperature is fitted to: what jem-train held out of the training, or a
 * data set that the user names. They must be neither the test images nor, as far as anybody can
 * tell, images that the model was trained on. */

#include "kit/data/holdout.h"
#include "kit/lab/lab.h"
#include "kit/stats/temperature.h"

struct fit_images {
    /* What the command line says. */
    const char *data;                      /* NULL: the training split of --data */
    int64_t count, validation, split_seed; /* split_seed INT64_MIN: not given */

    struct image_input *images; /* NULL: there are none */
    struct holdout holdout;
};

/* Ends the program where the command line asks for images that are tested on; where it asks for
 * none and there are no others, there is no temperature. */
void fit_images_check(struct lab *l, const struct fit_images *f, struct temperature *t);

/* Read them, or say in `t` why there are none. */
void fit_images_read(struct lab *l, struct fit_images *f, struct temperature *t);

/* The member "fit" of the file. */
void fit_images_note(struct lab *l, const struct fit_images *f, const struct temperature *t);

/* A sentence or two on T for the protocol. */
const char *fit_images_text(struct lab *l, const struct fit_images *f,
                            const struct temperature *t);

#endif
