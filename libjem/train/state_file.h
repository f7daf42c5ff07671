/* SPDX-License-Identifier: MIT */
#ifndef JEM_TRAIN_STATE_FILE_H
#define JEM_TRAIN_STATE_FILE_H

/* A training in a safetensors file: that of its model (io/checkpoint.c) plus
 *
 *     train.counters    I64 [5]   step, attempts, next_chain, next_start, next_draw
 *     replay_buffer     F32 [capacity, C, H, W]   when samples are used
 *     chain_age         I64 [capacity]            of its chains; zeros if absent
 *     train.running_auc F64 [1]                   after a step with samples; may be absent
 *     start.block.K     F32       mean and factor of class K, with a fitted start
 *     PREFIX.NAME   F32           like parameter NAME, for each prefix of the optimiser's blocks
 *                                 (optimizer.c) and, with an average, "ema"
 *     train.guard       F64 [10]  what the guard decided (guard.h), where there is one
 *     ring.K.NAME                 of the states that it keeps, 0 the oldest: each tensor above
 *                                 but the starts, and "weights.PARAMETER"
 *     "data_fingerprint"          in the metadata, 16 hexadecimal digits
 *
 * Nothing else is needed: learning rate, batches and random numbers are functions of settings
 * and counters. Metrics of the last step are not kept. */

#include <inttypes.h>
#include <stdio.h>

#define JEM__STATE_UNDER_SIZE 24
#define JEM__STATE_NAME_SIZE  128 /* of a tensor: prefixes and a parameter's name */

/* "under" is "" for the training itself, "ring.K." for a state that its guard keeps. */
static inline void jem__state_name(char out[JEM__STATE_NAME_SIZE], const char *under,
                                   const char *name)
{
    (void)snprintf(out, JEM__STATE_NAME_SIZE, "%s%s", under, name);
}

static inline void jem__state_tensor_name(char out[JEM__STATE_NAME_SIZE], const char *under,
                                          const char *prefix, const char *name)
{
    (void)snprintf(out, JEM__STATE_NAME_SIZE, "%s%s.%s", under, prefix, name);
}

static inline void jem__state_under(char out[JEM__STATE_UNDER_SIZE], int32_t which)
{
    (void)snprintf(out, JEM__STATE_UNDER_SIZE, "ring.%" PRId32 ".", which);
}

static inline void jem__state_start_name(char out[JEM__STATE_NAME_SIZE], int64_t class_number)
{
    (void)snprintf(out, JEM__STATE_NAME_SIZE, "start.block.%" PRId64, class_number);
}

static inline void jem__state_fingerprint(char out[17], uint64_t fingerprint)
{
    (void)snprintf(out, 17, "%016" PRIx64, fingerprint);
}

#endif
