/* SPDX-License-Identifier: MIT */
/* A .npy file: its header, and its values as every type. */

#include <stdio.h>
#include <stdlib.h>

#include "fuzz.h"
#include "kit/base/report.h"
#include "kit/formats/npy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static FILE *nowhere; /* so that messages are made, but not seen */
    struct npy_array a;
    uint64_t length;

    if (nowhere == NULL)
        fuzz_require((nowhere = fopen("/dev/null", "w")) != NULL, "/dev/null");
    report_to(nowhere);
    if (npy_parse(data, size, "fuzz", &a) != EXIT_OK)
        return 0;
    fuzz_require(npy_length(data, size, "fuzz", &length) == EXIT_OK && length == size,
                 "length");
    fuzz_require(a.count >= 0 && (uint64_t)a.count <= size, "no number without bytes");
    double *values = malloc(((size_t)a.count + 1) * sizeof *values);
    fuzz_require(values != NULL, "memory");
    fuzz_require(npy_get_f64(&a, "fuzz", values) == EXIT_OK, "every value is a double");
    (void)npy_get_f32(&a, "fuzz", (float *)values);
    (void)npy_get_i32(&a, "fuzz", (int32_t *)values);
    (void)npy_get_i64(&a, "fuzz", (int64_t *)values);
    free(values);
    npy_free(&a);
    return 0;
}
