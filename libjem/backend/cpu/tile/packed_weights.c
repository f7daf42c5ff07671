/* SPDX-License-Identifier: MIT */

/* See packed_weights.h. */

#include "backend/cpu/tile/packed_weights.h"

#include "backend/cpu/cpu.h"
#include "core/memory.h"

jem_status jem__packed_init(jem__packed *packed)
{
    *packed = (jem__packed){.version = 0};
    if (pthread_mutex_init(&packed->lock, NULL) != 0)
        return jem__fail(JEM_E_NOMEM, "no memory for a mutex");
    return JEM_OK;
}

void jem__packed_clear(jem_context *ctx, jem__packed *packed)
{
    for (int64_t i = 0; i < packed->n; i++)
        jem__free(ctx, packed->list[i].numbers);
    jem__free(ctx, packed->list);
    pthread_mutex_destroy(&packed->lock);
}

/* Memory is let go before it is given back: a child of fork() frees what it finds, whatever
 * another thread of its parent was doing.
 *
 * The entry of (at, form), made when there is none; NULL without memory. */
static jem__packed_form *find(jem_context *ctx, jem__packed *p, int64_t at, int32_t form)
{
    for (int64_t i = 0; i < p->n; i++)
        if (p->list[i].at == at && p->list[i].form == form)
            return &p->list[i];
    if (p->n == p->capacity) {
        const int64_t capacity = p->capacity > 0 ? 2 * p->capacity : 16;
        jem__packed_form *list = jem__alloc(ctx, capacity, sizeof *list);
        if (list == NULL)
            return NULL;
        for (int64_t i = 0; i < p->n; i++)
            list[i] = p->list[i];
        jem__packed_form *old = p->list;
        p->list = list;
        p->capacity = capacity;
        jem__free(ctx, old);
    }
    p->list[p->n] = (jem__packed_form){.at = at, .form = form, .version = -1};
    return &p->list[p->n++];
}

static jem_status get(const jem__queue *queue, jem__packed *p, int64_t at, int32_t form,
                      int64_t count, jem__pack_fn pack, void *arg, const float **out)
{
    jem_context *ctx = queue->ctx;
    jem__packed_form *entry = find(ctx, p, at, form);

    if (entry == NULL)
        return JEM_E_NOMEM;
    if (entry->count != count) {
        float *old = entry->numbers;
        entry->numbers = NULL;
        entry->count = 0;
        entry->version = -1;
        jem__free(ctx, old);
        entry->numbers = jem__alloc_raw(ctx, count, sizeof *entry->numbers);
        if (entry->numbers == NULL)
            return JEM_E_NOMEM;
        entry->count = count;
    }
    if (entry->version != p->version) {
        pack(queue, arg, entry->numbers);
        entry->version = p->version;
    }
    *out = entry->numbers;
    return JEM_OK;
}

jem_status jem__packed_get(const jem__queue *queue, const jem__tensor *w, int32_t form,
                           int64_t count, jem__pack_fn pack, void *arg, const float **out)
{
    jem__packed *p = &w->mem->packed;
    jem_status status = JEM_OK;

    pthread_mutex_lock(&p->lock);
    status = get(queue, p, w->at, form, count, pack, arg, out);
    pthread_mutex_unlock(&p->lock);
    return status;
}
