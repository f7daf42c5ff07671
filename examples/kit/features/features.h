/* SPDX-License-Identifier: MIT */
#ifndef KIT_FEATURES_FEATURES_H
#define KIT_FEATURES_FEATURES_H

/* What a second network sees in images: Inception-v3, for FID and IS, or a classifier that libjem
 * trained on the same data, for a distance of the same form.
 *
 * Images first become the bytes of a picture file: round(clip((x + 1) / 2, 0, 1) * 255). */

#include <jem/jem.h>

#include "kit/base/progress.h"
#include "kit/features/inception.h"

struct features {
    const char *name;     /* of the features, for JSON */
    const char *distance; /* "FID" only with the published network */
    int64_t d;            /* features of an image */
    int64_t classes;      /* logits of an image for the Inception Score; 0: there are none */

    struct inception *inception; /* one of the two */
    jem_head *head;

    int64_t image[3]; /* channels, height, width of the images */
    struct progress *progress;
    int64_t images; /* how many were looked at so far, */
    double seconds; /* and how long it took */
};

/* Exactly one of the paths is given. A classifier must read images of this shape. */
int features_open(jem_context *ctx, const char *inception, const char *classifier,
                  const int64_t shape[4], struct progress *progress, struct features *out);
void features_close(struct features *f);

/* The features of a set of images. */
struct feature_set {
    const char *what; /* as errors and progress call them */
    int64_t n;
    float *features; /* n x d */
    float *logits;   /* n x classes, or NULL */
};

int features_of_images(struct features *f, const char *what, const float *x, int64_t n,
                       struct feature_set *out);

/* n images of the data set, evenly spaced. */
int features_of_data(struct features *f, const char *what, const jem_dataset *data, int64_t n,
                     struct feature_set *out);

/* At most `most` of the rows from, from + step, ..., evenly spaced among them, as a copy. */
int feature_set_pick(const struct features *f, const struct feature_set *set, const char *what,
                     int64_t from, int64_t step, int64_t most, struct feature_set *out);
/* Only the n rows `kept`, in ascending order, stay. */
void feature_set_keep(const struct features *f, struct feature_set *set, const int64_t *kept,
                      int64_t n);
void feature_set_free(struct feature_set *set);

#endif
