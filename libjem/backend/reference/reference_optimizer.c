/* SPDX-License-Identifier: MIT */
/* Weight updates of the reference backend, line by line as in torch.optim. */

#include "backend/reference/reference.h"

#include <math.h>

/* torch.optim.Adam, step s = 1, 2, ...:
 *
 *     g <- scale * g + wd * p
 *     m <- beta1 m + (1 - beta1) g,        v <- beta2 v + (1 - beta2) g^2
 *     p <- p - lr / (1 - beta1^s) * m / ( sqrt(v) / sqrt(1 - beta2^s) + eps ) */
jem_status jem__reference_adam_step(jem__queue *queue, const jem__adam *what,
                                    const jem__tensor *grad, const jem__tensor *m,
                                    const jem__tensor *v, const jem__tensor *param)
{
    const double correction1 = 1 - pow(what->beta1, (double)what->step);
    const double correction2 = 1 - pow(what->beta2, (double)what->step);
    const double *gradient = jem__reference_image(grad, 0);
    double *mean = jem__reference_image(m, 0), *square = jem__reference_image(v, 0);
    double *p = jem__reference_image(param, 0);

    (void)queue;
    for (int64_t e = 0; e < jem__reference_count(param); e++) {
        const double g = what->grad_scale * gradient[e] + what->weight_decay * p[e];

        mean[e] = what->beta1 * mean[e] + (1 - what->beta1) * g;
        square[e] = what->beta2 * square[e] + (1 - what->beta2) * g * g;
        p[e] -= what->lr / correction1 * mean[e] /
                (sqrt(square[e]) / sqrt(correction2) + what->eps);
    }
    return JEM_OK;
}

/* torch.optim.SGD:
 *
 *     g <- scale * g + wd * p
 *     velocity <- g the first time, momentum * velocity + g later
 *     p <- p - lr * velocity */
jem_status jem__reference_sgd_step(jem__queue *queue, const jem__sgd *what,
                                   const jem__tensor *grad, const jem__tensor *velocity,
                                   const jem__tensor *param)
{
    const double *gradient = jem__reference_image(grad, 0);
    double *speed = jem__reference_image(velocity, 0), *p = jem__reference_image(param, 0);

    (void)queue;
    for (int64_t e = 0; e < jem__reference_count(param); e++) {
        const double g = what->grad_scale * gradient[e] + what->weight_decay * p[e];

        speed[e] = what->first ? g : what->momentum * speed[e] + g;
        p[e] -= what->lr * speed[e];
    }
    return JEM_OK;
}
