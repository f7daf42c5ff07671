/* SPDX-License-Identifier: MIT */
/* Several outputs of one pass; handles that two threads want at a time; children of fork(); how much
 * stack a caller needs. */

#include "check_energy.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "energy/replay_buffer.h"
#include "test_support.h"
#include "train/trainer.h"

#define N 11

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* --- One pass, several outputs -------------------------------------------------------------- */

struct outputs {
    float logits[N * WORLD_CLASSES], prob_y[N * WORLD_CLASSES], log_px[N], features[N * 64];
};

START_TEST(infer_is_the_single_calls)
{
    world w = world_open(world_backends[_i % 2], _i < 2 ? "mlp" : "small", 2, 4, NULL);
    float x[N * WORLD_SIZE];
    struct outputs one, all;
    int64_t d;
    fill_uniform(x, N * WORLD_SIZE, 3);
    jem_check_ok(jem_model_features(w.model, &d));
    ck_assert_int_le(d, 64);
    jem_check_ok(jem_head_logits(w.head, x, N, one.logits, N * WORLD_CLASSES));
    jem_check_ok(jem_head_prob_y(w.head, x, N, one.prob_y, N * WORLD_CLASSES));
    jem_check_ok(jem_head_log_px(w.head, x, NULL, N, one.log_px, N));
    jem_check_ok(jem_head_features(w.head, x, N, one.features, N * d));
    for (int32_t wanted = 1; wanted < 16; wanted++) {
        memset(&all, 0, sizeof all);
        jem_check_ok(jem_head_infer(
            w.head, x, N, wanted & 1 ? all.logits : NULL, wanted & 2 ? all.prob_y : NULL,
            wanted & 4 ? all.log_px : NULL, wanted & 8 ? all.features : NULL));
        if (wanted & 1)
            jem_check_same(all.logits, one.logits, N * WORLD_CLASSES);
        if (wanted & 2)
            jem_check_same(all.prob_y, one.prob_y, N * WORLD_CLASSES);
        if (wanted & 4)
            jem_check_same(all.log_px, one.log_px, N);
        if (wanted & 8)
            jem_check_same(all.features, one.features, N * d);
    }
    jem_check_fails(jem_head_infer(w.head, x, N, NULL, NULL, NULL, NULL), JEM_E_ARGUMENT,
                    "nothing is wanted");
    jem_check_fails(jem_head_infer(NULL, x, N, one.logits, NULL, NULL, NULL), JEM_E_ARGUMENT,
                    "head");
    jem_check_ok(jem_head_infer(w.head, NULL, 0, NULL, NULL, NULL, NULL));
    world_close(&w);
}
END_TEST

START_TEST(warming_up_changes_no_result)
{
    world w = world_open(world_backends[_i], "small", 2, 9, NULL);
    float x[N * WORLD_SIZE], cold[N], warm[N];
    fill_uniform(x, N * WORLD_SIZE, 4);
    jem_check_ok(jem_head_log_px(w.head, x, NULL, N, cold, N));
    jem_check_ok(jem_head_warm_up(w.head));
    jem_check_ok(jem_head_log_px(w.head, x, NULL, N, warm, N));
    jem_check_same(warm, cold, N);
    jem_check_fails(jem_head_warm_up(NULL), JEM_E_ARGUMENT, "head");
    world_close(&w);
}
END_TEST

/* --- One at a time -------------------------------------------------------------------------- */

/* While a call is inside, as from a callback, every other one is refused, and none of them is
 * left marked as in use. */
START_TEST(a_second_call_is_refused)
{
    static const char says[] = "one thread uses a";
    world w = world_open("cpu", "mlp", 1, 4, NULL);
    float x[WORLD_SIZE], out[2 * WORLD_SIZE];
    const int32_t y[1] = {0};
    const float weights[WORLD_CLASSES] = {0};
    int64_t slots[1] = {0};
    fill_uniform(x, WORLD_SIZE, 5);
    jem_check_ok(jem_buffer_create(w.sampler, w.opts, &w.buffer));
    for (int32_t round = 0; round < 2; round++) {
        const jem_status wanted = round == 0 ? JEM_E_STATE : JEM_OK;
        atomic_store(&w.head->use.busy, round == 0);
        const jem_status got[] = {
            jem_head_infer(w.head, x, 1, out, NULL, NULL, NULL),
            jem_head_logits(w.head, x, 1, out, WORLD_CLASSES),
            jem_head_prob_y(w.head, x, 1, out, WORLD_CLASSES),
            jem_head_log_px(w.head, x, NULL, 1, out, 1),
            jem_head_features(w.head, x, 1, out, 2 * WORLD_SIZE),
            jem_head_grad_log_px(w.head, x, NULL, 1, out, WORLD_SIZE),
            jem_head_grad_log_py(w.head, x, y, 1, out, WORLD_SIZE),
            jem_head_grad_logits(w.head, x, weights, 1, out, WORLD_SIZE),
            jem_head_mass(w.head, x, 1, out, 1),
            jem_head_warm_up(w.head),
            jem_sampler_init(w.sampler, NULL, out, 1),
            jem_sampler_run(w.sampler, out, NULL, 1, 1),
            jem_sampler_trace(w.sampler, x, NULL, 1, 1, out, 2 * WORLD_SIZE),
            jem_sampler_backward(w.sampler, out, 2 * WORLD_SIZE, NULL, 1, 1, x),
            jem_sampler_seed(w.sampler, 1, 1),
        };
        for (size_t i = 0; i < sizeof got / sizeof got[0]; i++)
            ck_assert_msg(got[i] == wanted, "call %zu gave %d", i, (int)got[i]);
        ck_assert_int_eq(atomic_load(&w.head->use.busy), round == 0);
        ck_assert_int_eq(atomic_load(&w.sampler->use.busy), 0);
    }
    atomic_store(&w.buffer->use.busy, 1);
    jem_check_fails(jem_buffer_draw(w.buffer, NULL, 1, out, slots), JEM_E_STATE, says);
    jem_check_fails(jem_buffer_store(w.buffer, slots, 1, x), JEM_E_STATE, says);
    jem_check_fails(jem_buffer_read(w.buffer, 0, 1, x), JEM_E_STATE, says);
    atomic_store(&w.buffer->use.busy, 0);
    jem_check_ok(jem_buffer_draw(w.buffer, NULL, 1, out, slots));
    jem_check_ok(jem_buffer_store(w.buffer, slots, 1, x));
    jem_check_ok(jem_buffer_read(w.buffer, 0, 1, x));
    jem_check_ok(jem_buffer_read(w.buffer, 0, 1, x));
    world_close(&w);
}
END_TEST

START_TEST(a_trainer_at_work_is_refused)
{
    static const int64_t shape[3] = {1, 6, 8};
    world w = world_open("cpu", "mlp", 1, 4, "train.batch=2 sgld.steps=1 pcd.capacity=4");
    jem_dataset *data = make_data(w.ctx, 10, shape, WORLD_CLASSES, 6);
    float x[WORLD_SIZE];
    int64_t slots[1];
    char path[JEM_TEST_PATH];
    jem_trainer *t;
    jem_buffer *buffer;
    double loss;
    jem_test_path("t.safetensors", path);
    jem_check_ok(jem_trainer_create(w.model, data, w.opts, &t));
    jem_check_ok(jem_trainer_buffer(t, &buffer));
    for (int32_t round = 0; round < 2; round++) {
        atomic_int *busy = round == 0 ? &t->use.busy : &buffer->use.busy;
        atomic_store(busy, 1);
        jem_check_fails(jem_trainer_step(t, 1), JEM_E_STATE, "in use by another call");
        jem_check_fails(jem_trainer_save(t, path), JEM_E_STATE, "in use by another call");
        if (round == 0) {
            jem_check_fails(jem_trainer_metric(t, "loss", &loss), JEM_E_STATE, "in use");
            jem_check_fails(jem_trainer_param_grad(t, "class_output.bias", x, WORLD_SIZE),
                            JEM_E_STATE, "in use");
        } else {
            jem_check_ok(jem_trainer_metric(t, "learning_rate", &loss));
            jem_check_fails(jem_buffer_read(buffer, 0, 1, x), JEM_E_STATE, "");
        }
        if (round == 1)
            jem_check_fails(jem_buffer_draw(buffer, NULL, 1, x, slots), JEM_E_STATE, "");
        atomic_store(busy, 0);
    }
    jem_check_ok(jem_trainer_step(t, 1));
    jem_check_ok(jem_trainer_metric(t, "loss", &loss));
    jem_check_ok(jem_trainer_param_grad(t, "class_output.bias", x, WORLD_SIZE));
    jem_check_ok(jem_trainer_save(t, path));
    jem_buffer_free(buffer);
    jem_trainer_free(t);
    jem_dataset_free(data);
    world_close(&w);
}
END_TEST

struct rival {
    jem_head *head;
    const float *x, *right;
    int32_t refused, wrong;
};

static void *rival_calls(void *arg)
{
    struct rival *r = arg;
    float out[N];
    for (int32_t i = 0; i < 300; i++) {
        const jem_status status = jem_head_log_px(r->head, r->x, NULL, N, out, N);
        r->refused += status == JEM_E_STATE;
        r->wrong += status != JEM_OK && status != JEM_E_STATE;
        r->wrong += status == JEM_OK && memcmp(out, r->right, sizeof out) != 0;
    }
    return NULL;
}

START_TEST(two_threads_on_one_head)
{
    world w = world_open("cpu", "small", 2, 4, NULL);
    float x[N * WORLD_SIZE], right[N];
    pthread_t threads[2];
    fill_uniform(x, N * WORLD_SIZE, 7);
    jem_check_ok(jem_head_log_px(w.head, x, NULL, N, right, N));
    struct rival rivals[2] = {{w.head, x, right, 0, 0}, {w.head, x, right, 0, 0}};
    for (int32_t i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, rival_calls, &rivals[i]), 0);
    for (int32_t i = 0; i < 2; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
        ck_assert_int_eq(rivals[i].wrong, 0);
    }
    world_close(&w);
}
END_TEST

/* --- Children of fork() --------------------------------------------------------------------- */

/* A child that ends well in time. */
static void check_child(pid_t child)
{
    int how;
    ck_assert_int_gt(child, 0);
    ck_assert_int_eq(waitpid(child, &how, 0), child);
    ck_assert_msg(WIFEXITED(how) && WEXITSTATUS(how) == 0, "the child ended with %d", how);
}

/* A child's destructors free the parent's handles; before, it may compute with them, alone. The
 * parent's own threads are none the worse. */
START_TEST(a_child_frees_and_computes)
{
    world w = world_open("reference", "mlp", 4, 4, NULL);
    float x[N * WORLD_SIZE], right[N], again[N];
    fill_uniform(x, N * WORLD_SIZE, 8);
    jem_check_ok(jem_head_log_px(w.head, x, NULL, N, right, N));
    for (int32_t i = 0; i < 20; i++) {
        const pid_t child = fork();
        if (child == 0) {
            alarm(20);
            int32_t good = 1;
            if (i % 2 == 1)
                good = jem_head_log_px(w.head, x, NULL, N, again, N) == JEM_OK &&
                       memcmp(again, right, sizeof right) == 0;
            world_close(&w);
            _exit(good ? 0 : 1);
        }
        check_child(child);
        jem_check_ok(jem_head_log_px(w.head, x, NULL, N, again, N));
        jem_check_same(again, right, N);
    }
    world_close(&w);
}
END_TEST

/* A thread of the parent that works until it is told to stop. */
struct worker {
    jem_head *head;
    atomic_int *stop;
    int64_t failed, rounds;
};

static void *work_on(void *arg)
{
    struct worker *w = arg;
    float x[N * WORLD_SIZE], log_px[N];
    fill_uniform(x, N * WORLD_SIZE, 12);
    for (; atomic_load(w->stop) == 0; w->rounds++) {
        if (jem_head_log_px(w->head, x, NULL, N, log_px, N) != JEM_OK)
            w->failed++;
    }
    return NULL;
}

/* Freeing needs no lock and no thread, so it does not matter what others were doing at the fork. */
START_TEST(a_child_frees_while_others_work)
{
    world w = world_open("cpu", "small", 4, 4, NULL);
    atomic_int stop = 0;
    struct worker workers[2];
    pthread_t threads[2];
    for (int32_t i = 0; i < 2; i++) {
        workers[i] = (struct worker){.stop = &stop};
        jem_check_ok(jem_head_create(w.model, 4, &workers[i].head));
        ck_assert_int_eq(pthread_create(&threads[i], NULL, work_on, &workers[i]), 0);
    }
    for (int32_t i = 0; i < 20; i++) {
        const struct timespec pause = {0, 300000 + i * 100000};
        (void)nanosleep(&pause, NULL);
        const pid_t child = fork();
        if (child == 0) {
            alarm(20);
            jem_head_free(workers[0].head);
            jem_head_free(workers[1].head);
            world_close(&w); /* with the last reference to the pool */
            _exit(0);
        }
        check_child(child);
    }
    atomic_store(&stop, 1);
    for (int32_t i = 0; i < 2; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
        ck_assert_int_eq(workers[i].failed, 0);
        ck_assert_int_gt(workers[i].rounds, 0);
        jem_head_free(workers[i].head);
    }
    world_close(&w);
}
END_TEST

/* --- The caller's stack --------------------------------------------------------------------- */

/* What jem/context.h promises. */
#if SANITIZED
#define STACK_BYTES (1 << 20) /* sanitizers make frames larger */
#else
#define STACK_BYTES (64 << 10)
#endif

static const char *const kernels[] = {"reference", "cpu", "cpu:blis"};

static void *all_calls(void *arg)
{
    static const int64_t shape[3] = {1, 6, 8};
    const int *number = arg;
    world w = world_open(kernels[*number], "small", 1, 4,
                         "train.batch=2 sgld.steps=2 pcd.capacity=4 start.kind=gaussian");
    jem_dataset *data = make_data(w.ctx, 20, shape, WORLD_CLASSES, 9);
    char path[JEM_TEST_PATH];
    jem_trainer *t, *again;
    float *x = malloc(sizeof *x * WORLD_SIZE), *out = malloc(sizeof *out * 2 * WORLD_SIZE);
    ck_assert(x != NULL && out != NULL);
    fill_uniform(x, WORLD_SIZE, 10);
    jem_test_path("stack.safetensors", path);
    jem_check_ok(jem_trainer_create(w.model, data, w.opts, &t));
    jem_check_ok(jem_trainer_step(t, 2));
    jem_check_ok(jem_trainer_save(t, path));
    jem_check_ok(jem_trainer_load(w.ctx, data, path, &again));
    const int32_t y[1] = {0};
    double ece;
    jem_check_ok(jem_head_prob_y(w.head, x, 1, out, WORLD_CLASSES));
    jem_check_ok(jem_metric_ece(out, y, 1, WORLD_CLASSES, 1000, &ece));
    jem_check_ok(jem_head_mass(w.head, x, 1, out, 1));
    jem_check_ok(jem_sampler_fit_start(w.sampler, data));
    jem_check_ok(jem_sampler_trace(w.sampler, x, NULL, 1, 1, out, 2 * WORLD_SIZE));
    jem_check_ok(jem_sampler_backward(w.sampler, out, 2 * WORLD_SIZE, NULL, 1, 1, x));
    jem_trainer_free(again);
    jem_trainer_free(t);
    jem_dataset_free(data);
    free(x);
    free(out);
    world_close(&w);
    return NULL;
}

START_TEST(a_small_stack_is_enough)
{
    pthread_attr_t attributes;
    pthread_t thread;
    int number = _i;
    ck_assert_int_eq(pthread_attr_init(&attributes), 0);
    ck_assert_int_eq(pthread_attr_setstacksize(&attributes, STACK_BYTES), 0);
    ck_assert_int_eq(pthread_create(&thread, &attributes, all_calls, &number), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    pthread_attr_destroy(&attributes);
}
END_TEST

void jem_energy_add_use(Suite *suite)
{
    TCase *c = tcase_create("use");
    tcase_set_timeout(c, 120);
    tcase_add_loop_test(c, infer_is_the_single_calls, 0, 4);
    tcase_add_loop_test(c, warming_up_changes_no_result, 0, 2);
    tcase_add_test(c, a_second_call_is_refused);
    tcase_add_test(c, a_trainer_at_work_is_refused);
    tcase_add_test(c, two_threads_on_one_head);
    tcase_add_test(c, a_child_frees_and_computes);
    /* The allocator of a sanitizer may be locked at a fork. */
    tcase_add_loop_test(c, a_child_frees_while_others_work, 0, SANITIZED ? 0 : 1);
    tcase_add_loop_test(c, a_small_stack_is_enough, 0, 3);
    suite_add_tcase(suite, c);
}
