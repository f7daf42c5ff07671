/* SPDX-License-Identifier: MIT */

/* What the model files themselves know about the run, as texts that libjem's models remember:
 *
 *     train.best_accuracy, train.best_step, train.best_auc    of the best validation so far
 *     train.validation, train.split_seed      images held out, and what chose them ...
 *     train.validation_split                  ... unless they are a split of the data set
 *     train.validate_every
 *
 * What the images are stands beside it (kit/data/provenance.h). They lie in one file with the
 * weights, so that no instant of a crash can part them. Which model is the best, and how good it
 * is, says best.safetensors alone: it may be younger than last.safetensors, and then the training
 * comes to it once more. */

#include "train_run.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kit/data/provenance.h"

#define NUMBER "%.17g" /* a double as it is */

static void note(jem_model *model, const char *key, const char *text)
{
    const jem_status status = jem_model_meta_set(model, key, text);

    /* What is no UTF-8, or too long, is not remembered; all else is sound. */
    if (status != JEM_E_ARGUMENT && status != JEM_E_RANGE)
        must_jem(status);
}

static void note_whole(jem_model *model, const char *key, int64_t value)
{
    char text[32];

    snprintf(text, sizeof text, "%" PRId64, value);
    note(model, key, text);
}

static void note_best(const struct run *r, jem_model *model)
{
    char text[32];

    snprintf(text, sizeof text, NUMBER, r->best_accuracy);
    note(model, "train.best_accuracy", isnan(r->best_accuracy) ? NULL : text);
    snprintf(text, sizeof text, "%" PRId64, r->best_step);
    note(model, "train.best_step", r->best_step > 0 ? text : NULL);
    snprintf(text, sizeof text, NUMBER, r->best_auc);
    note(model, "train.best_auc", isnan(r->best_auc) ? NULL : text);
}

void train_note_run(const struct run *r, jem_model *model)
{
    note_whole(model, "train.validation", r->validation);
    note_whole(model, "train.split_seed", r->split_seed);
    note(model, "train.validation_split", r->validation_split ? "yes" : NULL);
    note_whole(model, "train.validate_every", r->validate_every);
    note_best(r, model);
}

/* A text that is remembered; NULL: none. It is the lab's. */
static const char *text_of(const struct run *r, const jem_model *model, const char *key)
{
    int64_t length = 0;
    char *text;

    if (jem_model_meta_get(model, key, NULL, 0, &length) == JEM_E_UNKNOWN)
        return NULL;
    text = lab_array(r->lab, length + 1, 1);
    must_jem(jem_model_meta_get(model, key, text, length + 1, NULL));
    return text;
}

/* A whole number of at least 0; -1: none is remembered. */
static int64_t whole_of(const struct run *r, const jem_model *model, const char *key,
                        int *there)
{
    const char *text = text_of(r, model, key);
    char *end = NULL;
    long long value = 0;

    errno = 0;
    if (text != NULL)
        value = strtoll(text, &end, 10);
    *there = text != NULL && end != text && *end == '\0' && errno == 0;
    return *there ? (int64_t)value : -1;
}

void train_recall_run(struct run *r)
{
    jem_model *model = lab_model(r->lab, r->arg->resume);
    char *spec;
    int there;
    int64_t value;

    must(provenance_spec(model, &spec));
    if (spec != NULL)
        r->data_name = lab_keep(r->lab, spec, free);
    value = whole_of(r, model, "train.validation", &there);
    if (there && value >= 0)
        r->kept_validation = value;
    if (text_of(r, model, "train.validation_split") != NULL)
        r->kept_validation_split = 1;
    value = whole_of(r, model, "train.split_seed", &there);
    if (there) {
        r->kept_split_seed = value;
        r->keeps_split_seed = 1;
    }
    value = whole_of(r, model, "train.validate_every", &there);
    if (there && value > 0)
        r->validate_every = value;
    lab_drop(r->lab, model);
}

void train_recall_best(struct run *r)
{
    jem_model *model = NULL;
    const char *accuracy, *auc;
    jem_status status;
    int there;
    int64_t step;

    if (!file_exists(r->best)) {
        r->best_accuracy = (double)NAN;
        r->best_step = 0;
        return;
    }
    status = jem_model_load(r->lab->ctx, r->best, &model);
    if (status == JEM_E_NOMEM ||
        status == JEM_E_IO) /* it may be sound: nothing takes its place */
        must_jem(status);
    if (status != JEM_OK) {
        report_note("%s; the next model that is validated takes its place", report_reason());
        r->best_accuracy = (double)NAN;
        r->best_step = 0;
        return;
    }
    step = whole_of(r, model, "train.best_step", &there);
    if (there && step > 0) { /* otherwise train.json said it, in files of older versions */
        accuracy = text_of(r, model, "train.best_accuracy");
        r->best_step = step;
        r->best_accuracy = accuracy != NULL ? strtod(accuracy, NULL) : (double)NAN;
        auc = text_of(r, model, "train.best_auc");
        r->best_auc = auc != NULL ? strtod(auc, NULL) : (double)NAN;
    }
    jem_model_free(model);
}
