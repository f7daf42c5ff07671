/* SPDX-License-Identifier: MIT */
/* See optimizer.h. Settings are read from t->opts each time: they are few. */

#include "train/optimizer.h"

#include <string.h>

#include "core/context.h"
#include "train/trainer.h"

static jem_status adam_update(jem_trainer *t, const jem__step *step)
{
    const jem__adam adam = {.lr = step->metrics.learning_rate,
                            .beta1 = jem__option_f64(t->opts, "train.beta1"),
                            .beta2 = jem__option_f64(t->opts, "train.beta2"),
                            .eps = jem__option_f64(t->opts, "train.adam_eps"),
                            .weight_decay = jem__option_f64(t->opts, "train.weight_decay"),
                            .grad_scale = step->grad_scale,
                            .step = t->step + 1};

    return t->ctx->backend->adam_step(t->queue, &adam, &t->grads, &t->moments[0],
                                      &t->moments[1], &t->model->params);
}

static jem_status sgd_update(jem_trainer *t, const jem__step *step)
{
    const jem__sgd sgd = {.lr = step->metrics.learning_rate,
                          .momentum = jem__option_f64(t->opts, "train.momentum"),
                          .weight_decay = jem__option_f64(t->opts, "train.weight_decay"),
                          .grad_scale = step->grad_scale,
                          .first = t->step == 0};

    return t->ctx->backend->sgd_step(t->queue, &sgd, &t->grads, &t->moments[0],
                                     &t->model->params);
}

const jem__optimizer jem__optimizers[JEM__OPTIMIZERS] = {
    {"adam", {{"adam_m", 0}, {"adam_v", 1}}, adam_update},
    {"sgd", {{"velocity", 0}, {NULL, 0}}, sgd_update},
};

const jem__optimizer *jem__optimizer_find(const char *name)
{
    for (int32_t i = 0; i < JEM__OPTIMIZERS; i++) {
        if (strcmp(jem__optimizers[i].name, name) == 0)
            return &jem__optimizers[i];
    }
    return NULL;
}
