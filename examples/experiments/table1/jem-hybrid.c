/* SPDX-License-Identifier: MIT */

/* jem-hybrid: Table 1 of the paper (section 5.1). One network is judged as a classifier, by its
 * accuracy, and as a generative model, by the Inception Score and the Frechet distance of its
 * samples to real images. Two figures stand beside the samples' distance, because it says little
 * without them: that of the starts before any step, and that of real images. */

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "hybrid_features.h"
#include "hybrid_report.h"
#include "kit/features/inception_score.h"
#include "kit/lab/lab.h"

#define ADVISED 2048 /* images for FID, as its authors advise: as many as features */

static struct lab lab;
static struct hybrid_plan plan;
static struct {
    const char *inception, *classifier;
    int64_t keep, reference;
    int in_order;
} arg;

/* 256 steps are what a chain gets on average in the official code's evaluation: 1000 calls of 40
 * steps for 64 of 10,000 chains. */
static const struct cli_option options[] = {
    {"Model and data", "model", "FILE",
     "a model or a training (default: the file of --from-buffer)", NULL,
     .text = &lab.model_file},
    LAB_DATA(lab, "test images for the accuracy, training images for the distance: "),
    LAB_COUNT(lab, "test images"),
    {NULL, "reference", "N",
     "only N of the training images that samples are compared to, evenly spaced; 0: all", "0",
     .integer = &arg.reference, .max = INT32_MAX},
    {"Features of images (one of the two)", "inception", "FILE",
     "FID and Inception Score: weights of Inception-v3, made by "
     "examples/convert/inception2safetensors.py",
     NULL, .text = &arg.inception},
    {NULL, "features", "MODEL",
     "FD-clf: a classifier that libjem trained on the same data; its last hidden layer counts",
     NULL, .text = &arg.classifier},
    {"Samples", "chains", "N",
     "samples; of a buffer at most so many. 0: the accuracy only, which needs no features",
     "10000", .integer = &plan.count, .max = 1000000},
    {NULL, "steps", "N",
     "SGLD steps of a chain from the start distribution; 0 leaves the starts", "256",
     .integer = &plan.steps, .max = 1000000},
    {NULL, "from-buffer", "FILE",
     "the replay buffer in FILE (a training's last.safetensors), as it is, instead of fresh "
     "chains",
     NULL, .text = &plan.buffer},
    {NULL, "keep", "PERCENT",
     "judge also the PERCENT of each class with the highest p(y|x) by themselves; SADA-JEM's "
     "figures are of 90",
     "100", .integer = &arg.keep, .min = 1, .max = 100},
    {NULL, "in-order", NULL,
     "Inception Score of samples as they come, instead of in torch-fidelity's random order",
     NULL, .flag = &arg.in_order},
    {"Settings of the chains (the file's, where it has some)", "preset", "NAME", PRESET_HELP,
     NULL, .list = &plan.presets},
    {NULL, "set", "NAME=VALUE",
     SET_HELP "; sgld.class_cond=1 gives chains on log p(x|y), the classes in turn, instead "
              "of log p(x)",
     NULL, .list = &plan.sets},
    LAB_SEED(lab, "of starts and chains"),
    LAB_OUT(lab, "Results", "folder for pictures: samples.png, starts.png"),
    LAB_FILES(lab),
    LAB_QUIET(lab),
    {"Computing", "batch", "N", "chains at a time; changes memory and speed, no result", "100",
     .integer = &plan.batch, .min = 1, .max = 65536},
    LAB_COMPUTING(lab, NULL),
};

static int check(void)
{
    if (lab.model_file == NULL)
        lab.model_file = plan.buffer;
    if (lab.model_file == NULL)
        return report_usage("--model FILE is missing");
    if (arg.inception != NULL && arg.classifier != NULL)
        return report_usage("--inception and --features: one of the two, please");
    if (plan.count > 0 && arg.inception == NULL && arg.classifier == NULL)
        return report_usage("--inception FILE (FID and Inception Score) or --features MODEL "
                            "(FD-clf, which needs no download) is missing; for the accuracy "
                            "alone, which needs neither, say --chains 0");
    if (plan.count == 1)
        return report_usage("--chains 1: a distance of distributions needs two or more");
    return CLI_GO;
}

static const struct cli command_line = {
    .program = "jem-hybrid",
    .usage = "--model FILE (--inception FILE | --features MODEL) [options]",
    .about = "Table 1 of the JEM paper for a model: accuracy, Inception Score and Frechet "
             "distance of its samples.",
    .notes = "Examples:\n"
             "  jem-hybrid --from-buffer run/last.safetensors --data cifar10:DIR \\\n"
             "      --inception inception.safetensors --out table1\n"
             "  jem-hybrid --model demo/best.safetensors --data fashion-mnist \\\n"
             "      --features classifier/best.safetensors --chains 1000\n"
             "The models of the paper's ablations:\n"
             "  jem-train --preset jem-cifar10 --preset factored ...\n"
             "  jem-train --preset jem-cifar10 --preset class-conditional ...\n",
    CLI_OPTIONS(options),
    .check = check,
};

/* The Frechet distance of one set to the reference, and its Inception Score. */
static struct hybrid_row compare(const char *name, const struct features *f,
                                 const struct feature_set *set,
                                 const struct frechet_gaussian *reference)
{
    struct hybrid_row row = {name, set->n, reference->n, 0, (double)NAN, (double)NAN};
    const struct frechet_gaussian *g = hybrid_fit(&lab, f, set);

    must(frechet_distance(g, reference, &row.frechet));
    if (set->logits != NULL && set->n >= INCEPTION_SCORE_SPLITS)
        must(inception_score(set->logits, set->n, f->classes, INCEPTION_SCORE_SPLITS,
                             arg.in_order ? -1 : INCEPTION_SCORE_SEED, &row.is_mean,
                             &row.is_std));
    lab_drop(&lab, g);
    return row;
}

/* What distance have real images? Every other image of the reference against the rest, of as
 * many images as there are samples, because small sets look more distant. */
static struct hybrid_row compare_real(const struct features *f,
                                      const struct feature_set *reference, int64_t samples)
{
    struct feature_set *even =
        hybrid_half(&lab, f, "one half of the training images", reference, 0, reference->n);
    struct feature_set *odd =
        hybrid_half(&lab, f, "the other half of the training images", reference, 1, samples);
    struct frechet_gaussian *half = hybrid_fit(&lab, f, even);
    const struct hybrid_row row = compare("real", f, odd, half);

    lab_drop(&lab, even);
    lab_drop(&lab, odd);
    lab_drop(&lab, half);
    return row;
}

/* Of each class only the samples that the model is surest of. */
static struct hybrid_row compare_top(const struct features *f, const struct hybrid_samples *s,
                                     struct feature_set *set,
                                     const struct frechet_gaussian *reference)
{
    int64_t n = 0, *kept = hybrid_samples_keep(&lab, s, arg.keep, &n);

    feature_set_keep(f, set, kept, n);
    return compare(lab_text(&lab, "samples, top %" PRId64 " %%", arg.keep), f, set, reference);
}

static void compare_all(struct features *f, const jem_dataset *train, struct hybrid *h)
{
    const struct hybrid_samples *s = &h->samples;
    struct feature_set *real =
        hybrid_look_at_data(&lab, f, "training images", train, h->reference);
    struct frechet_gaussian *reference;
    struct feature_set *starts, *ends;

    h->row[REAL] = compare_real(f, real, s->n);
    reference = hybrid_fit(&lab, f, real);
    lab_drop(&lab, real);
    starts = hybrid_look(&lab, f, "starts", s->starts, s->n);
    h->row[STARTS] = compare("starts", f, starts, reference);
    ends = hybrid_look(&lab, f, "samples", s->ends, s->n);
    h->row[ALL] = compare("samples", f, ends, reference);
    if (h->keep < 100)
        h->row[TOP] = compare_top(f, s, ends, reference);
}

static jem_dataset *open_train(int64_t *reference)
{
    jem_dataset *train = lab_dataset(&lab, lab.data, "train");
    int64_t n = 0, shape[4];

    must_jem(jem_dataset_size(train, &n));
    must_jem(jem_dataset_shape(train, shape));
    if (memcmp(shape, lab.shape, 3 * sizeof shape[0]) != 0)
        must(report_failed("--data %s: its training images are not of the model's size",
                           lab.data));
    *reference = arg.reference == 0 || arg.reference > n ? n : arg.reference;
    if (*reference < 4)
        must(report_failed("%" PRId64 " training image(s); two halves that can be compared "
                           "need 4 or more",
                           *reference));
    return train;
}

static void judge_samples(struct hybrid *h)
{
    const int pictures = lab_has_folder(&lab);
    struct features *f = hybrid_features_open(&lab, arg.inception, arg.classifier);
    const jem_dataset *train = open_train(&h->reference);

    h->features = f;
    h->samples = hybrid_samples_prepare(&lab, &plan, train);
    if (arg.inception != NULL && h->samples.n < ADVISED)
        report_note("%" PRId64 " samples: FID of fewer than %d is mostly about their number",
                    h->samples.n, ADVISED);
    hybrid_samples_draw(&lab, &h->samples);
    compare_all(f, train, h);
    if (pictures) {
        hybrid_samples_show(&lab, &h->samples, "samples.png", h->samples.ends);
        hybrid_samples_show(&lab, &h->samples, "starts.png", h->samples.starts);
    }
}

int main(int argc, char **argv)
{
    struct hybrid h = {.accuracy = (double)NAN};
    const struct image_input *test;

    lab_begin(&lab, &command_line, argc, argv);
    lab_open(&lab);
    h.classifier = arg.classifier;
    h.in_order = arg.in_order;
    h.keep = arg.keep;
    test = lab_images(&lab, lab.data, "test", lab.count, lab.classes > 1);
    h.tested = test->n;
    h.no_classes = lab_no_classes(&lab);
    if (h.no_classes == NULL)
        h.accuracy = lab_evaluate(&lab, test)->accuracy;
    if (plan.count > 0)
        judge_samples(&h);
    hybrid_report(&lab, &h);
    lab_tell(&lab);
    return lab_end(&lab);
}
