/* SPDX-License-Identifier: MIT */

/* See linear.h. */

#include "linear.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kit/base/report.h"

int failures;

void say(int good, const char *name, const char *format, ...)
{
    va_list args;

    if (good) {
        printf("ok %s\n", name);
        return;
    }
    failures++;
    printf("FAIL %s: ", name);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

void must(int rc)
{
    if (rc == EXIT_OK)
        return;
    printf("FAIL attacks: a call failed\n");
    exit(1);
}

static struct attack_random numbers;

void set(struct world *w, const char *name, const char *value)
{
    must(report_jem(jem_options_set_str(w->opts, name, value)));
}

static void fill_weights(struct world *w, double scale)
{
    static float w1[HIDDEN * SIZE], b1[HIDDEN], w2[CLASSES * HIDDEN];

    for (int j = 0; j < HIDDEN * SIZE; j++)
        w1[j] = (float)(0.1 * attack_random_signed(&numbers));
    for (int j = 0; j < HIDDEN; j++)
        b1[j] = 9; /* above all that 0.1 * 48 values up to 1.5 can do */
    for (int j = 0; j < w->classes * HIDDEN; j += 2) {
        w2[j] = (float)(scale * attack_random_signed(&numbers));
        w2[j + 1] = -w2[j]; /* the large biases cancel */
    }
    must(report_jem(jem_model_param_set(w->model, "fc1.weight", w1, HIDDEN * SIZE)));
    must(report_jem(jem_model_param_set(w->model, "fc1.bias", b1, HIDDEN)));
    must(report_jem(
        jem_model_param_set(w->model, "class_output.weight", w2, w->classes * HIDDEN)));
    for (int k = 0; k < w->classes; k++)
        for (int j = 0; j < SIZE; j++) {
            w->a[k][j] = 0;
            for (int u = 0; u < HIDDEN; u++)
                w->a[k][j] += (double)w2[k * HIDDEN + u] * (double)w1[u * SIZE + j];
        }
}

/* The model's own opinion of its images. */
static void ask_classes(struct world *w)
{
    const int classes = w->classes;
    struct defence d;
    double logits[N * CLASSES];

    memset(w->y, 0, sizeof w->y);
    must(defence_open(w->model, w->opts, 0, 1, 0, 1, &d));
    must(defence_logits(&d, w->x, N, logits));
    for (int i = 0; i < N; i++)
        for (int k = 1; k < classes; k++)
            if (logits[i * classes + k] > logits[i * classes + w->y[i]])
                w->y[i] = k;
    defence_close(&d);
}

void open_world(struct world *w, int classes, double scale, int seed)
{
    char text[16];

    memset(w, 0, sizeof *w);
    numbers = attack_random_at(seed, ATTACK_FOR_START, classes, 0);
    w->classes = classes;
    snprintf(text, sizeof text, "%d", classes);
    must(report_jem(jem_context_create("cpu", &w->ctx)));
    must(report_jem(jem_options_create(w->ctx, &w->opts)));
    set(w, "model.arch", "mlp");
    set(w, "model.layers", "1");
    set(w, "model.hidden", "16");
    set(w, "model.channels", "1");
    set(w, "model.height", "6");
    set(w, "model.width", "8");
    set(w, "model.classes", text);
    must(report_jem(jem_model_create(w->ctx, w->opts, &w->model)));
    fill_weights(w, scale);
    for (int j = 0; j < N * SIZE; j++)
        w->x[j] = (float)attack_random_signed(&numbers);
    ask_classes(w);
}

void open_lopsided(struct world *w, int seed)
{
    double squares = 0;

    open_world(w, 2, 1, seed);
    for (int j = 0; j < SIZE; j++) {
        const double slope = w->a[1][j] - w->a[0][j];

        squares += slope * slope;
        for (int i = 1; i < N; i += 2) /* almost a corner */
            w->x[i * SIZE + j] = (float)((slope > 0 ? 1 : -1) * (1 - 0.01 * i));
    }
    /* Noise has a margin of 0 +- ||slope|| before that. */
    must(report_jem(jem_model_param_set(w->model, "class_output.bias",
                                        (float[]){(float)(4.5 * sqrt(squares)), 0}, 2)));
    ask_classes(w);
}

void close_world(struct world *w)
{
    jem_model_free(w->model);
    jem_options_free(w->opts);
    jem_context_free(w->ctx);
}

/* --- The best attack on two classes, in closed form --------------------------------------- */

double margin_at(const struct world *w, int i, const float *at)
{
    float b[2];
    double margin;

    must(report_jem(jem_model_param_get(w->model, "class_output.bias", b, 2)));
    margin = (double)b[w->y[i]] - (double)b[1 - w->y[i]];
    for (int j = 0; j < SIZE; j++)
        margin += (w->a[w->y[i]][j] - w->a[1 - w->y[i]][j]) * (double)at[j];
    return margin;
}

/* The point of the box nearest to x - t * slope: what L2 attacks of some eps end at. */
static double along_slope(const struct world *w, int i, double t, float *out)
{
    double squares = 0;

    for (int j = 0; j < SIZE; j++) {
        const double x = (double)w->x[i * SIZE + j];
        const double to = fmin(fmax(x - t * (w->a[w->y[i]][j] - w->a[1 - w->y[i]][j]), -1), 1);

        squares += (to - x) * (to - x);
        out[j] = (float)to;
    }
    return sqrt(squares);
}

double best_margin(const struct world *w, enum attack_norm norm, int i, double eps)
{
    float at[SIZE];
    double low = 0, high = 1e4;

    for (int j = 0; j < SIZE; j++) {
        const double slope = w->a[w->y[i]][j] - w->a[1 - w->y[i]][j];

        at[j] = (float)fmin(fmax((double)w->x[i * SIZE + j] - (slope > 0 ? eps : -eps), -1), 1);
    }
    for (int t = 0; t < 100 && norm == ATTACK_L2; t++) {
        const double middle = (low + high) / 2;

        *(along_slope(w, i, middle, at) > eps ? &high : &low) = middle;
    }
    return margin_at(w, i, at);
}

double best_eps(const struct world *w, enum attack_norm norm, int i)
{
    double low = 0, high = 2 * SIZE;

    for (int t = 0; t < 60; t++) {
        const double middle = (low + high) / 2;

        *(best_margin(w, norm, i, middle) > 0 ? &low : &high) = middle;
    }
    return high;
}

double loss_at(const struct world *w, int i, const double *x, double *grad, double *margin)
{
    double f[CLASSES] = {0}, sum = 0, other = -(double)INFINITY;
    float b[CLASSES];

    must(report_jem(jem_model_param_get(w->model, "class_output.bias", b, CLASSES)));
    for (int k = 0; k < CLASSES; k++) {
        f[k] = (double)b[k];
        for (int j = 0; j < SIZE; j++)
            f[k] += w->a[k][j] * x[j];
        sum += exp(f[k]);
        if (k != w->y[i])
            other = fmax(other, f[k]);
    }
    for (int j = 0; j < SIZE; j++) {
        grad[j] = -w->a[w->y[i]][j];
        for (int k = 0; k < CLASSES; k++)
            grad[j] += exp(f[k]) / sum * w->a[k][j];
    }
    *margin = f[w->y[i]] - other;
    return log(sum) - f[w->y[i]];
}

static void project(const float *x0, double eps, double *x)
{
    double far = 0;

    for (int j = 0; j < SIZE; j++)
        far += (x[j] - (double)x0[j]) * (x[j] - (double)x0[j]);
    for (int j = 0; j < SIZE; j++) {
        x[j] = (double)x0[j] + (x[j] - (double)x0[j]) * fmin(1, eps / sqrt(far));
        x[j] = fmin(fmax(x[j], -1), 1);
    }
}

/* As the paper writes it: all points are kept, and the conditions are evaluated over them. */
double apgd_twin(const struct world *w, int i, double eps, const float *start)
{
    static const int at[] = {0, 3,  5,  7,
                             9, 10, 11, 12}; /* ceil(12 p_j), p = 0, 0.22, 0.41, ... */
    static double x[TWIN_STEPS + 2][SIZE], z[SIZE], grad[SIZE], best[SIZE];
    double f[TWIN_STEPS + 2], step[8] = {2 * eps}, top[8], eta = 2 * eps, most, least, margin;
    int j = 1;

    for (int e = 0; e < SIZE; e++)
        x[0][e] = best[e] = (double)start[e];
    f[0] = most = top[0] = loss_at(w, i, x[0], grad, &least);
    for (int k = 0; k < TWIN_STEPS; k++) {
        double norm = 0;

        loss_at(w, i, x[k], grad, &margin);
        for (int e = 0; e < SIZE; e++)
            norm += grad[e] * grad[e];
        for (int e = 0; e < SIZE; e++)
            z[e] = x[k][e] + eta * grad[e] / sqrt(norm);
        project(w->x + i * SIZE, eps, z);
        for (int e = 0; e < SIZE; e++)
            x[k + 1][e] =
                k == 0 ? z[e]
                       : x[k][e] + 0.75 * (z[e] - x[k][e]) + 0.25 * (x[k][e] - x[k - 1][e]);
        project(w->x + i * SIZE, eps, x[k + 1]);
        f[k + 1] = loss_at(w, i, x[k + 1], grad, &margin);
        least = fmin(least, margin);
        if (f[k + 1] > most) {
            most = f[k + 1];
            memcpy(best, x[k + 1], sizeof best);
        }
        if (k + 1 == at[j]) {
            int risen = 0;

            for (int t = at[j - 1]; t < at[j]; t++)
                risen += f[t + 1] > f[t];
            step[j] = eta;
            top[j] = most;
            if (risen < 0.75 * (at[j] - at[j - 1]) ||
                (j > 1 && step[j] >= step[j - 1] && top[j] <= top[j - 1])) {
                eta /= 2;
                memcpy(x[k + 1], best, sizeof best);
                f[k + 1] = most;
            }
            j++;
        }
    }
    return least;
}
