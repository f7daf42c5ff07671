/* SPDX-License-Identifier: MIT */
#ifndef JEM_CORE_OPTIONS_H
#define JEM_CORE_OPTIONS_H

/* The table of options, and a bag of values for it.
 *
 * To add an option, add a row to the table in option_table.c; help texts, docs/options.md,
 * checks and checkpoints follow from it. */

#include <jem/options.h>

/* Values by name, for the rooms above. `opts` NULL: the default. A name that is not in the
 * table, or is of another type, is a bug of ours: JEM_E_INTERNAL shows in tests, 0 is
 * returned. Texts live as long as the bag (defaults for ever). */
int64_t jem__option_i64(const jem_options *opts, const char *name);
double jem__option_f64(const jem_options *opts, const char *name);
const char *jem__option_str(const jem_options *opts, const char *name);

jem_status jem__options_create(jem_context *ctx, jem_options **out);
jem_status jem__options_copy(jem_context *ctx, const jem_options *from, /* NULL: defaults */
                             jem_options **out);
void jem__options_free(jem_options *opts);

jem_status jem__options_set_i64(jem_options *opts, const char *name, int64_t value);
jem_status jem__options_set_f64(jem_options *opts, const char *name, double value);
jem_status jem__options_set_str(jem_options *opts, const char *name, const char *value);
jem_status jem__options_get_str(const jem_options *opts, const char *name, char *out,
                                int64_t out_size);
jem_status jem__options_preset(jem_options *opts, const char *name);

#endif
