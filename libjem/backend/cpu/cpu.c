/* SPDX-License-Identifier: MIT */

/* The CPU backend: table, kernel sets, queues, memory, and how numbers get in and out. */

#include "backend/cpu/cpu.h"

#include "core/memory.h"
#include "core/threads/threads.h"

#include <stdio.h>
#include <string.h>

/* The sets by name, best first; the last one runs anywhere. */
static const jem__kernels *const sets[] = {
#if defined(__x86_64__)
    &jem__kernels_avx512, &jem__kernels_avx2,
#endif
    &jem__kernels_blis};

static int32_t runs_here(const jem__kernels *kernels)
{
#if defined(__x86_64__)
    if (kernels == &jem__kernels_avx512)
        return __builtin_cpu_supports("avx512f") != 0;
    if (kernels == &jem__kernels_avx2)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
    (void)kernels;
    return 1;
}

/* The set called `variant`, or the best one for "". */
static jem_status choose(const char *variant, const jem__kernels **out)
{
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
        const int32_t named = strcmp(variant, sets[i]->name) == 0;

        if (named && !runs_here(sets[i]))
            return jem__fail(JEM_E_UNSUPPORTED,
                             "jem_context_create: this processor cannot run the %s kernels",
                             variant);
        *out = sets[i];
        if (named || (variant[0] == '\0' && runs_here(sets[i])))
            return JEM_OK;
    }
    return jem__fail(
        JEM_E_UNKNOWN,
        "jem_context_create: unknown kernels \"%.40s\"; known are avx512, avx2 and "
        "blis",
        variant);
}

static jem_status describe(const char *variant, char *out, int64_t out_size)
{
    const jem__kernels *kernels = NULL;

    JEM__TRY(choose(variant, &kernels));
    if (kernels == &jem__kernels_blis)
        snprintf(out, (size_t)out_size, "cpu (blis %s)", jem__blis_version());
    else
        snprintf(out, (size_t)out_size, "cpu (%s)", kernels->name);
    return JEM_OK;
}

static jem_status queue_create(jem_context *ctx, int32_t alone, jem__queue **out)
{
    const jem__kernels *kernels = NULL;
    jem__queue *queue = NULL;

    *out = NULL;
    JEM__TRY(choose(ctx->variant, &kernels));
    queue = jem__alloc(ctx, 1, sizeof *queue);
    if (queue == NULL)
        return JEM_E_NOMEM;
    queue->ctx = ctx;
    queue->kernels = kernels;
    queue->alone = alone;
    *out = queue;
    return JEM_OK;
}

static void queue_free(jem__queue *queue)
{
    if (queue == NULL)
        return;
    jem__free(queue->ctx, queue->scratch);
    jem__free(queue->ctx, queue);
}

void jem__cpu_for(const jem__queue *queue, int64_t count, jem__task_fn task, void *arg)
{
    if (!queue->alone) {
        jem__parallel_for(queue->ctx, count, task, arg);
        return;
    }
    for (int64_t i = 0; i < count; i++)
        task(arg, i, 0);
}

jem_status jem__cpu_scratch(jem__queue *queue, int64_t shared, int64_t per_worker,
                            jem__scratch *out)
{
    const int64_t align = 16; /* floats: one 64-byte line, so that workers do not share one */
    const int64_t head = jem__round_up(shared, align);
    const int64_t each = jem__round_up(per_worker, align);
    const int64_t workers = queue->alone ? 1 : jem__pool_threads(queue->ctx->pool);
    const int64_t total = jem__max(1, head + each * workers);

    if (total > queue->scratch_floats) {
        jem__free(queue->ctx, queue->scratch);
        queue->scratch_floats = 0;
        queue->scratch = jem__alloc_raw(queue->ctx, total, sizeof *queue->scratch);
        if (queue->scratch == NULL)
            return JEM_E_NOMEM;
        queue->scratch_floats = total;
    }
    *out = (jem__scratch){queue->scratch, queue->scratch + head, each};
    return JEM_OK;
}

static void mem_free(jem_context *ctx, jem__mem *mem)
{
    if (mem == NULL)
        return;
    jem__packed_clear(ctx, &mem->packed);
    jem__free(ctx, mem->floats);
    jem__free(ctx, mem->bits);
    jem__free(ctx, mem);
}

static jem_status create_mem(jem_context *ctx, int64_t count, int64_t size, jem__mem **out)
{
    jem__mem *mem = jem__alloc(ctx, 1, sizeof *mem);
    void *block = NULL;

    *out = NULL;
    if (mem == NULL)
        return JEM_E_NOMEM;
    if (jem__packed_init(&mem->packed) != JEM_OK) {
        jem__free(ctx, mem);
        return JEM_E_NOMEM;
    }
    block = jem__alloc(ctx, count, size);
    if (block == NULL) {
        mem_free(ctx, mem);
        return JEM_E_NOMEM;
    }
    if (size == 1)
        mem->bits = block;
    else
        mem->floats = block;
    *out = mem;
    return JEM_OK;
}

static jem_status mem_create(jem_context *ctx, int64_t count, jem__mem **out)
{
    return create_mem(ctx, count, sizeof(float), out);
}

static jem_status mem_create_bits(jem_context *ctx, int64_t bytes, jem__mem **out)
{
    return create_mem(ctx, bytes, 1, out);
}

static int64_t signs_bytes(int64_t c, int64_t h, int64_t w)
{
    return h * w * jem__sign_row(c);
}

/* Channels first <-> channels last, image by image. */
typedef struct layout_job {
    const float *src;
    float *dst;
    int64_t c, pixels;
    int32_t to_channels_last;
} layout_job;

static void layout_image(void *arg, int64_t image, int32_t worker)
{
    const layout_job *job = arg;
    const int64_t size = job->c * job->pixels;
    const float *src = job->src + image * size;
    float *dst = job->dst + image * size;

    (void)worker;
    if (job->c == 1 || job->pixels == 1) {
        memcpy(dst, src, (size_t)size * sizeof *dst);
        return;
    }
    for (int64_t c = 0; c < job->c; c++)
        for (int64_t p = 0; p < job->pixels; p++) {
            if (job->to_channels_last)
                dst[p * job->c + c] = src[c * job->pixels + p];
            else
                dst[c * job->pixels + p] = src[p * job->c + c];
        }
}

static jem_status upload(jem__queue *queue, const jem__tensor *dst, const float *src)
{
    layout_job job = {src, jem__floats(dst), dst->c, dst->h * dst->w, 1};

    dst->mem->packed.version++;
    jem__cpu_for(queue, dst->n, layout_image, &job);
    return JEM_OK;
}

static jem_status download(jem__queue *queue, const jem__tensor *src, float *dst)
{
    layout_job job = {jem__floats(src), dst, src->c, src->h * src->w, 0};

    jem__cpu_for(queue, src->n, layout_image, &job);
    return JEM_OK;
}

const jem__backend jem__backend_cpu = {.name = "cpu",
                                       .describe = describe,
                                       .queue_create = queue_create,
                                       .queue_free = queue_free,
                                       .mem_create = mem_create,
                                       .mem_create_bits = mem_create_bits,
                                       .mem_free = mem_free,
                                       .signs_bytes = signs_bytes,
                                       .upload = upload,
                                       .download = download,
#define ROW(name) .name = jem__cpu_##name,
                                       JEM__OPERATIONS(ROW)
#undef ROW
};
