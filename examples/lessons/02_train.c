/* SPDX-License-Identifier: MIT */

/* Lesson 2: train. The images and labels are two IDX files (unpack Fashion-MNIST's with zcat):
 *
 *     02_train train-images-idx3-ubyte train-labels-idx1-ubyte model.safetensors
 *
 * The caller owns the loop. jem-train.c is the same with everything that a long training wants:
 * validation, saving, going on. */

#include <stdio.h>

#include <jem/jem.h>

#define STEPS 300

int main(int argc, char **argv)
{
    jem_context *ctx = NULL;
    jem_options *opts = NULL;
    jem_dataset *data = NULL;
    jem_model *model = NULL;
    jem_trainer *trainer = NULL;
    int failed;

    if (argc != 4) {
        fprintf(stderr, "usage: 02_train IMAGES LABELS MODEL\n");
        return 2;
    }
    failed = jem_context_create(NULL, &ctx) || jem_options_create(ctx, &opts) ||
             jem_options_preset(opts, "demo") ||
             jem_dataset_open(ctx, "idx", argv[1], argv[2], &data) ||
             jem_model_create(ctx, opts, &model) ||
             jem_trainer_create(model, data, opts, &trainer);

    for (int step = 0; step < STEPS && !failed; step += 10) {
        double accuracy = 0, gap = 0;

        failed = jem_trainer_step(trainer, 10) ||
                 jem_trainer_metric(trainer, "accuracy", &accuracy) ||
                 jem_trainer_metric(trainer, "energy_gap", &gap);
        if (!failed)
            printf("step %3d   accuracy %.2f   log p(data) - log p(samples) %.3f\n", step + 10,
                   accuracy, gap);
        fflush(stdout); /* shows at once, through a pipe as well */
    }
    failed = failed || jem_model_save(model, argv[3]);
    if (failed)
        fprintf(stderr, "02_train: %s\n", jem_last_error());

    jem_trainer_free(trainer); /* in any order: children keep their parents alive */
    jem_model_free(model);
    jem_dataset_free(data);
    jem_options_free(opts);
    jem_context_free(ctx);
    return failed ? 1 : 0;
}
