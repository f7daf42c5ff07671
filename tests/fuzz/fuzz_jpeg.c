/* SPDX-License-Identifier: MIT */
/* JPEG files, and all else that begins like one. */

#include "fuzz_image.h"
#include "kit/images/image_codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct image image = {0, 0, 0, NULL};

    fuzz_hush();
    fuzz_image(image_decode_jpeg(data, size, "fuzz", &image), &image);
    fuzz_speak();
    return 0;
}
