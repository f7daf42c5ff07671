/* SPDX-License-Identifier: MIT */
/* The header of a model's file. Its length and as many zeros as it asks for are put around it,
 * so that a few kilobytes describe a whole network, and what the fuzzer changes is the
 * description. */

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "fuzz.h"

#define MAX_ZEROS (1 << 22)

/* Where the last tensor ends; 0 for what is not a header. */
static int64_t data_end(const uint8_t *text, size_t size)
{
    json_t *root = json_loadb((const char *)text, size, 0, NULL);
    int64_t end = 0;
    const char *key;
    json_t *info;
    json_object_foreach(root, key, info)
    {
        const json_t *offsets = json_object_get(info, "data_offsets");
        const int64_t last = (int64_t)json_integer_value(json_array_get(offsets, 1));
        end = last > end ? last : end;
    }
    json_decref(root);
    return end < MAX_ZEROS ? end : MAX_ZEROS;
}

static void ask(const jem_model *model)
{
    int64_t shape[4], count = 0;
    const char *name;
    char text[64];
    fuzz_require(jem_model_shape(model, shape) == JEM_OK, "a shape");
    for (int32_t i = 0; i < 4; i++)
        fuzz_require(shape[i] >= 1, "sizes of at least 1");
    fuzz_require(jem_model_option(model, "model.arch", text, sizeof text) == JEM_OK, "options");
    while (jem_model_param_info(model, count, &name, shape) == JEM_OK)
        count++;
    fuzz_require(count >= 2, "parameters");
    const char *key, *value;
    for (count = 0; jem_model_meta_at(model, count, &key, &value) == JEM_OK; count++)
        fuzz_require(strlen(key) >= 1 && strlen(value) <= 65536, "metadata within bounds");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    jem_model *model = NULL;
    uint8_t *file = malloc(8 + size);
    if (file == NULL)
        abort();
    for (size_t i = 0; i < 8; i++)
        file[i] = (uint8_t)((uint64_t)size >> (8 * i));
    memcpy(file + 8, data, size);
    const char *path = fuzz_file(file, 8 + size, data_end(data, size));
    const jem_status status = jem_model_load(fuzz_context(), path, &model);
    if (fuzz_made(status, model))
        ask(model);
    jem_model_free(model);
    free(file);
    return 0;
}
