/* SPDX-License-Identifier: MIT */
#ifndef PAPER_NEEDS_H
#define PAPER_NEEDS_H

/* What the experiments ask of checkpoints and data, so that one that cannot be made with them is
 * left out with a reason instead of failing. */

#include "kit/base/digest.h"
#include "kit/lab/lab.h"

#define PAPER_MODELS 5

/* What is known of what the user gave, before anything is run. */
struct paper_facts {
    char md5[PAPER_MODELS][DIGEST_MD5_TEXT]; /* of the checkpoints */
    const char *no_classes[PAPER_MODELS];    /* why their classes mean nothing; NULL: they do */
    char inception_md5[DIGEST_MD5_TEXT];

    int own_splits; /* training and test images are not the same */
    int64_t n_train, held_out;
    int64_t fewest, fewest_of; /* labels of the rarest class among images not held out */
    char train[17], test[17];  /* fingerprints of the splits */
    char ood[17];              /* of all data sets that --ood names */
};

/* Fill in all that is about the data. The lab is open. */
void paper_facts_of_data(struct lab *l, const struct cli_list *ood, struct paper_facts *f);

/* Why a program cannot be run with `words` on checkpoint `model` (PAPER_MODELS: it trains its
 * own); NULL: it can. */
const char *paper_why_not(struct lab *l, const struct paper_facts *f, const char *program,
                          int model, const char *words);

#endif
