/* SPDX-License-Identifier: MIT */
/* An IDX file of images and one of labels. The input is the length of the first (two bytes,
 * little-endian), then both. */

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    jem_dataset *d = NULL;
    if (size < 2)
        return 0;
    size_t images = (size_t)data[0] | (size_t)data[1] << 8;
    images = images < size - 2 ? images : size - 2;
    const uint8_t *labels = data + 2 + images;
    const jem_status status =
        jem_dataset_from_bytes(fuzz_context(), "idx", "fuzz", data + 2, (int64_t)images, labels,
                               (int64_t)(size - 2 - images), &d);
    (void)fuzz_made(status, d);
    jem_dataset_free(d);
    return 0;
}
