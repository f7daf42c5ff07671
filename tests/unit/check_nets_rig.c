/* SPDX-License-Identifier: MIT */
/* Networks to run tests on; see check_nets_rig.h. */

#include "check_nets_rig.h"

#include <check.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend/reference/reference.h"
#include "core/context.h"
#include "core/error.h"

int64_t jem_rig_count(const jem__tensor *t)
{
    return t->n * t->c * t->h * t->w;
}

/* Numbers in +-bound, the same for all backends, into a tensor. */
void jem_rig_put(const jem_rig *r, const jem__tensor *t, uint64_t index, float bound)
{
    const int64_t count = jem_rig_count(t);
    const jem__rng rng = {.key = jem__rng_key(7, 7), .purpose = JEM__RNG_INIT, .index = index};
    float *values = malloc((size_t)count * sizeof *values);

    ck_assert_ptr_nonnull(values);
    jem__rng_uniform(&rng, 0, count, values);
    for (int64_t i = 0; i < count; i++)
        values[i] = bound * (2.0F * values[i] - 1.0F);
    jem_check_ok(r->ctx->backend->upload(r->queue, t, values));
    free(values);
}

float *jem_rig_get(const jem_rig *r, jem__tensor t)
{
    float *values = malloc((size_t)jem_rig_count(&t) * sizeof *values);

    ck_assert_ptr_nonnull(values);
    jem_check_ok(r->ctx->backend->download(r->queue, &t, values));
    return values;
}

static void open_context(jem_rig *r, const jem__backend *backend)
{
    memset(r, 0, sizeof *r);
    jem_check_ok(jem__context_create(backend, "", jem_test_alloc, jem_test_release, &r->memory,
                                     &r->ctx));
}

void jem_rig_open(jem_rig *r, const jem__backend *backend, int64_t c, int64_t h, int64_t w,
                  jem_rig_builder build)
{
    open_context(r, backend);
    jem_check_ok(jem__network_create(r->ctx, c, h, w, &r->net));
    jem_check_ok(build(r->net));
    jem_check_ok(backend->queue_create(r->ctx, 0, &r->queue));
    r->params = (jem__tensor){.n = 1, .c = r->net->param_count, .h = 1, .w = 1};
    r->grads = r->params;
    jem_check_ok(backend->mem_create(r->ctx, r->net->param_count, &r->params.mem));
    jem_check_ok(backend->mem_create(r->ctx, r->net->param_count, &r->grads.mem));
    for (int32_t i = 0; i < r->net->n_params; i++) {
        const jem__param *p = &r->net->params[i];
        const jem__tensor t = jem__param_tensor(p, &r->params);
        jem_rig_put(r, &t, (uint64_t)i, 1.5F / sqrtf((float)p->fan_in));
    }
}

void jem_rig_close(jem_rig *r)
{
    if (r->params.mem != NULL) {
        r->ctx->backend->mem_free(r->ctx, r->params.mem);
        r->ctx->backend->mem_free(r->ctx, r->grads.mem);
    }
    if (r->queue != NULL)
        r->ctx->backend->queue_free(r->queue);
    jem__network_free(r->net);
    jem__context_unref(r->ctx);
    jem_check_no_leak(&r->memory);
}

jem__workspace *jem_rig_workspace(const jem_rig *r, int64_t max_batch, int32_t training,
                                  int64_t n)
{
    jem__workspace *ws = NULL;

    jem_check_ok(jem__workspace_create(r->net, r->ctx->backend, max_batch, 0, training, &ws));
    for (int64_t i = 0; i < n; i++) {
        jem__tensor x = jem__workspace_image(ws, 1), grad = jem__workspace_grad_logits(ws, 1);
        x.at += i * jem_rig_count(&x);
        grad.at += i * jem_rig_count(&grad);
        jem_rig_put(r, &x, 1000 + r->first + (uint64_t)i, 1.0F);
        jem_rig_put(r, &grad, 2000 + r->first + (uint64_t)i, 1.0F);
    }
    return ws;
}

/* --- Networks to test --------------------------------------------------------------------- */

static jem_status build_wrn(jem__network *net)
{
    return jem__wide_resnet(net, 10, 1, 4);
}

static jem_status build_small(jem__network *net)
{
    return jem__small_conv(net, 4, 5);
}

static jem_status build_mlp(jem__network *net)
{
    return jem__mlp(net, 11, 3, 6);
}

/* Two layers read the image. */
static jem_status build_two_stems(jem__network *net)
{
    int32_t a = 0, b = 0;

    JEM__TRY(jem__network_conv(net, "a", 0, 1.0F, 4, 3, 1, 1, -1, &a));
    JEM__TRY(jem__network_conv(net, "b", 0, 1.0F, 4, 1, 1, 0, a, &b));
    JEM__TRY(jem__network_pool(net, b, 0.2F, &b));
    return jem__network_linear(net, "c", b, 1.0F, 3, &b);
}

/* Layers that add what they read; the last one adds too, so that grad_logits is handed on. */
static jem_status build_adding_end(jem__network *net)
{
    int32_t a = 0;

    JEM__TRY(jem__network_conv(net, "a", 0, 1.0F, 3, 3, 1, 1, -1, &a));
    JEM__TRY(jem__network_conv(net, "b", a, 0.2F, 3, 3, 1, 1, a, &a));
    return jem__network_conv(net, "c", a, 0.2F, 3, 3, 1, 1, a, &a);
}

/* A residual over three layers at the end: the added value outlives values made after it, and
 * grad_logits becomes its gradient so far. */
static jem_status build_long_residual(jem__network *net)
{
    int32_t a = 0, b = 0;

    JEM__TRY(jem__network_conv(net, "a", 0, 1.0F, 3, 3, 1, 1, -1, &a));
    JEM__TRY(jem__network_conv(net, "b", a, 0.2F, 3, 3, 1, 1, -1, &b));
    JEM__TRY(jem__network_conv(net, "c", b, 0.2F, 3, 3, 1, 1, -1, &b));
    return jem__network_conv(net, "d", b, 0.2F, 3, 3, 1, 1, a, &b);
}

/* One value with three readers, even kernels and stride, a linear layer over a whole value. */
static jem_status build_three_readers(jem__network *net)
{
    int32_t a = 0, b = 0;

    JEM__TRY(jem__network_conv(net, "a", 0, 1.0F, 5, 2, 1, 0, -1, &a));
    JEM__TRY(jem__network_conv(net, "b", a, 0.2F, 4, 4, 2, 1, -1, &b));
    JEM__TRY(jem__network_conv(net, "c", a, 1.0F, 4, 4, 2, 1, b, &b));
    JEM__TRY(jem__network_conv(net, "d", a, 0.2F, 4, 4, 2, 1, b, &b));
    return jem__network_linear(net, "e", b, 0.2F, 3, &b);
}

/* ReLU everywhere. */
static jem_status build_relu(jem__network *net)
{
    int32_t a = 0, b = 0;

    JEM__TRY(jem__network_conv(net, "a", 0, 1.0F, 4, 3, 1, 1, -1, &a));
    JEM__TRY(jem__network_conv(net, "b", a, 0.0F, 4, 3, 1, 1, -1, &b));
    JEM__TRY(jem__network_conv(net, "c", b, 0.0F, 4, 3, 1, 1, a, &b));
    JEM__TRY(jem__network_conv(net, "d", b, 0.0F, 8, 3, 2, 1, -1, &b));
    JEM__TRY(jem__network_pool(net, b, 0.0F, &b));
    return jem__network_linear(net, "e", b, 1.0F, 3, &b);
}

/* A slope for each layer; the mean is of the numbers themselves. */
static jem_status build_many_slopes(jem__network *net)
{
    int32_t a = 0;

    JEM__TRY(jem__network_conv(net, "a", 0, 1.0F, 8, 3, 1, 1, -1, &a));
    JEM__TRY(jem__network_conv(net, "b", a, 0.1F, 8, 3, 1, 1, -1, &a));
    JEM__TRY(jem__network_conv(net, "c", a, 0.5F, 5, 3, 2, 1, -1, &a));
    JEM__TRY(jem__network_conv(net, "d", a, 0.0F, 5, 1, 1, 0, -1, &a));
    JEM__TRY(jem__network_pool(net, a, 1.0F, &a));
    return jem__network_linear(net, "e", a, 1.0F, 3, &a);
}

const jem_rig_net jem_rig_nets[JEM_RIG_NETS] = {
    {"wrn", build_wrn, 3, 8, 8, 2},
    {"wrn, gray, not square", build_wrn, 1, 4, 8, 2},
    {"small", build_small, 1, 12, 12, 3},
    {"small, odd", build_small, 2, 5, 7, 3},
    {"small, one pixel", build_small, 3, 1, 1, 2},
    {"mlp", build_mlp, 2, 3, 4, 3},
    {"two stems", build_two_stems, 2, 4, 5, 3},
    {"adding end", build_adding_end, 2, 4, 3, 2},
    {"long residual", build_long_residual, 2, 4, 3, 2},
    {"three readers", build_three_readers, 2, 7, 6, 3},
    {"relu", build_relu, 2, 6, 5, 3},
    {"many slopes", build_many_slopes, 2, 5, 4, 3},
};

void jem_rig_open_net(jem_rig *r, const jem__backend *backend, int i)
{
    jem_rig_open(r, backend, jem_rig_nets[i].c, jem_rig_nets[i].h, jem_rig_nets[i].w,
                 jem_rig_nets[i].build);
}

/* --- Finite differences ------------------------------------------------------------------- */

const double *jem_rig_numbers(const jem__tensor *t)
{
    return jem__reference_numbers(t->mem) + t->at;
}

/* sum of grad * logits */
double jem_rig_loss(const jem_rig *r, jem__workspace *ws, int64_t n)
{
    jem_check_ok(jem__network_forward(ws, r->queue, &r->params, n));
    const jem__tensor f = jem__workspace_logits(ws, n),
                      grad = jem__workspace_grad_logits(ws, n);
    double sum = 0;
    for (int64_t i = 0; i < jem_rig_count(&f); i++)
        sum += jem_rig_numbers(&f)[i] * jem_rig_numbers(&grad)[i];
    return sum;
}

/* d loss / d *number. Where the second difference is not 0 a kink is near: look closer. */
static double slope(const jem_rig *r, jem__workspace *ws, int64_t n, double *number)
{
    const double at = *number, here = jem_rig_loss(r, ws, n);
    static const double steps[] = {1e-4, 1e-5, 1e-6, 1e-7};

    for (size_t s = 0; s < sizeof steps / sizeof steps[0]; s++) {
        const double eps = steps[s];
        *number = at + eps;
        const double above = jem_rig_loss(r, ws, n);
        *number = at - eps;
        const double below = jem_rig_loss(r, ws, n);
        *number = at;
        if (fabs(above - 2 * here + below) < 1e-13)
            return (above - below) / (2 * eps);
    }
    return (double)NAN;
}

/* Compare `gradient` with finite differences at `samples` numbers from the first to the
 * last. */
void jem_rig_check_slopes(const jem_rig *r, jem__workspace *ws, int64_t n, double *point,
                          const double *gradient, int64_t count, int64_t samples,
                          const char *what)
{
    const int64_t taken = count < samples ? count : samples;

    for (int64_t s = 0; s < taken; s++) {
        const int64_t i = taken == 1 ? 0 : s * (count - 1) / (taken - 1);
        const double expected = slope(r, ws, n, &point[i]);
        ck_assert_msg(fabs(gradient[i] - expected) <= 1e-6 * fabs(expected) + 1e-9,
                      "%s[%" PRId64 "]: gradient %.12g, finite difference %.12g", what, i,
                      gradient[i], expected);
    }
}
