/* SPDX-License-Identifier: MIT */

/* What jem-report runs; see paper_run.h. */

#include "paper_run.h"

const struct paper_role paper_roles[ROLES + 1] = {
    {"jem", "JEM"},
    {"classifier", "classifier"},
    {"ebm", "unconditional EBM"},
    {"factored", "p(x|y) factored"},
    {"class-conditional", "JEM, chains on p(x|y)"},
    {"new", "trained here"},
};

enum {
    JEM = 1 << ROLE_JEM,
    CLASSIFIER = 1 << ROLE_CLASSIFIER,
    EBM = 1 << ROLE_EBM,
    ABLATIONS = 1 << ROLE_FACTORED | 1 << ROLE_CLASS_CONDITIONAL,
    NEW = 1 << ROLE_NONE
};

/* In the words: #N is N images, or --count when that is fewer (#0: all). @features, @ood and
 * @classifier stand for what the user gave; a step whose @features or @classifier was not given
 * is left out, and one with @no-features when they were. @validation: hold out 500 images, or as
 * many as by default where that is fewer. */
const struct paper_step paper_steps[] = {
    {"hybrid", "hybrid", "jem-hybrid", JEM | EBM | ABLATIONS,
     "@features --count #0 --chains #500 --steps 100 --reference #2000",
     "@features --count #0 --chains #10000 --steps 256 --reference #0",
     "samples.png starts.png", NULL},
    {"hybrid", "hybrid", "jem-hybrid", JEM | ABLATIONS, "@no-features --count #0 --chains 0",
     "@no-features --count #0 --chains 0", "", NULL},
    {"hybrid", "hybrid", "jem-hybrid", CLASSIFIER, "--count #0 --chains 0",
     "--count #0 --chains 0", "", NULL},
    {"samples", "samples", "jem-sample", JEM,
     "--count #64 --per-class #8 --film #6 --steps 300",
     "--count #100 --per-class #10 --film #10 --steps 1000", "samples.png classes.png film.png",
     NULL},
    {"samples", "samples", "jem-sample", EBM, "--count #64 --per-class 0 --film #6 --steps 300",
     "--count #100 --per-class 0 --film #10 --steps 1000", "samples.png film.png", NULL},
    {"calibration", "calibration", "jem-calibration", JEM | CLASSIFIER,
     "--count #0 --fit-count 2000", "--count #0", "reliability.svg reliability-scaled.svg",
     NULL},
    {"ood", "ood", "jem-ood", JEM | CLASSIFIER, "--count #500 --count-ood #500 @ood",
     "--count #0 --count-ood #0 @ood", "log_px.svg prob_y.svg mass.svg", NULL},
    {"ood", "ood", "jem-ood", EBM, "--count #500 --count-ood #500 @ood",
     "--count #0 --count-ood #0 @ood", "log_px.svg mass.svg", NULL},
    {"robustness", "robustness-linf", "jem-robustness", JEM,
     "--count #20 --steps 10 --refine 0,1", "--count #100 --refine 0,1,10", "adversarial.png",
     "L-inf"},
    {"robustness", "robustness-linf", "jem-robustness", CLASSIFIER,
     "--count #20 --steps 10 --refine 0", "--count #100 --refine 0", "", "L-inf"},
    {"robustness", "robustness-l2", "jem-robustness", JEM,
     "--norm l2 --count #20 --steps 10 --refine 0,1", "--norm l2 --count #100 --refine 0,1,10",
     "", "L2"},
    {"robustness", "robustness-l2", "jem-robustness", CLASSIFIER,
     "--norm l2 --count #20 --steps 10 --refine 0", "--norm l2 --count #100 --refine 0", "",
     "L2"},
    {"robustness", "robustness-transfer", "jem-robustness", JEM,
     "--attack transfer --source @classifier --count #20 --steps 10 --refine 0,1",
     "--attack transfer --source @classifier --count #100 --refine 0,1,10", "", "L-inf"},
    {"robustness", "robustness-refined", "jem-robustness", JEM, NULL,
     "--attack apgd --gradient exact --refine 0,1,10 --steps 50 --eot 10 --eps 8/255,16/255 "
     "--count #100",
     "", "L-inf"},
    {"robustness", "robustness-auto", "jem-robustness", JEM | CLASSIFIER,
     "--attack apgd --attack square --refine 0 --input-noise 0 --steps 10 --queries 100 "
     "--count #20",
     "--attack apgd --attack square --refine 0 --input-noise 0 --steps 100 --queries 5000 "
     "--count #100",
     "", "L-inf"},
    {"robustness", "robustness-blind", "jem-robustness", JEM,
     "--attack noise --attack pointwise --attack hopskipjump --refine 0 --norm l2 --queries "
     "200 "
     "--count #5",
     "--attack noise --attack pointwise --attack hopskipjump --refine 0,1 --norm l2 --count "
     "#50",
     "", "L2"},
    {"robustness", "robustness-blind", "jem-robustness", CLASSIFIER,
     "--attack noise --attack pointwise --attack hopskipjump --refine 0 --norm l2 --queries "
     "200 "
     "--count #5",
     "--attack noise --attack pointwise --attack hopskipjump --refine 0 --norm l2 --count #50",
     "", "L2"},
    {"distal", "distal", "jem-distal", JEM | CLASSIFIER, "--count #5 --steps 200",
     "--count #10 --steps 1000", "distal.png", NULL},
    {"likely", "likely", "jem-likely", JEM, "--count #0", "--count #0",
     "test-log_px-most.png test-log_px-least.png test-log_pxy-class-most.png "
     "test-log_pxy-class-least.png test-log_py-most.png test-log_py-least.png",
     NULL},
    {"semisup", "semisup", "jem-semisup", NEW,
     "--preset demo --set model.filters=8 --steps 60 --validate-every 30 --labels 10 --seeds 1 "
     "@validation --count #500",
     "--preset demo --labels 5,20,100 --seeds 1 --count #0", "", NULL},
    {"stability", "stability", "jem-stability", NEW,
     "--preset demo --set model.filters=8 --set sgld.clamp_grad=0 --set sgld.clamp_x=0 "
     "--set train.energy_l2=0 --set train.lr=0.1 --set train.warmup_steps=5 --set "
     "sgld.step_size=10 --set start.kind=uniform --variant "
     "sgld.clamp_grad=1,sgld.clamp_x=1,train.energy_l2=0.1,train.lr=0.001 --stop-after 30 "
     "--seeds 1 "
     "--save-every 10 --recovery-steps 10",
     "--preset demo --set sgld.clamp_grad=0 --set sgld.clamp_x=0 --set train.energy_l2=0 "
     "--set train.weight_px=1 --set sgld.step_size=1 --set sgld.steps=5 --set "
     "start.kind=uniform --set pcd.capacity=10000 --set pcd.restart_prob=0.05 --set "
     "train.input_noise=0.03 --set train.schedule=constant --set train.lr=0.001 --variant "
     "sgld.clamp_grad=1,sgld.clamp_x=1 --variant train.energy_l2=0.1 --variant train.lr=1e-4 "
     "--stop-after 400 --seeds 3 --save-every 50 --recovery-steps 200",
     "gap.svg", NULL},
};
const int paper_step_count = sizeof paper_steps / sizeof paper_steps[0];
