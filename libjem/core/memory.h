/* SPDX-License-Identifier: MIT */
#ifndef JEM_CORE_MEMORY_H
#define JEM_CORE_MEMORY_H

/* Memory of the context's allocator. Every block is 64-byte aligned and remembers its size, so
 * that release gets what alloc gave. malloc and friends are called nowhere else. */

#include <jem/context.h>

#include "core/arithmetic.h" /* jem__mul(): sizes are multiplied with it */

/* The allocator of a context that was given none. */
void *jem__default_alloc(int64_t size, int64_t align, void *user);
void jem__default_release(void *ptr, int64_t size, void *user);

/* count * size zeroed bytes (at least 1). NULL after jem__fail(JEM_E_NOMEM, ...), also when the
 * product overflows: `if (p == NULL) return JEM_E_NOMEM;` is enough. */
void *jem__alloc(jem_context *ctx, int64_t count, int64_t size);
/* The same without zeroing, for large blocks that are written at once. */
void *jem__alloc_raw(jem_context *ctx, int64_t count, int64_t size);
/* A copy of a zero-ended text. */
char *jem__strdup(jem_context *ctx, const char *text);
void jem__free(jem_context *ctx, void *block); /* NULL accepted */

#endif
