/* SPDX-License-Identifier: MIT */
/* See snapshot.h. Blocks are copied below the seam, as they are there: the reference backend
 * keeps its doubles, which a file would round. */

#include "train/snapshot.h"

#include <stddef.h>
#include <string.h>

#include "core/context.h"
#include "core/error.h"
#include "core/memory.h"
#include "train/state.h"

struct jem__snapshot {
    const jem_trainer *trainer; /* whose it is; not followed */
    jem_context *ctx;           /* a reference: a snapshot may outlive its trainer */
    jem__tensor blocks[JEM__STATE_BLOCKS];
    float *images;
    int64_t *ages;
    double running_auc;
    int64_t counters[JEM__STATE_COUNTERS];
};

static jem_status copy_images(const jem__state *state, jem__snapshot *s)
{
    if (state->images == NULL)
        return JEM_OK;
    const int64_t count = state->capacity * state->image_size; /* fits: they are there */
    s->images = jem__alloc_raw(s->ctx, count, sizeof *s->images);
    s->ages = jem__alloc_raw(s->ctx, state->capacity, sizeof *s->ages);
    if (s->images == NULL || s->ages == NULL)
        return JEM_E_NOMEM;
    memcpy(s->ages, state->ages, (size_t)state->capacity * sizeof *s->ages);
    memcpy(s->images, state->images, (size_t)count * sizeof *s->images);
    return JEM_OK;
}

static jem_status copy_state(const jem_trainer *t, jem__snapshot *s)
{
    const jem__state state = jem__state_list(t);
    const jem__backend *backend = s->ctx->backend;

    for (int32_t i = 0; i < state.n_blocks; i++) {
        const jem__tensor *from = state.blocks[i].tensor;
        s->blocks[i] = *from;
        s->blocks[i].mem = NULL;
        JEM__TRY(backend->mem_create(s->ctx, from->c, &s->blocks[i].mem));
        JEM__TRY(backend->copy(t->queue, from, &s->blocks[i]));
    }
    jem__state_counters(t, s->counters);
    s->running_auc = t->telemetry.running_auc;
    return copy_images(&state, s);
}

jem_status jem__trainer_snapshot_take(const jem_trainer *t, jem__snapshot **out)
{
    *out = NULL;
    jem__snapshot *s = jem__alloc(t->ctx, 1, sizeof *s);
    if (s == NULL)
        return JEM_E_NOMEM;
    s->trainer = t;
    s->ctx = jem__context_ref(t->ctx);
    const jem_status status = copy_state(t, s);
    if (status != JEM_OK) {
        jem__trainer_snapshot_free(s);
        return status;
    }
    *out = s;
    return JEM_OK;
}

jem_status jem__trainer_snapshot_restore(jem_trainer *t, const jem__snapshot *snapshot)
{
    const jem__state state = jem__state_list(t);

    if (snapshot->trainer != t)
        return jem__fail(JEM_E_STATE,
                         "jem__trainer_snapshot_restore: a snapshot of another training");
    for (int32_t i = 0; i < state.n_blocks; i++)
        JEM__TRY(t->ctx->backend->copy(t->queue, &snapshot->blocks[i], state.blocks[i].tensor));
    if (state.images != NULL) {
        memcpy(state.images, snapshot->images,
               (size_t)(state.capacity * state.image_size) * sizeof *state.images);
        memcpy(state.ages, snapshot->ages, (size_t)state.capacity * sizeof *state.ages);
    }
    t->telemetry.running_auc = snapshot->running_auc;
    jem__state_set_counters(t, snapshot->counters);
    t->has_grads = 0;
    t->metrics = jem__no_metrics();
    return JEM_OK;
}

void jem__trainer_snapshot_free(jem__snapshot *snapshot)
{
    if (snapshot == NULL)
        return;
    jem_context *ctx = snapshot->ctx;
    for (int32_t i = 0; i < JEM__STATE_BLOCKS; i++)
        ctx->backend->mem_free(ctx, snapshot->blocks[i].mem);
    jem__free(ctx, snapshot->images);
    jem__free(ctx, snapshot->ages);
    jem__free(ctx, snapshot);
    jem__context_unref(ctx);
}
