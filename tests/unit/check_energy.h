/* SPDX-License-Identifier: MIT */
#ifndef JEM_CHECK_ENERGY_H
#define JEM_CHECK_ENERGY_H

/* What the tests of room energy share: a small model with its head and sampler. */

#include <check.h>

#include <jem/jem.h>

#define WORLD_CLASSES 5
#define WORLD_SIZE    48 /* 1 x 6 x 8 */

typedef struct world {
    jem_context *ctx;
    jem_options *opts;
    jem_model *model;
    jem_head *head;
    jem_sampler *sampler;
    jem_buffer *buffer; /* NULL until a test makes it */
} world;

/* `settings`: NULL or "name=value name=value ...". Images 1 x 6 x 8, five classes. */
world world_open(const char *backend, const char *arch, int32_t threads, int64_t max_batch,
                 const char *settings);
void world_close(world *w);
/* Sets options from "name=value name=value ...". */
void world_set(jem_options *opts, const char *settings);

/* U(-1, 1), the same for the same seed. */
void fill_uniform(float *x, int64_t n, int64_t seed);
/* Images of their own with labels i % classes: correlated values, well inside [-1, 1]. */
jem_dataset *make_data(jem_context *ctx, int64_t n, const int64_t shape[3], int64_t classes,
                       int64_t seed);

/* The test cases of the other files. */
void jem_energy_add_sampler(Suite *suite);
void jem_energy_add_start(Suite *suite);
void jem_energy_add_buffer(Suite *suite);
void jem_energy_add_backward(Suite *suite);
void jem_energy_add_use(Suite *suite);

extern const char *const world_backends[2]; /* for loop tests: "reference", "cpu" */

#endif
