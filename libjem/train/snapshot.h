/* SPDX-License-Identifier: MIT */
#ifndef JEM_TRAIN_SNAPSHOT_H
#define JEM_TRAIN_SNAPSHOT_H

/* The state of a training (state.h), kept in memory to go back to. */

#include "train/state.h"

struct jem__snapshot {
    const jem_trainer *trainer;            /* whose it is; not followed */
    jem_context *ctx;                      /* a reference: a snapshot may outlive its trainer */
    jem__state state;                      /* its arrays are the snapshot's own ... */
    jem__tensor blocks[JEM__STATE_BLOCKS]; /* ... and these its blocks */
};

/* Room for a state of the trainer, without numbers: as much memory as its blocks and the replay
 * buffer take. */
jem_status jem__trainer_snapshot_create(const jem_trainer *t, jem__snapshot **out);
/* The state now, into a snapshot of this trainer. Asks for no memory. */
jem_status jem__trainer_snapshot_store(const jem_trainer *t, jem__snapshot *snapshot);
/* Both at once. */
jem_status jem__trainer_snapshot_take(const jem_trainer *t, jem__snapshot **out);
/* Back to that moment, as if loaded from a file that was saved then: without metrics and gradient
 * of a last step. Asks for no memory. Another trainer's snapshot is refused. */
jem_status jem__trainer_snapshot_restore(jem_trainer *t, const jem__snapshot *snapshot);
void jem__trainer_snapshot_free(jem__snapshot *snapshot); /* NULL accepted */

#endif
