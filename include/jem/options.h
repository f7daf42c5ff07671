/* SPDX-License-Identifier: MIT */
#ifndef JEM_OPTIONS_H
#define JEM_OPTIONS_H

/**
 * @file
 * Named settings: one bag for models, samplers, buffers and trainers.
 *
 * An option has a dotted name ("sgld.step_size"), a type, a default and bounds. A setter
 * checks name, type and bounds at once; an unknown name is answered with the nearest known
 * one. Functions that take a `const jem_options *` copy what they need, so a bag may be
 * changed or freed right after; NULL stands for all defaults. Defaults are those of the
 * official JEM code. The whole table is in docs/options.md, or ask jem_options_info().
 *
 * Presets are named sets of values: "jem-cifar10", "jem-cifar100", "jem-svhn" (the paper's),
 * "demo" (Fashion-MNIST in minutes on a CPU), "classifier" (cross entropy only).
 */

#include <jem/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Make a bag that holds every option at its default.
 *
 * @param ctx where its memory comes from
 * @param out the new bag, to be given back with jem_options_free(); NULL on failure
 * @return JEM_OK; JEM_E_ARGUMENT, JEM_E_NOMEM
 * @since 0.1
 */
JEM_API jem_status jem_options_create(jem_context *ctx, jem_options **out);

/**
 * Set an integer option. An integer is also accepted by a real option.
 *
 * @param opts  the bag
 * @param name  for example "sgld.steps"
 * @param value must lie within the option's bounds
 * @return JEM_OK; JEM_E_ARGUMENT (NULL, or the option is a text), JEM_E_UNKNOWN, JEM_E_RANGE
 * @since 0.1
 */
JEM_API jem_status jem_options_set_i64(jem_options *opts, const char *name, int64_t value);

/**
 * Set a real option.
 *
 * @param opts  the bag
 * @param name  for example "sgld.step_size"
 * @param value must be finite and lie within the option's bounds
 * @return JEM_OK; JEM_E_ARGUMENT (NULL, or not a real option), JEM_E_UNKNOWN, JEM_E_RANGE
 * @since 0.1
 */
JEM_API jem_status jem_options_set_f64(jem_options *opts, const char *name, double value);

/**
 * Set any option from text, as on a command line. Numbers are read with a decimal point
 * whatever the locale; a text option accepts one of its choices.
 *
 * @param opts  the bag
 * @param name  for example "train.optimizer"
 * @param value for example "adam"
 * @return JEM_OK; JEM_E_ARGUMENT, JEM_E_UNKNOWN, JEM_E_RANGE
 * @since 0.1
 */
JEM_API jem_status jem_options_set_str(jem_options *opts, const char *name, const char *value);

/**
 * Read any option as text that jem_options_set_str() would accept.
 *
 * @param opts     the bag
 * @param name     the option
 * @param out      gets the zero-ended text
 * @param out_size bytes in `out`; 64 is always enough
 * @return JEM_OK; JEM_E_ARGUMENT, JEM_E_UNKNOWN, JEM_E_SPACE
 * @since 0.1
 */
JEM_API jem_status jem_options_get_str(const jem_options *opts, const char *name, char *out,
                                       int64_t out_size);

/**
 * Set every option that a preset names; the others keep their values.
 *
 * @param opts the bag
 * @param name for example "jem-cifar10"
 * @return JEM_OK; JEM_E_ARGUMENT, JEM_E_UNKNOWN (the text lists the presets)
 * @since 0.1
 */
JEM_API jem_status jem_options_preset(jem_options *opts, const char *name);

/**
 * Walk through the table of options, for help texts and bindings.
 *
 * Any of the outputs may be NULL. The texts are literals.
 *
 * @param index    0, 1, ... until JEM_E_RANGE
 * @param name     the dotted name
 * @param type     "integer", "real" or "text"
 * @param fallback the default as text
 * @param allowed  the bounds ("0 to 100") or the choices ("adam, sgd")
 * @param help     one sentence
 * @return JEM_OK; JEM_E_RANGE for a number that no option has, the end of a walk (the last-error
 *         text is not touched)
 * @since 0.1
 */
JEM_API jem_status jem_options_info(int64_t index, const char **name, const char **type,
                                    const char **fallback, const char **allowed,
                                    const char **help);

/**
 * Walk through the presets.
 *
 * @param index 0, 1, ... until JEM_E_RANGE
 * @param name  the preset's name
 * @param help  one sentence
 * @return JEM_OK; JEM_E_RANGE for a number that no preset has, the end of a walk (the last-error
 *         text is not touched)
 * @since 0.1
 */
JEM_API jem_status jem_options_preset_info(int64_t index, const char **name, const char **help);

/**
 * Give a bag back.
 *
 * @param opts the bag, or NULL
 * @since 0.1
 */
JEM_API void jem_options_free(jem_options *opts);

#ifdef __cplusplus
}
#endif

#endif
