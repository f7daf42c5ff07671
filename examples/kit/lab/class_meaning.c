/* SPDX-License-Identifier: MIT */

/* See class_meaning.h. */

#include "kit/lab/class_meaning.h"

#include <stdlib.h>

#include "kit/base/report.h"
#include "kit/data/checkpoint.h"

/* A weight of the loss that the file notes as 0; one that it does not note is not. */
static int is_zero(const json_t *settings, const char *name)
{
    const char *text = json_string_value(json_object_get(settings, name));
    char *end = NULL;

    return text != NULL && strtod(text, &end) == 0 && end != text && *end == '\0';
}

int class_meaning(const char *model, int64_t classes, const char **why)
{
    struct checkpoint file;
    const json_t *settings;
    int rc;

    *why = classes < 2 ? "the model has one class" : NULL;
    if (*why != NULL)
        return EXIT_OK;
    rc = checkpoint_open(model, &file);
    if (rc != EXIT_OK)
        return rc;
    settings = json_object_get(file.header, "__metadata__");
    if (is_zero(settings, "train.weight_py_x") && is_zero(settings, "train.weight_pxy"))
        *why = "the model was trained without labels (train.weight_py_x = train.weight_pxy = "
               "0), so p(y|x) means nothing";
    checkpoint_close(&file);
    return EXIT_OK;
}
