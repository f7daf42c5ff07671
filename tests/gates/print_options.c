/* SPDX-License-Identifier: MIT */

/* The table of options as the library tells it: docs/options.md, or with --abi one line per
 * option for tests/abi/options.txt. `make options` writes both files. */

#include <stdio.h>
#include <string.h>

#include <jem/jem.h>

#define TEXT 64 /* bytes that hold any option's value */

struct option {
    const char *name, *type, *fallback, *allowed, *help;
};

static int option_at(int64_t index, struct option *o)
{
    return jem_options_info(index, &o->name, &o->type, &o->fallback, &o->allowed, &o->help) ==
           JEM_OK;
}

static void print_abi(void)
{
    struct option o;
    printf("# name | type | default | allowed; written by `make options`\n");
    for (int64_t i = 0; option_at(i, &o); i++)
        printf("%s | %s | %s | %s\n", o.name, o.type, o.fallback, o.allowed);
}

/* One table per first word of the names: model, sgld, ... */
static void print_tables(void)
{
    struct option o;
    char group[TEXT] = "";
    for (int64_t i = 0; option_at(i, &o); i++) {
        const size_t length = strcspn(o.name, ".");
        if (strlen(group) != length || strncmp(group, o.name, length) != 0) {
            snprintf(group, sizeof group, "%.*s", (int)length, o.name);
            printf("\n## %s\n\n", group);
            printf("| option | type | default | allowed | meaning |\n");
            printf("| --- | --- | --- | --- | --- |\n");
        }
        printf("| `%s` | %s | `%s` | %s | %s |\n", o.name, o.type, o.fallback, o.allowed,
               o.help);
    }
}

/* A preset is what differs from the defaults after asking for it. */
static int print_preset(jem_context *context, const char *name, const char *help)
{
    jem_options *options = NULL, *plain = NULL;
    struct option o;
    char value[TEXT], before[TEXT];
    int ok = jem_options_create(context, &plain) == JEM_OK &&
             jem_options_create(context, &options) == JEM_OK &&
             jem_options_preset(options, name) == JEM_OK;

    printf("\n### %s\n\n%s\n", name, help);
    printf("\nDiffers from the defaults in:");
    const char *separator = " ";
    for (int64_t i = 0; ok && option_at(i, &o); i++) {
        ok = jem_options_get_str(options, o.name, value, TEXT) == JEM_OK &&
             jem_options_get_str(plain, o.name, before, TEXT) == JEM_OK;
        if (ok && strcmp(value, before) != 0) {
            printf("%s`%s` = `%s`", separator, o.name, value);
            separator = ", ";
        }
    }
    printf("%s\n", *separator == ' ' ? " nothing." : ".");
    jem_options_free(options);
    jem_options_free(plain);
    return ok;
}

static int print_page(jem_context *context)
{
    const char *name = NULL, *help = NULL;
    printf("# Options\n\n"
           "<!-- Written by `make options` from the table in libjem/core/options.c. -->\n\n"
           "Every setting of models, samplers, buffers and trainers: "
           "`jem_options_set_str(options, \"sgld.steps\", \"40\")` in C, `--set sgld.steps=40` "
           "for the programs. Defaults are those of the official JEM code.\n");
    print_tables();
    printf("\n## Presets\n\nNamed sets of values; what a preset does not name it leaves alone, "
           "so presets can be stacked.\n");
    for (int64_t i = 0; jem_options_preset_info(i, &name, &help) == JEM_OK; i++)
        if (!print_preset(context, name, help))
            return 0;
    return 1;
}

int main(int argc, char **argv)
{
    jem_context *context = NULL;
    int ok = 1;
    if (argc > 1 && strcmp(argv[1], "--abi") == 0)
        print_abi();
    else
        ok = jem_context_create(NULL, &context) == JEM_OK && print_page(context);
    if (!ok)
        fprintf(stderr, "print_options: %s\n", jem_last_error());
    jem_context_free(context);
    return !ok;
}
