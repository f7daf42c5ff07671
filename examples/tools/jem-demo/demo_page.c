/* SPDX-License-Identifier: MIT */

/* See demo_page.h. */

#include "demo_page.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kit/base/file.h"
#include "kit/base/report.h"
#include "kit/base/table.h"
#include "kit/data/outliers.h"
#include "kit/draw/histogram.h"
#include "kit/draw/html.h"
#include "kit/draw/plot.h"

#define MAX_POINTS 20000

/* ------------------------------------------------------------------ training curves */

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
            json_t *line = json_loadb((const char *)bytes + start, i - start, 0, NULL);
            if (line != NULL)
                curves_add(c, line);
            json_decref(line);
            start = i + 1;
        }
    free(bytes);
    return code;
}

/* The mean of a window, so that a batch's noise does not hide the course. */
static void smooth(double *values, size_t n, size_t window)
{
    double *copy = malloc(n * sizeof *copy);

    if (copy == NULL)
        return;
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
}

static void range_of(const double *values, size_t n, double *low, double *high)
{
    for (size_t i = 0; i < n; i++)
        if (isfinite(values[i])) {
            *low = fmin(*low, values[i]);
            *high = fmax(*high, values[i]);
        }
}

static void write_curves(FILE *out, struct curves *c)
{
    const double *step = c->values[CURVE_STEP];
    double low = HUGE_VAL, high = -HUGE_VAL, last = 0.0;
    plot p;

    if (c->n < 2)
        return;
    last = step[c->n - 1];
    for (int f = CURVE_LOSS; f < CURVES; f++)
        smooth(c->values[f], c->n, c->n / 100);
    fputs("<h2>Training</h2>\n<div class=\"row\">\n<figure>\n", out);
    plot_begin(&p, out, "Accuracy", "training step", "accuracy (%)", 0.0, last, 40.0, 100.0);
    plot_line(&p, step, c->values[CURVE_ACCURACY], c->n, 5, "training batches");
    plot_line(&p, c->valid_step, c->valid_accuracy, c->n_valid, 0, "validation images");
    plot_end(&p);
    fputs("<figcaption>Training batches are augmented and noisy (mean over a window); the "
          "validation images are training images held out, and choose the weights that are "
          "kept.</figcaption></figure>\n",
          out);
    range_of(c->values[CURVE_DATA], c->n, &low, &high);
    range_of(c->values[CURVE_SAMPLE], c->n, &low, &high);
    if (low <= high) {
        const double margin = 0.08 * (high - low) + 0.05;
        fputs("<figure>\n", out);
        plot_begin(&p, out, "log p(x) + log Z", "training step", "mean over a batch (nats)",
                   0.0, last, low - margin, high + margin);
        plot_line(&p, step, c->values[CURVE_DATA], c->n, 0, "data");
        plot_line(&p, step, c->values[CURVE_SAMPLE], c->n, 1, "samples");
        plot_end(&p);
        fputs("<figcaption>A gap that opens and keeps growing announces divergence."
              "</figcaption></figure>\n",
              out);
    }
    fputs("</div>\n", out);
}

/* ------------------------------------------------------------------ the parts of the page */

static int write_histogram(FILE *out, const struct demo *d, const struct demo_outliers *o)
{
    const struct histogram sets[] = {{"test images", d->in.log_px, d->in.n},
                                     {o->name, o->scores.log_px, o->scores.n}};
    char title[96];
    int rc;

    snprintf(title, sizeof title, "Test images against %s: AUROC %.3f", o->name,
             o->auroc_log_px);
    fputs("<figure>\n", out);
    rc = histogram_draw(out, title, "log p(x) + log Z (nats)", sets, 2);
    fputs("<figcaption>", out);
    html_text(out, o->name);
    fputs(": ", out);
    html_text(out, o->what);
    fputs(". The outermost bins hold what lies beyond.</figcaption></figure>\n", out);
    return rc;
}

static int write_reliability(FILE *out, const struct demo *d)
{
    int64_t count[EVALUATE_BINS];
    double confidence[EVALUATE_BINS], accuracy[EVALUATE_BINS];
    char title[96];
    plot p;
    const int code = report_jem(
        jem_metric_reliability(d->test->prob_y, d->test->labels, d->test->n, d->test->classes,
                               EVALUATE_BINS, count, confidence, accuracy));

    if (code != EXIT_OK)
        return code;
    snprintf(title, sizeof title, "Reliability: ECE %.2f %%", 100.0 * d->test->ece);
    fputs("<figure>\n", out);
    plot_begin(&p, out, title, "confidence max p(y|x)", "accuracy", 0.0, 1.0, 0.0, 1.0);
    for (int b = 0; b < EVALUATE_BINS; b++)
        if (count[b] > 0)
            plot_bar(&p, (double)b / EVALUATE_BINS, (b + 1.0) / EVALUATE_BINS, accuracy[b], 0);
    plot_guide(&p, 0.0, 0.0, 1.0, 1.0);
    plot_end(&p);
    fputs("<figcaption>Bars on the dashed line: of images classified with 70 % confidence, "
          "70 % are right. 20 equal bins.</figcaption></figure>\n",
          out);

    fputs("<figure>\n", out);
    double share[EVALUATE_BINS], top = 0.0;
    for (int b = 0; b < EVALUATE_BINS; b++) {
        share[b] = 100.0 * (double)count[b] / (double)d->test->n;
        top = fmax(top, share[b]);
    }
    plot_begin(&p, out, "How confident the model is", "confidence max p(y|x)", "images (%)",
               0.0, 1.0, 0.0, 1.1 * top);
    plot_histogram(&p, share, EVALUATE_BINS, 0.0, 1.0, 2, NULL);
    plot_end(&p);
    fputs("<figcaption>Images in each bin of the diagram beside.</figcaption></figure>\n", out);
    return EXIT_OK;
}

static int write_auroc(FILE *out, const struct demo *d)
{
    static const char *const leads[] = {NULL};
    const struct record_source source = {d->record, leads};

    return record_write_html(out, DEMO_AUROC, leads, &source, 1);
}

static int write_grid(FILE *out, const char *folder, const char *name, const char *caption)
{
    char path[FILE_PATH_BYTES];
    int code = file_join(path, folder, name);

    if (code != EXIT_OK || !file_exists(path))
        return code;
    fputs("<figure>\n", out);
    code = html_picture(out, path, caption);
    fputs("<figcaption>", out);
    html_text(out, caption);
    fputs("</figcaption></figure>\n", out);
    return code;
}

static void write_tiles(FILE *out, const struct demo *d)
{
    char remark[80], words[32];

    fputs("<div class=\"tiles\">\n", out);
    snprintf(remark, sizeof remark, "%d test images", (int)d->test->n);
    html_tile(out, "test accuracy", "1 %", 100.0 * d->test->accuracy, remark);
    html_tile(out, "calibration error", "1 %", 100.0 * d->test->ece, "ECE, 20 bins");
    html_tile(out, "NLL", "2 nats", d->test->nll, "per test image");
    for (int k = 0; k < outlier_count; k++) {
        snprintf(remark, sizeof remark, "log p(x) against %s", d->outliers[k].name);
        html_tile(out, "AUROC", "3", d->outliers[k].auroc_log_px, remark);
    }
    if (d->train != NULL) {
        format_duration(number(d->train, "seconds_training"), words);
        snprintf(remark, sizeof remark, "steps in %s", words);
        html_tile(out, "training", "0", number(d->train, "steps"), remark);
    }
    fputs("</div>\n", out);
}

static void write_settings(FILE *out, const struct demo *d)
{
    const char *name;
    json_t *value;

    if (d->train == NULL)
        return;
    fputs("<h2>The exact run</h2>\n<table class=\"settings\">\n", out);
    json_object_foreach(d->train, name, value)
    {
        char *words = NULL;
        if (json_is_object(value) || json_is_array(value))
            continue;
        words = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(7));
        fprintf(out, "<tr><td>%s</td><td>", name);
        html_text(out, words != NULL ? words : "?");
        fputs("</td></tr>\n", out);
        free(words);
    }
    json_object_foreach(json_object_get(d->train, "settings"), name, value)
    {
        fprintf(out, "<tr><td>%s</td><td>", name);
        html_text(out, json_is_string(value) ? json_string_value(value) : "?");
        fputs("</td></tr>\n", out);
    }
    fputs("</table>\n", out);
}

static int write_page(FILE *out, const struct demo *d, const char *run, const char *folder)
{
    struct curves c = {0};
    int code;

    html_begin(out, "A classifier that knows what is likely");
    fputs("<h1>A classifier that knows what is likely</h1>\n<p class=\"soft\">One network, "
          "trained from scratch on ",
          out);
    html_text(out, d->data_name);
    fputs(" as a joint energy-based model (JEM, Grathwohl et al., ICLR 2020) by libjem: it "
          "classifies, says how sure it is, says how likely an image is, and draws images."
          "</p>\n",
          out);
    write_tiles(out, d);
    fputs("<h2>What it draws</h2>\n<div class=\"row\">\n", out);
    code =
        write_grid(out, run, "samples.png",
                   "Samples: chains of stochastic gradient Langevin dynamics on log p(x), as "
                   "they lie in the replay buffer at the end of training.");
    if (code == EXIT_OK)
        code = write_grid(out, run, "drawn/classes.png",
                          "One row per class: fresh chains on log p(x|y), from the class's "
                          "Gaussian start.");
    fputs("</div>\n<h2>What it finds likely</h2>\n<div class=\"row\">\n", out);
    if (code == EXIT_OK)
        code = write_grid(out, folder, "likely.png",
                          "The 40 most likely test images, by log p(x).");
    if (code == EXIT_OK)
        code = write_grid(out, folder, "unlikely.png", "The 40 least likely test images.");
    fputs("</div>\n<h2>What it knows about unknown images</h2>\n", out);
    if (code == EXIT_OK)
        code = write_auroc(out, d);
    fputs("<div class=\"row\">\n", out);
    for (int k = 0; k < outlier_count && code == EXIT_OK; k++)
        code = write_histogram(out, d, &d->outliers[k]);
    fputs("</div>\n<h2>How far its confidence can be trusted</h2>\n<div class=\"row\">\n", out);
    if (code == EXIT_OK)
        code = write_reliability(out, d);
    fputs("</div>\n", out);
    if (code == EXIT_OK)
        code = curves_read(&c, run);
    if (code == EXIT_OK)
        write_curves(out, &c);
    free(c.values[0]);
    write_settings(out, d);
    html_end(out);
    return code;
}

int demo_page_write(const struct demo *d, const char *run, const char *out)
{
    char path[FILE_PATH_BYTES];
    FILE *file;
    int code = file_join(path, out, "report.html");

    if (code != EXIT_OK)
        return code;
    file = fopen(path, "w");
    if (file == NULL)
        return report_failed("cannot write %s", path);
    code = write_page(file, d, run, out);
    if (fclose(file) != 0 && code == EXIT_OK)
        code = report_failed("cannot write %s: the disk may be full", path);
    return code;
}
