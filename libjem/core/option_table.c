/* SPDX-License-Identifier: MIT */
/* The options and the presets. A row is all there is to an option: defaults, checks, help
 * texts, documentation and checkpoints are made from it.
 *
 * Defaults are those of the official JEM code (github.com/wgrathwohl/JEM). */

#include "core/option_table.h"

#include <stddef.h>

/* The texts of default and bounds are the source text of the numbers: they cannot differ. */
#define INTEGER(name_, fallback_, low, high, help_)                                            \
    {                                                                                          \
        .name = name_, .type = JEM__OPTION_I64, .fallback_text = #fallback_,                   \
        .fallback = {.i64 = fallback_}, .low_i64 = low, .high_i64 = high,                      \
        .allowed = #low " to " #high, .help = help_                                            \
    }
#define REAL(name_, fallback_, low, high, help_)                                               \
    {                                                                                          \
        .name = name_, .type = JEM__OPTION_F64, .fallback_text = #fallback_,                   \
        .fallback = {.f64 = fallback_}, .low_f64 = low, .high_f64 = high,                      \
        .allowed = #low " to " #high, .help = help_                                            \
    }
#define TEXT(name_, fallback_, choices_, help_)                                                \
    {                                                                                          \
        .name = name_, .type = JEM__OPTION_TEXT, .fallback_text = fallback_,                   \
        .fallback = {.text = fallback_}, .choices = choices_, .allowed = choices_,             \
        .help = help_                                                                          \
    }

/* clang-format off */
const struct jem__option_row jem__option_rows[JEM__OPTION_COUNT] = {
    TEXT("model.arch", "wrn", "wrn, small, mlp",
         "Architecture: the paper's Wide ResNet, five small convolutions, or fully connected."),
    INTEGER("model.depth", 28, 10, 1000,
            "Layers of a wrn, of the form 6 n + 4; the paper uses 28."),
    INTEGER("model.widen", 10, 1, 64,
            "How many times wider a wrn is than a plain ResNet; the paper uses 10."),
    INTEGER("model.filters", 16, 1, 1024,
            "Channels of the first convolution of a small network; the later ones have 2 or 4 "
            "times as many."),
    INTEGER("model.hidden", 500, 1, 65536,
            "Units in each hidden layer of an mlp."),
    INTEGER("model.layers", 2, 1, 32,
            "Hidden layers of an mlp."),
    INTEGER("model.channels", 3, 1, 64,
            "Channels of an image: 3 for colour, 1 for grey."),
    INTEGER("model.height", 32, 1, 4096,
            "Height of an image in pixels; a multiple of 4 for a wrn."),
    INTEGER("model.width", 32, 1, 4096,
            "Width of an image in pixels; a multiple of 4 for a wrn."),
    INTEGER("model.classes", 10, 1, 65536,
            "Number of classes."),

    TEXT("sampler.rule", "sgld", "sgld",
         "Rule by which chains step: stochastic gradient Langevin dynamics."),
    INTEGER("sgld.steps", 20, 0, 100000,
            "SGLD steps of a chain each time it is run; the paper uses 20."),
    REAL("sgld.step_size", 1, 0, 1e6,
         "Factor of the gradient of log p(x) in an SGLD step; the paper uses 1."),
    REAL("sgld.noise_std", 0.01, 0, 1000,
         "Standard deviation of the Gaussian noise of an SGLD step; the paper uses 0.01."),
    REAL("sgld.clamp_grad", 0, 0, 1e6,
         "Bound on each component of the gradient in an SGLD step; 0: none, as in the paper."),
    REAL("sgld.clamp_x", 0, 0, 1e6,
         "Bound on each value of an image after an SGLD step; 0: none, as in the paper."),
    INTEGER("sgld.class_cond", 0, 0, 1,
            "1: the chains of a training climb log p(x|y), y drawn uniformly, instead of "
            "log p(x)."),

    TEXT("start.kind", "uniform", "uniform, gaussian",
         "Where chains begin: U(-1, 1) as in the paper, or a Gaussian per class fitted to data "
         "as in JEM++."),

    INTEGER("pcd.capacity", 10000, 1, 100000000,
            "Images in the replay buffer; the paper uses 10000."),
    REAL("pcd.restart_prob", 0.05, 0, 1,
         "Probability that a drawn chain begins anew; the paper uses 0.05."),
    INTEGER("pcd.class_parts", 0, 0, 1,
            "1: part the replay buffer evenly among the classes."),

    {.name = "train.seed", .type = JEM__OPTION_I64, .fallback_text = "1",
     .fallback = {.i64 = 1}, .low_i64 = INT64_MIN, .high_i64 = INT64_MAX,
     .allowed = "-9223372036854775808 to 9223372036854775807",
     .help = "Seed of initial weights, shuffling, augmentation, noise and chains."},
    INTEGER("train.batch", 64, 1, 65536,
            "Images in each of the batches x_d, x_l and x_q of a step; the paper uses 64."),
    INTEGER("train.batch_px", 0, 0, 65536,
            "Images in each of the batches x_d and x_q, where the term for log p(x) has batches of "
            "its own size; 0: as train.batch. Epochs count batches of train.batch."),
    TEXT("train.optimizer", "adam", "adam, sgd",
         "Rule that changes the weights; the paper uses adam."),
    REAL("train.lr", 0.0001, 0, 1000,
         "Learning rate after the warm-up; the paper uses 0.0001."),
    REAL("train.beta1", 0.9, 0, 0.999999,
         "Decay per step of Adam's mean of gradients."),
    REAL("train.beta2", 0.999, 0, 0.99999999,
         "Decay per step of Adam's mean of squared gradients."),
    REAL("train.adam_eps", 1e-8, 1e-20, 1,
         "Term added to the denominator of Adam."),
    REAL("train.momentum", 0.9, 0, 0.999999,
         "Momentum of sgd."),
    REAL("train.weight_decay", 0, 0, 1000,
         "Factor of the weights added to their gradient (L2 penalty); the paper uses 0."),
    TEXT("train.sam", "off", "off, sam, adaptive",
         "Takes the gradient of an update not at the weights but where the loss is higher nearby "
         "(sharpness-aware, as in SADA-JEM), for twice the passes: within a sphere (sam) or an "
         "ellipsoid by the weights' sizes (adaptive)."),
    REAL("train.sam_rho", 0.05, 0, 1000,
         "How far away from the weights train.sam takes the gradient."),
    INTEGER("train.epochs", 200, 1, 1000000,
            "Passes over the data; the official code's default is 200."),
    INTEGER("train.steps", 0, 0, 1000000000000,
            "Steps of the whole training; 0: epochs times batches per epoch."),
    INTEGER("train.warmup_steps", 0, 0, 1000000000,
            "Steps over which the learning rate rises linearly from 0; the official command "
            "line uses 1000."),
    INTEGER("train.hold_steps", 0, 0, 1000000000,
            "Steps at the beginning with a learning rate of 0, in which only the chains move; the "
            "warm-up follows. For weights that come from another training."),
    TEXT("train.schedule", "milestones", "milestones, cosine, constant",
         "Learning rate after the warm-up: falling at train.decay_epochs, along a half cosine "
         "to 0, or constant."),
    {.name = "train.decay_epochs", .type = JEM__OPTION_TEXT, .fallback_text = "160,180",
     .fallback = {.text = "160,180"}, .choices = NULL,
     .allowed = "increasing positive integers joined by commas, or empty",
     .help = "Epochs at which the schedule \"milestones\" multiplies the learning rate by "
             "train.decay_rate."},
    REAL("train.decay_rate", 0.3, 0, 1,
         "Factor of the learning rate at each of train.decay_epochs; the paper uses 0.3."),
    REAL("train.grad_clip", 0, 0, 1e9,
         "Largest L2 norm of the gradient of all weights; 0: no limit, as in the paper."),
    REAL("train.max_loss", 100000000, 0, 1e30,
         "A step whose loss is larger in magnitude fails as diverged; the official code stops "
         "at 1e8."),
    REAL("train.weight_px", 1, 0, 1e6,
         "Weight of the term for log p(x); 1 in the paper."),
    INTEGER("train.weight_px_ramp", 0, 0, 1000000000,
            "Steps over which the weight of the term for log p(x) rises linearly from 0 to "
            "train.weight_px; 0: it is there from the first step, as in the paper."),
    REAL("train.weight_py_x", 1, 0, 1e6,
         "Weight of the cross entropy, the term for log p(y|x); 1 in the paper."),
    REAL("train.label_smoothing", 0, 0, 0.999999,
         "Share s of each label that is spread evenly over all classes in the cross entropy; 0 in "
         "the paper."),
    REAL("train.weight_pxy", 0, 0, 1e6,
         "Weight of the term for log p(x, y); 0 in the paper's main results."),
    TEXT("train.contrast", "cd", "cd, logistic",
         "How the term for log p(x) contrasts data with samples: cd, by their mean log p(x), as "
         "in the paper; logistic, by softplus(-log p(x)) of data and softplus(log p(x)) of "
         "samples (DAT, arXiv 2510.13872)."),
    REAL("train.energy_l2", 0, 0, 1e6,
         "Weight of the mean square of logsumexp f(x) over data and samples; 0 in the paper."),
    REAL("train.input_noise", 0.03, 0, 10,
         "Standard deviation of the Gaussian noise on training images; the paper uses 0.03."),
    INTEGER("train.crop_pad", 4, 0, 1024,
            "Pixels of reflected border from which a random crop is cut; 0: no crop; the "
            "official code uses 4."),
    INTEGER("train.flip", 1, 0, 1,
            "1: mirror half of the training images, as the official code does except on SVHN."),
    INTEGER("train.augment_px", 1, 0, 1,
            "0: images of x_d are neither cropped nor mirrored, only those of x_l; noise is "
            "added as train.input_noise says."),
    INTEGER("train.share_batch", 0, 0, 1,
            "1: one batch of data serves as x_d and x_l; the official code draws two."),
    REAL("train.ema", 0, 0, 0.999999,
         "Decay per step of the moving average of the weights; 0: none, as in the paper."),

    TEXT("guard.mode", "off", "off, report, act",
         "Watches whether the chains keep up with the model, by the running AUC of log p(x) of "
         "data against samples: report says when they do not; act prevents it."),
    TEXT("guard.aim", "generate", "generate, detect",
         "What the guard holds on to: generate, chains that keep up (images, robustness); "
         "detect, chains that lag behind under a strong penalty (accuracy, calibration, "
         "detection)."),
    REAL("guard.auc", 0, 0, 0.99,
         "The running AUC that the guard holds; 0: 0.55 to generate, 0.9 to detect."),
    REAL("guard.energy_l2_max", 2, 0, 1e6,
         "The guard raises train.energy_l2 to at most this."),
    INTEGER("guard.chain_max", 0, 0, 100000,
            "While the running AUC stays above the band, the guard makes chains longer, by a step "
            "in 25, up to this many; below the band they fall back to sgld.steps. 0: never."),
    INTEGER("guard.states", 3, 1, 8,
            "Healthy states that the guard keeps, in memory and in files, to go back to."),
    INTEGER("guard.rollbacks", 10, 0, 1000,
            "How often the guard goes back before it ends a training."),
};
/* clang-format on */

static const struct jem__setting nothing[] = {{NULL, NULL}};

/* The command line in the official code's README, with the defaults it leaves unsaid. */
static const struct jem__setting paper[] = {
    {"model.arch", "wrn"},
    {"model.depth", "28"},
    {"model.widen", "10"},
    {"model.channels", "3"},
    {"model.height", "32"},
    {"model.width", "32"},
    {"model.classes", "10"},
    {"sgld.steps", "20"},
    {"sgld.step_size", "1"},
    {"sgld.noise_std", "0.01"},
    {"sgld.clamp_grad", "0"},
    {"sgld.clamp_x", "0"},
    {"sgld.class_cond", "0"},
    {"start.kind", "uniform"},
    {"pcd.capacity", "10000"},
    {"pcd.restart_prob", "0.05"},
    {"pcd.class_parts", "0"},
    {"train.batch", "64"},
    {"train.batch_px", "0"},
    {"train.optimizer", "adam"},
    {"train.lr", "0.0001"},
    {"train.beta1", "0.9"},
    {"train.beta2", "0.999"},
    {"train.adam_eps", "1e-8"},
    {"train.weight_decay", "0"},
    {"train.epochs", "200"},
    {"train.steps", "0"},
    {"train.warmup_steps", "1000"},
    {"train.schedule", "milestones"},
    {"train.decay_epochs", "160,180"},
    {"train.decay_rate", "0.3"},
    {"train.grad_clip", "0"},
    {"train.max_loss", "100000000"},
    {"train.weight_px", "1"},
    {"train.weight_px_ramp", "0"},
    {"train.weight_py_x", "1"},
    {"train.label_smoothing", "0"},
    {"train.weight_pxy", "0"},
    {"train.contrast", "cd"},
    {"train.energy_l2", "0"},
    {"train.input_noise", "0.03"},
    {"train.crop_pad", "4"},
    {"train.flip", "1"},
    {"train.augment_px", "1"},
    {"train.share_batch", "0"},
    {"train.ema", "0"},
    {NULL, NULL},
};

static const struct jem__setting cifar100[] = {{"model.classes", "100"}, {NULL, NULL}};
static const struct jem__setting svhn[] = {{"train.flip", "0"}, {NULL, NULL}};

/* As in JEM++ and SADA-JEM, chains take 3 clamped steps of size 3 from Gaussian starts per class.
 * The buffer is small and restarts are rare, so that each chain lives long; an L2 penalty on
 * the energy keeps the gap bounded. There is no input noise: noise carries images beyond
 * [-1, 1] while samples are clamped to it, which alone would tell them apart and open the gap
 * (docs/decisions.md). */
static const struct jem__setting demo[] = {
    {"model.arch", "small"},
    {"model.filters", "32"},
    {"model.channels", "1"},
    {"model.height", "28"},
    {"model.width", "28"},
    {"model.classes", "10"},
    {"sgld.steps", "3"},
    {"sgld.step_size", "3"},
    {"sgld.noise_std", "0.01"},
    {"sgld.clamp_grad", "1"},
    {"sgld.clamp_x", "1"},
    {"sgld.class_cond", "0"},
    {"start.kind", "gaussian"},
    {"pcd.capacity", "400"},
    {"pcd.restart_prob", "0.01"},
    {"pcd.class_parts", "0"},
    {"train.batch", "64"},
    {"train.optimizer", "adam"},
    {"train.lr", "0.003"},
    {"train.steps", "3100"},
    {"train.warmup_steps", "100"},
    {"train.schedule", "cosine"},
    {"train.ema", "0.998"},
    {"train.weight_px", "0.75"},
    {"train.weight_py_x", "1"},
    {"train.weight_pxy", "0"},
    {"train.contrast", "cd"},
    {"train.energy_l2", "0.05"},
    {"train.input_noise", "0"},
    {"train.crop_pad", "0"},
    {"train.flip", "0"},
    {"train.share_batch", "1"},
    {"train.batch_px", "0"},
    {"train.augment_px", "1"},
    {"train.weight_px_ramp", "0"},
    {"train.label_smoothing", "0"},
    {NULL, NULL},
};

static const struct jem__setting classifier[] = {
    {"train.weight_px", "0"},
    {"train.weight_pxy", "0"},
    {"train.energy_l2", "0"},
    {NULL, NULL},
};

/* The ablations of the paper's section 5.1. Where chains climb log p(x|y), the official code parts
 * the buffer by class as well. */
static const struct jem__setting class_conditional[] = {
    {"sgld.class_cond", "1"},
    {"pcd.class_parts", "1"},
    {NULL, NULL},
};

static const struct jem__setting factored[] = {
    {"train.weight_px", "0"},
    {"train.weight_py_x", "0"},
    {"train.weight_pxy", "1"},
    {NULL, NULL},
};

const struct jem__preset jem__presets[JEM__PRESET_COUNT] = {
    {"jem-cifar10", "WRN-28-10 on CIFAR-10, trained as by the official code.", paper, nothing},
    {"jem-cifar100", "WRN-28-10 on CIFAR-100: as jem-cifar10, with 100 classes.", paper,
     cifar100},
    {"jem-svhn", "WRN-28-10 on SVHN: as jem-cifar10, without mirrored images.", paper, svhn},
    {"demo", "A small network on 28x28 grey images (Fashion-MNIST) in minutes on a CPU.", demo,
     nothing},
    {"classifier", "Cross entropy only, for use on top of another preset.", nothing,
     classifier},
    {"class-conditional", "Samples from p(x|y) instead of p(x), on top of another preset.",
     nothing, class_conditional},
    {"factored",
     "Trains log p(x|y) + log p(y) instead of log p(x) + log p(y|x), on top of another.",
     class_conditional, factored},
};
