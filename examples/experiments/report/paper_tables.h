/* SPDX-License-Identifier: MIT */
#ifndef PAPER_TABLES_H
#define PAPER_TABLES_H

/* The tables of jem-report's page, each with the paper's figures where these can be compared. A
 * section without a result gets none. */

#include <stdio.h>

#include "paper_run.h"

void paper_table_hybrid(FILE *out, const struct paper_runs *runs);
void paper_table_calibration(FILE *out, const struct paper_runs *runs);
void paper_table_ood(FILE *out, const struct paper_runs *runs);
void paper_table_robustness(FILE *out, const struct paper_runs *runs);
void paper_table_distal(FILE *out, const struct paper_runs *runs);
void paper_table_semisup(FILE *out, const struct paper_runs *runs);
void paper_table_stability(FILE *out, const struct paper_runs *runs);

/* The value at "scaled.ece"; NaN where there is none. */
double paper_number(const json_t *result, const char *path);

/* The first sound result of a section and role, or NULL. */
const json_t *paper_result(const struct paper_runs *runs, const char *section, int role);

#endif
