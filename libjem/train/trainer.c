/* SPDX-License-Identifier: MIT */
/* A training's birth, what can be read from it, and its end. Steps are in step.c, files in
 * state.c. */

#include "train/trainer.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "core/arithmetic.h"
#include "core/context.h"
#include "core/error.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/option_table.h"
#include "data/fingerprint.h"

jem_status jem__trainer_check_shape(const char *caller, const jem_model *model,
                                    const jem_dataset *data)
{
    if (model->c == data->c && model->h == data->h && model->w == data->w &&
        model->classes == data->classes)
        return JEM_OK;
    return jem__fail(JEM_E_SHAPE,
                     "%s: the data has images of %" PRId64 " x %" PRId64 " x %" PRId64
                     " in %" PRId64 " classes, the model is for %" PRId64 " x %" PRId64
                     " x %" PRId64 " in %" PRId64,
                     caller, data->c, data->h, data->w, data->classes, model->c, model->h,
                     model->w, model->classes);
}

uint32_t jem__trainer_roles(const jem_options *opts)
{
    const int32_t px = jem__option_f64(opts, "train.weight_px") > 0.0 ||
                       jem__option_f64(opts, "train.energy_l2") > 0.0;
    const int32_t py_x = jem__option_f64(opts, "train.weight_py_x") > 0.0;
    const int32_t pxy = jem__option_f64(opts, "train.weight_pxy") > 0.0;

    return (px ? JEM__ROLE_DATA : 0u) | (py_x || pxy ? JEM__ROLE_LABELLED : 0u) |
           (px || pxy ? JEM__ROLE_SAMPLE : 0u);
}

/* A copy of the settings that describes the model as it is, whatever `opts` says about it. */
static jem_status copy_options(jem_trainer *t, const jem_options *opts)
{
    char value[JEM__TEXT_SIZE];

    JEM__TRY(jem__options_copy(t->ctx, opts, &t->opts));
    for (int32_t i = 0; i < JEM__OPTION_COUNT; i++) {
        const char *name = jem__option_rows[i].name;
        if (strncmp(name, "model.", strlen("model.")) != 0)
            continue;
        JEM__TRY(jem__options_get_str(t->model->opts, name, value, (int64_t)sizeof value));
        JEM__TRY(jem__options_set_str(t->opts, name, value));
    }
    return JEM_OK;
}

/* A shared batch is one: its images cannot be more in x_d than in x_l, or other ones. */
static jem_status check_shared(const char *caller, const jem_options *opts)
{
    const int64_t batch = jem__option_i64(opts, "train.batch");
    const int64_t batch_px = jem__option_i64(opts, "train.batch_px");
    const int64_t pad = jem__option_i64(opts, "train.crop_pad");
    const int64_t flip = jem__option_i64(opts, "train.flip");

    if (jem__option_i64(opts, "train.share_batch") == 0)
        return JEM_OK;
    if (batch_px != 0 && batch_px != batch)
        return jem__fail(JEM_E_ARGUMENT,
                         "%s: train.batch_px = %" PRId64 ", but with train.share_batch = 1 x_d "
                         "is the batch x_l of train.batch = %" PRId64
                         "; set train.share_batch or train.batch_px to 0",
                         caller, batch_px, batch);
    if (jem__option_i64(opts, "train.augment_px") == 0 && (pad != 0 || flip != 0))
        return jem__fail(JEM_E_ARGUMENT,
                         "%s: train.augment_px = 0, but with train.share_batch = 1 x_d is the "
                         "batch x_l, which train.crop_pad = %" PRId64
                         " and train.flip = %" PRId64
                         " change; set train.share_batch to 0, or train.augment_px to 1",
                         caller, pad, flip);
    return JEM_OK;
}

static jem_status check_options(const char *caller, const jem_options *opts,
                                const jem_dataset *data)
{
    const int64_t pad = jem__option_i64(opts, "train.crop_pad");
    const int64_t side = data->h < data->w ? data->h : data->w;
    const int64_t steps = jem__option_i64(opts, "sgld.steps");
    const int64_t longest = jem__option_i64(opts, "guard.chain_max");

    if (pad > side - 1)
        return jem__fail(JEM_E_RANGE,
                         "%s: train.crop_pad = %" PRId64 ", must be at most %" PRId64
                         " for images of %" PRId64 " x %" PRId64,
                         caller, pad, side - 1, data->h, data->w);
    JEM__TRY(check_shared(caller, opts));
    if (longest > 0 && longest < steps)
        return jem__fail(JEM_E_RANGE,
                         "%s: guard.chain_max = %" PRId64
                         ", must be 0 or at least sgld.steps = "
                         "%" PRId64,
                         caller, longest, steps);
    if ((jem__trainer_roles(opts) & JEM__ROLE_LABELLED) == 0)
        return JEM_OK;
    for (int64_t i = 0; i < data->n; i++) {
        if (data->labels[i] >= 0)
            return JEM_OK;
    }
    return jem__fail(
        JEM_E_ARGUMENT,
        "%s: none of the %" PRId64
        " images has a label; set train.weight_py_x and train.weight_pxy to 0, and "
        "start.kind to uniform",
        caller, data->n);
}

static void read_options(jem_trainer *t)
{
    t->weights.px = jem__option_f64(t->opts, "train.weight_px");
    t->weights.py_x = jem__option_f64(t->opts, "train.weight_py_x");
    t->weights.pxy = jem__option_f64(t->opts, "train.weight_pxy");
    t->weights.energy_l2 = jem__option_f64(t->opts, "train.energy_l2");
    t->weights.label_smoothing = jem__option_f64(t->opts, "train.label_smoothing");
    t->weights.logistic = strcmp(jem__option_str(t->opts, "train.contrast"), "logistic") == 0;
    t->max_loss = jem__option_f64(t->opts, "train.max_loss");
    t->grad_clip = jem__option_f64(t->opts, "train.grad_clip");
    t->ema_decay = jem__option_f64(t->opts, "train.ema");
    t->share_batch = (int32_t)jem__option_i64(t->opts, "train.share_batch");
    t->climb_class = jem__option_i64(t->opts, "sgld.class_cond") != 0 || t->weights.pxy > 0.0;
    t->batch = jem__option_i64(t->opts, "train.batch");
    t->batch_px = jem__option_i64(t->opts, "train.batch_px");
    t->batch_px = t->batch_px > 0 ? t->batch_px : t->batch;
    t->roles = jem__trainer_roles(t->opts);
    t->optimizer = jem__optimizer_find(jem__option_str(t->opts, "train.optimizer"));
    t->metrics = jem__no_metrics();
}

/* One image batch on the host. */
static float *image_array(const jem_trainer *t, int64_t n)
{
    int64_t count;

    if (!jem__mul(n, jem__model_image_size(t->model), &count))
        count = -1; /* refused by the allocation */
    return jem__alloc(t->ctx, count, sizeof(float));
}

/* The streams of x_d and x_l and where they are drawn to. x_d is there even if no term asks
 * for it. */
static jem_status build_batches(jem_trainer *t)
{
    const jem__key key = jem__rng_key(jem__option_i64(t->opts, "train.seed"), 0);
    const int32_t augment_px = jem__option_i64(t->opts, "train.augment_px") != 0;
    jem__augment augment = {.crop_pad = jem__option_i64(t->opts, "train.crop_pad"),
                            .flip = (int32_t)jem__option_i64(t->opts, "train.flip"),
                            .noise_std = (float)jem__option_f64(t->opts, "train.input_noise"),
                            .place = JEM__RNG_AUGMENT_PYX,
                            .noise = JEM__RNG_NOISE_PYX};
    jem__augment augment_d = augment;

    augment_d.crop_pad = augment_px ? augment.crop_pad : 0;
    augment_d.flip = augment_px ? augment.flip : 0;
    augment_d.place = JEM__RNG_AUGMENT_PX;
    augment_d.noise = JEM__RNG_NOISE_PX;
    JEM__TRY(jem__batches_create(t->data, t->ctx, 0, t->batch_px, &augment_d, key,
                                 JEM__RNG_SHUFFLE_PX, &t->batches_d));
    const int64_t n_d = t->batches_d.batch;
    t->x_d = image_array(t, n_d);
    t->y_d = jem__alloc(t->ctx, n_d, sizeof *t->y_d);
    if (t->x_d == NULL || t->y_d == NULL)
        return JEM_E_NOMEM;
    if (t->share_batch || (t->roles & JEM__ROLE_LABELLED) == 0)
        return JEM_OK;
    JEM__TRY(jem__batches_create(t->data, t->ctx, 1, t->batch, &augment, key,
                                 JEM__RNG_SHUFFLE_PYX, &t->batches_l));
    t->x_l = image_array(t, t->batches_l.batch);
    t->y_l = jem__alloc(t->ctx, t->batches_l.batch, sizeof *t->y_l);
    return t->x_l == NULL || t->y_l == NULL ? JEM_E_NOMEM : JEM_OK;
}

static jem_status build_block(const jem_trainer *t, jem__tensor *out)
{
    const int64_t count = t->model->net->param_count;

    *out = (jem__tensor){NULL, 0, 1, count, 1, 1};
    return t->ctx->backend->mem_create(t->ctx, count, &out->mem);
}

/* What the passes need, and the blocks that a step changes. */
static jem_status build_network(jem_trainer *t)
{
    const jem__backend *backend = t->ctx->backend;

    JEM__TRY(backend->queue_create(t->ctx, 0, &t->queue));
    JEM__TRY(jem__gradient_create(t->model, t->queue, jem__max(t->batch, t->batch_px),
                                  &t->gradient));
    JEM__TRY(build_block(t, &t->grads));
    for (int32_t i = 0; i < JEM__OPTIMIZER_BLOCKS; i++) {
        if (t->optimizer->blocks[i].prefix != NULL)
            JEM__TRY(build_block(t, &t->moments[i]));
    }
    jem__sharpness_init(t->opts, &t->sharpness);
    if (t->sharpness.rho > 0.0)
        JEM__TRY(build_block(t, &t->sharpness.there));
    if (t->ema_decay > 0.0) {
        JEM__TRY(build_block(t, &t->ema));
        JEM__TRY(backend->copy(t->queue, &t->model->params, &t->ema));
    }
    return JEM_OK;
}

static jem_status build_sampler(jem_trainer *t)
{
    t->x_q = image_array(t, t->batch_px);
    t->x_0 = image_array(t, t->batch_px);
    t->y_q = jem__alloc(t->ctx, t->batch_px, sizeof *t->y_q);
    t->slots = jem__alloc(t->ctx, t->batch_px, sizeof *t->slots);
    t->ages = jem__alloc(t->ctx, t->batch_px, sizeof *t->ages);
    if (t->x_q == NULL || t->x_0 == NULL || t->y_q == NULL || t->slots == NULL ||
        t->ages == NULL)
        return JEM_E_NOMEM;
    JEM__TRY(jem__head_create(t->model, t->batch_px, &t->head));
    JEM__TRY(jem__sampler_create(t->head, t->opts, &t->sampler));
    jem__sampler_seed(t->sampler, jem__option_i64(t->opts, "train.seed"), 1);
    return JEM_OK;
}

static jem_status build(const char *caller, jem_trainer *t, const jem_options *opts)
{
    JEM__TRY(copy_options(t, opts));
    JEM__TRY(check_options(caller, t->opts, t->data));
    read_options(t);
    JEM__TRY(build_batches(t));
    /* An epoch, whatever the size of x_d. */
    JEM__TRY(jem__schedule_create(t->opts, t->data->n / jem__min(t->batch, t->data->n),
                                  &t->schedule));
    JEM__TRY(build_network(t));
    if ((t->roles & JEM__ROLE_SAMPLE) != 0)
        JEM__TRY(build_sampler(t));
    jem__guard_init(t);
    return JEM_OK;
}

jem_status jem__trainer_build(const char *caller, jem_model *model, jem_dataset *data,
                              const jem_options *opts, jem_trainer **out)
{
    *out = NULL;
    JEM__TRY(jem__trainer_check_shape(caller, model, data));
    jem_trainer *t = jem__alloc(model->ctx, 1, sizeof *t);
    if (t == NULL)
        return JEM_E_NOMEM;
    t->self = t;
    t->ctx = jem__context_ref(model->ctx);
    t->model = jem__model_ref(model);
    t->data = jem__dataset_ref(data);
    jem__telemetry_init(t->ctx, &t->telemetry);
    const jem_status status = build(caller, t, opts);
    if (status != JEM_OK) {
        jem__trainer_free(t);
        return status;
    }
    *out = t;
    return JEM_OK;
}

static jem_status fill_buffer(jem_trainer *t)
{
    if (t->sampler == NULL)
        return JEM_OK;
    if (!jem__start_ready(t->sampler->start))
        JEM__TRY(jem__start_fit(t->sampler->start, "jem_trainer_create", t->data));
    return jem__buffer_create(t->sampler, t->opts, 1, &t->buffer);
}

jem_status jem__trainer_create(jem_model *model, jem_dataset *data, const jem_options *opts,
                               jem_trainer **out)
{
    jem_trainer *t;

    *out = NULL;
    JEM__TRY(jem__trainer_build("jem_trainer_create", model, data, opts, &t));
    const jem_status status = fill_buffer(t);
    if (status != JEM_OK) {
        jem__trainer_free(t);
        return status;
    }
    t->fingerprint = jem__fingerprint(data);
    const int64_t longest = jem__max(t->batch, t->batch_px);
    if (data->n < longest)
        jem__log(t->ctx, JEM_LOG_WARNING,
                 "jem_trainer_create: the data has %" PRId64 " images, %s = %" PRId64
                 ": every batch holds all of them",
                 data->n, longest > t->batch ? "train.batch_px" : "train.batch", longest);
    *out = t;
    return JEM_OK;
}

void jem__trainer_free(jem_trainer *t)
{
    if (t == NULL)
        return;
    jem_context *ctx = t->ctx;
    const jem__backend *backend = ctx->backend;
    jem__buffer_unref(t->buffer);
    jem__sampler_unref(t->sampler);
    jem__head_unref(t->head);
    backend->mem_free(ctx, t->grads.mem);
    for (int32_t i = 0; i < JEM__OPTIMIZER_BLOCKS; i++)
        backend->mem_free(ctx, t->moments[i].mem);
    backend->mem_free(ctx, t->ema.mem);
    backend->mem_free(ctx, t->sharpness.there.mem);
    jem__gradient_free(&t->gradient);
    jem__telemetry_free(&t->telemetry);
    jem__guard_free(&t->guard);
    backend->queue_free(t->queue);
    jem__batches_free(&t->batches_d);
    jem__batches_free(&t->batches_l);
    void *arrays[] = {t->x_d, t->x_l, t->x_q,   t->x_0, t->y_d,
                      t->y_l, t->y_q, t->slots, t->ages};
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++)
        jem__free(ctx, arrays[i]);
    jem__options_free(t->opts);
    jem__dataset_unref(t->data);
    jem__model_unref(t->model);
    jem__free(ctx, t);
    jem__context_unref(ctx);
}

jem_status jem__trainer_metric(const jem_trainer *t, const char *name, double *out)
{
    if (jem__step_metric(&t->metrics, name, out))
        return JEM_OK;
    const int64_t per_epoch = t->schedule.batches_per_epoch, epoch = t->step / per_epoch;
    if (strcmp(name, "step") == 0)
        *out = (double)t->step;
    else if (strcmp(name, "epoch") == 0)
        *out = (double)epoch;
    else if (strcmp(name, "energy_l2") == 0)
        *out = t->weights.energy_l2;
    else if (strcmp(name, "step_size") == 0)
        *out = t->sampler != NULL ? (double)t->sampler->step_size : (double)NAN;
    else if (strcmp(name, "chain_steps") == 0)
        *out = t->sampler != NULL ? (double)t->sampler->steps : (double)NAN;
    else if (strcmp(name, "rollbacks") == 0)
        *out = t->guard.now.rollbacks;
    else if (strcmp(name, "batches_per_epoch") == 0)
        *out = (double)per_epoch;
    else
        return jem__fail(JEM_E_UNKNOWN, "jem_trainer_metric: no metric has the name \"%.80s\"",
                         name);
    return JEM_OK;
}

jem_status jem__trainer_param_grad(const jem_trainer *t, const char *name, float *out,
                                   int64_t out_len)
{
    const int32_t i = jem__model_find(t->model, name);

    if (i < 0)
        return jem__fail(JEM_E_UNKNOWN,
                         "jem_trainer_param_grad: no parameter has the name \"%.80s\"", name);
    const jem__param *param = &t->model->net->params[i];
    if (out_len < param->count)
        return jem__fail(JEM_E_SPACE,
                         "jem_trainer_param_grad: out_len = %" PRId64 ", %s needs %" PRId64,
                         out_len, name, param->count);
    if (!t->has_grads)
        return jem__fail(JEM_E_STATE, "jem_trainer_param_grad: %s",
                         t->step == 0
                             ? "no step was made yet"
                             : "the last step failed, or the training was just loaded");
    return jem__model_param_download(t->model, &t->grads, i, out);
}

jem_status jem__trainer_average_model(const jem_trainer *t, jem_model **out)
{
    *out = NULL;
    if (t->ema.mem == NULL)
        return jem__fail(JEM_E_STATE,
                         "jem_trainer_average_model: train.ema = 0, so no average is kept");
    jem_model *model;
    JEM__TRY(jem__model_create(t->ctx, t->model->opts, &model));
    jem_status status = t->ctx->backend->copy(t->queue, &t->ema, &model->params);
    if (status == JEM_OK)
        status = jem__metadata_copy(&t->model->metadata, &model->metadata);
    if (status != JEM_OK) {
        jem__model_unref(model);
        return status;
    }
    *out = model;
    return JEM_OK;
}
