/* SPDX-License-Identifier: MIT */
#ifndef KIT_ATTACK_ATTACK_START_H
#define KIT_ATTACK_ATTACK_START_H

/* Where an attack that sees the class alone begins: at a wrong point. Noise is one, unless the
 * victim puts all noise into the image's own class. Then another image of the attacked set serves,
 * one that the victim puts into another class, as in Foolbox's dataset attack. */

#include "kit/attack/attack.h"

struct attack_starts {
    float *at;              /* the starts */
    int64_t *list, count;   /* images that have one */
    int64_t *some, without; /* images that are tried; how many have no start */
    int64_t queries;        /* per image so far */
};

/* Of many tries, each with a single draw of the victim's noise, some are wrong by luck. A verdict
 * on those that are wrong clears wrong[] where it disagrees. Verdicts count as no queries. */
int attack_start_confirm(struct attack *a, const struct attack_images *im, const int64_t *list,
                         int64_t count, const float *at, uint8_t *wrong);

/* Try the nearest few images of a->set as starts of the images some[]. Those that get one join the
 * list; `without` and a->no_start say how many have none. */
int attack_start_elsewhere(struct attack *a, const struct attack_images *im,
                           struct attack_starts *s);

#endif
