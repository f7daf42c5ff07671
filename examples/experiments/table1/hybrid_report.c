/* SPDX-License-Identifier: MIT */

/* See hybrid_report.h. */

#include "hybrid_report.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "kit/features/inception_score.h"
#include "table1.h"

/* The row that stands for the model. */
static const struct hybrid_row *judged(const struct hybrid *h)
{
    return &h->row[h->row[TOP].n > 0 ? TOP : ALL];
}

/* --- Tables ------------------------------------------------------------------------------- */

static void record_row_of(struct record_table *t, const struct hybrid_row *row)
{
    record_row(t);
    record_text(t, "images", row->name);
    record_whole(t, "n", row->n);
    record_whole(t, "against", row->against);
    record_number(t, "frechet", row->frechet);
    record_number(t, "is_mean", row->is_mean);
    record_number(t, "is_std", row->is_std);
}

static void record_rows(struct lab *l, const struct hybrid *h)
{
    const struct record_column columns[] = {
        {"images", "images", .kind = RECORD_TEXT},
        {"n", "number", .kind = RECORD_WHOLE},
        {"against", "against", .kind = RECORD_WHOLE},
        {"frechet", h->features == NULL ? "distance" : h->features->distance, .decimals = 4},
        {"is_mean", "IS", .decimals = 3},
        {"is_std", "+-", .decimals = 3},
    };
    const struct record_layout layout = {
        "rows",
        .title = "Samples, where their chains start, and real images",
        .only_files = h->features == NULL,
        RECORD_COLUMNS(columns),
    };
    struct record_table *t;

    if (h->features != NULL)
        record_say(l->record,
                   "\nSamples of this model, where its chains start, and real images:\n\n");
    t = record_table(l->record, &layout);
    for (int i = 0; i < ROWS; i++)
        if (h->row[i].n > 0)
            record_row_of(t, &h->row[i]);
    if (h->features != NULL)
        record_say(l->record,
                   "\nnumber    images of the set\n"
                   "against   training images that it is compared to\n"
                   "starts    where chains begin: what the steps have gained is the "
                   "difference\n"
                   "real      the distance of real images: perfect samples would have it, and "
                   "less is chance\n\n"
                   "%.4f s per image for its features\n",
                   h->features->seconds / (double)h->features->images);
}

static const struct record_column model_columns[] = {
    {"accuracy", "accuracy %", .decimals = 2, .percent = 1},
    {"distance", "distance", .kind = RECORD_TEXT},
    {"frechet", "of samples", .decimals = 3},
    {"frechet_starts", "of starts", .decimals = 3},
    {"frechet_real", "of real images", .decimals = 3},
    {"n_samples", "samples", .kind = RECORD_WHOLE},
    {"is_mean", "IS", .decimals = 2},
    {"is_std", NULL, .decimals = 2},
    {"features", NULL, .kind = RECORD_TEXT},
    {"seconds_per_image", NULL, .decimals = 4},
    {"no_classes", NULL, .kind = RECORD_TEXT},
};

static const struct record_layout model_layout = {
    .title = "The model",
    .only_page = 1,
    RECORD_COLUMNS(model_columns),
};

static void record_model(struct lab *l, const struct hybrid *h)
{
    const struct features *f = h->features;
    struct record_table *t = record_table(l->record, &model_layout);

    record_row_at(t, ".");
    record_number(t, "accuracy", h->accuracy);
    record_text(t, "no_classes", h->no_classes);
    record_text(t, "features", f == NULL ? NULL : f->name);
    record_text(t, "distance", f == NULL ? NULL : f->distance);
    record_whole(t, "n_samples", judged(h)->n);
    record_number(t, "frechet", f == NULL ? (double)NAN : judged(h)->frechet);
    record_number(t, "frechet_starts", f == NULL ? (double)NAN : h->row[STARTS].frechet);
    record_number(t, "frechet_real", f == NULL ? (double)NAN : h->row[REAL].frechet);
    record_number(t, "is_mean", f == NULL ? (double)NAN : judged(h)->is_mean);
    record_number(t, "is_std", f == NULL ? (double)NAN : judged(h)->is_std);
    record_number(t, "seconds_per_image",
                  f == NULL ? (double)NAN : f->seconds / (double)f->images);
}

/* --- The protocol ------------------------------------------------------------------------- */

static const char *describe_features(struct lab *l, const struct hybrid *h)
{
    const char *slash = h->classifier == NULL ? NULL : strrchr(h->classifier, '/');
    const struct inception *inception = h->features->inception;
    const char *source;

    if (inception == NULL)
        return lab_text(
            l,
            "FD-clf is the Frechet distance of the %" PRId64
            " features that the classifier %s makes its logits of; it is not FID, and compares "
            "models only under the same classifier.",
            h->features->d, slash == NULL ? h->classifier : slash + 1);
    source = inception_source(inception);
    return lab_text(
        l,
        "Inception-v3 of 2015-12-05 (weights %s, source SHA-256 %.8s) on the bytes%s, resized "
        "to 299 x 299 as by TensorFlow 1, (v - 128) / 128; distance of pool_3; IS of logits "
        "without bias, %d splits %s, mean and standard deviation of the splits.",
        inception_is_published(inception) ? "as published" : "NOT the published ones",
        source == NULL ? "unknown" : source,
        l->shape[0] == 1 ? ", the grey channel three times" : "", INCEPTION_SCORE_SPLITS,
        h->in_order ? "in the order of the images" : "in torch-fidelity's random order");
}

static void say_protocol(struct lab *l, const struct hybrid *h)
{
    const char *accuracy = lab_text(l, "No accuracy: %s.", h->no_classes), *top;

    if (h->no_classes == NULL)
        accuracy = lab_text(l, "Accuracy of argmax p(y|x) on %" PRId64 " %s, without noise.",
                            h->tested, lab_images_are(l));
    if (h->features == NULL) {
        record_protocol(l->record, "%s", accuracy);
        return;
    }
    top = h->keep == 100
              ? "All samples count."
              : lab_text(l,
                         "The model's row is of the %" PRId64
                         " %% of each predicted class with the largest p(y|x), as SADA-JEM's.",
                         h->keep);
    record_protocol(
        l->record,
        "%s Samples: %s. %s All images are looked at as bytes, round(clip((x + 1) / 2, 0, 1) * "
        "255). %s The reference are %" PRId64
        " training images of %s, evenly spaced; real images are "
        "every other one of it, at most as many as samples, against the rest. Frechet distance "
        "with covariances of N - 1, in double precision; it grows as sets shrink.",
        accuracy, h->samples.how, top, describe_features(l, h), h->reference, l->data);
}

void hybrid_report(struct lab *l, const struct hybrid *h)
{
    const struct features *f = h->features;
    const int is_fid =
        f != NULL && f->inception != NULL && inception_is_published(f->inception);

    /* A distance that is not FID has no place in Table 1. */
    table1_record(l, h->accuracy, is_fid ? judged(h)->is_mean : (double)NAN,
                  is_fid ? judged(h)->frechet : (double)NAN);
    record_rows(l, h);
    record_model(l, h);
    say_protocol(l, h);
}
