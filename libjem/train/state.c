/* SPDX-License-Identifier: MIT */
/* See state.h. */

#include "train/state.h"

#include <stddef.h>

static void list_block(jem__state *state, const char *prefix, const jem__tensor *tensor,
                       int32_t squares)
{
    if (tensor->mem != NULL)
        state->blocks[state->n_blocks++] = (jem__state_block){prefix, tensor, squares};
}

jem__state jem__state_list(const jem_trainer *t)
{
    jem__state state = {.running_auc = t->telemetry.running_auc};

    list_block(&state, NULL, &t->model->params, 0);
    for (int32_t i = 0; i < JEM__OPTIMIZER_BLOCKS; i++)
        list_block(&state, t->optimizer->blocks[i].prefix, &t->moments[i],
                   t->optimizer->blocks[i].squares);
    list_block(&state, "ema", &t->ema, 0);
    if (t->buffer != NULL) {
        state.images = t->buffer->images;
        state.ages = t->buffer->ages;
        state.capacity = t->buffer->capacity;
        state.image_size = t->buffer->image_size;
    }
    jem__state_counters(t, state.counters);
    return state;
}

void jem__state_counters(const jem_trainer *t, int64_t out[JEM__STATE_COUNTERS])
{
    out[0] = t->step;
    out[1] = t->attempts;
    out[2] = t->buffer != NULL ? (int64_t)t->sampler->next_chain : 0;
    out[3] = t->buffer != NULL ? (int64_t)t->sampler->next_start : 0;
    out[4] = t->buffer != NULL ? (int64_t)t->buffer->next_draw : 0;
}

void jem__state_set_counters(jem_trainer *t, const int64_t counters[JEM__STATE_COUNTERS])
{
    t->step = counters[0];
    t->attempts = counters[1];
    if (t->buffer == NULL)
        return;
    t->sampler->next_chain = (uint64_t)counters[2];
    t->sampler->next_start = (uint64_t)counters[3];
    t->buffer->next_draw = (uint64_t)counters[4];
}
