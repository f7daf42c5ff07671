/* SPDX-License-Identifier: MIT */
#ifndef JEM_ENERGY_SAMPLER_H
#define JEM_ENERGY_SAMPLER_H

/* Chains: the handle jem_sampler, and the rules by which a chain steps.
 *
 * The sampler knows starts, random keys, the numbers of chains and how a call is cut for the
 * head's lanes; a rule knows how a batch of chains moves, and how a gradient goes back through
 * it. Rules are rows of a table, chosen by "sampler.rule". */

#include <stdatomic.h>

#include <jem/sampler.h>

#include "energy/head.h"
#include "energy/start.h"

/* All chains of a call. */
typedef struct jem__chain_call {
    const jem_sampler *sampler;
    const char *caller;
    uint64_t first_chain; /* number of the call's first chain */
    const int32_t *y;     /* classes to climb; NULL: log p(x) */
    int64_t n, steps;
    const float *x;      /* run: where they start */
    float *trace;        /* run: all states, steps + 1 blocks of n images; NULL: not wanted */
    const float *states; /* backward: such a trace */
    float *result; /* n images: where they end; backward: the gradient, from end to start */
} jem__chain_call;

/* Where state `step` of chain `first` begins in a call's trace; step 0 is the start. */
int64_t jem__chain_state(const jem__chain_call *call, int64_t step, int64_t first);

/* Both work on chains first .. first + count - 1 of a call, on one lane. */
typedef struct jem__chain_rule {
    const char *name;
    /* The starts lie in the lane's image; the ends do afterwards. Each state after the first
     * into call->trace, where it is wanted. */
    jem_status (*run)(const jem__chain_call *call, const jem__lane *lane, int64_t first,
                      int64_t count);
    /* call->result, a gradient in the last states of a trace, becomes that in the first. */
    jem_status (*backward)(const jem__chain_call *call, const jem__lane *lane, int64_t first,
                           int64_t count);
} jem__chain_rule;

#define JEM__CHAIN_RULES 1
extern const jem__chain_rule jem__chain_rules[JEM__CHAIN_RULES];

struct jem_sampler {
    atomic_int refs;
    jem_head *head;    /* a reference */
    jem__start *start; /* p0, owned */
    const jem__chain_rule *rule;
    float step_size, noise_std, clamp_grad, clamp_x; /* "sgld.*" */
    int64_t steps;
    jem__key key;
    uint64_t next_chain; /* number of the next chain */
    uint64_t next_start; /* number of the next draw from p0 */
    jem__use use;
};

jem_status jem__sampler_create(jem_head *head, const jem_options *opts, jem_sampler **out);
jem_sampler *jem__sampler_ref(jem_sampler *s);
void jem__sampler_unref(jem_sampler *s);
void jem__sampler_seed(jem_sampler *s, int64_t seed, int64_t stream);
jem_status jem__sampler_init(jem_sampler *s, const char *caller, const int32_t *y, float *x,
                             int64_t n);
/* In place; unchanged on failure. steps < 0: the option. */
jem_status jem__sampler_run(jem_sampler *s, const char *caller, float *x, const int32_t *y,
                            int64_t n, int64_t steps);
/* The same, with all states kept: trace gets steps + 1 blocks of n images, the first is x. */
jem_status jem__sampler_trace(jem_sampler *s, const char *caller, const float *x,
                              const int32_t *y, int64_t n, int64_t steps, float *trace);
/* The gradient of a loss in the ends of such chains, in `grad`, becomes that in their starts;
 * unchanged on failure. */
jem_status jem__sampler_backward(jem_sampler *s, const char *caller, const float *trace,
                                 const int32_t *y, int64_t n, int64_t steps, float *grad);

#endif
