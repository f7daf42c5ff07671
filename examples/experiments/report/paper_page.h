/* SPDX-License-Identifier: MIT */
#ifndef PAPER_PAGE_H
#define PAPER_PAGE_H

/* The page of jem-report: what the runs have found, in the order of the paper. */

#include "paper_run.h"

/* Write index.html into the plan's folder. `report` has what holds for all runs. */
int paper_page_write(const struct paper_plan *plan, const struct paper_runs *runs,
                     const json_t *report);

#endif
