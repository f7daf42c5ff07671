/* SPDX-License-Identifier: MIT */
#ifndef ROBUSTNESS_PROTOCOL_H
#define ROBUSTNESS_PROTOCOL_H

/* How the figures of jem-robustness came about, in words: what was run and nothing else. */

#include "robustness_study.h"

/* The text is the lab's. */
const char *robustness_describe(const struct study *s);

#endif
