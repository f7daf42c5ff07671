/* SPDX-License-Identifier: MIT */
#ifndef JEM_IO_OFFICIAL_H
#define JEM_IO_OFFICIAL_H

/* Checkpoints of the official PyTorch code, as safetensors files without metadata of ours. */

#include "io/safetensors.h"
#include "nets/model.h"

/* The settings "model.*" that names and shapes of the tensors tell, and height and width from
 * the metadata "model.height" and "model.width", else 32. `opts` holds defaults. */
jem_status jem__official_options(const char *caller, const jem__st_file *f, jem_options *opts);
/* Every parameter of `net` is in the file: is anything else of the network in it? */
jem_status jem__official_check(const char *caller, const jem__st_file *f,
                               const jem__network *net);
/* The names of the tensors of heads that the official code saves and never uses. */
const char *jem__official_unused(int32_t i); /* 0 <= i < JEM__MODEL_UNUSED */

#endif
