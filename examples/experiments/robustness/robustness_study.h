/* SPDX-License-Identifier: MIT */
#ifndef ROBUSTNESS_STUDY_H
#define ROBUSTNESS_STUDY_H

/* All attacks on one defence JEM-k after the other. For each attack and each image it is found at
 * which eps the image falls: 0 where it is wrong without an attack; else the first eps of the list
 * within which the attack succeeds, or what an attack finds that looks for the smallest
 * perturbation itself. */

#include "kit/attack/attack.h"
#include "kit/base/file.h"
#include "robustness.h"

struct study {
    struct lab *lab;

    /* What is asked for. */
    struct cli_list attacks; /* names */
    const char *gradient;    /* "straight", "exact" or "both" */
    int64_t chains;          /* of a defence */
    struct attack
        settings;      /* of all attacks: norm, steps, restarts, eot, queries, noises, votes */
    jem_options *opts; /* "sgld.*" */
    jem_model *source; /* that transfer attacks; or NULL */
    const struct image_input *in;

    struct robustness result;
    float *shown; /* the first images, then as they became in each row: shown_columns each */
    int64_t shown_columns, shown_rows;

    /* Of the defence and the row that are being found: images still standing, gathered; all images
     * as they became. */
    struct defence victim, source_defence; /* the latter without refinement */
    int64_t size;                          /* values of an image */
    struct attack attack;
    float *x, *best, *all;
    int32_t *y;
    double *eps, *distance;
    int64_t *standing, *everyone;
    uint8_t *wrong, *clean; /* clean: wrong without an attack */
};

/* Make room, when all is known that is asked for; `defences`: how many there will be. */
void study_begin(struct study *s, int defences);

/* Find the rows of JEM-k. */
void study_defence(struct study *s, int64_t k);

/* By what the differences between the first images and what an attack has made of them are
 * multiplied in the picture: 1, 2 or 5 times a power of ten, so that none is cut where the largest
 * is no wider than the range of images. */
double study_difference_factor(const struct study *s);

/* The member "picture" of the file: what the rows of adversarial.png are. */
void study_note_picture(struct study *s);

/* adversarial.png: the first images; for each attack what they have become, and below that the
 * differences, amplified, on grey. `path`: where it is. */
void study_draw_images(struct study *s, char path[FILE_PATH_BYTES]);

#endif
