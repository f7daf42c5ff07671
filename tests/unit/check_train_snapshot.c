/* SPDX-License-Identifier: MIT */
/* Training: snapshots in memory, held against files of the same moment; the tables that state
 * and options share. */

#include "check_train.h"

#include <stdio.h>
#include <string.h>

#include "core/option_table.h"
#include "test_support.h"
#include "train/snapshot.h"

static const char *const kinds[] = {
    "train.ema=0.9 train.grad_clip=0.5", "train.optimizer=sgd train.lr=0.05",
    "start.kind=gaussian sgld.class_cond=1 pcd.class_parts=1",
    "train.weight_px=0", /* no samples */
};
#define KINDS ((int)(sizeof kinds / sizeof kinds[0]))

/* ---- going back ---- */

START_TEST(restored_is_what_was_saved)
{
    char then[JEM_TEST_PATH], later[JEM_TEST_PATH], path[JEM_TEST_PATH];
    struct world w = train_open(train_backends[_i % 2], 5, kinds[_i / 2]);
    float grad[MAX_WEIGHTS];
    jem__snapshot *snapshot;
    jem_test_path("then.safetensors", then);
    jem_test_path("later.safetensors", later);
    jem_test_path("restored.safetensors", path);
    jem_check_ok(jem_trainer_step(w.t, 3));
    train_fail_once(w.t); /* attempts and steps part */
    jem_check_ok(jem_trainer_step(w.t, 1));
    jem_check_ok(jem_trainer_save(w.t, then));
    jem_check_ok(jem__trainer_snapshot_take(w.t, &snapshot));
    jem_check_ok(jem_trainer_step(w.t, 6));
    jem_check_ok(jem_trainer_save(w.t, later));
    for (int32_t round = 0; round < 2; round++) { /* a snapshot serves more than once */
        jem_check_ok(jem__trainer_snapshot_restore(w.t, snapshot));
        jem_check_ok(jem_trainer_save(w.t, path));
        train_check_same_file(path, then);
        ck_assert_double_eq(train_metric(w.t, "step"), 4.0);
        ck_assert_double_nan(train_metric(w.t, "loss"));
        jem_check_fails(
            jem_trainer_param_grad(w.t, w.model->net->params[0].name, grad, MAX_WEIGHTS),
            JEM_E_STATE, "the last step failed");
        jem_check_ok(jem_trainer_step(w.t, 6));
        jem_check_ok(jem_trainer_save(w.t, path));
        train_check_same_file(path, later);
    }
    jem__trainer_snapshot_free(snapshot);
    train_close(&w);
}
END_TEST

/* After a restore the same bits follow as after a load. */
START_TEST(restored_goes_on_like_loaded)
{
    char then[JEM_TEST_PATH], a[JEM_TEST_PATH], b[JEM_TEST_PATH];
    struct world w = train_open("cpu", 5, kinds[_i]);
    jem__snapshot *snapshot;
    jem_trainer *loaded;
    jem_test_path("then.safetensors", then);
    jem_test_path("a.safetensors", a);
    jem_test_path("b.safetensors", b);
    jem_check_ok(jem_trainer_step(w.t, 3));
    jem_check_ok(jem_trainer_save(w.t, then));
    jem_check_ok(jem__trainer_snapshot_take(w.t, &snapshot));
    jem_check_ok(jem_trainer_step(w.t, 2));
    jem_check_ok(jem__trainer_snapshot_restore(w.t, snapshot));
    jem_check_ok(jem_trainer_load(w.ctx, w.data, then, &loaded));
    jem_check_ok(jem_trainer_step(w.t, 5));
    jem_check_ok(jem_trainer_step(loaded, 5));
    jem_check_ok(jem_trainer_save(w.t, a));
    jem_check_ok(jem_trainer_save(loaded, b));
    train_check_same_file(a, b);
    jem_trainer_free(loaded);
    jem__trainer_snapshot_free(snapshot);
    train_close(&w);
}
END_TEST

START_TEST(another_trainings_snapshot)
{
    char before[JEM_TEST_PATH], after[JEM_TEST_PATH];
    struct world w = train_open("cpu", 0, ""), v = train_open("cpu", 0, "");
    jem__snapshot *snapshot;
    jem_test_path("before.safetensors", before);
    jem_test_path("after.safetensors", after);
    jem_check_ok(jem_trainer_step(v.t, 2));
    jem_check_ok(jem_trainer_save(v.t, before));
    jem_check_ok(jem__trainer_snapshot_take(w.t, &snapshot));
    jem_check_fails(jem__trainer_snapshot_restore(v.t, snapshot), JEM_E_STATE, "another");
    jem_check_ok(jem_trainer_save(v.t, after));
    train_check_same_file(before, after);
    train_close(&w);
    jem__trainer_snapshot_free(snapshot); /* it may outlive its trainer */
    train_close(&v);
}
END_TEST

/* ---- want of memory ---- */

/* A world whose memory is `memory`. */
static struct world open_counted(jem_test_memory *memory)
{
    struct world w;
    jem_check_ok(jem_context_create_with_allocator("cpu", jem_test_alloc, jem_test_release,
                                                   memory, &w.ctx));
    jem_check_ok(jem_context_set_threads(w.ctx, 1));
    w.opts = train_options(w.ctx, "train.ema=0.5");
    w.data = train_data(w.ctx, IMAGES, 0);
    jem_check_ok(jem_model_create(w.ctx, w.opts, &w.model));
    jem_check_ok(jem_trainer_create(w.model, w.data, w.opts, &w.t));
    return w;
}

START_TEST(snapshots_and_no_memory)
{
    jem_test_memory memory = {0};
    char before[JEM_TEST_PATH], after[JEM_TEST_PATH];
    struct world w = open_counted(&memory);
    jem__snapshot *snapshot = NULL;
    int64_t refused = 0;
    jem_test_path("before.safetensors", before);
    jem_test_path("after.safetensors", after);
    jem_check_ok(jem_trainer_step(w.t, 2));
    jem_check_ok(jem_trainer_save(w.t, before));
    const int64_t blocks = memory.blocks;
    while (snapshot == NULL) {
        memory.fail_at = memory.calls + refused + 1;
        const jem_status status = jem__trainer_snapshot_take(w.t, &snapshot);
        memory.fail_at = 0;
        if (snapshot != NULL)
            break;
        ck_assert_int_eq(status, JEM_E_NOMEM);
        ck_assert_int_eq(memory.blocks, blocks);
        refused++;
    }
    ck_assert_int_ge(refused, 6); /* itself, four blocks, the buffer's images */
    jem_check_ok(jem_trainer_save(w.t, after));
    train_check_same_file(before, after);

    jem_check_ok(jem_trainer_step(w.t, 2));
    memory.fail_at = memory.calls + 1; /* restoring asks for none */
    jem_check_ok(jem__trainer_snapshot_restore(w.t, snapshot));
    memory.fail_at = 0;
    jem_check_ok(jem_trainer_save(w.t, after));
    train_check_same_file(before, after);
    jem__trainer_snapshot_free(snapshot);
    train_close(&w);
    jem_check_no_leak(&memory);
}
END_TEST

/* ---- tables ---- */

static const char *choices_of(const char *option)
{
    for (int32_t i = 0; i < JEM__OPTION_COUNT; i++) {
        if (strcmp(jem__option_rows[i].name, option) == 0)
            return jem__option_rows[i].choices;
    }
    ck_abort_msg("no option %s", option);
    return NULL;
}

START_TEST(rules_are_what_options_allow)
{
    char names[256] = "";
    for (int32_t i = 0; i < JEM__OPTIMIZERS; i++) {
        const size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%s", i > 0 ? ", " : "",
                 jem__optimizers[i].name);
    }
    ck_assert_str_eq(names, choices_of("train.optimizer"));
    names[0] = '\0';
    for (int32_t i = 0; i < JEM__CHAIN_RULES; i++) {
        const size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%s", i > 0 ? ", " : "",
                 jem__chain_rules[i].name);
    }
    ck_assert_str_eq(names, choices_of("sampler.rule"));
}
END_TEST

void jem_train_add_snapshots(Suite *suite)
{
    TCase *c = train_case(suite, "snapshots");
    tcase_add_loop_test(c, restored_is_what_was_saved, 0, 2 * KINDS);
    tcase_add_loop_test(c, restored_goes_on_like_loaded, 0, KINDS);
    tcase_add_test(c, another_trainings_snapshot);
    tcase_add_test(c, snapshots_and_no_memory);
    tcase_add_test(c, rules_are_what_options_allow);
}
