/* SPDX-License-Identifier: MIT */

/* The classifier under attack: its gradients and its noise. */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "linear.h"

static double loss_sum(struct defence *d, const struct world *w, const float *x, double out[N])
{
    double logits[N * CLASSES], sum = 0;

    d->draw = 5;
    must(defence_logits(d, x, N, logits));
    for (int i = 0; i < N; i++)
        sum += out[i] = defence_loss(d, logits + i * w->classes, w->y[i]);
    return sum;
}

/* The exact gradient of JEM-k against slopes of its loss along random directions. The model is
 * linear, so there are no kinks; the steps are long, so that the chain matters. */
static void check_exact(const struct world *w, int64_t steps, int64_t chains)
{
    struct defence d;
    static float grad[N * SIZE], straight[N * SIZE], x[N * SIZE], way[N * SIZE];
    double logits[N * CLASSES], at[4][N], worst = 0, bend = 0, size = 0;
    char name[64];
    struct attack_random numbers = attack_random_at(1, ATTACK_FOR_SEARCH, steps, chains);

    must(defence_open(w->model, w->opts, steps, chains, 0.1, 9, &d));
    d.draw = 5;
    must(defence_gradient(&d, w->x, w->y, N, logits, grad));
    for (int t = 0; t < 8; t++) {
        for (int j = 0; j < N * SIZE; j++)
            way[j] = (float)attack_random_sign(&numbers) / 4;
        for (int s = 0; s < 4; s++) { /* -2 h, -h, h, 2 h */
            const double h = ldexp(s < 2 ? s - 2 : s - 1, -6);

            for (int j = 0; j < N * SIZE; j++)
                x[j] = (float)((double)w->x[j] + h * (double)way[j]);
            loss_sum(&d, w, x, at[s]);
        }
        for (int i = 0; i < N; i++) {
            const double slope =
                (at[0][i] - 8 * at[1][i] + 8 * at[2][i] - at[3][i]) / ldexp(12, -6);
            double want = 0, norm = 0;

            for (int j = i * SIZE; j < (i + 1) * SIZE; j++) {
                want += (double)grad[j] * (double)way[j];
                norm += (double)grad[j] * (double)grad[j];
            }
            worst = fmax(worst, fabs(slope - want) / sqrt(norm));
        }
    }
    d.draw = 5;
    d.exact = 0;
    must(defence_gradient(&d, w->x, w->y, N, logits, straight));
    for (int j = 0; j < N * SIZE; j++) {
        bend +=
            ((double)grad[j] - (double)straight[j]) * ((double)grad[j] - (double)straight[j]);
        size += (double)grad[j] * (double)grad[j];
    }
    defence_close(&d);
    snprintf(name, sizeof name, "JEM-%d, %d chain(s): the exact gradient", (int)steps,
             (int)chains);
    say(worst < 2e-3 && bend > 0.01 * size, name,
        "differs from finite differences by %g, from straight-through by %g", worst,
        sqrt(bend / size));
}

/* Straight-through: J' (softmax f - onehot y) with J = A, whatever the chains did. */
static void check_straight(const struct world *w, int64_t steps, int64_t chains)
{
    struct defence d;
    static float grad[N * SIZE];
    double logits[N * CLASSES], worst = 0;

    must(defence_open(w->model, w->opts, steps, chains, 0.1, 9, &d));
    d.exact = 0;
    must(defence_gradient(&d, w->x, w->y, N, logits, grad));
    for (int i = 0; i < N; i++)
        for (int j = 0; j < SIZE; j++) {
            const double *f = logits + i * w->classes;
            double want = -w->a[w->y[i]][j], sum = 0;

            for (int k = 0; k < w->classes; k++)
                sum += exp(f[k]);
            for (int k = 0; k < w->classes; k++)
                want += exp(f[k]) / sum * w->a[k][j];
            worst = fmax(worst, fabs(want - (double)grad[i * SIZE + j]));
        }
    defence_close(&d);
    say(worst < 1e-5, chains == 1 ? "straight-through gradient" : "the same of three chains",
        "differs by %g", worst);
}

/* Averages of chains, noise by address, and blocks that change nothing. */
static void check_noise(const struct world *w)
{
    struct defence d;
    double a[N * CLASSES], b[N * CLASSES];
    static float g[N * SIZE], h[N * SIZE];

    must(defence_open(w->model, w->opts, 2, 3, 0.1, 9, &d));
    must(defence_gradient(&d, w->x, w->y, N, a, g));
    must(defence_logits(&d, w->x, N, b));
    say(d.random && memcmp(a, b, sizeof a) != 0, "fresh noise in every call", "the same");
    d.draw = 0;
    must(defence_logits(&d, w->x, N, b));
    say(memcmp(a, b, sizeof a) == 0, "a draw can be repeated", "another");
    d.draw = 0;
    d.block = 1;
    must(defence_gradient(&d, w->x, w->y, N, b, h));
    say(memcmp(a, b, sizeof a) == 0 && memcmp(g, h, sizeof g) == 0, "blocks change no bit",
        "they do");
    defence_close(&d);
}

void check_defences(const struct world *w)
{
    check_exact(w, 1, 1);
    check_exact(w, 1, 3);
    check_exact(w, 10, 1);
    check_exact(w, 10, 3);
    check_straight(w, 3, 1);
    check_straight(w, 3, 3);
    check_noise(w);
}
