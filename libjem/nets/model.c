/* SPDX-License-Identifier: MIT */
/* A network with weights, and the way of the weights to and from plain arrays.
 *
 * Parameters go through the seam one by one with their real sizes, since a backend may keep
 * its tensors in another order inside. */

#include "nets/model.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "core/context.h"
#include "core/error.h"
#include "core/memory.h"

static jem_status build(jem__network *net, const jem_options *opts)
{
    const char *arch = jem__option_str(opts, "model.arch");
    const int64_t classes = jem__option_i64(opts, "model.classes");
    if (strcmp(arch, "wrn") == 0)
        return jem__wide_resnet(net, jem__option_i64(opts, "model.depth"),
                                jem__option_i64(opts, "model.widen"), classes);
    if (strcmp(arch, "small") == 0)
        return jem__small_conv(net, jem__option_i64(opts, "model.filters"), classes);
    if (strcmp(arch, "mlp") == 0)
        return jem__mlp(net, jem__option_i64(opts, "model.hidden"),
                        jem__option_i64(opts, "model.layers"), classes);
    return jem__fail(JEM_E_INTERNAL, "jem_model_create: no network for model.arch = \"%s\"",
                     arch);
}

jem_status jem__model_network(jem_context *ctx, const jem_options *opts, jem__network **out)
{
    JEM__TRY(jem__network_create(ctx, jem__option_i64(opts, "model.channels"),
                                 jem__option_i64(opts, "model.height"),
                                 jem__option_i64(opts, "model.width"), out));
    const jem_status status = build(*out, opts);
    if (status != JEM_OK) {
        jem__network_free(*out);
        *out = NULL;
    }
    return status;
}

static jem_status create_lock(jem_model *model)
{
    pthread_mutex_t *lock = jem__alloc(model->ctx, 1, (int64_t)sizeof *lock);
    if (lock == NULL)
        return JEM_E_NOMEM;
    if (pthread_mutex_init(lock, NULL) != 0) {
        jem__free(model->ctx, lock);
        return jem__fail(JEM_E_NOMEM, "jem_model_create: no memory for a mutex");
    }
    model->lock = lock;
    return JEM_OK;
}

static jem_status fill_model(jem_model *model, const jem_options *opts)
{
    const jem__backend *backend = model->ctx->backend;
    JEM__TRY(jem__options_copy(model->ctx, opts, &model->opts));
    JEM__TRY(jem__model_network(model->ctx, model->opts, &model->net));
    model->c = model->net->values[0].c;
    model->h = model->net->values[0].h;
    model->w = model->net->values[0].w;
    model->classes = model->net->classes;
    JEM__TRY(create_lock(model));
    JEM__TRY(backend->queue_create(model->ctx, 0, &model->queue));
    model->params =
        (jem__tensor){.n = 1, .c = model->net->param_count, .h = 1, .w = 1}; /* mem is zeroed */
    return backend->mem_create(model->ctx, model->net->param_count, &model->params.mem);
}

jem_status jem__model_create(jem_context *ctx, const jem_options *opts, jem_model **out)
{
    *out = NULL;
    jem_model *model = jem__alloc(ctx, 1, (int64_t)sizeof *model);
    if (model == NULL)
        return JEM_E_NOMEM;
    atomic_init(&model->refs, 1);
    model->ctx = jem__context_ref(ctx);
    jem__metadata_init(ctx, &model->metadata);
    const jem_status status = fill_model(model, opts);
    if (status != JEM_OK) {
        jem__model_unref(model);
        return status;
    }
    *out = model;
    return JEM_OK;
}

/* Uniform in +-1 / sqrt(fan_in): kaiming_uniform with a = sqrt 5, PyTorch's way. */
jem_status jem__model_init(jem_model *model, int64_t seed)
{
    const jem__network *net = model->net;
    int64_t longest = 0;
    for (int32_t i = 0; i < net->n_params; i++)
        longest = longest > net->params[i].count ? longest : net->params[i].count;
    float *values = jem__alloc_raw(model->ctx, longest, (int64_t)sizeof *values);
    if (values == NULL)
        return JEM_E_NOMEM;

    jem_status status = JEM_OK;
    for (int32_t i = 0; i < net->n_params && status == JEM_OK; i++) {
        const jem__param *p = &net->params[i];
        const float bound = (float)(1.0 / sqrt((double)p->fan_in));
        const jem__rng rng = {.key = jem__rng_key(seed, 0),
                              .purpose = JEM__RNG_INIT,
                              .minor = 0,
                              .index = (uint64_t)i};
        jem__rng_uniform(&rng, 0, p->count, values);
        for (int64_t e = 0; e < p->count; e++)
            values[e] = bound * (2.0F * values[e] - 1.0f);
        status = jem__model_param_upload(model, &model->params, i, values);
    }
    jem__free(model->ctx, values);
    return status;
}

jem_model *jem__model_ref(jem_model *model)
{
    atomic_fetch_add(&model->refs, 1);
    return model;
}

void jem__model_unref(jem_model *model)
{
    if (model == NULL || atomic_fetch_sub(&model->refs, 1) != 1)
        return;
    jem_context *ctx = model->ctx;
    ctx->backend->mem_free(ctx, model->params.mem);
    ctx->backend->queue_free(model->queue);
    if (model->lock != NULL)
        (void)pthread_mutex_destroy(model->lock);
    jem__free(ctx, model->lock);
    for (int32_t i = 0; i < JEM__MODEL_UNUSED; i++)
        jem__free(ctx, model->unused[i].data);
    jem__metadata_free(&model->metadata);
    jem__network_free(model->net);
    jem__options_free(model->opts);
    jem__free(ctx, model);
    jem__context_unref(ctx);
}

jem_status jem__model_param_upload(jem_model *model, const jem__tensor *block, int32_t index,
                                   const float *values)
{
    const jem__tensor t = jem__param_tensor(&model->net->params[index], block);
    (void)pthread_mutex_lock(model->lock);
    const jem_status status = model->ctx->backend->upload(model->queue, &t, values);
    (void)pthread_mutex_unlock(model->lock);
    return status;
}

jem_status jem__model_param_download(const jem_model *model, const jem__tensor *block,
                                     int32_t index, float *values)
{
    const jem__tensor t = jem__param_tensor(&model->net->params[index], block);
    (void)pthread_mutex_lock(model->lock);
    const jem_status status = model->ctx->backend->download(model->queue, &t, values);
    (void)pthread_mutex_unlock(model->lock);
    return status;
}

jem_status jem__model_upload(jem_model *model, const jem__tensor *block, const float *host)
{
    const jem__network *net = model->net;
    for (int32_t i = 0; i < net->n_params; i++)
        JEM__TRY(jem__model_param_upload(model, block, i, host + net->params[i].at));
    return JEM_OK;
}

jem_status jem__model_download(const jem_model *model, const jem__tensor *block, float *host)
{
    const jem__network *net = model->net;
    memset(host, 0, (size_t)net->param_count * sizeof *host); /* the gaps */
    for (int32_t i = 0; i < net->n_params; i++)
        JEM__TRY(jem__model_param_download(model, block, i, host + net->params[i].at));
    return JEM_OK;
}

int32_t jem__model_find(const jem_model *model, const char *name)
{
    for (int32_t i = 0; i < model->net->n_params; i++) {
        if (strcmp(model->net->params[i].name, name) == 0)
            return i;
    }
    return -1;
}

int64_t jem__model_image_size(const jem_model *model)
{
    return model->c * model->h * model->w;
}
