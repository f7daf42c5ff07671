/* SPDX-License-Identifier: MIT */

/* DIR/live.html: the course of a training while it runs. The page asks for itself anew every few
 * seconds until the run has ended. It is made of the lines of the log, of which so many are kept
 * that the curves stay smooth and the page small. */

#include "train_live.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kit/base/file_writer.h"
#include "kit/base/table.h"
#include "kit/draw/html.h"
#include "kit/draw/plot.h"

#define EVERY 5 /* seconds between pages, and between looks at them */

static const char *const fields[LIVE_FIELDS] = {
    "loss", "accuracy", "log_px_data", "log_px_sample", "energy_gap", "seconds", "auc"};

static double number(const json_t *line, const char *name)
{
    const json_t *value = json_object_get(line, name);

    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

/* Room for one more: of a full series every other point goes. What a training did after its last
 * save goes as well, when it does it again. */
static size_t make_room(struct live_series *s, double step)
{
    while (s->n > 0 && s->step[s->n - 1] >= step)
        s->n--;
    if (s->n == LIVE_POINTS) {
        s->n = LIVE_POINTS / 2;
        for (size_t i = 0; i < s->n; i++) {
            s->step[i] = s->step[2 * i + 1];
            for (int f = 0; f < LIVE_FIELDS; f++)
                s->value[f][i] = s->value[f][2 * i + 1];
        }
    }
    return s->n++;
}

void live_add(struct live *l, const json_t *line)
{
    const char *type = json_string_value(json_object_get(line, "type"));
    const int steps = type != NULL && strcmp(type, "step") == 0;
    struct live_series *s = steps ? &l->training : &l->validation;
    size_t at;

    if (!steps && (type == NULL || strcmp(type, "validation") != 0))
        return;
    at = make_room(s, number(line, "step"));
    s->step[at] = number(line, "step");
    for (int f = 0; f < LIVE_FIELDS; f++)
        s->value[f][at] = number(line, fields[f]);
    s->value[LIVE_ACCURACY][at] *= 100;
}

int live_read(struct live *l, const char *path)
{
    uint8_t *bytes = NULL;
    size_t length = 0, start = 0;

    if (!file_exists(path))
        return EXIT_OK;
    TRY(file_read(path, &bytes, &length));
    for (size_t i = 0; i < length; i++)
        if (bytes[i] == '\n') {
            json_t *line = json_read_text((const char *)bytes + start, i - start, 0, NULL);

            live_add(l, line); /* a line that a crash cut short is none */
            json_decref(line);
            start = i + 1;
        }
    free(bytes);
    return json_sound();
}

double live_last(const struct live_series *s, int field)
{
    return s->n == 0 ? (double)NAN : s->value[field][s->n - 1];
}

/* Of data against samples, always from 0 to 1. */
static int draw_auc(FILE *out, const struct live *l)
{
    const struct live_series *const series[] = {&l->training, &l->validation};
    static const char *const names[] = {"training batches", "validation images, replay buffer"};
    double last = 0;
    plot p;

    for (int i = 0; i < 2; i++)
        last = series[i]->n > 0 ? fmax(last, series[i]->step[series[i]->n - 1]) : last;
    if (!isfinite(live_last(series[0], LIVE_AUC)))
        return EXIT_OK;
    fputs("<figure>\n", out);
    TRY(plot_begin(&p, out, "Do the chains keep up?", "training step",
                   "AUC, data against samples", 0, last, 0, 1));
    plot_guide(&p, 0, 0.5, last, 0.5);
    plot_guide(&p, 0, TRAIN_LOST, last, TRAIN_LOST);
    for (int i = 0; i < 2; i++)
        if (series[i]->n > 0)
            plot_line(&p, series[i]->step, series[i]->value[LIVE_AUC], series[i]->n,
                      i == 0 ? 5 : 0, names[i]);
    TRY(plot_end(&p));
    fputs(
        "<figcaption>0.5: samples are like data to the model. Above 0.8 it tells most samples "
        "from data: the chains are lost.</figcaption></figure>\n",
        out);
    return EXIT_OK;
}

static void widen(const struct live_series *s, int field, double *low, double *high)
{
    for (size_t i = 0; i < s->n; i++)
        if (isfinite(s->value[field][i])) {
            *low = fmin(*low, s->value[field][i]);
            *high = fmax(*high, s->value[field][i]);
        }
}

struct curve {
    const struct live_series *series;
    int field, colour;
    const char *name;
};

static int draw(FILE *out, const char *title, const char *y_label, const struct curve *curves,
                int count)
{
    double low = HUGE_VAL, high = -HUGE_VAL, last = 0;
    plot p;

    for (int i = 0; i < count; i++) {
        const struct live_series *s = curves[i].series;

        widen(s, curves[i].field, &low, &high);
        last = s->n > 0 ? fmax(last, s->step[s->n - 1]) : last;
    }
    if (!(low <= high))
        return EXIT_OK;
    plot_range(&low, &high);
    fputs("<figure>\n", out);
    TRY(plot_begin(&p, out, title, "training step", y_label, 0, last, low, high));
    for (int i = 0; i < count; i++) {
        const struct live_series *s = curves[i].series;

        if (s->n > 0)
            plot_line(&p, s->step, s->value[curves[i].field], s->n, curves[i].colour,
                      curves[i].name);
    }
    TRY(plot_end(&p));
    fputs("</figure>\n", out);
    return EXIT_OK;
}

static int write_curves(FILE *out, const struct live *l)
{
    const struct live_series *t = &l->training, *v = &l->validation;
    const struct curve loss[] = {{t, LIVE_LOSS, 0, NULL}};
    const struct curve accuracy[] = {{t, LIVE_ACCURACY, 5, "training batches"},
                                     {v, LIVE_ACCURACY, 0, "validation images"}};
    const struct curve energy[] = {{t, LIVE_DATA, 0, "data"}, {t, LIVE_SAMPLE, 1, "samples"}};
    const struct curve gap[] = {{t, LIVE_GAP, 0, NULL}};

    TRY(draw(out, "Loss", "loss (nats)", loss, 1));
    TRY(draw(out, "Accuracy", "accuracy (%)", accuracy, 2));
    TRY(draw(out, "log p(x) + log Z", "mean over a batch (nats)", energy, 2));
    TRY(draw(out, "Energy gap", "data less samples (nats)", gap, 1));
    return draw_auc(out, l);
}

static void write_state(FILE *out, const struct run *r)
{
    const double per_step = r->seconds / (double)(r->step - r->first_step);
    char left[32];

    fprintf(out, "<p>%s%s: step %lld of %lld (%.1f %%)", r->ended ? "Ended, " : "Running",
            r->ended ? train_reason(r) : "", (long long)r->step, (long long)r->total,
            100.0 * (double)r->step / (double)r->total);
    if (!r->ended && r->step > r->first_step)
        fprintf(out, ", time left %s",
                format_duration(per_step * (double)(r->limit - r->step), left));
    fputs(".</p>\n<p class=\"soft\">Data: ", out);
    html_text(out, r->data_name);
    fputs("</p>\n<div class=\"tiles\">\n", out);
    if (!isnan(r->best_accuracy))
        html_tile(out, "best validation accuracy", "2 %", 100 * r->best_accuracy,
                  "kept in best.safetensors");
    if (isfinite(live_last(&r->live->training, LIVE_AUC)))
        html_tile(out, "AUC, data against samples", "2",
                  live_last(&r->live->training, LIVE_AUC),
                  "mean since the last line; near 0.5 the chains keep up");
    if (train_metric(r, "rollbacks") > 0)
        html_tile(out, "rollbacks", "0", train_metric(r, "rollbacks"), "by the guard");
    fputs("</div>\n", out);
}

static int write_page(FILE *out, const struct run *r)
{
    char samples[FILE_PATH_BYTES];

    html_begin_live(out, "jem-train", r->ended ? 0 : EVERY);
    fputs("<h1>jem-train</h1>\n", out);
    write_state(out, r);
    fputs("<div class=\"row\">\n", out);
    TRY(write_curves(out, r->live));
    TRY(file_join(samples, r->folder, "samples.png"));
    if (file_exists(samples)) {
        fputs("<figure>\n", out);
        TRY(html_picture(out, samples, "samples of the replay buffer"));
        fputs("<figcaption>The first 100 images of the replay buffer.</figcaption></figure>\n",
              out);
    }
    fputs("</div>\n", out);
    html_end(out);
    return EXIT_OK;
}

static int write_file(const struct run *r)
{
    char path[FILE_PATH_BYTES];
    struct file_writer w;
    int rc, closed;

    TRY(train_draw_samples(r));
    TRY(file_join(path, r->folder, "live.html"));
    TRY(file_writer_open(&w, path));
    rc = write_page(w.stream, r);
    closed = file_writer_close(&w, rc == EXIT_OK);
    return rc != EXIT_OK ? rc : closed;
}

int live_write(struct run *r)
{
    struct live *l = r->live;
    int rc;

    if (!r->ended && l->written && progress_clock() - l->at < EVERY)
        return EXIT_OK;
    rc = write_file(r);
    if (rc != EXIT_OK && !r->ended && !l->failed)
        report_note("the training goes on without a new live.html for now");
    l->failed = rc != EXIT_OK;
    l->written = 1;
    l->at = progress_clock();
    return rc;
}
