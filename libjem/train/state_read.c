/* SPDX-License-Identifier: MIT */
/* Loading a training; state_file.h says how it lies in the file. */

#include <string.h>

#include "core/check.h"
#include "core/context.h"
#include "core/error.h"
#include "core/memory.h"
#include "data/fingerprint.h"
#include "io/checkpoint.h"
#include "train/state.h"
#include "train/state_file.h"

#define LOAD       "jem_trainer_load"
#define N_COUNTERS JEM__STATE_COUNTERS

static jem_status find(jem__st_file *f, const char *name, const jem__st_tensor **out)
{
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

static jem_status read_counters(jem__st_file *f, int64_t out[N_COUNTERS])
{
    const int64_t shape[] = {N_COUNTERS}, limit = INT64_MAX / 2;
    const jem__st_tensor *tensor = jem__st_find(f, "train.counters");

    if (tensor == NULL)
        return jem__fail(JEM_E_STATE,
                         LOAD ": %s holds a model without a training (no tensor "
                              "\"train.counters\"); open it with jem_model_load()",
                         jem__st_path(f));
    JEM__TRY(check_shape(f, tensor, 1, shape));
    JEM__TRY(jem__st_read_i64(f, tensor, out, N_COUNTERS));
    for (int32_t i = 0; i < N_COUNTERS; i++) {
        if (out[i] < 0 || out[i] > limit)
            return jem__fail(JEM_E_FORMAT,
                             LOAD ": %s: train.counters[%" PRId32 "] = %" PRId64
                                  ", must be 0 to %" PRId64,
                             jem__st_path(f), i, out[i], limit);
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
    JEM__TRY(find(f, "replay_buffer", &tensor));
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
        JEM__TRY(find(f, name, &tensor));
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

static jem_status read_ages(jem__st_file *f, jem_trainer *t)
{
    const jem__st_tensor *tensor = jem__st_find(f, "chain_age");
    const int64_t limit = INT64_MAX / 2, capacity = t->buffer->capacity;

    if (tensor == NULL)
        return JEM_OK;
    JEM__TRY(check_shape(f, tensor, 1, &capacity));
    JEM__TRY(jem__st_read_i64(f, tensor, t->buffer->ages, capacity));
    for (int64_t i = 0; i < capacity; i++) {
        const int64_t age = t->buffer->ages[i];
        if (age < 0 || age > limit)
            return jem__fail(JEM_E_FORMAT,
                             LOAD ": %s: chain_age[%" PRId64 "] = %" PRId64
                                  ", must be 0 to %" PRId64,
                             jem__st_path(f), i, age, limit);
    }
    return JEM_OK;
}

/* Bit for bit, so as the double that it is. */
static jem_status read_running_auc(jem__st_file *f, jem_trainer *t)
{
    const jem__st_tensor *tensor = jem__st_find(f, "train.running_auc");
    const int64_t one = 1;
    double value;

    if (tensor == NULL)
        return JEM_OK;
    JEM__TRY(check_shape(f, tensor, 1, &one));
    if (strcmp(tensor->dtype, "F64") != 0)
        return jem__fail(JEM_E_FORMAT, LOAD ": %s: train.running_auc is %s, must be F64",
                         jem__st_path(f), tensor->dtype);
    JEM__TRY(jem__st_read_bytes(f, tensor, 0, &value, (int64_t)sizeof value));
    if (!(value >= 0.0 && value <= 1.0))
        return jem__fail(JEM_E_FORMAT, LOAD ": %s: train.running_auc = %g, must be 0 to 1",
                         jem__st_path(f), value);
    t->telemetry.running_auc = value;
    return JEM_OK;
}

static jem_status read_samples(jem__st_file *f, jem_trainer *t)
{
    const jem__st_tensor *tensor;

    if (t->sampler == NULL)
        return JEM_OK;
    JEM__TRY(read_start(f, t));
    JEM__TRY(find(f, "replay_buffer", &tensor));
    JEM__TRY(jem__buffer_create(t->sampler, t->opts, 0, &t->buffer));
    JEM__TRY(read_finite(f, tensor, t->buffer->images));
    JEM__TRY(read_ages(f, t));
    return read_running_auc(f, t);
}

static jem_status read_block(jem__st_file *f, jem_trainer *t, const jem__state_block *block,
                             float *host)
{
    const jem__network *net = t->model->net;
    char name[JEM__STATE_NAME_SIZE];

    for (int32_t i = 0; i < net->n_params; i++) {
        const jem__param *p = &net->params[i];
        const jem__st_tensor *tensor;
        jem__state_tensor_name(name, block->prefix, p->name);
        JEM__TRY(find(f, name, &tensor));
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

/* All but the weights, which came with the model. */
static jem_status read_blocks(jem__st_file *f, jem_trainer *t)
{
    const jem__state state = jem__state_list(t);
    jem_status status = JEM_OK;
    float *host = jem__alloc(t->ctx, t->model->net->param_count, sizeof *host);

    if (host == NULL)
        return JEM_E_NOMEM;
    for (int32_t i = 1; i < state.n_blocks && status == JEM_OK; i++)
        status = read_block(f, t, &state.blocks[i], host);
    jem__free(t->ctx, host);
    return status;
}

static jem_status read_training(jem__st_file *f, jem_model *model, jem_dataset *data,
                                const jem_options *opts, jem_trainer **out)
{
    int64_t counters[N_COUNTERS];

    JEM__TRY(read_counters(f, counters));
    JEM__TRY(jem__trainer_check_shape(LOAD, model, data));
    const uint64_t fingerprint = jem__fingerprint(data);
    JEM__TRY(check_fingerprint(f, fingerprint));
    JEM__TRY(check_buffer(f, opts, model));
    JEM__TRY(jem__trainer_build(LOAD, model, data, opts, out));
    jem_trainer *t = *out;
    t->fingerprint = fingerprint;
    jem_status status = read_samples(f, t);
    if (status == JEM_OK)
        status = read_blocks(f, t);
    if (status == JEM_OK)
        jem__state_set_counters(t, counters);
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
