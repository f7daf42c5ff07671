/* SPDX-License-Identifier: MIT */
/* See loss.h. */

#include "train/gradient/loss.h"

#include <math.h>
#include <stddef.h>

jem__loss_counts jem__loss_count(const jem__batch *batches, int32_t count)
{
    jem__loss_counts n = {0};

    for (int32_t i = 0; i < count; i++) {
        n.d += (batches[i].roles & JEM__ROLE_DATA) != 0 ? batches[i].n : 0;
        n.l += (batches[i].roles & JEM__ROLE_LABELLED) != 0 ? batches[i].n : 0;
        n.q += (batches[i].roles & JEM__ROLE_SAMPLE) != 0 ? batches[i].n : 0;
    }
    return n;
}

jem__density jem__loss_coefficients(const jem__loss_weights *weights, uint32_t roles,
                                    const jem__loss_counts *n)
{
    jem__density what = {.scale = 1.0}; /* the means divide below */
    const double px = weights->px * weights->px_share;
    double *contrast = weights->logistic ? &what.gamma : &what.alpha;

    if ((roles & JEM__ROLE_DATA) != 0) {
        *contrast -= px / (double)n->d;
        what.lambda += weights->energy_l2 / (double)n->d;
    }
    if ((roles & JEM__ROLE_LABELLED) != 0) {
        what.alpha += weights->py_x / (double)n->l;
        what.beta -=
            ((1.0 - weights->label_smoothing) * weights->py_x + weights->pxy) / (double)n->l;
        what.mu -= weights->label_smoothing * weights->py_x / (double)n->l;
    }
    if ((roles & JEM__ROLE_SAMPLE) != 0) {
        *contrast += px / (double)n->q;
        what.lambda += weights->energy_l2 / (double)n->q;
        what.beta += weights->pxy / (double)n->q;
    }
    return what;
}

static double softplus(double v)
{
    return fmax(v, 0.0) + log1p(exp(-fabs(v)));
}

static void add_softplus(jem__loss_sums *sums, uint32_t roles, int64_t n, const double *f)
{
    for (int64_t i = 0; i < n; i++) {
        if ((roles & JEM__ROLE_DATA) != 0)
            sums->softplus_d += softplus(-f[i]);
        if ((roles & JEM__ROLE_SAMPLE) != 0)
            sums->softplus_q += softplus(f[i]);
    }
}

void jem__loss_add_scores(jem__loss_sums *sums, const jem__density *what, uint32_t roles,
                          int64_t n, const double *f, const double *fy)
{
    if (what->gamma != 0.0)
        add_softplus(sums, roles, n, f);
    for (int64_t i = 0; i < n; i++) {
        const double f_y = fy != NULL ? fy[i] : 0.0;
        if ((roles & JEM__ROLE_DATA) != 0) {
            sums->f_d += f[i];
            sums->f2_d += f[i] * f[i];
        }
        if ((roles & JEM__ROLE_LABELLED) != 0) {
            sums->ce_l += f[i] - f_y;
            sums->fy_l += f_y;
        }
        if ((roles & JEM__ROLE_SAMPLE) != 0) {
            sums->f_q += f[i];
            sums->f2_q += f[i] * f[i];
            sums->fy_q += f_y;
        }
    }
}

void jem__loss_add_sums(jem__loss_sums *sums, const jem__loss_sums *other)
{
    sums->f_d += other->f_d;
    sums->f2_d += other->f2_d;
    sums->f_q += other->f_q;
    sums->f2_q += other->f2_q;
    sums->softplus_d += other->softplus_d;
    sums->softplus_q += other->softplus_q;
    sums->ce_l += other->ce_l;
    sums->fy_l += other->fy_l;
    sums->fy_q += other->fy_q;
    sums->mean_l += other->mean_l;
    sums->correct += other->correct;
}

static double mean(double sum, int64_t n)
{
    return n > 0 ? sum / (double)n : 0.0;
}

/* A term appears when its weight is not 0 and it has an image; that for log p(x) also where the
 * ramp is at 0. */
void jem__loss_terms(const jem__loss_weights *weights, const jem__loss_counts *n,
                     const jem__loss_sums *sums, jem__step_metrics *m)
{
    m->loss = 0.0;
    m->weight_px = weights->px * weights->px_share;
    if (n->d > 0)
        m->log_px_data = mean(sums->f_d, n->d);
    if (n->q > 0)
        m->log_px_sample = mean(sums->f_q, n->q);
    if (n->d > 0 && n->q > 0)
        m->energy_gap = m->log_px_data - m->log_px_sample;
    if (n->l > 0)
        m->accuracy = mean((double)sums->correct, n->l);
    if (weights->px > 0.0 && n->d + n->q > 0) {
        m->loss_px =
            m->weight_px * (weights->logistic
                                ? mean(sums->softplus_q, n->q) + mean(sums->softplus_d, n->d)
                                : mean(sums->f_q, n->q) - mean(sums->f_d, n->d));
        m->loss += m->loss_px;
    }
    if (weights->py_x > 0.0 && n->l > 0) {
        m->loss_py_x = weights->py_x * mean(sums->ce_l, n->l);
        if (weights->label_smoothing > 0.0)
            m->loss_py_x += weights->py_x * weights->label_smoothing *
                            (mean(sums->fy_l, n->l) - mean(sums->mean_l, n->l));
        m->loss += m->loss_py_x;
    }
    if (weights->pxy > 0.0 && n->l + n->q > 0) {
        m->loss_pxy = weights->pxy * (mean(sums->fy_q, n->q) - mean(sums->fy_l, n->l));
        m->loss += m->loss_pxy;
    }
    if (weights->energy_l2 > 0.0 && n->d + n->q > 0) {
        m->loss_l2 = weights->energy_l2 * (mean(sums->f2_d, n->d) + mean(sums->f2_q, n->q));
        m->loss += m->loss_l2;
    }
}
