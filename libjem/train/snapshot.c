/* SPDX-License-Identifier: MIT */
/* See snapshot.h. Blocks are copied below the seam, as they are there: the reference backend
 * keeps its doubles, which a file would round. */

#include "train/snapshot.h"

#include <stddef.h>
#include <string.h>

#include "core/context.h"
#include "core/error.h"
#include "core/memory.h"

static jem_status make_room(const jem_trainer *t, jem__snapshot *s)
{
    jem__state *state = &s->state;

    *state = jem__state_list(t);
    const int32_t has_images = state->images != NULL;
    state->images = NULL; /* the trainer's own */
    state->ages = NULL;
    for (int32_t i = 0; i < state->n_blocks; i++) {
        s->blocks[i] = *state->blocks[i].tensor;
        s->blocks[i].mem = NULL;
        state->blocks[i].tensor = &s->blocks[i];
    }
    for (int32_t i = 0; i < state->n_blocks; i++)
        JEM__TRY(s->ctx->backend->mem_create(s->ctx, s->blocks[i].c, &s->blocks[i].mem));
    if (!has_images)
        return JEM_OK;
    state->images =
        jem__alloc_raw(s->ctx, state->capacity * state->image_size, sizeof *state->images);
    state->ages = jem__alloc_raw(s->ctx, state->capacity, sizeof *state->ages);
    return state->images == NULL || state->ages == NULL ? JEM_E_NOMEM : JEM_OK;
}

jem_status jem__trainer_snapshot_create(const jem_trainer *t, jem__snapshot **out)
{
    *out = NULL;
    jem__snapshot *s = jem__alloc(t->ctx, 1, sizeof *s);
    if (s == NULL)
        return JEM_E_NOMEM;
    s->trainer = t;
    s->ctx = jem__context_ref(t->ctx);
    const jem_status status = make_room(t, s);
    if (status != JEM_OK) {
        jem__trainer_snapshot_free(s);
        return status;
    }
    *out = s;
    return JEM_OK;
}

/* From one list to another of the same trainer. */
static jem_status copy(const jem_trainer *t, const jem__state *from, const jem__state *to)
{
    for (int32_t i = 0; i < from->n_blocks; i++)
        JEM__TRY(t->ctx->backend->copy(t->queue, from->blocks[i].tensor, to->blocks[i].tensor));
    if (from->images == NULL)
        return JEM_OK;
    memcpy(to->images, from->images,
           (size_t)(from->capacity * from->image_size) * sizeof *from->images);
    memcpy(to->ages, from->ages, (size_t)from->capacity * sizeof *from->ages);
    return JEM_OK;
}

jem_status jem__trainer_snapshot_store(const jem_trainer *t, jem__snapshot *snapshot)
{
    const jem__state now = jem__state_list(t);

    JEM__TRY(copy(t, &now, &snapshot->state));
    snapshot->state.running_auc = now.running_auc;
    memcpy(snapshot->state.counters, now.counters, sizeof now.counters);
    return JEM_OK;
}

jem_status jem__trainer_snapshot_take(const jem_trainer *t, jem__snapshot **out)
{
    JEM__TRY(jem__trainer_snapshot_create(t, out));
    const jem_status status = jem__trainer_snapshot_store(t, *out);
    if (status != JEM_OK) {
        jem__trainer_snapshot_free(*out);
        *out = NULL;
    }
    return status;
}

jem_status jem__trainer_snapshot_restore(jem_trainer *t, const jem__snapshot *snapshot)
{
    const jem__state state = jem__state_list(t);

    if (snapshot->trainer != t)
        return jem__fail(JEM_E_STATE,
                         "jem__trainer_snapshot_restore: a snapshot of another training");
    JEM__TRY(copy(t, &snapshot->state, &state));
    t->telemetry.running_auc = snapshot->state.running_auc;
    jem__state_set_counters(t, snapshot->state.counters);
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
    jem__free(ctx, snapshot->state.images);
    jem__free(ctx, snapshot->state.ages);
    jem__free(ctx, snapshot);
    jem__context_unref(ctx);
}
