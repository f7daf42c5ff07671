/* SPDX-License-Identifier: MIT */
#ifndef HYBRID_FEATURES_H
#define HYBRID_FEATURES_H

/* kit/features in a lab: what is returned belongs to the lab, and a failure ends the program. */

#include "kit/features/features.h"
#include "kit/features/frechet.h"
#include "kit/lab/lab.h"

/* Exactly one of the two files is given. */
struct features *hybrid_features_open(struct lab *l, const char *inception,
                                      const char *classifier);

/* The features of n images; of n images of a data set, evenly spaced; of every other image of a
 * set from number `from` on, `most` of them at the most. `what` is what errors call them. */
struct feature_set *hybrid_look(struct lab *l, struct features *f, const char *what,
                                const float *x, int64_t n);
struct feature_set *hybrid_look_at_data(struct lab *l, struct features *f, const char *what,
                                        const jem_dataset *data, int64_t n);
struct feature_set *hybrid_half(struct lab *l, const struct features *f, const char *what,
                                const struct feature_set *set, int64_t from, int64_t most);

struct frechet_gaussian *hybrid_fit(struct lab *l, const struct features *f,
                                    const struct feature_set *set);

#endif
