/* SPDX-License-Identifier: MIT */
#ifndef PAPER_PAGE_H
#define PAPER_PAGE_H

/* The page of jem-report: a section per experiment of the paper, with the tables that the
 * programs have recorded (kit/lab/record.h), the rows of all checkpoints below one heading. What
 * is the page's own: the words around them, and what the paper has. */

#include "paper_run.h"

#define PAPER_TABLES 4

struct paper_section {
    const char *key, *title;
    const char *asked;                /* what the section is about */
    const char *tables[PAPER_TABLES]; /* of its programs; NULL: no more */
    const char *remarks;              /* below the tables: what differs from the paper */
};
extern const struct paper_section paper_sections[];
extern const int paper_section_count;

/* What the paper has of a section: "92.9" for the "accuracy %" of a checkpoint in this role. */
struct paper_figure {
    const char *section;
    int role;
    const char *what, *figure;
};
extern const struct paper_figure paper_figures[];
extern const int paper_figure_count;

struct paper_caption {
    const char *file, *caption;
};
extern const struct paper_caption paper_captions[];
extern const int paper_caption_count;

/* What the figures of a section say, computed from them: <p class="verdict">. */
void paper_verdict(FILE *out, const struct paper_runs *runs, const char *section);

/* "test images" and so on: what the images of a run were to its model. */
const char *paper_images(const struct paper_run *r);

/* Accuracy under attack: a chart per attack, norm and noise, with the curves of all runs. */
void paper_charts(FILE *out, const struct paper_runs *runs);

/* <div class="labelled"> with a list of what the rows of a picture are; the picture and </div> are
 * the caller's. 0: nothing is known of them, nothing is written. */
int paper_labels(FILE *out, const struct paper_plan *plan, const struct paper_run *r,
                 const char *file);

/* Write index.html below the plan's folder. The lab's record has the checkpoints and the
 * protocol. */
void paper_page_write(const struct paper_plan *plan, const struct paper_runs *runs);

/* The title of the table of checkpoints in the lab's record. */
#define PAPER_CHECKPOINTS "Checkpoints"

#endif
