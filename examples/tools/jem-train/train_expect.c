/* SPDX-License-Identifier: MIT */

/* How long a run of jem-train will take, found before its first step. A training step of the
 * paper's network takes the better part of a minute on a CPU, and its schedule months: people
 * should know before they wait for the first line. */

#include "train_run.h"

#include <inttypes.h>

#include "kit/base/table.h"

#define TIMED_PASSES 3   /* of which the shortest counts ... */
#define ENOUGH       2.0 /* ... or fewer, once so many seconds have gone into them */

#define LONG 3600.0 /* seconds */

/* What learning from a batch costs, in gradients of log p(x); measured are 1.6 to 2.0
 * (docs/results/benchmarks.md). */
#define LEARNING_COST 1.8

/* Seconds of one gradient of log p(x) with respect to a batch of images: an SGLD step, but for
 * its noise. */
static double time_pass(const struct run *r, int64_t batch)
{
    const int64_t values = batch * r->lab->size;
    float *x = lab_floats(r->lab, values), *gradient = lab_floats(r->lab, values);
    jem_model *model = NULL;
    jem_head *head = NULL;
    int64_t n = 0;
    double all = 0, shortest = 0;

    must_jem(jem_dataset_size(r->images, &n));
    must_jem(jem_dataset_read(r->images, 0, n < batch ? n : batch, x, NULL));
    must_jem(jem_trainer_model(r->trainer, &model));
    must_jem(jem_head_create(model, batch, &head));
    for (int i = 0; i <= TIMED_PASSES && all < ENOUGH; i++) {
        const double began = progress_clock();
        double took;

        must_jem(jem_head_grad_log_px(head, x, NULL, batch, gradient, values));
        took = progress_clock() - began;
        all += i > 0 ? took : 0; /* the first one also makes the weights ready */
        if (i <= 1 || took < shortest)
            shortest = took;
    }
    jem_head_free(head);
    jem_model_free(model);
    lab_drop(r->lab, gradient);
    lab_drop(r->lab, x);
    return shortest;
}

/* Batches that are learned from in a step: x_l, x_d unless it is the same, x_q. */
static int64_t batches_per_step(const struct run *r, int runs_chains)
{
    const int learns_px = settings_number(r->opts, "train.weight_px") > 0;
    const int shared = settings_number(r->opts, "train.share_batch") > 0;

    return 1 + (learns_px && !shared) + runs_chains;
}

static int64_t count_weights(const struct run *r)
{
    jem_model *model = NULL;
    int64_t n = 0, shape[4];

    must_jem(jem_trainer_model(r->trainer, &model));
    for (int64_t i = 0; jem_model_param_info(model, i, NULL, shape) == JEM_OK; i++)
        n += shape[0] * shape[1] * shape[2] * shape[3];
    jem_model_free(model);
    return n;
}

/* What is trained on what. */
static void say_begin(struct run *r)
{
    struct progress *p = &r->lab->progress;
    const int64_t *shape = r->lab->shape;
    char arch[64];
    int64_t n = 0, weights;

    must_jem(jem_dataset_size(r->images, &n));
    weights = count_weights(r);
    must(settings_text(r->opts, "model.arch", arch));
    progress_say(
        p, "%s: %" PRId64 " steps, from step %" PRId64 " of %" PRId64 "; %s, %d thread(s)",
        r->data_name, r->limit - r->step, r->step, r->total, jem_context_kernels(r->lab->ctx),
        (int)jem_context_threads(r->lab->ctx));
    progress_say(p,
                 "images: %" PRId64 " to train on, %" PRId64 " held out; %" PRId64 " x %" PRId64
                 " x %" PRId64 " (channels, height, width), %" PRId64 " classes",
                 n, r->validation, shape[0], shape[1], shape[2], shape[3]);
    progress_say(p, "network: %s, %" PRId64 " weights", arch, weights);
}

/* Did somebody say how long it may take, or that the time does not matter? */
static int is_agreed(const struct train_arguments *a)
{
    return a->presets.count > 0 || a->time_budget > 0 || a->yes || a->resume != NULL;
}

static void refuse_long(const struct run *r, double step, const char *time)
{
    must(report_usage("the training would take about %s: %" PRId64
                      " steps of %.2g s. Say --yes "
                      "if that is meant; otherwise choose settings that are meant for this "
                      "machine, such as --preset demo, or an end, such as --time-budget 1800",
                      time, r->limit - r->step, step));
}

void train_expect(struct run *r)
{
    const int runs_chains = settings_number(r->opts, "train.weight_px") > 0 ||
                            settings_number(r->opts, "train.weight_pxy") > 0;
    const int64_t chain_steps =
        runs_chains ? (int64_t)settings_number(r->opts, "sgld.steps") : 0;
    const int64_t batches = batches_per_step(r, runs_chains);
    const double batch = settings_number(r->opts, "train.batch");
    const double own = settings_number(r->opts, "train.batch_px"), px = own > 0 ? own : batch;
    double pass, step, seconds;
    char whole[32];

    say_begin(r);
    if (r->limit <= r->step || (r->lab->quiet && is_agreed(r->arg)))
        return;
    pass = time_pass(r, (int64_t)px); /* of which x_l is a part, or more */
    step = pass * ((double)chain_steps + LEARNING_COST * ((double)batches - 1 + batch / px));
    seconds = step * (double)(r->limit - r->step);
    if (r->arg->time_budget > 0 && r->arg->time_budget < seconds)
        seconds = r->arg->time_budget;
    format_duration(seconds, whole);
    progress_say(&r->lab->progress,
                 "expected time about %s: %.2g s a step (SGLD steps: %" PRId64
                 ", batches to learn from: %" PRId64 ")",
                 whole, step, chain_steps, batches);
    if (seconds > LONG && !is_agreed(r->arg))
        refuse_long(r, step, whole);
}
