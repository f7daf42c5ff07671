/* SPDX-License-Identifier: MIT */
/* The reference backend: what every operation of the seam means, written as the plainest loop
 * in double precision. It is slow on purpose. The tests hold every other backend against it, so
 * nothing here may be clever, and no formula is shared with backend/cpu. */

#include "backend/reference/reference.h"

#include <stdio.h>

#include "core/memory.h"

double *jem__reference_numbers(jem__mem *mem)
{
    return mem->numbers;
}

int64_t jem__reference_count(const jem__tensor *t)
{
    return t->n * t->c * t->h * t->w;
}

double *jem__reference_image(const jem__tensor *t, int64_t i)
{
    return t->mem->numbers + t->at + i * t->c * t->h * t->w;
}

static int64_t signs_bytes(int64_t c, int64_t h, int64_t w)
{
    return (c * h * w + 7) / 8;
}

uint8_t *jem__reference_signs(const jem__signs *signs, int64_t c, int64_t h, int64_t w,
                              int64_t i)
{
    return signs->mem->bits + signs->at + i * signs_bytes(c, h, w);
}

void jem__reference_sign_put(uint8_t *bits, int64_t at, double value)
{
    const int bit = 1 << (at % 8);

    if (value > 0)
        bits[at / 8] = (uint8_t)(bits[at / 8] | bit);
    else
        bits[at / 8] = (uint8_t)(bits[at / 8] & ~bit);
}

double jem__reference_derivative(const uint8_t *bits, int64_t at, float slope)
{
    return (bits[at / 8] >> (at % 8)) & 1 ? 1 : (double)slope;
}

/* NaN stays NaN. */
double jem__reference_activation(double value, float slope)
{
    return value > 0 ? value : (double)slope * value;
}

static jem_status describe(const char *variant, char *out, int64_t out_size)
{
    if (variant[0] != '\0')
        return jem__fail(JEM_E_UNKNOWN,
                         "jem_context_create: the reference backend has no kernels \"%.40s\"",
                         variant);
    snprintf(out, (size_t)out_size, "reference (double precision)");
    return JEM_OK;
}

static jem_status queue_create(jem_context *ctx, int32_t alone, jem__queue **out)
{
    jem__queue *queue = jem__alloc(ctx, 1, sizeof *queue);

    (void)alone; /* it always does */
    *out = queue;
    if (queue == NULL)
        return JEM_E_NOMEM;
    queue->ctx = ctx;
    return JEM_OK;
}

static void queue_free(jem__queue *queue)
{
    if (queue != NULL)
        jem__free(queue->ctx, queue);
}

static void mem_free(jem_context *ctx, jem__mem *mem)
{
    if (mem == NULL)
        return;
    jem__free(ctx, mem->numbers);
    jem__free(ctx, mem->bits);
    jem__free(ctx, mem);
}

static jem_status mem_create(jem_context *ctx, int64_t count, jem__mem **out)
{
    jem__mem *mem = jem__alloc(ctx, 1, sizeof *mem);

    *out = NULL;
    if (mem == NULL)
        return JEM_E_NOMEM;
    mem->numbers = jem__alloc(ctx, count, sizeof *mem->numbers);
    if (mem->numbers == NULL) {
        mem_free(ctx, mem);
        return JEM_E_NOMEM;
    }
    *out = mem;
    return JEM_OK;
}

static jem_status mem_create_bits(jem_context *ctx, int64_t bytes, jem__mem **out)
{
    jem__mem *mem = jem__alloc(ctx, 1, sizeof *mem);

    *out = NULL;
    if (mem == NULL)
        return JEM_E_NOMEM;
    mem->bits = jem__alloc(ctx, bytes, 1);
    if (mem->bits == NULL) {
        mem_free(ctx, mem);
        return JEM_E_NOMEM;
    }
    *out = mem;
    return JEM_OK;
}

static jem_status upload(jem__queue *queue, const jem__tensor *dst, const float *src)
{
    const int64_t count = jem__reference_count(dst);
    double *to = jem__reference_image(dst, 0);

    (void)queue;
    for (int64_t e = 0; e < count; e++)
        to[e] = (double)src[e];
    return JEM_OK;
}

static jem_status download(jem__queue *queue, const jem__tensor *src, float *dst)
{
    const int64_t count = jem__reference_count(src);
    const double *from = jem__reference_image(src, 0);

    (void)queue;
    for (int64_t e = 0; e < count; e++)
        dst[e] = (float)from[e];
    return JEM_OK;
}

const jem__backend jem__backend_reference = {.name = "reference",
                                             .describe = describe,
                                             .queue_create = queue_create,
                                             .queue_free = queue_free,
                                             .mem_create = mem_create,
                                             .mem_create_bits = mem_create_bits,
                                             .mem_free = mem_free,
                                             .signs_bytes = signs_bytes,
                                             .upload = upload,
                                             .download = download,
#define ROW(name) .name = jem__reference_##name,
                                             JEM__OPERATIONS(ROW)
#undef ROW
};
