/* SPDX-License-Identifier: MIT */
/* Saving a training; state_file.h says how it lies in the file. */

#include <math.h>

#include "core/context.h"
#include "core/error.h"
#include "core/memory.h"
#include "io/checkpoint.h"
#include "train/state.h"
#include "train/state_file.h"

#define N_COUNTERS JEM__STATE_COUNTERS

/* The tensors of a block whose numbers are in `host`. */
static jem_status add_block(jem__st_builder *b, const jem__network *net, const char *prefix,
                            const float *host)
{
    char name[JEM__STATE_NAME_SIZE];

    for (int32_t i = 0; i < net->n_params; i++) {
        const jem__param *p = &net->params[i];
        jem__state_tensor_name(name, prefix, p->name);
        JEM__TRY(jem__st_add(b, name, "F32", p->rank, p->shape, host + p->at));
    }
    return JEM_OK;
}

static jem_status add_samples(jem__st_builder *b, const jem_trainer *t, const jem__state *state)
{
    char name[JEM__STATE_NAME_SIZE];

    if (state->images == NULL)
        return JEM_OK;
    const int64_t shape[] = {state->capacity, t->model->c, t->model->h, t->model->w}, one = 1;
    JEM__TRY(jem__st_add(b, "replay_buffer", "F32", 4, shape, state->images));
    JEM__TRY(jem__st_add(b, "chain_age", "I64", 1, &state->capacity, state->ages));
    if (!isnan(t->telemetry.running_auc))
        JEM__TRY(
            jem__st_add(b, "train.running_auc", "F64", 1, &one, &t->telemetry.running_auc));
    for (int64_t k = 0; k < t->model->classes; k++) {
        const int64_t size = jem__start_block_size(t->sampler->start, k);
        jem__state_start_name(name, k);
        if (size > 0)
            JEM__TRY(
                jem__st_add(b, name, "F32", 1, &size, jem__start_block(t->sampler->start, k)));
    }
    return JEM_OK;
}

/* `host`: param_count floats for each block of the state. */
static jem_status download_blocks(const jem_trainer *t, const jem__state *state, float *host)
{
    for (int32_t i = 0; i < state->n_blocks; i++, host += t->model->net->param_count)
        JEM__TRY(jem__model_download(t->model, state->blocks[i].tensor, host));
    return JEM_OK;
}

static jem_status add_all(jem__st_builder *b, const jem_trainer *t, const jem__state *state,
                          const int64_t counters[N_COUNTERS], float *host)
{
    const jem__network *net = t->model->net;
    const int64_t shape[] = {N_COUNTERS};
    char fingerprint[17];

    JEM__TRY(download_blocks(t, state, host));
    JEM__TRY(jem__checkpoint_add_model(b, t->model, t->opts, host));
    jem__state_fingerprint(fingerprint, t->fingerprint);
    JEM__TRY(jem__st_add_metadata(b, "data_fingerprint", fingerprint));
    JEM__TRY(jem__st_add(b, "train.counters", "I64", 1, shape, counters));
    JEM__TRY(add_samples(b, t, state));
    for (int32_t i = 1; i < state->n_blocks; i++)
        JEM__TRY(add_block(b, net, state->blocks[i].prefix, host + i * net->param_count));
    return JEM_OK;
}

jem_status jem__trainer_save(const jem_trainer *t, const char *path)
{
    const jem__state state = jem__state_list(t);
    int64_t counters[N_COUNTERS], count;

    jem__state_counters(t, counters);
    if (!jem__mul(state.n_blocks, t->model->net->param_count, &count))
        count = -1; /* refused by the allocation */
    float *host = jem__alloc(t->ctx, count, sizeof *host);
    if (host == NULL)
        return JEM_E_NOMEM;
    jem__st_builder *b = NULL;
    jem_status status = jem__st_builder_create(t->ctx, &b);
    if (status == JEM_OK)
        status = add_all(b, t, &state, counters, host);
    if (status == JEM_OK)
        status = jem__st_write(b, "jem_trainer_save", path);
    jem__st_builder_free(b);
    jem__free(t->ctx, host);
    return status;
}
