/* SPDX-License-Identifier: MIT */
#ifndef ROBUSTNESS_PROTOCOL_H
#define ROBUSTNESS_PROTOCOL_H

/* How the figures of jem-robustness came about, in words: what was run and nothing else. */

#include <jem/jem.h>

#include "robustness.h"

#define ROBUSTNESS_PROTOCOL_BYTES 2048

struct robustness_protocol {
    const struct robustness *result; /* its rows are what was run */
    const jem_options *opts;         /* "sgld.*" */
    double input_noise;
    int64_t chains, votes; /* of the defence */
    int64_t steps, restarts, eot, queries, noises;
};

void robustness_describe(const struct robustness_protocol *p,
                         char out[ROBUSTNESS_PROTOCOL_BYTES]);

#endif
