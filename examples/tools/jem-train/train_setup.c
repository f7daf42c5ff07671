/* SPDX-License-Identifier: MIT */

/* Setting up a run of jem-train: settings from the command line or, to go on, from the file
 * itself; data; the folder; the trainer. */

#include "train_run.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kit/base/json_log.h"
#include "kit/data/holdout.h"
#include "kit/lab/train_best.h"

#define VALIDATE_EVERY 500 /* steps, unless said otherwise */

/* Is OUT the folder of the training that is continued? */
static int stays_there(const struct run *r)
{
    char own[FILE_PATH_BYTES];
    int same = 0;

    if (r->arg->resume == NULL)
        return 0;
    must(file_folder_of(own, r->arg->resume));
    must(file_same(own, r->folder, &same));
    return same;
}

/* OUT and the names in it. Nothing of an earlier training is lost by accident. */
static void open_folder(struct run *r)
{
    const char *out = r->lab->out;

    if (out == NULL)
        must(file_folder_of(r->folder, r->arg->resume));
    else if ((size_t)snprintf(r->folder, sizeof r->folder, "%s", out) >= sizeof r->folder)
        must(report_failed("--out %.60s...: too long", out));
    must(file_make_folder(r->folder));
    train_lock(r);
    must(file_join(r->last, r->folder, "last.safetensors"));
    must(file_join(r->best, r->folder, "best.safetensors"));
    must(file_join(r->record, r->folder, "train.json"));
    if (stays_there(r)) {
        train_recall_best(r);
    } else {
        int best = 0;

        must(file_look(r->last, &r->replaces));
        must(file_look(r->best, &best));
        r->replaces |= best;
        r->best_accuracy = (double)NAN; /* the best model stays in the other folder */
        r->best_step = 0;
    }
    if (!r->replaces || r->arg->overwrite)
        return;
    if (file_exists(r->last))
        must(report_usage("%s already holds a training; go on with it (--resume %s), choose "
                          "another --out, or say --overwrite",
                          r->folder, train_quoted(r, r->last)));
    must(report_usage("%s already holds a model, %s; choose another --out, or say --overwrite",
                      r->folder, r->best));
}

/* What the new training may never write, or would append to. */
void train_remove_replaced(const struct run *r)
{
    static const char *const names[] = {"best.safetensors", "diverged.safetensors",
                                        "samples.png", "log.jsonl", "live.html"};
    char path[FILE_PATH_BYTES];

    if (!r->replaces)
        return;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        must(file_join(path, r->folder, names[i]));
        if (unlink(path) != 0 && errno != ENOENT)
            must(report_failed("cannot remove %s: %s", path, strerror(errno)));
    }
}

static void release_json(void *json)
{
    json_decref(json);
}

/* What train.json beside the file says about the training that is continued. It may be missing or
 * broken: what the training needs is in the file itself, or in best.safetensors. */
static void read_record(struct run *r)
{
    char folder[FILE_PATH_BYTES], path[FILE_PATH_BYTES];
    const json_t *best, *held;

    must(file_folder_of(folder, r->arg->resume));
    must(file_join(path, folder, "train.json"));
    if (json_read_file(path, &r->before) != EXIT_OK)
        report_note("going on without it; only the times in it are lost");
    if (r->before == NULL)
        return;
    lab_keep(r->lab, r->before, release_json);
    best = json_object_get(r->before, "best");
    if (json_is_string(json_object_get(r->before, "data")))
        r->data_name = lab_keep(r->lab, json_get_text(r->before, "data"), free);
    r->earlier_seconds = json_number_value(json_object_get(r->before, "seconds_training"));
    r->earlier_validate_seconds =
        json_number_value(json_object_get(r->before, "seconds_validation"));
    r->diverged = json_integer_value(json_object_get(r->before, "diverged"));
    if (json_is_number(json_object_get(best, "validation_accuracy")))
        r->best_accuracy = json_number_value(json_object_get(best, "validation_accuracy"));
    r->best_step = json_integer_value(json_object_get(best, "step"));
    r->kept_validation_split = json_is_true(json_object_get(r->before, "validation_split"));
    held = json_object_get(r->before, "validation");
    if (json_is_integer(held))
        r->kept_validation = json_integer_value(held);
    held = json_object_get(r->before, "split_seed");
    if (json_is_integer(held)) {
        r->keeps_split_seed = 1;
        r->kept_split_seed = json_integer_value(held);
    }
}

/* Does the data set bring images to validate with, and do they count? Only where nobody says how
 * many training images are held out. A training that goes on does as it did before. */
static int open_validation(struct run *r)
{
    int64_t shape[4];
    int has = 0;

    if (r->arg->validation >= 0 || (r->arg->resume != NULL && !r->kept_validation_split))
        return 0;
    must(data_has_validation(r->data_name, &has));
    if (!has)
        return 0;
    r->held_out = lab_dataset(r->lab, r->data_name, "validation");
    must_jem(jem_dataset_shape(r->held_out, shape));
    if (memcmp(shape, r->lab->shape, sizeof shape) != 0)
        must(report_failed("--data %s: its validation images are not of the size of its "
                           "training images; add ,size=N to have all alike",
                           r->data_name));
    must_jem(jem_dataset_size(r->held_out, &r->validation));
    r->validation_split = 1;
    return 1;
}

/* How many of the n images are held out. A training that goes on keeps its own: others would be
 * images that it has learnt. */
static int64_t choose_validation(const struct run *r, int64_t n)
{
    const int64_t said = r->arg->validation, kept = r->kept_validation;

    if (kept >= 0 && said >= 0 && said != kept)
        must(report_usage("--validation %" PRId64 ": the training in %s holds out %" PRId64
                          " images and goes on with these; leave the option out",
                          said, r->arg->resume, kept));
    if (kept >= 0)
        return kept;
    return said >= 0 ? said : holdout_default(n);
}

static void name_data(struct run *r)
{
    char *absolute = NULL;

    if (r->lab->data != NULL)
        r->data_name = r->lab->data;
    else if (r->data_name == NULL)
        r->data_name = "fashion-mnist";
    must(data_absolute(r->data_name, &absolute));
    r->data_name = lab_keep(r->lab, absolute, free);
}

static void open_data(struct run *r)
{
    int64_t n = 0, shape[4];

    name_data(r);
    r->images = lab_dataset(r->lab, r->data_name, "train");
    must_jem(jem_dataset_shape(r->images, shape));
    lab_set_shape(r->lab, shape);
    must_jem(jem_dataset_size(r->images, &n));
    r->validation = choose_validation(r, n);
    r->split_seed = r->keeps_split_seed ? r->kept_split_seed : r->arg->split_seed;
    if (open_validation(r)) {
        progress_say(&r->lab->progress,
                     "validation with the %" PRId64 " images of the data's own split (with "
                     "--validation N: with N of the training images)",
                     r->validation);
        return;
    }
    if (r->validation >= n)
        must(report_usage("--validation %" PRId64 ": must be less than the %" PRId64
                          " training images",
                          r->validation, n));
    if (r->validation > 0) {
        jem_dataset *all = r->images;

        lab_split(r->lab, all, r->validation, r->split_seed, &r->images, &r->held_out);
        lab_drop(r->lab, all);
    }
}

/* --steps, --seed, --guard and --aim say more than presets and --set. */
static void apply_arguments(struct run *r)
{
    const struct train_arguments *a = r->arg;

    if (a->steps > 0)
        must_jem(jem_options_set_str(r->opts, "train.steps",
                                     lab_text(r->lab, "%" PRId64, a->steps)));
    train_set_guard(r);
    if (a->seed != NULL && jem_options_set_str(r->opts, "train.seed", a->seed) != JEM_OK)
        must(report_usage("--seed %s: %s", a->seed, report_reason()));
}

/* The file's when a training goes on; else those of the command line. */
static void take_settings(struct run *r)
{
    r->opts = lab_settings(r->lab, r->arg->resume, &r->arg->presets, &r->arg->sets);
    if (r->arg->resume == NULL)
        apply_arguments(r);
}

static int is_labelled(const struct run *r)
{
    int32_t y[256];
    int64_t n = 0;

    must_jem(jem_dataset_size(r->images, &n));
    for (int64_t i = 0; i < n; i += 256) {
        const int64_t some = n - i < 256 ? n - i : 256;

        must_jem(jem_dataset_read(r->images, i, some, NULL, y));
        for (int64_t k = 0; k < some; k++)
            if (y[k] >= 0)
                return 1;
    }
    return 0;
}

static int is_set(const struct cli_list *sets, const char *name)
{
    const size_t length = strlen(name);

    for (int64_t i = 0; i < sets->count; i++)
        if (strncmp(sets->items[i], name, length) == 0 && sets->items[i][length] == '=')
            return 1;
    return 0;
}

/* Without labels there is no class to learn, and none to fit starts of chains to. What --set says
 * stays. */
static void settle_without_labels(struct run *r)
{
    static const char *const settings[][2] = {
        {"train.weight_py_x", "0"}, {"train.weight_pxy", "0"}, {"start.kind", "uniform"}};

    if (is_labelled(r))
        return;
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        if (!is_set(&r->arg->sets, settings[i][0]))
            must_jem(jem_options_set_str(r->opts, settings[i][0], settings[i][1]));
    report_note("the images of %s have no labels: the training is of log p(x) alone "
                "(train.weight_py_x = train.weight_pxy = 0, start.kind = uniform, unless --set "
                "says otherwise)",
                r->data_name);
}

/* The settings "model.*" are those of the model in --init. */
static void take_sizes_from_model(struct run *r, const jem_model *model)
{
    const char *name;
    char text[64];

    for (int64_t i = 0; jem_options_info(i, &name, NULL, NULL, NULL, NULL) == JEM_OK; i++) {
        if (strncmp(name, "model.", 6) != 0)
            continue;
        must_jem(jem_model_option(model, name, text, sizeof text));
        must_jem(jem_options_set_str(r->opts, name, text));
    }
}

static void copy_weights(const struct run *r, const jem_model *from, jem_model *to)
{
    const char *name;
    int64_t shape[4];

    for (int64_t i = 0; jem_model_param_info(from, i, &name, shape) == JEM_OK; i++) {
        const int64_t n = shape[0] * shape[1] * shape[2] * shape[3];
        float *values = lab_floats(r->lab, n);

        must_jem(jem_model_param_get(from, name, values, n));
        must_jem(jem_model_param_set(to, name, values, n));
        lab_drop(r->lab, values);
    }
}

/* A new model with the weights of --init. Not the loaded one itself: a model notes the settings
 * it was made with when it is saved, and these would be the old training's. */
static jem_model *create_model_from_file(struct run *r)
{
    jem_model *old = lab_model(r->lab, r->arg->init), *model = NULL;

    take_sizes_from_model(r, old);
    must_jem(jem_model_create(r->lab->ctx, r->opts, &model));
    copy_weights(r, old, model);
    lab_drop(r->lab, old);
    return model;
}

static void create_trainer(struct run *r)
{
    jem_model *model = NULL;
    jem_status status;
    char start[64];

    must(settings_take_shape(r->opts, r->lab->shape));
    if (r->arg->init != NULL)
        model = create_model_from_file(r);
    else
        must_jem(jem_model_create(r->lab->ctx, r->opts, &model));
    status = jem_trainer_create(model, r->images, r->opts, &r->trainer);
    jem_model_free(model);
    must(settings_text(r->opts, "start.kind", start));
    if (status == JEM_E_STATE && strcmp(start, "uniform") != 0)
        must(report_failed("%s; a start that is fitted to each class needs more images of it. "
                           "Add some, leave the class out, hold fewer out (--validation), or "
                           "say --set start.kind=uniform",
                           report_reason()));
    must_jem(status);
}

/* How far the training is, and how far this run should go. */
static void plan(struct run *r)
{
    must(train_planned_steps(r->trainer, r->opts, &r->total));
    r->first_step = r->step = r->validated_step = (int64_t)train_metric(r, "step");
    /* Killed after the last save, it may lack the last validation. */
    if (r->arg->resume != NULL && r->best_step != r->step)
        r->validated_step = -1;
    r->limit = r->total;
    if (r->arg->stop_after > 0 && r->arg->stop_after < r->total - r->step)
        r->limit = r->step + r->arg->stop_after;
}

static void release_trainer(void *trainer)
{
    jem_trainer_free(trainer);
}

/* All that is saved from here on remembers it. */
static void note_data(const struct run *r)
{
    jem_model *model = NULL;
    int rc;

    must_jem(jem_trainer_model(r->trainer, &model));
    rc = provenance_write(r->lab->ctx, model, r->data_name, r->images, r->held_out);
    jem_model_free(model);
    must(rc);
}

void train_set_up(struct run *r)
{
    const char *resume = r->arg->resume;

    lab_open(r->lab);
    take_settings(r); /* what is wrong there shows before images are read */
    r->validate_every = VALIDATE_EVERY;
    r->kept_validation = -1;
    if (resume != NULL) {
        read_record(r);
        train_recall_run(r);
    }
    if (r->arg->validate_every > 0)
        r->validate_every = r->arg->validate_every;
    open_data(r);
    open_folder(r);
    if (train_chooses(r->arg)) {
        train_choose(r);
        apply_arguments(r);
    }
    if (resume == NULL)
        settle_without_labels(r);
    if (resume == NULL)
        create_trainer(r);
    if (resume == NULL && train_fit_budget(r)) {
        jem_trainer_free(r->trainer);
        create_trainer(r);
    }
    if (resume != NULL)
        must_jem(jem_trainer_load(r->lab->ctx, r->images, resume, &r->trainer));
    lab_keep(r->lab, r->trainer, release_trainer);
    train_watch_guard(r);
    note_data(r);
    plan(r);
}
