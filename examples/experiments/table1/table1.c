/* SPDX-License-Identifier: MIT */

/* See table1.h. */

#include "table1.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *kind, *model, *accuracy, *score, *fid;
} paper[] = {
    {"hybrid", "Residual Flow", "70.3", "3.6", "46.4"},
    {"hybrid", "Glow", "67.6", "3.92", "48.9"},
    {"hybrid", "IGEBM", "49.1", "8.3", "37.9"},
    {"hybrid", "JEM, p(x|y) factored", "30.1", "6.36", "61.8"},
    {"hybrid", "JEM", "92.9", "8.76", "38.4"},
    {"discriminative", "Wide-ResNet", "95.8", "-", "-"},
    {"generative", "SNGAN", "-", "8.59", "25.5"},
    {"generative", "NCSN", "-", "8.91", "25.32"},
};

static const struct record_column columns[] = {
    {NULL, "class", .kind = RECORD_TEXT}, {NULL, "model", .kind = RECORD_TEXT},
    {NULL, "accuracy %", .decimals = 2},  {NULL, "IS", .decimals = 2},
    {NULL, "FID", .decimals = 2},
};

static const struct record_layout layout = {
    .title = "Table 1 of the paper",
    RECORD_COLUMNS(columns),
};

/* A figure with as many decimals as the paper gives it. */
static void record_printed(struct record_table *t, const char *column, const char *text)
{
    record_number(t, column, strcmp(text, "-") == 0 ? (double)NAN : strtod(text, NULL));
    record_words(t, column, text);
}

void table1_record(struct lab *l, double accuracy, double inception_score, double fid)
{
    struct record_table *t;

    record_say(l->record,
               "Table 1 of the paper, of CIFAR-10 (how many samples its IS and FID are of, and "
               "how they were\nchosen, is not published), and this model on %s:\n\n",
               l->data);
    t = record_table(l->record, &layout);
    for (size_t i = 0; i < sizeof paper / sizeof paper[0]; i++) {
        record_row(t);
        record_text(t, "class", paper[i].kind);
        record_text(t, "model", paper[i].model);
        record_printed(t, "accuracy %", paper[i].accuracy);
        record_printed(t, "IS", paper[i].score);
        record_printed(t, "FID", paper[i].fid);
    }
    record_row(t);
    record_text(t, "class", "here");
    record_text(t, "model", l->model_file);
    record_number(t, "accuracy %", 100 * accuracy);
    record_number(t, "IS", inception_score);
    record_number(t, "FID", fid);
}
