/* SPDX-License-Identifier: MIT */

/* See filters.h. */

#include "backend/cpu/tile/filters.h"

#include "backend/cpu/cpu.h"
#include "core/memory.h"

jem_status jem__filters_init(jem__filters *filters)
{
    *filters = (jem__filters){.version = 0};
    if (pthread_mutex_init(&filters->lock, NULL) != 0)
        return jem__fail(JEM_E_NOMEM, "no memory for a mutex");
    return JEM_OK;
}

void jem__filters_clear(jem_context *ctx, jem__filters *filters)
{
    for (int64_t i = 0; i < filters->n; i++)
        jem__free(ctx, filters->list[i].numbers);
    jem__free(ctx, filters->list);
    pthread_mutex_destroy(&filters->lock);
}

/* The entry of (at, form), made when there is none; NULL without memory. */
static jem__filter *find(jem_context *ctx, jem__filters *f, int64_t at, int32_t form)
{
    for (int64_t i = 0; i < f->n; i++)
        if (f->list[i].at == at && f->list[i].form == form)
            return &f->list[i];
    if (f->n == f->room) {
        const int64_t room = f->room > 0 ? 2 * f->room : 16;
        jem__filter *list = jem__alloc(ctx, room, (int64_t)sizeof *list);
        if (list == NULL)
            return NULL;
        for (int64_t i = 0; i < f->n; i++)
            list[i] = f->list[i];
        jem__free(ctx, f->list);
        f->list = list;
        f->room = room;
    }
    f->list[f->n] = (jem__filter){.at = at, .form = form, .version = -1};
    return &f->list[f->n++];
}

static jem_status get(const jem__device *dev, jem__filters *f, int64_t at, int32_t form,
                      int64_t count, jem__pack_fn pack, void *arg, const float **out)
{
    jem_context *ctx = dev->ctx;
    jem__filter *entry = find(ctx, f, at, form);

    if (entry == NULL)
        return JEM_E_NOMEM;
    if (entry->count != count) {
        jem__free(ctx, entry->numbers);
        entry->count = 0;
        entry->version = -1;
        entry->numbers = jem__alloc_raw(ctx, count, (int64_t)sizeof *entry->numbers);
        if (entry->numbers == NULL)
            return JEM_E_NOMEM;
        entry->count = count;
    }
    if (entry->version != f->version) {
        pack(dev, arg, entry->numbers);
        entry->version = f->version;
    }
    *out = entry->numbers;
    return JEM_OK;
}

jem_status jem__filters_get(const jem__device *dev, const jem__tensor *w, int32_t form,
                            int64_t count, jem__pack_fn pack, void *arg, const float **out)
{
    jem__filters *f = &w->mem->filters;
    jem_status status = JEM_OK;

    pthread_mutex_lock(&f->lock);
    status = get(dev, f, w->at, form, count, pack, arg, out);
    pthread_mutex_unlock(&f->lock);
    return status;
}
