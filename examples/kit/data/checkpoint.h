/* SPDX-License-Identifier: MIT */
#ifndef KIT_DATA_CHECKPOINT_H
#define KIT_DATA_CHECKPOINT_H

/* A look into libjem's files, which are ordinary safetensors files, for what jem_model_load() does
 * not give: the settings that a training noted in the metadata, and its replay buffer. */

#include <stdio.h>

#include <jansson.h>
#include <jem/jem.h>

struct checkpoint {
    const char *path;
    FILE *file;
    int64_t size;    /* of the file */
    int64_t data_at; /* where the values begin */
    json_t *header;
};

/* Says what a file is instead of a model, where its first bytes tell it (a PyTorch checkpoint, an
 * array, a picture ...), and what to do. For after it was refused. */
void checkpoint_advise(const char *path);

int checkpoint_open(const char *path, struct checkpoint *out);
void checkpoint_close(struct checkpoint *c);

/* Set the options that the file names; the others stay as they are. */
int checkpoint_settings(const struct checkpoint *c, jem_options *opts);

/* The floats of a tensor that must have this shape (free()). */
int checkpoint_tensor(const struct checkpoint *c, const char *name, int dims,
                      const int64_t *shape, float **values);

/* The replay buffer: *x gets *n images of the given shape (free()), at most `most` of the *of that
 * are stored, evenly spaced. A file without a buffer is an error. */
int checkpoint_buffer(const struct checkpoint *c, const int64_t shape[3], int64_t most,
                      float **x, int64_t *n, int64_t *of);

#endif
