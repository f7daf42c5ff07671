/* SPDX-License-Identifier: MIT */
#ifndef ROBUSTNESS_H
#define ROBUSTNESS_H

/* Accuracy under attack as a function of eps: tables, curves and JSON of what jem-robustness
 * has found. Eps and distances are those of images in [0, 1]. */

#include <stdint.h>

#include <jansson.h>

#define ROBUSTNESS_EPS 24

/* The eps of the curves, rising, and how they were written. */
struct robustness_eps {
    int count;
    double value[ROBUSTNESS_EPS];
    char text[ROBUSTNESS_EPS][16];
};

/* Read "0.01,8/255,...": positive, put in order; `most`: the largest that makes sense. */
int robustness_parse_eps(const char *list, double most, struct robustness_eps *out);

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
    struct robustness_eps eps;
    int64_t n;
    struct robustness_row *rows;
    int count;
};

/* A new row, whose reach is 0 everywhere; NULL after reporting that memory ran out. */
struct robustness_row *robustness_add(struct robustness *r, const char *attack,
                                      const char *gradient, int64_t refine);
void robustness_free(struct robustness *r);

/* A row "worst": per image the smallest reach of the rows from `first` on; none for a single
 * row. */
int robustness_add_worst(struct robustness *r, int first);

/* The images that are right at eps, or without an attack at eps 0. */
int64_t robustness_right(const struct robustness *r, const struct robustness_row *row,
                         double eps);

int robustness_print(const struct robustness *r);

/* An array of {attack, norm, eps, refine_steps, gradient, accuracy, low, high, n}, after each
 * defence's {attack: "none", eps: 0}; and {attack, refine_steps, gradient, median,
 * no_start} of attacks that find the smallest perturbation. */
json_t *robustness_curve(const struct robustness *r);
json_t *robustness_smallest(const struct robustness *r);

/* folder/ATTACK.svg for each attack: a curve per defence and gradient. */
int robustness_draw(const struct robustness *r, const char *folder);

#endif
