/* SPDX-License-Identifier: MIT */

/* See train_best.h. */

#include "kit/lab/train_best.h"

#include <inttypes.h>

#include "kit/base/report.h"
#include "kit/cli/settings.h"
#include "kit/lab/evaluate.h"

#define BATCH 250

int train_planned_steps(const jem_trainer *trainer, const jem_options *opts, int64_t *steps)
{
    const double said = settings_number(opts, "train.steps");
    double per_epoch = 0;
    const int rc = report_jem(jem_trainer_metric(trainer, "batches_per_epoch", &per_epoch));

    *steps = (int64_t)(said > 0 ? said : settings_number(opts, "train.epochs") * per_epoch);
    return rc;
}

int train_judged_model(jem_trainer *trainer, const jem_options *opts, jem_model **model)
{
    return report_jem(settings_number(opts, "train.ema") > 0
                          ? jem_trainer_average_model(trainer, model)
                          : jem_trainer_model(trainer, model));
}

/* Classify the held-out images; the best model so far goes to the file. */
static int validate(jem_trainer *trainer, const jem_options *opts, const jem_dataset *held_out,
                    const char *path, struct train_best *b)
{
    struct evaluation e = {0};
    jem_model *model = NULL;
    int64_t n = 0;
    int rc = train_judged_model(trainer, opts, &model);

    if (rc == EXIT_OK)
        rc = report_jem(jem_dataset_size(held_out, &n));
    if (rc == EXIT_OK)
        rc = evaluate_data(model, held_out, 0, n, BATCH, &e);
    if (rc == EXIT_OK && e.labelled == 0)
        rc = report_failed("%s: none of the %" PRId64 " images held out has a label", b->name,
                           n);
    if (rc == EXIT_OK && (b->best_step < 0 || e.accuracy > b->accuracy)) {
        b->accuracy = e.accuracy;
        b->best_step = b->steps;
        rc = report_jem(jem_model_save(model, path));
    }
    evaluate_free(&e);
    jem_model_free(model);
    return rc;
}

static int train(jem_trainer *trainer, const jem_options *opts, const jem_dataset *held_out,
                 const char *path, struct progress *progress, struct train_best *b)
{
    int64_t total = 0;
    double step = 0;
    int rc = train_planned_steps(trainer, opts, &total);

    b->best_step = b->diverged_after = -1;
    for (b->steps = 0; b->steps < total && rc == EXIT_OK;) {
        const jem_status status = jem_trainer_step(trainer, 1);

        if (status == JEM_E_NUMERIC && b->best_step >= 0) {
            b->diverged_after = b->steps;
            progress_clear(progress);
            report_note("%s: diverged after step %" PRId64 " (%s); the best until then counts",
                        b->name, b->steps, report_reason());
            return EXIT_OK;
        }
        rc = report_jem(status);
        if (rc != EXIT_OK)
            return rc;
        TRY(report_jem(jem_trainer_metric(trainer, "step", &step)));
        b->steps = (int64_t)step; /* a guard may have gone back */
        if (progress_due(progress))
            progress_show(progress, "%s: step %" PRId64 "/%" PRId64, b->name, b->steps, total);
        if (b->steps % b->validate_every == 0 || b->steps == total)
            rc = validate(trainer, opts, held_out, path, b);
    }
    return rc;
}

int train_best(jem_context *ctx, const jem_options *opts, jem_dataset *data,
               const jem_dataset *held_out, const char *path, struct progress *progress,
               struct train_best *b)
{
    jem_model *model = NULL;
    jem_trainer *trainer = NULL;
    int rc = report_jem(jem_model_create(ctx, opts, &model));

    if (rc == EXIT_OK)
        rc = report_jem(jem_trainer_create(model, data, opts, &trainer));
    if (rc == EXIT_OK)
        rc = train(trainer, opts, held_out, path, progress, b);
    progress_clear(progress);
    jem_trainer_free(trainer);
    jem_model_free(model);
    return rc;
}
