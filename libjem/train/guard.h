/* SPDX-License-Identifier: MIT */
#ifndef JEM_TRAIN_GUARD_H
#define JEM_TRAIN_GUARD_H

/* Keeps a training from losing its chains (telemetry.h says what that is).
 *
 * After every step the guard looks at the running AUC and holds it in a band. Above the band the
 * energy penalty rises and chains take larger steps and, with "guard.chain_max", one more from time
 * to time; below it the penalty falls back, chains become shorter again and, when samples score far
 * above the data, steps become smaller. Where the AUC runs away all the same, or a step fails for
 * its numbers, the training goes back to one of the last healthy states, with other random
 * numbers, a smaller learning rate and a stronger penalty. After "guard.rollbacks" of these it
 * ends in the last such state.
 *
 * What the guard decided, and the states it can go back to, belong to the training's state. */

#include <jem/train.h>

#define JEM__GUARD_STATES 8 /* "guard.states", at most */

typedef struct jem__snapshot jem__snapshot; /* snapshot.h */

enum jem__guard_mode { JEM__GUARD_OFF, JEM__GUARD_REPORT, JEM__GUARD_ACT };

/* What has been decided: in files the tensor "train.guard", in this order. */
typedef struct jem__guard_state {
    double energy_l2;  /* the penalty's weight in force ... */
    double floor;      /* ... and the least */
    double reach;      /* factor of "sgld.step_size" */
    double rate;       /* factor of the learning rate */
    double rollbacks;  /* so far */
    double kept_at;    /* step at which the newest state was kept; -1: none */
    double was_inside; /* 1: the AUC has been in the band, or below */
    double said;       /* the penalty of which the log last spoke; when reporting, -1: lost */
    double steps;      /* of a chain */
    double above_from; /* step since when the AUC is above the band, at this length of chains */
} jem__guard_state;

#define JEM__GUARD_NUMBERS ((int64_t)(sizeof(jem__guard_state) / sizeof(double)))

typedef struct jem__guard {
    enum jem__guard_mode mode;
    double low, high; /* the band of the running AUC */
    double lost;      /* above: gone */
    double most;      /* "guard.energy_l2_max" */
    double step_size; /* "sgld.step_size" */
    double steps;     /* "sgld.steps" */
    double chain_max; /* "guard.chain_max" */
    int64_t rollbacks;
    int32_t states; /* kept, at most */
    jem__guard_state now;
    jem__snapshot *kept[JEM__GUARD_STATES]; /* the oldest first ... */
    int32_t count;                          /* ... so many */
    jem__snapshot *room;                    /* for the next one, so that keeping cannot fail */
    jem_guard_fn tell;
    void *user;
} jem__guard;

/* From "guard.*". The sampler is there, if the training has one. */
void jem__guard_init(jem_trainer *t);
void jem__guard_free(jem__guard *guard); /* all zero accepted */
/* Decisions from a file: JEM_E_FORMAT when a number is out of range. */
jem_status jem__guard_decide(jem_trainer *t, const jem__guard_state *decided);

/* Before a step, so that what follows it asks for no memory. */
jem_status jem__guard_begin(jem_trainer *t);
/* After a step that was completed. */
jem_status jem__guard_look(jem_trainer *t);
/* After one that failed for its numbers: JEM_OK when the training is back in a healthy state,
 * otherwise JEM_E_NUMERIC. */
jem_status jem__guard_rescue(jem_trainer *t);

#endif
