/* SPDX-License-Identifier: MIT */
#ifndef JEM_CORE_ALGORITHMS_SORT_H
#define JEM_CORE_ALGORITHMS_SORT_H

#include <stdint.h>

/* Does *a go before *b? */
typedef int32_t jem__before_fn(const void *a, const void *b);

/* Sort n elements of `size` bytes in place. Heapsort: n log n steps for every order, so that no
 * file can choose a slow one, and no memory, unlike qsort(), which may allocate. Elements of
 * which neither goes before the other may end in either order. */
void jem__sort(void *base, int64_t n, int64_t size, jem__before_fn *before);

void jem__sort_floats(float *values, int64_t n); /* ascending; none is NaN */

#endif
