/* SPDX-License-Identifier: MIT */
#ifndef FEW_LABELS_H
#define FEW_LABELS_H

/* Data sets of which few images keep their labels. */

#include "kit/lab/lab.h"

#define MOST_SIZES 16

/* --labels: so many of each class. */
struct label_sizes {
    int64_t count, size[MOST_SIZES];
};

/* "10,100". Returns CLI_GO, or an exit code after reporting. */
int label_sizes_read(const char *text, struct label_sizes *out);

/* All images of a data set, with the labels of `size` images per class. The seed draws which. */
jem_dataset *few_labels(struct lab *l, const jem_dataset *all, int64_t size, int64_t seed);

/* Ends the program if a class has fewer labels than the largest of the sizes. */
void few_labels_check(struct lab *l, const jem_dataset *all, const struct label_sizes *sizes);

#endif
