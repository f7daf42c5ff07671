/* SPDX-License-Identifier: MIT */
#ifndef KIT_DATA_PROVENANCE_H
#define KIT_DATA_PROVENANCE_H

/* What a model remembers of the images it was made with, under the keys of jem/model.h: where they
 * are, how they were prepared, the names of their classes, and fingerprints by which they are
 * recognised. */

#include <jem/jem.h>

/* What the images of a data set were to a model. */
enum provenance_role {
    PROVENANCE_UNKNOWN, /* others, or the model remembers none */
    PROVENANCE_TRAINING,
    PROVENANCE_VALIDATION,
    PROVENANCE_BOTH, /* all that the training split has: training and validation images */
    PROVENANCE_TEST
};

/* Have the model remember `spec` (as --data takes it) and its images. `validation` may be NULL. The
 * test images are looked up; a data set without a test split of its own has none. */
int provenance_write(jem_context *ctx, jem_model *model, const char *spec,
                     const jem_dataset *training, const jem_dataset *validation);

/* The spec of what the model was trained on; *out, to be given back with free(), is NULL where it
 * does not remember it. */
int provenance_spec(const jem_model *model, char **out);

/* The name of class y, to be given back with free(); NULL in *out where it is not remembered. */
int provenance_class(const jem_model *model, int64_t y, char **out);

/* What the images of `data` were to the model: training images if they are among those too. */
int provenance_role(const jem_model *model, const jem_dataset *data, enum provenance_role *out);

/* "test images" and so on; "images" where it is not known. In files: "test", "unknown". */
const char *provenance_images(enum provenance_role role);
const char *provenance_word(enum provenance_role role);

#endif
