/* SPDX-License-Identifier: MIT */
#ifndef KIT_ATTACK_ATTACK_START_H
#define KIT_ATTACK_ATTACK_START_H

/* Where an attack that sees the class alone begins: at a wrong image. Noise is one, unless the
 * victim calls all noise what the image is; then another image of the attacked set that it calls
 * something else, as Foolbox's dataset attack has it. */

#include "kit/attack/attack.h"

struct attack_starts {
    float *at;              /* the starts */
    int64_t *list, count;   /* images that have one */
    int64_t *some, without; /* images that noise gave none; how many have none at all */
    int64_t queries;        /* per image so far */
};

/* Take back wrong[] of those images list[] that are right by a verdict: of many tries at one draw
 * of the victim's noise some are lucky. Like all verdicts it counts as no query. */
int attack_start_confirm(struct attack *a, const struct attack_images *im, const int64_t *list,
                         int64_t count, const float *at, uint8_t *wrong);

/* Tries the nearest few of a->set for the images some[]. Those that get a start join the list; how
 * many are left goes to `without` and a->no_start. */
int attack_start_elsewhere(struct attack *a, const struct attack_images *im,
                           struct attack_starts *s);

#endif
