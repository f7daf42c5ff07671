/* SPDX-License-Identifier: MIT */

/* See robustness_study.h: adversarial.png. */

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "kit/base/file.h"
#include "kit/base/json_log.h"
#include "kit/images/image.h"
#include "robustness_study.h"

/* 1, 2 or 5 times a power of ten, at most `most`, at least 1. */
static double round_factor(double most)
{
    const double power = pow(10, floor(log10(fmax(most, 1))));
    const double lead = most / power;

    return power * (lead >= 5 ? 5 : lead >= 2 ? 2 : 1);
}

double study_difference_factor(const struct study *s)
{
    const int64_t values = s->shown_columns * s->size;
    double most = 0;

    for (int64_t i = values; i < s->shown_rows * values; i++)
        most = fmax(most, fabs((double)s->shown[i] - (double)s->shown[i % values]));
    return most > 0 ? round_factor(1 / most) : 1;
}

void study_note_picture(struct study *s)
{
    const double factor = study_difference_factor(s);
    json_t *rows = json_array(), *o = json_object();

    json_array_append_new(rows, json_string(lab_images_are(s->lab)));
    for (int i = 0; i < s->result.count; i++) {
        const struct robustness_row *row = &s->result.rows[i];
        const int has_gradient = strcmp(row->gradient, "none") != 0;

        if (strcmp(row->attack, "worst") == 0) /* not an attack of its own */
            continue;
        json_array_append_new(
            rows,
            json_string(lab_text(s->lab, "JEM-%" PRId64 ", %s%s%s", row->refine, row->attack,
                                 has_gradient ? ", " : "", has_gradient ? row->gradient : "")));
        json_array_append_new(rows,
                              json_string(lab_text(s->lab, "difference, %g times", factor)));
    }
    json_set_text(o, "file", "adversarial.png");
    json_set_number(o, "difference_factor", factor);
    json_object_set_new(o, "rows", rows);
    json_object_set_new(record_json(s->lab->record), "picture", o);
}

void study_draw_images(struct study *s, char path[FILE_PATH_BYTES])
{
    const int64_t values = s->shown_columns * s->size, rows = 2 * s->shown_rows - 1;
    const double factor = study_difference_factor(s);
    float *grid = lab_floats(s->lab, rows * values);

    for (int64_t r = 0; r < s->shown_rows; r++) {
        const float *row = s->shown + r * values;
        float *out = grid + (r > 0 ? 2 * r - 1 : 0) * values;

        memcpy(out, row, (size_t)values * sizeof *out);
        for (int64_t i = 0; i < values && r > 0; i++)
            out[values + i] = (float)(factor * ((double)row[i] - (double)s->shown[i]));
    }
    must(file_join(path, s->lab->out, "adversarial.png"));
    must(
        image_write_grid(path, grid, rows * s->shown_columns, s->lab->shape, s->shown_columns));
    lab_drop(s->lab, grid);
}
