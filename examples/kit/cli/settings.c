/* SPDX-License-Identifier: MIT */

/* Named options between the command line, JSON and libjem. libjem checks names and bounds and
 * proposes the nearest name; nothing is repeated here. */

#include "kit/cli/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kit/base/report.h"
#include "kit/base/table.h"

static void print_log(int32_t level, const char *line, void *user)
{
    (void)level;
    (void)user;
    report_note("%s", report_without_caller(line));
}

int settings_context(const char *backend, int64_t threads, jem_context **out)
{
    jem_status status = jem_context_create(backend, out);

    if (status == JEM_OK)
        status = jem_context_set_threads(*out, (int32_t)threads);
    if (status == JEM_OK)
        status = jem_context_set_log(*out, JEM_LOG_WARNING, print_log, NULL);
    if (status == JEM_OK)
        return EXIT_OK;
    report_jem(status);
    jem_context_free(*out);
    *out = NULL;
    return status == JEM_E_UNKNOWN ? EXIT_USAGE : EXIT_FAILED;
}

int settings_set(jem_options *opts, const char *option, const char *text)
{
    const char *equals = strchr(text, '=');
    const size_t length = equals == NULL ? 0 : (size_t)(equals - text);
    char name[64];

    if (length == 0 || length >= sizeof name)
        return report_usage("%s %s: must be NAME=VALUE, for example %s sgld.steps=20", option,
                            text, option);
    memcpy(name, text, length);
    name[length] = '\0';
    if (jem_options_set_str(opts, name, equals + 1) != JEM_OK)
        return report_usage("%s %s: %s (--list-options shows all)", option, text,
                            report_reason());
    return EXIT_OK;
}

int settings_take_shape(jem_options *opts, const int64_t shape[4])
{
    static const char *const names[] = {"model.channels", "model.height", "model.width",
                                        "model.classes"};
    int rc = EXIT_OK;

    for (int i = 0; i < 4 && rc == EXIT_OK; i++)
        rc = report_jem(jem_options_set_i64(opts, names[i], shape[i]));
    return rc;
}

int settings_apply(jem_options *opts, const struct cli_list *presets,
                   const struct cli_list *sets)
{
    for (int64_t i = 0; i < presets->count; i++)
        if (jem_options_preset(opts, presets->items[i]) != JEM_OK)
            return report_usage("--preset %s: %s", presets->items[i], report_reason());
    for (int64_t i = 0; i < sets->count; i++) {
        const int rc = settings_set(opts, "--set", sets->items[i]);

        if (rc != EXIT_OK)
            return rc;
    }
    return EXIT_OK;
}

int settings_print_all(void)
{
    static const char *const headings[] = {"name",    "type",    "default",
                                           "allowed", "meaning", NULL};
    static const char *const preset_headings[] = {"preset", "meaning", NULL};
    struct table *options = table_create(headings);
    struct table *presets = table_create(preset_headings);
    const char *name, *type, *fallback, *allowed, *help;
    int rc;

    if (options == NULL || presets == NULL) {
        rc = report_no_memory();
    } else {
        for (int64_t i = 0;
             jem_options_info(i, &name, &type, &fallback, &allowed, &help) == JEM_OK; i++) {
            table_cell(options, "%s", name);
            table_cell(options, "%s", type);
            table_cell(options, "%s", fallback[0] == '\0' ? "\"\"" : fallback);
            table_cell(options, "%s", allowed);
            table_cell(options, "%s", help);
        }
        for (int64_t i = 0; jem_options_preset_info(i, &name, &help) == JEM_OK; i++) {
            table_cell(presets, "%s", name);
            table_cell(presets, "%s", help);
        }
        rc = table_print(options, stdout);
        putchar('\n');
        if (rc == EXIT_OK)
            rc = table_print(presets, stdout);
    }
    table_free(options);
    table_free(presets);
    return rc;
}

int settings_text(const jem_options *opts, const char *name, char out[64])
{
    return report_jem(jem_options_get_str(opts, name, out, 64));
}

double settings_number(const jem_options *opts, const char *name)
{
    char text[64];

    return settings_text(opts, name, text) == EXIT_OK ? strtod(text, NULL) : 0;
}

json_t *settings_json(const jem_options *opts)
{
    json_t *object = json_object();
    const char *name;
    char text[64];

    for (int64_t i = 0; jem_options_info(i, &name, NULL, NULL, NULL, NULL) == JEM_OK; i++)
        if (jem_options_get_str(opts, name, text, sizeof text) == JEM_OK)
            json_object_set_new(object, name, json_string(text));
    return object;
}

int settings_from_json(jem_options *opts, const json_t *object)
{
    const char *name;

    for (int64_t i = 0; jem_options_info(i, &name, NULL, NULL, NULL, NULL) == JEM_OK; i++) {
        const char *text = json_string_value(json_object_get(object, name));

        if (text != NULL && jem_options_set_str(opts, name, text) != JEM_OK)
            return report_failed("setting %s = \"%s\" in the file: %s", name, text,
                                 report_reason());
    }
    return EXIT_OK;
}
