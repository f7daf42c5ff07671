/* SPDX-License-Identifier: MIT */

/* jem-score: what a model says about images: class, p(y|x), log p(x), approximate mass and, if
 * asked, the gradient of log p(x). Prints a table for people and writes arrays for programs. */

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jem/jem.h>

#include "kit/base/file.h"
#include "kit/base/report.h"
#include "kit/base/table.h"
#include "kit/cli/cli.h"
#include "kit/cli/settings.h"
#include "kit/data/data.h"
#include "kit/data/image_input.h"
#include "kit/formats/npy.h"
#include "kit/lab/evaluate.h"

#define ROWS_SHOWN 20

static struct {
    const char *model, *data, *split, *out, *backend;
    struct cli_list inputs;
    int64_t count, batch, threads;
    int grad, features;
} arg;

static const struct cli_option options[] = {
    {"Model and images", "model", "FILE", "a model or a training (.safetensors)", NULL,
     .text = &arg.model},
    {NULL, "input", "FILE",
     "FILE.npy or FILE.npz:NAME (:NAME may be left out if it holds one array): N x C x H x W, "
     "floats in [-1, 1] or bytes 0..255; or a PNG or JPEG file of the model's size; more files "
     "may follow",
     NULL, .list = &arg.inputs},
    {NULL, "data", "KIND", "instead of files: " DATA_HELP, NULL, .text = &arg.data,
     .check = data_check},
    {NULL, "split", "NAME", "of --data: train or test", "test", .text = &arg.split},
    {NULL, "count", "N", "only N images of --data, evenly spaced; 0: all", "0",
     .integer = &arg.count, .max = INT64_MAX},
    {"Results", "out", "DIR",
     "folder for logits.npy, prob_y.npy, log_px.npy, mass.npy and pred.npy (without it: only "
     "the table)",
     NULL, .text = &arg.out},
    {NULL, "grad", NULL, "write grad_log_px.npy too: d log p(x)/dx", NULL, .flag = &arg.grad},
    {NULL, "features", NULL,
     "write features.npy too: the numbers that the last layer makes the logits of", NULL,
     .flag = &arg.features},
    {"Computing", "batch", "N", "images at a time; changes memory and speed, no result", "100",
     .integer = &arg.batch, .min = 1, .max = 65536},
    {NULL, "threads", "N", "0: one per processor; changes no result", "0",
     .integer = &arg.threads, .max = 64},
    {NULL, "backend", "NAME", BACKEND_HELP, "cpu", .text = &arg.backend},
};

static const struct cli command_line = {
    .program = "jem-score",
    .usage = "--model FILE --input FILE... [--out DIR] [options]",
    .about =
        "Score images with a model that jem-train made. log p(x) is known up to a constant "
        "of the model: compare scores of one model, never of two. The approximate mass is "
        "-|| d log p(x)/dx ||.",
    .notes = "Examples:\n"
             "  jem-score --model demo/best.safetensors --data fashion-mnist --out scores\n"
             "  jem-score --model demo/best.safetensors --input shoe.png shirt.png\n",
    .options = options,
    .count = (int)(sizeof options / sizeof options[0]),
    .operands = &arg.inputs,
};

struct scores {
    jem_context *ctx;
    jem_model *model;
    int64_t shape[4];
    struct image_input in;
    struct evaluation e;
    float *mass;
    float *grad, *features; /* NULL unless asked for */
    int64_t d;              /* features of an image */
};

static int check_arguments(void)
{
    if (arg.model == NULL)
        return report_usage("--model FILE is missing");
    if ((arg.inputs.count > 0) == (arg.data != NULL))
        return report_usage("give either --input FILE... or --data KIND");
    if ((arg.grad || arg.features) && arg.out == NULL)
        return report_usage("--%s needs --out DIR to write to", arg.grad ? "grad" : "features");
    return CLI_GO;
}

static int load(struct scores *s)
{
    int rc = settings_context(arg.backend, arg.threads, &s->ctx);

    if (rc == EXIT_OK)
        rc = report_jem(jem_model_load(s->ctx, arg.model, &s->model));
    if (rc == EXIT_OK)
        rc = report_jem(jem_model_shape(s->model, s->shape));
    if (rc == EXIT_OK && arg.data != NULL)
        rc = image_input_data(s->ctx, arg.data, arg.split, arg.count, s->shape, &s->in);
    else if (rc == EXIT_OK)
        rc = image_input_files(&arg.inputs, s->shape, &s->in);
    if (rc == EXIT_OK && arg.out != NULL) /* before the work, not after it */
        rc = file_make_folder(arg.out);
    return rc;
}

/* The norm of each image's gradient, so that one backward pass serves both. */
static void mass_from_gradient(struct scores *s, int64_t size)
{
    for (int64_t i = 0; i < s->in.n; i++) {
        double sum = 0.0;

        for (int64_t k = 0; k < size; k++)
            sum += (double)s->grad[i * size + k] * (double)s->grad[i * size + k];
        s->mass[i] = (float)-sqrt(sum);
    }
}

static int score_features(struct scores *s, jem_head *head)
{
    const int64_t n = s->in.n;
    const int rc = report_jem(jem_model_features(s->model, &s->d));

    if (rc != EXIT_OK)
        return rc;
    s->features = malloc((size_t)(n * s->d) * sizeof s->features[0]);
    if (s->features == NULL)
        return report_no_memory();
    return report_jem(jem_head_features(head, s->in.x, n, s->features, n * s->d));
}

static int score(struct scores *s)
{
    const int64_t n = s->in.n, size = s->shape[0] * s->shape[1] * s->shape[2];
    jem_head *head = NULL;
    int rc;

    s->mass = malloc((size_t)n * sizeof s->mass[0]);
    s->grad = arg.grad ? malloc((size_t)(n * size) * sizeof s->grad[0]) : NULL;
    if (s->mass == NULL || (arg.grad && s->grad == NULL))
        return report_no_memory();
    rc = evaluate_images(s->model, s->in.x, n, arg.batch, &s->e);
    if (rc == EXIT_OK)
        rc = evaluate_with_labels(&s->e, s->in.labels);
    if (rc == EXIT_OK)
        rc = report_jem(jem_head_create(s->model, arg.batch, &head));
    if (rc == EXIT_OK && arg.grad) {
        rc = report_jem(jem_head_grad_log_px(head, s->in.x, NULL, n, s->grad, n * size));
        if (rc == EXIT_OK)
            mass_from_gradient(s, size);
    } else if (rc == EXIT_OK) {
        rc = report_jem(jem_head_mass(head, s->in.x, n, s->mass, n));
    }
    if (rc == EXIT_OK && arg.features)
        rc = score_features(s, head);
    jem_head_free(head);
    return rc;
}

static int write_floats(const char *name, const float *values, int dims, const int64_t *shape)
{
    char path[FILE_PATH_BYTES];
    const int rc = file_join(path, arg.out, name);

    return rc == EXIT_OK ? npy_write_f32(path, values, dims, shape) : rc;
}

static int write_arrays(const struct scores *s)
{
    const int64_t n = s->in.n;
    const int64_t rows[2] = {n, s->shape[3]}, features[2] = {n, s->d};
    const int64_t images[4] = {n, s->shape[0], s->shape[1], s->shape[2]};
    char path[FILE_PATH_BYTES];
    int rc = write_floats("logits.npy", s->e.logits, 2, rows);

    if (rc == EXIT_OK)
        rc = write_floats("prob_y.npy", s->e.prob_y, 2, rows);
    if (rc == EXIT_OK)
        rc = write_floats("log_px.npy", s->e.log_px, 1, &n);
    if (rc == EXIT_OK)
        rc = write_floats("mass.npy", s->mass, 1, &n);
    if (rc == EXIT_OK && s->grad != NULL)
        rc = write_floats("grad_log_px.npy", s->grad, 4, images);
    if (rc == EXIT_OK && s->features != NULL)
        rc = write_floats("features.npy", s->features, 2, features);
    if (rc == EXIT_OK)
        rc = file_join(path, arg.out, "pred.npy");
    return rc == EXIT_OK ? npy_write_i32(path, s->e.pred, 1, &n) : rc;
}

static void class_cell(struct table *t, int64_t y)
{
    const char *name = data_class_name(arg.data, y);

    if (y < 0)
        table_cell(t, "-");
    else if (name == NULL)
        table_cell(t, "%" PRId64, y);
    else
        table_cell(t, "%" PRId64 " %s", y, name);
}

static int print_rows(const struct scores *s)
{
    static const char *const plain[] = {"image",     "class", ">p(y|x)",
                                        ">log p(x)", ">mass", NULL};
    static const char *const labelled[] = {"image", "class", ">p(y|x)", ">log p(x)",
                                           ">mass", "label", NULL};
    const int has_labels = s->e.labelled > 0;
    struct table *t = table_create(has_labels ? labelled : plain);
    int rc;

    if (t == NULL)
        return report_no_memory();
    for (int64_t i = 0; i < s->in.n && i < ROWS_SHOWN; i++) {
        const int64_t y = s->e.pred[i];

        if (s->in.name != NULL)
            table_cell(t, "%s", s->in.name[i]);
        else
            table_cell(t, "%" PRId64, image_input_number(&s->in, i));
        class_cell(t, y);
        table_cell(t, "%.4f", (double)s->e.prob_y[i * s->shape[3] + y]);
        table_cell(t, "%.3f", (double)s->e.log_px[i]);
        table_cell(t, "%.4f", (double)s->mass[i]);
        if (has_labels)
            class_cell(t, s->e.labels[i]);
    }
    rc = table_print(t, stdout);
    table_free(t);
    if (s->in.n > ROWS_SHOWN)
        printf("... and %" PRId64 " more\n", s->in.n - ROWS_SHOWN);
    return rc;
}

static int print_summary(const struct scores *s)
{
    double mass = 0, mass_std = 0;
    const int rc = report_jem(jem_metric_mean(s->mass, s->in.n, &mass, &mass_std));

    if (rc != EXIT_OK)
        return rc;
    printf("\n%" PRId64 " image(s)\n", s->in.n);
    printf("log p(x)   mean %.3f, standard deviation %.3f\n", s->e.mean_log_px,
           s->e.std_log_px);
    printf("mass       mean %.4f, standard deviation %.4f\n", mass, mass_std);
    if (s->e.labelled > 0) {
        printf("accuracy   %.2f %% of %" PRId64 " labelled images\n", 100 * s->e.accuracy,
               s->e.labelled);
        printf("nll        %.4f\n", s->e.nll);
        printf("ece        %.4f (%d bins)\n", s->e.ece, EVALUATE_BINS);
    }
    if (arg.out != NULL)
        printf("arrays     %s/*.npy\n", arg.out);
    return EXIT_OK;
}

static int run(struct scores *s)
{
    int rc = load(s);

    if (rc == EXIT_OK)
        rc = score(s);
    if (rc == EXIT_OK && arg.out != NULL)
        rc = write_arrays(s);
    if (rc == EXIT_OK)
        rc = print_rows(s);
    if (rc == EXIT_OK)
        rc = print_summary(s);
    return rc;
}

int main(int argc, char **argv)
{
    struct scores s = {0};
    int rc = cli_parse(&command_line, argc, argv);

    if (rc == CLI_GO)
        rc = check_arguments();
    if (rc == CLI_GO)
        rc = report_flush(run(&s));
    free(s.mass);
    free(s.grad);
    free(s.features);
    evaluate_free(&s.e);
    image_input_free(&s.in);
    jem_model_free(s.model);
    jem_context_free(s.ctx);
    cli_list_free(&arg.inputs);
    return rc;
}
