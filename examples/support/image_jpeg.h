/* SPDX-License-Identifier: MIT */
#ifndef EXAMPLES_SUPPORT_IMAGE_JPEG_H
#define EXAMPLES_SUPPORT_IMAGE_JPEG_H

#include "image.h"

/* Reads a JPEG file: grey as 1 channel, everything else as RGB. */
int image_read_jpeg(const char *path, struct image *out);

#endif
