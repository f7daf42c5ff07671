/* SPDX-License-Identifier: MIT */
#ifndef TRAIN_LIVE_H
#define TRAIN_LIVE_H

/* The course of a training, as lines of its log tell it, and the page DIR/live.html with it. */

#include <jansson.h>

#include "train_run.h"

#define LIVE_POINTS 1000 /* of a curve; an even number */

enum {
    LIVE_LOSS,
    LIVE_ACCURACY,
    LIVE_DATA,
    LIVE_SAMPLE,
    LIVE_GAP,
    LIVE_SECONDS,
    LIVE_AUC,
    LIVE_FIELDS
};

struct live_series {
    size_t n;
    double step[LIVE_POINTS], value[LIVE_FIELDS][LIVE_POINTS]; /* accuracy in %; NaN: none */
};

struct live {
    struct live_series training, validation;
    double at; /* when the page was written */
    int written, failed;
};

/* Take in a line of the log, or all of a log; what is no line with figures is left out. */
void live_add(struct live *l, const json_t *line);
int live_read(struct live *l, const char *path);

/* The latest value; NaN: none. */
double live_last(const struct live_series *s, int field);

/* Write the page, unless it is young. A page that cannot be written ends nothing. */
int live_write(struct run *r);

#endif
