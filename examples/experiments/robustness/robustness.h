/* SPDX-License-Identifier: MIT */
#ifndef ROBUSTNESS_H
#define ROBUSTNESS_H

/* Accuracy under attack as a function of eps: tables and curves of what jem-robustness has found.
 * Eps and distances are those of images in [0, 1]. */

#include "kit/lab/lab.h"

#define ROBUSTNESS_EPS    24
#define ROBUSTNESS_REFINE 8

/* The eps of the curves, rising, and how they were written. */
struct robustness_eps {
    int count;
    double value[ROBUSTNESS_EPS];
    char text[ROBUSTNESS_EPS][16];
};

/* Read "0.01,8/255,...": positive, put in order; `most`: the largest that makes sense. An exit
 * code. */
int robustness_parse_eps(const char *list, double most, struct robustness_eps *out);

/* The defences JEM-k: SGLD steps before the classification. */
struct robustness_refine {
    int count;
    int64_t steps[ROBUSTNESS_REFINE];
};

/* Read "0,1,10", in any order. CLI_GO, or EXIT_USAGE after reporting. */
int robustness_parse_refine(const char *list, struct robustness_refine *out);

/* One attack on one defence. */
struct robustness_row {
    const char *attack, *gradient; /* "straight", "exact" or "none" */
    int64_t refine;                /* SGLD steps of the defence */
    int smallest;                  /* `reach` is exact, not just an eps of the list */
    int64_t no_start;              /* images that the attack could not begin at */
    double *reach; /* per image: the smallest eps at which the attack was seen to succeed; 0 for
                    * images that are wrong without one, INFINITY for those that stay right */
};

struct robustness {
    const char *norm; /* "linf" or "l2" */
    double input_noise;
    struct robustness_eps eps;
    int64_t n;
    struct robustness_row *rows; /* room for all */
    int count;
};

/* A new row, whose reach is 0 everywhere. */
struct robustness_row *robustness_add(struct lab *lab, struct robustness *r, const char *attack,
                                      const char *gradient, int64_t refine);

/* A row "worst": per image the smallest reach of the rows from `first` on; none for a single
 * row. */
void robustness_add_worst(struct lab *lab, struct robustness *r, int first);

/* The share of images that are right at eps, or without an attack at eps 0, and its 95 %
 * interval. */
struct robustness_share {
    double right, low, high;
};

struct robustness_share robustness_share(const struct robustness *r,
                                         const struct robustness_row *row, double eps);

/* "L-inf" or "L2". */
const char *robustness_norm(const struct robustness *r);

/* All figures, for stdout, for the files ("curve", "smallest") and for a page. */
void robustness_record(struct lab *lab, const struct robustness *r);

/* ATTACK.svg for each attack, in the folder of --out: a curve per defence and gradient. */
void robustness_draw(struct lab *lab, const struct robustness *r);

#endif
