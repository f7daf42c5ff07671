/* SPDX-License-Identifier: MIT */

/* jem-semisup: does log p(x) of all images help where few have labels? (The paper's abstract
 * claims it, its code can do it, and no table of it is known.)
 *
 * N images of each class keep their labels. Two networks learn from them, with the same initial
 * weights and the same labelled batches in the same order:
 *
 *     JEM           cross entropy on the labelled images + log p(x) of all images
 *     classifier    cross entropy on the labelled images
 *
 * Each keeps the weights that classify held-out images best, and is then tested once. */

#include <inttypes.h>
#include <string.h>

#include "few_labels.h"
#include "kit/data/holdout.h"
#include "kit/lab/lab.h"
#include "kit/stats/spread.h"
#include "trial.h"

static struct lab lab;
static struct {
    const char *test, *labels;
    struct cli_list presets, sets;
    int64_t seeds, steps, validation, split_seed, validate_every;
    struct label_sizes sizes;
} arg;

static const struct cli_option options[] = {
    {"Data and labels", "data", "KIND", DATA_HELP, "fashion-mnist", .text = &lab.data,
     .check = data_check},
    {NULL, "test", "KIND",
     "the test images, the test split of another data set; needed where both splits of --data "
     "are the same images (with ,test=0)",
     NULL, .text = &arg.test, .check = data_check},
    {NULL, "labels", "N,...", "labelled images per class; each number is a comparison",
     "10,100", .text = &arg.labels},
    {NULL, "seeds", "N", "trainings of each, with seeds of their own", "3",
     .integer = &arg.seeds, .min = 1, .max = 1000},
    {NULL, "seed", "N", "the first of these: it draws the labels and is train.seed", "1",
     .integer = &lab.seed, .min = 0, .max = INT32_MAX},
    {NULL, "validation", "N",
     "labelled training images held out to choose the weights by; -1: 5000, or a tenth of a "
     "small set",
     "-1", .integer = &arg.validation, .min = -1, .max = INT64_MAX},
    {NULL, "split-seed", "N", "chooses which images these are", "1",
     .integer = &arg.split_seed},
    LAB_COUNT(lab, "test images"),
    {"Settings of both trainings", "preset", "NAME", PRESET_HELP, NULL, .list = &arg.presets},
    {NULL, "set", "NAME=VALUE", SET_HELP, NULL, .list = &arg.sets},
    {NULL, "steps", "N", "short for --set train.steps=N; 0: as the settings say", "0",
     .integer = &arg.steps, .max = INT64_MAX},
    {NULL, "validate-every", "STEPS", "steps between validations", "250",
     .integer = &arg.validate_every, .min = 1, .max = INT64_MAX},
    {"Results", "out", "DIR", "folder for the models, KIND-N-seedS.safetensors", NULL,
     .text = &lab.out, .required = 1},
    LAB_REST(lab),
};

static int check(void)
{
    if (arg.test == NULL)
        arg.test = lab.data;
    return label_sizes_read(arg.labels, &arg.sizes);
}

static const struct cli command_line = {
    .program = "jem-semisup",
    .usage = "--out DIR [options]",
    .about =
        "Train JEM and a plain classifier on the same few labels, JEM with log p(x) of all "
        "images besides, and compare how well they classify.",
    .notes = "Example:\n"
             "  jem-semisup --preset demo --labels 5,20,100 --seeds 3 --out semisup\n",
    CLI_OPTIONS(options),
    .check = check,
};

enum { JEM, CLASSIFIER, KINDS };
static const char *const kind_names[KINDS] = {"jem", "classifier"};

#define ACCURACY .decimals = 2, .percent = 1
static const struct record_column summary_columns[] = {
    {"labels_per_class", "labels per class", .kind = RECORD_WHOLE},
    {NULL, "labels", .kind = RECORD_WHOLE},
    {"jem", "JEM", ACCURACY, .unit = " %"},
    {"jem_std", NULL, ACCURACY, .join = " +- "},
    {"classifier", "classifier", ACCURACY, .unit = " %"},
    {"classifier_std", NULL, ACCURACY, .join = " +- "},
    {"difference", "difference", ACCURACY, .unit = " %", .sign = 1},
    {"difference_std", NULL, ACCURACY, .join = " +- "},
};
static const struct record_layout summary_layout = {
    "summary",
    .title = "Test accuracy where few images have labels",
    .note = "Mean +- standard deviation over the seeds.",
    RECORD_COLUMNS(summary_columns),
};

static jem_options *opts[KINDS];
static jem_dataset *train, *held_out;
static int64_t n_train, n_held_out;
static struct image_input *test_images;

/* Both are set up alike; then log p(x) is switched off for the classifier, and that is all that
 * parts them. Batches x_l are of labelled images only, so they are not shared with x_d. */
static jem_options *choose_settings(int kind)
{
    jem_options *o = lab_settings(&lab, NULL, &arg.presets, &arg.sets);

    must(settings_take_shape(o, lab.shape));
    if (arg.steps > 0)
        must_jem(jem_options_set_i64(o, "train.steps", arg.steps));
    must_jem(jem_options_set_i64(o, "train.share_batch", 0));
    if (settings_number(o, "train.weight_px") <= 0)
        must(report_usage(
            "train.weight_px is 0: then JEM is the classifier it is compared with"));
    if (kind == CLASSIFIER) {
        must_jem(jem_options_set_i64(o, "train.weight_px", 0));
        must_jem(jem_options_set_i64(o, "train.weight_pxy", 0));
    }
    return o;
}

static void open_data(void)
{
    const jem_dataset *all = lab_dataset(&lab, lab.data, "train");
    int64_t n = 0, shape[4];

    must_jem(jem_dataset_shape(all, shape));
    must_jem(jem_dataset_size(all, &n));
    lab_set_shape(&lab, shape);
    n_held_out = arg.validation < 0 ? holdout_default(n) : arg.validation;
    if (n_held_out < 1 || n_held_out >= n)
        must(report_usage("--validation: of %" PRId64 " training images 1 to %" PRId64
                          " can be held out, not %" PRId64,
                          n, n - 1, n_held_out));
    n_train = n - n_held_out;
    lab_split(&lab, all, n_held_out, arg.split_seed, &train, &held_out);
    lab_drop(&lab, all);
    test_images = lab_images(&lab, arg.test, "test", lab.count, 1);
}

/* What is tested must not be what was learnt. */
static void check_splits(void)
{
    int own;

    must(data_own_splits(lab.data, &own));
    if (!own && strcmp(arg.test, lab.data) == 0)
        must(report_usage("--data %s: training and test split are the same images, which "
                          "would be tested on what they were trained on: say --test KIND",
                          lab.data));
}

static void record_spread(struct record_table *t, const char *name, const double *values)
{
    const struct spread s = spread_of(values, arg.seeds);

    record_number(t, name, s.mean);
    record_number(t, lab_text(&lab, "%s_std", name), s.std);
}

/* Both, with so many labels per class, with each of the seeds. */
static void compare(int64_t size, struct record_table *runs, struct record_table *summary)
{
    double *accuracy[KINDS], *difference = lab_array(&lab, arg.seeds, sizeof *difference);

    for (int kind = 0; kind < KINDS; kind++)
        accuracy[kind] = lab_array(&lab, arg.seeds, sizeof *accuracy[kind]);
    for (int64_t i = 0; i < arg.seeds; i++) {
        jem_dataset *data = few_labels(&lab, train, size, lab.seed + i);

        for (int kind = 0; kind < KINDS; kind++) {
            const struct trial trial = {
                .kind = kind_names[kind],
                .labels = size,
                .seed = lab.seed + i,
                .opts = opts[kind],
                .data = data,
                .held_out = held_out,
                .validate_every = arg.validate_every,
                .test = test_images,
            };

            accuracy[kind][i] = trial_run(&lab, &trial, runs);
        }
        difference[i] = accuracy[JEM][i] - accuracy[CLASSIFIER][i];
        lab_drop(&lab, data);
    }
    record_row(summary);
    record_whole(summary, "labels_per_class", size);
    record_whole(summary, "labels", size * lab.classes);
    record_spread(summary, "jem", accuracy[JEM]);
    record_spread(summary, "classifier", accuracy[CLASSIFIER]);
    record_spread(summary, "difference", difference);
}

static void say_protocol(void)
{
    record_protocol(
        lab.record,
        "N labels per class, drawn by the seed; JEM takes all %" PRId64
        " training images for log p(x), the classifier none but the labelled ones. Both have "
        "the same initial weights, labelled batches and steps, and keep the weights that "
        "classify %" PRId64 " held-out labelled images best. Those labels come on top of the "
        "N: someone who is really short of labels would not have them. Accuracy on %" PRId64
        " test images of %s, mean +- standard deviation over "
        "%" PRId64 " seeds (divisor: one less); the difference is taken seed by seed.",
        n_train, n_held_out, test_images->n, arg.test, arg.seeds);
}

static void note_settings(void)
{
    json_t *json = record_json(lab.record);

    must_jem(jem_options_set_i64(opts[JEM], "train.seed", lab.seed)); /* as it was asked for */
    json_set_text(json, "train_data", lab.data);
    json_set_number(json, "n_train", (double)n_train);
    json_set_number(json, "n_validation", (double)n_held_out);
    json_object_set_new(json, "settings", settings_json(opts[JEM]));
}

int main(int argc, char **argv)
{
    struct record_table *runs, *summary;

    lab_begin(&lab, &command_line, argc, argv);
    check_splits();
    lab_open(&lab);
    open_data();
    for (int kind = 0; kind < KINDS; kind++)
        opts[kind] = choose_settings(kind);
    few_labels_check(&lab, train, &arg.sizes);
    lab_has_folder(&lab);

    record_say(lab.record, "Test accuracy\n");
    summary = record_table(lab.record, &summary_layout);
    runs = record_table(lab.record, &trial_layout);
    for (int64_t i = 0; i < arg.sizes.count; i++)
        compare(arg.sizes.size[i], runs, summary);
    record_say(lab.record, "\nmodels     %s/*.safetensors\n", lab.out);
    say_protocol();
    note_settings();
    lab_tell(&lab);
    return lab_end(&lab);
}
