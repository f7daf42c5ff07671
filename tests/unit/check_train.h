/* SPDX-License-Identifier: MIT */
#ifndef JEM_CHECK_TRAIN_H
#define JEM_CHECK_TRAIN_H

/* What the tests of room train share: a tiny mlp on 1 x 4 x 4 images of three classes, with all
 * that a trainer stands on. */

#include <check.h>

#include <jem/jem.h>

#include "train/trainer.h"

#define SIZE        16 /* values of an image */
#define CLASSES     3
#define IMAGES      20
#define MAX_WEIGHTS 256 /* more than the mlp has */

extern const int64_t train_shape[3];
extern const char *const train_backends[2]; /* for loop tests: "reference", "cpu" */

/* Settings for small models and fast steps. */
extern const char train_basis[];
/* Options from "name=value name=value ...". */
void train_set(jem_options *opts, const char *settings);
jem_context *train_context(const char *backend, int32_t threads);
/* train_basis, then `settings`. */
jem_options *train_options(jem_context *ctx, const char *settings);

/* An image of class k: bright in row k and dark elsewhere, with some noise by its number. */
void train_blob(int64_t number, int32_t class_number, float *out);
/* n <= 64 blobs of classes 0 1 2 0 1 2 ...; every `unlabelled`th has no label (0: none). */
jem_dataset *train_data(jem_context *ctx, int64_t n, int64_t unlabelled);

struct world {
    jem_context *ctx;
    jem_options *opts;
    jem_dataset *data;
    jem_model *model;
    jem_trainer *t;
};

struct world train_open(const char *backend, int64_t unlabelled, const char *settings);
void train_close(struct world *w);

double train_metric(const jem_trainer *t, const char *name);
/* All parameters, or their gradients, one after the other; how many numbers. */
int64_t train_weights(const jem_model *model, float *out);
int64_t train_gradient(const jem_trainer *t, float *out);

#define N_D 5
#define N_L 4
#define N_Q 3

/* Batches for jem_trainer_step_on(). */
struct batches {
    float x_d[N_D * SIZE], x_l[N_L * SIZE], x_q[N_Q * SIZE];
    int32_t y_l[N_L], y_q[N_Q];
};

struct batches train_make_batches(void);
void train_step_on(jem_trainer *t, const struct batches *b);

/* One attempt that fails, so that attempts and steps part. */
void train_fail_once(jem_trainer *t);
/* Two files, byte for byte. */
void train_check_same_file(const char *a, const char *b);

/* The test cases of the other files. */
TCase *train_case(Suite *suite, const char *name);
void jem_train_add_parts(Suite *suite);
void jem_train_add_steps(Suite *suite);
void jem_train_add_sharpness(Suite *suite);
void jem_train_add_snapshots(Suite *suite);
void jem_train_add_telemetry(Suite *suite);
void jem_train_add_guard(Suite *suite);
void jem_train_add_files(Suite *suite);
void jem_train_add_failures(Suite *suite);

#endif
