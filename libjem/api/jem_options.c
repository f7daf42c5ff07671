/* SPDX-License-Identifier: MIT */
/* <jem/options.h>: checks for NULL; the rest is core/options.c and core/option_table.c. */

#include <jem/options.h>

#include <stddef.h>

#include "core/error.h"
#include "core/option_table.h"
#include "core/options.h"

/* JEM_E_ARGUMENT when a pointer that every function of a bag takes is NULL. */
static jem_status check(const char *caller, const jem_options *opts, const char *name)
{
    if (opts == NULL || name == NULL)
        return jem__fail_null(caller, opts == NULL ? "opts" : "name");
    return JEM_OK;
}

jem_status jem_options_create(jem_context *ctx, jem_options **out)
{
    if (out == NULL)
        return jem__fail_null("jem_options_create", "out");
    *out = NULL;
    if (ctx == NULL)
        return jem__fail_null("jem_options_create", "ctx");
    return jem__options_create(ctx, out);
}

jem_status jem_options_set_i64(jem_options *opts, const char *name, int64_t value)
{
    JEM__TRY(check("jem_options_set_i64", opts, name));
    return jem__options_set_i64(opts, name, value);
}

jem_status jem_options_set_f64(jem_options *opts, const char *name, double value)
{
    JEM__TRY(check("jem_options_set_f64", opts, name));
    return jem__options_set_f64(opts, name, value);
}

jem_status jem_options_set_str(jem_options *opts, const char *name, const char *value)
{
    JEM__TRY(check("jem_options_set_str", opts, name));
    if (value == NULL)
        return jem__fail_null("jem_options_set_str", "value");
    return jem__options_set_str(opts, name, value);
}

jem_status jem_options_get_str(const jem_options *opts, const char *name, char *out,
                               int64_t out_size)
{
    JEM__TRY(check("jem_options_get_str", opts, name));
    if (out == NULL)
        return jem__fail_null("jem_options_get_str", "out");
    return jem__options_get_str(opts, name, out, out_size);
}

jem_status jem_options_preset(jem_options *opts, const char *name)
{
    JEM__TRY(check("jem_options_preset", opts, name));
    return jem__options_preset(opts, name);
}

static void give(const char **out, const char *text)
{
    if (out != NULL)
        *out = text;
}

static const char *type_name(enum jem__option_type type)
{
    switch (type) {
    case JEM__OPTION_I64:
        return "integer";
    case JEM__OPTION_F64:
        return "real";
    case JEM__OPTION_TEXT:
        return "text";
    }
    return "";
}

jem_status jem_options_info(int64_t index, const char **name, const char **type,
                            const char **fallback, const char **allowed, const char **help)
{
    if (index < 0 || index >= JEM__OPTION_COUNT)
        return JEM_E_RANGE; /* the end of a walk, no failure: no text */
    const struct jem__option_row *row = &jem__option_rows[index];
    give(name, row->name);
    give(type, type_name(row->type));
    give(fallback, row->fallback_text);
    give(allowed, row->allowed);
    give(help, row->help);
    return JEM_OK;
}

jem_status jem_options_preset_info(int64_t index, const char **name, const char **help)
{
    if (index < 0 || index >= JEM__PRESET_COUNT)
        return JEM_E_RANGE;
    give(name, jem__presets[index].name);
    give(help, jem__presets[index].help);
    return JEM_OK;
}

void jem_options_free(jem_options *opts)
{
    jem__options_free(opts);
}
