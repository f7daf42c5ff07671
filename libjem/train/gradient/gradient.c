/* SPDX-License-Identifier: MIT */
/* See gradient.h. */

#include "train/gradient/gradient.h"

#include <stddef.h>

#include "core/arithmetic.h"
#include "core/context.h"
#include "core/error.h"
#include "core/memory.h"

#define ROUND 8 /* parts under way at a time, where several lanes share them */

static int64_t parts_of(int64_t n)
{
    return jem__ceil_div(n, JEM__PART_IMAGES);
}

/* A single lane needs one block at a time. Several take more parts than they are, lest all wait
 * for the slowest. */
static int64_t parts_of_a_round(const jem__lanes *lanes, int64_t batch)
{
    const int64_t wanted = jem__max(lanes->count, ROUND);

    return lanes->count == 1 ? 1 : jem__min(jem__min(wanted, parts_of(batch)), JEM__TREE_TAKEN);
}

jem_status jem__gradient_create(const jem_model *model, jem__queue *queue, int64_t batch,
                                jem__gradient *out)
{
    int64_t logits;

    *out = (jem__gradient){.model = model};
    jem__part_tree_init(model->ctx, queue, model->net->param_count, &out->tree);
    JEM__TRY(jem__lanes_create(model, batch, 1, &out->lanes));
    out->round = parts_of_a_round(&out->lanes, batch);
    if (!jem__mul(out->lanes.count * JEM__PART_IMAGES, model->classes, &logits))
        logits = -1; /* refused by the allocation */
    out->logits = jem__alloc_raw(model->ctx, logits, sizeof *out->logits);
    if (out->logits == NULL)
        return JEM_E_NOMEM;
    for (int64_t i = 0; i < out->round; i++)
        JEM__TRY(jem__part_tree_take(&out->tree, &out->parts[i].grads));
    return JEM_OK;
}

void jem__gradient_free(jem__gradient *g)
{
    if (g->model == NULL)
        return;
    for (int64_t i = 0; i < g->round; i++)
        g->model->ctx->backend->mem_free(g->model->ctx, g->parts[i].grads);
    jem__part_tree_free(&g->tree);
    jem__lanes_free(&g->lanes);
    jem__free(g->model->ctx, g->logits);
    *g = (jem__gradient){.model = NULL};
}

static double sum_of_means(const float *logits, int64_t n, int64_t classes)
{
    double sum = 0.0;

    for (int64_t i = 0; i < n * classes; i++)
        sum += (double)logits[i];
    return sum / (double)classes;
}

static int64_t count_correct(const float *logits, const int32_t *y, int64_t n, int64_t classes)
{
    int64_t correct = 0;

    for (int64_t i = 0; i < n; i++) {
        const float *f = logits + i * classes;
        int64_t best = 0;
        for (int64_t k = 1; k < classes; k++) {
            if (f[k] > f[best])
                best = k;
        }
        correct += best == y[i];
    }
    return correct;
}

/* The images of a round: those of the batch from image x and y on. */
typedef struct round_call {
    jem__gradient *g;
    const jem__tensor *params;
    const jem__density *coefficients;
    const float *x;
    const int32_t *y;
    float *log_px; /* NULL: not wanted */
    uint32_t roles;
} round_call;

/* Forward, scores, backward for n images, as many as the lane's workspace holds. */
static jem_status run_pass(const round_call *call, const jem__lane *lane, int64_t first,
                           int64_t n, jem__part_sum *part)
{
    jem__gradient *g = call->g;
    const jem_model *model = g->model;
    const jem__backend *backend = model->ctx->backend;
    const jem__tensor image = jem__workspace_image(lane->ws, n);
    const jem__tensor logits = jem__workspace_logits(lane->ws, n);
    const jem__tensor grad_logits = jem__workspace_grad_logits(lane->ws, n);
    const jem__tensor grads = jem__part_tree_block(&g->tree, part->grads);
    const int32_t *y = call->y != NULL ? call->y + first : NULL;
    double log_px[JEM__PART_IMAGES], log_pxy[JEM__PART_IMAGES];

    JEM__TRY(
        backend->upload(lane->queue, &image, call->x + first * jem__model_image_size(model)));
    JEM__TRY(jem__network_forward(lane->ws, lane->queue, call->params, n));
    JEM__TRY(backend->density(lane->queue, call->coefficients, &logits, y, log_px,
                              y != NULL ? log_pxy : NULL, &grad_logits));
    jem__loss_add_scores(&part->sums, call->coefficients, call->roles, n, log_px,
                         y != NULL ? log_pxy : NULL);
    for (int64_t i = 0; call->log_px != NULL && i < n; i++)
        call->log_px[first + i] = (float)log_px[i];
    if ((call->roles & JEM__ROLE_LABELLED) != 0 && y != NULL) {
        float *host = g->logits + (lane - g->lanes.list) * JEM__PART_IMAGES * model->classes;
        JEM__TRY(backend->download(lane->queue, &logits, host));
        part->sums.correct += count_correct(host, y, n, model->classes);
        if (call->coefficients->mu != 0.0)
            part->sums.mean_l += sum_of_means(host, n, model->classes);
    }
    return jem__network_backward_w(lane->ws, lane->queue, call->params, &grads, n);
}

/* One part, from image `first` of the round on. */
static jem_status run_part(void *arg, const jem__lane *lane, int64_t first, int64_t n)
{
    const round_call *call = arg;
    jem__gradient *g = call->g;
    jem__part_sum *part = &g->parts[first / JEM__PART_IMAGES];
    const jem__tensor grads = jem__part_tree_block(&g->tree, part->grads);
    const int64_t most = jem__workspace_batch(lane->ws);

    part->sums = (jem__loss_sums){0};
    JEM__TRY(g->model->ctx->backend->fill(lane->queue, &grads, 0.0F));
    for (int64_t at = 0; at < n; at += most)
        JEM__TRY(run_pass(call, lane, first + at, jem__min(n - at, most), part));
    return JEM_OK;
}

/* Hand the parts of a round to the tree, in order. */
static jem_status push_parts(jem__gradient *g, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        const jem__part_sum part = g->parts[i];
        g->parts[i].grads = NULL;
        JEM__TRY(jem__part_tree_push(&g->tree, part));
    }
    return JEM_OK;
}

static jem_status run_round(round_call *call, int64_t n)
{
    jem__gradient *g = call->g;
    const int64_t parts = parts_of(n);

    for (int64_t i = 0; i < parts; i++) {
        if (g->parts[i].grads == NULL)
            JEM__TRY(jem__part_tree_take(&g->tree, &g->parts[i].grads));
    }
    JEM__TRY(jem__lanes_run(&g->lanes, n, run_part, call));
    return push_parts(g, parts);
}

jem_status jem__gradient_add(jem__gradient *g, const jem__tensor *params,
                             const jem__batch *batch, const jem__density *coefficients,
                             const jem__tensor *grads, jem__loss_sums *sums)
{
    const int64_t most = g->round * JEM__PART_IMAGES;
    const int64_t size = jem__model_image_size(g->model);
    round_call call = {
        .g = g, .params = params, .coefficients = coefficients, .roles = batch->roles};

    jem__part_tree_clear(&g->tree); /* of what a failure left */
    for (int64_t at = 0; at < batch->n; at += most) {
        call.x = batch->x + at * size;
        call.y = batch->y != NULL ? batch->y + at : NULL;
        call.log_px = batch->log_px != NULL ? batch->log_px + at : NULL;
        JEM__TRY(run_round(&call, jem__min(batch->n - at, most)));
    }
    return jem__part_tree_collect(&g->tree, grads, sums);
}
