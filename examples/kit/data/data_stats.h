/* SPDX-License-Identifier: MIT */
#ifndef KIT_DATA_DATA_STATS_H
#define KIT_DATA_DATA_STATS_H

/* What a data set looks like in numbers, and the data set as arrays. */

#include <jem/jem.h>

struct data_channel {
    double mean, std, min, max; /* of pixels in [0, 1] */
};

struct data_stats {
    int64_t n, shape[4]; /* channels, height, width, classes */
    int is_bytes;        /* every value is that of a byte */
    struct data_channel *channel;
    int64_t *per_class;
    int64_t unlabelled;
    char sha256[65]; /* of all pixels (bytes or else floats), then all labels (int32) */
};

/* `quiet`: no progress on stderr. */
int data_stats_compute(const jem_dataset *data, int quiet, struct data_stats *out);
void data_stats_free(struct data_stats *s);

/* Write folder/images.npy, N x C x H x W bytes (floats where not all values are those of
 * bytes), and folder/labels.npy. */
int data_stats_export(const jem_dataset *data, const struct data_stats *s, const char *folder,
                      int quiet);

#endif
