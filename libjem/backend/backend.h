/* SPDX-License-Identifier: MIT */
#ifndef JEM_BACKEND_BACKEND_H
#define JEM_BACKEND_BACKEND_H

/* The seam: memory and operations of whatever computes.
 *
 * Above this line nobody knows how a number is stored. Tensor memory is the incomplete type
 * `jem__mem`, so the compiler keeps everybody from looking inside; data goes in with upload and
 * comes out with download. Each operation is fused the way a fast backend wants it: the
 * activation is applied while a convolution *reads* its input, bias and residual are added
 * while it writes, and the sign of what it writes is kept as one bit, which is all that the
 * input gradient of a LeakyReLU network needs (docs/maths.md). A whole SGLD step, noise and
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

/* An activation is its slope, 0 to 1, for negative inputs:
 *
 *     a(v) = v where v > 0, slope * v elsewhere
 *
 * 1 is none, 0.2 the LeakyReLU of the paper, 0 ReLU. What goes in as NaN or infinite comes out
 * as NaN or infinite, whatever the slope. jem__activates() tells whether there is one. */
static inline int32_t jem__activates(float slope)
{
    return slope < 1.0F;
}

typedef struct jem__mem jem__mem; /* a block of backend memory */

/* n x c x h x w numbers beginning `at` numbers into `mem`. Upload and download speak
 * row-major n, c, h, w; the order inside belongs to the backend, but tensors of the same
 * n, c, h, w have the same order, a slice of whole images (n) is contiguous, and tensors with
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
 * k x c x kh x kw, y is k x oh x ow, oh = (h + 2 pad - kh) / stride + 1. A fully connected
 * layer is the convolution whose kernel is the image: kh = h, kw = w, pad = 0. All read x
 * through the activation of `slope`. */
typedef struct jem__conv {
    int64_t c, h, w, k, kh, kw, stride, pad, oh, ow;
    float slope;
} jem__conv;

typedef struct jem__queue jem__queue; /* where operations run one after another; never shared */

/* One step of x <- clamp(x + step_size * clamp(g) + noise_std * N(0, I)). A clamp of 0 is off;
 * a gradient that is NaN or infinite makes x NaN, whatever the clamps.
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
 * F = logsumexp f(x_i), f_y = f(x_i)[y_i], softplus v = log(1 + e^v), sigmoid its derivative and
 * s the sign of gamma:
 *
 *     loss_i = alpha * F + lambda * F^2 + beta * f_y + |gamma| * softplus(s F) + mu * mean f
 *     grad_logits_i = scale * d loss_i / d f
 *                   = scale * ((alpha + 2 lambda F + gamma sigmoid(s F)) softmax f + beta onehot y
 *                              + mu / classes)
 *
 * alpha = 1 alone: log p(x), and grad_logits = softmax. beta = 1 alone: log p(x|y). alpha = 1,
 * beta = -1: cross entropy. */
typedef struct jem__density {
    double alpha, lambda, beta, gamma, mu, scale;
} jem__density;

/* --- Operations -----------------------------------------------------------------------------
 *
 * Each is a function type, jem__NAME_fn, and a name in the list JEM__OPERATIONS below them,
 * from which the table and each backend's declarations follow. A new operation is declared
 * here and written once per backend, as jem__BACKEND_NAME(). */

/* y = conv(a(x), w) + b [+ add]; signs_y of y where wanted. b may be NULL. */
typedef jem_status jem__conv_forward_fn(jem__queue *queue, const jem__conv *conv,
                                        const jem__tensor *x, const jem__tensor *w,
                                        const jem__tensor *b, const jem__tensor *add,
                                        const jem__tensor *y, const jem__signs *signs_y);
/* gx = a'(x) * conv^T(gy, w) [+ add], a'(x) from signs_x, which is read where conv->slope is
 * below 1. add may be gx itself. */
typedef jem_status jem__conv_backward_x_fn(jem__queue *queue, const jem__conv *conv,
                                           const jem__tensor *gy, const jem__tensor *w,
                                           const jem__signs *signs_x, const jem__tensor *add,
                                           const jem__tensor *gx);
/* gw += a(x) correlated with gy; gb += sum of gy. gb may be NULL. */
typedef jem_status jem__conv_backward_w_fn(jem__queue *queue, const jem__conv *conv,
                                           const jem__tensor *x, const jem__tensor *gy,
                                           const jem__tensor *gw, const jem__tensor *gb);

/* y = (1 or slope, by signs) * x: what an activation does to a small change of its input. */
typedef jem_status jem__leak_fn(jem__queue *queue, const jem__tensor *x,
                                const jem__signs *signs, float slope, const jem__tensor *y);

/* y[n, c] = mean over h, w of a(x), or, where signs are given, of x multiplied by 1 or slope by
 * them. And back: gx = (1 or slope, by signs_x) * gy / (h w); signs_x is read where slope is
 * below 1. */
typedef jem_status jem__pool_forward_fn(jem__queue *queue, const jem__tensor *x,
                                        const jem__signs *signs, float slope,
                                        const jem__tensor *y);
typedef jem_status jem__pool_backward_fn(jem__queue *queue, const jem__tensor *gy,
                                         const jem__signs *signs_x, float slope,
                                         const jem__tensor *gx);

/* See jem__density. `y` are n class numbers (NULL when beta is 0). log_px and log_pxy get n
 * doubles each, where not NULL (log_pxy needs y); grad_logits gets n x classes, where not NULL,
 * and may be the logits. */
typedef jem_status jem__density_fn(jem__queue *queue, const jem__density *what,
                                   const jem__tensor *logits, const int32_t *y, double *log_px,
                                   double *log_pxy, const jem__tensor *grad_logits);
/* p = softmax f changes with its logits: p <- (diag p - p p') t, per image. */
typedef jem_status jem__softmax_tangent_fn(jem__queue *queue, const jem__tensor *t,
                                           const jem__tensor *p);

/* See jem__sgld_step. */
typedef jem_status jem__sgld_step_fn(jem__queue *queue, const jem__sgld_step *what,
                                     const jem__tensor *g, const jem__tensor *x);

/* Elementwise over whole blocks: x = value; dst = src; x += src; x += t (to - x). */
typedef jem_status jem__fill_fn(jem__queue *queue, const jem__tensor *x, float value);
typedef jem_status jem__copy_fn(jem__queue *queue, const jem__tensor *src,
                                const jem__tensor *dst);
typedef jem_status jem__add_fn(jem__queue *queue, const jem__tensor *src, const jem__tensor *x);
typedef jem_status jem__lerp_fn(jem__queue *queue, double t, const jem__tensor *to,
                                const jem__tensor *x);
/* y = t a x + b over whole blocks, elementwise and in double; a NULL: 1, b NULL: 0. y may be any
 * of them. */
typedef jem_status jem__multiply_add_fn(jem__queue *queue, double t, const jem__tensor *a,
                                        const jem__tensor *x, const jem__tensor *b,
                                        const jem__tensor *y);
/* The sum of x^2 in *out, of fixed chunks in order; a NaN or infinity anywhere makes it NaN or
 * infinite. */
typedef jem_status jem__sum_squares_fn(jem__queue *queue, const jem__tensor *x, double *out);

/* See jem__adam and jem__sgd. */
typedef jem_status jem__adam_step_fn(jem__queue *queue, const jem__adam *what,
                                     const jem__tensor *grad, const jem__tensor *m,
                                     const jem__tensor *v, const jem__tensor *param);
typedef jem_status jem__sgd_step_fn(jem__queue *queue, const jem__sgd *what,
                                    const jem__tensor *grad, const jem__tensor *velocity,
                                    const jem__tensor *param);

/* X(name) for each operation. */
#define JEM__OPERATIONS(X)                                                                     \
    X(conv_forward)                                                                            \
    X(conv_backward_x)                                                                         \
    X(conv_backward_w)                                                                         \
    X(leak)                                                                                    \
    X(pool_forward)                                                                            \
    X(pool_backward)                                                                           \
    X(density)                                                                                 \
    X(softmax_tangent)                                                                         \
    X(sgld_step)                                                                               \
    X(fill)                                                                                    \
    X(copy)                                                                                    \
    X(add)                                                                                     \
    X(lerp)                                                                                    \
    X(multiply_add)                                                                            \
    X(sum_squares)                                                                             \
    X(adam_step)                                                                               \
    X(sgd_step)

/* --- The table ---------------------------------------------------------------------------- */

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

#define JEM__MEMBER(name) jem__##name##_fn *name;
    JEM__OPERATIONS(JEM__MEMBER)
#undef JEM__MEMBER
} jem__backend;

extern const jem__backend jem__backend_cpu;       /* backend/cpu/cpu.c */
extern const jem__backend jem__backend_reference; /* backend/reference/reference.c */

#endif
