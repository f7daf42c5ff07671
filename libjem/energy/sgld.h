/* SPDX-License-Identifier: MIT */
#ifndef JEM_ENERGY_SGLD_H
#define JEM_ENERGY_SGLD_H

/* Stochastic gradient Langevin dynamics, the rule "sgld":
 *
 *     x <- clamp(x + step_size * clamp(d log p(x) / dx) + noise_std * N(0, I))
 */

#include "energy/sampler.h"

jem_status jem__sgld_run(const jem__chain_call *call, const jem__lane *lane, int64_t first,
                         int64_t count);
jem_status jem__sgld_backward(const jem__chain_call *call, const jem__lane *lane, int64_t first,
                              int64_t count);

#endif
