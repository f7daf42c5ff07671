/* SPDX-License-Identifier: MIT */
#ifndef JEM_TRAIN_BATCH_H
#define JEM_TRAIN_BATCH_H

/* A stream of shuffled, augmented batches of a data set.
 *
 * Batch number b is a pure function of (key, b): it lies in epoch b / per_epoch, whose order is
 * one random permutation, and what is left over at the end of an epoch is dropped, as in the
 * official code. So the position of a stream is one number. */

#include "data/augment.h"

typedef struct jem__batches {
    const jem_dataset *data; /* kept alive by the trainer */
    jem_context *ctx;
    jem__key key;
    enum jem__purpose shuffle;
    jem__augment augment;
    int64_t *members;   /* n image numbers, increasing; NULL: the whole data set */
    int64_t n;          /* images in an epoch's order */
    int64_t batch;      /* images per batch, at most n */
    int64_t per_epoch;  /* batches per epoch, at least 1 */
    int64_t image_size; /* c * h * w */
    int64_t epoch;      /* whose order `order` holds; -1: none yet */
    int64_t *order;     /* n positions in members */
    int64_t *index;     /* batch image numbers: the batch being drawn */
    float *scratch;     /* batch * image_size, for the augmentation */
} jem__batches;

/* `labelled_only`: leave images with label -1 out; there must be another one. `batch` is cut
 * to the number of images. */
jem_status jem__batches_create(const jem_dataset *data, jem_context *ctx, int32_t labelled_only,
                               int64_t batch, const jem__augment *augment, jem__key key,
                               enum jem__purpose shuffle, jem__batches *out);
void jem__batches_free(jem__batches *b); /* all zero accepted */

/* Batch `number`: x gets batch * image_size values, y batch labels. Labelled images come first,
 * otherwise in the order of the epoch; the number of them is returned. Image i is image number
 * number * batch + i of the training: the address of its augmentation and noise. */
int64_t jem__batches_draw(jem__batches *b, int64_t number, float *x, int32_t *y);

#endif
