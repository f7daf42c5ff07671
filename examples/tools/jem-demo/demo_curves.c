/* SPDX-License-Identifier: MIT */

/* See demo_page.h: the course of the training. */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "demo_page.h"
#include "kit/base/file.h"
#include "kit/base/json_log.h"
#include "kit/base/report.h"
#include "kit/draw/plot.h"

#define MAX_POINTS 20000

enum { CURVE_STEP, CURVE_LOSS, CURVE_ACCURACY, CURVE_DATA, CURVE_SAMPLE, CURVES };

static const char *const curve_fields[CURVES] = {"step", "loss", "accuracy", "log_px_data",
                                                 "log_px_sample"};

struct curves {
    size_t n, n_valid;
    double *values[CURVES];
    double *valid_step, *valid_accuracy;
};

static double number(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);

    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

static void curves_add(struct curves *c, const json_t *line)
{
    const char *type = json_string_value(json_object_get(line, "type"));

    if (type != NULL && strcmp(type, "validation") == 0 && c->n_valid < MAX_POINTS) {
        c->valid_step[c->n_valid] = number(line, "step");
        c->valid_accuracy[c->n_valid++] = 100.0 * number(line, "accuracy");
    } else if (type != NULL && strcmp(type, "step") == 0 && c->n < MAX_POINTS) {
        for (int f = 0; f < CURVES; f++)
            c->values[f][c->n] = number(line, curve_fields[f]);
        c->values[CURVE_ACCURACY][c->n] *= 100.0;
        c->n++;
    }
}

static int curves_read(struct curves *c, const char *run)
{
    char path[FILE_PATH_BYTES];
    uint8_t *bytes = NULL;
    size_t length = 0, start = 0;
    double *block = calloc((CURVES + 2) * MAX_POINTS, sizeof *block);
    int code = block != NULL ? file_join(path, run, "log.jsonl") : report_no_memory();

    c->values[0] = block;
    if (code != EXIT_OK)
        return code;
    for (int f = 1; f < CURVES; f++)
        c->values[f] = block + f * MAX_POINTS;
    c->valid_step = block + CURVES * MAX_POINTS;
    c->valid_accuracy = c->valid_step + MAX_POINTS;
    if (!file_exists(path))
        return EXIT_OK;
    code = file_read(path, &bytes, &length);
    for (size_t i = 0; code == EXIT_OK && i < length; i++)
        if (bytes[i] == '\n') {
            json_t *line = json_read_text((const char *)bytes + start, i - start, 0, NULL);
            if (line != NULL)
                curves_add(c, line);
            json_decref(line);
            start = i + 1;
        }
    free(bytes);
    return code == EXIT_OK ? json_sound() : code;
}

/* The mean of a window, so that a batch's noise does not hide the course. */
static int smooth(double *values, size_t n, size_t window)
{
    double *copy = malloc(n * sizeof *copy);

    if (copy == NULL)
        return report_no_memory();
    memcpy(copy, values, n * sizeof *copy);
    for (size_t i = 0; i < n; i++) {
        const size_t from = i < window ? 0 : i - window;
        const size_t to = i + window < n ? i + window : n - 1;
        double sum = 0.0;
        size_t count = 0;
        for (size_t j = from; j <= to; j++)
            if (isfinite(copy[j])) {
                sum += copy[j];
                count++;
            }
        values[i] = count > 0 ? sum / (double)count : (double)NAN;
    }
    free(copy);
    return EXIT_OK;
}

static void range_of(const double *values, size_t n, double *low, double *high)
{
    for (size_t i = 0; i < n; i++)
        if (isfinite(values[i])) {
            *low = fmin(*low, values[i]);
            *high = fmax(*high, values[i]);
        }
}

/* What was done to the images of a training batch, as the settings say it. */
static void say_batches(FILE *out, const json_t *train)
{
    const double pad = demo_setting(train, "train.crop_pad");
    const double flip = demo_setting(train, "train.flip");
    const double noise = demo_setting(train, "train.input_noise");
    const char *join = "";

    fputs("Training batches: the mean over a window, of images ", out);
    if (isnan(pad) || isnan(flip) || isnan(noise)) {
        fputs("whose augmentation is not known. ", out);
        return;
    }
    if (pad > 0) {
        fprintf(out, "cropped at random from a border of %.0f pixels", pad);
        join = ", ";
    }
    if (flip > 0) {
        fprintf(out, "%smirrored half of the time", join);
        join = ", ";
    }
    if (noise > 0)
        fprintf(out, "%swith Gaussian noise of standard deviation %g", join, noise);
    else if (*join == '\0')
        fputs("as they are, without augmentation or noise", out);
    fputs(". ", out);
}

static void say_validation(FILE *out, const json_t *train)
{
    const json_t *n = json_object_get(train, "validation");

    if (json_is_integer(n) && json_integer_value(n) > 0)
        fprintf(out, "Validation: %lld training images held out.",
                (long long)json_integer_value(n));
}

/* The course of the accuracy. */
static int write_accuracy(FILE *out, const struct curves *c, const json_t *train)
{
    const double *step = c->values[CURVE_STEP];
    double low = HUGE_VAL, high = -HUGE_VAL, last = step[c->n - 1];
    plot p;

    range_of(c->values[CURVE_ACCURACY], c->n, &low, &high);
    range_of(c->valid_accuracy, c->n_valid, &low, &high);
    if (!(low <= high))
        return EXIT_OK;
    plot_range(&low, &high);
    if (c->n_valid > 0)
        last = fmax(last, c->valid_step[c->n_valid - 1]);
    fputs("<figure>\n", out);
    TRY(plot_begin(&p, out, "Accuracy", "training step", "accuracy (%)", 0.0, last, low, high));
    plot_line(&p, step, c->values[CURVE_ACCURACY], c->n, 5, "training batches");
    if (c->n_valid > 0)
        plot_line(&p, c->valid_step, c->valid_accuracy, c->n_valid, 0, "validation images");
    TRY(plot_end(&p));
    fputs("<figcaption>", out);
    say_batches(out, train);
    if (c->n_valid > 0)
        say_validation(out, train);
    fputs("</figcaption></figure>\n", out);
    return EXIT_OK;
}

/* The course of log p(x), where it was learnt. */
static int write_density(FILE *out, const struct curves *c)
{
    const double *step = c->values[CURVE_STEP];
    double low = HUGE_VAL, high = -HUGE_VAL;
    plot p;

    range_of(c->values[CURVE_DATA], c->n, &low, &high);
    range_of(c->values[CURVE_SAMPLE], c->n, &low, &high);
    if (!(low <= high))
        return EXIT_OK;
    plot_range(&low, &high);
    fputs("<figure>\n", out);
    TRY(plot_begin(&p, out, "log p(x) + log Z", "training step", "mean over a batch (nats)",
                   0.0, step[c->n - 1], low, high));
    plot_line(&p, step, c->values[CURVE_DATA], c->n, 0, "data");
    plot_line(&p, step, c->values[CURVE_SAMPLE], c->n, 1, "samples");
    TRY(plot_end(&p));
    fputs("<figcaption>A gap that opens and keeps growing announces divergence."
          "</figcaption></figure>\n",
          out);
    return EXIT_OK;
}

static int write_curves(FILE *out, struct curves *c, const json_t *train)
{
    if (c->n == 0) {
        fputs("<p>The log has no step yet.</p>\n", out);
        return EXIT_OK;
    }
    for (int f = CURVE_LOSS; f < CURVES; f++)
        TRY(smooth(c->values[f], c->n, c->n / 100));
    fputs("<div class=\"row\">\n", out);
    TRY(write_accuracy(out, c, train));
    TRY(write_density(out, c));
    fputs("</div>\n", out);
    return EXIT_OK;
}

int demo_curves_write(FILE *out, const json_t *train, const char *run)
{
    struct curves c = {0};
    int code = curves_read(&c, run);

    if (code == EXIT_OK)
        code = write_curves(out, &c, train);
    free(c.values[0]);
    return code;
}

double demo_setting(const json_t *train, const char *name)
{
    const char *text =
        json_string_value(json_object_get(json_object_get(train, "settings"), name));

    return text == NULL ? (double)NAN : strtod(text, NULL);
}
