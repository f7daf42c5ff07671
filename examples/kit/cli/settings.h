/* SPDX-License-Identifier: MIT */
#ifndef KIT_CLI_SETTINGS_H
#define KIT_CLI_SETTINGS_H

/* libjem's named options on the command line (--preset, --set) and in JSON, and the context
 * that every program opens. */

#include <jansson.h>
#include <jem/jem.h>

#include "kit/cli/cli.h"

/* Help texts of --backend, --threads, --preset and --set. */
#define BACKEND_HELP "cpu, cpu:avx512, cpu:avx2, cpu:blis or reference"
#define THREADS_HELP "0: one per usable processor; changes no result"
#define PRESET_HELP  "a named set of settings; may be repeated; applied before --set"
#define SET_HELP     "one setting; may be repeated"

/* A context with its warnings on stderr. `threads` 0: one per processor. */
int settings_context(const char *backend, int64_t threads, jem_context **out);

/* Presets in their order, then "name=value" texts in theirs, whatever their order between each
 * other on the command line. */
int settings_apply(jem_options *opts, const struct cli_list *presets,
                   const struct cli_list *sets);

/* One "name=value"; errors call it what came with `option` ("--set"). */
int settings_set(jem_options *opts, const char *option, const char *text);

/* The settings model.* that the images decide: channels, height, width, classes. */
int settings_take_shape(jem_options *opts, const int64_t shape[4]);

/* The table of --list-options, on stdout. */
int settings_print_all(void);

/* An option as a number, as text, or as JSON of all of them. */
double settings_number(const jem_options *opts, const char *name);
int settings_text(const jem_options *opts, const char *name, char out[64]);
json_t *settings_json(const jem_options *opts);

/* Take over every option that a JSON object of texts names; other members are left alone. */
int settings_from_json(jem_options *opts, const json_t *object);

#endif
