/* SPDX-License-Identifier: MIT */

/* Judging a model while it trains: accuracy, calibration and log p(x) on images that the
 * training never sees, and log p(x) of the replay buffer's samples to hold against it. */

#include "train_run.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "kit/base/json_log.h"
#include "kit/images/image.h"
#include "kit/lab/train_best.h"

#define EVALUATION_BATCH 100 /* images; changes speed, never a result */
#define BUFFER_IMAGES    500 /* of the replay buffer, scored at a validation */
#define MOST_AUC         0.7 /* of real images against samples, where chains keep up */
#define GRID_SIDE        INT64_C(10)

/* The first images of the replay buffer; *n = 0 when the training has none. */
static int read_buffer(const struct run *r, int64_t most, float **x, int64_t *n)
{
    jem_buffer *buffer = NULL;
    jem_status status = jem_trainer_buffer(r->trainer, &buffer);

    *x = NULL;
    *n = 0;
    if (status == JEM_E_STATE)
        return EXIT_OK;
    if (status == JEM_OK)
        status = jem_buffer_size(buffer, n);
    *n = *n < most ? *n : most;
    if (status == JEM_OK) {
        *x = malloc((size_t)(*n * r->lab->size) * sizeof **x);
        status = *x == NULL ? JEM_OK : jem_buffer_read(buffer, 0, *n, *x);
    }
    jem_buffer_free(buffer);
    if (status == JEM_OK && *x == NULL)
        return report_no_memory();
    return report_jem(status);
}

/* Samples of the replay buffer beside real images; NaN without any. */
struct samples {
    double log_px; /* mean */
    double auc;    /* does log p(x) tell real images from them? */
};

static struct samples score_buffer(const struct run *r, jem_model *model,
                                   const struct evaluation *real)
{
    struct samples s = {(double)NAN, (double)NAN};
    struct evaluation e;
    float *x;
    int64_t n;

    must(read_buffer(r, BUFFER_IMAGES, &x, &n));
    if (n > 0) {
        must(evaluate_images(model, x, n, EVALUATION_BATCH, NULL, &e));
        s.log_px = e.mean_log_px;
        must_jem(jem_metric_auroc(r->lab->ctx, real->log_px, real->n, e.log_px, n, &s.auc));
        evaluate_free(&e);
    }
    free(x);
    return s;
}

/* "accuracy 71.20 %, the best so far" of images with labels, and log p(x) of all. */
static void say_validation(struct run *r, const struct evaluation *e, const struct samples *s,
                           int better)
{
    char accuracy[64] = "images have no labels, the latest model is kept", samples[48] = "";

    if (!isnan(e->accuracy))
        snprintf(accuracy, sizeof accuracy, "accuracy %.2f %%%s", 100 * e->accuracy,
                 better ? ", the best so far" : "");
    if (!isnan(s->log_px))
        snprintf(samples, sizeof samples, ", of samples %.2f (AUC %.2f)", s->log_px, s->auc);
    progress_say(&r->lab->progress, "step %" PRId64 ": validation %s, log p(x) %.2f%s", r->step,
                 accuracy, e->mean_log_px, samples);
}

static void log_validation(struct run *r, const struct evaluation *e, const struct samples *s,
                           int better)
{
    json_t *line = train_new_line(r, "validation");

    json_set_number(line, "accuracy", e->accuracy);
    json_set_number(line, "nll", e->nll);
    json_set_number(line, "ece", e->ece);
    json_set_number(line, "log_px", e->mean_log_px);
    json_set_number(line, "log_px_buffer", s->log_px);
    json_set_number(line, "gap", e->mean_log_px - s->log_px);
    json_set_number(line, "auc", s->auc);
    json_object_set_new(line, "best", json_boolean(better));
    say_validation(r, e, s, better);
    train_log_line(r, line);
}

/* The model becomes the best one, if it can be written: otherwise the one before stays it. */
static void keep_best(struct run *r, jem_model *model, double accuracy, double auc)
{
    const double before = r->best_accuracy, auc_before = r->best_auc;
    const int64_t step_before = r->best_step;

    r->best_accuracy = accuracy;
    r->best_auc = auc;
    r->best_step = r->step;
    train_note_run(r, model);
    r->lost_best = report_jem(jem_model_save(model, r->best)) != EXIT_OK;
    if (!r->lost_best)
        return;
    r->best_accuracy = before;
    r->best_auc = auc_before;
    r->best_step = step_before;
    report_note("the training goes on; the best model of a later validation is written");
}

/* Chains that keep up come first, where the guard holds on to them; then accuracy. */
static int is_better(const struct run *r, double accuracy, double auc)
{
    const int keeps_up = !(auc > MOST_AUC), kept_up = !(r->best_auc > MOST_AUC);

    if (isnan(r->best_accuracy))
        return 1;
    if (r->judges_chains && keeps_up != kept_up)
        return keeps_up;
    return accuracy > r->best_accuracy;
}

/* Without images to validate on, or without labels, the latest model counts as the best. */
void train_validate(struct run *r)
{
    const double start = progress_clock();
    struct evaluation e = {0};
    jem_model *model = NULL;
    struct samples s = {(double)NAN, (double)NAN};
    int better = 1;

    must(train_judged_model(r->trainer, r->opts, &model));
    e.accuracy = e.nll = e.ece = e.mean_log_px = (double)NAN;
    if (r->held_out != NULL) {
        must(evaluate_data(model, r->held_out, 0, r->validation, EVALUATION_BATCH, &e));
        s = score_buffer(r, model, &e);
    }
    if (!isnan(e.accuracy))
        better = is_better(r, e.accuracy, s.auc);
    if (better)
        keep_best(r, model, e.accuracy, s.auc);
    r->validate_seconds += progress_clock() - start;
    r->validated_step = r->step;
    if (r->held_out != NULL)
        log_validation(r, &e, &s, better);
    evaluate_free(&e);
    jem_model_free(model);
}

int train_has_best(const struct run *r)
{
    return r->best_step > 0 && file_exists(r->best);
}

int train_draw_samples(const struct run *r)
{
    char path[FILE_PATH_BYTES];
    float *x;
    int64_t n;
    int rc = read_buffer(r, GRID_SIDE * GRID_SIDE, &x, &n);

    if (rc == EXIT_OK && n > 0)
        rc = file_join(path, r->folder, "samples.png");
    if (rc == EXIT_OK && n > 0)
        rc = image_write_grid(path, x, n, r->lab->shape, GRID_SIDE);
    free(x);
    return rc;
}
