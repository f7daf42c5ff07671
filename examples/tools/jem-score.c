/* SPDX-License-Identifier: MIT */

/* jem-score: what a model says about images: class, p(y|x), log p(x), approximate mass and, if
 * asked, the gradient of log p(x). Prints a table for people and writes arrays for programs. */

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "kit/formats/npy.h"
#include "kit/lab/lab.h"

#define ROWS_SHOWN 20

static struct lab lab;
static struct {
    const char *split;
    struct cli_list inputs;
    const char *range;
    enum npy_range floats; /* what --range says */
    int grad, features;
} arg;

static const struct cli_option options[] = {
    LAB_MODEL(lab, "Model and images"),
    {NULL, "input", "FILE",
     "FILE.npy or FILE.npz:NAME (:NAME may be left out if it holds one array): N x C x H x W "
     "or N x H x W x C, floats (see --range) or bytes 0..255; or a PNG or JPEG file of the "
     "model's size; more files may follow",
     NULL, .list = &arg.inputs},
    {NULL, "range", "A..B",
     "what the floats of --input are: " NPY_RANGE_HELP " (default: what the model was trained "
     "on, as far as it says)",
     NULL, .text = &arg.range},
    {NULL, "data", "KIND",
     "instead of files: " DATA_HELP "; model: what the model was trained on", NULL,
     .text = &lab.data, .check = lab_check_data},
    {NULL, "split", "NAME", "of --data: " SPLIT_HELP, "test", .text = &arg.split},
    {NULL, "count", "N", "only N images of --data, evenly spaced; 0: all", "0",
     .integer = &lab.count, .max = INT64_MAX},
    {"Results", "out", "DIR",
     "folder for logits.npy, prob_y.npy, log_px.npy, mass.npy and pred.npy (without it: only "
     "the table)",
     NULL, .text = &lab.out},
    {NULL, "grad", NULL, "write grad_log_px.npy too: d log p(x)/dx", NULL, .flag = &arg.grad},
    {NULL, "features", NULL,
     "write features.npy too: the numbers that the last layer makes the logits of", NULL,
     .flag = &arg.features},
    {"Computing", "batch", "N", "images at a time; changes memory and speed, no result", "100",
     .integer = &lab.batch, .min = 1, .max = 65536},
    LAB_COMPUTING(lab, NULL),
};

static int check(void)
{
    if ((arg.inputs.count > 0) == (lab.data != NULL))
        return report_usage("give either --input FILE... or --data KIND");
    if (arg.range != NULL && !npy_range_read(arg.range, &arg.floats))
        return report_usage("--range %s: must be " NPY_RANGE_HELP, arg.range);
    if (arg.range != NULL && lab.data != NULL)
        return report_usage("--range goes with --input; of --data it is said behind the files: "
                            "npy:IMAGES.npy,range=%s",
                            arg.range);
    if ((arg.grad || arg.features) && lab.out == NULL)
        return report_usage("--%s needs --out DIR to write to", arg.grad ? "grad" : "features");
    return CLI_GO;
}

static const struct cli command_line = {
    .program = "jem-score",
    .usage = "--model FILE (--input FILE... | --data KIND) [options]",
    .about =
        "Score images with a model that jem-train made. log p(x) is known up to a constant "
        "of the model: compare scores of one model, never of two. The approximate mass is "
        "-|| d log p(x)/dx ||.",
    .notes = "Examples:\n"
             "  jem-score --model demo/best.safetensors --data fashion-mnist --out scores\n"
             "  jem-score --model demo/best.safetensors --input shoe.png shirt.png\n",
    CLI_OPTIONS(options),
    .operands = &arg.inputs,
    .check = check,
};

static const struct record_column columns[] = {
    {NULL, "image", .kind = RECORD_TEXT}, {NULL, "class", .kind = RECORD_TEXT},
    {NULL, "p(y|x)", .decimals = 4},      {NULL, "log p(x)", .decimals = 3},
    {NULL, "mass", .decimals = 4},        {NULL, "label", .kind = RECORD_TEXT},
};

struct scores {
    const struct image_input *in;
    const struct evaluation *e;
    float *mass;
    float *grad, *features; /* NULL unless asked for */
    int64_t d;              /* features of an image */
};

static const struct image_input *read_images(void)
{
    char known[16];

    if (lab.data == NULL && arg.range == NULL &&
        jem_model_meta_get(lab.model, "image.range", known, sizeof known, NULL) == JEM_OK)
        npy_range_read(known, &arg.floats);
    if (lab.data == NULL)
        return lab_image_files(&lab, &arg.inputs, arg.floats);
    return lab_pick(&lab, lab_dataset(&lab, lab.data, arg.split), lab.data, lab.count);
}

/* The mass of each image is minus the norm of its gradient, so that one backward pass serves
 * both. */
static void score_gradients(struct scores *s, jem_head *head)
{
    const int64_t n = s->in->n;

    s->grad = lab_floats(&lab, n * lab.size);
    must_jem(jem_head_grad_log_px(head, s->in->x, NULL, n, s->grad, n * lab.size));
    for (int64_t i = 0; i < n; i++) {
        const float *grad = s->grad + i * lab.size;
        double sum = 0.0;

        for (int64_t k = 0; k < lab.size; k++)
            sum += (double)grad[k] * (double)grad[k];
        s->mass[i] = (float)-sqrt(sum);
    }
}

static struct scores score(const struct image_input *in)
{
    struct scores s = {.in = in};
    jem_head *head = lab_head(&lab);

    if (arg.features) {
        must_jem(jem_model_features(lab.model, &s.d));
        s.features = lab_floats(&lab, in->n * s.d);
    }
    s.e = lab_evaluate_features(&lab, in, s.features);
    s.mass = lab_floats(&lab, in->n);
    if (arg.grad)
        score_gradients(&s, head);
    else
        must_jem(jem_head_mass(head, in->x, in->n, s.mass, in->n));
    return s;
}

static void write_floats(const char *name, const float *values, int dims, const int64_t *shape)
{
    char path[FILE_PATH_BYTES];

    must(file_join(path, lab.out, name));
    must(npy_write_f32(path, values, dims, shape));
}

static void write_arrays(const struct scores *s)
{
    const int64_t n = s->in->n;
    const int64_t rows[2] = {n, lab.classes}, features[2] = {n, s->d};
    const int64_t images[4] = {n, lab.shape[0], lab.shape[1], lab.shape[2]};
    char path[FILE_PATH_BYTES];

    write_floats("logits.npy", s->e->logits, 2, rows);
    write_floats("prob_y.npy", s->e->prob_y, 2, rows);
    write_floats("log_px.npy", s->e->log_px, 1, &n);
    write_floats("mass.npy", s->mass, 1, &n);
    if (s->grad != NULL)
        write_floats("grad_log_px.npy", s->grad, 4, images);
    if (s->features != NULL)
        write_floats("features.npy", s->features, 2, features);
    must(file_join(path, lab.out, "pred.npy"));
    must(npy_write_i32(path, s->e->pred, 1, &n));
}

static const char *class_text(int64_t y)
{
    const char *name = lab_class_name(&lab, y);

    if (y < 0)
        return "-";
    return name == NULL ? lab_text(&lab, "%" PRId64, y)
                        : lab_text(&lab, "%" PRId64 " %s", y, name);
}

static void tell_rows(const struct scores *s)
{
    const int labels = s->e->labelled > 0, count = sizeof columns / sizeof columns[0];
    const struct record_layout layout = {"images", .columns = columns,
                                         .count = labels ? count : count - 1};
    struct record_table *t = record_table(lab.record, &layout);

    for (int64_t i = 0; i < s->in->n && i < ROWS_SHOWN; i++) {
        const int64_t y = s->e->pred[i];

        record_row(t);
        record_text(t, "image",
                    s->in->name != NULL
                        ? s->in->name[i]
                        : lab_text(&lab, "%" PRId64, image_input_number(s->in, i)));
        record_text(t, "class", class_text(y));
        record_number(t, "p(y|x)", (double)s->e->prob_y[i * lab.classes + y]);
        record_number(t, "log p(x)", (double)s->e->log_px[i]);
        record_number(t, "mass", (double)s->mass[i]);
        if (labels)
            record_text(t, "label", class_text(s->e->labels[i]));
    }
    if (s->in->n > ROWS_SHOWN)
        record_say(lab.record, "... and %" PRId64 " more\n", s->in->n - ROWS_SHOWN);
}

static void tell_summary(const struct scores *s)
{
    const struct evaluation *e = s->e;
    double mass = 0, mass_std = 0;

    must_jem(jem_metric_mean(s->mass, s->in->n, &mass, &mass_std));
    record_say(lab.record,
               "\n%" PRId64 " image(s)\n"
               "log p(x)   mean %.3f, standard deviation %.3f\n"
               "mass       mean %.4f, standard deviation %.4f\n",
               s->in->n, e->mean_log_px, e->std_log_px, mass, mass_std);
    if (e->labelled > 0)
        record_say(lab.record,
                   "accuracy   %.2f %% of %" PRId64 " labelled images\n"
                   "nll        %.4f\n"
                   "ece        %.4f (%d bins)\n",
                   100 * e->accuracy, e->labelled, e->nll, e->ece, EVALUATE_BINS);
    if (lab.data != NULL)
        record_say(lab.record, "data       %s of %s\n", lab_images_are(&lab), lab.data);
    if (lab.out != NULL)
        record_say(lab.record, "arrays     %s/*.npy\n", lab.out);
}

int main(int argc, char **argv)
{
    lab_begin(&lab, &command_line, argc, argv);
    lab_open(&lab);

    const struct image_input *in = read_images();
    const int arrays = lab_has_folder(&lab); /* before the work, not after it */
    const struct scores s = score(in);

    if (arrays)
        write_arrays(&s);
    tell_rows(&s);
    tell_summary(&s);
    lab_print(&lab);
    return lab_end(&lab);
}
