/* SPDX-License-Identifier: MIT */
/* The public functions of jem/train.h: check the arguments, then train/ does the work. */

#include <jem/train.h>

#include <inttypes.h>
#include <stddef.h>

#include "core/error.h"
#include "core/memory.h"
#include "train/trainer.h"

jem_status jem_trainer_create(jem_model *model, jem_dataset *data, const jem_options *opts,
                              jem_trainer **out)
{
    if (out == NULL)
        return jem__fail_null("jem_trainer_create", "out");
    *out = NULL;
    if (model == NULL)
        return jem__fail_null("jem_trainer_create", "model");
    if (data == NULL)
        return jem__fail_null("jem_trainer_create", "data");
    return jem__trainer_create(model, data, opts, out);
}

jem_status jem_trainer_load(jem_context *ctx, jem_dataset *data, const char *path,
                            jem_trainer **out)
{
    if (out == NULL)
        return jem__fail_null("jem_trainer_load", "out");
    *out = NULL;
    if (ctx == NULL)
        return jem__fail_null("jem_trainer_load", "ctx");
    if (data == NULL)
        return jem__fail_null("jem_trainer_load", "data");
    if (path == NULL)
        return jem__fail_null("jem_trainer_load", "path");
    return jem__trainer_load(ctx, data, path, out);
}

/* A step works with the buffer, and saving reads it: both are in use. */
static jem_status begin(const char *caller, const jem_trainer *t)
{
    JEM__TRY(jem__use_begin(&t->self->use, caller, "trainer"));
    if (t->buffer == NULL)
        return JEM_OK;
    const jem_status status = jem__use_begin(&t->buffer->use, caller, "trainer's buffer");
    if (status != JEM_OK)
        jem__use_end(&t->self->use);
    return status;
}

static jem_status end(const jem_trainer *t, jem_status status)
{
    if (t->buffer != NULL)
        jem__use_end(&t->buffer->use);
    jem__use_end(&t->self->use);
    return status;
}

jem_status jem_trainer_on_guard(jem_trainer *t, jem_guard_fn tell, void *user)
{
    if (t == NULL)
        return jem__fail_null("jem_trainer_on_guard", "t");
    JEM__TRY(begin("jem_trainer_on_guard", t));
    t->guard.tell = tell;
    t->guard.user = user;
    return end(t, JEM_OK);
}

jem_status jem_trainer_step(jem_trainer *t, int64_t steps)
{
    if (t == NULL)
        return jem__fail_null("jem_trainer_step", "t");
    if (steps < 0)
        return jem__fail(JEM_E_ARGUMENT,
                         "jem_trainer_step: steps = %" PRId64 ", must be at least 0", steps);
    JEM__TRY(begin("jem_trainer_step", t));
    return end(t, jem__trainer_step(t, steps));
}

/* One batch of jem_trainer_step_on(). */
static jem_status check_batch(const jem_trainer *t, const char *x_name, const float *x,
                              const char *n_name, int64_t n)
{
    int64_t bytes;
    if (n < 0)
        return jem__fail(JEM_E_ARGUMENT,
                         "jem_trainer_step_on: %s = %" PRId64 ", must be at least 0", n_name,
                         n);
    if (x == NULL && n > 0)
        return jem__fail(JEM_E_ARGUMENT, "jem_trainer_step_on: %s is NULL, but %s = %" PRId64,
                         x_name, n_name, n);
    if (!jem__mul(n, jem__model_image_size(t->model) * (int64_t)sizeof *x, &bytes))
        return jem__fail(JEM_E_RANGE,
                         "jem_trainer_step_on: %s = %" PRId64 ", is more than memory can hold",
                         n_name, n);
    return JEM_OK;
}

jem_status jem_trainer_step_on(jem_trainer *t, const float *x_d, int64_t n_d, const float *x_l,
                               const int32_t *y_l, int64_t n_l, const float *x_q,
                               const int32_t *y_q, int64_t n_q)
{
    if (t == NULL)
        return jem__fail_null("jem_trainer_step_on", "t");
    JEM__TRY(check_batch(t, "x_d", x_d, "n_d", n_d));
    JEM__TRY(check_batch(t, "x_l", x_l, "n_l", n_l));
    JEM__TRY(check_batch(t, "x_q", x_q, "n_q", n_q));
    if (y_l == NULL && n_l > 0)
        return jem__fail(JEM_E_ARGUMENT, "jem_trainer_step_on: y_l is NULL, but n_l = %" PRId64,
                         n_l);
    JEM__TRY(begin("jem_trainer_step_on", t));
    return end(t, jem__trainer_step_on(t, x_d, n_d, x_l, y_l, n_l, x_q, y_q, n_q));
}

jem_status jem_trainer_metric(const jem_trainer *t, const char *name, double *out)
{
    if (t == NULL)
        return jem__fail_null("jem_trainer_metric", "t");
    if (name == NULL)
        return jem__fail_null("jem_trainer_metric", "name");
    if (out == NULL)
        return jem__fail_null("jem_trainer_metric", "out");
    JEM__TRY(jem__use_begin(&t->self->use, "jem_trainer_metric", "trainer"));
    const jem_status status = jem__trainer_metric(t, name, out);
    jem__use_end(&t->self->use);
    return status;
}

jem_status jem_trainer_param_grad(const jem_trainer *t, const char *name, float *out,
                                  int64_t out_len)
{
    if (t == NULL)
        return jem__fail_null("jem_trainer_param_grad", "t");
    if (name == NULL)
        return jem__fail_null("jem_trainer_param_grad", "name");
    if (out == NULL)
        return jem__fail_null("jem_trainer_param_grad", "out");
    JEM__TRY(jem__use_begin(&t->self->use, "jem_trainer_param_grad", "trainer"));
    const jem_status status = jem__trainer_param_grad(t, name, out, out_len);
    jem__use_end(&t->self->use);
    return status;
}

jem_status jem_trainer_model(jem_trainer *t, jem_model **out)
{
    if (out == NULL)
        return jem__fail_null("jem_trainer_model", "out");
    *out = NULL;
    if (t == NULL)
        return jem__fail_null("jem_trainer_model", "t");
    *out = jem__model_ref(t->model);
    return JEM_OK;
}

jem_status jem_trainer_average_model(jem_trainer *t, jem_model **out)
{
    if (out == NULL)
        return jem__fail_null("jem_trainer_average_model", "out");
    *out = NULL;
    if (t == NULL)
        return jem__fail_null("jem_trainer_average_model", "t");
    JEM__TRY(begin("jem_trainer_average_model", t));
    return end(t, jem__trainer_average_model(t, out));
}

jem_status jem_trainer_buffer(jem_trainer *t, jem_buffer **out)
{
    if (out == NULL)
        return jem__fail_null("jem_trainer_buffer", "out");
    *out = NULL;
    if (t == NULL)
        return jem__fail_null("jem_trainer_buffer", "t");
    if (t->buffer == NULL)
        return jem__fail(JEM_E_STATE,
                         "jem_trainer_buffer: train.weight_px, train.weight_pxy and "
                         "train.energy_l2 are 0: a classifier has no replay buffer");
    *out = jem__buffer_ref(t->buffer);
    return JEM_OK;
}

jem_status jem_trainer_save(const jem_trainer *t, const char *path)
{
    if (t == NULL)
        return jem__fail_null("jem_trainer_save", "t");
    if (path == NULL)
        return jem__fail_null("jem_trainer_save", "path");
    JEM__TRY(begin("jem_trainer_save", t));
    return end(t, jem__trainer_save(t, path));
}

void jem_trainer_free(jem_trainer *t)
{
    jem__trainer_free(t);
}
