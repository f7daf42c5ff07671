/* SPDX-License-Identifier: MIT */
/* Saving a training; state_file.h says how it lies in the file. */

#include <math.h>

#include "core/context.h"
#include "core/error.h"
#include "core/memory.h"
#include "io/checkpoint.h"
#include "train/snapshot.h"
#include "train/state_file.h"

/* The tensors of a block whose numbers are in `host`. */
static jem_status add_block(jem__st_builder *b, const jem__network *net, const char *under,
                            const char *prefix, const float *host)
{
    char name[JEM__STATE_NAME_SIZE];

    for (int32_t i = 0; i < net->n_params; i++) {
        const jem__param *p = &net->params[i];
        jem__state_tensor_name(name, under, prefix, p->name);
        JEM__TRY(jem__st_add(b, name, "F32", p->rank, p->shape, host + p->at));
    }
    return JEM_OK;
}

/* All of a state but its weights. */
static jem_status add_state(jem__st_builder *b, const jem_trainer *t, const char *under,
                            const jem__state *state, const float *host)
{
    const jem__network *net = t->model->net;
    const int64_t counters = JEM__STATE_COUNTERS, one = 1;
    const int64_t shape[] = {state->capacity, t->model->c, t->model->h, t->model->w};
    char name[JEM__STATE_NAME_SIZE];

    for (int32_t i = 1; i < state->n_blocks; i++)
        JEM__TRY(
            add_block(b, net, under, state->blocks[i].prefix, host + i * net->param_count));
    jem__state_name(name, under, "train.counters");
    JEM__TRY(jem__st_add(b, name, "I64", 1, &counters, state->counters));
    if (state->images == NULL)
        return JEM_OK;
    jem__state_name(name, under, "replay_buffer");
    JEM__TRY(jem__st_add(b, name, "F32", 4, shape, state->images));
    jem__state_name(name, under, "chain_age");
    JEM__TRY(jem__st_add(b, name, "I64", 1, &state->capacity, state->ages));
    jem__state_name(name, under, "train.running_auc");
    return isnan(state->running_auc)
               ? JEM_OK
               : jem__st_add(b, name, "F64", 1, &one, &state->running_auc);
}

static jem_status add_starts(jem__st_builder *b, const jem_trainer *t)
{
    char name[JEM__STATE_NAME_SIZE];

    for (int64_t k = 0; t->sampler != NULL && k < t->model->classes; k++) {
        const int64_t size = jem__start_block_size(t->sampler->start, k);
        jem__state_start_name(name, k);
        if (size > 0)
            JEM__TRY(
                jem__st_add(b, name, "F32", 1, &size, jem__start_block(t->sampler->start, k)));
    }
    return JEM_OK;
}

/* What the guard decided, and the states it keeps. */
static jem_status add_guard(jem__st_builder *b, const jem_trainer *t, const float *host)
{
    const jem__guard *guard = &t->guard;
    const jem__network *net = t->model->net;
    const int64_t numbers = JEM__GUARD_NUMBERS;
    char under[JEM__STATE_UNDER_SIZE];

    if (guard->mode == JEM__GUARD_OFF)
        return JEM_OK;
    JEM__TRY(jem__st_add(b, "train.guard", "F64", 1, &numbers, &guard->now));
    for (int32_t k = 0; k < guard->count; k++) {
        const jem__state *state = &guard->kept[k]->state;
        jem__state_under(under, k);
        JEM__TRY(add_block(b, net, under, "weights", host));
        JEM__TRY(add_state(b, t, under, state, host));
        host += state->n_blocks * net->param_count;
    }
    return JEM_OK;
}

/* `host`: param_count floats for each block of the state. Returns the end of them. */
static jem_status download(const jem_trainer *t, const jem__state *state, float **host)
{
    for (int32_t i = 0; i < state->n_blocks; i++) {
        JEM__TRY(jem__model_download(t->model, state->blocks[i].tensor, *host));
        *host += t->model->net->param_count;
    }
    return JEM_OK;
}

static jem_status add_all(jem__st_builder *b, const jem_trainer *t, const jem__state *state,
                          float *host)
{
    char fingerprint[17];
    float *end = host;

    JEM__TRY(download(t, state, &end));
    const float *kept = end;
    for (int32_t k = 0; k < t->guard.count; k++)
        JEM__TRY(download(t, &t->guard.kept[k]->state, &end));
    JEM__TRY(jem__checkpoint_add_model(b, t->model, t->opts, host));
    jem__state_fingerprint(fingerprint, t->fingerprint);
    JEM__TRY(jem__st_add_metadata(b, "data_fingerprint", fingerprint));
    JEM__TRY(add_state(b, t, "", state, host));
    JEM__TRY(add_starts(b, t));
    return add_guard(b, t, kept);
}

jem_status jem__trainer_save(const jem_trainer *t, const char *path)
{
    const jem__state state = jem__state_list(t);
    int64_t count;

    if (!jem__mul((1 + (int64_t)t->guard.count) * state.n_blocks, t->model->net->param_count,
                  &count))
        count = -1; /* refused by the allocation */
    float *host = jem__alloc(t->ctx, count, sizeof *host);
    if (host == NULL)
        return JEM_E_NOMEM;
    jem__st_builder *b = NULL;
    jem_status status = jem__st_builder_create(t->ctx, &b);
    if (status == JEM_OK)
        status = add_all(b, t, &state, host);
    if (status == JEM_OK)
        status = jem__st_write(b, "jem_trainer_save", path);
    jem__st_builder_free(b);
    jem__free(t->ctx, host);
    return status;
}
