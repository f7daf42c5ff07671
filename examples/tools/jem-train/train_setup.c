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
#include "kit/base/report.h"
#include "kit/cli/settings.h"
#include "kit/data/checkpoint.h"
#include "kit/data/data.h"
#include "kit/data/holdout.h"

/* Is OUT the folder of the training that is continued? */
static int stays_there(const struct run *r)
{
    char own[FILE_PATH_BYTES];

    return r->arg->resume != NULL && file_folder_of(own, r->arg->resume) == EXIT_OK &&
           file_same(own, r->folder);
}

/* OUT and the names in it. Nothing of an earlier training is lost by accident. */
static int open_folder(struct run *r)
{
    const struct train_arguments *a = r->arg;
    int rc;

    if (a->out == NULL)
        rc = file_folder_of(r->folder, a->resume);
    else
        rc = (size_t)snprintf(r->folder, sizeof r->folder, "%s", a->out) < sizeof r->folder
                 ? EXIT_OK
                 : report_failed("--out %.60s...: too long", a->out);
    if (rc == EXIT_OK)
        rc = file_make_folder(r->folder);
    if (rc == EXIT_OK)
        rc = file_join(r->last, r->folder, "last.safetensors");
    if (rc == EXIT_OK)
        rc = file_join(r->best, r->folder, "best.safetensors");
    if (rc == EXIT_OK)
        rc = file_join(r->record, r->folder, "train.json");
    if (rc == EXIT_OK && !stays_there(r)) {
        r->replaces = file_exists(r->last);
        r->best_accuracy = (double)NAN; /* the best model stays in the other folder */
        r->best_step = 0;
    }
    if (rc == EXIT_OK && r->replaces && !a->overwrite)
        rc = report_usage("%s already holds a training; go on with it (--resume %s), choose "
                          "another --out, or say --overwrite",
                          r->folder, r->last);
    return rc;
}

/* With --overwrite: what the new training may never write, or would append to. */
static int remove_replaced(const struct run *r)
{
    static const char *const names[] = {"best.safetensors", "diverged.safetensors",
                                        "samples.png", "log.jsonl"};
    char path[FILE_PATH_BYTES];
    int rc = EXIT_OK;

    for (size_t i = 0; i < sizeof names / sizeof names[0] && rc == EXIT_OK; i++) {
        rc = file_join(path, r->folder, names[i]);
        if (rc == EXIT_OK && unlink(path) != 0 && errno != ENOENT)
            rc = report_failed("cannot remove %s: %s", path, strerror(errno));
    }
    return rc;
}

/* What train.json beside the file says about the training that is continued. */
static int read_record(struct run *r)
{
    char folder[FILE_PATH_BYTES], path[FILE_PATH_BYTES];
    int rc = file_folder_of(folder, r->arg->resume);
    const json_t *best;

    if (rc == EXIT_OK)
        rc = file_join(path, folder, "train.json");
    if (rc == EXIT_OK)
        rc = json_read_file(path, &r->before);
    if (rc != EXIT_OK || r->before == NULL)
        return rc;
    best = json_object_get(r->before, "best");
    r->data_name = json_string_value(json_object_get(r->before, "data"));
    r->earlier_seconds = json_number_value(json_object_get(r->before, "seconds_training"));
    r->earlier_validate_seconds =
        json_number_value(json_object_get(r->before, "seconds_validation"));
    r->diverged = json_integer_value(json_object_get(r->before, "diverged"));
    if (json_is_number(json_object_get(best, "validation_accuracy"))) {
        r->best_accuracy = json_number_value(json_object_get(best, "validation_accuracy"));
        r->best_step = json_integer_value(json_object_get(best, "step"));
    }
    return EXIT_OK;
}

static int open_data(struct run *r)
{
    const struct train_arguments *a = r->arg;
    const json_t *held = json_object_get(r->before, "validation");
    const json_t *split_seed = json_object_get(r->before, "split_seed");
    jem_dataset *all = NULL;
    int64_t n = 0;
    int rc;

    if (a->data != NULL)
        r->data_name = a->data;
    else if (r->data_name == NULL)
        r->data_name = "fashion-mnist";
    rc = data_open(r->ctx, r->data_name, "train", &all);
    if (rc == EXIT_OK)
        rc = report_jem(jem_dataset_shape(all, r->shape));
    if (rc == EXIT_OK)
        rc = report_jem(jem_dataset_size(all, &n));
    r->validation = a->validation;
    if (a->validation < 0 && json_is_integer(held))
        r->validation = json_integer_value(held);
    else if (a->validation < 0)
        r->validation = holdout_default(n);
    if (rc == EXIT_OK && r->validation >= n)
        rc = report_usage("--validation %" PRId64 ": must be less than the %" PRId64
                          " training images",
                          r->validation, n);
    r->split_seed =
        json_is_integer(split_seed) ? json_integer_value(split_seed) : a->split_seed;
    if (rc == EXIT_OK && r->validation > 0) {
        rc = report_jem(
            jem_dataset_split(all, r->validation, r->split_seed, &r->images, &r->held_out));
        jem_dataset_free(all);
    } else {
        r->images = all;
    }
    return rc;
}

/* The settings of a new training: presets and --set, sizes from the data, --seed. */
static int choose_settings(struct run *r)
{
    int rc = settings_apply(r->opts, &r->arg->presets, &r->arg->sets);

    if (rc == EXIT_OK && r->arg->seed != NULL &&
        jem_options_set_str(r->opts, "train.seed", r->arg->seed) != JEM_OK)
        rc = report_usage("--seed %s: %s", r->arg->seed, jem_last_error());
    return rc;
}

/* The settings "model.*" are those of the model in --init. */
static int take_sizes_from_model(struct run *r, const jem_model *model)
{
    const char *name;
    char text[64];
    int rc = EXIT_OK;

    for (int64_t i = 0;
         rc == EXIT_OK && jem_options_info(i, &name, NULL, NULL, NULL, NULL) == JEM_OK; i++) {
        if (strncmp(name, "model.", 6) != 0)
            continue;
        rc = report_jem(jem_model_option(model, name, text, sizeof text));
        if (rc == EXIT_OK)
            rc = report_jem(jem_options_set_str(r->opts, name, text));
    }
    return rc;
}

static int copy_weights(const jem_model *from, jem_model *to)
{
    const char *name;
    int64_t shape[4];
    int rc = EXIT_OK;

    for (int64_t i = 0; rc == EXIT_OK && jem_model_param_info(from, i, &name, shape) == JEM_OK;
         i++) {
        const int64_t n = shape[0] * shape[1] * shape[2] * shape[3];
        float *values = malloc((size_t)n * sizeof *values);

        if (values == NULL)
            return report_no_memory();
        rc = report_jem(jem_model_param_get(from, name, values, n));
        if (rc == EXIT_OK)
            rc = report_jem(jem_model_param_set(to, name, values, n));
        free(values);
    }
    return rc;
}

/* A new model with the weights of --init. Not the loaded one itself: a model notes the settings
 * it was made with when it is saved, and these would be the old training's. */
static int create_model_from_file(struct run *r, jem_model **out)
{
    jem_model *old = NULL;
    int rc = report_jem(jem_model_load(r->ctx, r->arg->init, &old));

    if (rc == EXIT_OK)
        rc = take_sizes_from_model(r, old);
    if (rc == EXIT_OK)
        rc = report_jem(jem_model_create(r->ctx, r->opts, out));
    if (rc == EXIT_OK)
        rc = copy_weights(old, *out);
    jem_model_free(old);
    return rc;
}

static int create_trainer(struct run *r)
{
    jem_model *model = NULL;
    int rc = settings_take_shape(r->opts, r->shape);

    if (rc == EXIT_OK && r->arg->init != NULL)
        rc = create_model_from_file(r, &model);
    else if (rc == EXIT_OK)
        rc = report_jem(jem_model_create(r->ctx, r->opts, &model));
    if (rc == EXIT_OK)
        rc = report_jem(jem_trainer_create(model, r->images, r->opts, &r->trainer));
    jem_model_free(model);
    return rc;
}

/* How far the training is, and how far this run should go. */
static void plan(struct run *r)
{
    const double steps = settings_number(r->opts, "train.steps");
    const double epochs = settings_number(r->opts, "train.epochs");

    r->total = (int64_t)(steps > 0 ? steps : epochs * train_metric(r, "batches_per_epoch"));
    r->first_step = r->step = r->validated_step = (int64_t)train_metric(r, "step");
    r->limit = r->total;
    if (r->arg->steps > 0 && r->arg->steps < r->total - r->step)
        r->limit = r->step + r->arg->steps;
}

int train_set_up(struct run *r)
{
    const struct train_arguments *a = r->arg;
    struct checkpoint file = {0};
    int rc = settings_context(a->backend, a->threads, &r->ctx);

    if (rc == EXIT_OK)
        rc = report_jem(jem_options_create(r->ctx, &r->opts));
    if (rc == EXIT_OK && a->resume == NULL)
        rc = choose_settings(r);
    if (rc == EXIT_OK && a->resume != NULL)
        rc = checkpoint_open(a->resume, &file);
    if (rc == EXIT_OK && a->resume != NULL)
        rc = checkpoint_settings(&file, r->opts);
    checkpoint_close(&file);
    if (rc == EXIT_OK && a->resume != NULL)
        rc = read_record(r);
    if (rc == EXIT_OK)
        rc = open_data(r);
    if (rc == EXIT_OK)
        rc = open_folder(r);
    if (rc == EXIT_OK && a->resume == NULL)
        rc = create_trainer(r);
    else if (rc == EXIT_OK)
        rc = report_jem(jem_trainer_load(r->ctx, r->images, a->resume, &r->trainer));
    if (rc == EXIT_OK)
        plan(r);
    if (rc == EXIT_OK && r->replaces)
        rc = remove_replaced(r);
    return rc;
}

void train_tear_down(struct run *r)
{
    if (r->log != NULL)
        fclose(r->log);
    json_decref(r->before);
    jem_trainer_free(r->trainer);
    jem_dataset_free(r->images);
    jem_dataset_free(r->held_out);
    jem_options_free(r->opts);
    jem_context_free(r->ctx);
}
