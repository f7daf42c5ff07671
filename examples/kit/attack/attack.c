/* SPDX-License-Identifier: MIT */

/* See attack.h. */

#include "kit/attack/attack.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kit/base/report.h"

#define FURTHER 10 /* tries of attack_confirm() away from the image */
#define BACK    4  /* and towards the start */

const struct attack_kind attack_kinds[] = {
    {"pgd", attack_pgd, NULL, 1},
    {"pgd-min", NULL, attack_pgd_smallest, 1},
    {"apgd", attack_apgd, NULL, 1},
    {"transfer", attack_transfer, NULL, 0},
    {"square", attack_square, NULL, 0},
    {"hopskipjump", NULL, attack_hop_skip_jump, 0},
    {"pointwise", NULL, attack_pointwise, 0},
    {"noise", attack_noise, NULL, 0},
};
const int attack_count = (int)(sizeof attack_kinds / sizeof attack_kinds[0]);

const struct attack_kind *attack_find(const char *name)
{
    for (int k = 0; k < attack_count; k++)
        if (strcmp(attack_kinds[k].name, name) == 0)
            return &attack_kinds[k];
    return NULL;
}

int attack_open(struct attack *a, int64_t n)
{
    const size_t size = (size_t)a->victim->size, images = (size_t)n;

    a->x = calloc(images * size, sizeof a->x[0]);
    a->grad = calloc(images * size, sizeof a->grad[0]);
    a->logits = calloc(images * (size_t)a->victim->classes, sizeof a->logits[0]);
    a->y = calloc(images, sizeof a->y[0]);
    if (a->x != NULL && a->grad != NULL && a->logits != NULL && a->y != NULL)
        return EXIT_OK;
    attack_close(a);
    return report_no_memory();
}

void attack_close(struct attack *a)
{
    free(a->x);
    free(a->grad);
    free(a->logits);
    free(a->y);
    a->x = a->grad = NULL;
    a->logits = NULL;
    a->y = NULL;
}

int64_t *attack_everyone(int64_t n)
{
    int64_t *list = malloc((size_t)n * sizeof list[0]);

    if (list == NULL)
        report_no_memory();
    for (int64_t i = 0; i < n && list != NULL; i++)
        list[i] = i;
    return list;
}

int64_t attack_drop(int64_t *list, int64_t count, const uint8_t *mark)
{
    int64_t kept = 0;

    for (int64_t i = 0; i < count; i++)
        if (!mark[list[i]])
            list[kept++] = list[i];
    return kept;
}

static void gather(struct attack *a, const struct attack_images *im, const int64_t *list,
                   int64_t count, const float *at)
{
    const int64_t size = a->victim->size;

    for (int64_t i = 0; i < count; i++) {
        memcpy(a->x + i * size, at + list[i] * size, (size_t)size * sizeof at[0]);
        a->y[i] = im->y[list[i]];
    }
}

int attack_margins(struct attack *a, const struct attack_images *im, const int64_t *list,
                   int64_t count, const float *at, double *margin)
{
    int rc;

    gather(a, im, list, count, at);
    rc = defence_logits(a->victim, a->x, count, a->logits);
    for (int64_t i = 0; i < count && rc == EXIT_OK; i++)
        margin[list[i]] =
            defence_margin(a->victim, a->logits + i * a->victim->classes, a->y[i]);
    return rc;
}

int attack_score(struct attack *a, const struct attack_images *im, const int64_t *list,
                 int64_t count, const float *at, int64_t draw, int64_t draws, double *margin,
                 double *loss)
{
    struct defence *d = a->victim;
    int rc = EXIT_OK;

    draws = d->random ? draws : 1;
    d->draw = draw;
    gather(a, im, list, count, at);
    for (int64_t t = 0; t < draws && rc == EXIT_OK; t++) {
        rc = defence_logits(d, a->x, count, a->logits);
        for (int64_t i = 0; i < count && rc == EXIT_OK; i++) {
            const int64_t to = list[i];
            const double *f = a->logits + i * d->classes;

            margin[to] =
                (t > 0 ? margin[to] : 0) + defence_margin(d, f, a->y[i]) / (double)draws;
            if (loss != NULL)
                loss[to] = (t > 0 ? loss[to] : 0) + defence_loss(d, f, a->y[i]) / (double)draws;
        }
    }
    return rc;
}

int attack_keep_better(struct attack *a, struct attack_images *im, const int64_t *list,
                       int64_t count, const float *at, int64_t draws, double *margin,
                       double *best)
{
    const int64_t size = a->victim->size, draw = a->victim->draw;
    int rc = attack_score(a, im, list, count, im->best, draw, draws, best, NULL);

    if (rc == EXIT_OK)
        rc = attack_score(a, im, list, count, at, draw, draws, margin, NULL);
    for (int64_t i = 0; i < count && rc == EXIT_OK; i++) {
        const int64_t g = list[i];

        if (margin[g] < best[g])
            memcpy(im->best + g * size, at + g * size, (size_t)size * sizeof at[0]);
    }
    return rc;
}

int attack_gradients(struct attack *a, const struct attack_images *im, const int64_t *list,
                     int64_t count, const float *at, float *grad, double *margin, double *loss)
{
    struct defence *d = a->victim;
    const int64_t size = d->size, draws = d->random ? a->eot : 1;
    int rc = EXIT_OK;

    gather(a, im, list, count, at);
    for (int64_t draw = 0; draw < draws && rc == EXIT_OK; draw++) {
        rc = defence_gradient(d, a->x, a->y, count, a->logits, a->grad);
        for (int64_t i = 0; i < count && rc == EXIT_OK; i++) {
            const int64_t to = list[i];
            const double *f = a->logits + i * d->classes;

            if (draw == 0) {
                memset(grad + to * size, 0, (size_t)size * sizeof grad[0]);
                margin[to] = loss[to] = 0;
            }
            margin[to] += defence_margin(d, f, a->y[i]) / (double)draws;
            loss[to] += defence_loss(d, f, a->y[i]) / (double)draws;
            for (int64_t j = 0; j < size; j++)
                grad[to * size + j] += a->grad[i * size + j] / (float)draws;
        }
    }
    return rc;
}

int attack_verdict(struct attack *a, const struct attack_images *im, const int64_t *list,
                   int64_t count, const float *at, uint8_t *wrong)
{
    const int64_t votes = a->victim->random ? a->votes : 1;
    double *margin = calloc((size_t)im->n, sizeof margin[0]);
    int64_t *errors = calloc((size_t)im->n, sizeof errors[0]);
    int rc = margin != NULL && errors != NULL ? EXIT_OK : report_no_memory();

    for (int64_t vote = 0; vote < votes && rc == EXIT_OK; vote++) {
        rc = attack_margins(a, im, list, count, at, margin);
        for (int64_t i = 0; i < count && rc == EXIT_OK; i++)
            errors[list[i]] += margin[list[i]] <= 0;
    }
    for (int64_t i = 0; i < count && rc == EXIT_OK; i++)
        wrong[list[i]] = 2 * errors[list[i]] >= votes;
    free(margin);
    free(errors);
    return rc;
}

double attack_distance(const struct attack *a, const float *x, const float *at)
{
    double largest = 0, squares = 0;

    for (int64_t j = 0; j < a->victim->size; j++) {
        const double change = fabs((double)at[j] - (double)x[j]);

        largest = fmax(largest, change);
        squares += change * change;
    }
    return a->norm == ATTACK_LINF ? largest : sqrt(squares);
}

/* x is in the box, so cutting to the box after the ball brings no value further from x. */
void attack_project(const struct attack *a, const float *x, double eps, float *at)
{
    const double far = a->norm == ATTACK_L2 ? attack_distance(a, x, at) : 0;

    for (int64_t j = 0; j < a->victim->size; j++) {
        double change = (double)at[j] - (double)x[j];

        if (a->norm == ATTACK_LINF)
            change = fmin(fmax(change, -eps), eps);
        else if (far > eps)
            change *= eps / far;
        at[j] = (float)fmin(fmax((double)x[j] + change, -1), 1);
    }
}

void attack_random_point(const struct attack *a, struct attack_random *r, const float *x,
                         double eps, float *at)
{
    const int64_t size = a->victim->size;
    double squares = 0, radius = eps;

    for (int64_t j = 0; j < size; j++) {
        const double v =
            a->norm == ATTACK_LINF ? attack_random_signed(r) : attack_random_normal(r);

        at[j] = (float)v;
        squares += (double)at[j] * (double)at[j];
    }
    if (a->norm == ATTACK_L2 && squares > 0)
        radius = eps * pow(attack_random_unit(r), 1 / (double)size) / sqrt(squares);
    for (int64_t j = 0; j < size; j++)
        at[j] = (float)((double)x[j] + radius * (double)at[j]);
    attack_project(a, x, eps, at);
}

void attack_ascend(const struct attack *a, const float *grad, double by, float *at)
{
    const int64_t size = a->victim->size;
    double squares = 0;

    if (a->norm == ATTACK_LINF) {
        for (int64_t j = 0; j < size; j++)
            at[j] += (float)(grad[j] > 0 ? by : grad[j] < 0 ? -by : 0);
        return;
    }
    for (int64_t j = 0; j < size; j++)
        squares += (double)grad[j] * (double)grad[j];
    for (int64_t j = 0; squares > 0 && j < size; j++)
        at[j] += (float)(by * (double)grad[j] / sqrt(squares));
}

/* Move the point of image g for try t = 1, 2, ... of attack_confirm(). */
static void go_on(const struct attack *a, struct attack_images *im, const float *start, int t,
                  int64_t g)
{
    const int64_t size = a->victim->size;

    for (int64_t j = g * size; j < (g + 1) * size; j++) {
        const double x = (double)im->x[j], at = (double)im->best[j];
        const double to = t <= FURTHER
                              ? x + 1.1 * (at - x)
                              : at + ((double)start[j] - at) / (double)(FURTHER + BACK + 1 - t);

        im->best[j] = (float)fmin(fmax(to, -1), 1);
    }
}

int attack_confirm(struct attack *a, struct attack_images *im, const float *start)
{
    const int tries = start != NULL ? FURTHER + BACK : FURTHER;
    const int64_t size = a->victim->size;
    int64_t *list = attack_everyone(im->n), count = 0;
    uint8_t *wrong = calloc((size_t)im->n, 1);
    int rc = list != NULL && wrong != NULL ? EXIT_OK : report_no_memory();

    for (int64_t i = 0; i < im->n && rc == EXIT_OK; i++)
        if (isfinite(im->distance[i]))
            list[count++] = i;
    for (int t = 0; t <= tries && rc == EXIT_OK && count > 0; t++) {
        for (int64_t i = 0; i < count && t > 0; i++)
            go_on(a, im, start, t, list[i]);
        rc = attack_verdict(a, im, list, count, im->best, wrong);
        if (rc == EXIT_OK)
            count = attack_drop(list, count, wrong);
    }
    for (int64_t i = 0; i < im->n && rc == EXIT_OK; i++) {
        im->distance[i] = attack_distance(a, im->x + i * size, im->best + i * size);
        if (!wrong[i])
            im->distance[i] = (double)INFINITY;
    }
    free(list);
    free(wrong);
    return rc;
}

void attack_tell(struct attack *a, int64_t done, int64_t of)
{
    if (a->progress != NULL && progress_due(a->progress))
        progress_show(a->progress, "%s: %" PRId64 "/%" PRId64, a->label, done, of);
}
