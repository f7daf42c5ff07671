/* SPDX-License-Identifier: MIT */
/* Records of CIFAR-10 and of CIFAR-100: every input is read as both. */

#include "fuzz.h"

static void read_as(const char *kind, const uint8_t *data, size_t size)
{
    jem_dataset *d = NULL;
    const jem_status status =
        jem_dataset_from_bytes(fuzz_context(), kind, "fuzz", data, (int64_t)size, NULL, 0, &d);
    (void)fuzz_made(status, d);
    jem_dataset_free(d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_as("cifar10", data, size);
    read_as("cifar100", data, size);
    return 0;
}
