/* SPDX-License-Identifier: MIT */
#ifndef KIT_DATA_IMAGE_INPUT_H
#define KIT_DATA_IMAGE_INPUT_H

/* Images that a model is asked about: one array, image files, or images of a data set. */

#include <jem/jem.h>

#include "kit/cli/cli.h"
#include "kit/formats/npy_images.h"

struct image_input {
    int64_t n;
    int64_t of;        /* images of the data set, of which these are a choice; or n */
    float *x;          /* n x C x H x W */
    int32_t *labels;   /* n; -1 where unknown */
    const char **name; /* n names, or NULL: images are named by their number */
};

/* One array (FILE.npy or FILE.npz:NAME) as npy_images.h has it. Or any number of PNG and JPEG
 * files. `shape`: channels, height, width, classes of the model. */
int image_input_files(const struct cli_list *paths, const int64_t shape[4],
                      enum npy_range range, struct image_input *out);

/* `count` images (0: all) of a data set, evenly spaced. Labels must be classes of the model,
 * unless shape[3] is 0. */
int image_input_data(jem_context *ctx, const char *spec, const char *split, int64_t count,
                     const int64_t shape[4], struct image_input *out);

/* The same of an open data set; `spec` is what errors call it. */
int image_input_dataset(const jem_dataset *data, const char *spec, int64_t count,
                        const int64_t shape[4], struct image_input *out);

/* The number that image i has in its data set. */
int64_t image_input_number(const struct image_input *in, int64_t i);

/* Gaussian noise on all images, of `size` values each; std 0: none. The first images get the same
 * noise, however many follow. Each set that one seed is used for has a `stream` of its own. */
void image_input_add_noise(struct image_input *in, int64_t size, double std, int64_t seed,
                           uint64_t stream);

/* Only the images with a label stay, in their order. */
void image_input_keep_labelled(struct image_input *in, int64_t size);

void image_input_free(struct image_input *in);

#endif
