/* SPDX-License-Identifier: MIT */
#ifndef STABILITY_REPORT_H
#define STABILITY_REPORT_H

/* What came out of stability.h: tables, a picture, JSON. Trainings that were not completed are
 * left out of tables and summaries. */

#include <jansson.h>

#include "stability.h"

/* How often it diverges, and what recovery does, on stdout. */
int stability_print(const struct stability *s);

/* Energy gap against step, a plot per variant, a curve per training: gap.svg in s->out. */
int stability_draw(const struct stability *s);

/* Members "variants", "recovery" and "runs". */
void stability_to_json(const struct stability *s, json_t *json);

#endif
