/* SPDX-License-Identifier: MIT */
#ifndef KIT_LAB_CONFUSION_H
#define KIT_LAB_CONFUSION_H

/* Which classes does a model take for which? */

#include "kit/lab/evaluate.h"
#include "kit/lab/lab.h"

/* More classes than this make no readable matrix: it is in the files alone. */
#define CONFUSION_SHOWN 20

/* Two tables, for files and pages: "per_class" has the accuracy of each class that has images, with
 * its 95 % interval and what its images are most often taken for; "confusion" counts the images of
 * each label that got each prediction. Images without a label count nowhere. */
int confusion_record(const struct lab *l, const struct evaluation *e);

/* The first of the classes that the model is most and least often right about, and how many more
 * there are like it; apart: the 95 % intervals of their accuracies do not meet. `most` is -1 where no
 * image has a label. */
struct confusion_extremes {
    int64_t most, least;
    int more_like_most, more_like_least, apart;
};
int confusion_extremes(const struct evaluation *e, struct confusion_extremes *out);

#endif
