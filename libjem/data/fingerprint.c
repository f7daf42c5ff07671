/* SPDX-License-Identifier: MIT */
/* FNV-1a (Fowler, Noll and Vo), 64 bits, over sizes, labels and values, each number as
 * little-endian bytes. It guards against mistakes, not against malice. */

#include "data/fingerprint.h"

#include <stddef.h>
#include <string.h>

#define FNV_OFFSET UINT64_C(14695981039346656037)
#define FNV_PRIME  UINT64_C(1099511628211)

static uint64_t add_byte(uint64_t hash, uint8_t byte)
{
    return (hash ^ byte) * FNV_PRIME;
}

static uint64_t add_number(uint64_t hash, uint64_t number, int32_t bytes)
{
    for (int32_t i = 0; i < bytes; i++)
        hash = add_byte(hash, (uint8_t)(number >> (8 * i)));
    return hash;
}

uint64_t jem__fingerprint(const jem_dataset *data)
{
    const int64_t sizes[] = {data->n, data->c, data->h, data->w, data->classes};
    const int64_t count = data->n * data->c * data->h * data->w;
    uint64_t hash = FNV_OFFSET;

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        hash = add_number(hash, (uint64_t)sizes[i], 8);
    for (int64_t i = 0; i < data->n; i++)
        hash = add_number(hash, (uint32_t)data->labels[i], 4);
    for (int64_t i = 0; i < count && data->bytes != NULL; i++)
        hash = add_byte(hash, data->bytes[i]);
    for (int64_t i = 0; i < count && data->bytes == NULL; i++) {
        uint32_t bits;
        memcpy(&bits, &data->floats[i], sizeof bits);
        hash = add_number(hash, bits, 4);
    }
    return hash;
}
