/* SPDX-License-Identifier: MIT */
/* Training: the guard. The tests decide by its bounds when chains count as lost. */

#include "check_train.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "io/safetensors.h"
#include "test_support.h"
#include "train/snapshot.h"

#define ACT "guard.mode=act train.ema=0.9 train.energy_l2=0.05 guard.states=2 "

static struct world open_guarded(const char *settings)
{
    struct world w = train_open("cpu", 0, settings);
    /* Every AUC is healthy, and none turns a knob. */
    w.t->guard.low = -1.0;
    w.t->guard.high = 2.0;
    w.t->guard.lost = 3.0;
    return w;
}

/* One step after which the chains count as lost. */
static jem_status lose(jem_trainer *t)
{
    t->guard.lost = -1.0;
    const jem_status status = jem_trainer_step(t, 1);
    t->guard.lost = 3.0;
    return status;
}

struct told {
    int64_t count, step;
    char action[32], reason[256];
};

static void hear(void *user, int64_t step, const char *action, const char *reason)
{
    struct told *told = user;
    told->count++;
    told->step = step;
    snprintf(told->action, sizeof told->action, "%s", action);
    snprintf(told->reason, sizeof told->reason, "%s", reason);
}

/* ---- going back ---- */

START_TEST(goes_back_and_on)
{
    struct world w = open_guarded(ACT);
    struct told told = {0};
    float then[MAX_WEIGHTS], now[MAX_WEIGHTS], images[16 * SIZE], later[16 * SIZE];
    jem_check_ok(jem_trainer_on_guard(w.t, hear, &told));
    jem_check_ok(jem_trainer_step(w.t, 200));
    train_weights(w.model, then);
    jem_check_ok(jem_buffer_read(w.t->buffer, 0, 16, images));
    jem_check_ok(jem_trainer_step(w.t, 60));
    ck_assert_int_eq(w.t->guard.count, 2);
    ck_assert_int_eq(told.count, 0);
    jem_check_ok(lose(w.t));
    ck_assert_double_eq(train_metric(w.t, "step"), 200.0);
    ck_assert_int_eq(w.t->attempts, 261); /* no batch comes twice */
    ck_assert_double_eq(train_metric(w.t, "rollbacks"), 1.0);
    ck_assert_double_eq(train_metric(w.t, "energy_l2"), 0.1);
    ck_assert_double_nan(train_metric(w.t, "loss"));
    train_weights(w.model, now);
    ck_assert_int_eq(memcmp(then, now, sizeof(float) * 8), 0);
    jem_check_ok(jem_buffer_read(w.t->buffer, 0, 16, later));
    ck_assert_int_eq(memcmp(images, later, sizeof images), 0);
    ck_assert_int_eq(told.count, 1);
    ck_assert_int_eq(told.step, 200);
    ck_assert_str_eq(told.action, "rollback");
    ck_assert_ptr_nonnull(strstr(told.reason, "at step 261; back to step 200, learning rate x "
                                              "0.7, train.energy_l2 = 0.1 (1 of 10)"));
    jem_check_ok(jem_trainer_step(w.t, 1));
    ck_assert_double_eq_tol(train_metric(w.t, "learning_rate"),
                            0.7 * jem__schedule_lr(&w.t->schedule, 200), 1e-15);

    /* Again from there: the state before is next, then the beginning of what is kept. */
    jem_check_ok(jem_trainer_step(w.t, 20));
    jem_check_ok(lose(w.t));
    ck_assert_double_eq(train_metric(w.t, "step"), 100.0);
    train_close(&w);
}
END_TEST

START_TEST(lost_too_early_to_go_back)
{
    struct world w = open_guarded(ACT);
    jem_check_ok(jem_trainer_step(w.t, 99));
    jem_check_ok(lose(w.t));
    ck_assert_double_eq(train_metric(w.t, "step"), 100.0);
    train_close(&w);
}
END_TEST

START_TEST(a_failed_step_goes_back)
{
    struct world w = open_guarded(ACT "guard.rollbacks=2");
    jem_check_ok(jem_trainer_step(w.t, 130));
    for (int32_t i = 0; i < 2; i++) {
        w.t->max_loss = 0.0;
        jem_check_ok(jem_trainer_step(w.t, 1));
        w.t->max_loss = 1e8;
        ck_assert_double_eq(train_metric(w.t, "step"), 0.0);
        ck_assert_double_eq(train_metric(w.t, "rollbacks"), 1.0 + i);
        jem_check_ok(jem_trainer_step(w.t, 30));
    }
    w.t->max_loss = 0.0;
    jem_check_fails(
        jem_trainer_step(w.t, 1), JEM_E_NUMERIC,
        "a step failed at step 30, and guard.rollbacks = 2 are used up; the training "
        "is back at step 0");
    ck_assert_double_eq(train_metric(w.t, "step"), 0.0);
    train_close(&w);
}
END_TEST

/* ---- knobs ---- */

START_TEST(knobs_follow_the_area)
{
    struct world w = open_guarded(ACT "sgld.step_size=3");
    w.t->guard.high = -1.0; /* always above */
    jem_check_ok(jem_trainer_step(w.t, 10));
    ck_assert_double_eq_tol(train_metric(w.t, "energy_l2"), 0.05 * 1.25 * 1.25, 1e-12);
    const double grown = train_metric(w.t, "step_size");
    ck_assert_double_gt(grown, 3.0 * 1.5);
    w.t->guard.high = 2.0;
    w.t->guard.low = 1.5; /* always below, by far */
    jem_check_ok(jem_trainer_step(w.t, 60));
    ck_assert_double_eq(train_metric(w.t, "energy_l2"), 0.05);
    ck_assert_double_lt(train_metric(w.t, "step_size"), grown);
    /* It is this weight that the loss has: half of it, half the loss. */
    const struct batches b = train_make_batches();
    w.t->schedule.lr = 0.0;
    train_step_on(w.t, &b);
    const double whole = train_metric(w.t, "loss_l2");
    w.t->weights.energy_l2 *= 0.5;
    train_step_on(w.t, &b);
    ck_assert_double_gt(whole, 0.0);
    ck_assert_double_eq_tol(train_metric(w.t, "loss_l2"), 0.5 * whole, 1e-9);
    train_close(&w);
}
END_TEST

START_TEST(held_weights_turn_no_knob)
{
    struct world w = open_guarded(ACT "train.hold_steps=20");
    w.t->guard.high = -1.0;
    jem_check_ok(jem_trainer_step(w.t, 20));
    ck_assert_double_eq(train_metric(w.t, "energy_l2"), 0.05);
    jem_check_ok(jem_trainer_step(w.t, 5));
    ck_assert_double_gt(train_metric(w.t, "energy_l2"), 0.05);
    train_close(&w);
}
END_TEST

START_TEST(penalty_has_bounds)
{
    struct world w = open_guarded("guard.mode=act guard.energy_l2_max=0.02");
    ck_assert_double_eq(train_metric(w.t, "energy_l2"), 0.0);
    w.t->guard.high = -1.0;
    jem_check_ok(jem_trainer_step(w.t, 5));
    ck_assert_double_eq(train_metric(w.t, "energy_l2"), 0.01);
    jem_check_ok(jem_trainer_step(w.t, 50));
    ck_assert_double_eq(train_metric(w.t, "energy_l2"), 0.02);
    ck_assert_double_eq(train_metric(w.t, "step_size"), 2.0 * w.t->guard.step_size);
    train_close(&w);
}
END_TEST

/* The bounds of these chains: 3 as "sgld.steps", 5. A chain that is begun anew is as old as it
 * is long. */
#define LONGER ACT "guard.chain_max=5 pcd.restart_prob=1 "

static void step_to(struct world *w, int64_t step, double length)
{
    jem_check_ok(jem_trainer_step(w->t, step - w->t->step));
    ck_assert_double_eq(train_metric(w->t, "chain_steps"), length);
}

START_TEST(chains_follow_the_area)
{
    struct world w = open_guarded(LONGER);
    struct told told = {0};
    w.t->guard.high = -1.0; /* always above */
    step_to(&w, 24, 3);
    jem_check_ok(jem_trainer_on_guard(w.t, hear, &told));
    step_to(&w, 25, 4);
    ck_assert_double_eq(train_metric(w.t, "sample_age"), 3.0); /* it counts from the next on */
    ck_assert_int_eq(told.count, 1);
    ck_assert_int_eq(told.step, 25);
    ck_assert_str_eq(told.action, "chains longer");
    ck_assert_ptr_nonnull(strstr(told.reason, "sgld.steps from 3 to 4"));
    step_to(&w, 49, 4);
    ck_assert_double_eq(train_metric(w.t, "sample_age"), 4.0);
    step_to(&w, 50, 5);
    step_to(&w, 104, 5); /* no more */
    w.t->guard.high = 2.0;
    step_to(&w, 114, 5);  /* in the band */
    w.t->guard.low = 1.5; /* below */
    jem_check_ok(jem_trainer_on_guard(w.t, NULL, NULL));
    step_to(&w, 115, 4);
    step_to(&w, 119, 4);
    step_to(&w, 120, 3);
    ck_assert_double_eq(train_metric(w.t, "sample_age"), 4.0);
    step_to(&w, 140, 3); /* no less */
    ck_assert_double_eq(train_metric(w.t, "sample_age"), 3.0);
    train_close(&w);
}
END_TEST

/* Above it, but not for long. */
START_TEST(chains_wait_for_the_penalty)
{
    struct world w = open_guarded(LONGER);
    for (int64_t step = 0; step < 120; step += 30) {
        w.t->guard.high = -1.0;
        step_to(&w, step + 20, 3);
        w.t->guard.high = 2.0;
        step_to(&w, step + 30, 3);
    }
    w.t->guard.high = -1.0;
    step_to(&w, 144, 3);
    step_to(&w, 145, 4);
    train_close(&w);
}
END_TEST

/* Not asked for, or not acting, they stay, to the bit. */
START_TEST(chains_keep_their_length)
{
    static const char *const pairs[2][2] = {{ACT, ACT "guard.chain_max=3"},
                                            {"", "guard.mode=report guard.chain_max=9"}};
    float weights[2][MAX_WEIGHTS];
    int64_t total = 0;
    for (int i = 0; i < 2; i++) {
        struct world w = open_guarded(pairs[_i][i]);
        w.t->guard.high = -1.0;
        step_to(&w, 60, 3);
        total = train_weights(w.model, weights[i]);
        train_close(&w);
    }
    jem_check_same(weights[1], weights[0], total);
}
END_TEST

START_TEST(chains_after_a_rollback)
{
    struct world w = open_guarded(LONGER);
    w.t->guard.high = -1.0;
    step_to(&w, 25, 4);
    w.t->guard.high = 2.0;
    step_to(&w, 170, 4); /* with a state of step 100 on the way */
    jem_check_ok(lose(w.t));
    ck_assert_double_eq(train_metric(w.t, "rollbacks"), 1.0);
    const int64_t back = w.t->step;
    ck_assert_int_lt(back, 170);
    ck_assert_double_eq(train_metric(w.t, "chain_steps"), 4.0);
    w.t->guard.high = -1.0;
    step_to(&w, back + 24, 4);
    step_to(&w, back + 30, 5);
    train_close(&w);
}
END_TEST

START_TEST(aims_are_ends_of_one_scale)
{
    static const struct {
        const char *settings;
        double low, penalty;
    } cases[] = {{"guard.mode=act train.energy_l2=0.05", 0.52, 0.05},
                 {"guard.mode=act train.energy_l2=0.05 guard.aim=detect", 0.87, 0.5},
                 {"guard.mode=act train.energy_l2=0.05 guard.auc=0.7", 0.67, 0.05},
                 {"train.energy_l2=0.05 guard.aim=detect", 0.87, 0.05}};
    struct world w = train_open("cpu", 0, cases[_i].settings);
    ck_assert_double_eq_tol(w.t->guard.low, cases[_i].low, 1e-12);
    ck_assert_double_eq(train_metric(w.t, "energy_l2"), cases[_i].penalty);
    train_close(&w);
}
END_TEST

/* ---- bits ---- */

/* 300 steps with a loss at 230, saved and loaded before step `at` (0: not). */
static void guarded_run(int64_t at, int32_t threads, const char *path)
{
    struct world w = open_guarded(ACT);
    jem_check_ok(jem_context_set_threads(w.ctx, threads));
    w.t->guard.high = 0.55;
    w.t->guard.low = 0.45;
    for (int64_t done = 0; done < 260; done++) {
        if (done == at && at > 0) {
            const jem__guard before = w.t->guard;
            jem_check_ok(jem_trainer_save(w.t, path));
            jem_trainer_free(w.t);
            jem_check_ok(jem_trainer_load(w.ctx, w.data, path, &w.t));
            ck_assert_int_eq(w.t->guard.count, before.count);
            w.t->guard.low = before.low;
            w.t->guard.high = before.high;
            w.t->guard.lost = before.lost;
        }
        jem_check_ok(done == 230 ? lose(w.t) : jem_trainer_step(w.t, 1));
    }
    ck_assert_double_eq(train_metric(w.t, "rollbacks"), 1.0);
    jem_check_ok(jem_trainer_save(w.t, path));
    train_close(&w);
}

START_TEST(resumed_like_undisturbed)
{
    static const struct {
        int64_t at;
        int32_t threads;
    } cases[] = {{0, 2}, {0, 3}, {215, 1}, {231, 1}, {245, 2}};
    char whole[JEM_TEST_PATH], other[JEM_TEST_PATH];
    jem_test_path("whole.safetensors", whole);
    jem_test_path("other.safetensors", other);
    guarded_run(0, 1, whole);
    guarded_run(cases[_i].at, cases[_i].threads, other);
    train_check_same_file(whole, other);
}
END_TEST

/* Saved between two rises, with a chain that has grown. */
START_TEST(longer_chains_are_resumed)
{
    char straight[JEM_TEST_PATH], half[JEM_TEST_PATH], again[JEM_TEST_PATH];
    jem_test_path("straight.safetensors", straight);
    jem_test_path("half.safetensors", half);
    jem_test_path("again.safetensors", again);
    struct world w = open_guarded(ACT "guard.chain_max=9");
    w.t->guard.high = -1.0;
    step_to(&w, 58, 5);
    jem_check_ok(jem_trainer_save(w.t, half));
    step_to(&w, 90, 6);
    jem_check_ok(jem_trainer_save(w.t, straight));
    jem_trainer_free(w.t);
    jem_check_ok(jem_trainer_load(w.ctx, w.data, half, &w.t));
    ck_assert_double_eq(train_metric(w.t, "chain_steps"), 5.0);
    w.t->guard.low = w.t->guard.high = -1.0;
    w.t->guard.lost = 3.0;
    step_to(&w, 74, 5);
    step_to(&w, 90, 6);
    jem_check_ok(jem_trainer_save(w.t, again));
    train_check_same_file(straight, again);
    train_close(&w);
}
END_TEST

START_TEST(report_changes_nothing)
{
    struct world off = train_open("cpu", 0, ""), w = train_open("cpu", 0, "guard.mode=report");
    struct told told = {0};
    float a[MAX_WEIGHTS], b[MAX_WEIGHTS];
    jem_check_ok(jem_trainer_on_guard(w.t, hear, &told));
    w.t->guard.high = 2.0;
    jem_check_ok(jem_trainer_step(w.t, 3));
    w.t->guard.high = w.t->guard.lost = -1.0;
    jem_check_ok(jem_trainer_step(w.t, 17)); /* told once, not 17 times */
    ck_assert_int_eq(told.count, 1);
    ck_assert_str_eq(told.action, "lost");
    jem_check_ok(jem_trainer_step(off.t, 20));
    const int64_t n = train_weights(off.model, a);
    train_weights(w.model, b);
    ck_assert_int_eq(memcmp(a, b, (size_t)n * sizeof *a), 0);
    ck_assert_int_eq(w.t->guard.count, 0);
    train_close(&w);
    train_close(&off);
}
END_TEST

/* ---- files and memory ---- */

/* Write `bytes` over a tensor's first ones. */
static void overwrite(jem_context *ctx, const char *path, const char *name, const void *bytes,
                      size_t size)
{
    jem__st_file *f;
    jem_check_ok(jem__st_open(ctx, "test", path, &f));
    const jem__st_tensor *t = jem__st_find(f, name);
    ck_assert_ptr_nonnull(t);
    const int64_t at = t->at;
    jem__st_close(f);
    FILE *stream = fopen(path, "r+b");
    ck_assert_ptr_nonnull(stream);
    ck_assert_int_eq(fseek(stream, (long)at, SEEK_SET), 0);
    ck_assert_uint_eq(fwrite(bytes, 1, size, stream), size);
    ck_assert_int_eq(fclose(stream), 0);
}

START_TEST(spoilt_files)
{
    static const struct {
        const char *tensor;
        double number;
        int64_t code;
        const char *text;
    } cases[] = {
        {"train.guard", (double)NAN, JEM_E_FORMAT, "train.guard are out of range"},
        {"train.guard", -1.0, JEM_E_FORMAT, "train.guard are out of range"},
        {"ring.0.train.running_auc", 1.5, JEM_E_FORMAT, "ring.0.train.running_auc = 1.5"},
        {"ring.1.train.counters", -1.0, JEM_E_FORMAT, "ring.1.train.counters[0] = "},
        {"ring.1.replay_buffer", (double)NAN, JEM_E_NUMERIC, "ring.1.replay_buffer"},
        {"ring.0.adam_v.fc1.weight", -1.0, JEM_E_FORMAT, "ring.0.adam_v"},
    };
    char path[JEM_TEST_PATH];
    struct world w = open_guarded(ACT);
    jem_trainer *t;
    jem_test_path("spoilt.safetensors", path);
    jem_check_ok(jem_trainer_step(w.t, 205));
    jem_check_ok(jem_trainer_save(w.t, path));
    jem_check_ok(jem_trainer_load(w.ctx, w.data, path, &t));
    ck_assert_int_eq(t->guard.count, 2);
    jem_trainer_free(t);
    const float single[2] = {(float)cases[_i].number, (float)cases[_i].number};
    const int64_t whole = -5;
    const char *name = cases[_i].tensor;
    const void *bytes = strstr(name, "counters") != NULL                ? (const void *)&whole
                        : strstr(name, "guard") || strstr(name, "_auc") ? &cases[_i].number
                                                                        : (const void *)single;
    char found[96];
    snprintf(found, sizeof found, "%s", name);
    if (strstr(name, "adam_v") != NULL)
        snprintf(found, sizeof found, "ring.0.adam_v.%s", w.model->net->params[0].name);
    overwrite(w.ctx, path, found, bytes, 8);
    jem_check_fails(jem_trainer_load(w.ctx, w.data, path, &t), (jem_status)cases[_i].code,
                    cases[_i].text);
    ck_assert_ptr_null(t);
    train_close(&w);
}
END_TEST

/* Lengths that these settings cannot lead to. */
START_TEST(lengths_are_checked)
{
    static const double lengths[] = {2, 6, 3.5, (double)NAN, -4}, from[] = {-1, (double)NAN};
    struct world w = open_guarded(LONGER);
    jem__guard_state d = w.t->guard.now;
    for (int i = 0; i < 5; i++) {
        d.steps = lengths[i];
        ck_assert_int_eq(jem__guard_decide(w.t, &d), JEM_E_FORMAT);
    }
    d.steps = 5;
    for (int i = 0; i < 2; i++) {
        d.above_from = from[i];
        ck_assert_int_eq(jem__guard_decide(w.t, &d), JEM_E_FORMAT);
    }
    ck_assert_double_eq(train_metric(w.t, "chain_steps"), 3.0);
    d.above_from = 7;
    jem_check_ok(jem__guard_decide(w.t, &d));
    ck_assert_double_eq(train_metric(w.t, "chain_steps"), 5.0);
    train_close(&w);
}
END_TEST

/* Each allocation of a step fails once, and the step is made again. */
START_TEST(guarded_and_no_memory)
{
    jem_test_memory memory = {0};
    char undisturbed[JEM_TEST_PATH], path[JEM_TEST_PATH];
    struct world calm = open_guarded(ACT), w;
    int64_t refused = 0;
    jem_test_path("undisturbed.safetensors", undisturbed);
    jem_test_path("no_memory.safetensors", path);
    jem_check_ok(jem_context_create_with_allocator("cpu", jem_test_alloc, jem_test_release,
                                                   &memory, &w.ctx));
    jem_check_ok(jem_context_set_threads(w.ctx, 1));
    w.opts = train_options(w.ctx, ACT);
    w.data = train_data(w.ctx, IMAGES, 0);
    jem_check_ok(jem_model_create(w.ctx, w.opts, &w.model));
    jem_check_ok(jem_trainer_create(w.model, w.data, w.opts, &w.t));
    w.t->guard.low = -1.0;
    w.t->guard.high = 2.0;
    w.t->guard.lost = 3.0;
    for (int64_t step = 0; step < 102; step++) {
        jem_check_ok(jem_trainer_step(calm.t, 1));
        jem_status status = JEM_E_NOMEM;
        for (int64_t k = 1; status == JEM_E_NOMEM; k++) {
            memory.fail_at = memory.calls + k;
            status = jem_trainer_step(w.t, 1);
            memory.fail_at = 0;
            refused += status == JEM_E_NOMEM;
        }
        jem_check_ok(status);
        ck_assert_double_eq(train_metric(w.t, "step"), (double)(step + 1));
    }
    ck_assert_int_ge(refused, 12); /* room for two states, at least */
    jem_check_ok(jem_trainer_save(calm.t, undisturbed));
    jem_check_ok(jem_trainer_save(w.t, path));
    train_check_same_file(undisturbed, path);
    train_close(&w);
    train_close(&calm);
    jem_check_no_leak(&memory);
}
END_TEST

void jem_train_add_guard(Suite *suite)
{
    TCase *c = train_case(suite, "guard");
    tcase_add_test(c, goes_back_and_on);
    tcase_add_test(c, lost_too_early_to_go_back);
    tcase_add_test(c, a_failed_step_goes_back);
    tcase_add_test(c, knobs_follow_the_area);
    tcase_add_test(c, held_weights_turn_no_knob);
    tcase_add_test(c, penalty_has_bounds);
    tcase_add_test(c, chains_follow_the_area);
    tcase_add_test(c, chains_wait_for_the_penalty);
    tcase_add_loop_test(c, chains_keep_their_length, 0, 2);
    tcase_add_test(c, chains_after_a_rollback);
    tcase_add_loop_test(c, aims_are_ends_of_one_scale, 0, 4);
    tcase_add_loop_test(c, resumed_like_undisturbed, 0, 5);
    tcase_add_test(c, longer_chains_are_resumed);
    tcase_add_test(c, report_changes_nothing);
    tcase_add_loop_test(c, spoilt_files, 0, 6);
    tcase_add_test(c, lengths_are_checked);
    tcase_add_test(c, guarded_and_no_memory);
}
