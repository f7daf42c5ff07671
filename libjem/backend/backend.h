/* SPDX-License-Identifier: MIT */
#ifndef JEM_BACKEND_BACKEND_H
#define JEM_BACKEND_BACKEND_H

/* The seam: memory and operations of whatever computes.
 *
 * Above this line nobody knows how a number is stored. Tensor memory is the incomplete type
 * `jem__mem`, so the compiler keeps everybody from looking inside; data goes in with upload and
 * comes out with download. Each operation is fused the way a fast backend wants it: LeakyReLU
 * is applied while a convolution *reads* its input, bias and residual are added while it
 * writes, and the sign of what it writes is kept as one bit, which is all that the input
 * gradient of a LeakyReLU network needs (docs/maths.md). A whole SGLD step, noise and
 * clamps included, is conv_forward ... density ... conv_backward_x ... sgld_step, without a
 * number leaving the backend.
 *
 * Sizes are checked above (nets/network.c, once, when a network is built); operations trust
 * them. An operation fails only for want of memory or in the backend's own way.
 *
 * Two implementations: backend/reference (plain loops, double precision, the oracle) and
 * backend/cpu. The table has a row for each; a GPU would be a third. */

#include <jem/context.h>

#include "core/random.h"

#define JEM__LEAK 0.2f /* slope of LeakyReLU for negative inputs, as in the official code */

typedef struct jem__mem jem__mem; /* a block of backend memory */

/* n x c x h x w numbers beginning `at` numbers into `mem`. Upload and download speak
 * row-major n, c, h, w; the order inside belongs to the backend, but tensors of the same n, c, h, w
 * have the same order, a slice of whole images (n) is contiguous, and tensors with
 * h = w = 1 or c = 1 are in plain order. So elementwise work may treat a block of many tensors
 * as one long vector (n = 1, c = length, h = w = 1). */
typedef struct jem__tensor {
    jem__mem *mem;
    int64_t at;
    int64_t n, c, h, w;
} jem__tensor;

/* One sign bit per number of a tensor: 1 where value > 0. The packing belongs to the backend;
 * signs of image i of a batch begin at i * signs_bytes(c, h, w). NULL mem: not wanted. */
typedef struct jem__signs {
    jem__mem *mem;
    int64_t at; /* bytes */
} jem__signs;

/* A two-dimensional convolution (cross-correlation, as PyTorch): x is c x h x w, weights are
 * k x c x kh x kw, y is k x oh x ow, oh = (h + 2 pad - kh) / stride + 1. A fully connected layer
 * is the convolution whose kernel is the image: kh = h, kw = w, pad = 0. */
typedef struct jem__conv {
    int64_t c, h, w, k, kh, kw, stride, pad, oh, ow;
    int32_t leaky_input; /* 1: the input is LeakyReLU(x), 0: x itself */
} jem__conv;

typedef struct jem__queue jem__queue; /* where operations run one after another; never shared */

/* One step of x <- clamp(x + step_size * clamp(g) + noise_std * N(0, I)). A clamp of 0 is off; a
 * gradient that is NaN or infinite makes x NaN, whatever the clamps.
 * Image i of the batch is chain `first_chain + i`; its noise is
 * jem__rng{key, JEM__RNG_SGLD, step, chain}, element e = position in c, h, w order. */
typedef struct jem__sgld_step {
    float step_size, noise_std, clamp_grad, clamp_x;
    jem__key key;
    uint64_t first_chain;
    uint32_t step;
} jem__sgld_step;

/* Adam (Kingma and Ba 2015) as torch.optim.Adam, SGD as torch.optim.SGD. Weight decay is added
 * to the gradient (L2), as in both. `grad_scale` multiplies the gradient first (clipping). */
typedef struct jem__adam {
    double lr, beta1, beta2, eps, weight_decay, grad_scale;
    int64_t step; /* 1 for the first update: bias correction */
} jem__adam;
typedef struct jem__sgd {
    double lr, momentum, weight_decay, grad_scale;
    int32_t first; /* 1: the velocity is the gradient itself */
} jem__sgd;

/* The scores of logits f and the gradient of a loss in them. Per image i, with
 * F = logsumexp f(x_i), f_y = f(x_i)[y_i]:
 *
 *     loss_i = alpha * F + lambda * F^2 + beta * f_y
 *     seed_i = scale * d loss_i / d f = scale * ((alpha + 2 lambda F) softmax f + beta onehot y)
 *
 * alpha = 1 alone: log p(x), and grad_logits = softmax. beta = 1 alone: log p(x|y). alpha = 1,
 * beta = -1: cross entropy. */
typedef struct jem__density {
    double alpha, lambda, beta, scale;
} jem__density;

typedef struct jem__backend {
    const char *name; /* "cpu" */
    /* What computes, for people: "cpu (avx512)". `variant` is what follows the colon in
     * jem_context_create("cpu:avx2"), "" for the best; fails when there is no such. */
    jem_status (*describe)(const char *variant, char *out, int64_t out_size);

    /* A queue has scratch memory, which any operation may grow. An operation shares its work
     * among the context's threads, unless its queue works `alone`: then it stays on the calling
     * one. */
    jem_status (*queue_create)(jem_context *ctx, int32_t alone, jem__queue **out);
    void (*queue_free)(jem__queue *queue); /* NULL accepted */

    /* Memory. `count` numbers, or `bytes` of sign bits; zeroed. */
    jem_status (*mem_create)(jem_context *ctx, int64_t count, jem__mem **out);
    jem_status (*mem_create_bits)(jem_context *ctx, int64_t bytes, jem__mem **out);
    void (*mem_free)(jem_context *ctx, jem__mem *mem);       /* NULL accepted */
    int64_t (*signs_bytes)(int64_t c, int64_t h, int64_t w); /* per image */

    /* Data in and out, row-major n, c, h, w. */
    jem_status (*upload)(jem__queue *queue, const jem__tensor *dst, const float *src);
    jem_status (*download)(jem__queue *queue, const jem__tensor *src, float *dst);

    /* y = conv(x or leaky(x), w) + b [+ add]; signs_y of y where wanted. b may be NULL. */
    jem_status (*conv_forward)(jem__queue *queue, const jem__conv *conv, const jem__tensor *x,
                               const jem__tensor *w, const jem__tensor *b,
                               const jem__tensor *add, const jem__tensor *y,
                               const jem__signs *signs_y);
    /* gx = (1 or leak, by signs_x, when conv->leaky_input) * conv^T(gy, w) [+ add].
     * add may be gx itself. */
    jem_status (*conv_backward_x)(jem__queue *queue, const jem__conv *conv,
                                  const jem__tensor *gy, const jem__tensor *w,
                                  const jem__signs *signs_x, const jem__tensor *add,
                                  const jem__tensor *gx);
    /* gw += x (or leaky(x)) correlated with gy; gb += sum of gy. gb may be NULL. */
    jem_status (*conv_backward_w)(jem__queue *queue, const jem__conv *conv,
                                  const jem__tensor *x, const jem__tensor *gy,
                                  const jem__tensor *gw, const jem__tensor *gb);

    /* y = (1 or leak, by signs) * x: what LeakyReLU does to a small change of its input. */
    jem_status (*leak)(jem__queue *queue, const jem__tensor *x, const jem__signs *signs,
                       const jem__tensor *y);

    /* y[n, c] = mean over h, w of leaky(x), or, where signs are given, of x multiplied by
     * 1 or leak by them. And back: gx = (1 or leak) * gy / (h w). */
    jem_status (*pool_forward)(jem__queue *queue, const jem__tensor *x, const jem__signs *signs,
                               const jem__tensor *y);
    jem_status (*pool_backward)(jem__queue *queue, const jem__tensor *gy,
                                const jem__signs *signs_x, const jem__tensor *gx);

    /* See jem__density. `y` are n class numbers (NULL when beta is 0). log_px and log_pxy get n
     * doubles each, where not NULL (log_pxy needs y); grad_logits gets n x classes, where not NULL. */
    jem_status (*density)(jem__queue *queue, const jem__density *what,
                          const jem__tensor *logits, const int32_t *y, double *log_px,
                          double *log_pxy, const jem__tensor *grad_logits);
    /* p = softmax f changes with its logits: p <- (diag p - p p') t, per image. */
    jem_status (*softmax_tangent)(jem__queue *queue, const jem__tensor *t,
                                  const jem__tensor *p);

    jem_status (*sgld_step)(jem__queue *queue, const jem__sgld_step *what, const jem__tensor *g,
                            const jem__tensor *x);

    /* Elementwise over whole blocks. sum_squares adds fixed chunks in order; a NaN or infinity
     * anywhere makes it NaN or infinite. */
    jem_status (*fill)(jem__queue *queue, const jem__tensor *x, float value);
    jem_status (*copy)(jem__queue *queue, const jem__tensor *src, const jem__tensor *dst);
    jem_status (*add)(jem__queue *queue, const jem__tensor *src,
                      const jem__tensor *x);                               /* x += */
    jem_status (*lerp)(jem__queue *queue, double t, const jem__tensor *to, /* x += t (to - x) */
                       const jem__tensor *x);
    jem_status (*sum_squares)(jem__queue *queue, const jem__tensor *x, double *out);
    jem_status (*adam_step)(jem__queue *queue, const jem__adam *what, const jem__tensor *grad,
                            const jem__tensor *m, const jem__tensor *v,
                            const jem__tensor *param);
    jem_status (*sgd_step)(jem__queue *queue, const jem__sgd *what, const jem__tensor *grad,
                           const jem__tensor *velocity, const jem__tensor *param);
} jem__backend;

extern const jem__backend jem__backend_cpu;       /* backend/cpu/cpu.c */
extern const jem__backend jem__backend_reference; /* backend/reference/reference.c */

#endif
