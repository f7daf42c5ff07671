/* SPDX-License-Identifier: MIT */
/* A block is a header of one cache line, which holds the size, and then the caller's bytes. The
 * 64 bytes spare every owner from remembering the size that release() has to be given. */

#include "core/memory.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/context.h"
#include "core/error.h"

#define ALIGN 64

struct header {
    int64_t size; /* of the whole block, header included */
};

void *jem__default_alloc(int64_t size, int64_t align, void *user)
{
    (void)user;
    return aligned_alloc((size_t)align, (size_t)size);
}

void jem__default_release(void *ptr, int64_t size, void *user)
{
    (void)size;
    (void)user;
    free(ptr);
}

void *jem__alloc_raw(jem_context *ctx, int64_t count, int64_t size)
{
    int64_t bytes = 0;

    if (!jem__mul(count, size, &bytes) || bytes > PTRDIFF_MAX - 2 * ALIGN) {
        jem__fail(JEM_E_NOMEM, "out of memory: %" PRId64 " x %" PRId64 " bytes cannot exist",
                  count, size);
        return NULL;
    }
    /* Whole cache lines, at least one: aligned_alloc wants a multiple of the alignment. */
    const int64_t lines = jem__max(1, jem__ceil_div(bytes, ALIGN));
    const int64_t total = (1 + lines) * ALIGN;
    char *block = ctx->alloc(total, ALIGN, ctx->alloc_user);
    if (block == NULL) {
        jem__fail(JEM_E_NOMEM, "out of memory: no block of %" PRId64 " bytes", total);
        return NULL;
    }
    if ((uintptr_t)block % ALIGN != 0) {
        ctx->release(block, total, ctx->alloc_user);
        jem__fail(JEM_E_NOMEM, "out of memory: the allocator gave a block that is not aligned "
                               "to 64 bytes");
        return NULL;
    }
    const struct header header = {total};
    memcpy(block, &header, sizeof header);
    return block + ALIGN;
}

void *jem__alloc(jem_context *ctx, int64_t count, int64_t size)
{
    void *block = jem__alloc_raw(ctx, count, size);

    if (block != NULL) /* then the product did not overflow */
        memset(block, 0, (size_t)count * (size_t)size);
    return block;
}

char *jem__strdup(jem_context *ctx, const char *text)
{
    const size_t size = strlen(text) + 1;
    char *copy = jem__alloc_raw(ctx, (int64_t)size, 1);

    if (copy != NULL)
        memcpy(copy, text, size);
    return copy;
}

void jem__free(jem_context *ctx, void *block)
{
    if (block == NULL)
        return;
    char *start = (char *)block - ALIGN;
    struct header header;
    memcpy(&header, start, sizeof header);
    ctx->release(start, header.size, ctx->alloc_user);
}
