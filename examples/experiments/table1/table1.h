/* SPDX-License-Identifier: MIT */
#ifndef TABLE1_H
#define TABLE1_H

/* Table 1 as the paper prints it, with a row for a model of ours. */

#include "kit/lab/lab.h"

/* What is NaN is shown as "-". */
void table1_record(struct lab *l, double accuracy, double inception_score, double fid);

#endif
