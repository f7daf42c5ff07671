/* SPDX-License-Identifier: MIT */
/* Models in files.
 *
 * The options in a file say which tensors its model needs, so they are checked first. The
 * network that they describe takes a few kilobytes, however large its weights would be; next,
 * its parameters are held against the tensors of the file. Memory for weights is asked for only
 * when all of them are there, so a small file cannot make the library ask for much. */

#include "io/checkpoint.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <jem/version.h>

#include "core/check.h"
#include "core/context.h"
#include "core/error.h"
#include "core/memory.h"
#include "core/option_table.h"
#include "io/official.h"

static jem_status add_options(jem__st_builder *b, const jem_options *opts)
{
    char value[JEM__TEXT_SIZE];

    for (int32_t i = 0; i < JEM__OPTION_COUNT; i++) {
        const char *name = jem__option_rows[i].name;
        JEM__TRY(jem__options_get_str(opts, name, value, sizeof value));
        JEM__TRY(jem__st_add_metadata(b, name, value));
    }
    return JEM_OK;
}

/* The entries of a model stand in the file with this before their keys. */
#define META "meta."

static jem_status add_metadata(jem__st_builder *b, const jem__metadata *m)
{
    char key[sizeof META + JEM__METADATA_KEY];

    for (int64_t i = 0; i < m->count; i++) {
        snprintf(key, sizeof key, META "%s", m->entries[i].key);
        JEM__TRY(jem__st_add_metadata(b, key, m->entries[i].value));
    }
    return JEM_OK;
}

static jem_status read_metadata(const char *caller, const jem__st_file *f, jem__metadata *m)
{
    for (int64_t i = 0; i < jem__st_metadata_count(f); i++) {
        const char *key, *value;
        jem__st_metadata_at(f, i, &key, &value);
        if (strncmp(key, META, strlen(META)) != 0)
            continue;
        const jem_status status =
            jem__metadata_set(m, jem__st_path(f), key + strlen(META), value);
        if (status == JEM_E_NOMEM)
            return status;
        if (status != JEM_OK)
            return jem__fail(JEM_E_FORMAT, "%s: %s", caller, jem__error_text());
    }
    return JEM_OK;
}

jem_status jem__checkpoint_add_model(jem__st_builder *b, const jem_model *model,
                                     const jem_options *opts, float *host)
{
    char text[32];

    JEM__TRY(jem__st_add_metadata(b, "format", "libjem"));
    snprintf(text, sizeof text, "%d", JEM__CHECKPOINT_VERSION);
    JEM__TRY(jem__st_add_metadata(b, "format_version", text));
    snprintf(text, sizeof text, "%d.%d.%d", JEM_VERSION_MAJOR, JEM_VERSION_MINOR,
             JEM_VERSION_PATCH);
    JEM__TRY(jem__st_add_metadata(b, "libjem_version", text));
    JEM__TRY(add_options(b, opts));
    JEM__TRY(add_metadata(b, &model->metadata));
    for (int32_t i = 0; i < model->net->n_params; i++) {
        const jem__param *p = &model->net->params[i];
        JEM__TRY(jem__st_add(b, p->name, "F32", p->rank, p->shape, host + p->at));
    }
    for (int32_t i = 0; i < JEM__MODEL_UNUSED; i++) {
        const jem__unused_tensor *u = &model->unused[i];
        if (u->data != NULL)
            JEM__TRY(jem__st_add(b, u->name, u->dtype, u->rank, u->shape, u->data));
    }
    return JEM_OK;
}

static int32_t is_ours(const jem__st_file *f)
{
    const char *format = jem__st_metadata(f, "format");

    return format != NULL && strcmp(format, "libjem") == 0;
}

/* Can this library know what the rest of a file of ours means? */
static jem_status check_version(const char *caller, const jem__st_file *f)
{
    const char *path = jem__st_path(f);
    const char *version = jem__st_metadata(f, "format_version");
    int64_t number = 0;
    const size_t digits = version == NULL ? 0 : strspn(version, "0123456789");

    if (digits == 0 || digits > 9 || version[digits] != '\0')
        return jem__fail(JEM_E_FORMAT, "%s: %s: \"format_version\" is not a number", caller,
                         path);
    for (size_t i = 0; i < digits; i++)
        number = 10 * number + (version[i] - '0');
    if (number > JEM__CHECKPOINT_VERSION)
        return jem__fail(JEM_E_VERSION,
                         "%s: %s: format version %" PRId64 ", this libjem reads up to %d",
                         caller, path, number, JEM__CHECKPOINT_VERSION);
    if (number < 1)
        return jem__fail(JEM_E_FORMAT, "%s: %s: format version 0, must be at least 1", caller,
                         path);
    return JEM_OK;
}

/* Does a metadata key begin, up to its dot, like an option? Other keys belong to trainings and to
 * other programs. */
static int32_t names_option(const char *key)
{
    const char *dot = strchr(key, '.');

    if (dot == NULL)
        return 0;
    for (int32_t i = 0; i < JEM__OPTION_COUNT; i++) {
        if (strncmp(jem__option_rows[i].name, key, (size_t)(dot - key) + 1) == 0)
            return 1;
    }
    return 0;
}

/* An option that the file does not note keeps its default: options added later must default to
 * what libjem did before. */
static jem_status read_options(const char *caller, const jem__st_file *f, jem_options *opts)
{
    JEM__TRY(check_version(caller, f));
    for (int64_t i = 0; i < jem__st_metadata_count(f); i++) {
        const char *key, *value;
        jem__st_metadata_at(f, i, &key, &value);
        if (!names_option(key))
            continue;
        const jem_status status = jem__options_set_str(opts, key, value);
        if (status == JEM_E_NOMEM)
            return status;
        if (status != JEM_OK)
            return jem__fail(JEM_E_FORMAT, "%s: %s: %s", caller, jem__st_path(f),
                             jem__error_text());
    }
    return JEM_OK;
}

jem_status jem__checkpoint_options(jem_context *ctx, const char *caller, jem__st_file *f,
                                   jem_options **out)
{
    JEM__TRY(jem__options_create(ctx, out));
    const jem_status status =
        is_ours(f) ? read_options(caller, f, *out) : jem__official_options(caller, f, *out);
    if (status != JEM_OK) {
        jem__options_free(*out);
        *out = NULL;
    }
    return status;
}

/* The tensor of a parameter: there, real numbers, of the parameter's shape. */
static jem_status find_tensor(const char *caller, const jem__st_file *f, const jem__param *p,
                              const jem__st_tensor **out)
{
    char shape[JEM__ST_SHAPE_SIZE], wanted[JEM__ST_SHAPE_SIZE];
    const jem__st_tensor *t = jem__st_find(f, p->name);

    jem__st_shape_text(p->rank, p->shape, wanted);
    if (t == NULL)
        return jem__fail(JEM_E_FORMAT, "%s: %s: parameter \"%s\" %s is missing", caller,
                         jem__st_path(f), p->name, wanted);
    const jem__st_dtype *type = jem__st_dtype_find(t->dtype);
    if (type->kind != JEM__ST_FLOAT && type->kind != JEM__ST_BFLOAT)
        return jem__fail(JEM_E_FORMAT,
                         "%s: %s: parameter \"%s\" has dtype %s, must be F32, F64, F16 or BF16",
                         caller, jem__st_path(f), p->name, t->dtype);
    int32_t same = t->rank == p->rank;
    for (int32_t i = 0; same && i < p->rank; i++)
        same = t->shape[i] == p->shape[i];
    if (!same) {
        jem__st_shape_text(t->rank, t->shape, shape);
        return jem__fail(JEM_E_SHAPE, "%s: %s: parameter \"%s\" is %s, must be %s", caller,
                         jem__st_path(f), p->name, shape, wanted);
    }
    *out = t;
    return JEM_OK;
}

/* Does the file hold what the network of these options needs? */
static jem_status check_parameters(jem_context *ctx, const char *caller, const jem__st_file *f,
                                   const jem_options *opts)
{
    jem__network *net = NULL;
    jem_status status = jem__model_network(ctx, opts, &net);

    if (status != JEM_OK && status != JEM_E_NOMEM)
        jem__fail(status, "%s: %s: %s", caller, jem__st_path(f), jem__error_text());
    for (int32_t i = 0; status == JEM_OK && i < net->n_params; i++) {
        const jem__st_tensor *t;
        status = find_tensor(caller, f, &net->params[i], &t);
    }
    if (status == JEM_OK && !is_ours(f))
        status = jem__official_check(caller, f, net);
    jem__network_free(net);
    return status;
}

/* One parameter after the other through `host`, which holds the longest of them. */
static jem_status read_parameters(const char *caller, jem__st_file *f, jem_model *model,
                                  float *host)
{
    for (int32_t i = 0; i < model->net->n_params; i++) {
        const jem__param *p = &model->net->params[i];
        const jem__st_tensor *t;
        JEM__TRY(find_tensor(caller, f, p, &t));
        JEM__TRY(jem__st_read_f32(f, t, host, p->count));
        const int64_t bad = jem__first_not_finite(host, p->count);
        if (bad >= 0)
            return jem__fail(
                JEM_E_NUMERIC,
                "%s: %s: parameter \"%s\" is %s at index %" PRId64 ", must be finite", caller,
                jem__st_path(f), p->name, isnan(host[bad]) ? "NaN" : "infinite", bad);
        JEM__TRY(jem__model_param_upload(model, &model->params, i, host));
    }
    return JEM_OK;
}

/* Keep the heads of an official checkpoint that the network does not use. */
static jem_status keep_unused(jem__st_file *f, jem_model *model)
{
    for (int32_t i = 0; i < JEM__MODEL_UNUSED; i++) {
        jem__unused_tensor *u = &model->unused[i];
        const jem__st_tensor *t = jem__st_find(f, jem__official_unused(i));
        if (t == NULL)
            continue;
        u->data = jem__alloc_raw(model->ctx, t->bytes, 1);
        if (u->data == NULL)
            return JEM_E_NOMEM;
        u->name = jem__official_unused(i);
        u->dtype = t->dtype;
        u->rank = t->rank;
        memcpy(u->shape, t->shape, sizeof u->shape);
        JEM__TRY(jem__st_read_bytes(f, t, 0, u->data, t->bytes));
    }
    return JEM_OK;
}

static jem_status fill_model(const char *caller, jem__st_file *f, jem_model *model)
{
    int64_t longest = 0;

    for (int32_t i = 0; i < model->net->n_params; i++) {
        const int64_t count = model->net->params[i].count;
        longest = count > longest ? count : longest;
    }
    float *host = jem__alloc_raw(model->ctx, longest, sizeof *host);
    if (host == NULL)
        return JEM_E_NOMEM;
    jem_status status = read_parameters(caller, f, model, host);
    jem__free(model->ctx, host);
    if (status == JEM_OK)
        status = read_metadata(caller, f, &model->metadata);
    if (status == JEM_OK && strcmp(jem__option_str(model->opts, "model.arch"), "wrn") == 0)
        status = keep_unused(f, model);
    return status;
}

jem_status jem__checkpoint_model(jem_context *ctx, const char *caller, jem__st_file *f,
                                 jem_model **out)
{
    jem_options *opts;
    jem_model *model = NULL;

    *out = NULL;
    JEM__TRY(jem__checkpoint_options(ctx, caller, f, &opts));
    jem_status status = check_parameters(ctx, caller, f, opts);
    if (status == JEM_OK)
        status = jem__model_create(ctx, opts, &model);
    if (status == JEM_OK)
        status = fill_model(caller, f, model);
    jem__options_free(opts);
    if (status != JEM_OK) {
        jem__model_unref(model);
        return status;
    }
    *out = model;
    return JEM_OK;
}

jem_status jem__model_save(const jem_model *model, const char *caller, const char *path)
{
    jem__st_builder *b = NULL;
    float *host = jem__alloc_raw(model->ctx, model->net->param_count, sizeof *host);
    jem_status status = host == NULL ? JEM_E_NOMEM : JEM_OK;

    if (status == JEM_OK)
        status = jem__model_download(model, &model->params, host);
    if (status == JEM_OK)
        status = jem__st_builder_create(model->ctx, &b);
    if (status == JEM_OK)
        status = jem__checkpoint_add_model(b, model, model->opts, host);
    if (status == JEM_OK)
        status = jem__st_write(b, caller, path);
    jem__st_builder_free(b);
    jem__free(model->ctx, host);
    return status;
}

jem_status jem__model_load(jem_context *ctx, const char *caller, const char *path,
                           jem_model **out)
{
    jem__st_file *f;

    *out = NULL;
    JEM__TRY(jem__st_open(ctx, caller, path, &f));
    const jem_status status = jem__checkpoint_model(ctx, caller, f, out);
    jem__st_close(f);
    return status;
}
