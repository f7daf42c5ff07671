/* SPDX-License-Identifier: MIT */
#ifndef DEMO_PAGE_H
#define DEMO_PAGE_H

/* What jem-demo found out, and the page that shows it. */

#include <jansson.h>

#include "kit/lab/evaluate.h"
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
    double auroc_log_px;
};

struct demo {
    const char *data_name;
    const struct record *record;
    const struct evaluation *test;
    struct demo_scores in;
    struct demo_outliers outliers[DEMO_OUTLIERS];
    json_t *train; /* train.json; NULL when there is none */
};

/* Write OUT/report.html from the findings, and from log.jsonl and samples.png of RUN where they
 * exist. Returns an exit code. */
int demo_page_write(const struct demo *d, const char *run, const char *out);

#endif
