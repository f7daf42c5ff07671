/* SPDX-License-Identifier: MIT */
#ifndef JEM_ENERGY_REPLAY_BUFFER_H
#define JEM_ENERGY_REPLAY_BUFFER_H

/* The PCD replay buffer: the handle jem_buffer. */

#include <stdatomic.h>

#include <jem/buffer.h>

#include "energy/sampler.h"

struct jem_buffer {
    atomic_int refs;
    jem_sampler *sampler; /* a reference: p0 and the random key */
    int64_t capacity, classes, image_size;
    int32_t class_parts;
    double restart_prob;
    uint64_t next_draw; /* number of the next image drawn */
    float *images;      /* capacity x image_size */
    int64_t *ages; /* of each slot's chain: steps since its start, as far as a trainer ran it */
    jem__use use;
    jem_buffer *self; /* for the use of a buffer that is const */
};

jem_status jem__buffer_create(jem_sampler *s, const jem_options *opts, int32_t fill_now,
                              jem_buffer **out); /* fill_now 0: images will be loaded */
jem_buffer *jem__buffer_ref(jem_buffer *b);
void jem__buffer_unref(jem_buffer *b);
/* A restart of draw number d uses start number 2^63 + d, so that draws never share numbers with
 * jem_sampler_init(). */
jem_status jem__buffer_draw(jem_buffer *b, const char *caller, const int32_t *y, int64_t n,
                            float *x, int64_t *slots, int64_t *ages); /* ages may be NULL */
void jem__buffer_set_ages(jem_buffer *b, const int64_t *slots, int64_t n, const int64_t *ages);
jem_status jem__buffer_store(jem_buffer *b, const char *caller, const int64_t *slots, int64_t n,
                             const float *x);

#endif
