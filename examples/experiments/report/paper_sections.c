/* SPDX-License-Identifier: MIT */

/* What jem-report says of its own beside the programs' tables; see paper_page.h. */

#include "paper_page.h"

const struct paper_section paper_sections[] = {
    {"hybrid",
     "Hybrid modelling (section 5.1, Table 1)",
     "Does one network classify as well as a classifier and draw as well as a generator? The "
     "distance of samples stands beside that of the starts, which no step has touched, and "
     "that of real images, which is the best there is.",
     {"The model"},
     "The paper's figures are of CIFAR-10 and a WRN-28-10, with its own choice of samples. "
     "Only FID and IS of Inception-v3 may be held beside them; FD-clf is another distance, and "
     "compares models under the same classifier."},
    {"samples",
     "Samples (section 5.1)",
     "What does the model draw? Chains of SGLD from the start distribution, all of them shown, "
     "none chosen. In film.png a row is one chain from its start to its end.",
     {NULL},
     "The paper shows the replay buffer of its training, sorted by p(y|x); these are fresh "
     "chains, on log p(x) and per class on log p(x|y)."},
    {"calibration",
     "Calibration (section 5.2)",
     "Is a model that says 70 % right 70 times in 100? ECE is the mean distance between "
     "confidence and accuracy; a temperature fitted to held-out images is the simplest repair.",
     {"Errors", "Temperature", "per_class", "confusion"},
     "The paper: CIFAR-100, WRN-28-10, 20 bins. An easier data set gives smaller errors to "
     "both; what may be compared is whether JEM has less of it than the classifier."},
    {"ood",
     "Out-of-distribution detection (section 5.3, Tables 2 and 3)",
     "Does the model notice that an image is not of its data? Scores of the paper "
     "(log p(x), max p(y|x), approximate mass) and of later work; higher means "
     "in-distribution.",
     {"results"},
     "The paper's figures are AUROC of CIFAR-10 against interp (means of two test images), as "
     "they are quoted, not checked against it. Its other sets (SVHN, CIFAR-100, CelebA) can be "
     "given with --ood; it adds noise of 0.03 to all images, these runs add none."},
    {"robustness",
     "Robustness (section 5.4)",
     "How many images keep their class under attack, when the model may first take k steps of "
     "SGLD on them (JEM-k)? The gradient goes through these "
     "steps (exact) or as if they were not there (straight-through, as in the "
     "official code); the latter usually finds less. The lowest figure of a defence counts.",
     {"curve", "smallest"},
     "The paper's figures are accuracies in % at L-inf 8/255 on CIFAR-10, as Croce and Hein "
     "(AutoAttack, 2020) are said to quote them, not checked. Another data set, another "
     "network: not comparable."},
    {"distal",
     "Distal adversarial images (section 5.4)",
     "Gradient ascent on p(y|x) from noise until the model is sure. A classifier is soon sure "
     "of what is noise to people; do the images of JEM look like their class?",
     {"distal"},
     "The paper shows pictures (target: car) and gives no figures."},
    {"likely",
     "Most and least likely images (appendix)",
     "Which images does the model find the most and the least likely, by log p(x), "
     "log p(x|y) and log p(y|x)?",
     {NULL},
     "The paper shows pictures and gives no figures."},
    {"semisup",
     "Few labels",
     "Does p(x) of all images help when few have labels? JEM and a classifier with the same "
     "labels, trained here.",
     {"summary"},
     "No table of the paper is known to be about this."},
    {"stability",
     "Divergence (appendix H.3)",
     "How often does training leave the finite numbers, and what helps then? The settings of "
     "variant 0 are near the paper's; the others change what is said to calm a training.",
     {"variants", "recovery"},
     "No counts of the paper are known. Its authors: begin again from the last checkpoint with "
     "another seed, a lower learning rate or more SGLD steps (JEM issues 4 and 8 on GitHub)."},
};
const int paper_section_count = sizeof paper_sections / sizeof paper_sections[0];

const struct paper_figure paper_figures[] = {
    {"hybrid", ROLE_JEM, "accuracy %", "92.9"},
    {"hybrid", ROLE_JEM, "FID", "38.4"},
    {"hybrid", ROLE_JEM, "IS", "8.76"},
    {"hybrid", ROLE_CLASSIFIER, "accuracy %", "95.8"},
    {"hybrid", ROLE_FACTORED, "accuracy %", "30.1"},
    {"hybrid", ROLE_FACTORED, "FID", "61.8"},
    {"hybrid", ROLE_FACTORED, "IS", "6.36"},
    {"calibration", ROLE_JEM, "ECE %", "4.87"},
    {"calibration", ROLE_CLASSIFIER, "ECE %", "22.32"},
    {"ood", ROLE_JEM, "log_px", ".65"},
    {"ood", ROLE_JEM, "prob_y", ".75"},
    {"ood", ROLE_JEM, "mass", ".78"},
    {"robustness", ROLE_JEM, "JEM-0", "19.8"},
    {"robustness", ROLE_JEM, "JEM-1", "41.8"},
    {"robustness", ROLE_JEM, "JEM-10", "47.6"},
};
const int paper_figure_count = sizeof paper_figures / sizeof paper_figures[0];

const struct paper_caption paper_captions[] = {
    {"samples.png", "chains on log p(x), at their end"},
    {"starts.png", "starts of such chains"},
    {"classes.png", "chains on log p(x|y), a row per class, with the mean p(y|x)"},
    {"film.png", "a row per chain, from start to end"},
    {"reliability.svg", "as the model is"},
    {"reliability-scaled.svg", "logits divided by the temperature"},
    {"log_px.svg", "log p(x)"},
    {"prob_y.svg", "max p(y|x)"},
    {"mass.svg", "approximate mass"},
    {"adversarial.png",
     "images of the data; below them what each attack has made of them, and the "
     "difference, amplified: grey is no change"},
    {"distal.png", "a row per class, with the mean p(y|x) of the images"},
    {"gap.svg",
     "energy gap, a plot per variant; one below 0.01 is drawn as 0.01; dashed: diverged"},
    {"test-log_px-most.png", "images of the largest log p(x)"},
    {"test-log_px-least.png", "of the smallest log p(x)"},
    {"test-log_pxy-class-most.png", "of the largest log p(x|y), a row per class"},
    {"test-log_pxy-class-least.png", "of the smallest log p(x|y), a row per class"},
    {"test-log_py-most.png", "of the largest log p(y|x)"},
    {"test-log_py-least.png", "of the smallest log p(y|x)"},
};
const int paper_caption_count = sizeof paper_captions / sizeof paper_captions[0];
