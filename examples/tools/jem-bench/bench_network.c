/* SPDX-License-Identifier: MIT */

/* Whole networks under the clock, through the public API. Only the count of multiply-adds looks
 * into the model. */

#include <stdlib.h>
#include <string.h>

#include "bench_work.h"
#include "kit/base/report.h"
#include "kit/base/splitmix.h"
#include "kit/cli/settings.h"
#include "kit/cli/whole_numbers.h"
#include "nets/model.h"

enum op { LOGITS, GRAD, SGLD, TRAIN };

static const char *const op_names[] = {"logits", "grad", "sgld", "train"};

struct network_run {
    enum op op;
    int64_t batch, steps, image_size, classes;
    float *start, *x; /* images at the start of a run; where chains run */
    float *out;       /* logits or gradients */
    int32_t *y;
    jem_head *head;
    jem_sampler *sampler;
    jem_dataset *data;
    jem_trainer *trainer;
};

static int find_op(const char *op)
{
    for (int i = 0; i < (int)(sizeof op_names / sizeof op_names[0]); i++)
        if (strcmp(op, op_names[i]) == 0)
            return i;
    return -1;
}

int bench_is_network_op(const char *op)
{
    return find_op(op) >= 0;
}

void bench_fill(float *values, int64_t count, float scale)
{
    uint64_t state = splitmix_begin(1, 0);

    for (int64_t i = 0; i < count; i++)
        values[i] = scale * splitmix_symmetric(&state);
}

/* --- The model ---------------------------------------------------------------------------- */

static int set_number(jem_options *opts, const char *name, int64_t value)
{
    if (jem_options_set_i64(opts, name, value) != JEM_OK)
        return report_usage("%s", report_reason());
    return EXIT_OK;
}

static int set_architecture(jem_options *opts, const char *name)
{
    int64_t size[2] = {0, 0};

    if (strcmp(name, "demo") == 0)
        return report_jem(jem_options_preset(opts, "demo"));
    if (strcmp(name, "small") == 0 || strcmp(name, "mlp") == 0)
        return report_jem(jem_options_set_str(opts, "model.arch", name));
    if (strncmp(name, "wrn-", 4) != 0 ||
        whole_numbers_read(name + 4, '-', 1, INT64_MAX, 2, size) != 2)
        return report_usage("--model %s: must be wrn-DEPTH-WIDTH (the paper's is wrn-28-10), "
                            "small, mlp or demo",
                            name);
    TRY(report_jem(jem_options_set_str(opts, "model.arch", "wrn")));
    TRY(set_number(opts, "model.depth", size[0]));
    return set_number(opts, "model.widen", size[1]);
}

static int set_input(jem_options *opts, const char *input)
{
    static const char *const names[] = {"model.channels", "model.height", "model.width"};
    int64_t size[3];

    if (input == NULL)
        return EXIT_OK;
    if (whole_numbers_read(input, 'x', 1, INT64_MAX, 3, size) != 3)
        return report_usage("--input %s: must be CHANNELSxHEIGHTxWIDTH, for example 3x32x32",
                            input);
    for (int i = 0; i < 3; i++)
        TRY(set_number(opts, names[i], size[i]));
    return EXIT_OK;
}

int bench_model(jem_context *ctx, const char *name, const char *input, int64_t classes,
                const struct cli_list *sets, jem_options **opts, jem_model **model)
{
    static const struct cli_list no_presets = {NULL, 0};

    TRY(report_jem(jem_options_create(ctx, opts)));
    TRY(set_architecture(*opts, name));
    TRY(set_input(*opts, input));
    TRY(set_number(*opts, "model.classes", classes));
    TRY(settings_apply(*opts, &no_presets, sets));
    return report_jem(jem_model_create(ctx, *opts, model));
}

/* --- Runs --------------------------------------------------------------------------------- */

static int reset(struct bench_work *w)
{
    struct network_run *r = w->state;

    memcpy(r->x, r->start, (size_t)(r->batch * r->image_size) * sizeof r->x[0]);
    return EXIT_OK;
}

static int run(struct bench_work *w)
{
    struct network_run *r = w->state;
    const int64_t n = r->batch;

    switch (r->op) {
    case LOGITS:
        return report_jem(jem_head_logits(r->head, r->x, n, r->out, n * r->classes));
    case GRAD:
        return report_jem(
            jem_head_grad_log_px(r->head, r->x, NULL, n, r->out, n * r->image_size));
    case SGLD:
        return report_jem(jem_sampler_run(r->sampler, r->x, NULL, n, r->steps));
    case TRAIN:
        break;
    }
    return report_jem(jem_trainer_step_on(r->trainer, NULL, 0, r->x, r->y, n, NULL, NULL, 0));
}

static void close_run(struct bench_work *w)
{
    struct network_run *r = w->state;

    jem_trainer_free(r->trainer);
    jem_dataset_free(r->data);
    jem_sampler_free(r->sampler);
    jem_head_free(r->head);
    free(r->start);
    free(r->x);
    free(r->out);
    free(r->y);
    free(r);
    *w = (struct bench_work){0};
}

/* A tiny learning rate: the weights hardly move, so that all runs do the same work. */
static int set_training(jem_options *opts, int64_t batch)
{
    TRY(report_jem(jem_options_preset(opts, "classifier")));
    TRY(report_jem(jem_options_set_str(opts, "train.lr", "1e-6")));
    TRY(report_jem(jem_options_set_str(opts, "train.schedule", "constant")));
    TRY(report_jem(jem_options_set_str(opts, "train.warmup_steps", "0")));
    return set_number(opts, "train.batch", batch);
}

static int open_trainer(struct network_run *r, jem_model *model)
{
    const int64_t shape[3] = {model->c, model->h, model->w};
    jem_options *opts = NULL;
    int rc;

    TRY(report_jem(jem_dataset_from_f32(model->ctx, r->start, r->y, r->batch, shape, r->classes,
                                        &r->data)));
    TRY(report_jem(jem_options_create(model->ctx, &opts)));
    rc = set_training(opts, r->batch);
    if (rc == EXIT_OK)
        rc = report_jem(jem_trainer_create(model, r->data, opts, &r->trainer));
    jem_options_free(opts);
    return rc;
}

static int open_head(struct network_run *r, jem_model *model, const jem_options *opts)
{
    TRY(report_jem(jem_head_create(model, r->batch, &r->head)));
    return r->op == SGLD ? report_jem(jem_sampler_create(r->head, opts, &r->sampler)) : EXIT_OK;
}

static int make_arrays(struct network_run *r)
{
    const size_t pixels = (size_t)(r->batch * r->image_size);
    const size_t most = (size_t)(r->classes > r->image_size ? r->classes : r->image_size);

    r->start = calloc(pixels, sizeof r->start[0]);
    r->x = calloc(pixels, sizeof r->x[0]);
    r->out = calloc((size_t)r->batch * most, sizeof r->out[0]);
    r->y = calloc((size_t)r->batch, sizeof r->y[0]);
    if (r->start == NULL || r->x == NULL || r->out == NULL || r->y == NULL)
        return report_no_memory();
    bench_fill(r->start, r->batch * r->image_size, 1);
    for (int64_t i = 0; i < r->batch; i++)
        r->y[i] = (int32_t)(i % r->classes);
    return EXIT_OK;
}

/* The multiply-adds of one run over one image. In training the first layers need no gradient in
 * their input. */
static double count_madds(const jem__network *net, enum op op, int64_t steps)
{
    double all = 0, first = 0;

    for (int32_t i = 0; i < net->n_layers; i++) {
        const jem__conv *conv = &net->layers[i].conv; /* zeros in layers of other kinds */
        const double madds =
            (double)(conv->k * conv->oh * conv->ow) * (double)(conv->c * conv->kh * conv->kw);

        all += madds;
        first += net->layers[i].in[0] == 0 ? madds : 0;
    }
    if (op == LOGITS)
        return all;
    return op == TRAIN ? 3 * all - first : 2 * all * (double)steps;
}

static int open_run(struct network_run *r, jem_model *model, const jem_options *opts)
{
    TRY(make_arrays(r));
    return r->op == TRAIN ? open_trainer(r, model) : open_head(r, model, opts);
}

int bench_open_network(jem_model *model, const jem_options *opts, const char *op, int64_t batch,
                       int64_t steps, struct bench_work *out)
{
    struct network_run *r = calloc(1, sizeof *r);
    int rc;

    if (r == NULL)
        return report_no_memory();
    r->op = (enum op)find_op(op);
    r->batch = batch;
    r->steps = r->op == SGLD ? steps : 1;
    r->image_size = jem__model_image_size(model);
    r->classes = model->classes;
    *out = (struct bench_work){.reset = reset, .run = run, .close = close_run, .state = r};
    out->images = batch;
    out->madds = (double)batch * count_madds(model->net, r->op, r->steps);
    rc = open_run(r, model, opts);
    if (rc != EXIT_OK)
        close_run(out);
    return rc;
}
