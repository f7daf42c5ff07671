/* SPDX-License-Identifier: MIT */
#ifndef TRIAL_H
#define TRIAL_H

/* One network: trained, chosen by held-out images, tested. */

#include "kit/lab/lab.h"

struct trial {
    const char *kind; /* what it is called */
    int64_t labels, seed;
    jem_options *opts;
    jem_dataset *data;           /* with so many labels per class */
    const jem_dataset *held_out; /* labelled */
    int64_t validate_every;      /* steps */
    const struct image_input *test;
};

/* The table that trials are noted in. */
extern const struct record_layout trial_layout;

/* Returns the accuracy on the test images. The model goes to KIND-LABELS-seedSEED.safetensors. */
double trial_run(struct lab *l, const struct trial *trial, struct record_table *runs);

#endif
