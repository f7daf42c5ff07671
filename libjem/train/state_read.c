/* SPDX-License-Identifier: MIT */
/* Loading a training; state_file.h says how it lies in the file. */

#include <math.h>
#include <string.h>

#include "core/check.h"
#include "core/context.h"
#include "core/error.h"
#include "core/memory.h"
#include "data/fingerprint.h"
#include "io/checkpoint.h"
#include "train/snapshot.h"
#include "train/state_file.h"

#define LOAD       "jem_trainer_load"
#define N_COUNTERS JEM__STATE_COUNTERS

static jem_status find(jem__st_file *f, const char *under, const char *wanted,
                       const jem__st_tensor **out)
{
    char name[JEM__STATE_NAME_SIZE];

    jem__state_name(name, under, wanted);
    *out = jem__st_find(f, name);
    if (*out == NULL)
        return jem__fail(JEM_E_FORMAT, LOAD ": %s: the tensor \"%s\" is missing",
                         jem__st_path(f), name);
    return JEM_OK;
}

static jem_status check_shape(const jem__st_file *f, const jem__st_tensor *tensor, int32_t rank,
                              const int64_t *shape)
{
    int32_t same = tensor->rank == rank;

    for (int32_t i = 0; same && i < rank; i++)
        same = tensor->shape[i] == shape[i];
    if (same)
        return JEM_OK;
    int64_t wanted = 1;
    for (int32_t i = 0; i < rank; i++)
        wanted *= shape[i];
    return jem__fail(JEM_E_FORMAT,
                     LOAD ": %s: the tensor \"%s\" has %" PRId32 " dimensions and %" PRId64
                          " numbers, must have %" PRId32 " and %" PRId64
                          " as the settings in the file say",
                     jem__st_path(f), tensor->name, tensor->rank, tensor->count, rank, wanted);
}

static jem_status read_finite(jem__st_file *f, const jem__st_tensor *tensor, float *out)
{
    JEM__TRY(jem__st_read_f32(f, tensor, out, tensor->count));
    const int64_t at = jem__first_not_finite(out, tensor->count);
    if (at < 0)
        return JEM_OK;
    return jem__fail(JEM_E_NUMERIC,
                     LOAD ": %s: number %" PRId64 " of \"%s\" is %g, must be finite",
                     jem__st_path(f), at, tensor->name, (double)out[at]);
}

static jem_status check_training(jem__st_file *f)
{
    if (jem__st_find(f, "train.counters") != NULL)
        return JEM_OK;
    return jem__fail(JEM_E_STATE,
                     LOAD ": %s holds a model without a training (no tensor "
                          "\"train.counters\"); open it with jem_model_load()",
                     jem__st_path(f));
}

static jem_status read_counters(jem__st_file *f, const char *under, int64_t out[N_COUNTERS])
{
    const int64_t shape[] = {N_COUNTERS}, limit = INT64_MAX / 2;
    const jem__st_tensor *tensor;

    JEM__TRY(find(f, under, "train.counters", &tensor));
    JEM__TRY(check_shape(f, tensor, 1, shape));
    JEM__TRY(jem__st_read_i64(f, tensor, out, N_COUNTERS));
    for (int32_t i = 0; i < N_COUNTERS; i++) {
        if (out[i] < 0 || out[i] > limit)
            return jem__fail(JEM_E_FORMAT,
                             LOAD ": %s: %s[%" PRId32 "] = %" PRId64 ", must be 0 to %" PRId64,
                             jem__st_path(f), tensor->name, i, out[i], limit);
    }
    return JEM_OK;
}

static jem_status check_fingerprint(const jem__st_file *f, uint64_t fingerprint)
{
    char mine[17];
    const char *noted = jem__st_metadata(f, "data_fingerprint");

    if (noted == NULL)
        return jem__fail(JEM_E_FORMAT,
                         LOAD ": %s: the metadata \"data_fingerprint\" is missing",
                         jem__st_path(f));
    jem__state_fingerprint(mine, fingerprint);
    if (strcmp(noted, mine) != 0)
        return jem__fail(JEM_E_STATE,
                         LOAD
                         ": %s: the training began with other images, labels or another order "
                         "(fingerprint %.16s, the data given has %s)",
                         jem__st_path(f), noted, mine);
    return JEM_OK;
}

/* The buffer's size is checked against the file before memory is asked for it. */
static jem_status check_buffer(jem__st_file *f, const jem_options *opts, const jem_model *model)
{
    const jem__st_tensor *tensor;
    const int64_t shape[] = {jem__option_i64(opts, "pcd.capacity"), model->c, model->h,
                             model->w};

    if ((jem__trainer_roles(opts) & JEM__ROLE_SAMPLE) == 0)
        return JEM_OK;
    JEM__TRY(find(f, "", "replay_buffer", &tensor));
    return check_shape(f, tensor, 4, shape);
}

static jem_status read_start(jem__st_file *f, jem_trainer *t)
{
    char name[JEM__STATE_NAME_SIZE];
    const jem__st_tensor *tensor;
    jem__start *start = t->sampler->start;

    if (jem__start_ready(start))
        return JEM_OK;
    for (int64_t k = 0; k < t->model->classes; k++) {
        jem__state_start_name(name, k);
        JEM__TRY(find(f, "", name, &tensor));
        float *block = jem__alloc_raw(t->ctx, tensor->count, sizeof *block);
        if (block == NULL)
            return JEM_E_NOMEM;
        jem_status status = read_finite(f, tensor, block);
        if (status == JEM_OK)
            status = jem__start_set_block(start, k, block, tensor->count);
        jem__free(t->ctx, block);
        JEM__TRY(status);
    }
    return JEM_OK;
}

static jem_status read_ages(jem__st_file *f, const char *under, const jem__state *state)
{
    const int64_t limit = INT64_MAX / 2, capacity = state->capacity;
    char name[JEM__STATE_NAME_SIZE];

    jem__state_name(name, under, "chain_age");
    const jem__st_tensor *tensor = jem__st_find(f, name);
    if (tensor == NULL)
        return JEM_OK;
    JEM__TRY(check_shape(f, tensor, 1, &capacity));
    JEM__TRY(jem__st_read_i64(f, tensor, state->ages, capacity));
    for (int64_t i = 0; i < capacity; i++) {
        if (state->ages[i] < 0 || state->ages[i] > limit)
            return jem__fail(JEM_E_FORMAT,
                             LOAD ": %s: %s[%" PRId64 "] = %" PRId64 ", must be 0 to %" PRId64,
                             jem__st_path(f), name, i, state->ages[i], limit);
    }
    return JEM_OK;
}

/* Bit for bit, so as the doubles that they are. */
static jem_status read_f64(jem__st_file *f, const jem__st_tensor *tensor, int64_t count,
                           double *out)
{
    JEM__TRY(check_shape(f, tensor, 1, &count));
    if (strcmp(tensor->dtype, "F64") != 0)
        return jem__fail(JEM_E_FORMAT, LOAD ": %s: %s is %s, must be F64", jem__st_path(f),
                         tensor->name, tensor->dtype);
    return jem__st_read_bytes(f, tensor, 0, out, count * (int64_t)sizeof *out);
}

static jem_status read_running_auc(jem__st_file *f, const char *under, jem__state *state)
{
    char name[JEM__STATE_NAME_SIZE];

    jem__state_name(name, under, "train.running_auc");
    const jem__st_tensor *tensor = jem__st_find(f, name);
    if (tensor == NULL)
        return JEM_OK;
    JEM__TRY(read_f64(f, tensor, 1, &state->running_auc));
    if (!(state->running_auc >= 0.0 && state->running_auc <= 1.0))
        return jem__fail(JEM_E_FORMAT, LOAD ": %s: %s = %g, must be 0 to 1", jem__st_path(f),
                         name, state->running_auc);
    return JEM_OK;
}

static jem_status read_block(jem__st_file *f, jem_trainer *t, const char *under,
                             const jem__state_block *block, float *host)
{
    const jem__network *net = t->model->net;
    char name[JEM__STATE_NAME_SIZE];

    for (int32_t i = 0; i < net->n_params; i++) {
        const jem__param *p = &net->params[i];
        const jem__st_tensor *tensor;
        jem__state_tensor_name(name, under, block->prefix != NULL ? block->prefix : "weights",
                               p->name);
        JEM__TRY(find(f, "", name, &tensor));
        JEM__TRY(check_shape(f, tensor, p->rank, p->shape));
        float *values = host + p->at;
        JEM__TRY(read_finite(f, tensor, values));
        for (int64_t e = 0; block->squares && e < p->count; e++) {
            if (values[e] < 0.0F)
                return jem__fail(JEM_E_FORMAT,
                                 LOAD ": %s: number %" PRId64
                                      " of \"%s\" is %g, must be at least 0",
                                 jem__st_path(f), e, name, (double)values[e]);
        }
    }
    return jem__model_upload(t->model, block->tensor, host);
}

/* Blocks from `first` on: the weights of the training itself came with the model. */
static jem_status read_blocks(jem__st_file *f, jem_trainer *t, const char *under,
                              const jem__state *state, int32_t first)
{
    jem_status status = JEM_OK;
    float *host = jem__alloc(t->ctx, t->model->net->param_count, sizeof *host);

    if (host == NULL)
        return JEM_E_NOMEM;
    for (int32_t i = first; i < state->n_blocks && status == JEM_OK; i++)
        status = read_block(f, t, under, &state->blocks[i], host);
    jem__free(t->ctx, host);
    return status;
}

static jem_status read_state(jem__st_file *f, jem_trainer *t, const char *under,
                             jem__state *state, int32_t first_block)
{
    const jem__st_tensor *tensor;
    const int64_t shape[] = {state->capacity, t->model->c, t->model->h, t->model->w};

    JEM__TRY(read_counters(f, under, state->counters));
    JEM__TRY(read_blocks(f, t, under, state, first_block));
    state->running_auc = (double)NAN;
    if (state->images == NULL)
        return JEM_OK;
    JEM__TRY(find(f, under, "replay_buffer", &tensor));
    JEM__TRY(check_shape(f, tensor, 4, shape));
    JEM__TRY(read_finite(f, tensor, state->images));
    JEM__TRY(read_ages(f, under, state));
    return read_running_auc(f, under, state);
}

/* How many states the file keeps; no more than the settings say. */
static jem_status count_kept(jem__st_file *f, const jem__guard *guard, int32_t *count)
{
    char under[JEM__STATE_UNDER_SIZE], name[JEM__STATE_NAME_SIZE];

    for (*count = 0;; ++*count) {
        jem__state_under(under, *count);
        jem__state_name(name, under, "train.counters");
        if (jem__st_find(f, name) == NULL)
            return JEM_OK;
        if (*count == guard->states)
            return jem__fail(JEM_E_FORMAT,
                             LOAD ": %s: keeps more states than guard.states = %" PRId32,
                             jem__st_path(f), guard->states);
    }
}

static jem_status read_guard(jem__st_file *f, jem_trainer *t)
{
    const jem__st_tensor *tensor;
    char under[JEM__STATE_UNDER_SIZE];
    int32_t count;
    jem__guard_state decided;

    if (t->guard.mode == JEM__GUARD_OFF)
        return JEM_OK;
    JEM__TRY(find(f, "", "train.guard", &tensor));
    JEM__TRY(read_f64(f, tensor, JEM__GUARD_NUMBERS, (double *)&decided));
    if (jem__guard_decide(t, &decided) != JEM_OK)
        return jem__fail(JEM_E_FORMAT, LOAD ": %s: the numbers of train.guard are out of range",
                         jem__st_path(f));
    JEM__TRY(count_kept(f, &t->guard, &count));
    for (int32_t k = 0; k < count; k++) {
        jem__snapshot **kept = &t->guard.kept[k];
        jem__state_under(under, k);
        JEM__TRY(jem__trainer_snapshot_create(t, kept));
        t->guard.count++;
        JEM__TRY(read_state(f, t, under, &(*kept)->state, 0));
    }
    return JEM_OK;
}

static jem_status read_all(jem__st_file *f, jem_trainer *t)
{
    if (t->sampler != NULL) {
        JEM__TRY(read_start(f, t));
        JEM__TRY(jem__buffer_create(t->sampler, t->opts, 0, &t->buffer));
    }
    jem__state state = jem__state_list(t);
    JEM__TRY(read_state(f, t, "", &state, 1));
    jem__state_set_counters(t, state.counters);
    t->telemetry.running_auc = state.running_auc;
    return read_guard(f, t);
}

static jem_status read_training(jem__st_file *f, jem_model *model, jem_dataset *data,
                                const jem_options *opts, jem_trainer **out)
{
    JEM__TRY(check_training(f));
    JEM__TRY(jem__trainer_check_shape(LOAD, model, data));
    const uint64_t fingerprint = jem__fingerprint(data);
    JEM__TRY(check_fingerprint(f, fingerprint));
    JEM__TRY(check_buffer(f, opts, model));
    JEM__TRY(jem__trainer_build(LOAD, model, data, opts, out));
    jem_trainer *t = *out;
    t->fingerprint = fingerprint;
    const jem_status status = read_all(f, t);
    if (status != JEM_OK) {
        jem__trainer_free(t);
        *out = NULL;
    }
    return status;
}

jem_status jem__trainer_load(jem_context *ctx, jem_dataset *data, const char *path,
                             jem_trainer **out)
{
    jem__st_file *f = NULL;
    jem_options *opts = NULL;
    jem_model *model = NULL;

    *out = NULL;
    jem_status status = jem__st_open(ctx, LOAD, path, &f);
    if (status == JEM_OK)
        status = jem__checkpoint_options(ctx, LOAD, f, &opts);
    if (status == JEM_OK)
        status = jem__checkpoint_model(ctx, LOAD, f, &model);
    if (status == JEM_OK)
        status = read_training(f, model, data, opts, out);
    jem__model_unref(model);
    jem__options_free(opts);
    jem__st_close(f);
    return status;
}
