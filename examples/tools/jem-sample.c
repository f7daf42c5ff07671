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

#include "kit/base/file.h"
#include "kit/base/stop.h"
#include "kit/base/table.h"
#include "kit/data/checkpoint.h"
#include "kit/images/image.h"
#include "kit/lab/lab.h"

#define STEPS_FROM_NOISE 400
#define SLICE            20   /* steps between two looks at the clock and at Ctrl-C */
#define POOL             2000 /* images of a replay buffer to choose from */
#define FRAMES           12   /* states of a chain in a film, the start among them */

static struct lab lab;
static struct {
    const char *buffer, *seed;
    struct cli_list presets, sets;
    int64_t steps, per_class, film;
} arg;

static const struct cli_option options[] = {
    {"Model and results", "model", "FILE",
     "a model or a training (default: the file of --from-buffer)", NULL,
     .text = &lab.model_file},
    {NULL, "out", "DIR", "folder for samples.png, classes.png and film.png", NULL,
     .text = &lab.out},
    {NULL, "json", "FILE", "the table and how the pictures were made, for programs", NULL,
     .text = &lab.json, .written = 1},
    LAB_QUIET(lab),
    {"Chains", "steps", "N",
     "SGLD steps of a chain; 0 shows the starts; -1: 400 from noise, \"sgld.steps\" from a "
     "buffer",
     "-1", .integer = &arg.steps, .min = -1, .max = 1000000},
    {NULL, "count", "N", "chains on log p(x)", "100", .integer = &lab.count, .max = 100000},
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
     "images to fit the start to with start.kind=gaussian (default: those that the model was "
     "trained on), and names for the classes of a model that has none: " DATA_HELP
     "; model: what the model was trained on",
     NULL, .text = &lab.data, .check = lab_check_data},
    {"Settings (the file's, where it has some)", "preset", "NAME", PRESET_HELP, NULL,
     .list = &arg.presets},
    {NULL, "set", "NAME=VALUE", SET_HELP ", for example sgld.noise_std=0.005", NULL,
     .list = &arg.sets},
    {NULL, "seed", "N", "short for --set train.seed=N", NULL, .text = &arg.seed},
    {"Computing", "batch", "N", "chains at a time; changes memory and speed, no result", "100",
     .integer = &lab.batch, .min = 1, .max = 65536},
    LAB_COMPUTING(lab, NULL),
};

static int check(void)
{
    if (lab.model_file == NULL)
        lab.model_file = arg.buffer;
    if (lab.model_file == NULL)
        return report_usage("--model FILE or --from-buffer FILE is missing");
    if (lab.out == NULL)
        return report_usage("--out DIR is missing: where should the pictures go?");
    if (lab.count == 0 && arg.per_class == 0 && arg.film == 0)
        return report_usage("--count 0, --per-class 0 and --film 0 leave nothing to draw");
    return CLI_GO;
}

static const struct cli command_line = {
    .program = "jem-sample",
    .usage = "--model FILE --out DIR [options]",
    .about = "Draw images from a model that jem-train made, as grids of pictures.",
    .notes = "Examples:\n"
             "  jem-sample --from-buffer demo/last.safetensors --out samples\n"
             "  jem-sample --model demo/best.safetensors --data fashion-mnist \\\n"
             "      --steps 1000 --out samples\n",
    CLI_OPTIONS(options),
    .stoppable = 1,
    .check = check,
};

static const struct record_column columns[] = {
    {"chains_on", "chains on", .kind = RECORD_TEXT},
    {"class", NULL, .kind = RECORD_WHOLE},
    {"n", "number", .kind = RECORD_WHOLE},
    {"steps", NULL, .kind = RECORD_WHOLE},
    {"log_px_start", "log p(x) at start", .decimals = 3},
    {"log_px_end", "at the end", .decimals = 3},
    {"confidence", "confidence", .decimals = 3},
};

struct sampling {
    jem_options *opts;
    jem_sampler *sampler;
    int64_t steps;
    const char *drawn; /* the pictures, "out/a.png out/b.png" */
    const char *made;  /* the chains in them, for the protocol */
    struct record_table *rows;

    struct image_input *pool; /* images of the replay buffer, or NULL */
    int64_t stored;           /* of which the file has so many */
    const struct evaluation *pool_scores;
};

static void release_sampler(void *sampler)
{
    jem_sampler_free(sampler);
}

static void read_pool(struct sampling *s)
{
    struct checkpoint file;
    float *x = NULL;
    int64_t n = 0;
    int rc = checkpoint_open(arg.buffer, &file);

    must(rc);
    rc = checkpoint_buffer(&file, lab.shape, POOL, &x, &n, &s->stored);
    checkpoint_close(&file);
    must(rc);
    lab_keep(&lab, x, free);
    s->pool = lab_array(&lab, 1, sizeof *s->pool);
    *s->pool = (struct image_input){.n = n, .of = n, .x = x};
}

/* Settings: the file's, then presets, then --set, then --seed. */
static void choose_settings(struct sampling *s)
{
    s->opts = lab_settings(&lab, arg.buffer != NULL ? arg.buffer : lab.model_file, &arg.presets,
                           &arg.sets);
    if (arg.seed != NULL && jem_options_set_str(s->opts, "train.seed", arg.seed) != JEM_OK)
        must(report_usage("--seed %s: %s", arg.seed, report_reason()));
    s->steps = arg.steps;
    if (arg.steps < 0)
        s->steps = arg.buffer == NULL ? STEPS_FROM_NOISE
                                      : (int64_t)settings_number(s->opts, "sgld.steps");
}

static void fit_start(struct sampling *s)
{
    char kind[64];

    must(settings_text(s->opts, "start.kind", kind));
    if (s->pool != NULL || strcmp(kind, "gaussian") != 0)
        return;
    if (lab.data == NULL) {
        lab.data = LAB_DATA_OF_MODEL;
        lab_find_data(&lab);
        lab.remark = "the chains of this model began with a Gaussian for each class, fitted to "
                     "its training images: say where these are with --data KIND, or begin with "
                     "noise, --set start.kind=uniform, from which they may not become pictures";
    }
    must_jem(jem_sampler_fit_start(s->sampler, lab_dataset(&lab, lab.data, "train")));
    lab.remark = NULL;
}

static void set_up(struct sampling *s)
{
    if (arg.buffer != NULL)
        read_pool(s);
    choose_settings(s);
    must_jem(jem_sampler_create(lab_head(&lab), s->opts, &s->sampler));
    lab_keep(&lab, s->sampler, release_sampler);
    fit_start(s);
    if (s->pool != NULL)
        s->pool_scores = lab_evaluate(&lab, s->pool);
    must(file_make_folder(lab.out));
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
static void start_chains(struct sampling *s, const int32_t *y, float *x, int64_t n)
{
    uint8_t *taken;

    if (s->pool == NULL) {
        must_jem(jem_sampler_init(s->sampler, y, x, n));
        return;
    }
    taken = lab_array(&lab, s->pool->n, sizeof *taken);
    for (int64_t i = 0; i < n; i++) {
        int64_t from = i % s->pool->n;

        if (y != NULL && i > 0 && y[i] != y[i - 1])
            memset(taken, 0, (size_t)s->pool->n);
        if (y != NULL)
            from = take_surest(s->pool_scores, y[i], taken);
        memcpy(x + i * lab.size, s->pool->x + from * lab.size, (size_t)lab.size * sizeof *x);
    }
    lab_drop(&lab, taken);
}

/* Go on with chains that have made `done` steps, until they have made `end` of them or Ctrl-C comes.
 * Returns how many they have made then. */
static int64_t run_chains(struct sampling *s, const char *what, const int32_t *y, float *x,
                          int64_t n, int64_t done, int64_t end)
{
    const double start = progress_clock();
    const int64_t before = done;

    while (done < end && stop_signal() == 0) {
        const int64_t m = end - done < SLICE ? end - done : SLICE;
        char left[32];

        must_jem(jem_sampler_run(s->sampler, x, y, n, m));
        done += m;
        if (progress_due(&lab.progress))
            progress_show(&lab.progress, "%s: step %" PRId64 "/%" PRId64 "  left %s", what,
                          done, s->steps,
                          format_duration((progress_clock() - start) / (double)(done - before) *
                                              (double)(s->steps - done),
                                          left));
    }
    progress_clear(&lab.progress);
    if (done < end)
        report_note("stopped after %" PRId64 " of %" PRId64
                    " steps of %s; drawing what is there",
                    done, s->steps, what);
    return done;
}

/* A row: chains first, ..., first + n - 1, before and after. `y` < 0: the confidence is that of
 * the most probable class. */
static void tell_chains(const struct sampling *s, const char *name,
                        const struct evaluation *before, const struct evaluation *after,
                        int64_t steps, int64_t first, int64_t n, int64_t y)
{
    double start = 0, end = 0, sure = 0;

    for (int64_t i = first; i < first + n; i++) {
        start += (double)before->log_px[i];
        end += (double)after->log_px[i];
        sure += (double)after->prob_y[i * after->classes + (y < 0 ? after->pred[i] : y)];
    }
    record_row(s->rows);
    record_text(s->rows, "chains_on", name);
    record_whole(s->rows, "class", y);
    record_whole(s->rows, "n", n);
    record_whole(s->rows, "steps", steps);
    record_number(s->rows, "log_px_start", start / (double)n);
    record_number(s->rows, "log_px_end", end / (double)n);
    record_number(s->rows, "confidence", sure / (double)n);
}

static void tell_classes(const struct sampling *s, const struct evaluation *before,
                         const struct evaluation *after, int64_t steps)
{
    for (int64_t k = 0; k < after->classes; k++) {
        const char *known = lab_class_name(&lab, k);
        const char *name =
            lab_text(&lab, "class %" PRId64 " %s", k, known == NULL ? "" : known);

        tell_chains(s, name, before, after, steps, k * arg.per_class, arg.per_class, k);
    }
}

/* A picture of chains that have made `steps` steps, and what the end of the program says of it. */
static void write_grid(struct sampling *s, const char *name, const char *chains, const float *x,
                       int64_t n, int64_t across, int64_t steps)
{
    char path[FILE_PATH_BYTES];

    must(file_join(path, lab.out, name));
    must(image_write_grid(path, x, n, lab.shape, across));
    s->drawn =
        s->drawn == NULL ? lab_text(&lab, "%s", path) : lab_text(&lab, "%s %s", s->drawn, path);
    s->made = lab_text(&lab, "%s%s%s (%s), of %" PRId64 " SGLD steps each",
                       s->made == NULL ? "" : s->made, s->made == NULL ? "" : "; ", chains,
                       name, steps);
    if (steps < s->steps)
        s->made = lab_text(&lab, "%s instead of %" PRId64, s->made, s->steps);
}

/* One grid: n chains, with classes y or without, as a picture and as rows of the table. */
static void draw_grid(struct sampling *s, const char *what, const int32_t *y, int64_t n,
                      int64_t across)
{
    float *x = lab_floats(&lab, n * lab.size);
    const struct image_input chains = {.n = n, .of = n, .x = x};
    const struct evaluation *before, *after;
    int64_t steps;

    start_chains(s, y, x, n);
    before = lab_evaluate(&lab, &chains);
    steps = run_chains(s, what, y, x, n, 0, s->steps);
    after = lab_evaluate(&lab, &chains);
    write_grid(s, lab_text(&lab, "%s.png", what),
               y == NULL
                   ? lab_text(&lab, "%" PRId64 " chains on log p(x)", n)
                   : lab_text(&lab, "%" PRId64 " per class on log p(x|y), a row per class",
                              arg.per_class),
               x, n, across, steps);
    if (y == NULL)
        tell_chains(s, "any class", before, after, steps, 0, n, -1);
    else
        tell_classes(s, before, after, steps);
    lab_drop(&lab, x);
}

static void draw_classes(struct sampling *s)
{
    const int64_t n = arg.per_class * lab.classes;
    int32_t *y = lab_array(&lab, n, sizeof *y);

    for (int64_t i = 0; i < n; i++)
        y[i] = (int32_t)(i / arg.per_class);
    draw_grid(s, "classes", y, n, arg.per_class);
}

/* A row per chain from states that come one after the other. */
static void write_film(struct sampling *s, const float *film, int64_t n, int64_t states,
                       int64_t steps)
{
    float *rows = lab_floats(&lab, n * states * lab.size);

    for (int64_t f = 0; f < states; f++)
        for (int64_t i = 0; i < n; i++)
            memcpy(rows + (i * states + f) * lab.size, film + (f * n + i) * lab.size,
                   (size_t)lab.size * sizeof *rows);
    write_grid(s, "film.png",
               lab_text(&lab, "the way of %" PRId64 " on log p(x), a row each", n), rows,
               n * states, states, steps);
}

/* The states of the chains at FRAMES times, evenly apart (all of them in shorter chains); fewer
 * when Ctrl-C comes. */
static void draw_film(struct sampling *s)
{
    const int64_t n = arg.film, last = s->steps < FRAMES - 1 ? s->steps : FRAMES - 1;
    float *x = lab_floats(&lab, n * lab.size);
    float *film = lab_floats(&lab, n * (last + 1) * lab.size);
    const char *times = "0";
    int64_t done = 0, shown = 0;

    start_chains(s, NULL, x, n);
    for (;;) {
        for (int64_t i = 0; i < n; i++)
            memcpy(film + (shown * n + i) * lab.size, x + i * lab.size,
                   (size_t)lab.size * sizeof *x);
        shown++;
        if (shown > last || stop_signal() != 0)
            break;
        done = run_chains(s, "film", NULL, x, n, done, shown * s->steps / last);
        times = lab_text(&lab, "%s %" PRId64, times, done);
    }
    printf("film.png: a row per chain, after steps %s\n\n", times);
    write_film(s, film, n, shown, done);
}

static void say_protocol(const struct sampling *s)
{
    const char *starts = "the start distribution", *classes = lab_no_classes(&lab);

    if (s->pool != NULL)
        starts = lab_text(&lab,
                          "%" PRId64 " of the %" PRId64
                          " images of the replay buffer, evenly spaced; those on log p(x|y) "
                          "from the images with the largest p(y|x), which makes them a choice",
                          s->pool->n, s->stored);
    record_protocol(lab.record,
                    "%s; all of them shown. Chains start from %s. log p(x) is up to a "
                    "constant; confidence: the mean p(y|x) of the class, or of the most "
                    "probable one, at the end.%s%s%s",
                    s->made, starts, classes == NULL ? "" : " Confidence means nothing here: ",
                    classes == NULL ? "" : classes, classes == NULL ? "" : ".");
}

static void note_settings(const struct sampling *s)
{
    json_t *json = record_json(lab.record);

    json_set_text(json, "data", lab.data);
    json_object_set_new(json, "seed",
                        json_integer((json_int_t)settings_number(s->opts, "train.seed")));
    json_object_set_new(json, "steps", json_integer(s->steps));
    json_object_set_new(json, "stopped", json_boolean(stop_signal() != 0));
    json_object_set_new(json, "settings", settings_json(s->opts));
}

int main(int argc, char **argv)
{
    struct sampling s = {0};
    struct record_layout layout = {"rows", RECORD_COLUMNS(columns)};

    lab_begin(&lab, &command_line, argc, argv);
    stop_install();
    lab_open(&lab);
    set_up(&s);
    layout.only_files = lab.count + arg.per_class == 0;
    s.rows = record_table(lab.record, &layout);
    print_settings(&s);
    if (lab.count > 0)
        draw_grid(&s, "samples", NULL, lab.count, (int64_t)ceil(sqrt((double)lab.count)));
    if (arg.per_class > 0 && stop_signal() == 0)
        draw_classes(&s);
    if (arg.film > 0 && stop_signal() == 0)
        draw_film(&s);
    record_say(lab.record, "\npictures   %s\n", s.drawn == NULL ? "none" : s.drawn);
    if (s.made != NULL)
        say_protocol(&s);
    note_settings(&s);
    lab_tell(&lab);
    if (stop_signal() != 0)
        lab_quit(128 + stop_signal());
    return lab_end(&lab);
}
