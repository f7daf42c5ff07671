/* SPDX-License-Identifier: MIT */
#ifndef TESTS_ATTACKS_LINEAR_H
#define TESTS_ATTACKS_LINEAR_H

/* A network with one hidden layer whose units are all far above 0 is linear, f = A x + c. Then,
 * with two classes, the best an attack can do is known, and with more the gradients. */

#include "kit/attack/attack.h"

enum { HEIGHT = 6, WIDTH = 8, SIZE = HEIGHT * WIDTH, HIDDEN = 16, CLASSES = 5, N = 6 };

/* "ok NAME" or "FAIL NAME: reason". */
void say(int good, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
extern int failures;

/* A call that must work; ends the program. */
void must(int rc);

struct world {
    jem_context *ctx;
    jem_options *opts;
    jem_model *model;
    int classes;
    double a[CLASSES][SIZE];
    float x[N * SIZE]; /* images, and the model's own opinion of their classes */
    int32_t y[N];
};

/* Random weights, images and their classes. */
void open_world(struct world *w, int classes, double scale, int seed);

/* Two classes, images 0, 2, ... and all noise of class 0, images 1, 3, ... of class 1. */
void open_lopsided(struct world *w, int seed);
void close_world(struct world *w);
void set(struct world *w, const char *name, const char *value);

/* Of image i at a point; two classes. */
double margin_at(const struct world *w, int i, const float *at);

/* The smallest margin within eps; the smallest eps at which the margin can be 0. */
double best_margin(const struct world *w, enum attack_norm norm, int i, double eps);
double best_eps(const struct world *w, enum attack_norm norm, int i);

/* Cross entropy, its gradient and the margin of image i at a point; CLASSES classes. */
double loss_at(const struct world *w, int i, const double *x, double *grad, double *margin);

/* The smallest margin that APGD-CE in the L2 norm meets in TWIN_STEPS steps from a start. */
enum { TWIN_STEPS = 12 };
double apgd_twin(const struct world *w, int i, double eps, const float *start);

/* defences.c */
void check_defences(const struct world *w);

#endif
