/* SPDX-License-Identifier: MIT */

/* Lesson 5: a training loop of one's own. It holds images out, looks at them every 50 steps, keeps
 * the best model, and stops when the training is lost. Images and labels are two IDX files, as in
 * lesson 2; STEPS is 1000 unless given:
 *
 *     05_own_loop train-images-idx3-ubyte train-labels-idx1-ubyte best.safetensors 400
 */

#include <stdio.h>
#include <stdlib.h>

#include <jem/jem.h>

#define LOOK    50  /* steps between two validations */
#define MAX_GAP 1.0 /* a gap beyond it says that samples and data have parted for good */

struct training {
    jem_trainer *trainer;
    float *x; /* the images that the training never sees, and their labels */
    int32_t *y;
    float *logits;
    int64_t n, classes;
};

/* Reads the held-out images once; the data set itself is no longer needed then. */
static int hold_out(struct training *t, const jem_dataset *held)
{
    int64_t shape[4];

    if (jem_dataset_size(held, &t->n) || jem_dataset_shape(held, shape))
        return -1;
    t->classes = shape[3];
    t->x = malloc((size_t)(t->n * shape[0] * shape[1] * shape[2]) * sizeof *t->x);
    t->y = malloc((size_t)t->n * sizeof *t->y);
    t->logits = malloc((size_t)(t->n * t->classes) * sizeof *t->logits);
    if (t->x == NULL || t->y == NULL || t->logits == NULL)
        return -1;
    return jem_dataset_read(held, 0, t->n, t->x, t->y);
}

/* The average of the weights classifies better than the weights of the last step. */
static int validate(struct training *t, const char *path, double *best)
{
    jem_model *model = NULL;
    jem_head *head = NULL;
    double accuracy = 0;
    int failed = jem_trainer_average_model(t->trainer, &model) ||
                 jem_head_create(model, 100, &head) ||
                 jem_head_logits(head, t->x, t->n, t->logits, t->n * t->classes) ||
                 jem_metric_accuracy(t->logits, t->y, t->n, t->classes, &accuracy);

    if (!failed && accuracy > *best) {
        *best = accuracy;
        failed =
            jem_model_save(model, path); /* the old file stays until the new one is whole */
    }
    if (!failed)
        printf("   held out: accuracy %.3f, best %.3f\n", accuracy, *best);
    jem_head_free(head);
    jem_model_free(model);
    return failed;
}

static int train(struct training *t, long steps, const char *path)
{
    double gap = 0, best = -1;

    for (long step = 0; step < steps;) {
        const long more = steps - step < LOOK ? steps - step : LOOK;
        const jem_status status = jem_trainer_step(t->trainer, more);

        if (status == JEM_E_NUMERIC && best >= 0) { /* the weights are those before the step */
            printf("diverged (%s); the best model stays\n", jem_last_error());
            return 0;
        }
        if (status || jem_trainer_metric(t->trainer, "energy_gap", &gap))
            return -1;
        step += more;
        printf("step %4ld   log p(data) - log p(samples) %6.3f", step, gap);
        if (validate(t, path, &best))
            return -1;
        fflush(stdout);
        if (gap > MAX_GAP || gap < -MAX_GAP) {
            printf("the gap has opened; the best model stays\n");
            return 0;
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    jem_context *ctx = NULL;
    jem_options *opts = NULL;
    jem_dataset *all = NULL, *data = NULL, *held = NULL;
    jem_model *model = NULL;
    struct training t = {0};
    int64_t n = 0;
    const long steps = argc == 5 ? strtol(argv[4], NULL, 10) : 1000;

    if ((argc != 4 && argc != 5) || steps <= 0) {
        fprintf(stderr, "usage: 05_own_loop IMAGES LABELS MODEL [STEPS]\n");
        return 2;
    }
    int failed = jem_context_create(NULL, &ctx) || jem_options_create(ctx, &opts) ||
                 jem_options_preset(opts, "demo") ||
                 jem_options_set_i64(opts, "train.steps", steps) || /* the schedule's end */
                 jem_dataset_open(ctx, "idx", argv[1], argv[2], &all) ||
                 jem_dataset_size(all, &n) || jem_dataset_split(all, n / 10, 1, &data, &held) ||
                 hold_out(&t, held) || jem_model_create(ctx, opts, &model) ||
                 jem_trainer_create(model, data, opts, &t.trainer) || train(&t, steps, argv[3]);
    if (failed)
        fprintf(stderr, "05_own_loop: %s\n",
                jem_last_error()[0] != '\0' ? jem_last_error() : "memory ran out");

    jem_trainer_free(t.trainer);
    jem_model_free(model);
    jem_dataset_free(held);
    jem_dataset_free(data);
    jem_dataset_free(all);
    jem_options_free(opts);
    jem_context_free(ctx);
    free(t.x);
    free(t.y);
    free(t.logits);
    return failed ? 1 : 0;
}
