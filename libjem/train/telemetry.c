/* SPDX-License-Identifier: MIT */
/* See telemetry.h. */

#include "train/telemetry.h"

#include <math.h>
#include <stddef.h>

#include "core/arithmetic.h"
#include "core/check.h"
#include "core/error.h"
#include "core/memory.h"
#include "eval/metrics.h"

void jem__telemetry_init(jem_context *ctx, jem__telemetry *out)
{
    *out = (jem__telemetry){.ctx = ctx, .running_auc = (double)NAN};
}

void jem__telemetry_free(jem__telemetry *tel)
{
    if (tel->ctx == NULL)
        return;
    jem__free(tel->ctx, tel->scores);
    *tel = (jem__telemetry){.ctx = NULL};
}

static jem_status make_room(jem__telemetry *tel, int64_t count)
{
    if (count <= tel->room)
        return JEM_OK;
    float *scores = jem__alloc_raw(tel->ctx, count, sizeof *scores);
    if (scores == NULL)
        return JEM_E_NOMEM;
    jem__free(tel->ctx, tel->scores);
    tel->scores = scores;
    tel->room = count;
    return JEM_OK;
}

jem_status jem__telemetry_watch(jem__telemetry *tel, jem__batch *batches, int32_t count)
{
    const jem__loss_counts n = jem__loss_count(batches, count);
    int64_t d = 0, q = n.d, all;

    if (!jem__add(n.d, n.q, &all))
        all = -1; /* refused by the allocation */
    JEM__TRY(make_room(tel, all));
    for (int32_t i = 0; i < count; i++) {
        int64_t *at = (batches[i].roles & JEM__ROLE_DATA) != 0     ? &d
                      : (batches[i].roles & JEM__ROLE_SAMPLE) != 0 ? &q
                                                                   : NULL;
        batches[i].log_px = at != NULL && batches[i].n > 0 ? tel->scores + *at : NULL;
        if (at != NULL)
            *at += batches[i].n;
    }
    return JEM_OK;
}

static jem_status spread(const float *scores, int64_t n, double *out)
{
    double mean;

    return n > 0 ? jem__metric_mean(scores, n, &mean, out) : JEM_OK;
}

jem_status jem__telemetry_read(const jem__telemetry *tel, const jem__loss_counts *n,
                               jem__step_metrics *m)
{
    if (n->d + n->q == 0 || jem__first_not_finite(tel->scores, n->d + n->q) >= 0)
        return JEM_OK;
    const float *f_d = tel->scores, *f_q = tel->scores + n->d;
    JEM__TRY(spread(f_d, n->d, &m->log_px_data_std));
    JEM__TRY(spread(f_q, n->q, &m->log_px_sample_std));
    if (n->d == 0 || n->q == 0)
        return JEM_OK;
    JEM__TRY(jem__metric_auroc(tel->ctx, f_d, n->d, f_q, n->q, &m->auc));
    m->running_auc = isnan(tel->running_auc)
                         ? m->auc
                         : tel->running_auc + (m->auc - tel->running_auc) / JEM__AUC_MEMORY;
    return JEM_OK;
}

void jem__telemetry_keep(jem__telemetry *tel, const jem__step_metrics *m)
{
    if (!isnan(m->running_auc))
        tel->running_auc = m->running_auc;
}
