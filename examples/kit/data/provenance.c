/* SPDX-License-Identifier: MIT */

/* See provenance.h. */

#include "kit/data/provenance.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kit/base/report.h"
#include "kit/base/text.h"
#include "kit/data/data.h"
#include "kit/data/holdout.h"

#define FINGERPRINT_BYTES 17 /* of the text */

/* --- Writing ------------------------------------------------------------------------------ */

/* *kept = 0: the text is not UTF-8, or too long, and what was remembered before is forgotten. */
static int put(jem_model *model, const char *key, const char *text, int *kept)
{
    const jem_status status = jem_model_meta_set(model, key, text);

    *kept = status == JEM_OK;
    if (status == JEM_E_ARGUMENT || status == JEM_E_RANGE)
        return report_jem(jem_model_meta_set(model, key, NULL));
    return report_jem(status);
}

static int put_classes(jem_model *model, const char *spec, int64_t classes)
{
    int64_t lost = 0;

    for (int64_t y = 0; y < classes; y++) {
        const char *name = data_class_name(spec, y);
        char key[32];
        int kept;

        snprintf(key, sizeof key, "class.%" PRId64, y);
        TRY(put(model, key, name, &kept));
        lost += !kept;
    }
    if (lost > 0)
        report_note("the model does not remember the names of %" PRId64 " of its %" PRId64
                    " classes: they are not UTF-8, or too long",
                    lost, classes);
    return EXIT_OK;
}

/* A name of files, which may be any bytes: where it is not UTF-8 its bytes stand beside it. */
static int put_name(jem_model *model, const char *key, const char *bytes_key, const char *name)
{
    const int plain = name == NULL || text_is_utf8(name);
    char *shown = plain ? NULL : text_shown(name), *bytes = plain ? NULL : text_percent(name);
    int kept, rc = plain || (shown != NULL && bytes != NULL) ? EXIT_OK : report_no_memory();

    if (rc == EXIT_OK)
        rc = put(model, key, plain ? name : shown, &kept);
    if (rc == EXIT_OK)
        rc = put(model, bytes_key, bytes, &kept);
    free(shown);
    free(bytes);
    return rc;
}

/* How pictures were prepared: the options behind the folder. */
static int put_preparation(jem_model *model, const char *options)
{
    static const char *const names[] = {"size=", "crop=", "range="};
    static const char *const keys[] = {"image.size", "image.crop", "image.range"};
    char word[32];
    int kept;

    for (int i = 0; i < 3; i++)
        TRY(put(model, keys[i], NULL, &kept));
    TRY(put(model, "image.colour", NULL, &kept));
    while (options != NULL) {
        const size_t length = strcspn(++options, ",");

        snprintf(word, sizeof word, "%.*s", (int)length, options);
        for (int i = 0; i < 3; i++)
            if (strncmp(word, names[i], strlen(names[i])) == 0)
                TRY(put(model, keys[i], word + strlen(names[i]), &kept));
        if (strcmp(word, "grey") == 0 || strcmp(word, "gray") == 0)
            TRY(put(model, "image.colour", "grey", &kept));
        if (strcmp(word, "colour") == 0 || strcmp(word, "color") == 0)
            TRY(put(model, "image.colour", "colour", &kept));
        options = strchr(options, ',');
    }
    return EXIT_OK;
}

static int put_spec(jem_model *model, const char *spec)
{
    const size_t length = strcspn(spec, ":");
    const char *path = spec[length] == ':' ? spec + length + 1 : NULL;
    char kind[64];
    int kept;

    snprintf(kind, sizeof kind, "%.*s", (int)length, spec);
    TRY(put(model, "data.kind", kind, &kept));
    TRY(put_name(model, "data.spec", "data.spec_bytes", spec));
    TRY(put_name(model, "data.path", "data.path_bytes", path));
    return put_preparation(model, path == NULL ? NULL : strchr(path, ','));
}

static int identify(const jem_dataset *data, char text[FINGERPRINT_BYTES])
{
    int64_t number = 0;

    TRY(report_jem(jem_dataset_fingerprint(data, &number)));
    snprintf(text, FINGERPRINT_BYTES, "%016" PRIx64, (uint64_t)number);
    return EXIT_OK;
}

static int put_fingerprint(jem_model *model, const char *key, const jem_dataset *data)
{
    char text[FINGERPRINT_BYTES];
    int kept;

    if (data == NULL)
        return put(model, key, NULL, &kept);
    TRY(identify(data, text));
    return put(model, key, text, &kept);
}

/* The test split, or NULL: a training does not need it, so that one that cannot be read is said and
 * no failure. */
static int open_test(jem_context *ctx, const char *spec, jem_dataset **out)
{
    int own;

    *out = NULL;
    TRY(data_own_splits(spec, &own));
    if (own && data_open(ctx, spec, "test", out) != EXIT_OK) {
        *out = NULL;
        report_note("the training needs no test images; the model will not know them again");
    }
    return EXIT_OK;
}

int provenance_write(jem_context *ctx, jem_model *model, const char *spec,
                     const jem_dataset *training, const jem_dataset *validation)
{
    jem_dataset *test;
    int64_t shape[4];
    int rc;

    TRY(report_jem(jem_dataset_shape(training, shape)));
    TRY(put_spec(model, spec));
    TRY(put_classes(model, spec, shape[3]));
    TRY(put_fingerprint(model, "data.train", training));
    TRY(put_fingerprint(model, "data.validation", validation));
    TRY(open_test(ctx, spec, &test));
    rc = put_fingerprint(model, "data.test", test);
    jem_dataset_free(test);
    return rc;
}

/* --- Reading ------------------------------------------------------------------------------ */

static int get(const jem_model *model, const char *key, char **out)
{
    int64_t length = 0;
    jem_status status = jem_model_meta_get(model, key, NULL, 0, &length);

    *out = NULL;
    if (status == JEM_E_UNKNOWN)
        return EXIT_OK;
    if (status != JEM_OK && status != JEM_E_SPACE)
        return report_jem(status);
    *out = malloc((size_t)length + 1);
    if (*out == NULL)
        return report_no_memory();
    return report_jem(jem_model_meta_get(model, key, *out, length + 1, NULL));
}

int provenance_spec(const jem_model *model, char **out)
{
    char *bytes = NULL;

    TRY(get(model, "data.spec_bytes", &bytes));
    if (bytes == NULL)
        return get(model, "data.spec", out);
    *out = text_from_percent(bytes);
    free(bytes);
    return EXIT_OK;
}

int provenance_class(const jem_model *model, int64_t y, char **out)
{
    char key[32];

    snprintf(key, sizeof key, "class.%" PRId64, y);
    return get(model, key, out);
}

static int remembers(const jem_model *model, const char *key, const char *text)
{
    char kept[FINGERPRINT_BYTES];

    return jem_model_meta_get(model, key, kept, sizeof kept, NULL) == JEM_OK &&
           strcmp(text, kept) == 0;
}

/* A whole number that the training keeps with the model, or `otherwise`. */
static int64_t number_of(const jem_model *model, const char *key, int64_t otherwise)
{
    char text[32], *end;
    long long value;

    if (jem_model_meta_get(model, key, text, sizeof text, NULL) != JEM_OK)
        return otherwise;
    value = strtoll(text, &end, 10);
    return *end == '\0' && end != text ? (int64_t)value : otherwise;
}

/* Are these the training images before some were held out? The fingerprint of the rest tells, so
 * that a wrong guess does no harm. */
static int has_both(const jem_model *model, const jem_dataset *data, int *both)
{
    jem_dataset *rest = NULL, *held = NULL;
    char text[FINGERPRINT_BYTES];
    int64_t n = 0, count;
    int rc;

    *both = 0;
    TRY(report_jem(jem_dataset_size(data, &n)));
    count = number_of(model, "train.validation", holdout_default(n));
    if (count < 1 || count >= n)
        return EXIT_OK;
    TRY(report_jem(jem_dataset_split(
        data, count, number_of(model, "train.split_seed", HOLDOUT_SPLIT_SEED), &rest, &held)));
    rc = identify(rest, text);
    *both = rc == EXIT_OK && remembers(model, "data.train", text);
    jem_dataset_free(rest);
    jem_dataset_free(held);
    return rc;
}

int provenance_role(const jem_model *model, const jem_dataset *data, enum provenance_role *out)
{
    static const struct {
        const char *key;
        enum provenance_role role;
    } kept[] = {{"data.train", PROVENANCE_TRAINING},
                {"data.validation", PROVENANCE_VALIDATION},
                {"data.test", PROVENANCE_TEST}};
    char text[FINGERPRINT_BYTES];
    int both;

    *out = PROVENANCE_UNKNOWN;
    if (jem_model_meta_get(model, "data.train", NULL, 0, NULL) != JEM_OK)
        return EXIT_OK;
    TRY(identify(data, text));
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
        if (remembers(model, kept[i].key, text)) {
            *out = kept[i].role;
            return EXIT_OK;
        }
    TRY(has_both(model, data, &both));
    if (both)
        *out = PROVENANCE_BOTH;
    return EXIT_OK;
}

static const struct {
    const char *word, *images;
} roles[] = {
    [PROVENANCE_UNKNOWN] = {"unknown", "images"},
    [PROVENANCE_TRAINING] = {"training", "training images"},
    [PROVENANCE_VALIDATION] = {"validation", "validation images"},
    [PROVENANCE_BOTH] = {"training and validation", "training and validation images"},
    [PROVENANCE_TEST] = {"test", "test images"},
};

const char *provenance_images(enum provenance_role role)
{
    return roles[role].images;
}

const char *provenance_word(enum provenance_role role)
{
    return roles[role].word;
}
