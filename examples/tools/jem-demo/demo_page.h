/* SPDX-License-Identifier: MIT */
#ifndef DEMO_PAGE_H
#define DEMO_PAGE_H

/* What jem-demo found out, and the page that shows it. */

#include <jansson.h>

#include "kit/lab/lab.h"
#include "kit/lab/record.h"

#define DEMO_OUTLIERS 4
#define DEMO_AUROC    "AUROC of test images" /* title of the table in the record */

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

struct demo {
    const struct lab *lab;
    const char *data_name, *model_file;
    const char *no_classes; /* why its classes mean nothing; NULL: they mean something */
    const struct record *record;
    const struct evaluation *test;
    struct demo_scores in;
    struct demo_outliers outliers[DEMO_OUTLIERS];
    json_t *train; /* train.json; NULL when there is none */
};

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
