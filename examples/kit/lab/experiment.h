/* SPDX-License-Identifier: MIT */
#ifndef KIT_LAB_EXPERIMENT_H
#define KIT_LAB_EXPERIMENT_H

/* What the programs of the paper's experiments share: a model, test images that fit it, and a
 * JSON object that says how its figures came about.
 *
 * Every object has protocol, program, version, kernels, threads, model, model_md5, data, seed and
 * seconds; programs add theirs. */

#include <jansson.h>
#include <jem/jem.h>

#include "kit/data/image_input.h"

struct experiment {
    jem_context *ctx;
    jem_model *model;
    int64_t shape[4]; /* channels, height, width, classes of the model */
    json_t *json;     /* what is known so far */
    double began;     /* progress_clock() */
};

/* Open a context, for a program that makes its models itself; "model" and "model_md5" are null
 * then, and `shape` is the program's to fill in. */
int experiment_begin(const char *backend, int64_t threads, int64_t seed,
                     struct experiment *out);

/* Open context and model; note both in the JSON. */
int experiment_open(const char *model, const char *backend, int64_t threads, int64_t seed,
                    struct experiment *out);

/* `count` images (0: all), evenly spaced, of a data set's split, which must have the model's shape and,
 * when `labelled`, labels of its classes; otherwise labels may be anything. The first call is
 * the JSON's "data". */
int experiment_data(const struct experiment *e, const char *spec, const char *split,
                    int64_t count, int labelled, struct image_input *out);

/* How the figures are made: one sentence or a few, for people. Printed by experiment_protocol()
 * under the table as well, wrapped. */
void experiment_set_protocol(struct experiment *e, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void experiment_print_protocol(const struct experiment *e);

/* Note the seconds so far and write the object; `path` NULL: not wanted. */
int experiment_write(struct experiment *e, const char *path);

void experiment_close(struct experiment *e);

#endif
