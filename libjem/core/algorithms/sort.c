/* SPDX-License-Identifier: MIT */

#include "core/algorithms/sort.h"

#include <string.h>

#include "core/arithmetic.h"

#define CHUNK 64 /* bytes exchanged at once */

static void exchange(char *a, char *b, int64_t size)
{
    char spare[CHUNK];

    for (int64_t at = 0; at < size; at += CHUNK) {
        const size_t n = (size_t)jem__min(size - at, CHUNK);
        memcpy(spare, a + at, n);
        memcpy(a + at, b + at, n);
        memcpy(b + at, spare, n);
    }
}

/* Restore the heap below `root`: no child goes after its parent. Inlined into each sort, so that
 * sorting floats costs neither calls nor loops over bytes. */
static inline void sift_down(char *base, int64_t root, int64_t n, int64_t size,
                             jem__before_fn *before)
{
    for (int64_t child = 2 * root + 1; child < n; child = 2 * root + 1) {
        if (child + 1 < n && before(base + child * size, base + (child + 1) * size))
            child++;
        if (!before(base + root * size, base + child * size))
            break;
        exchange(base + root * size, base + child * size, size);
        root = child;
    }
}

static inline void heapsort_elements(char *base, int64_t n, int64_t size,
                                     jem__before_fn *before)
{
    for (int64_t i = n / 2 - 1; i >= 0; i--)
        sift_down(base, i, n, size, before);
    for (int64_t i = n - 1; i > 0; i--) {
        exchange(base, base + i * size, size);
        sift_down(base, 0, i, size, before);
    }
}

void jem__sort(void *base, int64_t n, int64_t size, jem__before_fn *before)
{
    heapsort_elements(base, n, size, before);
}

static int32_t smaller(const void *a, const void *b)
{
    return *(const float *)a < *(const float *)b;
}

void jem__sort_floats(float *values, int64_t n)
{
    heapsort_elements((char *)values, n, sizeof *values, smaller);
}
