/* SPDX-License-Identifier: MIT */
/* Pickles of the kit: read, and all of what CIFAR's reader looks at looked at. */

#include "fuzz.h"

#include "kit/formats/pickle.h"

static void look(const struct pickle_value *root, const char *key)
{
    const struct pickle_value *v = pickle_get(root, key);
    const int64_t length = v == NULL ? 0 : pickle_length(v);
    int64_t number, sum = 0;

    for (int64_t i = 0; i < length; i++)
        sum += pickle_integer_at(v, i, &number);
    fuzz_require(sum == 0 || sum <= length, "as many integers as elements, or fewer");
    if (v != NULL && v->kind == PICKLE_ARRAY && v->as.array->values != NULL)
        for (int64_t i = 0; i < v->as.array->count * v->as.array->item; i++)
            sum += v->as.array->values[i];
    fuzz_require(sum >= 0, "every byte of an array is there");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pickle *p = NULL;

    fuzz_hush();
    if (pickle_read("fuzz", data, size, &p) == 0) {
        fuzz_require(pickle_root(p) != NULL, "a pickle has a value");
        look(pickle_root(p), "data");
        look(pickle_root(p), "labels");
    }
    pickle_free(p);
    fuzz_speak();
    return 0;
}
