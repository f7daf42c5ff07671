/* SPDX-License-Identifier: MIT */

/* How long a run of jem-train will take, found before its first step. A training step of the
 * paper's network takes the better part of a minute on a CPU, and its schedule months: people
 * should know before they wait for the first line. */

#include "train_run.h"

#include <inttypes.h>

#include "kit/base/table.h"

#define TIMED_PASSES 3   /* of which the shortest counts ... */
#define ENOUGH       2.0 /* ... or fewer, once so many seconds have gone into them */

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

void train_expect(struct run *r)
{
    const int runs_chains = settings_number(r->opts, "train.weight_px") > 0 ||
                            settings_number(r->opts, "train.weight_pxy") > 0;
    const int64_t chain_steps =
        runs_chains ? (int64_t)settings_number(r->opts, "sgld.steps") : 0;
    const int64_t batches = batches_per_step(r, runs_chains);
    double pass, step, seconds;
    char whole[32];

    if (r->lab->quiet || r->limit <= r->step)
        return;
    pass = time_pass(r, (int64_t)settings_number(r->opts, "train.batch"));
    step = pass * ((double)chain_steps + LEARNING_COST * (double)batches);
    seconds = step * (double)(r->limit - r->step);
    if (r->arg->time_budget > 0 && r->arg->time_budget < seconds)
        seconds = r->arg->time_budget;
    progress_say(&r->lab->progress,
                 "expected time about %s: %.2g s a step (SGLD steps: %" PRId64
                 ", batches to learn from: %" PRId64 ")",
                 format_duration(seconds, whole), step, chain_steps, batches);
}
