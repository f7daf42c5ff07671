/* SPDX-License-Identifier: MIT */

/* Attacks and defences on closed cases. A network with one hidden layer whose units are all far
 * above 0 is linear, f = A x + c, so that with two classes the best an attack can do is known, and
 * with more the gradient of the plain classifier and of the straight-through one. Prints
 * "ok NAME" or "FAIL NAME reason", as the scripts of tests/cli do. */

#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/attack.h"
#include "support/report.h"

enum { HEIGHT = 6, WIDTH = 8, SIZE = HEIGHT * WIDTH, HIDDEN = 16, CLASSES = 5, N = 6 };

static int failures;

static void say(int good, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void say(int good, const char *name, const char *format, ...)
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

static void must(int rc)
{
    if (rc == EXIT_OK)
        return;
    printf("FAIL attacks: a call failed\n");
    exit(1);
}

/* --- A linear model --------------------------------------------------------------------------- */

struct world {
    jem_context *ctx;
    jem_options *opts;
    jem_model *model;
    int classes;
    double a[CLASSES][SIZE];
    float x[N * SIZE]; /* images, and the model's own opinion of their classes */
    int32_t y[N];
};

static struct attack_random numbers;

static void set(struct world *w, const char *name, const char *value)
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

static void open_world(struct world *w, int classes, double scale)
{
    char text[16];
    struct defence d;
    double logits[N * CLASSES];

    memset(w, 0, sizeof *w);
    numbers = attack_random_at(11, ATTACK_FOR_START, classes, 0);
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
    must(defence_open(w->model, w->opts, 0, 1, 0, 1, &d));
    must(defence_logits(&d, w->x, N, logits));
    for (int i = 0; i < N; i++)
        for (int k = 1; k < classes; k++)
            if (logits[i * classes + k] > logits[i * classes + w->y[i]])
                w->y[i] = k;
    defence_close(&d);
}

static void close_world(struct world *w)
{
    jem_model_free(w->model);
    jem_options_free(w->opts);
    jem_context_free(w->ctx);
}

/* --- The best attack on two classes, in closed form ------------------------------------------- */

static double margin_at(const struct world *w, int i, const float *at)
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

/* The smallest margin within eps. */
static double best_margin(const struct world *w, enum attack_norm norm, int i, double eps)
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

/* The smallest eps at which the margin can be 0. */
static double best_eps(const struct world *w, enum attack_norm norm, int i)
{
    double low = 0, high = 2 * SIZE;

    for (int t = 0; t < 60; t++) {
        const double middle = (low + high) / 2;

        *(best_margin(w, norm, i, middle) > 0 ? &low : &high) = middle;
    }
    return high;
}

/* --- Attacks ----------------------------------------------------------------------------------- */

struct run {
    struct attack attack;
    struct defence victim;
    struct attack_images images;
    float best[N * SIZE];
    double eps[N], distance[N], smallest[N];
};

static void open_run(struct run *r, const struct world *w, enum attack_norm norm, double share)
{
    memset(r, 0, sizeof *r);
    must(defence_open(w->model, w->opts, 0, 1, 0, 3, &r->victim));
    r->attack = (struct attack){.victim = &r->victim,
                                .source = &r->victim,
                                .norm = norm,
                                .channels = 1,
                                .height = HEIGHT,
                                .width = WIDTH,
                                .steps = 60,
                                .restarts = 1,
                                .eot = 1,
                                .queries = 3000,
                                .noises = 5,
                                .votes = 5,
                                .widest = 0.1,
                                .seed = 7};
    must(attack_open(&r->attack, N));
    memcpy(r->best, w->x, sizeof r->best);
    for (int i = 0; i < N; i++) {
        r->smallest[i] = w->classes == 2 ? best_eps(w, norm, i) : 1;
        r->eps[i] = share * r->smallest[i];
    }
    r->images = (struct attack_images){w->x, w->y, r->eps, N, r->best, r->distance};
}

static void close_run(struct run *r)
{
    attack_close(&r->attack);
    defence_close(&r->victim);
}

/* By how much the images leave the box and the ball (`ball`: of eps, else of `distance`). */
static double beyond(const struct run *r, int ball)
{
    double most = -1;

    for (int i = 0; i < N; i++) {
        const double far =
            attack_distance(&r->attack, r->images.x + i * SIZE, r->best + i * SIZE);

        most = fmax(most, far - (ball ? r->eps[i] : r->distance[i]));
        for (int j = 0; j < SIZE; j++)
            most = fmax(most, fabs((double)r->best[i * SIZE + j]) - 1);
    }
    return most;
}

static int count_wrong(const struct world *w, const struct run *r)
{
    int wrong = 0;

    for (int i = 0; i < N; i++)
        wrong += margin_at(w, i, r->best + i * SIZE) <= 1e-5;
    return wrong;
}

static const char *named(const char *what, const char *attack, enum attack_norm norm)
{
    static char text[128];

    snprintf(text, sizeof text, "%s, %s: %s", attack, norm == ATTACK_L2 ? "L2" : "L-inf", what);
    return text;
}

/* Within a ball that holds no wrong image: the share of the possible fall of the margin that the
 * attack reaches. Then within one that is a little (`factor`) larger than the smallest. */
static void check_within(const struct world *w, const char *name, enum attack_norm norm,
                         double share, double factor)
{
    struct run r;
    double worst = 1;

    open_run(&r, w, norm, 0.8);
    must(attack_find(name)->within(&r.attack, &r.images));
    for (int i = 0; i < N; i++) {
        const double clean = margin_at(w, i, w->x + i * SIZE);
        const double possible = clean - best_margin(w, norm, i, r.eps[i]);
        const double reached = clean - margin_at(w, i, r.best + i * SIZE);

        worst = fmin(worst, reached / possible);
        if (reached > possible * (1 + 1e-4))
            worst = NAN;
    }
    say(worst >= share,
        named(share > 0 ? "comes near the best" : "not beyond the best", name, norm),
        "%g of it", worst);
    say(beyond(&r, 1) <= 1e-6, named("ball and box", name, norm), "left by %g", beyond(&r, 1));
    close_run(&r);
    if (factor <= 0)
        return;
    open_run(&r, w, norm, factor);
    must(attack_find(name)->within(&r.attack, &r.images));
    say(count_wrong(w, &r) == N, named("succeeds where possible", name, norm), "%d of %d",
        count_wrong(w, &r), N);
    say(beyond(&r, 1) <= 1e-6, named("ball and box again", name, norm), "left by %g",
        beyond(&r, 1));
    close_run(&r);
}

/* The smallest perturbation: not smaller than possible, and at most `factor` times that. */
static void check_smallest(const struct world *w, const char *name, enum attack_norm norm,
                           double factor)
{
    struct run r;
    double least = INFINITY, most = 0;

    open_run(&r, w, norm, 1);
    must(attack_find(name)->smallest(&r.attack, &r.images));
    for (int i = 0; i < N; i++) {
        least = fmin(least, r.distance[i] / r.smallest[i]);
        most = fmax(most, r.distance[i] / r.smallest[i]);
    }
    say(least >= 1 - 1e-4 && most <= factor, named("near the smallest", name, norm),
        "%g to %g times that", least, most);
    say(count_wrong(w, &r) == N, named("all wrong", name, norm), "%d of %d", count_wrong(w, &r),
        N);
    say(beyond(&r, 0) <= 1e-6, named("distance and box", name, norm), "left by %g",
        beyond(&r, 0));
    close_run(&r);
}

/* No single value of what pointwise gives can go back. */
static void check_pointwise(const struct world *w)
{
    struct run r;
    int needless = 0, changed = 0;

    open_run(&r, w, ATTACK_L2, 1);
    r.attack.queries = 100000;
    must(attack_pointwise(&r.attack, &r.images));
    for (int i = 0; i < N; i++)
        for (int j = 0; j < SIZE; j++) {
            float *value = r.best + i * SIZE + j;
            const float old = *value;

            if (old == w->x[i * SIZE + j])
                continue;
            changed++;
            *value = w->x[i * SIZE + j];
            needless += margin_at(w, i, r.best + i * SIZE) <= -1e-5;
            *value = old;
        }
    say(changed > 0 && changed < N * SIZE / 2 && needless == 0,
        "pointwise: no value for nothing", "%d changed, %d could go back", changed, needless);
    say(count_wrong(w, &r) == N, "pointwise: all wrong", "%d of %d", count_wrong(w, &r), N);
    say(beyond(&r, 0) <= 1e-6, "pointwise: distance and box", "left by %g", beyond(&r, 0));
    close_run(&r);
}

/* --- Defences --------------------------------------------------------------------------------- */

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

static void check_votes(const struct world *w)
{
    struct run r;
    static float grad[N * SIZE], one[N * SIZE];
    double margin[N], loss[N], m[N], l[N], worst = 0;
    int64_t list[N] = {0, 1, 2, 3, 4, 5};
    uint8_t wrong[N] = {0};
    int errors[N] = {0}, differ = 0, between = 0;

    open_run(&r, w, ATTACK_L2, 1);
    defence_close(&r.victim);
    must(defence_open(w->model, w->opts, 0, 1, 3, 9, &r.victim));
    must(attack_verdict(&r.attack, &r.images, list, N, w->x, wrong));
    r.victim.draw = 0;
    for (int t = 0; t < 5; t++) {
        must(attack_margins(&r.attack, &r.images, list, N, w->x, margin));
        for (int i = 0; i < N; i++)
            errors[i] += margin[i] <= 0;
    }
    for (int i = 0; i < N; i++) {
        differ += wrong[i] != (errors[i] >= 3);
        between += errors[i] > 0 && errors[i] < 5;
    }
    say(differ == 0 && between > 0, "a verdict is the majority of draws",
        "%d differ, %d are not unanimous", differ, between);

    r.attack.eot = 4;
    r.victim.draw = 0;
    must(attack_gradients(&r.attack, &r.images, list, N, w->x, grad, margin, loss));
    r.victim.draw = 0;
    r.attack.eot = 1;
    for (int t = 0; t < 4; t++) {
        must(attack_gradients(&r.attack, &r.images, list, N, w->x, one, m, l));
        for (int j = 0; j < N * SIZE; j++)
            grad[j] -= one[j] / 4;
    }
    for (int j = 0; j < N * SIZE; j++)
        worst = fmax(worst, fabs((double)grad[j]));
    say(worst < 1e-6, "eot averages gradients", "differs by %g", worst);
    close_run(&r);
}

int main(void)
{
    static struct world two, five;

    report_program("attacks");
    open_world(&two, 2, 1);
    for (enum attack_norm norm = ATTACK_LINF; norm <= ATTACK_L2; norm++) {
        const double pgd = norm == ATTACK_L2 ? 0.97 : 0.9999; /* steps along a curved way */

        check_within(&two, "pgd", norm, pgd, 1.03);
        check_within(&two, "apgd", norm, 0.998, 1.01);
        check_within(&two, "transfer", norm, pgd, 1.03);
        check_within(&two, "square", norm, norm == ATTACK_L2 ? 0.6 : 0.9, 1.5);
        check_within(&two, "noise", norm, -1, 0);
        check_smallest(&two, "pgd-min", norm, 1.03);
        check_smallest(&two, "hopskipjump", norm, norm == ATTACK_L2 ? 1.1 : 1.5);
    }
    check_pointwise(&two);
    close_world(&two);

    open_world(&five, CLASSES, 1);
    set(&five, "sgld.step_size", "1");
    set(&five, "sgld.noise_std", "0.05");
    check_exact(&five, 1, 1);
    check_exact(&five, 1, 3);
    check_exact(&five, 10, 1);
    check_exact(&five, 10, 3);
    check_straight(&five, 3, 1);
    check_straight(&five, 3, 3);
    check_noise(&five);
    check_votes(&five);
    close_world(&five);
    return report_flush(failures > 0 ? EXIT_FAILED : EXIT_OK);
}
