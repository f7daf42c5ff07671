/* SPDX-License-Identifier: MIT */
#ifndef JEM_DATA_FINGERPRINT_H
#define JEM_DATA_FINGERPRINT_H

/* A 64-bit hash of a data set, noted in a training's file: a resumed training must see the same
 * images in the same order. */

#include "data/dataset.h"

uint64_t jem__fingerprint(const jem_dataset *data);

#endif
