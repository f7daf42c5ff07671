/* SPDX-License-Identifier: MIT */

/* The energy head: images go up to the backend in batches of max_batch, run forward through a
 * frozen workspace, and come back as logits, scores or gradients.
 *
 * All that is said about an image is computed from that image alone, so how a call is cut into
 * batches cannot be seen in the result. Inputs are checked before a batch, results after it:
 * the last good line of defence against NaN is the one that can still name the image. */

#include "energy/head.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>

#include "core/context.h"
#include "core/error.h"
#include "core/memory.h"

jem_status jem__check_images(const char *caller, const float *x, int64_t n, int64_t image_size)
{
    int64_t bytes;

    if (n < 0)
        return jem__fail(JEM_E_ARGUMENT, "%s: n = %" PRId64 ", must be at least 0", caller, n);
    if (x == NULL && n > 0)
        return jem__fail_null(caller, "x");
    if (!jem__mul(n, image_size * (int64_t)sizeof *x, &bytes))
        return jem__fail(JEM_E_RANGE, "%s: n = %" PRId64 ", is more than memory can hold",
                         caller, n);
    return JEM_OK;
}

/* Is every value finite? Without a branch in the loop, so that it vectorises. */
static int32_t all_finite(const float *x, int64_t count)
{
    int32_t bad = 0;

    for (int64_t i = 0; i < count; i++)
        bad |= !(fabsf(x[i]) <= FLT_MAX);
    return !bad;
}

jem_status jem__check_finite(const char *caller, const float *x, int64_t n, int64_t image_size)
{
    for (int64_t i = 0; i < n; i++) {
        const float *image = x + i * image_size;

        if (all_finite(image, image_size))
            continue;
        for (int64_t j = 0; j < image_size; j++) {
            if (!isfinite(image[j])) {
                return jem__fail(JEM_E_NUMERIC,
                                 "%s: value %" PRId64 " of image %" PRId64
                                 " is %g, must be finite",
                                 caller, j, i, (double)image[j]);
            }
        }
    }
    return JEM_OK;
}

jem_status jem__check_classes(const char *caller, const int32_t *y, int64_t n, int64_t classes)
{
    if (y == NULL)
        return JEM_OK;
    for (int64_t i = 0; i < n; i++) {
        if (y[i] < 0 || y[i] >= classes) {
            return jem__fail(JEM_E_RANGE,
                             "%s: y[%" PRId64 "] = %" PRId32 ", must be 0 to %" PRId64, caller,
                             i, y[i], classes - 1);
        }
    }
    return JEM_OK;
}

jem_status jem__head_create(jem_model *model, int64_t max_batch, jem_head **out)
{
    jem_context *ctx = model->ctx;
    jem_head *head = jem__alloc(ctx, 1, sizeof *head);
    int64_t values;
    jem_status status;

    *out = NULL;
    if (head == NULL)
        return JEM_E_NOMEM;
    atomic_init(&head->refs, 1);
    head->model = jem__model_ref(model);
    head->max_batch = max_batch;
    head->image_size = jem__model_image_size(model);

    status = JEM_E_NOMEM;
    if (!jem__mul(max_batch, head->image_size, &values)) {
        jem__fail(status,
                  "jem_head_create: max_batch = %" PRId64 " images of %" PRId64 " values",
                  max_batch, head->image_size);
        goto fail;
    }
    head->scores = jem__alloc(ctx, max_batch, sizeof *head->scores);
    if (head->scores == NULL)
        goto fail;
    head->host = jem__alloc_raw(ctx, values, sizeof *head->host);
    if (head->host == NULL)
        goto fail;
    status = ctx->backend->device_create(ctx, &head->dev);
    if (status != JEM_OK)
        goto fail;
    status = jem__workspace_create(model->net, ctx->backend, max_batch, 0, &head->ws);
    if (status != JEM_OK)
        goto fail;
    *out = head;
    return JEM_OK;

fail:
    jem__head_unref(head);
    return status;
}

jem_head *jem__head_ref(jem_head *head)
{
    atomic_fetch_add(&head->refs, 1);
    return head;
}

void jem__head_unref(jem_head *head)
{
    jem_model *model;
    jem_context *ctx;

    if (head == NULL || atomic_fetch_sub(&head->refs, 1) != 1)
        return;
    model = head->model;
    ctx = model->ctx;
    jem__workspace_free(head->ws);
    ctx->backend->device_free(head->dev);
    jem__free(ctx, head->host);
    jem__free(ctx, head->scores);
    jem__free(ctx, head);
    jem__model_unref(model);
}

/* How many images the batch that begins at `first` has. */
static int64_t batch_at(const jem_head *head, int64_t first, int64_t n)
{
    return n - first < head->max_batch ? n - first : head->max_batch;
}

/* Check images first .. first + count - 1 of a call, upload them and compute their logits. */
static jem_status forward(jem_head *head, const char *caller, const float *x, int64_t first,
                          int64_t count)
{
    const jem__backend *backend = head->model->ctx->backend;
    const jem__tensor image = jem__workspace_image(head->ws, count);
    const float *from = x + first * head->image_size;

    /* The whole range again after a failure, so that the text counts from the call's start. */
    if (!all_finite(from, count * head->image_size))
        return jem__check_finite(caller, x, first + count, head->image_size);
    JEM__TRY(backend->upload(head->dev, &image, from));
    return jem__network_forward(head->ws, head->dev, &head->model->params, count);
}

/* Seed the backward pass of a batch with `what` and run it: the image gradient appears in the
 * workspace. */
static jem_status backward(jem_head *head, const jem__density *what, const int32_t *y,
                           int64_t count)
{
    const jem__tensor logits = jem__workspace_logits(head->ws, count);
    const jem__tensor seed = jem__workspace_seed(head->ws, count);

    JEM__TRY(
        head->model->ctx->backend->density(head->dev, what, &logits, y, NULL, NULL, &seed));
    return jem__network_backward_x(head->ws, head->dev, &head->model->params, count);
}

/* Rows of `width` results for images first .. first + count - 1: all finite? */
static jem_status check_results(const char *caller, const char *what, const float *rows,
                                int64_t width, int64_t first, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        if (!all_finite(rows + i * width, width)) {
            return jem__fail(JEM_E_NUMERIC,
                             "%s: the %s of image %" PRId64
                             " is not finite: the weights have exploded",
                             caller, what, first + i);
        }
    }
    return JEM_OK;
}

jem_status jem__head_logits(jem_head *head, const char *caller, const float *x, int64_t n,
                            float *out)
{
    const int64_t classes = head->model->classes;

    for (int64_t first = 0; first < n; first += head->max_batch) {
        const int64_t count = batch_at(head, first, n);
        const jem__tensor logits = jem__workspace_logits(head->ws, count);
        float *rows = out + first * classes;

        JEM__TRY(forward(head, caller, x, first, count));
        JEM__TRY(head->model->ctx->backend->download(head->dev, &logits, rows));
        JEM__TRY(check_results(caller, "logits", rows, classes, first, count));
    }
    return JEM_OK;
}

/* d F / d f = softmax f: the seed of log p(x) is p(y|x). */
jem_status jem__head_prob_y(jem_head *head, const char *caller, const float *x, int64_t n,
                            float *out)
{
    const jem__density what = {.alpha = 1, .scale = 1};
    const jem__backend *backend = head->model->ctx->backend;
    const int64_t classes = head->model->classes;

    for (int64_t first = 0; first < n; first += head->max_batch) {
        const int64_t count = batch_at(head, first, n);
        const jem__tensor logits = jem__workspace_logits(head->ws, count);
        const jem__tensor seed = jem__workspace_seed(head->ws, count);
        float *rows = out + first * classes;

        JEM__TRY(forward(head, caller, x, first, count));
        JEM__TRY(backend->density(head->dev, &what, &logits, NULL, NULL, NULL, &seed));
        JEM__TRY(backend->download(head->dev, &seed, rows));
        JEM__TRY(check_results(caller, "p(y|x)", rows, classes, first, count));
    }
    return JEM_OK;
}

jem_status jem__head_log_px(jem_head *head, const char *caller, const float *x,
                            const int32_t *y, int64_t n, float *out)
{
    const jem__density what = {.alpha = y == NULL, .beta = y != NULL, .scale = 1};
    const jem__backend *backend = head->model->ctx->backend;

    JEM__TRY(jem__check_classes(caller, y, n, head->model->classes));
    for (int64_t first = 0; first < n; first += head->max_batch) {
        const int64_t count = batch_at(head, first, n);
        const jem__tensor logits = jem__workspace_logits(head->ws, count);

        JEM__TRY(forward(head, caller, x, first, count));
        if (y == NULL) {
            JEM__TRY(
                backend->density(head->dev, &what, &logits, NULL, head->scores, NULL, NULL));
        } else {
            JEM__TRY(backend->density(head->dev, &what, &logits, y + first, NULL, head->scores,
                                      NULL));
        }
        for (int64_t i = 0; i < count; i++)
            out[first + i] = (float)head->scores[i];
        JEM__TRY(check_results(caller, "score", out + first, 1, first, count));
    }
    return JEM_OK;
}

jem_status jem__head_gradient(jem_head *head, const char *caller, const float *x,
                              const int32_t *y, int64_t n, double alpha, double beta,
                              float *out)
{
    const jem__density what = {.alpha = alpha, .beta = beta, .scale = 1};

    JEM__TRY(jem__check_classes(caller, y, n, head->model->classes));
    for (int64_t first = 0; first < n; first += head->max_batch) {
        const int64_t count = batch_at(head, first, n);
        const jem__tensor gradient = jem__workspace_image_gradient(head->ws, count);
        float *images = out + first * head->image_size;

        JEM__TRY(forward(head, caller, x, first, count));
        JEM__TRY(backward(head, &what, y == NULL ? NULL : y + first, count));
        JEM__TRY(head->model->ctx->backend->download(head->dev, &gradient, images));
        JEM__TRY(check_results(caller, "gradient", images, head->image_size, first, count));
    }
    return JEM_OK;
}

/* - || d log p(x) / dx ||_2, summed in double in the order of the values. */
jem_status jem__head_mass(jem_head *head, const char *caller, const float *x, int64_t n,
                          float *out)
{
    const jem__density what = {.alpha = 1, .scale = 1};

    for (int64_t first = 0; first < n; first += head->max_batch) {
        const int64_t count = batch_at(head, first, n);
        const jem__tensor gradient = jem__workspace_image_gradient(head->ws, count);

        JEM__TRY(forward(head, caller, x, first, count));
        JEM__TRY(backward(head, &what, NULL, count));
        JEM__TRY(head->model->ctx->backend->download(head->dev, &gradient, head->host));
        for (int64_t i = 0; i < count; i++) {
            const float *g = head->host + i * head->image_size;
            double sum = 0;

            for (int64_t j = 0; j < head->image_size; j++)
                sum += (double)g[j] * (double)g[j];
            out[first + i] = (float)-sqrt(sum);
        }
        JEM__TRY(check_results(caller, "mass", out + first, 1, first, count));
    }
    return JEM_OK;
}
