/* SPDX-License-Identifier: MIT */

/* See robustness_protocol.h. */

#include "robustness_protocol.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kit/cli/settings.h"

struct text {
    char *to;
    size_t used;
};

static void add(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct text *t, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(t->to + t->used, ROBUSTNESS_PROTOCOL_BYTES - t->used, format, args);
    va_end(args);
    t->used += strlen(t->to + t->used);
}

static int was_run(const struct robustness_protocol *p, const char *attack)
{
    for (int i = 0; i < p->result->count; i++)
        if (strcmp(p->result->rows[i].attack, attack) == 0)
            return 1;
    return 0;
}

static int had_gradient(const struct robustness_protocol *p, const char *gradient)
{
    for (int i = 0; i < p->result->count; i++)
        if (p->result->rows[i].refine > 0 && strcmp(p->result->rows[i].gradient, gradient) == 0)
            return 1;
    return 0;
}

static int refines(const struct robustness_protocol *p)
{
    for (int i = 0; i < p->result->count; i++)
        if (p->result->rows[i].refine > 0)
            return 1;
    return 0;
}

static int has_noise(const struct robustness_protocol *p)
{
    return p->input_noise > 0 || (refines(p) && settings_number(p->opts, "sgld.noise_std") > 0);
}

static void add_set_up(const struct robustness_protocol *p, struct text *t)
{
    const struct robustness_eps *eps = &p->result->eps;

    add(t, "Norm %s, eps %s", strcmp(p->result->norm, "l2") == 0 ? "L2" : "L-inf",
        eps->text[0]);
    if (eps->count > 1)
        add(t, " to %s", eps->text[eps->count - 1]);
    add(t,
        " of images in [0, 1], perturbations cut to that box. %" PRId64
        " labelled test images; one that is wrong without an attack counts as not robust. ",
        p->result->n);
}

static void add_defence(const struct robustness_protocol *p, struct text *t)
{
    static const char *const names[] = {"sgld.step_size", "sgld.noise_std", "sgld.clamp_grad",
                                        "sgld.clamp_x"};
    char sgld[4][64] = {"", "", "", ""};

    for (int i = 0; i < 4; i++)
        settings_text(p->opts, names[i], sgld[i]);
    add(t, "Defence: ");
    if (p->input_noise > 0)
        add(t, "Gaussian noise of %g on the image in [-1, 1]", p->input_noise);
    else
        add(t, "no noise on the image");
    add(t, " (official code: %s)",
        strcmp(p->result->norm, "l2") == 0 ? "0 for L2" : "0.03 for L-inf");
    if (refines(p))
        add(t,
            ", then k steps of SGLD on log p(x) (step_size %s, noise_std %s, clamp_grad %s, "
            "clamp_x %s)",
            sgld[0], sgld[1], sgld[2], sgld[3]);
    if (p->chains > 1)
        add(t, ", logits averaged over %" PRId64 " such chains", p->chains);
    add(t, ". ");
    if (has_noise(p))
        add(t,
            "An attack has succeeded when most of %" PRId64
            " draws of the defence's noise are wrong that it has not seen. ",
            p->votes);
}

static void add_gradients(const struct robustness_protocol *p, struct text *t)
{
    if (had_gradient(p, "exact"))
        add(t, "Gradient exact: through the SGLD steps, their noise held fixed%s. ",
            settings_number(p->opts, "sgld.clamp_x") > 0
                ? "; it is 0 where clamp_x acted, which can mask gradients"
                : "");
    if (had_gradient(p, "straight"))
        add(t, "Gradient straight: as if these steps were not there, as in the official code; "
               "it usually flatters the defence. ");
    if (had_gradient(p, "exact") && had_gradient(p, "straight"))
        add(t, "Of the two the smaller accuracy counts. ");
}

/* "40 steps from one random start, gradients averaged over 5 draws". */
static void add_walk(const struct robustness_protocol *p, struct text *t, int noise)
{
    add(t, "%" PRId64 " steps from ", p->steps);
    if (p->restarts > 1)
        add(t, "each of %" PRId64 " random starts, the worst of which counts", p->restarts);
    else
        add(t, "one random start");
    if (noise && p->eot > 1)
        add(t, ", each gradient averaged over %" PRId64 " draws of noise", p->eot);
}

static void add_gradient_attacks(const struct robustness_protocol *p, struct text *t)
{
    const int noise = has_noise(p);

    if (was_run(p, "pgd")) {
        add(t, "pgd: ");
        add_walk(p, t, noise);
        add(t, ", steps of 2.5 eps / %" PRId64 ". ", p->steps);
    }
    if (was_run(p, "pgd-min")) {
        add(t, "pgd-min: bisection to 1 %% of the eps at which pgd succeeds, ");
        add_walk(p, t, noise);
        add(t, ". ");
    }
    if (was_run(p, "apgd")) {
        add(t, "apgd: APGD-CE, ");
        add_walk(p, t, noise);
        add(t, ". ");
    }
    if (was_run(p, "transfer")) {
        add(t, "transfer: pgd on the source, without refinement and noise, ");
        add_walk(p, t, 0);
        add(t, ". ");
    }
}

static void add_blind_attacks(const struct robustness_protocol *p, struct text *t)
{
    const int noise = has_noise(p);

    if (was_run(p, "square")) {
        add(t, "square: Square attack, at most %" PRId64 " queries per image", p->queries);
        if (noise)
            add(t, ", %" PRId64 " per proposal on a defence with noise", 2 * p->eot);
        add(t, ". ");
    }
    if (was_run(p, "hopskipjump"))
        add(t,
            "hopskipjump: from noise, or another image, that is wrong; at most %" PRId64
            " queries per image. ",
            p->queries);
    if (was_run(p, "pointwise"))
        add(t,
            "pointwise: from salt and pepper, or another image, that is wrong; at most %" PRId64
            " queries per image. ",
            p->queries);
    if (was_run(p, "noise"))
        add(t, "noise: %s, the worst of %" PRId64 " draws. ",
            strcmp(p->result->norm, "l2") == 0 ? "random directions of length eps"
                                               : "uniform in the ball",
            p->noises);
}

void robustness_describe(const struct robustness_protocol *p,
                         char out[ROBUSTNESS_PROTOCOL_BYTES])
{
    struct text t = {out, 0};

    out[0] = '\0';
    add_set_up(p, &t);
    add_defence(p, &t);
    add_gradients(p, &t);
    add_gradient_attacks(p, &t);
    add_blind_attacks(p, &t);
    if (was_run(p, "worst"))
        add(&t, "worst: an image must withstand all of a defence's rows. ");
    add(&t, "Intervals: Wilson, 95 %%. The paper: smallest-eps search with straight gradients, "
            "20 restarts, step_size 1, noise_std 0.01, 5 chains.");
}
