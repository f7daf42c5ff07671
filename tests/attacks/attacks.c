/* SPDX-License-Identifier: MIT */

/* Attacks and defences on closed cases (linear.h). Prints "ok NAME" or "FAIL NAME: reason", as
 * the scripts of tests/cli do. */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kit/base/report.h"
#include "linear.h"

/* --- Attacks ------------------------------------------------------------------------------ */

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
                                .set = w->x,
                                .set_count = N,
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

/* Noise on the images that the victim looks at. */
static void make_noisy(struct run *r, const struct world *w, double input_noise)
{
    defence_close(&r->victim);
    must(defence_open(w->model, w->opts, 0, 1, input_noise, 9, &r->victim));
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

/* Within a ball that holds no wrong image: the share of the possible fall of the margin that
 * the attack reaches. Then within one that is a little (`factor`) larger than the smallest. */
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
            worst = (double)NAN;
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

/* Like the first half of check_within(), but every call to the victim adds noise to the image
 * that moves the margin (by `input_noise` times ||slope||) about as far as the attack can. A point
 * must be kept for what it is, not for the draw it was seen with. */
static void check_noisy(const struct world *w, const char *name, enum attack_norm norm,
                        double share)
{
    struct run r;
    double worst = 1;

    open_run(&r, w, norm, 0.8);
    make_noisy(&r, w, 0.5);
    must(attack_find(name)->within(&r.attack, &r.images));
    for (int i = 0; i < N; i++) {
        const double clean = margin_at(w, i, w->x + i * SIZE);

        worst = fmin(worst, (clean - margin_at(w, i, r.best + i * SIZE)) /
                                (clean - best_margin(w, norm, i, r.eps[i])));
    }
    say(worst >= share, named("comes near the best through noise", name, norm), "%g of it",
        worst);
    close_run(&r);
}

/* The smallest perturbation: not smaller than possible, and at most `factor` times that. */
static void check_smallest(const struct world *w, const char *name, enum attack_norm norm,
                           double factor)
{
    struct run r;
    double least = (double)INFINITY, most = 0;

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

/* Where all noise is of an image's class, another image is a start; without one the image is said
 * not to have been attacked. */
static void check_starts(const struct world *w, const char *name, double input_noise)
{
    struct run r;
    int attacked = 0;

    open_run(&r, w, ATTACK_L2, 1);
    make_noisy(&r, w, input_noise);
    must(attack_find(name)->smallest(&r.attack, &r.images));
    for (int i = 0; i < N; i++)
        attacked += isfinite(r.distance[i]);
    say(attacked == N && r.attack.no_start == 0,
        named(input_noise > 0 ? "starts at other images, through noise"
                              : "starts at other images",
              name, ATTACK_L2),
        "%d of %d attacked, %d without a start", attacked, N, (int)r.attack.no_start);
    if (input_noise <= 0)
        say(count_wrong(w, &r) == N && beyond(&r, 0) <= 1e-6,
            named("and ends wrong", name, ATTACK_L2), "%d of %d", count_wrong(w, &r), N);
    r.attack.set_count = 1; /* of class 0 */
    must(attack_find(name)->smallest(&r.attack, &r.images));
    attacked = 0;
    for (int i = 0; i < N; i++)
        attacked += isfinite(r.distance[i]);
    say(attacked == N / 2 && r.attack.no_start == N / 2,
        named("counts images without a start", name, ATTACK_L2),
        "%d of %d attacked, %d without a start", attacked, N, (int)r.attack.no_start);
    close_run(&r);
}

/* pgd on `other` though another model is the victim: as near the best there as pgd itself. */
static void check_transfer(const struct world *victim, const struct world *other,
                           enum attack_norm norm, double share)
{
    struct run r;
    struct defence d;
    double worst = 1;

    open_run(&r, other, norm, 1.5); /* beyond the first wrong point: it must go on */
    must(defence_open(victim->model, victim->opts, 0, 1, 0, 3, &d));
    r.attack.victim = &d;
    must(attack_transfer(&r.attack, &r.images));
    for (int i = 0; i < N; i++) {
        const double clean = margin_at(other, i, other->x + i * SIZE);

        worst = fmin(worst, (clean - margin_at(other, i, r.best + i * SIZE)) /
                                (clean - best_margin(other, norm, i, r.eps[i])));
    }
    say(worst >= share, named("comes near the best of the source", "transfer", norm),
        "%g of it", worst);
    say(r.attack.victim == &d && beyond(&r, 1) <= 1e-6, named("ball and box", "transfer", norm),
        "left by %g", beyond(&r, 1));
    defence_close(&d);
    close_run(&r);
}

/* More draws of noise, smaller margins; also where the victim has noise of its own. */
static void check_noises(const struct world *w, enum attack_norm norm, double input_noise)
{
    struct run r;
    double one[N], sum = 0;
    int larger = 0;

    open_run(&r, w, norm, 0.8);
    make_noisy(&r, w, input_noise);
    r.attack.noises = 1;
    must(attack_noise(&r.attack, &r.images));
    for (int i = 0; i < N; i++)
        one[i] = margin_at(w, i, r.best + i * SIZE);
    r.attack.noises = 20;
    r.attack.draw = 0;
    must(attack_noise(&r.attack, &r.images));
    for (int i = 0; i < N; i++) {
        const double many = margin_at(w, i, r.best + i * SIZE);

        larger += many > one[i];
        sum += one[i] - many;
    }
    say(larger == 0 && sum > 0,
        named(input_noise > 0 ? "the worst draw counts, through noise"
                              : "the worst draw counts",
              "noise", norm),
        "%d larger, fall %g", larger, sum);
    close_run(&r);
}

/* A point that is almost wrong is pushed on; one that is far from it is given up. */
static void check_confirm(const struct world *w)
{
    struct run r;
    int given_up = 0, pushed = 0;

    open_run(&r, w, ATTACK_LINF, 1);
    for (int i = 0; i < N; i++) {
        const double share = i % 2 == 0 ? 0.98 : 0.2;

        r.distance[i] = 1;
        for (int j = 0; j < SIZE; j++) {
            const double slope = w->a[w->y[i]][j] - w->a[1 - w->y[i]][j];
            const double x = (double)w->x[i * SIZE + j];
            const double by = share * r.smallest[i];

            r.best[i * SIZE + j] = (float)fmin(fmax(x - (slope > 0 ? by : -by), -1), 1);
        }
    }
    must(attack_confirm(&r.attack, &r.images, NULL));
    for (int i = 0; i < N; i++) {
        given_up += i % 2 != 0 && !isfinite(r.distance[i]);
        pushed += i % 2 == 0 && r.distance[i] >= r.smallest[i] &&
                  r.distance[i] < 1.1 * r.smallest[i] + 1e-6;
    }
    say(pushed == 3 && given_up == 3, "a last push", "%d of 3 pushed on, %d of 3 given up",
        pushed, given_up);
    close_run(&r);
}

static void check_apgd_twin(const struct world *w)
{
    struct run r;
    static float start[N * SIZE];
    double worst = 0, grad[SIZE], at[SIZE], margin;

    open_run(&r, w, ATTACK_L2, 1);
    r.attack.steps = TWIN_STEPS;
    for (int i = 0; i < N; i++) {
        struct attack_random random =
            attack_random_at(r.attack.seed, ATTACK_FOR_START, r.attack.draw, i);

        for (int j = 0; j < SIZE; j++)
            at[j] = (double)w->x[i * SIZE + j];
        loss_at(w, i, at, grad, &margin);
        r.eps[i] = 0.02 * margin; /* too little to become wrong, where a walk would end */
        attack_random_point(&r.attack, &random, w->x + i * SIZE, r.eps[i], start + i * SIZE);
    }
    must(attack_apgd(&r.attack, &r.images));
    for (int i = 0; i < N; i++) {
        const double want = apgd_twin(w, i, r.eps[i], start + i * SIZE);

        for (int j = 0; j < SIZE; j++)
            at[j] = (double)r.best[i * SIZE + j];
        loss_at(w, i, at, grad, &margin);
        worst = fmax(worst, fabs(margin - want));
    }
    say(worst < 1e-5, "apgd walks as the paper has it", "margins differ by %g", worst);
    close_run(&r);
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
    make_noisy(&r, w, 3);
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
    static struct world two, other, five;

    report_program("attacks");
    open_world(&two, 2, 1, 1);
    open_world(&other, 2, 1, 2);
    for (enum attack_norm norm = ATTACK_LINF; norm <= ATTACK_L2; norm++) {
        const double pgd = norm == ATTACK_L2 ? 0.97 : 0.9999; /* steps along a curved way */

        check_within(&two, "pgd", norm, pgd, 1.03);
        check_within(&two, "apgd", norm, 0.998, 1.01);
        check_transfer(&two, &other, norm, pgd);
        check_within(&two, "square", norm, norm == ATTACK_L2 ? 0.6 : 0.9, 1.5);
        check_within(&two, "noise", norm, -1, 0);
        check_noises(&two, norm, 0);
        check_noises(&two, norm, 0.5);
        check_noisy(&two, "pgd", norm, pgd);
        check_noisy(&two, "apgd", norm, 0.9);
        check_noisy(&two, "square", norm, norm == ATTACK_L2 ? 0.6 : 0.9);
        check_smallest(&two, "pgd-min", norm, 1.03);
        check_smallest(&two, "hopskipjump", norm, norm == ATTACK_L2 ? 1.1 : 1.5);
    }
    check_pointwise(&two);
    check_confirm(&two);
    close_world(&two);
    close_world(&other);

    open_lopsided(&two, 4);
    for (int noisy = 0; noisy < 2; noisy++) {
        check_starts(&two, "hopskipjump", noisy * 0.1);
        check_starts(&two, "pointwise", noisy * 0.1);
    }
    close_world(&two);

    open_world(&five, CLASSES, 20, 3); /* steep, so that walks turn */
    check_apgd_twin(&five);
    close_world(&five);

    open_world(&five, CLASSES, 1, 3);
    set(&five, "sgld.step_size", "1");
    set(&five, "sgld.noise_std", "0.05");
    check_defences(&five);
    check_votes(&five);
    close_world(&five);
    return report_flush(failures > 0 ? EXIT_FAILED : EXIT_OK);
}
