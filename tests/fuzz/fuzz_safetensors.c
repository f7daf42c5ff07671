/* SPDX-License-Identifier: MIT */
/* A safetensors file: the container, every tensor in it, and the model in it. */

#include <stdlib.h>

#include "fuzz.h"
#include "io/safetensors.h"

static void read_tensor(jem__st_file *f, const jem__st_tensor *t, int64_t size)
{
    fuzz_require(t->at >= 8 && t->bytes >= 0 && t->bytes <= size - t->at, "inside the file");
    fuzz_require(t->count <= 8 * t->bytes, "no number without bytes");
    float *x = malloc((size_t)t->count * sizeof *x + 1);
    int64_t *y = malloc((size_t)t->count * sizeof *y + 1);
    fuzz_require(x != NULL && y != NULL, "memory");
    (void)jem__st_read_f32(f, t, x, t->count);
    (void)jem__st_read_i64(f, t, y, t->count);
    free(x);
    free(y);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *path = fuzz_file(data, size, 0);
    jem__st_file *f = NULL;
    jem_model *model = NULL;
    jem_status status = jem__st_open(fuzz_context(), "fuzz", path, &f);
    if (fuzz_made(status, f)) {
        for (int64_t i = 0; i < jem__st_count(f); i++)
            read_tensor(f, jem__st_tensor_at(f, i), (int64_t)size);
        for (int64_t i = 0; i < jem__st_metadata_count(f); i++) {
            const char *key, *value;
            jem__st_metadata_at(f, i, &key, &value);
            fuzz_require(jem__st_metadata(f, key) == value, "metadata is found");
        }
    }
    jem__st_close(f);
    status = jem_model_load(fuzz_context(), path, &model);
    (void)fuzz_made(status, model);
    jem_model_free(model);
    return 0;
}
