/* SPDX-License-Identifier: MIT */
#ifndef ROBUSTNESS_PROTOCOL_H
#define ROBUSTNESS_PROTOCOL_H

/* How the figures of jem-robustness came about, in words: what was run and nothing else. */

#include "kit/attack/attack.h"
#include "robustness.h"

struct robustness_protocol {
    const struct robustness *result; /* its rows are what was run */
    const jem_options *opts;         /* "sgld.*" */
    int64_t chains;                  /* of the defence */
    const struct attack *attack;     /* the settings of all attacks */
};

/* The text is the lab's. */
const char *robustness_describe(struct lab *lab, const struct robustness_protocol *p);

#endif
