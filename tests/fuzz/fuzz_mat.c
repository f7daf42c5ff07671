/* SPDX-License-Identifier: MIT */
/* MAT-files of the kit: both variables of SVHN found and read. */

#include "fuzz.h"

#include <stdlib.h>

#include "kit/formats/mat.h"

#define COUNT_MAX (1 << 20)

static void read_variable(struct mat_file *file, const char *name)
{
    struct mat_array a;
    double *out;

    if (mat_find(file, name, &a) != 0 || a.count > COUNT_MAX)
        return;
    fuzz_require(a.count >= 0 && a.dims >= 2 && a.dims <= MAT_DIMS, "sizes");
    out = malloc((size_t)a.count * sizeof out[0] + 1);
    fuzz_require(out != NULL, "memory");
    if (a.bytes)
        (void)mat_read_bytes(file, &a, (uint8_t *)out);
    else
        (void)mat_read_doubles(file, &a, out);
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mat_file *file = NULL;

    fuzz_hush();
    if (mat_open(fuzz_file(data, size, 0), &file) == 0) {
        read_variable(file, "X");
        read_variable(file, "y");
    }
    mat_close(file);
    fuzz_speak();
    return 0;
}
