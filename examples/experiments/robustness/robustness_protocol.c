/* SPDX-License-Identifier: MIT */

/* See robustness_protocol.h. */

#include "robustness_protocol.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    return p->result->input_noise > 0 ||
           (refines(p) && settings_number(p->opts, "sgld.noise_std") > 0);
}

static void add_set_up(const struct robustness_protocol *p, FILE *out)
{
    const struct robustness_eps *eps = &p->result->eps;

    fprintf(out, "Norm %s, eps %s", robustness_norm(p->result), eps->text[0]);
    if (eps->count > 1)
        fprintf(out, " to %s", eps->text[eps->count - 1]);
    fprintf(out,
            " of images in [0, 1], perturbations cut to that box. %" PRId64
            " labelled test images; one that is wrong without an attack counts as not robust. ",
            p->result->n);
}

static void add_defence(const struct robustness_protocol *p, FILE *out)
{
    static const char *const names[] = {"sgld.step_size", "sgld.noise_std", "sgld.clamp_grad",
                                        "sgld.clamp_x"};
    char sgld[4][64] = {"", "", "", ""};

    for (int i = 0; i < 4; i++)
        settings_text(p->opts, names[i], sgld[i]);
    fputs("Defence: ", out);
    if (p->result->input_noise > 0)
        fprintf(out, "Gaussian noise of %g on the image in [-1, 1]", p->result->input_noise);
    else
        fputs("no noise on the image", out);
    fprintf(out, " (official code: %s)",
            strcmp(p->result->norm, "l2") == 0 ? "0 for L2" : "0.03 for L-inf");
    if (refines(p))
        fprintf(
            out,
            ", then k steps of SGLD on log p(x) (step_size %s, noise_std %s, clamp_grad %s, "
            "clamp_x %s)",
            sgld[0], sgld[1], sgld[2], sgld[3]);
    if (p->chains > 1)
        fprintf(out, ", logits averaged over %" PRId64 " such chains", p->chains);
    fputs(". ", out);
    if (has_noise(p))
        fprintf(out,
                "An attack has succeeded when most of %" PRId64
                " draws of the defence's noise are wrong that it has not seen. ",
                p->attack->votes);
}

static void add_gradients(const struct robustness_protocol *p, FILE *out)
{
    if (had_gradient(p, "exact"))
        fprintf(out, "Gradient exact: through the SGLD steps, their noise held fixed%s. ",
                settings_number(p->opts, "sgld.clamp_x") > 0
                    ? "; it is 0 where clamp_x acted, which can mask gradients"
                    : "");
    if (had_gradient(p, "straight"))
        fprintf(out,
                "Gradient straight: as if these steps were not there, as in the official code; "
                "it usually flatters the defence. ");
    if (had_gradient(p, "exact") && had_gradient(p, "straight"))
        fputs("Of the two the smaller accuracy counts. ", out);
}

/* "40 steps from one random start, gradients averaged over 5 draws". */
static void add_walk(const struct robustness_protocol *p, FILE *out, int noise)
{
    fprintf(out, "%" PRId64 " steps from ", p->attack->steps);
    if (p->attack->restarts > 1)
        fprintf(out, "each of %" PRId64 " random starts, the worst of which counts",
                p->attack->restarts);
    else
        fputs("one random start", out);
    if (noise && p->attack->eot > 1)
        fprintf(out, ", each gradient averaged over %" PRId64 " draws of noise",
                p->attack->eot);
}

static void add_gradient_attacks(const struct robustness_protocol *p, FILE *out)
{
    const int noise = has_noise(p);

    if (was_run(p, "pgd")) {
        fputs("pgd: ", out);
        add_walk(p, out, noise);
        fprintf(out, ", steps of 2.5 eps / %" PRId64 ". ", p->attack->steps);
    }
    if (was_run(p, "pgd-min")) {
        fprintf(out, "pgd-min: bisection to 1 %% of the eps at which pgd succeeds, ");
        add_walk(p, out, noise);
        fputs(". ", out);
    }
    if (was_run(p, "apgd")) {
        fputs("apgd: APGD-CE, ", out);
        add_walk(p, out, noise);
        fputs(". ", out);
    }
    if (was_run(p, "transfer")) {
        fputs("transfer: pgd on the source, without refinement and noise, ", out);
        add_walk(p, out, 0);
        fputs(". ", out);
    }
}

static void add_blind_attacks(const struct robustness_protocol *p, FILE *out)
{
    const int noise = has_noise(p);

    if (was_run(p, "square")) {
        fprintf(out, "square: Square attack, at most %" PRId64 " queries per image",
                p->attack->queries);
        if (noise)
            fprintf(out, ", %" PRId64 " per proposal on a defence with noise",
                    2 * p->attack->eot);
        fputs(". ", out);
    }
    if (was_run(p, "hopskipjump"))
        fprintf(out,
                "hopskipjump: from noise, or another image, that is wrong; at most %" PRId64
                " queries per image. ",
                p->attack->queries);
    if (was_run(p, "pointwise"))
        fprintf(
            out,
            "pointwise: from salt and pepper, or another image, that is wrong; at most %" PRId64
            " queries per image. ",
            p->attack->queries);
    if (was_run(p, "noise"))
        fprintf(out, "noise: %s, the worst of %" PRId64 " draws. ",
                strcmp(p->result->norm, "l2") == 0 ? "random directions of length eps"
                                                   : "uniform in the ball",
                p->attack->noises);
}

const char *robustness_describe(struct lab *lab, const struct robustness_protocol *p)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);

    if (out == NULL)
        must(report_no_memory());
    add_set_up(p, out);
    add_defence(p, out);
    add_gradients(p, out);
    add_gradient_attacks(p, out);
    add_blind_attacks(p, out);
    if (was_run(p, "worst"))
        fputs("worst: an image must withstand all of a defence's rows. ", out);
    fputs("Intervals: Wilson, 95 %. The paper: smallest-eps search with straight gradients, "
          "20 restarts, step_size 1, noise_std 0.01, 5 chains.",
          out);
    if (fclose(out) != 0)
        must(report_no_memory());
    return lab_keep(lab, text, free);
}
