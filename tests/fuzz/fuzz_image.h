/* SPDX-License-Identifier: MIT */
#ifndef JEM_FUZZ_IMAGE_H
#define JEM_FUZZ_IMAGE_H

/* What the targets for image files share. */

#include "fuzz.h"
#include "kit/base/report.h"
#include "kit/images/image.h"
#include "kit/images/resize.h"

/* What came of a decoder: nothing at all or an image, every byte of which is there; small ones
 * are converted, cropped and resized. */
static inline void fuzz_image(int rc, struct image *image)
{
    uint8_t seen = 0;

    if (rc != EXIT_OK) {
        fuzz_require(image->pixels == NULL, "no image after an error");
        return;
    }
    fuzz_require(image->channels == 1 || image->channels == 3, "grey or colour");
    for (int64_t i = 0; i < image->channels * image->height * image->width; i++)
        seen |= image->pixels[i];
    if (image->height * image->width <= 1 << 14 && image->height > 1 && image->width > 1) {
        rc = image_convert(image, seen % 2 == 0 ? 1 : 3);
        if (rc == EXIT_OK)
            rc = image_crop(image, "fuzz", image->height - 1, image->width / 2);
        if (rc == EXIT_OK)
            rc = image_resize_shorter(image, "fuzz", 5);
        if (rc == EXIT_OK)
            (void)image_resize(image, "fuzz", 9, 31);
    }
    image_free(image);
}

#endif
