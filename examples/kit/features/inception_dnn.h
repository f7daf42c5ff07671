/* SPDX-License-Identifier: MIT */
#ifndef KIT_FEATURES_INCEPTION_DNN_H
#define KIT_FEATURES_INCEPTION_DNN_H

/* A network of convolutions and poolings that only runs forward. oneDNN is behind it and nowhere
 * else.
 *
 * A call adds a layer, names the one that it reads, and returns the new one's number. A call that
 * fails returns DNN_NONE, and so do all that are given DNN_NONE; a network is thus written down
 * like a formula and checked once, by dnn_ready(). */

#include <stdint.h>

#define DNN_NONE (-1)

struct dnn;

/* At most `layers` layers; every run takes `batch` images. NULL after reporting an error. `threads`
 * becomes OpenMP's number for the whole process. */
struct dnn *dnn_create(int layers, int64_t batch, int threads);
void dnn_free(struct dnn *net);

int dnn_input(struct dnn *net, int64_t channels, int64_t height, int64_t width);

struct dnn_window {
    int64_t height, width;         /* of the window */
    int64_t stride;                /* both ways */
    int64_t pad_height, pad_width; /* on either side */
};

/* A convolution with a bias, and a ReLU after it if `relu`. `weights` is channels x (channels of
 * `from`) x height x width; it and `bias` are copied. */
int dnn_conv(struct dnn *net, int from, int64_t channels, struct dnn_window window,
             const float *weights, const float *bias, int relu);

enum dnn_pool { DNN_MAX, DNN_MEAN }; /* neither counts padding */
int dnn_pool(struct dnn *net, int from, enum dnn_pool kind, struct dnn_window window);

/* The channels of `count` layers, at most DNN_JOINED, one after the other. */
#define DNN_JOINED 6
int dnn_join(struct dnn *net, const int *from, int count);

/* Call it when the network is complete: EXIT_OK, or what failed (it was reported). */
int dnn_ready(const struct dnn *net);

/* Channels, height, width of a layer. */
void dnn_shape(const struct dnn *net, int layer, int64_t shape[3]);

/* The values of a layer, batch x height x width x channels: write those of the input before a run,
 * read those of others after it. */
float *dnn_values(const struct dnn *net, int layer);

int dnn_run(struct dnn *net);

#endif
