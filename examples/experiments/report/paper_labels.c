/* SPDX-License-Identifier: MIT */

/* See paper_page.h: what the rows of a picture are. */

#include "paper_page.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kit/data/data.h"
#include "kit/draw/html.h"

#define LABEL 80 /* bytes of a label */

static double number(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);

    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

const char *paper_images(const struct paper_run *r)
{
    const char *word =
        json_string_value(json_object_get(json_object_get(r->result, "data"), "images"));

    for (int role = PROVENANCE_UNKNOWN; word != NULL && role <= PROVENANCE_TEST; role++)
        if (strcmp(provenance_word((enum provenance_role)role), word) == 0)
            return provenance_images((enum provenance_role)role);
    return provenance_images(PROVENANCE_UNKNOWN);
}

/* The name of a class, or its number. */
static void name_class(const struct paper_plan *plan, double y, char out[LABEL])
{
    const char *name = y >= 0 ? data_class_name(plan->lab->data, (int64_t)y) : NULL;

    if (name != NULL)
        snprintf(out, LABEL, "%s", name);
    else
        snprintf(out, LABEL, "class %.0f", y);
}

/* A row of a picture of jem-likely: its class, if it has one of its own, and its scores. */
static int label_likely(const struct paper_plan *plan, const struct paper_run *r,
                        const char *file, int row, char out[LABEL])
{
    const json_t *pictures = json_object_get(r->result, "pictures"), *p, *image;
    double first = (double)NAN, last = (double)NAN, rows = 0;
    size_t i, k;

    json_array_foreach(pictures, i, p)
    {
        const char *own = json_string_value(json_object_get(p, "file"));

        if (own == NULL || strcmp(own, file) != 0)
            continue;
        rows = number(p, "rows");
        json_array_foreach(json_object_get(p, "images"), k, image)
        {
            if (number(image, "row") != row)
                continue;
            first = isnan(first) ? number(image, "score") : first;
            last = number(image, "score");
        }
    }
    if (!(row <= rows))
        return 0;
    *out = '\0';
    if (strstr(file, "-class-") != NULL)
        name_class(plan, row - 1, out);
    if (!isnan(first)) /* a row may be empty */
        snprintf(out + strlen(out), LABEL - strlen(out), "%s%.3g to %.3g",
                 *out != '\0' ? ": " : "", first, last);
    return 1;
}

/* A row of a picture with a row per class, of an array that has an object per class. */
static int label_class(const struct paper_plan *plan, const json_t *classes, const char *score,
                       int row, char out[LABEL])
{
    const json_t *c;
    size_t i;

    json_array_foreach(classes, i, c)
    {
        const double value = number(c, score);

        if (number(c, "class") != row - 1)
            continue;
        name_class(plan, row - 1, out);
        if (!isnan(value))
            snprintf(out + strlen(out), LABEL - strlen(out), ": p(y|x) %.2f", value);
        return 1;
    }
    return 0;
}

static int label(const struct paper_plan *plan, const struct paper_run *r, const char *file,
                 int row, char out[LABEL])
{
    if (strncmp(file, "test-log_", 9) == 0)
        return label_likely(plan, r, file, row, out);
    if (strcmp(file, "distal.png") == 0)
        return label_class(plan, json_object_get(r->result, "classes"), "prob_y", row, out);
    if (strcmp(file, "classes.png") == 0)
        return label_class(plan, json_object_get(r->result, "rows"), "confidence", row, out);
    if (strcmp(file, "adversarial.png") == 0) {
        const json_t *rows = json_object_get(json_object_get(r->result, "picture"), "rows");
        const char *text = json_string_value(json_array_get(rows, (size_t)row - 1));

        snprintf(out, LABEL, "%s", text == NULL ? "" : text);
        return text != NULL;
    }
    return 0;
}

int paper_labels(FILE *out, const struct paper_plan *plan, const struct paper_run *r,
                 const char *file)
{
    char text[LABEL];

    if (!label(plan, r, file, 1, text))
        return 0;
    html_labels_begin(out);
    for (int row = 1; label(plan, r, file, row, text); row++)
        html_label(out, text);
    html_labels_picture(out);
    return 1;
}
