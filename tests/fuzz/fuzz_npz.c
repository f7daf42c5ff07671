/* SPDX-License-Identifier: MIT */
/* A .npz file: its directory, and every array in it. */

#include <stdio.h>
#include <stdlib.h>

#include "fuzz.h"
#include "kit/base/report.h"
#include "kit/formats/npz.h"

/* Once more without the last byte, because then no CRC stands between the input and the array. */
static void unpack_most(const struct npz *z, const struct npz_member *m)
{
    const size_t n = m->size > 0 ? (size_t)m->size - 1 : 0;
    uint8_t *bytes = malloc(n + 1);
    uint64_t length;

    fuzz_require(bytes != NULL, "memory");
    if (npz_unpack(z, m, bytes, n) == EXIT_OK)
        (void)npy_length(bytes, n, "fuzz", &length);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static FILE *nowhere; /* so that messages are made, but not seen */
    struct npy_array a;
    struct npz z;

    if (nowhere == NULL)
        fuzz_require((nowhere = fopen("/dev/null", "w")) != NULL, "/dev/null");
    report_to(nowhere);
    if (npz_parse(data, size, "fuzz", &z) != EXIT_OK)
        return 0;
    if (npz_read(&z, NULL, &a) == EXIT_OK)
        npy_free(&a);
    for (size_t i = 0; i < z.count; i++) {
        char name[256];

        snprintf(name, sizeof name, "%.*s", z.members[i].length, z.members[i].name);
        if (npz_read(&z, name, &a) == EXIT_OK) {
            fuzz_require(a.values >= a.bytes, "inside the member");
            npy_free(&a);
        }
        unpack_most(&z, &z.members[i]);
    }
    npz_close(&z);
    return 0;
}
