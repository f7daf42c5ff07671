/* SPDX-License-Identifier: MIT */
#ifndef JEM_TRAIN_SNAPSHOT_H
#define JEM_TRAIN_SNAPSHOT_H

/* The state of a training (state.h), kept in memory to go back to. */

#include <jem/train.h>

typedef struct jem__snapshot jem__snapshot;

/* As much memory as the blocks and the replay buffer of the trainer take. */
jem_status jem__trainer_snapshot_take(const jem_trainer *t, jem__snapshot **out);
/* Back to that moment, as if loaded from a file that was saved then: without metrics and gradient
 * of a last step. Asks for no memory. Another trainer's snapshot is refused. */
jem_status jem__trainer_snapshot_restore(jem_trainer *t, const jem__snapshot *snapshot);
void jem__trainer_snapshot_free(jem__snapshot *snapshot); /* NULL accepted */

#endif
