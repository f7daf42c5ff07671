/* SPDX-License-Identifier: MIT */

/* The public functions of energy.h: check the arguments, call energy/head.
 *
 * Arrays may be NULL when n is 0: an empty array has no address in many languages. */

#include <jem/energy.h>

#include <inttypes.h>

#include "core/error.h"
#include "core/memory.h"
#include "energy/head.h"

#define MAX_BATCH 65536

/* What all calls have in common: `width` results per image. */
static jem_status check(const char *caller, const jem_head *head, const float *x, int64_t n,
                        const float *out, int64_t out_len, int64_t width)
{
    int64_t need;

    JEM__TRY(jem__check_images(caller, x, n, head->image_size));
    if (out == NULL && n > 0)
        return jem__fail_null(caller, "out");
    if (!jem__mul(n, width, &need) || out_len < need) {
        return jem__fail(JEM_E_SPACE,
                         "%s: out_len = %" PRId64 ", must be at least %" PRId64 " x %" PRId64,
                         caller, out_len, n, width);
    }
    return JEM_OK;
}

static jem_status no_head(const char *caller)
{
    return jem__fail_null(caller, "head");
}

jem_status jem_head_create(jem_model *model, int64_t max_batch, jem_head **out)
{
    if (out == NULL)
        return jem__fail_null("jem_head_create", "out");
    *out = NULL;
    if (model == NULL)
        return jem__fail_null("jem_head_create", "model");
    if (max_batch < 1 || max_batch > MAX_BATCH) {
        return jem__fail(JEM_E_RANGE,
                         "jem_head_create: max_batch = %" PRId64 ", must be 1 to %d", max_batch,
                         MAX_BATCH);
    }
    return jem__head_create(model, max_batch, out);
}

/* One call at a time. */
static jem_status infer(const char *caller, jem_head *head, const float *x, const int32_t *y,
                        int64_t n, const jem__wanted *wanted)
{
    JEM__TRY(jem__use_begin(&head->use, caller, "head"));
    const jem_status status = jem__head_infer(head, caller, x, y, n, wanted);
    jem__use_end(&head->use);
    return status;
}

jem_status jem_head_infer(jem_head *head, const float *x, int64_t n, float *logits,
                          float *prob_y, float *log_px, float *features)
{
    static const char *const caller = "jem_head_infer";
    const jem__wanted wanted = {logits, prob_y, log_px, features};

    if (head == NULL)
        return no_head(caller);
    JEM__TRY(jem__check_images(caller, x, n, head->image_size));
    if (logits == NULL && prob_y == NULL && log_px == NULL && features == NULL && n > 0)
        return jem__fail(JEM_E_ARGUMENT, "%s: all outputs are NULL, so nothing is wanted",
                         caller);
    return infer(caller, head, x, NULL, n, &wanted);
}

jem_status jem_head_logits(jem_head *head, const float *x, int64_t n, float *out,
                           int64_t out_len)
{
    static const char *const caller = "jem_head_logits";

    if (head == NULL)
        return no_head(caller);
    JEM__TRY(check(caller, head, x, n, out, out_len, head->model->classes));
    return infer(caller, head, x, NULL, n, &(jem__wanted){.logits = out});
}

jem_status jem_head_features(jem_head *head, const float *x, int64_t n, float *out,
                             int64_t out_len)
{
    static const char *const caller = "jem_head_features";

    if (head == NULL)
        return no_head(caller);
    JEM__TRY(check(caller, head, x, n, out, out_len, jem__network_features(head->model->net)));
    return infer(caller, head, x, NULL, n, &(jem__wanted){.features = out});
}

jem_status jem_head_prob_y(jem_head *head, const float *x, int64_t n, float *out,
                           int64_t out_len)
{
    static const char *const caller = "jem_head_prob_y";

    if (head == NULL)
        return no_head(caller);
    JEM__TRY(check(caller, head, x, n, out, out_len, head->model->classes));
    return infer(caller, head, x, NULL, n, &(jem__wanted){.prob_y = out});
}

jem_status jem_head_log_px(jem_head *head, const float *x, const int32_t *y, int64_t n,
                           float *out, int64_t out_len)
{
    static const char *const caller = "jem_head_log_px";

    if (head == NULL)
        return no_head(caller);
    JEM__TRY(check(caller, head, x, n, out, out_len, 1));
    return infer(caller, head, x, y, n, &(jem__wanted){.log_px = out});
}

/* Gradients of alpha F + beta f_y, one call at a time. */
static jem_status gradient(const char *caller, jem_head *head, const float *x, const int32_t *y,
                           int64_t n, double alpha, double beta, float *out)
{
    JEM__TRY(jem__use_begin(&head->use, caller, "head"));
    const jem_status status = jem__head_gradient(head, caller, x, y, n, alpha, beta, out);
    jem__use_end(&head->use);
    return status;
}

jem_status jem_head_grad_log_px(jem_head *head, const float *x, const int32_t *y, int64_t n,
                                float *out, int64_t out_len)
{
    static const char *const caller = "jem_head_grad_log_px";

    if (head == NULL)
        return no_head(caller);
    JEM__TRY(check(caller, head, x, n, out, out_len, head->image_size));
    return gradient(caller, head, x, y, n, y == NULL, y != NULL, out);
}

/* log p(y|x) = f_y - F. */
jem_status jem_head_grad_log_py(jem_head *head, const float *x, const int32_t *y, int64_t n,
                                float *out, int64_t out_len)
{
    static const char *const caller = "jem_head_grad_log_py";

    if (head == NULL)
        return no_head(caller);
    JEM__TRY(check(caller, head, x, n, out, out_len, head->image_size));
    if (y == NULL && n > 0)
        return jem__fail_null(caller, "y");
    return gradient(caller, head, x, y, n, -1.0, 1.0, out);
}

jem_status jem_head_grad_logits(jem_head *head, const float *x, const float *weights, int64_t n,
                                float *out, int64_t out_len)
{
    static const char *const caller = "jem_head_grad_logits";

    if (head == NULL)
        return no_head(caller);
    JEM__TRY(check(caller, head, x, n, out, out_len, head->image_size));
    if (weights == NULL && n > 0)
        return jem__fail_null(caller, "weights");
    JEM__TRY(jem__use_begin(&head->use, caller, "head"));
    const jem_status status = jem__head_grad_logits(head, caller, x, weights, n, out);
    jem__use_end(&head->use);
    return status;
}

jem_status jem_head_mass(jem_head *head, const float *x, int64_t n, float *out, int64_t out_len)
{
    static const char *const caller = "jem_head_mass";

    if (head == NULL)
        return no_head(caller);
    JEM__TRY(check(caller, head, x, n, out, out_len, 1));
    JEM__TRY(jem__use_begin(&head->use, caller, "head"));
    const jem_status status = jem__head_mass(head, caller, x, n, out);
    jem__use_end(&head->use);
    return status;
}

jem_status jem_head_warm_up(jem_head *head)
{
    static const char *const caller = "jem_head_warm_up";

    if (head == NULL)
        return no_head(caller);
    JEM__TRY(jem__use_begin(&head->use, caller, "head"));
    const jem_status status = jem__head_warm_up(head);
    jem__use_end(&head->use);
    return status;
}

void jem_head_free(jem_head *head)
{
    jem__head_unref(head);
}
