/* SPDX-License-Identifier: MIT */

/* The energy head: images go up to the backend in batches of max_batch, run forward through a
 * frozen workspace, and come back as logits, scores or gradients.
 *
 * The results of an image are computed from that image alone, so they do not depend on how a call
 * is cut into batches or which lane (lanes.h) takes them. Inputs are checked before a batch and
 * results after it, where an error can still name the image. */

#include "energy/head.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "core/context.h"
#include "core/error.h"
#include "core/memory.h"

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
    head->host = jem__alloc_raw(ctx, values, sizeof *head->host);
    if (head->host == NULL)
        goto fail;
    status = jem__lanes_create(model, max_batch, 0, &head->lanes);
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
    jem__lanes_free(&head->lanes);
    jem__free(ctx, head->host);
    jem__free(ctx, head);
    jem__model_unref(model);
}

/* A call: what, of which images, where to. */
typedef struct head_call {
    const jem_head *head;
    const char *caller;
    jem__density what;
    const float *x;
    const int32_t *y;
    const float *weights; /* of logits; NULL: the gradient in the logits is that of `what` */
    const jem__wanted *wanted; /* of a forward pass */
    float *out;                /* of a backward pass */
} head_call;

static const int32_t *labels(const head_call *call, int64_t first)
{
    return call->y == NULL ? NULL : call->y + first;
}

/* Check images first .. first + count - 1 of a call, upload them and compute their logits. */
static jem_status forward(const head_call *call, const jem__lane *lane, int64_t first,
                          int64_t count)
{
    const jem_model *model = call->head->model;
    const int64_t size = call->head->image_size;
    const jem__tensor image = jem__workspace_image(lane->ws, count);
    const float *from = call->x + first * size;

    /* Check again from the start of the call, so that the text counts images from there. */
    if (jem__first_not_finite(from, count * size) >= 0)
        return jem__check_finite(call->caller, call->x, first + count, size);
    JEM__TRY(model->ctx->backend->upload(lane->queue, &image, from));
    return jem__network_forward(lane->ws, lane->queue, &model->params, count);
}

/* The same, then the gradient in the logits and the backward pass, which leaves the gradient in
 * the images in the workspace. */
static jem_status both_ways(const head_call *call, const jem__lane *lane, int64_t first,
                            int64_t count)
{
    const jem_model *model = call->head->model;
    const jem__tensor logits = jem__workspace_logits(lane->ws, count);
    const jem__tensor grad_logits = jem__workspace_grad_logits(lane->ws, count);

    JEM__TRY(forward(call, lane, first, count));
    if (call->weights != NULL)
        JEM__TRY(model->ctx->backend->upload(lane->queue, &grad_logits,
                                             call->weights + first * model->classes));
    else
        JEM__TRY(model->ctx->backend->density(lane->queue, &call->what, &logits,
                                              labels(call, first), NULL, NULL, &grad_logits));
    return jem__network_backward_x(lane->ws, lane->queue, &model->params, count);
}

/* Rows of `width` results for images first .. first + count - 1: all finite? */
static jem_status check_results(const char *caller, const char *what, const float *rows,
                                int64_t width, int64_t first, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        if (jem__first_not_finite(rows + i * width, width) >= 0) {
            return jem__fail(JEM_E_NUMERIC,
                             "%s: the %s of image %" PRId64
                             " is not finite: the weights have exploded",
                             caller, what, first + i);
        }
    }
    return JEM_OK;
}

/* Scores come from the backend in double, a few at a time. */
#define SCORES 64

static jem_status take_logits(const head_call *call, const jem__lane *lane, int64_t first,
                              int64_t count)
{
    const jem_model *model = call->head->model;
    const jem__tensor logits = jem__workspace_logits(lane->ws, count);
    float *rows = call->wanted->logits + first * model->classes;

    JEM__TRY(model->ctx->backend->download(lane->queue, &logits, rows));
    return check_results(call->caller, "logits", rows, model->classes, first, count);
}

/* d F / d f = softmax f: the gradient of log p(x) in the logits is p(y|x). */
static jem_status take_prob_y(const head_call *call, const jem__lane *lane, int64_t first,
                              int64_t count)
{
    static const jem__density log_px = {.alpha = 1, .scale = 1};
    const jem_model *model = call->head->model;
    const jem__backend *backend = model->ctx->backend;
    const jem__tensor logits = jem__workspace_logits(lane->ws, count);
    const jem__tensor grad_logits = jem__workspace_grad_logits(lane->ws, count);
    float *rows = call->wanted->prob_y + first * model->classes;

    JEM__TRY(backend->density(lane->queue, &log_px, &logits, NULL, NULL, NULL, &grad_logits));
    JEM__TRY(backend->download(lane->queue, &grad_logits, rows));
    return check_results(call->caller, "p(y|x)", rows, model->classes, first, count);
}

static jem_status take_scores(const head_call *call, const jem__lane *lane, int64_t first,
                              int64_t count)
{
    const jem__backend *backend = call->head->model->ctx->backend;
    const jem__density what = {.alpha = call->y == NULL, .beta = call->y != NULL, .scale = 1};
    float *out = call->wanted->log_px + first;

    for (int64_t at = 0; at < count; at += SCORES) {
        double scores[SCORES];
        const int64_t n = jem__min(count - at, SCORES);
        const int32_t *y = labels(call, first + at);
        const jem__tensor logits = jem__workspace_logits_at(lane->ws, at, n);
        JEM__TRY(backend->density(lane->queue, &what, &logits, y, y == NULL ? scores : NULL,
                                  y == NULL ? NULL : scores, NULL));
        for (int64_t i = 0; i < n; i++)
            out[at + i] = (float)scores[i];
    }
    return check_results(call->caller, "score", out, 1, first, count);
}

/* What the last layer reads, through its activation. */
static jem_status take_features(const head_call *call, const jem__lane *lane, int64_t first,
                                int64_t count)
{
    const jem_model *model = call->head->model;
    const int64_t d = jem__network_features(model->net);
    const jem__tensor features = jem__workspace_features(lane->ws, count);
    float *rows = call->wanted->features + first * d;

    JEM__TRY(model->ctx->backend->download(lane->queue, &features, rows));
    const float slope = jem__network_last_layer(model->net)->slope;
    for (int64_t i = 0; i < count * d; i++)
        rows[i] = rows[i] > 0 ? rows[i] : slope * rows[i];
    return check_results(call->caller, "features", rows, d, first, count);
}

static jem_status infer_of(void *arg, const jem__lane *lane, int64_t first, int64_t count)
{
    const head_call *call = arg;
    const jem__wanted *wanted = call->wanted;

    JEM__TRY(forward(call, lane, first, count));
    if (wanted->logits != NULL)
        JEM__TRY(take_logits(call, lane, first, count));
    if (wanted->prob_y != NULL)
        JEM__TRY(take_prob_y(call, lane, first, count));
    if (wanted->log_px != NULL)
        JEM__TRY(take_scores(call, lane, first, count));
    return wanted->features != NULL ? take_features(call, lane, first, count) : JEM_OK;
}

jem_status jem__head_infer(jem_head *head, const char *caller, const float *x, const int32_t *y,
                           int64_t n, const jem__wanted *wanted)
{
    head_call call = {.head = head, .caller = caller, .x = x, .y = y, .wanted = wanted};

    JEM__TRY(jem__check_classes(caller, y, n, head->model->classes));
    return jem__lanes_run(&head->lanes, n, infer_of, &call);
}

static jem_status gradient_of(void *arg, const jem__lane *lane, int64_t first, int64_t count)
{
    const head_call *call = arg;
    const int64_t size = call->head->image_size;
    const jem__tensor gradient = jem__workspace_image_gradient(lane->ws, count);
    float *images = call->out + first * size;

    JEM__TRY(both_ways(call, lane, first, count));
    JEM__TRY(call->head->model->ctx->backend->download(lane->queue, &gradient, images));
    return check_results(call->caller, "gradient", images, size, first, count);
}

jem_status jem__head_gradient(jem_head *head, const char *caller, const float *x,
                              const int32_t *y, int64_t n, double alpha, double beta,
                              float *out)
{
    head_call call = {.head = head,
                      .caller = caller,
                      .what = {.alpha = alpha, .beta = beta, .scale = 1},
                      .x = x,
                      .y = y,
                      .out = out};

    JEM__TRY(jem__check_classes(caller, y, n, head->model->classes));
    return jem__lanes_run(&head->lanes, n, gradient_of, &call);
}

jem_status jem__head_grad_logits(jem_head *head, const char *caller, const float *x,
                                 const float *weights, int64_t n, float *out)
{
    const int64_t classes = head->model->classes;
    head_call call = {.head = head, .caller = caller, .x = x, .weights = weights, .out = out};

    const int64_t bad = jem__first_not_finite(weights, n * classes);

    if (bad >= 0)
        return jem__fail(JEM_E_NUMERIC,
                         "%s: weights[%" PRId64 "] (image %" PRId64 ", class %" PRId64
                         ") is %g, must be finite",
                         caller, bad, bad / classes, bad % classes, (double)weights[bad]);
    return jem__lanes_run(&head->lanes, n, gradient_of, &call);
}

/* - || d log p(x) / dx ||_2, summed in double in the order of the values. */
static jem_status mass_of(void *arg, const jem__lane *lane, int64_t first, int64_t count)
{
    const head_call *call = arg;
    jem_context *ctx = call->head->model->ctx;
    const int64_t size = call->head->image_size;
    const jem__tensor gradient = jem__workspace_image_gradient(lane->ws, count);
    float *out = call->out + first;

    JEM__TRY(both_ways(call, lane, first, count));
    float *images = jem__alloc_raw(ctx, count * size, sizeof *images);
    if (images == NULL)
        return JEM_E_NOMEM;
    jem_status status = ctx->backend->download(lane->queue, &gradient, images);
    for (int64_t i = 0; i < count && status == JEM_OK; i++) {
        const float *g = images + i * size;
        double sum = 0;

        for (int64_t j = 0; j < size; j++)
            sum += (double)g[j] * (double)g[j];
        out[i] = (float)-sqrt(sum);
    }
    jem__free(ctx, images);
    JEM__TRY(status);
    return check_results(call->caller, "mass", out, 1, first, count);
}

jem_status jem__head_mass(jem_head *head, const char *caller, const float *x, int64_t n,
                          float *out)
{
    head_call call = {
        .head = head, .caller = caller, .what = {.alpha = 1, .scale = 1}, .x = x, .out = out};

    return jem__lanes_run(&head->lanes, n, mass_of, &call);
}

jem_status jem__head_warm_up(jem_head *head)
{
    const int64_t most = jem__min(head->lanes.batch, head->max_batch);
    head_call call = {.head = head,
                      .caller = "jem_head_warm_up",
                      .what = {.alpha = 1, .scale = 1},
                      .x = head->host};

    memset(head->host, 0, (size_t)(most * head->image_size) * sizeof *head->host);
    for (int32_t i = 0; i < head->lanes.count; i++)
        JEM__TRY(both_ways(&call, &head->lanes.list[i], 0, most));
    return JEM_OK;
}
