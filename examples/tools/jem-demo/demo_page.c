/* SPDX-License-Identifier: MIT */

/* See demo_page.h. */

#include "demo_page.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "kit/base/file.h"
#include "kit/base/file_writer.h"
#include "kit/base/json_log.h"
#include "kit/base/report.h"
#include "kit/base/table.h"
#include "kit/data/outliers.h"
#include "kit/draw/histogram.h"
#include "kit/draw/html.h"
#include "kit/draw/plot.h"
#include "kit/draw/reliability.h"

/* ------------------------------------------------------------------ the parts of the page */

static int write_histogram(FILE *out, const struct demo *d, const struct demo_outliers *o)
{
    const char *images = lab_images_are(d->lab);
    const struct histogram sets[] = {{images, d->in.log_px, d->in.n},
                                     {o->name, o->scores.log_px, o->scores.n}};
    char title[96];
    int rc;

    snprintf(title, sizeof title, "%c%s against %s: AUROC %.3f",
             toupper((unsigned char)images[0]), images + 1, o->name, o->auroc_log_px);
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
    static struct reliability r;

    TRY(reliability_measure(d->test->prob_y, d->test->labels, d->test->n, d->test->classes,
                            EVALUATE_BINS, &r));
    fputs("<figure>\n", out);
    TRY(reliability_draw(out, &r, "Reliability"));
    fprintf(out,
            "<figcaption>Bars that reach the dashed line: of images classified with 70 %% "
            "confidence, 70 %% are right. %d equal bins.</figcaption></figure>\n<figure>\n",
            EVALUATE_BINS);
    TRY(reliability_draw_counts(out, &r));
    fputs("<figcaption>How confident the model is: images in each bin of the diagram."
          "</figcaption></figure>\n",
          out);
    return EXIT_OK;
}

static int write_table(FILE *out, const struct demo *d, const char *name)
{
    static const char *const leads[] = {NULL};
    const struct record_source source = {d->record, leads};

    return record_write_html(out, name, leads, &source, 1);
}

static int write_grid(FILE *out, const char *folder, const char *name,
                      const struct demo_labels *labels, const char *caption)
{
    char path[FILE_PATH_BYTES];
    int code = file_join(path, folder, name);

    if (code != EXIT_OK || !file_exists(path))
        return code;
    fputs("<figure>\n", out);
    if (labels->count > 0)
        html_labels_begin(out);
    for (int i = 0; i < labels->count; i++)
        html_label(out, labels->text[i]);
    if (labels->count > 0)
        html_labels_picture(out);
    code = html_picture(out, path, caption);
    if (labels->count > 0)
        html_labels_end(out);
    fputs("<figcaption>", out);
    html_text(out, caption);
    fputs("</figcaption></figure>\n", out);
    return code;
}

static void write_tiles(FILE *out, const struct demo *d)
{
    char remark[80], words[32];

    fputs("<div class=\"tiles\">\n", out);
    if (d->no_classes == NULL && d->test->labelled > 0) {
        snprintf(remark, sizeof remark, "%d %s", (int)d->test->n, lab_images_are(d->lab));
        html_tile(out, d->lab->role == PROVENANCE_TEST ? "test accuracy" : "accuracy", "1 %",
                  100.0 * d->test->accuracy, remark);
        snprintf(remark, sizeof remark, "ECE, %d bins", EVALUATE_BINS);
        html_tile(out, "calibration error", "1 %", 100.0 * d->test->ece, remark);
        html_tile(out, "NLL", "2 nats", d->test->nll, "per image");
    }
    for (int k = 0; k < outlier_count; k++) {
        if (d->outliers[k].name == NULL)
            continue;
        snprintf(remark, sizeof remark, "log p(x) against %s", d->outliers[k].name);
        html_tile(out, "AUROC", "3", d->outliers[k].auroc_log_px, remark);
    }
    if (json_is_number(json_object_get(d->train, "steps"))) {
        const json_t *seconds = json_object_get(d->train, "seconds_training");

        format_duration(json_number_value(seconds), words);
        snprintf(remark, sizeof remark, "steps in %s", words);
        html_tile(out, "training", "0", json_number_value(json_object_get(d->train, "steps")),
                  json_is_number(seconds) ? remark : "steps");
    }
    fputs("</div>\n", out);
}

static void write_setting(FILE *out, const char *name, const char *value)
{
    fputs("<tr><th scope=\"row\">", out);
    html_text(out, name);
    fputs("</th><td>", out);
    html_text(out, value != NULL ? value : "?");
    fputs("</td></tr>\n", out);
}

static void write_settings(FILE *out, const struct demo *d)
{
    const char *name;
    json_t *value;

    fputs("<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Settings\">\n"
          "<table class=\"settings\">\n<thead><tr><th scope=\"col\">name</th>"
          "<th scope=\"col\">value</th></tr></thead>\n<tbody>\n",
          out);
    json_object_foreach(d->train, name, value)
    {
        char *words = NULL;
        if (json_is_object(value) || json_is_array(value))
            continue;
        words = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(7));
        write_setting(out, name, words);
        free(words);
    }
    json_object_foreach(json_object_get(d->train, "settings"), name, value)
        write_setting(out, name, json_string_value(value));
    fputs("</tbody>\n</table>\n</div>\n", out);
}

/* --- The sections ------------------------------------------------------------------------- */

enum { DRAWS, LIKELY, DENSITY, CONFIDENCE, CLASSES, TRAINING, SETTINGS, SECTIONS };

static const struct html_heading sections[SECTIONS] = {
    {"draws", "What it draws"},
    {"likely", "What it finds likely"},
    {"density", "Does it know images that are not of its data?"},
    {"confidence", "Can its confidence be trusted?"},
    {"classes", "Which classes does it confuse?"},
    {"training", "Training"},
    {"run", "The exact run"},
};

static int exists(const char *folder, const char *name)
{
    char path[FILE_PATH_BYTES];

    return file_join(path, folder, name) == EXIT_OK && file_exists(path);
}

/* Is there something to show in a section? */
static int is_there(const struct demo *d, const char *run, int section)
{
    switch (section) {
    case DRAWS:
        return exists(run, "samples.png") || exists(run, "drawn/classes.png");
    case CONFIDENCE:
    case CLASSES:
        return d->no_classes == NULL && d->test->labelled > 0;
    case TRAINING:
        return exists(run, "log.jsonl");
    case SETTINGS:
        return d->train != NULL;
    default:
        return 1;
    }
}

static int write_draws(FILE *out, const struct demo *d, const char *run)
{
    const char *samples =
        "Samples: chains of SGLD on log p(x), as they lie in the replay buffer "
        "at the end of training.";
    char caption[400];

    snprintf(
        caption, sizeof caption,
        "%s Beside each row %sthe least and the largest log p(x) + log Z of its images, as "
        "the picture has them.",
        samples,
        d->no_classes == NULL
            ? "the class that the model takes most of them for, with how many, and "
            : "");

    fputs("<div class=\"row\">\n", out);
    TRY(write_grid(out, run, "samples.png", &d->samples,
                   d->samples.count > 0 ? caption : samples));
    TRY(write_grid(out, run, "drawn/classes.png", &d->drawn,
                   "One row per class: chains on log p(x|y) that jem-sample has run; p(y|x): "
                   "the mean of the row at their end."));
    fputs("</div>\n", out);
    return EXIT_OK;
}

/* "The most likely test images": the order is that of log p(x). */
static int write_extreme(FILE *out, const struct demo *d, const char *folder, int least)
{
    char caption[300];

    snprintf(
        caption, sizeof caption,
        "The %s likely %s, by log p(x). Beside each row %slog p(x) + log Z of its first and "
        "its last image.",
        least ? "least" : "most", lab_images_are(d->lab),
        d->no_classes == NULL && d->test->labelled > 0
            ? "its most frequent label, with how many of its images have it, and "
            : "");
    return write_grid(out, folder, least ? "unlikely.png" : "likely.png",
                      least ? &d->unlikely : &d->likely, caption);
}

static int write_likely(FILE *out, const struct demo *d, const char *folder)
{
    fputs("<div class=\"row\">\n", out);
    TRY(write_extreme(out, d, folder, 0));
    TRY(write_extreme(out, d, folder, 1));
    fputs("</div>\n", out);
    return EXIT_OK;
}

static int write_density(FILE *out, const struct demo *d)
{
    demo_say_density(out, d);
    TRY(write_table(out, d, d->auroc));
    if (d->left_out != NULL) {
        fputs("<p class=\"soft\">", out);
        html_text(out, d->left_out);
        fputs(".</p>\n", out);
    }
    fputs("<div class=\"row\">\n", out);
    for (int k = 0; k < outlier_count; k++)
        if (d->outliers[k].name != NULL)
            TRY(write_histogram(out, d, &d->outliers[k]));
    fputs("</div>\n", out);
    return EXIT_OK;
}

static int write_confidence(FILE *out, const struct demo *d)
{
    TRY(demo_say_confidence(out, d));
    fputs("<div class=\"row\">\n", out);
    TRY(write_reliability(out, d));
    fputs("</div>\n", out);
    return EXIT_OK;
}

static int write_classes(FILE *out, const struct demo *d)
{
    TRY(demo_say_classes(out, d));
    TRY(write_table(out, d, "per_class"));
    return write_table(out, d, "confusion");
}

static int write_section(FILE *out, const struct demo *d, const char *run, const char *folder,
                         int section)
{
    switch (section) {
    case DRAWS:
        return write_draws(out, d, run);
    case LIKELY:
        return write_likely(out, d, folder);
    case DENSITY:
        return write_density(out, d);
    case CONFIDENCE:
        return write_confidence(out, d);
    case CLASSES:
        return write_classes(out, d);
    case TRAINING:
        return demo_curves_write(out, d->train, run);
    default:
        write_settings(out, d);
        return EXIT_OK;
    }
}

static int write_page(FILE *out, const struct demo *d, const char *run, const char *folder)
{
    struct html_heading shown[SECTIONS];
    int count = 0;

    for (int s = 0; s < SECTIONS; s++)
        if (is_there(d, run, s))
            shown[count++] = sections[s];
    html_begin(out, "What a model has learnt");
    fputs("<h1>What a model has learnt</h1>\n<p class=\"soft\"><code>", out);
    html_text(out, d->model_file);
    fputs("</code> on ", out);
    fputs(lab_images_are(d->lab), out);
    fputs(" of ", out);
    html_text(out, d->data_name);
    fputs(": what it draws, what it finds likely, how sure it is. A joint energy-based model "
          "(JEM, Grathwohl et al., ICLR 2020) classifies and has a density of images, with one "
          "network.</p>\n",
          out);
    if (d->no_classes != NULL) {
        fputs("<p>Classes are left out: ", out);
        html_text(out, d->no_classes);
        fputs(".</p>\n", out);
    }
    html_contents(out, shown, count);
    write_tiles(out, d);
    for (int s = 0; s < SECTIONS; s++)
        if (is_there(d, run, s)) {
            html_heading(out, &sections[s]);
            TRY(write_section(out, d, run, folder, s));
        }
    html_end(out);
    return EXIT_OK;
}

int demo_page_write(const struct demo *d, const char *run, const char *out)
{
    char path[FILE_PATH_BYTES];
    struct file_writer w;

    TRY(file_join(path, out, "report.html"));
    TRY(file_writer_open(&w, path));
    int code = write_page(w.stream, d, run, out);
    if (code == EXIT_OK)
        code = json_sound();
    const int closed = file_writer_close(&w, code == EXIT_OK);
    return code != EXIT_OK ? code : closed;
}
