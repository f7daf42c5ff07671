/* SPDX-License-Identifier: MIT */
#ifndef JEM_IO_CHECKPOINT_H
#define JEM_IO_CHECKPOINT_H

/* Models in safetensors files.
 *
 * Tensors carry the parameter names; `__metadata__` carries "format" = "libjem",
 * "format_version" = "1", "libjem_version", every option as text under its own name, and the
 * model's own metadata as "meta.KEY". A
 * training adds tensors and metadata of its own (train/state.c); its metadata keys must not
 * begin like an option ("model.", "sgld.", "train.", ...): such keys are taken for options, and
 * refused when unknown. */

#include "io/safetensors.h"
#include "nets/model.h"

#define JEM__CHECKPOINT_VERSION 1

/* Adds metadata and parameters of `model`. `host`: their values, param_count floats, row-major,
 * which must live until the builder is written. `opts`: the settings to be noted. */
jem_status jem__checkpoint_add_model(jem__st_builder *b, const jem_model *model,
                                     const jem_options *opts, float *host);
/* The options noted in a file, or told by the tensors of an official checkpoint (a new bag). */
jem_status jem__checkpoint_options(jem_context *ctx, const char *caller, jem__st_file *f,
                                   jem_options **out);
/* A model from an open file, of ours or an official checkpoint (io/official.h); tensors that
 * neither asks for are left alone. */
jem_status jem__checkpoint_model(jem_context *ctx, const char *caller, jem__st_file *f,
                                 jem_model **out);

jem_status jem__model_save(const jem_model *model, const char *caller, const char *path);
jem_status jem__model_load(jem_context *ctx, const char *caller, const char *path,
                           jem_model **out);

#endif
