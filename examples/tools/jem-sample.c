/* SPDX-License-Identifier: MIT */

/* jem-sample: images that a model finds likely, by SGLD chains: one grid of chains on log p(x),
 * one with a row per class of chains on log p(x|y).
 *
 * Chains start from noise, where they need hundreds of steps, or from the replay buffer of a
 * training, whose images have had them already. */

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jem/jem.h>

#include "kit/base/file.h"
#include "kit/base/json_log.h"
#include "kit/base/progress.h"
#include "kit/base/report.h"
#include "kit/base/stop.h"
#include "kit/base/table.h"
#include "kit/cli/cli.h"
#include "kit/cli/settings.h"
#include "kit/data/checkpoint.h"
#include "kit/data/data.h"
#include "kit/images/image.h"
#include "kit/lab/evaluate.h"
#include "kit/lab/experiment.h"

#define STEPS_FROM_NOISE 400
#define SLICE            20   /* steps between two looks at the clock and at Ctrl-C */
#define POOL             2000 /* images of a replay buffer to choose from */
#define FRAMES           12   /* states of a chain in a film, the start among them */

static struct {
    const char *model, *out, *json, *buffer, *data, *seed, *backend;
    struct cli_list presets, sets;
    int64_t steps, count, per_class, film, batch, threads;
    int quiet;
} arg;

static const struct cli_option options[] = {
    {"Model and results", "model", "FILE",
     "a model or a training (default: the file of --from-buffer)", NULL, .text = &arg.model},
    {NULL, "out", "DIR", "folder for samples.png, classes.png and film.png", NULL,
     .text = &arg.out},
    {NULL, "json", "FILE", "the table and how the pictures were made, for programs", NULL,
     .text = &arg.json, .written = 1},
    {"Chains", "steps", "N",
     "SGLD steps of a chain; 0 shows the starts; -1: 400 from noise, \"sgld.steps\" from a "
     "buffer",
     "-1", .integer = &arg.steps, .min = -1, .max = 1000000},
    {NULL, "count", "N", "chains on log p(x)", "100", .integer = &arg.count, .max = 100000},
    {NULL, "per-class", "N", "chains on log p(x|y) for each class", "10",
     .integer = &arg.per_class, .max = 1000},
    {NULL, "film", "N",
     "draw film.png too: the way of N chains on log p(x), a row each, 12 states from start to "
     "end",
     "0", .integer = &arg.film, .max = 1000},
    {NULL, "from-buffer", "FILE",
     "start from the replay buffer in FILE (a training's last.safetensors) instead of noise: "
     "evenly spaced images of it, and for a class those that the model is surest of",
     NULL, .text = &arg.buffer},
    {NULL, "data", "KIND",
     "images to fit the start to with --set start.kind=gaussian, and names for the "
     "classes: " DATA_HELP,
     NULL, .text = &arg.data, .check = data_check},
    {"Settings (the file's, where it has some)", "preset", "NAME",
     "a named set of settings; may be repeated", NULL, .list = &arg.presets},
    {NULL, "set", "NAME=VALUE", "one setting, for example sgld.noise_std=0.005", NULL,
     .list = &arg.sets},
    {NULL, "seed", "N", "short for --set train.seed=N", NULL, .text = &arg.seed},
    {"Computing", "batch", "N", "chains at a time; changes memory and speed, no result", "100",
     .integer = &arg.batch, .min = 1, .max = 65536},
    {NULL, "threads", "N", "0: one per processor; changes no result", "0",
     .integer = &arg.threads, .max = 64},
    {NULL, "backend", "NAME", BACKEND_HELP, "cpu", .text = &arg.backend},
    {NULL, "quiet", NULL, "no progress on stderr", NULL, .flag = &arg.quiet},
};

static const struct cli command_line = {
    .program = "jem-sample",
    .usage = "--model FILE --out DIR [options]",
    .about = "Draw images from a model that jem-train made, as grids of pictures.",
    .notes = "Examples:\n"
             "  jem-sample --from-buffer demo/last.safetensors --out samples\n"
             "  jem-sample --model demo/best.safetensors --data fashion-mnist \\\n"
             "      --steps 1000 --out samples\n",
    .options = options,
    .count = (int)(sizeof options / sizeof options[0]),
    .stoppable = 1,
};

struct sampling {
    struct experiment e;
    jem_options *opts;
    jem_head *head;
    jem_sampler *sampler;
    int64_t size; /* values of an image */
    int64_t steps;
    json_t *rows; /* of the table */
    struct progress progress;

    float *pool;                /* images of the replay buffer, or NULL */
    int64_t pool_count, stored; /* of `stored` images in the file */
    struct evaluation pool_scores;
};

static int check_arguments(void)
{
    if (arg.model == NULL)
        arg.model = arg.buffer;
    if (arg.model == NULL)
        return report_usage("--model FILE or --from-buffer FILE is missing");
    if (arg.out == NULL)
        return report_usage("--out DIR is missing: where should the pictures go?");
    if (arg.count == 0 && arg.per_class == 0 && arg.film == 0)
        return report_usage("--count 0 and --per-class 0 leave nothing to draw");
    return CLI_GO;
}

/* Settings: the file's, then presets, then --set, then --seed. */
static int choose_settings(struct sampling *s)
{
    struct checkpoint file;
    int rc = checkpoint_open(arg.buffer != NULL ? arg.buffer : arg.model, &file);

    if (rc == EXIT_OK)
        rc = checkpoint_settings(&file, s->opts);
    if (rc == EXIT_OK && arg.buffer != NULL)
        rc = checkpoint_buffer(&file, s->e.shape, POOL, &s->pool, &s->pool_count, &s->stored);
    checkpoint_close(&file);
    if (rc == EXIT_OK)
        rc = settings_apply(s->opts, &arg.presets, &arg.sets);
    if (rc == EXIT_OK && arg.seed != NULL &&
        jem_options_set_str(s->opts, "train.seed", arg.seed) != JEM_OK)
        rc = report_usage("--seed %s: %s", arg.seed, jem_last_error());
    s->steps = arg.steps;
    if (arg.steps < 0)
        s->steps = arg.buffer == NULL ? STEPS_FROM_NOISE
                                      : (int64_t)settings_number(s->opts, "sgld.steps");
    return rc;
}

static int fit_start(struct sampling *s)
{
    char kind[64];
    jem_dataset *data = NULL;
    int rc = settings_text(s->opts, "start.kind", kind);

    if (rc != EXIT_OK || s->pool != NULL || strcmp(kind, "gaussian") != 0)
        return rc;
    if (arg.data == NULL)
        return report_usage(
            "start.kind is gaussian: give the training images with --data KIND, "
            "or say --set start.kind=uniform");
    rc = data_open(s->e.ctx, arg.data, "train", &data);
    if (rc == EXIT_OK)
        rc = report_jem(jem_sampler_fit_start(s->sampler, data));
    jem_dataset_free(data);
    return rc;
}

static int set_up(struct sampling *s)
{
    int rc = experiment_open(arg.model, arg.backend, arg.threads, 0, &s->e);

    if (rc == EXIT_OK)
        rc = report_jem(jem_options_create(s->e.ctx, &s->opts));
    s->size = s->e.shape[0] * s->e.shape[1] * s->e.shape[2];
    if (rc == EXIT_OK)
        rc = choose_settings(s);
    if (rc == EXIT_OK)
        rc = report_jem(jem_head_create(s->e.model, arg.batch, &s->head));
    if (rc == EXIT_OK)
        rc = report_jem(jem_sampler_create(s->head, s->opts, &s->sampler));
    if (rc == EXIT_OK)
        rc = fit_start(s);
    if (rc == EXIT_OK && s->pool != NULL)
        rc = evaluate_images(s->e.model, s->pool, s->pool_count, arg.batch, &s->pool_scores);
    if (rc == EXIT_OK)
        rc = file_make_folder(arg.out);
    return rc;
}

static void print_settings(const struct sampling *s)
{
    static const char *const names[] = {"sgld.step_size", "sgld.noise_std", "sgld.clamp_grad",
                                        "sgld.clamp_x",   "start.kind",     "train.seed"};
    char text[64];

    printf("steps = %" PRId64, s->steps);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (settings_text(s->opts, names[i], text) == EXIT_OK)
            printf(", %s = %s", names[i], text);
    printf("\n\n");
}

/* The image of the pool that class y is surest of among those not taken yet; takes it. When all
 * are taken they are all free again. */
static int64_t take_surest(const struct evaluation *e, int64_t y, uint8_t *taken)
{
    int64_t best = -1;

    if (memchr(taken, 0, (size_t)e->n) == NULL)
        memset(taken, 0, (size_t)e->n);
    for (int64_t i = 0; i < e->n; i++)
        if (!taken[i] &&
            (best < 0 || e->prob_y[i * e->classes + y] > e->prob_y[best * e->classes + y]))
            best = i;
    taken[best] = 1;
    return best;
}

/* Start images: from p0, or from the pool, for chain i with class y[i] a likely one. */
static int start_chains(struct sampling *s, const int32_t *y, float *x, int64_t n)
{
    const size_t bytes = (size_t)s->size * sizeof x[0];
    uint8_t *taken;

    if (s->pool == NULL)
        return report_jem(jem_sampler_init(s->sampler, y, x, n));
    taken = calloc((size_t)s->pool_count, 1);
    if (taken == NULL)
        return report_no_memory();
    for (int64_t i = 0; i < n; i++) {
        int64_t from = i % s->pool_count;

        if (y != NULL && i > 0 && y[i] != y[i - 1])
            memset(taken, 0, (size_t)s->pool_count);
        if (y != NULL)
            from = take_surest(&s->pool_scores, y[i], taken);
        memcpy(x + i * s->size, s->pool + from * s->size, bytes);
    }
    free(taken);
    return EXIT_OK;
}

/* Go on with chains that have made `done` steps, until they have made `end` of them. */
static int run_chains(struct sampling *s, const char *what, const int32_t *y, float *x,
                      int64_t n, int64_t done, int64_t end)
{
    const double start = progress_clock();
    const int64_t before = done;

    while (done < end && stop_signal() == 0) {
        const int64_t m = end - done < SLICE ? end - done : SLICE;
        const int rc = report_jem(jem_sampler_run(s->sampler, x, y, n, m));
        char left[32];

        if (rc != EXIT_OK)
            return rc;
        done += m;
        if (progress_due(&s->progress))
            progress_show(&s->progress, "%s: step %" PRId64 "/%" PRId64 "  left %s", what, done,
                          s->steps,
                          format_duration((progress_clock() - start) / (double)(done - before) *
                                              (double)(s->steps - done),
                                          left));
    }
    progress_clear(&s->progress);
    if (done < end)
        report_note("stopped after %" PRId64 " steps of %s; drawing what is there", done, what);
    return EXIT_OK;
}

/* Row `name` of the table: chains first, ..., first + n - 1, before and after. `y` < 0: the
 * confidence is that of the most probable class. */
static void add_row(struct sampling *s, struct table *t, const char *name,
                    const struct evaluation *before, const struct evaluation *after,
                    int64_t first, int64_t n, int64_t y)
{
    json_t *row = json_pack("{ss sI sI}", "chains_on", name, "class", (json_int_t)y, "n", n);
    double start = 0, end = 0, sure = 0;

    for (int64_t i = first; i < first + n; i++) {
        start += (double)before->log_px[i];
        end += (double)after->log_px[i];
        sure += (double)after->prob_y[i * after->classes + (y < 0 ? after->pred[i] : y)];
    }
    table_cell(t, "%s", name);
    table_cell(t, "%" PRId64, n);
    table_cell(t, "%.3f", start / (double)n);
    table_cell(t, "%.3f", end / (double)n);
    table_cell(t, "%.3f", sure / (double)n);
    json_set_number(row, "log_px_start", start / (double)n);
    json_set_number(row, "log_px_end", end / (double)n);
    json_set_number(row, "confidence", sure / (double)n);
    json_array_append_new(s->rows, row);
}

static void add_class_rows(struct sampling *s, struct table *t, const struct evaluation *before,
                           const struct evaluation *after)
{
    for (int64_t k = 0; k < after->classes; k++) {
        const char *known = data_class_name(arg.data, k);
        char name[64];

        snprintf(name, sizeof name, "class %" PRId64 " %s", k, known == NULL ? "" : known);
        add_row(s, t, name, before, after, k * arg.per_class, arg.per_class, k);
    }
}

/* One grid: n chains, with classes y or without, as a picture and as rows of the table. */
static int draw_grid(struct sampling *s, const char *what, const int32_t *y, int64_t n,
                     int64_t columns, struct table *t)
{
    float *x = malloc((size_t)(n * s->size) * sizeof *x);
    struct evaluation before = {0}, after = {0};
    char path[FILE_PATH_BYTES];
    int rc = x == NULL ? report_no_memory() : start_chains(s, y, x, n);

    if (rc == EXIT_OK)
        rc = evaluate_images(s->e.model, x, n, arg.batch, &before);
    if (rc == EXIT_OK)
        rc = run_chains(s, what, y, x, n, 0, s->steps);
    if (rc == EXIT_OK)
        rc = evaluate_images(s->e.model, x, n, arg.batch, &after);
    if (rc == EXIT_OK)
        rc = snprintf(path, sizeof path, "%s/%s.png", arg.out, what) < FILE_PATH_BYTES
                 ? image_write_grid(path, x, n, s->e.shape, columns)
                 : report_failed("--out %.60s...: too long", arg.out);
    if (rc == EXIT_OK && y == NULL)
        add_row(s, t, "any class", &before, &after, 0, n, -1);
    else if (rc == EXIT_OK)
        add_class_rows(s, t, &before, &after);
    evaluate_free(&before);
    evaluate_free(&after);
    free(x);
    return rc;
}

static int draw_classes(struct sampling *s, struct table *t)
{
    const int64_t n = arg.per_class * s->e.shape[3];
    int32_t *y = malloc((size_t)n * sizeof *y);
    int rc;

    if (y == NULL)
        return report_no_memory();
    for (int64_t i = 0; i < n; i++)
        y[i] = (int32_t)(i / arg.per_class);
    rc = draw_grid(s, "classes", y, n, arg.per_class, t);
    free(y);
    return rc;
}

/* The states of the chains at FRAMES times, evenly apart (all of them in shorter chains). */
static int draw_film(struct sampling *s)
{
    const int64_t n = arg.film, last = s->steps < FRAMES - 1 ? s->steps : FRAMES - 1;
    const size_t bytes = (size_t)s->size * sizeof(float);
    float *x = malloc((size_t)n * bytes);
    float *film = malloc((size_t)(n * (last + 1)) * bytes);
    char path[FILE_PATH_BYTES];
    int rc = x == NULL || film == NULL ? report_no_memory() : start_chains(s, NULL, x, n);

    printf("film.png: a row per chain, after steps 0");
    for (int64_t f = 0; f <= last && rc == EXIT_OK; f++) {
        for (int64_t i = 0; i < n; i++)
            memcpy(film + (i * (last + 1) + f) * s->size, x + i * s->size, bytes);
        if (f == last)
            break;
        rc = run_chains(s, "film", NULL, x, n, f * s->steps / last, (f + 1) * s->steps / last);
        printf(" %" PRId64, (f + 1) * s->steps / last);
    }
    printf("\n\n");
    if (rc == EXIT_OK)
        rc = file_join(path, arg.out, "film.png");
    if (rc == EXIT_OK)
        rc = image_write_grid(path, film, n * (last + 1), s->e.shape, last + 1);
    free(film);
    free(x);
    return rc;
}

static void say_protocol(struct sampling *s)
{
    char starts[256], drawn[256] = "";

    if (s->pool == NULL)
        snprintf(starts, sizeof starts, "the start distribution");
    else
        snprintf(starts, sizeof starts,
                 "%" PRId64 " of the %" PRId64
                 " images of the replay buffer, evenly spaced; those on log p(x|y) from the "
                 "images with the largest p(y|x), which makes them a choice",
                 s->pool_count, s->stored);
    if (arg.per_class > 0)
        snprintf(drawn, sizeof drawn,
                 "; %" PRId64 " per class on log p(x|y) (classes.png, a row per class)",
                 arg.per_class);
    experiment_set_protocol(&s->e,
                            "%" PRId64 " chains on log p(x)%s, of %" PRId64
                            " SGLD steps each, all of them shown. Chains start from %s. log "
                            "p(x) is up to a constant; confidence: the mean p(y|x) of the "
                            "class, or of the most probable one, at the end.",
                            arg.count, drawn, s->steps, starts);
}

static int write_json(struct sampling *s)
{
    json_t *json = s->e.json;

    json_object_set_new(json, "data", arg.data == NULL ? json_null() : json_string(arg.data));
    json_object_set_new(json, "seed",
                        json_integer((json_int_t)settings_number(s->opts, "train.seed")));
    json_object_set_new(json, "steps", json_integer(s->steps));
    json_object_set_new(json, "settings", settings_json(s->opts));
    json_object_set(json, "rows", s->rows);
    return experiment_write(&s->e, arg.json);
}

static int run(struct sampling *s)
{
    static const char *const headings[] = {"chains on",   ">number",     ">log p(x) at start",
                                           ">at the end", ">confidence", NULL};
    struct table *t;
    int rc = set_up(s);

    if (rc != EXIT_OK)
        return rc;
    t = table_create(headings);
    s->rows = json_array();
    if (t == NULL || s->rows == NULL)
        return report_no_memory();
    progress_start(&s->progress, arg.quiet);
    print_settings(s);
    if (arg.count > 0)
        rc =
            draw_grid(s, "samples", NULL, arg.count, (int64_t)ceil(sqrt((double)arg.count)), t);
    if (rc == EXIT_OK && arg.per_class > 0 && stop_signal() == 0)
        rc = draw_classes(s, t);
    if (rc == EXIT_OK && arg.film > 0 && stop_signal() == 0)
        rc = draw_film(s);
    if (rc == EXIT_OK && arg.count + arg.per_class > 0)
        rc = table_print(t, stdout);
    table_free(t);
    if (rc == EXIT_OK) {
        printf("\npictures   %s/*.png\n", arg.out);
        say_protocol(s);
        experiment_print_protocol(&s->e);
        rc = write_json(s);
    }
    return rc == EXIT_OK && stop_signal() != 0 ? 128 + stop_signal() : rc;
}

int main(int argc, char **argv)
{
    struct sampling s = {0};
    int rc = cli_parse(&command_line, argc, argv);

    if (rc == CLI_GO)
        rc = check_arguments();
    if (rc == CLI_GO) {
        stop_install();
        rc = report_flush(run(&s));
    }
    free(s.pool);
    json_decref(s.rows);
    evaluate_free(&s.pool_scores);
    jem_sampler_free(s.sampler);
    jem_head_free(s.head);
    jem_options_free(s.opts);
    experiment_close(&s.e);
    cli_list_free(&arg.presets);
    cli_list_free(&arg.sets);
    return rc;
}
