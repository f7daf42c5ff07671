/* SPDX-License-Identifier: MIT */
#ifndef DEMO_PAGE_H
#define DEMO_PAGE_H

/* What jem-demo found out, and the page that shows it. */

#include <jansson.h>

#include "kit/lab/lab.h"
#include "kit/lab/record.h"

#define DEMO_OUTLIERS 4

/* Three scores of n images; all grow with "in distribution". */
struct demo_scores {
    int64_t n;
    const float *log_px;
    float *prob_y, *mass;
};

struct demo_outliers {
    const char *name, *what;
    struct demo_scores scores;
    double auroc_log_px, auroc_low, auroc_high; /* the latter: a 95 % interval */
};

/* What the rows of a picture are; none: it has no labels. */
struct demo_labels {
    int count;
    const char **text;
};

struct demo {
    const struct lab *lab;
    const char *data_name, *model_file;
    const char *no_classes; /* why its classes mean nothing; NULL: they mean something */
    const struct record *record;
    const struct evaluation *test;
    struct demo_scores in;
    const char *auroc;                            /* title of the table in the record */
    struct demo_outliers outliers[DEMO_OUTLIERS]; /* name NULL: left out */
    const char *left_out;                         /* which of them, and why; NULL: none */
    struct demo_labels likely, unlikely, samples, drawn;
    json_t *train; /* train.json; NULL when there is none */
};

/* Write likely.png and unlikely.png: the most and the least likely images, with labels. */
void demo_draw_likely(struct lab *l, const struct image_input *in, struct demo *d);

/* The labels of pictures that the training and jem-sample have left in RUN. */
void demo_label_pictures(struct lab *l, const char *run, struct demo *d);

/* The curves of RUN/log.jsonl, if it is there; `train` as in struct demo. Returns an exit code. */
int demo_curves_write(FILE *out, const json_t *train, const char *run);

/* A sentence or two per section that the figures bear out, with its intervals. */
void demo_say_density(FILE *out, const struct demo *d);
int demo_say_confidence(FILE *out, const struct demo *d);
int demo_say_classes(FILE *out, const struct demo *d);

/* A setting of the training, as a number; NaN: it is not known. */
double demo_setting(const json_t *train, const char *name);

/* Write OUT/report.html from the findings, and from log.jsonl and samples.png of RUN where they
 * exist. Returns an exit code. */
int demo_page_write(const struct demo *d, const char *run, const char *out);

#endif
