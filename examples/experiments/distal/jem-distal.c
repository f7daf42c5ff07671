/* SPDX-License-Identifier: MIT */

/* jem-distal: distal adversarial images (JEM section 5.4). Gradient ascent on p(y|x) begins at
 * noise and goes on until the model is sure of class y. A classifier is soon sure of what is
 * noise to people; a model that knows p(x) as well should arrive at something that looks like
 * the class.
 *
 *     x_0 ~ U(box),   x <- project to the box (x + step * g / ||g||),   g = d log p(y|x) / dx
 */

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jem/jem.h>

#include "kit/attack/attack_random.h"
#include "kit/base/file.h"
#include "kit/base/json_log.h"
#include "kit/base/progress.h"
#include "kit/base/report.h"
#include "kit/base/table.h"
#include "kit/cli/cli.h"
#include "kit/cli/settings.h"
#include "kit/data/data.h"
#include "kit/images/image.h"
#include "kit/lab/evaluate.h"
#include "kit/lab/experiment.h"
#include "kit/stats/share.h"

#define BATCH 256

static struct {
    const char *model, *data, *out, *json, *start, *backend;
    int64_t count, steps, seed, threads;
    double threshold, step;
    int quiet;
} arg;

static const struct cli_option options[] = {
    {"Model and results", "model", "FILE", "a model or a training (.safetensors)", NULL,
     .text = &arg.model},
    {NULL, "data", "KIND",
     "names for the classes, and 1000 test images whose log p(x) is shown beside: " DATA_HELP,
     NULL, .text = &arg.data},
    {NULL, "out", "DIR", "folder for distal.png, with a row per class", NULL, .text = &arg.out},
    {NULL, "json", "FILE", "the figures for programs", NULL, .text = &arg.json, .written = 1},
    {"Search", "count", "N", "images per class", "10", .integer = &arg.count, .min = 1,
     .max = 10000},
    {NULL, "start", "NAME", "noise: every value uniform; grey: all values in the middle",
     "noise", .text = &arg.start},
    {NULL, "threshold", "P", "stop where p(y given x) is larger", "0.9",
     .real = &arg.threshold},
    {NULL, "steps", "N", "at most", "1000", .integer = &arg.steps, .min = 1, .max = 1000000},
    {NULL, "step-size", "L", "length of a step (L2, of images in [0, 1])", "0.5",
     .real = &arg.step},
    {"Computing", "seed", "N", "of the noise", "1", .integer = &arg.seed},
    {NULL, "threads", "N", "0: one per processor; changes no result", "0",
     .integer = &arg.threads, .max = 64},
    {NULL, "backend", "NAME", BACKEND_HELP, "cpu", .text = &arg.backend},
    {NULL, "quiet", NULL, "no progress on stderr", NULL, .flag = &arg.quiet},
};

static const struct cli command_line = {
    .program = "jem-distal",
    .usage = "--model FILE [options]",
    .about =
        "Images made from noise by gradient ascent on p(y given x): what is the model sure "
        "of? Every class is a target.",
    .notes = "Example:\n"
             "  jem-distal --model demo/best.safetensors --data fashion-mnist --out distal\n",
    .options = options,
    .count = (int)(sizeof options / sizeof options[0]),
};

struct search {
    struct experiment e;
    struct image_input real; /* test images, where there are some */
    double real_log_px;
    jem_head *head;
    int64_t n, size;
    float *x;    /* n images, those of class 0 first */
    int32_t *y;  /* targets */
    int64_t *at; /* steps made */
    uint8_t *reached;
    struct evaluation before, after;
    struct progress progress;
};

static int check_arguments(void)
{
    if (arg.model == NULL)
        return report_usage("--model FILE is missing");
    if (strcmp(arg.start, "noise") != 0 && strcmp(arg.start, "grey") != 0)
        return report_usage("--start %s: must be noise or grey", arg.start);
    if (!(arg.threshold > 0) || !(arg.threshold < 1))
        return report_usage("--threshold %g: must lie between 0 and 1", arg.threshold);
    if (!(arg.step > 0))
        return report_usage("--step-size %g: must be above 0", arg.step);
    return CLI_GO;
}

static int allocate(struct search *s)
{
    s->size = s->e.shape[0] * s->e.shape[1] * s->e.shape[2];
    s->n = arg.count * s->e.shape[3];
    s->x = calloc((size_t)(s->n * s->size), sizeof s->x[0]);
    s->y = calloc((size_t)s->n, sizeof s->y[0]);
    s->at = calloc((size_t)s->n, sizeof s->at[0]);
    s->reached = calloc((size_t)s->n, 1);
    return s->x != NULL && s->y != NULL && s->at != NULL && s->reached != NULL
               ? EXIT_OK
               : report_no_memory();
}

/* The mean log p(x) of real images. */
static int look_at_data(struct search *s)
{
    struct evaluation e;
    int rc;

    s->real_log_px = (double)NAN;
    if (arg.data == NULL)
        return EXIT_OK;
    rc = experiment_data(&s->e, arg.data, "test", 1000, 0, &s->real);
    if (rc == EXIT_OK)
        rc = evaluate_images(s->e.model, s->real.x, s->real.n, BATCH, &e);
    if (rc != EXIT_OK)
        return rc;
    s->real_log_px = e.mean_log_px;
    evaluate_free(&e);
    return EXIT_OK;
}

static int set_up(struct search *s)
{
    int rc = experiment_open(arg.model, arg.backend, arg.threads, arg.seed, &s->e);

    if (rc == EXIT_OK)
        rc = look_at_data(s);
    if (rc == EXIT_OK && arg.out != NULL)
        rc = file_make_folder(arg.out);
    if (rc == EXIT_OK)
        rc = allocate(s);
    if (rc == EXIT_OK)
        rc = report_jem(jem_head_create(s->e.model, BATCH, &s->head));
    for (int64_t i = 0; i < s->n && rc == EXIT_OK; i++) {
        struct attack_random r = attack_random_at(arg.seed, ATTACK_FOR_START, 0, i);

        s->y[i] = (int32_t)(i / arg.count);
        for (int64_t j = 0; strcmp(arg.start, "noise") == 0 && j < s->size; j++)
            s->x[i * s->size + j] = (float)attack_random_signed(&r);
    }
    progress_start(&s->progress, arg.quiet);
    return rc == EXIT_OK ? evaluate_images(s->e.model, s->x, s->n, BATCH, &s->before) : rc;
}

/* One step along the gradient, and back into the box. */
static void ascend(float *x, const float *grad, int64_t size)
{
    double squares = 0, step;

    for (int64_t j = 0; j < size; j++)
        squares += (double)grad[j] * (double)grad[j];
    step = squares > 0 ? 2 * arg.step / sqrt(squares) : 0; /* x is in [-1, 1] */
    for (int64_t j = 0; j < size; j++)
        x[j] = (float)fmin(fmax((double)x[j] + step * (double)grad[j], -1), 1);
}

/* A step for the images first, ..., first + m - 1 that have not reached their class; returns
 * how many these were. `some`, `grad`: room for m images, `prob` for their probabilities. */
static int step_batch(struct search *s, int64_t first, int64_t m, float *some, float *grad,
                      float *prob, int64_t *left)
{
    const int64_t classes = s->e.shape[3], size = s->size;
    const size_t bytes = (size_t)size * sizeof some[0];
    int32_t y[BATCH];
    int64_t which[BATCH], k = 0;
    int rc = report_jem(jem_head_prob_y(s->head, s->x + first * size, m, prob, m * classes));

    for (int64_t i = 0; i < m && rc == EXIT_OK; i++) {
        const int64_t g = first + i;

        s->reached[g] = (double)prob[i * classes + s->y[g]] > arg.threshold;
        if (s->reached[g] || s->at[g] == arg.steps)
            continue;
        memcpy(some + k * size, s->x + g * size, bytes);
        y[k] = s->y[g];
        which[k++] = g;
    }
    if (rc == EXIT_OK)
        rc = report_jem(jem_head_grad_log_py(s->head, some, y, k, grad, k * size));
    for (int64_t i = 0; i < k && rc == EXIT_OK; i++) {
        ascend(s->x + which[i] * size, grad + i * size, size);
        s->at[which[i]]++;
    }
    *left = k;
    return rc;
}

static int search_batch(struct search *s, int64_t first, int64_t m, float *room)
{
    float *some = room, *grad = some + BATCH * s->size, *prob = grad + BATCH * s->size;
    int64_t left = m;
    int rc = EXIT_OK;

    for (int64_t t = 0; left > 0 && rc == EXIT_OK; t++) {
        rc = step_batch(s, first, m, some, grad, prob, &left);
        if (progress_due(&s->progress))
            progress_show(&s->progress,
                          "images %" PRId64 " to %" PRId64 " of %" PRId64 ": step %" PRId64
                          ", %" PRId64 " on the way",
                          first, first + m - 1, s->n, t, left);
    }
    return rc;
}

static int search_all(struct search *s)
{
    float *room = malloc((size_t)(BATCH * (2 * s->size + s->e.shape[3])) * sizeof room[0]);
    int rc = room == NULL ? report_no_memory() : EXIT_OK;

    for (int64_t i = 0; i < s->n && rc == EXIT_OK; i += BATCH)
        rc = search_batch(s, i, s->n - i < BATCH ? s->n - i : BATCH, room);
    progress_clear(&s->progress);
    free(room);
    return rc == EXIT_OK ? evaluate_images(s->e.model, s->x, s->n, BATCH, &s->after) : rc;
}

/* --- What is told ------------------------------------------------------------------------- */

struct summary {
    int64_t n, reached;
    double steps, prob, before, after; /* means; steps: of those that reached their class */
};

static struct summary summarise(const struct search *s, int64_t first, int64_t n)
{
    struct summary m = {.n = n};

    for (int64_t i = first; i < first + n; i++) {
        m.reached += s->reached[i];
        m.steps += s->reached[i] ? (double)s->at[i] : 0;
        m.prob += (double)s->after.prob_y[i * s->after.classes + s->y[i]] / (double)n;
        m.before += (double)s->before.log_px[i] / (double)n;
        m.after += (double)s->after.log_px[i] / (double)n;
    }
    m.steps = m.reached > 0 ? m.steps / (double)m.reached : (double)NAN;
    return m;
}

static void add_row(struct table *t, const char *name, const struct summary *m)
{
    table_cell(t, "%s", name);
    table_cell(t, "%" PRId64 "/%" PRId64, m->reached, m->n);
    if (m->reached > 0)
        table_cell(t, "%.1f", m->steps);
    else
        table_cell(t, "-");
    table_cell(t, "%.3f", m->prob);
    table_cell(t, "%.3f", m->before);
    table_cell(t, "%.3f", m->after);
}

static json_t *summary_json(const struct summary *m)
{
    json_t *o = json_pack("{sI sI}", "n", (json_int_t)m->n, "reached", (json_int_t)m->reached);

    json_set_number(o, "steps", m->steps);
    json_set_number(o, "prob_y", m->prob);
    json_set_number(o, "log_px_start", m->before);
    json_set_number(o, "log_px_end", m->after);
    return o;
}

static int print_classes(struct search *s)
{
    static const char *const headings[] = {
        "target", ">reached", ">steps", ">p(y|x)", ">log p(x) at start", ">at the end", NULL};
    const struct summary all = summarise(s, 0, s->n);
    struct table *t = table_create(headings);
    json_t *classes = json_array();
    double low, high;
    int rc;

    if (t == NULL)
        return report_no_memory();
    for (int64_t k = 0; k < s->e.shape[3]; k++) {
        const struct summary m = summarise(s, k * arg.count, arg.count);
        const char *known = arg.data == NULL ? NULL : data_class_name(arg.data, k);
        json_t *o = summary_json(&m);
        char name[64];

        snprintf(name, sizeof name, "class %" PRId64 " %s", k, known == NULL ? "" : known);
        add_row(t, name, &m);
        json_object_set_new(o, "class", json_integer(k));
        json_array_append_new(classes, o);
    }
    add_row(t, "all", &all);
    rc = table_print(t, stdout);
    table_free(t);
    share_interval(all.reached, all.n, &low, &high);
    printf("\nreached %.1f %% of their class (95 %% interval %.0f to %.0f)\n",
           100.0 * (double)all.reached / (double)all.n, 100 * low, 100 * high);
    if (arg.data != NULL)
        printf("log p(x) of %" PRId64 " test images: %.3f\n", s->real.n, s->real_log_px);
    json_object_set_new(s->e.json, "classes", classes);
    json_object_set_new(s->e.json, "all", summary_json(&all));
    json_set_number(s->e.json, "reached", (double)all.reached / (double)all.n);
    json_set_number(s->e.json, "log_px_data", s->real_log_px);
    return rc;
}

static int tell(struct search *s)
{
    char path[FILE_PATH_BYTES];
    int rc = print_classes(s);

    experiment_set_protocol(
        &s->e,
        "Gradient ascent on log p(y|x) for each class y from %s, steps of length %g (L2, of "
        "images in [0, 1]) along the gradient, cut to the box [0, 1], until p(y|x) > %g or for "
        "%" PRId64 " steps; %" PRId64 " images per class, seed %" PRId64
        ". No SGLD, no noise on the way. Steps: mean over the images that reached their class. "
        "log p(x) up to the model's constant: compare it with that of test images of the same "
        "model only.",
        strcmp(arg.start, "noise") == 0 ? "uniform noise" : "grey", arg.step, arg.threshold,
        arg.steps, arg.count, arg.seed);
    if (json_object_get(s->e.json, "data") == NULL)
        json_object_set_new(s->e.json, "data", json_null());
    if (rc == EXIT_OK)
        experiment_print_protocol(&s->e);
    if (rc == EXIT_OK)
        rc = experiment_write(&s->e, arg.json);
    if (rc != EXIT_OK || arg.out == NULL)
        return rc;
    rc = file_join(path, arg.out, "distal.png");
    if (rc == EXIT_OK)
        rc = image_write_grid(path, s->x, s->n, s->e.shape, arg.count);
    if (rc == EXIT_OK)
        printf("\npicture    %s (a row per class)\n", path);
    return rc;
}

static int run(void)
{
    struct search s = {0};
    int rc = set_up(&s);

    if (rc == EXIT_OK)
        rc = search_all(&s);
    if (rc == EXIT_OK)
        rc = tell(&s);
    evaluate_free(&s.before);
    evaluate_free(&s.after);
    image_input_free(&s.real);
    jem_head_free(s.head);
    free(s.x);
    free(s.y);
    free(s.at);
    free(s.reached);
    experiment_close(&s.e);
    return rc;
}

int main(int argc, char **argv)
{
    int rc = cli_parse(&command_line, argc, argv);

    if (rc == CLI_GO)
        rc = check_arguments();
    return rc == CLI_GO ? report_flush(run()) : rc;
}
