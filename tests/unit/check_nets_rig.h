/* SPDX-License-Identifier: MIT */
#ifndef JEM_CHECK_NETS_RIG_H
#define JEM_CHECK_NETS_RIG_H

/* A network with memory, weights and workspaces, and a list of networks of every build. */

#include "nets/network.h"
#include "test_support.h"

typedef jem_status (*jem_rig_builder)(jem__network *net);

typedef struct jem_rig {
    jem_test_memory memory;
    jem_context *ctx;
    jem__network *net;
    jem__queue *queue;
    jem__tensor params, grads;
    uint64_t first; /* number of the first random image */
} jem_rig;

void jem_rig_open(jem_rig *r, const jem__backend *backend, int64_t c, int64_t h, int64_t w,
                  jem_rig_builder build);
void jem_rig_close(jem_rig *r);

int64_t jem_rig_count(const jem__tensor *t);
/* Numbers in +-bound, the same for all backends, into a tensor. */
void jem_rig_put(const jem_rig *r, const jem__tensor *t, uint64_t index, float bound);
float *jem_rig_get(const jem_rig *r, jem__tensor t); /* free() it */
/* A workspace with random images and gradients in the logits, images first .. first + n - 1 of
 * a fixed row. */
jem__workspace *jem_rig_workspace(const jem_rig *r, int64_t max_batch, int32_t training,
                                  int64_t n);

typedef struct jem_rig_net {
    const char *name;
    jem_rig_builder build;
    int64_t c, h, w, n;
} jem_rig_net;

#define JEM_RIG_NETS 12
extern const jem_rig_net jem_rig_nets[JEM_RIG_NETS];
void jem_rig_open_net(jem_rig *r, const jem__backend *backend, int i);

/* On the reference backend, whose numbers are doubles. */
const double *jem_rig_numbers(const jem__tensor *t);
/* Forward; then the sum of grad_logits * logits. */
double jem_rig_loss(const jem_rig *r, jem__workspace *ws, int64_t n);
/* Compare `gradient` with finite differences of that sum, at `samples` of the `count` numbers
 * at `point`, from the first to the last. */
void jem_rig_check_slopes(const jem_rig *r, jem__workspace *ws, int64_t n, double *point,
                          const double *gradient, int64_t count, int64_t samples,
                          const char *what);

#endif
