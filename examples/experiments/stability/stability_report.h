/* SPDX-License-Identifier: MIT */
#ifndef STABILITY_REPORT_H
#define STABILITY_REPORT_H

/* What came out of stability.h. Trainings that were not completed are left out of tables and
 * summaries. */

#include "stability.h"

/* How often training diverges, and what recovery does: tables "variants" and "recovery", and the
 * member "runs", of the record. */
void stability_record(const struct stability *s);

/* Energy gap against step, a plot per variant, a curve per training: gap.svg in --out. */
void stability_draw(const struct stability *s);

/* The settings of a variant, for people. */
const char *stability_text(const struct stability_variant *v);

#endif
