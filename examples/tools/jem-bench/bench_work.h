/* SPDX-License-Identifier: MIT */
#ifndef BENCH_WORK_H
#define BENCH_WORK_H

/* The operations that jem-bench times, each in a form that can be run again and again. */

#include <jem/jem.h>

#include "kit/cli/cli.h"

struct bench_work {
    int (*reset)(struct bench_work *w); /* before each run, not timed; or NULL */
    int (*run)(struct bench_work *w);
    void (*close)(struct bench_work *w);
    int64_t images;
    double madds; /* of one run, as the direct convolutions would make them */
    void *state;
};

/* A model with random weights: "wrn-D-K", "small", "mlp" or "demo", for images of "CxHxW" (NULL:
 * the model's usual ones). `sets` are "model.filters=4" and the like. *opts holds the settings that
 * bench_open_network() wants. */
int bench_model(jem_context *ctx, const char *name, const char *input, int64_t classes,
                const struct cli_list *sets, jem_options **opts, jem_model **model);

/* Is `op` one of logits, grad, sgld, train? */
int bench_is_network_op(const char *op);

/* One of them on a batch of random images; sgld makes `steps` steps. The model changes when
 * `op` is train. */
int bench_open_network(jem_model *model, const jem_options *opts, const char *op, int64_t batch,
                       int64_t steps, struct bench_work *out);

/* One convolution without bias, called in the backend: shape "N,C,H,W,K[,kernel,stride]", padded
 * by half the kernel; pass fwd, bwd_x or bwd_w. */
int bench_open_conv(jem_context *ctx, const char *shape, const char *pass,
                    struct bench_work *out);

/* `count` numbers in [-scale, scale]: always the same. */
void bench_fill(float *values, int64_t count, float scale);

#endif
