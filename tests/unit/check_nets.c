/* SPDX-License-Identifier: MIT */
/* Running networks. The gradients are held against finite differences in the double
 * precision of the reference backend, where a network without a kink nearby is affine in any
 * one of its numbers: what remains is rounding. */

#include "check_nets.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend/reference/reference.h"
#include "core/context.h"
#include "core/error.h"
#include "nets/network.h"
#include "test_support.h"

/* --- A network with memory, weights and workspaces ----------------------------------------- */

typedef jem_status (*builder)(jem__network *net);

typedef struct rig {
    jem_test_memory memory;
    jem_context *ctx;
    jem__network *net;
    jem__queue *queue;
    jem__tensor params, grads;
    uint64_t first; /* number of the first random image */
} rig;

static int64_t count_of(const jem__tensor *t)
{
    return t->n * t->c * t->h * t->w;
}

/* Numbers in +-bound, the same for all backends, into a tensor. */
static void put_random(const rig *r, const jem__tensor *t, uint64_t index, float bound)
{
    const int64_t count = count_of(t);
    const jem__rng rng = {.key = jem__rng_key(7, 7), .purpose = JEM__RNG_INIT, .index = index};
    float *values = malloc((size_t)count * sizeof *values);
    ck_assert_ptr_nonnull(values);
    jem__rng_uniform(&rng, 0, count, values);
    for (int64_t i = 0; i < count; i++)
        values[i] = bound * (2.0f * values[i] - 1.0f);
    jem_check_ok(r->ctx->backend->upload(r->queue, t, values));
    free(values);
}

static float *get(const rig *r, jem__tensor t)
{
    float *values = malloc((size_t)count_of(&t) * sizeof *values);
    ck_assert_ptr_nonnull(values);
    jem_check_ok(r->ctx->backend->download(r->queue, &t, values));
    return values;
}

static void open_context(rig *r, const jem__backend *backend)
{
    memset(r, 0, sizeof *r);
    jem_check_ok(jem__context_create(backend, "", jem_test_alloc, jem_test_release, &r->memory,
                                     &r->ctx));
}

static void rig_open(rig *r, const jem__backend *backend, int64_t c, int64_t h, int64_t w,
                     builder build)
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
        put_random(r, &t, (uint64_t)i, 1.5f / sqrtf((float)p->fan_in));
    }
}

static void rig_close(rig *r)
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

/* A workspace with random images and seeds, images first .. first + n - 1 of a fixed row. */
static jem__workspace *workspace(const rig *r, int64_t max_batch, int32_t training, int64_t n)
{
    jem__workspace *ws = NULL;
    jem_check_ok(jem__workspace_create(r->net, r->ctx->backend, max_batch, 0, training, &ws));
    for (int64_t i = 0; i < n; i++) {
        jem__tensor x = jem__workspace_image(ws, 1), seed = jem__workspace_grad_logits(ws, 1);
        x.at += i * count_of(&x);
        seed.at += i * count_of(&seed);
        put_random(r, &x, 1000 + r->first + (uint64_t)i, 1.0f);
        put_random(r, &seed, 2000 + r->first + (uint64_t)i, 1.0f);
    }
    return ws;
}

/* --- Networks to test ---------------------------------------------------------------------- */

static jem_status build_wrn(jem__network *net)
{
    return jem__wide_resnet(net, 10, 1, 4);
}

static jem_status build_wrn_16_2(jem__network *net)
{
    return jem__wide_resnet(net, 16, 2, 10);
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
    JEM__TRY(jem__network_conv(net, "a", 0, 0, 4, 3, 1, 1, -1, &a));
    JEM__TRY(jem__network_conv(net, "b", 0, 0, 4, 1, 1, 0, a, &b));
    JEM__TRY(jem__network_pool(net, b, &b));
    return jem__network_linear(net, "c", b, 0, 3, &b);
}

/* Layers that add what they read; the last one adds too, so that the seed is handed on. */
static jem_status build_adding_end(jem__network *net)
{
    int32_t a = 0;
    JEM__TRY(jem__network_conv(net, "a", 0, 0, 3, 3, 1, 1, -1, &a));
    JEM__TRY(jem__network_conv(net, "b", a, 1, 3, 3, 1, 1, a, &a));
    return jem__network_conv(net, "c", a, 1, 3, 3, 1, 1, a, &a);
}

/* A residual over three layers at the end: the added value outlives values made after it, and
 * the seed becomes its gradient so far. */
static jem_status build_long_residual(jem__network *net)
{
    int32_t a = 0, b = 0;
    JEM__TRY(jem__network_conv(net, "a", 0, 0, 3, 3, 1, 1, -1, &a));
    JEM__TRY(jem__network_conv(net, "b", a, 1, 3, 3, 1, 1, -1, &b));
    JEM__TRY(jem__network_conv(net, "c", b, 1, 3, 3, 1, 1, -1, &b));
    return jem__network_conv(net, "d", b, 1, 3, 3, 1, 1, a, &b);
}

/* One value with three readers, even kernels and stride, a linear layer over a whole value. */
static jem_status build_three_readers(jem__network *net)
{
    int32_t a = 0, b = 0;
    JEM__TRY(jem__network_conv(net, "a", 0, 0, 5, 2, 1, 0, -1, &a));
    JEM__TRY(jem__network_conv(net, "b", a, 1, 4, 4, 2, 1, -1, &b));
    JEM__TRY(jem__network_conv(net, "c", a, 0, 4, 4, 2, 1, b, &b));
    JEM__TRY(jem__network_conv(net, "d", a, 1, 4, 4, 2, 1, b, &b));
    return jem__network_linear(net, "e", b, 1, 3, &b);
}

static const struct {
    const char *name;
    builder build;
    int64_t c, h, w, n;
} nets[] = {
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
};
#define N_NETS ((int)(sizeof nets / sizeof *nets))

static void open_net(rig *r, const jem__backend *backend, int i)
{
    rig_open(r, backend, nets[i].c, nets[i].h, nets[i].w, nets[i].build);
}

/* --- Gradients ----------------------------------------------------------------------------- */

static const double *numbers(const jem__tensor *t)
{
    return jem__reference_numbers(t->mem) + t->at;
}

/* sum of seed * logits */
static double loss(const rig *r, jem__workspace *ws, int64_t n)
{
    jem_check_ok(jem__network_forward(ws, r->queue, &r->params, n));
    const jem__tensor f = jem__workspace_logits(ws, n),
                      seed = jem__workspace_grad_logits(ws, n);
    double sum = 0;
    for (int64_t i = 0; i < count_of(&f); i++)
        sum += numbers(&f)[i] * numbers(&seed)[i];
    return sum;
}

/* d loss / d *number. Where the second difference is not 0 a kink is near: look closer. */
static double slope(const rig *r, jem__workspace *ws, int64_t n, double *number)
{
    const double at = *number, here = loss(r, ws, n);
    static const double steps[] = {1e-4, 1e-5, 1e-6, 1e-7};
    for (size_t s = 0; s < sizeof steps / sizeof steps[0]; s++) {
        const double eps = steps[s];
        *number = at + eps;
        const double above = loss(r, ws, n);
        *number = at - eps;
        const double below = loss(r, ws, n);
        *number = at;
        if (fabs(above - 2 * here + below) < 1e-13)
            return (above - below) / (2 * eps);
    }
    return (double)NAN;
}

/* Compare `gradient` with finite differences at `samples` numbers from the first to the last. */
static void check_slopes(const rig *r, jem__workspace *ws, int64_t n, double *point,
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

START_TEST(test_gradients_match_finite_differences)
{
    rig r;
    open_net(&r, &jem__backend_reference, _i);
    const int64_t n = nets[_i].n;
    jem__workspace *ws = workspace(&r, n, 1, n);
    (void)loss(&r, ws, n);
    jem_check_ok(jem__network_backward_x(ws, r.queue, &r.params, n));
    jem_check_ok(jem__network_backward_w(ws, r.queue, &r.params, &r.grads, n));

    const jem__tensor x = jem__workspace_image(ws, n);
    const jem__tensor gx = jem__workspace_image_gradient(ws, n);
    check_slopes(&r, ws, n, jem__reference_numbers(x.mem) + x.at, numbers(&gx), count_of(&x),
                 17, nets[_i].name);
    for (int32_t i = 0; i < r.net->n_params; i++) {
        const jem__param *p = &r.net->params[i];
        check_slopes(&r, ws, n, jem__reference_numbers(r.params.mem) + p->at,
                     jem__reference_numbers(r.grads.mem) + p->at, p->count, 3, p->name);
    }
    jem__workspace_free(ws);
    rig_close(&r);
}
END_TEST

/* What a frozen and a training workspace give, backward twice, on all kinds of networks. */
START_TEST(test_frozen_and_training_agree_bit_for_bit)
{
    rig r;
    open_net(&r, &jem__backend_reference, _i);
    jem__workspace *frozen = workspace(&r, 3, 0, 2), *training = workspace(&r, 2, 1, 2);
    const jem__tensor f = jem__workspace_logits(frozen, 2);
    const jem__tensor g = jem__workspace_image_gradient(frozen, 2);
    const jem__tensor f_training = jem__workspace_logits(training, 2);
    const jem__tensor g_training = jem__workspace_image_gradient(training, 2);
    const jem__tensor seed = jem__workspace_grad_logits(frozen, 2);
    const size_t f_size = (size_t)count_of(&f) * sizeof(double);
    const size_t g_size = (size_t)count_of(&g) * sizeof(double);
    float *seed_before = get(&r, seed);

    jem_check_ok(jem__network_forward(training, r.queue, &r.params, 2));
    jem_check_ok(jem__network_backward_w(training, r.queue, &r.params, &r.grads, 2));
    jem_check_ok(jem__network_backward_x(training, r.queue, &r.params, 2));
    for (int pass = 0; pass < 2; pass++) {
        jem_check_ok(jem__network_forward(frozen, r.queue, &r.params, 2));
        for (int again = 0; again < 2; again++) {
            jem_check_ok(jem__network_backward_x(frozen, r.queue, &r.params, 2));
            ck_assert_mem_eq(numbers(&f), numbers(&f_training), f_size);
            ck_assert_mem_eq(numbers(&g), numbers(&g_training), g_size);
        }
    }
    float *seed_after = get(&r, seed);
    jem_check_same(seed_after, seed_before, count_of(&seed));
    free(seed_before);
    free(seed_after);
    jem__workspace_free(frozen);
    jem__workspace_free(training);
    rig_close(&r);
}
END_TEST

START_TEST(test_weight_gradient_accumulates_and_repeats)
{
    rig r;
    open_net(&r, &jem__backend_reference, _i);
    jem__workspace *ws = workspace(&r, 2, 1, 2);
    jem_check_ok(jem__network_forward(ws, r.queue, &r.params, 2));
    jem_check_ok(jem__network_backward_w(ws, r.queue, &r.params, &r.grads, 2));
    float *once = get(&r, r.grads);
    jem_check_ok(jem__network_backward_w(ws, r.queue, &r.params, &r.grads, 2));
    float *twice = get(&r, r.grads);
    for (int64_t i = 0; i < r.net->param_count; i++)
        once[i] *= 2;
    jem_check_close(twice, once, r.net->param_count, 1e-6, 1e-12);
    free(once);
    free(twice);
    jem__workspace_free(ws);
    rig_close(&r);
}
END_TEST

START_TEST(test_each_image_depends_on_itself_only)
{
    rig r;
    open_net(&r, &jem__backend_reference, _i);
    jem__workspace *many = workspace(&r, 5, 0, 3), *one = workspace(&r, 1, 0, 1);
    jem_check_ok(jem__network_forward(many, r.queue, &r.params, 3));
    jem_check_ok(jem__network_backward_x(many, r.queue, &r.params, 3));
    jem__tensor f = jem__workspace_logits(one, 1), g = jem__workspace_image_gradient(one, 1);
    float *all_f = get(&r, jem__workspace_logits(many, 3));
    float *all_g = get(&r, jem__workspace_image_gradient(many, 3));
    for (int64_t i = 0; i < 3; i++) {
        const jem__tensor x = jem__workspace_image(one, 1),
                          seed = jem__workspace_grad_logits(one, 1);
        put_random(&r, &x, (uint64_t)(1000 + i), 1.0f);
        put_random(&r, &seed, (uint64_t)(2000 + i), 1.0f);
        jem_check_ok(jem__network_forward(one, r.queue, &r.params, 1));
        jem_check_ok(jem__network_backward_x(one, r.queue, &r.params, 1));
        float *own_f = get(&r, f), *own_g = get(&r, g);
        jem_check_same(own_f, all_f + i * count_of(&f), count_of(&f));
        jem_check_same(own_g, all_g + i * count_of(&g), count_of(&g));
        free(own_f);
        free(own_g);
    }
    free(all_f);
    free(all_g);
    jem__workspace_free(many);
    jem__workspace_free(one);
    rig_close(&r);
}
END_TEST

START_TEST(test_batch_sizes_outside_the_workspace)
{
    rig r;
    open_net(&r, &jem__backend_reference, 5);
    jem__workspace *ws = workspace(&r, 2, 0, 2);
    jem_check_ok(jem__network_forward(ws, r.queue, &r.params, 2));
    float *before = get(&r, jem__workspace_logits(ws, 2));
    jem_check_ok(jem__network_forward(ws, r.queue, &r.params, 0));
    jem_check_ok(jem__network_backward_x(ws, r.queue, &r.params, 0));
    float *after = get(&r, jem__workspace_logits(ws, 2));
    jem_check_same(after, before, 2 * 6);
    jem_check_fails(jem__network_forward(ws, r.queue, &r.params, 3), JEM_E_INTERNAL,
                    "3 images");
    jem_check_fails(jem__network_backward_x(ws, r.queue, &r.params, -1), JEM_E_INTERNAL, "-1");
    jem_check_fails(jem__network_backward_w(ws, r.queue, &r.params, &r.grads, 2),
                    JEM_E_INTERNAL, "training workspace");
    free(before);
    free(after);
    jem__workspace_free(ws);

    ws = (jem__workspace *)&r;
    jem_check_fails(jem__workspace_create(r.net, r.ctx->backend, 0, 0, 0, &ws), JEM_E_RANGE,
                    "max_batch = 0");
    ck_assert_ptr_null(ws);
    jem_check_fails(jem__workspace_create(r.net, r.ctx->backend, INT64_MAX / 4, 0, 0, &ws),
                    JEM_E_NOMEM, "max_batch = 2305843009213693951");
    ck_assert_ptr_null(ws);
    rig_close(&r);
}
END_TEST

/* --- The fast backend on whole networks ------------------------------------------------------ */

static void run_all(rig *r, int64_t n, float *out[3])
{
    jem__workspace *ws = workspace(r, n, 1, n);
    jem_check_ok(jem__network_forward(ws, r->queue, &r->params, n));
    jem_check_ok(jem__network_backward_w(ws, r->queue, &r->params, &r->grads, n));
    jem_check_ok(jem__network_backward_x(ws, r->queue, &r->params, n));
    out[0] = get(r, jem__workspace_logits(ws, n));
    out[1] = get(r, jem__workspace_image_gradient(ws, n));
    out[2] = malloc((size_t)r->net->param_count * sizeof(float));
    ck_assert_ptr_nonnull(out[2]);
    memset(out[2], 0, (size_t)r->net->param_count * sizeof(float));
    for (int32_t i = 0; i < r->net->n_params; i++) { /* each in its own order inside */
        const jem__tensor t = jem__param_tensor(&r->net->params[i], &r->grads);
        jem_check_ok(r->ctx->backend->download(r->queue, &t, out[2] + r->net->params[i].at));
    }
    jem__workspace_free(ws);
}

/* The largest relative error of logits, image gradient and parameter gradient. */
static double cpu_error(int64_t c, int64_t h, int64_t w, int64_t n, builder build,
                        uint64_t first)
{
    rig cpu, reference;
    float *fast[3], *exact[3];
    double worst = 0;
    rig_open(&cpu, &jem__backend_cpu, c, h, w, build);
    rig_open(&reference, &jem__backend_reference, c, h, w, build);
    cpu.first = reference.first = first;
    run_all(&cpu, n, fast);
    run_all(&reference, n, exact);
    const jem__value *f = &cpu.net->values[cpu.net->n_values - 1];
    const int64_t counts[3] = {n * f->c * f->h * f->w, n * c * h * w, cpu.net->param_count};
    for (int k = 0; k < 3; k++) {
        const double error = jem_relative_l2(fast[k], exact[k], counts[k]);
        ck_assert_msg(k > 0 || error <= 1e-5, "logits: relative error %g", error);
        worst = error > worst ? error : worst;
        free(fast[k]);
        free(exact[k]);
    }
    rig_close(&cpu);
    rig_close(&reference);
    return worst;
}

/* Gradients jump where the input of a LeakyReLU is 0. In a network of a hundred thousand of them
 * one may lie within rounding of it, and then float and double rightly take different sides: other
 * images are tried. A wrong kernel is wrong for all of them. */
static void check_cpu(int64_t c, int64_t h, int64_t w, int64_t n, builder build)
{
    double error = 1;
    for (uint64_t first = 0; first < 60 && error > 1e-5; first += 10)
        error = cpu_error(c, h, w, n, build, first);
    ck_assert_double_le(error, 1e-5);
}

START_TEST(test_cpu_agrees_with_reference)
{
    check_cpu(nets[_i].c, nets[_i].h, nets[_i].w, nets[_i].n, nets[_i].build);
}
END_TEST

START_TEST(test_cpu_agrees_with_reference_on_wrn_16_2)
{
    check_cpu(1, 28, 28, 1, build_wrn_16_2);
}
END_TEST

/* --- The suite ------------------------------------------------------------------------------- */

Suite *jem_nets_suite(void)
{
    Suite *suite = suite_create("nets");
    TCase *running = tcase_create("running");
    tcase_set_timeout(running, 60);
    tcase_add_loop_test(running, test_gradients_match_finite_differences, 0, N_NETS);
    tcase_add_loop_test(running, test_frozen_and_training_agree_bit_for_bit, 0, N_NETS);
    tcase_add_loop_test(running, test_weight_gradient_accumulates_and_repeats, 0, N_NETS);
    tcase_add_loop_test(running, test_each_image_depends_on_itself_only, 0, N_NETS);
    tcase_add_test(running, test_batch_sizes_outside_the_workspace);
    tcase_add_loop_test(running, test_cpu_agrees_with_reference, 0, N_NETS);
    tcase_add_test(running, test_cpu_agrees_with_reference_on_wrn_16_2);
    suite_add_tcase(suite, running);
    suite_add_tcase(suite, jem_nets_build_case());
    suite_add_tcase(suite, jem_nets_model_case());
    return suite;
}
