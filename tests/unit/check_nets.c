/* SPDX-License-Identifier: MIT */
/* Running networks. The gradients are held against finite differences in the double
 * precision of the reference backend, where a network without a kink nearby is affine in any
 * one of its numbers: what remains is rounding. */

#include "check_nets.h"
#include "check_nets_rig.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend/reference/reference.h"
#include "core/context.h"
#include "core/error.h"

/* --- Gradients ---------------------------------------------------------------------------- */

START_TEST(test_gradients_match_finite_differences)
{
    jem_rig r;

    jem_rig_open_net(&r, &jem__backend_reference, _i);
    const int64_t n = jem_rig_nets[_i].n;
    jem__workspace *ws = jem_rig_workspace(&r, n, 1, n);
    (void)jem_rig_loss(&r, ws, n);
    jem_check_ok(jem__network_backward_x(ws, r.queue, &r.params, n));
    jem_check_ok(jem__network_backward_w(ws, r.queue, &r.params, &r.grads, n));

    const jem__tensor x = jem__workspace_image(ws, n);
    const jem__tensor gx = jem__workspace_image_gradient(ws, n);
    jem_rig_check_slopes(&r, ws, n, jem__reference_numbers(x.mem) + x.at, jem_rig_numbers(&gx),
                         jem_rig_count(&x), 17, jem_rig_nets[_i].name);
    for (int32_t i = 0; i < r.net->n_params; i++) {
        const jem__param *p = &r.net->params[i];
        jem_rig_check_slopes(&r, ws, n, jem__reference_numbers(r.params.mem) + p->at,
                             jem__reference_numbers(r.grads.mem) + p->at, p->count, 3, p->name);
    }
    jem__workspace_free(ws);
    jem_rig_close(&r);
}
END_TEST

/* What a frozen and a training workspace give, backward twice, on all kinds of networks. */
START_TEST(test_frozen_and_training_agree_bit_for_bit)
{
    jem_rig r;

    jem_rig_open_net(&r, &jem__backend_reference, _i);
    jem__workspace *frozen = jem_rig_workspace(&r, 3, 0, 2),
                   *training = jem_rig_workspace(&r, 2, 1, 2);
    const jem__tensor f = jem__workspace_logits(frozen, 2);
    const jem__tensor g = jem__workspace_image_gradient(frozen, 2);
    const jem__tensor f_training = jem__workspace_logits(training, 2);
    const jem__tensor g_training = jem__workspace_image_gradient(training, 2);
    const jem__tensor grad = jem__workspace_grad_logits(frozen, 2);
    const size_t f_size = (size_t)jem_rig_count(&f) * sizeof(double);
    const size_t g_size = (size_t)jem_rig_count(&g) * sizeof(double);
    float *grad_before = jem_rig_get(&r, grad);

    jem_check_ok(jem__network_forward(training, r.queue, &r.params, 2));
    jem_check_ok(jem__network_backward_w(training, r.queue, &r.params, &r.grads, 2));
    jem_check_ok(jem__network_backward_x(training, r.queue, &r.params, 2));
    for (int pass = 0; pass < 2; pass++) {
        jem_check_ok(jem__network_forward(frozen, r.queue, &r.params, 2));
        for (int again = 0; again < 2; again++) {
            jem_check_ok(jem__network_backward_x(frozen, r.queue, &r.params, 2));
            ck_assert_mem_eq(jem_rig_numbers(&f), jem_rig_numbers(&f_training), f_size);
            ck_assert_mem_eq(jem_rig_numbers(&g), jem_rig_numbers(&g_training), g_size);
        }
    }
    float *grad_after = jem_rig_get(&r, grad);
    jem_check_same(grad_after, grad_before, jem_rig_count(&grad));
    free(grad_before);
    free(grad_after);
    jem__workspace_free(frozen);
    jem__workspace_free(training);
    jem_rig_close(&r);
}
END_TEST

START_TEST(test_weight_gradient_accumulates_and_repeats)
{
    jem_rig r;

    jem_rig_open_net(&r, &jem__backend_reference, _i);
    jem__workspace *ws = jem_rig_workspace(&r, 2, 1, 2);
    jem_check_ok(jem__network_forward(ws, r.queue, &r.params, 2));
    jem_check_ok(jem__network_backward_w(ws, r.queue, &r.params, &r.grads, 2));
    float *once = jem_rig_get(&r, r.grads);
    jem_check_ok(jem__network_backward_w(ws, r.queue, &r.params, &r.grads, 2));
    float *twice = jem_rig_get(&r, r.grads);
    for (int64_t i = 0; i < r.net->param_count; i++)
        once[i] *= 2;
    jem_check_close(twice, once, r.net->param_count, 1e-6, 1e-12);
    free(once);
    free(twice);
    jem__workspace_free(ws);
    jem_rig_close(&r);
}
END_TEST

START_TEST(test_each_image_depends_on_itself_only)
{
    jem_rig r;

    jem_rig_open_net(&r, &jem__backend_reference, _i);
    jem__workspace *many = jem_rig_workspace(&r, 5, 0, 3),
                   *one = jem_rig_workspace(&r, 1, 0, 1);
    jem_check_ok(jem__network_forward(many, r.queue, &r.params, 3));
    jem_check_ok(jem__network_backward_x(many, r.queue, &r.params, 3));
    jem__tensor f = jem__workspace_logits(one, 1), g = jem__workspace_image_gradient(one, 1);
    float *all_f = jem_rig_get(&r, jem__workspace_logits(many, 3));
    float *all_g = jem_rig_get(&r, jem__workspace_image_gradient(many, 3));
    for (int64_t i = 0; i < 3; i++) {
        const jem__tensor x = jem__workspace_image(one, 1),
                          grad = jem__workspace_grad_logits(one, 1);
        jem_rig_put(&r, &x, (uint64_t)(1000 + i), 1.0F);
        jem_rig_put(&r, &grad, (uint64_t)(2000 + i), 1.0F);
        jem_check_ok(jem__network_forward(one, r.queue, &r.params, 1));
        jem_check_ok(jem__network_backward_x(one, r.queue, &r.params, 1));
        float *own_f = jem_rig_get(&r, f), *own_g = jem_rig_get(&r, g);
        jem_check_same(own_f, all_f + i * jem_rig_count(&f), jem_rig_count(&f));
        jem_check_same(own_g, all_g + i * jem_rig_count(&g), jem_rig_count(&g));
        free(own_f);
        free(own_g);
    }
    free(all_f);
    free(all_g);
    jem__workspace_free(many);
    jem__workspace_free(one);
    jem_rig_close(&r);
}
END_TEST

START_TEST(test_batch_sizes_outside_the_workspace)
{
    jem_rig r;

    jem_rig_open_net(&r, &jem__backend_reference, 5);
    jem__workspace *ws = jem_rig_workspace(&r, 2, 0, 2);
    jem_check_ok(jem__network_forward(ws, r.queue, &r.params, 2));
    float *before = jem_rig_get(&r, jem__workspace_logits(ws, 2));
    jem_check_ok(jem__network_forward(ws, r.queue, &r.params, 0));
    jem_check_ok(jem__network_backward_x(ws, r.queue, &r.params, 0));
    float *after = jem_rig_get(&r, jem__workspace_logits(ws, 2));
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
    jem_rig_close(&r);
}
END_TEST

/* --- The fast backend on whole networks --------------------------------------------------- */

static void run_all(jem_rig *r, int64_t n, float *out[3])
{
    jem__workspace *ws = jem_rig_workspace(r, n, 1, n);

    jem_check_ok(jem__network_forward(ws, r->queue, &r->params, n));
    jem_check_ok(jem__network_backward_w(ws, r->queue, &r->params, &r->grads, n));
    jem_check_ok(jem__network_backward_x(ws, r->queue, &r->params, n));
    out[0] = jem_rig_get(r, jem__workspace_logits(ws, n));
    out[1] = jem_rig_get(r, jem__workspace_image_gradient(ws, n));
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
static double cpu_error(int64_t c, int64_t h, int64_t w, int64_t n, jem_rig_builder build,
                        uint64_t first)
{
    jem_rig cpu, reference;
    float *fast[3], *exact[3];
    double worst = 0;

    jem_rig_open(&cpu, &jem__backend_cpu, c, h, w, build);
    jem_rig_open(&reference, &jem__backend_reference, c, h, w, build);
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
    jem_rig_close(&cpu);
    jem_rig_close(&reference);
    return worst;
}

/* Gradients jump where the input of a LeakyReLU is 0. In a network of a hundred thousand of
 * them one may lie within rounding of it, and then float and double rightly take different
 * sides: other images are tried. A wrong kernel is wrong for all of them. */
static void check_cpu(int64_t c, int64_t h, int64_t w, int64_t n, jem_rig_builder build)
{
    double error = 1;

    for (uint64_t first = 0; first < 60 && error > 1e-5; first += 10)
        error = cpu_error(c, h, w, n, build, first);
    ck_assert_double_le(error, 1e-5);
}

START_TEST(test_cpu_agrees_with_reference)
{
    check_cpu(jem_rig_nets[_i].c, jem_rig_nets[_i].h, jem_rig_nets[_i].w, jem_rig_nets[_i].n,
              jem_rig_nets[_i].build);
}
END_TEST

static jem_status build_wrn_16_2(jem__network *net)
{
    return jem__wide_resnet(net, 16, 2, 10);
}

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
    tcase_add_loop_test(running, test_gradients_match_finite_differences, 0, JEM_RIG_NETS);
    tcase_add_loop_test(running, test_frozen_and_training_agree_bit_for_bit, 0, JEM_RIG_NETS);
    tcase_add_loop_test(running, test_weight_gradient_accumulates_and_repeats, 0, JEM_RIG_NETS);
    tcase_add_loop_test(running, test_each_image_depends_on_itself_only, 0, JEM_RIG_NETS);
    tcase_add_test(running, test_batch_sizes_outside_the_workspace);
    tcase_add_loop_test(running, test_cpu_agrees_with_reference, 0, JEM_RIG_NETS);
    tcase_add_test(running, test_cpu_agrees_with_reference_on_wrn_16_2);
    suite_add_tcase(suite, running);
    suite_add_tcase(suite, jem_nets_layers_case());
    suite_add_tcase(suite, jem_nets_build_case());
    suite_add_tcase(suite, jem_nets_model_case());
    suite_add_tcase(suite, jem_nets_metadata_case());
    return suite;
}
