/* SPDX-License-Identifier: MIT */
#ifndef KIT_STATS_SHARE_H
#define KIT_STATS_SHARE_H

#include <stdint.h>

/* The pointwise 95 % interval of a share found `hits` times in n >= 1 (Wilson 1927). */
void share_interval(int64_t hits, int64_t n, double *low, double *high);

#endif
