/* SPDX-License-Identifier: MIT */
/* Training: the sums over parts. Their order is that of a plain double loop, to the bit, whatever
 * the threads and however much is computed at a time. */

#include "check_train.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/context.h"
#include "test_support.h"

#define MOST_PARTS 21
#define BLOCK      40 /* numbers of the blocks that the tree is tried with */
#define MANY       (6 * JEM__PART_IMAGES + 5)

static const char small_net[] = "";
static const char wide_net[] =
    "model.hidden=1024 model.layers=2"; /* just beyond 2^20 weights */

/* The order by another route: neighbours first, then neighbours of these. The sum is in a[0]. */
static void add_in_pairs(float *a, int64_t parts, int64_t count)
{
    for (int64_t stride = 1; stride < parts; stride *= 2)
        for (int64_t i = 0; i + stride < parts; i += 2 * stride)
            for (int64_t e = 0; e < count; e++)
                a[i * count + e] += a[(i + stride) * count + e];
}

static void add_doubles_in_pairs(double *a, int64_t parts)
{
    for (int64_t stride = 1; stride < parts; stride *= 2)
        for (int64_t i = 0; i + stride < parts; i += 2 * stride)
            a[i] += a[i + stride];
}

/* ---- the tree alone ---- */

struct grove {
    jem_context *ctx;
    jem__queue *queue;
    jem__part_tree tree;
    float numbers[MOST_PARTS * BLOCK];
    double scores[MOST_PARTS];
};

static void plant(struct grove *g)
{
    const jem__rng rng = {jem__rng_key(5, 0), JEM__RNG_SPLIT, 0, 1};
    g->ctx = train_context("cpu", 2);
    jem_check_ok(g->ctx->backend->queue_create(g->ctx, 0, &g->queue));
    jem__part_tree_init(g->ctx, g->queue, BLOCK, &g->tree);
    jem__rng_normal(&rng, 0, MOST_PARTS * BLOCK, g->numbers);
    for (int64_t i = 0; i < MOST_PARTS; i++)
        g->scores[i] = (double)g->numbers[i * BLOCK] / 3.0;
}

static void fell(struct grove *g)
{
    jem__part_tree_free(&g->tree);
    g->ctx->backend->queue_free(g->queue);
    jem_context_free(g->ctx);
}

static void push(struct grove *g, const float *numbers, double score)
{
    jem__part_sum part = {.sums = {.f_d = score, .correct = 1}};
    jem_check_ok(jem__part_tree_take(&g->tree, &part.grads));
    const jem__tensor block = jem__part_tree_block(&g->tree, part.grads);
    jem_check_ok(g->ctx->backend->upload(g->queue, &block, numbers));
    jem_check_ok(jem__part_tree_push(&g->tree, part));
}

/* What the tree holds, added to zeros. */
static jem__loss_sums collect(struct grove *g, float *numbers)
{
    const jem__backend *backend = g->ctx->backend;
    jem__loss_sums sums = {0};
    jem__mem *mem = NULL;
    jem_check_ok(backend->mem_create(g->ctx, BLOCK, &mem));
    const jem__tensor block = jem__part_tree_block(&g->tree, mem);
    jem_check_ok(jem__part_tree_collect(&g->tree, &block, &sums));
    jem_check_ok(backend->download(g->queue, &block, numbers));
    backend->mem_free(g->ctx, mem);
    return sums;
}

START_TEST(tree_adds_in_pairs)
{
    struct grove g;
    plant(&g);
    for (int64_t parts = 0; parts <= MOST_PARTS; parts++) {
        float expected[MOST_PARTS * BLOCK], got[BLOCK];
        double scores[MOST_PARTS] = {0};
        memcpy(expected, g.numbers, sizeof expected);
        memcpy(scores, g.scores, (size_t)parts * sizeof *scores);
        if (parts == 0)
            memset(expected, 0, sizeof expected);
        add_in_pairs(expected, parts, BLOCK);
        add_doubles_in_pairs(scores, parts);
        for (int64_t i = 0; i < parts; i++)
            push(&g, g.numbers + i * BLOCK, g.scores[i]);
        const jem__loss_sums sums = collect(&g, got);
        jem_check_same(got, expected, BLOCK);
        ck_assert(sums.f_d == scores[0]); /* to the bit */
        ck_assert_int_eq(sums.correct, parts);
    }
    fell(&g);
}
END_TEST

/* Parts i 2^k .. (i + 1) 2^k - 1 may be summed elsewhere. */
START_TEST(aligned_parts_are_branches)
{
    struct grove g;
    float whole[BLOCK], branch[3][BLOCK], got[BLOCK];
    double scores[3];
    plant(&g);
    for (int64_t i = 0; i < 12; i++)
        push(&g, g.numbers + i * BLOCK, g.scores[i]);
    const jem__loss_sums sums = collect(&g, whole);
    for (int64_t b = 0; b < 3; b++) {
        for (int64_t i = 4 * b; i < 4 * b + 4; i++)
            push(&g, g.numbers + i * BLOCK, g.scores[i]);
        scores[b] = collect(&g, branch[b]).f_d;
    }
    for (int64_t b = 0; b < 3; b++)
        push(&g, branch[b], scores[b]);
    ck_assert(collect(&g, got).f_d == sums.f_d);
    jem_check_same(got, whole, BLOCK);
    fell(&g);
}
END_TEST

/* ---- gradients ---- */

struct bed {
    jem_context *ctx;
    jem_model *model;
    jem__queue *queue;
    jem__gradient gradient;
    jem__tensor grads;
    float x[MANY * SIZE];
    int32_t y[MANY];
};

static void make_bed(struct bed *b, const char *settings, int32_t threads, int64_t batch)
{
    b->ctx = train_context("cpu", threads);
    jem_options *opts = train_options(b->ctx, settings);
    jem_check_ok(jem_model_create(b->ctx, opts, &b->model));
    jem_options_free(opts);
    jem_check_ok(b->ctx->backend->queue_create(b->ctx, 0, &b->queue));
    jem_check_ok(jem__gradient_create(b->model, b->queue, batch, &b->gradient));
    const int64_t count = b->model->net->param_count;
    b->grads = (jem__tensor){.n = 1, .c = count, .h = 1, .w = 1};
    jem_check_ok(b->ctx->backend->mem_create(b->ctx, count, &b->grads.mem));
    for (int32_t i = 0; i < MANY; i++) {
        b->y[i] = i % CLASSES;
        train_blob(i, b->y[i], b->x + (int64_t)i * SIZE);
    }
}

static void free_bed(struct bed *b)
{
    b->ctx->backend->mem_free(b->ctx, b->grads.mem);
    jem__gradient_free(&b->gradient);
    b->ctx->backend->queue_free(b->queue);
    jem_model_free(b->model);
    jem_context_free(b->ctx);
}

/* Images first .. first + n - 1, as x_d and x_l at once. `out`: param_count numbers. */
static jem__loss_sums gradient_of(struct bed *b, int64_t first, int64_t n, float *out)
{
    static const jem__density what = {
        .alpha = -0.7, .lambda = 0.01, .beta = 0.3, .mu = 0.2, .scale = 1.0};
    const jem__batch batch = {b->x + first * SIZE, b->y + first, n,
                              JEM__ROLE_DATA | JEM__ROLE_LABELLED, NULL};
    const jem__backend *backend = b->ctx->backend;
    jem__loss_sums sums = {0};
    jem_check_ok(backend->fill(b->queue, &b->grads, 0.0F));
    jem_check_ok(
        jem__gradient_add(&b->gradient, &b->model->params, &batch, &what, &b->grads, &sums));
    jem_check_ok(backend->download(b->queue, &b->grads, out));
    return sums;
}

static const char *const nets[2] = {small_net, wide_net};

START_TEST(gradient_is_the_tree_of_its_parts)
{
    static struct bed b;
    const int64_t parts = 1 + (MANY - 1) / JEM__PART_IMAGES;
    double scores[MOST_PARTS], means[MOST_PARTS];
    make_bed(&b, nets[_i], 2, 64);
    const int64_t count = b.model->net->param_count;
    ck_assert_int_eq(b.gradient.lanes.count, _i == 0 ? 2 : 1);
    float *whole = malloc((size_t)count * sizeof *whole);
    float *each = malloc((size_t)(parts * count) * sizeof *each);
    ck_assert(whole != NULL && each != NULL);
    const jem__loss_sums sums = gradient_of(&b, 0, MANY, whole);
    for (int64_t i = 0; i < parts; i++) {
        const int64_t first = i * JEM__PART_IMAGES, left = MANY - first;
        const int64_t n = left < JEM__PART_IMAGES ? left : JEM__PART_IMAGES;
        const jem__loss_sums part = gradient_of(&b, first, n, each + i * count);
        scores[i] = part.ce_l;
        means[i] = part.mean_l;
    }
    add_in_pairs(each, parts, count);
    add_doubles_in_pairs(scores, parts);
    add_doubles_in_pairs(means, parts);
    jem_check_same(whole, each, count);
    ck_assert(sums.ce_l == scores[0]);
    ck_assert(sums.mean_l == means[0] && means[0] != 0.0);
    free(whole);
    free(each);
    free_bed(&b);
}
END_TEST

/* Threads, and how many parts a trainer expected, cannot be seen. */
START_TEST(gradient_shows_no_threads)
{
    static const int64_t batches[] = {JEM__PART_IMAGES, 40, 300};
    float *first = NULL;
    jem__loss_sums expected = {0};
    for (int32_t i = 0; i < 9; i++) {
        static struct bed b;
        make_bed(&b, nets[_i], 1 + i % 3, batches[i / 3]);
        const int64_t count = b.model->net->param_count;
        float *grads = malloc((size_t)count * sizeof *grads);
        ck_assert_ptr_nonnull(grads);
        const jem__loss_sums sums = gradient_of(&b, 0, MANY, grads);
        if (first == NULL) {
            first = grads;
            expected = sums;
        } else {
            jem_check_same(grads, first, count);
            ck_assert(sums.f_d == expected.f_d && sums.f2_d == expected.f2_d &&
                      sums.ce_l == expected.ce_l && sums.fy_l == expected.fy_l);
            ck_assert_int_eq(sums.correct, expected.correct);
            free(grads);
        }
        free_bed(&b);
    }
    free(first);
}
END_TEST

/* A whole training step of either size. */
START_TEST(steps_show_no_threads)
{
    char settings[128];
    double loss[3], norm[3];
    float *weights[3];
    int64_t count = 0;
    snprintf(settings, sizeof settings, "%s train.batch=40 train.share_batch=%d", nets[_i % 2],
             _i / 2);
    for (int32_t i = 0; i < 3; i++) {
        jem_context *ctx = train_context("cpu", 1 + i);
        jem_options *opts = train_options(ctx, settings);
        jem_dataset *data = train_data(ctx, 64, 7);
        jem_model *model;
        jem_trainer *t;
        jem_check_ok(jem_model_create(ctx, opts, &model));
        jem_check_ok(jem_trainer_create(model, data, opts, &t));
        jem_check_ok(jem_trainer_step(t, 2));
        loss[i] = train_metric(t, "loss");
        norm[i] = train_metric(t, "grad_norm");
        count = model->net->param_count;
        weights[i] = malloc((size_t)count * sizeof *weights[i]);
        ck_assert_ptr_nonnull(weights[i]);
        jem_check_ok(jem__model_download(model, &model->params, weights[i]));
        jem_trainer_free(t);
        jem_model_free(model);
        jem_dataset_free(data);
        jem_options_free(opts);
        jem_context_free(ctx);
    }
    for (int32_t i = 1; i < 3; i++) {
        ck_assert(loss[i] == loss[0] && norm[i] == norm[0]);
        jem_check_same(weights[i], weights[0], count);
    }
    for (int32_t i = 0; i < 3; i++)
        free(weights[i]);
}
END_TEST

/* Want of memory for a block leaves nothing behind that a later sum would count. */
START_TEST(a_failed_sum_is_forgotten)
{
    jem_test_memory memory = {0};
    struct grove g;
    float got[BLOCK];
    plant(&g);
    fell(&g);
    jem_check_ok(jem_context_create_with_allocator("cpu", jem_test_alloc, jem_test_release,
                                                   &memory, &g.ctx));
    jem_check_ok(g.ctx->backend->queue_create(g.ctx, 0, &g.queue));
    jem__part_tree_init(g.ctx, g.queue, BLOCK, &g.tree);
    push(&g, g.numbers, g.scores[0]);
    jem__mem *none = NULL;
    memory.fail_at = memory.calls + 1;
    jem_check_fails(jem__part_tree_take(&g.tree, &none), JEM_E_NOMEM, "memory");
    memory.fail_at = 0;
    jem__part_tree_clear(&g.tree);
    push(&g, g.numbers + BLOCK, g.scores[1]);
    ck_assert(collect(&g, got).f_d == g.scores[1]);
    jem_check_same(got, g.numbers + BLOCK, BLOCK);
    fell(&g);
    jem_check_no_leak(&memory);
}
END_TEST

void jem_train_add_parts(Suite *suite)
{
    TCase *c = train_case(suite, "parts");
    tcase_add_test(c, tree_adds_in_pairs);
    tcase_add_test(c, aligned_parts_are_branches);
    tcase_add_loop_test(c, gradient_is_the_tree_of_its_parts, 0, 2);
    tcase_add_loop_test(c, gradient_shows_no_threads, 0, 2);
    tcase_add_loop_test(c, steps_show_no_threads, 0, 4);
    tcase_add_test(c, a_failed_sum_is_forgotten);
}
