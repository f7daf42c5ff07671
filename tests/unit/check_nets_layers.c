/* SPDX-License-Identifier: MIT */
/* Layers by themselves: a network runs in ranges of them, and a kind of layer that nets/ has
 * never heard of works like its own. */

#include "check_nets.h"
#include "check_nets_rig.h"

#include <stdlib.h>
#include <string.h>

#include "backend/reference/reference.h"
#include "core/context.h"
#include "nets/layer.h"

/* --- Ranges ---------------------------------------------------------------------------------- */

/* All results of one run, as floats in the order of memory. */
typedef struct results {
    float *logits, *image, *weights;
} results;

static results results_of(const jem_rig *r, const jem__workspace *ws, int64_t n)
{
    return (results){.logits = jem_rig_get(r, jem__workspace_logits(ws, n)),
                     .image = jem_rig_get(r, jem__workspace_image_gradient(ws, n)),
                     .weights = jem_rig_get(r, r->grads)};
}

static void results_free(results *x)
{
    free(x->logits);
    free(x->image);
    free(x->weights);
}

/* Forward and backward in two ranges that meet at layer `cut`. */
static results run_in_two(const jem_rig *r, jem__workspace *ws, int64_t n, int32_t cut)
{
    const int32_t end = r->net->n_layers;

    jem_check_ok(r->ctx->backend->fill(r->queue, &r->grads, 0));
    jem_check_ok(jem__network_forward_range(ws, r->queue, &r->params, n, 0, cut));
    jem_check_ok(jem__network_forward_range(ws, r->queue, &r->params, n, cut, end));
    jem_check_ok(
        jem__network_backward_w_range(ws, r->queue, &r->params, &r->grads, n, cut, end));
    jem_check_ok(jem__network_backward_w_range(ws, r->queue, &r->params, &r->grads, n, 0, cut));
    jem_check_ok(jem__network_backward_x_range(ws, r->queue, &r->params, n, cut, end));
    jem_check_ok(jem__network_backward_x_range(ws, r->queue, &r->params, n, 0, cut));
    return results_of(r, ws, n);
}

START_TEST(test_two_ranges_are_one)
{
    const int64_t n = jem_rig_nets[_i / 2].n;
    jem_rig r;

    jem_rig_open_net(&r, _i % 2 ? &jem__backend_cpu : &jem__backend_reference, _i / 2);
    jem__workspace *ws = jem_rig_workspace(&r, n, 1, n);
    const jem__tensor f = jem__workspace_logits(ws, n);
    const jem__tensor g = jem__workspace_image_gradient(ws, n);

    jem_check_ok(jem__network_forward(ws, r.queue, &r.params, n));
    jem_check_ok(jem__network_backward_w(ws, r.queue, &r.params, &r.grads, n));
    jem_check_ok(jem__network_backward_x(ws, r.queue, &r.params, n));
    results whole = results_of(&r, ws, n);
    for (int32_t cut = 0; cut <= r.net->n_layers; cut++) {
        jem__workspace *fresh = jem_rig_workspace(&r, n, 1, n);
        results parts = run_in_two(&r, fresh, n, cut);
        jem_check_same(parts.logits, whole.logits, jem_rig_count(&f));
        jem_check_same(parts.image, whole.image, jem_rig_count(&g));
        jem_check_same(parts.weights, whole.weights, r.net->param_count);
        results_free(&parts);
        jem__workspace_free(fresh);
    }
    results_free(&whole);
    jem__workspace_free(ws);
    jem_rig_close(&r);
}
END_TEST

START_TEST(test_ranges_outside_the_network)
{
    jem_rig r;

    jem_rig_open_net(&r, &jem__backend_reference, 5); /* four layers */
    jem__workspace *ws = jem_rig_workspace(&r, 2, 1, 2);

    jem_check_fails(jem__network_forward_range(ws, r.queue, &r.params, 2, -1, 2),
                    JEM_E_INTERNAL, "layers -1 to 2 of a network of 4");
    jem_check_fails(jem__network_backward_x_range(ws, r.queue, &r.params, 2, 0, 5),
                    JEM_E_INTERNAL, "layers 0 to 5");
    jem_check_fails(jem__network_backward_w_range(ws, r.queue, &r.params, &r.grads, 2, 3, 2),
                    JEM_E_INTERNAL, "layers 3 to 2");
    jem__workspace_free(ws);
    jem_rig_close(&r);
}
END_TEST

/* --- Slopes ---------------------------------------------------------------------------------- */

static float wanted_slope;

/* One number through a convolution, an activation, the mean of one number, one more layer. */
static jem_status build_line(jem__network *net)
{
    int32_t a = 0;

    JEM__TRY(jem__network_conv(net, "a", 0, 1.0F, 1, 1, 1, 0, -1, &a));
    JEM__TRY(jem__network_conv(net, "b", a, wanted_slope, 1, 1, 1, 0, -1, &a));
    JEM__TRY(jem__network_pool(net, a, wanted_slope, &a));
    return jem__network_linear(net, "c", a, 1.0F, 1, &a);
}

/* With weights of 1 and biases of 0 the logit is a(a(x)), its derivative slope^2 or 1. */
START_TEST(test_a_layer_has_the_slope_it_was_given)
{
    static const float slopes[] = {0, 0.1F, 0.2F, 1}, images[] = {-2, 3};
    const float slope = wanted_slope = slopes[_i / 2], one = 1;
    jem_rig r;
    jem_rig_open(&r, _i % 2 ? &jem__backend_cpu : &jem__backend_reference, 1, 1, 1, build_line);
    const jem__backend *backend = r.ctx->backend;
    jem__workspace *ws = jem_rig_workspace(&r, 2, 0, 2);
    const jem__tensor x = jem__workspace_image(ws, 2);
    const jem__tensor grad = jem__workspace_grad_logits(ws, 2);
    jem__tensor change;

    jem_check_ok(backend->fill(r.queue, &r.params, 0));
    for (int32_t i = 0; i < r.net->n_params; i += 2) {
        const jem__tensor w = jem__param_tensor(&r.net->params[i], &r.params);
        jem_check_ok(backend->upload(r.queue, &w, &one));
    }
    jem_check_ok(backend->upload(r.queue, &x, images));
    jem_check_ok(backend->fill(r.queue, &grad, 1));
    jem_check_ok(jem__network_forward(ws, r.queue, &r.params, 2));
    float *f = jem_rig_get(&r, jem__workspace_logits(ws, 2));
    jem_check_ok(jem__workspace_tangent(ws, 2, &change));
    jem_check_ok(backend->fill(r.queue, &change, 1));
    jem_check_ok(jem__network_tangent(ws, r.queue, &r.params, 2));
    float *t = jem_rig_get(&r, jem__workspace_logits(ws, 2));
    jem_check_ok(jem__network_backward_x(ws, r.queue, &r.params, 2));
    float *g = jem_rig_get(&r, jem__workspace_image_gradient(ws, 2));

    const float derivatives[] = {slope * slope, 1};
    const float logits[] = {-2 * slope * slope, 3};
    jem_check_close(f, logits, 2, 1e-6, 0);
    jem_check_close(t, derivatives, 2, 1e-6, 0);
    jem_check_close(g, derivatives, 2, 1e-6, 0);
    free(f);
    free(t);
    free(g);
    jem__workspace_free(ws);
    jem_rig_close(&r);
}
END_TEST

/* --- A foreign kind: out = the larger of two values --------------------------------------- */

static double *at(const jem__tensor *t)
{
    return jem__reference_numbers(t->mem) + t->at;
}

static jem_status larger_check(const jem__network *net, const char *name, jem__layer *layer,
                               jem__layer_made *made)
{
    (void)name;
    made->out = net->values[layer->in[0]];
    return JEM_OK;
}

static jem_status larger_forward(const jem__layer_pass *p)
{
    const double *a = at(&p->in[0]), *b = at(&p->in[1]);

    for (int64_t e = 0; e < jem_rig_count(&p->out); e++)
        at(&p->out)[e] = a[e] >= b[e] ? a[e] : b[e];
    return JEM_OK;
}

static jem_status larger_backward_x(const jem__layer_pass *p, int32_t input)
{
    const double *a = at(&p->in[0]), *b = at(&p->in[1]);

    for (int64_t e = 0; e < jem_rig_count(&p->gx); e++) {
        const double so_far = p->so_far.mem != NULL ? at(&p->so_far)[e] : 0;

        at(&p->gx)[e] = so_far + ((a[e] >= b[e]) == (input == 0) ? at(&p->gy)[e] : 0);
    }
    return JEM_OK;
}

static const jem__layer_kind larger = {.name = "larger",
                                       .check = larger_check,
                                       .forward = larger_forward,
                                       .backward_x = larger_backward_x,
                                       .input = {{"compares", .adds = 1, .value_kept = 1},
                                                 {"compares", .adds = 1, .value_kept = 1}}};

/* The larger of two values that later layers read too: their gradients are added to. */
static jem_status build_larger(jem__network *net)
{
    int32_t a = 0, b = 0, c = 0, d = 0;

    JEM__TRY(jem__network_conv(net, "a", 0, 1.0F, 3, 3, 1, 1, -1, &a));
    JEM__TRY(jem__network_conv(net, "b", a, 0.2F, 3, 3, 1, 1, -1, &b));
    const jem__layer layer = {.kind = &larger, .in = {a, b}, .slope = 1.0F};
    JEM__TRY(jem__network_append(net, "c", layer, &c));
    JEM__TRY(jem__network_conv(net, "d", a, 0.0F, 4, 3, 1, 1, -1, &d));
    JEM__TRY(jem__network_conv(net, "e", c, 1.0F, 4, 3, 1, 1, d, &d));
    return jem__network_linear(net, "f", d, 0.1F, 3, &d);
}

START_TEST(test_a_foreign_kind_has_gradients)
{
    enum { N = 2 };
    jem_rig r;
    jem_rig_open(&r, &jem__backend_reference, 2, 4, 3, build_larger);
    jem__workspace *training = jem_rig_workspace(&r, N, 1, N);
    jem__workspace *frozen = jem_rig_workspace(&r, N, 0, N);
    const jem__tensor x = jem__workspace_image(training, N);
    const jem__tensor gx = jem__workspace_image_gradient(training, N);
    const jem__tensor gx_frozen = jem__workspace_image_gradient(frozen, N);

    (void)jem_rig_loss(&r, training, N);
    jem_check_ok(jem__network_backward_x(training, r.queue, &r.params, N));
    jem_check_ok(jem__network_backward_w(training, r.queue, &r.params, &r.grads, N));
    (void)jem_rig_loss(&r, frozen, N);
    jem_check_ok(jem__network_backward_x(frozen, r.queue, &r.params, N));
    ck_assert_mem_eq(jem_rig_numbers(&gx), jem_rig_numbers(&gx_frozen),
                     (size_t)jem_rig_count(&gx) * sizeof(double));
    jem_rig_check_slopes(&r, training, N, jem__reference_numbers(x.mem) + x.at,
                         jem_rig_numbers(&gx), jem_rig_count(&x), jem_rig_count(&x), "image");
    for (int32_t i = 0; i < r.net->n_params; i++) {
        const jem__param *p = &r.net->params[i];
        jem_rig_check_slopes(&r, training, N, jem__reference_numbers(r.params.mem) + p->at,
                             jem__reference_numbers(r.grads.mem) + p->at, p->count, 5, p->name);
    }
    jem__workspace_free(training);
    jem__workspace_free(frozen);
    jem_rig_close(&r);
}
END_TEST

START_TEST(test_a_kind_may_lack_a_tangent_and_signs)
{
    jem_rig r;
    jem__tensor change;
    int32_t out = 0;

    jem_rig_open(&r, &jem__backend_reference, 2, 4, 3, build_larger);
    jem__workspace *ws = jem_rig_workspace(&r, 1, 0, 1);

    jem_check_ok(jem__network_forward(ws, r.queue, &r.params, 1));
    jem_check_ok(jem__workspace_tangent(ws, 1, &change));
    jem_check_fails(jem__network_tangent(ws, r.queue, &r.params, 1), JEM_E_UNSUPPORTED,
                    "layer 2 (larger) of the network has no tangent");
    jem__workspace_free(ws);
    jem_check_fails(jem__network_linear(r.net, "g", 3, 0.5F, 2, &out), JEM_E_UNSUPPORTED,
                    "g reads value 3 through LeakyReLU");
    jem_rig_close(&r);
}
END_TEST

TCase *jem_nets_layers_case(void)
{
    TCase *layers = tcase_create("layers");
    tcase_set_timeout(layers, 60);
    tcase_add_loop_test(layers, test_two_ranges_are_one, 0, 2 * JEM_RIG_NETS);
    tcase_add_test(layers, test_ranges_outside_the_network);
    tcase_add_loop_test(layers, test_a_layer_has_the_slope_it_was_given, 0, 8);
    tcase_add_test(layers, test_a_foreign_kind_has_gradients);
    tcase_add_test(layers, test_a_kind_may_lack_a_tangent_and_signs);
    return layers;
}
