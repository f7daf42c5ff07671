/* SPDX-License-Identifier: MIT */
#ifndef STABILITY_H
#define STABILITY_H

/* Trainings that may diverge, and what is tried on those that do. */

#include "kit/lab/lab.h"

/* What is tried, each on its own from the same divergence. */
enum {
    REMEDY_REPEAT,        /* the last checkpoint, gone on with as it is */
    REMEDY_OTHER_SAMPLES, /* the failed step again: its random numbers are used up */
    REMEDY_NEW_SEED,      /* a new training with weights and buffer of the last checkpoint */
    REMEDY_HALF_RATE,     /* and half the learning rate */
    REMEDY_TWICE_SGLD,    /* and twice the SGLD steps */
    REMEDIES
};
extern const char *const stability_remedy_names[REMEDIES];

/* How some steps ended. */
struct stability_end {
    int64_t steps; /* completed */
    int complete;  /* diverged or came to the end; 0: was not tried, or was stopped */
    int diverged;
    char message[200]; /* of the step that failed */
};

/* Above this running AUC at the end the chains are lost, even though nothing diverged. */
#define STABILITY_LOST 0.8

/* Places of a curve; each keeps the largest |energy gap| of its steps. */
#define STABILITY_POINTS 240

struct stability_run {
    int64_t variant, seed;
    int64_t planned; /* steps, unless it diverges */
    struct stability_end end;
    int64_t checkpoint; /* the step after which the last one was written */
    char file[64];      /* it; there as long as the training, and after a divergence */

    double gap_largest;            /* |energy gap| after the warm-up */
    double gap_last, saturated;    /* of the last completed step */
    double auc_last;               /* running AUC of data against samples then */
    double rollbacks;              /* of the guard, where there is one */
    double step[STABILITY_POINTS]; /* the curve; NaN where no step was made */
    double gap[STABILITY_POINTS];
    struct stability_end remedy[REMEDIES];
};

struct stability_variant {
    const char *text; /* its settings on top of the plain ones; NULL: none */
    jem_options *opts;
};

struct stability {
    struct lab *lab;
    jem_dataset *data;
    int64_t steps; /* of each training at the most; 0: as many as the schedule has */
    int64_t save_every, recovery_steps;
    int64_t seeds; /* from that of the lab on */
    struct stability_variant *variant;
    int64_t variants;
    struct stability_run *run; /* variant by variant, seed by seed */
};

/* Can it be trained, and can each remedy be tried? What cannot ends the program before hours of
 * training. */
void stability_check(const struct stability *s, const struct stability_variant *v);

/* Train once; if that diverges, try the remedies. Divergence is a result, not a failure. Returns
 * early when a signal asks the program to stop (stop.h); what was not completed says so. */
void stability_train(const struct stability *s, struct stability_run *r);

#endif
