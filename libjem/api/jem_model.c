/* SPDX-License-Identifier: MIT */
/* The public functions of jem/model.h: check the arguments, then nets/ and io/ do the work. */

#include <jem/model.h>

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "core/check.h"
#include "core/error.h"
#include "io/checkpoint.h"
#include "nets/model.h"

jem_status jem_model_create(jem_context *ctx, const jem_options *opts, jem_model **out)
{
    if (out == NULL)
        return jem__fail_null("jem_model_create", "out");
    *out = NULL;
    if (ctx == NULL)
        return jem__fail_null("jem_model_create", "ctx");

    jem_model *model = NULL;
    JEM__TRY(jem__model_create(ctx, opts, &model));
    const jem_status status = jem__model_init(model, jem__option_i64(opts, "train.seed"));
    if (status != JEM_OK) {
        jem__model_unref(model);
        return status;
    }
    *out = model;
    return JEM_OK;
}

jem_status jem_model_load(jem_context *ctx, const char *path, jem_model **out)
{
    if (out == NULL)
        return jem__fail_null("jem_model_load", "out");
    *out = NULL;
    if (ctx == NULL)
        return jem__fail_null("jem_model_load", "ctx");
    if (path == NULL)
        return jem__fail_null("jem_model_load", "path");
    return jem__model_load(ctx, "jem_model_load", path, out);
}

jem_status jem_model_save(const jem_model *model, const char *path)
{
    if (model == NULL)
        return jem__fail_null("jem_model_save", "model");
    if (path == NULL)
        return jem__fail_null("jem_model_save", "path");
    return jem__model_save(model, "jem_model_save", path);
}

jem_status jem_model_shape(const jem_model *model, int64_t shape[4])
{
    if (model == NULL)
        return jem__fail_null("jem_model_shape", "model");
    if (shape == NULL)
        return jem__fail_null("jem_model_shape", "shape");
    shape[0] = model->c;
    shape[1] = model->h;
    shape[2] = model->w;
    shape[3] = model->classes;
    return JEM_OK;
}

jem_status jem_model_features(const jem_model *model, int64_t *out)
{
    if (out == NULL)
        return jem__fail_null("jem_model_features", "out");
    *out = 0;
    if (model == NULL)
        return jem__fail_null("jem_model_features", "model");
    *out = jem__network_features(model->net);
    return JEM_OK;
}

jem_status jem_model_option(const jem_model *model, const char *name, char *out,
                            int64_t out_size)
{
    if (model == NULL)
        return jem__fail_null("jem_model_option", "model");
    if (name == NULL)
        return jem__fail_null("jem_model_option", "name");
    if (out == NULL)
        return jem__fail_null("jem_model_option", "out");
    if (strncmp(name, "model.", strlen("model.")) != 0)
        return jem__fail(JEM_E_UNKNOWN,
                         "jem_model_option: \"%.80s\" is no option of a model, must begin with "
                         "\"model.\"",
                         name);
    return jem__options_get_str(model->opts, name, out, out_size);
}

jem_status jem_model_param_info(const jem_model *model, int64_t index, const char **name,
                                int64_t shape[4])
{
    if (model == NULL)
        return jem__fail_null("jem_model_param_info", "model");
    if (index < 0 || index >= model->net->n_params)
        return JEM_E_RANGE; /* the end of a walk, not worth an error text */
    const jem__param *p = &model->net->params[index];
    if (name != NULL)
        *name = p->name;
    if (shape != NULL)
        memcpy(shape, p->shape, sizeof p->shape);
    return JEM_OK;
}

jem_status jem_model_meta_set(jem_model *model, const char *key, const char *value)
{
    if (model == NULL)
        return jem__fail_null("jem_model_meta_set", "model");
    if (key == NULL)
        return jem__fail_null("jem_model_meta_set", "key");
    return jem__metadata_set(&model->metadata, "jem_model_meta_set", key, value);
}

jem_status jem_model_meta_get(const jem_model *model, const char *key, char *out,
                              int64_t out_size, int64_t *length)
{
    static const char caller[] = "jem_model_meta_get";

    if (length != NULL)
        *length = 0;
    if (model == NULL)
        return jem__fail_null(caller, "model");
    if (key == NULL)
        return jem__fail_null(caller, "key");
    if (out == NULL && out_size != 0)
        return jem__fail_null(caller, "out");
    const char *value = jem__metadata_get(&model->metadata, key);
    if (value == NULL)
        return jem__fail(JEM_E_UNKNOWN, "%s: the model has no \"%.*s\"", caller,
                         JEM__METADATA_KEY, key);
    const int64_t size = (int64_t)strlen(value) + 1;
    if (length != NULL)
        *length = size - 1;
    if (out == NULL)
        return JEM_OK;
    if (out_size < size)
        return jem__fail(JEM_E_SPACE,
                         "%s: out_size = %" PRId64 ", must be at least %" PRId64 " for \"%s\"",
                         caller, out_size, size, key);
    memcpy(out, value, (size_t)size);
    return JEM_OK;
}

jem_status jem_model_meta_at(const jem_model *model, int64_t index, const char **key,
                             const char **value)
{
    if (model == NULL)
        return jem__fail_null("jem_model_meta_at", "model");
    if (index < 0 || index >= model->metadata.count)
        return JEM_E_RANGE; /* the end of a walk, not worth an error text */
    if (key != NULL)
        *key = model->metadata.entries[index].key;
    if (value != NULL)
        *value = model->metadata.entries[index].value;
    return JEM_OK;
}

/* The number of the parameter called `name`, in *out. */
static jem_status find_param(const char *caller, const jem_model *model, const char *name,
                             int32_t *out)
{
    *out = jem__model_find(model, name);
    if (*out < 0)
        return jem__fail(JEM_E_UNKNOWN, "%s: the model has no parameter \"%.80s\"", caller,
                         name);
    return JEM_OK;
}

jem_status jem_model_param_get(const jem_model *model, const char *name, float *out,
                               int64_t out_len)
{
    if (model == NULL)
        return jem__fail_null("jem_model_param_get", "model");
    if (name == NULL)
        return jem__fail_null("jem_model_param_get", "name");
    if (out == NULL)
        return jem__fail_null("jem_model_param_get", "out");
    int32_t index = 0;
    JEM__TRY(find_param("jem_model_param_get", model, name, &index));
    const int64_t count = model->net->params[index].count;
    if (out_len < count)
        return jem__fail(JEM_E_SPACE,
                         "jem_model_param_get: out_len = %" PRId64 ", must be at least %" PRId64
                         " for \"%s\"",
                         out_len, count, name);
    return jem__model_param_download(model, &model->params, index, out);
}

jem_status jem_model_param_set(jem_model *model, const char *name, const float *values,
                               int64_t len)
{
    if (model == NULL)
        return jem__fail_null("jem_model_param_set", "model");
    if (name == NULL)
        return jem__fail_null("jem_model_param_set", "name");
    if (values == NULL)
        return jem__fail_null("jem_model_param_set", "values");
    int32_t index = 0;
    JEM__TRY(find_param("jem_model_param_set", model, name, &index));
    const int64_t count = model->net->params[index].count;
    if (len != count)
        return jem__fail(JEM_E_SHAPE,
                         "jem_model_param_set: len = %" PRId64 ", must be %" PRId64
                         " for \"%s\"",
                         len, count, name);
    const int64_t bad = jem__first_not_finite(values, count);
    if (bad >= 0)
        return jem__fail(JEM_E_NUMERIC,
                         "jem_model_param_set: values[%" PRId64
                         "] of \"%s\" is %g, must be finite",
                         bad, name, (double)values[bad]);
    return jem__model_param_upload(model, &model->params, index, values);
}

void jem_model_free(jem_model *model)
{
    jem__model_unref(model);
}
