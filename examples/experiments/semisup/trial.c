/* SPDX-License-Identifier: MIT */

/* See trial.h. */

#include "trial.h"

#include <inttypes.h>
#include <math.h>

#include "kit/base/digest.h"
#include "kit/base/file.h"
#include "kit/lab/train_best.h"

static const struct record_column columns[] = {
    {"kind", NULL, .kind = RECORD_TEXT},
    {"labels_per_class", NULL, .kind = RECORD_WHOLE},
    {"seed", NULL, .kind = RECORD_WHOLE},
    {"accuracy", NULL, .decimals = 4},
    {"nll", NULL, .decimals = 4},
    {"ece", NULL, .decimals = 4},
    {"validation_accuracy", NULL, .decimals = 4},
    {"best_step", NULL, .kind = RECORD_WHOLE},
    {"steps", NULL, .kind = RECORD_WHOLE},
    {"diverged_after", NULL, .decimals = 0},
    {"file", NULL, .kind = RECORD_TEXT},
    {"model_md5", NULL, .kind = RECORD_TEXT},
};
const struct record_layout trial_layout = {
    "runs",
    .only_files = 1,
    RECORD_COLUMNS(columns),
};

static double test(struct lab *l, const char *path, const struct image_input *images,
                   struct record_table *runs)
{
    char md5[DIGEST_MD5_TEXT];
    const struct evaluation *e;
    double accuracy;

    must_jem(jem_model_load(l->ctx, path, &l->model));
    e = lab_evaluate(l, images);
    jem_model_free(l->model);
    l->model = NULL;
    must(digest_md5(path, md5));
    record_number(runs, "accuracy", e->accuracy);
    record_number(runs, "nll", e->nll);
    record_number(runs, "ece", e->ece);
    record_text(runs, "model_md5", md5);
    accuracy = e->accuracy;
    lab_drop(l, e);
    return accuracy;
}

double trial_run(struct lab *l, const struct trial *trial, struct record_table *runs)
{
    const char *file = lab_text(l, "%s-%" PRId64 "-seed%" PRId64 ".safetensors", trial->kind,
                                trial->labels, trial->seed);
    struct train_best best = {.name = file, .validate_every = trial->validate_every};
    char path[FILE_PATH_BYTES];

    must(file_join(path, l->out, file));
    must_jem(jem_options_set_i64(trial->opts, "train.seed", trial->seed));
    must(train_best(l->ctx, trial->opts, trial->data, trial->held_out, path, &l->progress,
                    &best));
    record_row(runs);
    record_text(runs, "kind", trial->kind);
    record_whole(runs, "labels_per_class", trial->labels);
    record_whole(runs, "seed", trial->seed);
    record_number(runs, "validation_accuracy", best.accuracy);
    record_whole(runs, "best_step", best.best_step);
    record_whole(runs, "steps", best.steps);
    record_number(runs, "diverged_after",
                  best.diverged_after < 0 ? (double)NAN : (double)best.diverged_after);
    record_text(runs, "file", file);
    return test(l, path, trial->test, runs);
}
