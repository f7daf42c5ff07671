/* SPDX-License-Identifier: MIT */

/* A user's program: nothing but the installed headers and library, C99 and C++ alike. Trains a
 * tiny classifier for two steps and asks about an image. Argument: the version that pkg-config
 * told. */

#include <stdio.h>
#include <string.h>

#include <jem/jem.h>

#define IMAGES  8
#define CLASSES 2
#define PIXELS  (4 * 4)

static int failed(jem_status status, const char *what)
{
    if (status != JEM_OK)
        fprintf(stderr, "%s: %s: %s\n", what, jem_status_name(status), jem_last_error());
    return status != JEM_OK;
}

int main(int argc, char **argv)
{
    static const char *const settings[][2] = {
        {"model.arch", "mlp"},   {"model.hidden", "8"},   {"model.layers", "1"},
        {"model.height", "4"},   {"model.width", "4"},    {"model.channels", "1"},
        {"model.classes", "2"},  {"train.batch", "4"},    {"train.steps", "2"},
        {"sgld.steps", "2"},     {"pcd.capacity", "16"},  {"train.warmup_steps", "0"},
        {"train.crop_pad", "0"}, {"train.epochs", "200"},
    };
    jem_context *context = NULL;
    jem_options *options = NULL;
    jem_dataset *data = NULL;
    jem_model *model = NULL;
    jem_trainer *trainer = NULL;
    jem_head *head = NULL;
    const int64_t shape[3] = {1, 4, 4};
    float images[IMAGES * PIXELS], prob[IMAGES * CLASSES], log_px[IMAGES];
    int32_t labels[IMAGES];
    size_t i;
    int bad;

    for (i = 0; i < IMAGES * PIXELS; i++)
        images[i] = (float)(i % 7) / 3.5f - 1.0f;
    for (i = 0; i < IMAGES; i++)
        labels[i] = (int32_t)(i % CLASSES);

    if (argc > 1 && strcmp(argv[1], jem_version_string()) != 0) {
        fprintf(stderr, "library %s, jem.pc %s\n", jem_version_string(), argv[1]);
        return 1;
    }
    bad = jem_version_number() != JEM_VERSION_NUMBER;
    bad = bad || failed(jem_context_create(NULL, &context), "context");
    bad = bad || failed(jem_options_create(context, &options), "options");
    for (i = 0; i < sizeof settings / sizeof settings[0]; i++)
        bad = bad ||
              failed(jem_options_set_str(options, settings[i][0], settings[i][1]), "setting");
    bad = bad ||
          failed(jem_dataset_from_f32(context, images, labels, IMAGES, shape, CLASSES, &data),
                 "data");
    bad = bad || failed(jem_model_create(context, options, &model), "model");
    bad = bad || failed(jem_trainer_create(model, data, options, &trainer), "trainer");
    bad = bad || failed(jem_trainer_step(trainer, 2), "step");
    bad = bad || failed(jem_head_create(model, 4, &head), "head");
    bad =
        bad || failed(jem_head_prob_y(head, images, IMAGES, prob, IMAGES * CLASSES), "prob_y");
    bad = bad || failed(jem_head_log_px(head, images, NULL, IMAGES, log_px, IMAGES), "log_px");
    bad = bad || !(prob[0] + prob[1] > 0.999f && prob[0] + prob[1] < 1.001f);
    if (!bad)
        printf("p(0|x) = %.3f, log p(x) = %.3f + const\n", (double)prob[0], (double)log_px[0]);

    jem_context_free(context); /* any order */
    jem_model_free(model);
    jem_head_free(head);
    jem_trainer_free(trainer);
    jem_dataset_free(data);
    jem_options_free(options);
    return bad;
}
