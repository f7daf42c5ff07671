/* SPDX-License-Identifier: MIT */

/* See robustness_protocol.h. */

#include "robustness_protocol.h"

#include "kit/base/file.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int was_run(const struct study *s, const char *attack)
{
    for (int i = 0; i < s->result.count; i++)
        if (strcmp(s->result.rows[i].attack, attack) == 0)
            return 1;
    return 0;
}

static int had_gradient(const struct study *s, const char *gradient)
{
    for (int i = 0; i < s->result.count; i++)
        if (s->result.rows[i].refine > 0 && strcmp(s->result.rows[i].gradient, gradient) == 0)
            return 1;
    return 0;
}

static int refines(const struct study *s)
{
    for (int i = 0; i < s->result.count; i++)
        if (s->result.rows[i].refine > 0)
            return 1;
    return 0;
}

static int has_noise(const struct study *s)
{
    return s->result.input_noise > 0 ||
           (refines(s) && settings_number(s->opts, "sgld.noise_std") > 0);
}

static void add_set_up(const struct study *s, FILE *out)
{
    const struct robustness_eps *eps = &s->result.eps;

    fprintf(out, "Norm %s, eps %s", robustness_norm(&s->result), eps->text[0]);
    if (eps->count > 1)
        fprintf(out, " to %s", eps->text[eps->count - 1]);
    fprintf(out,
            " of images in [0, 1], perturbations cut to that box. %" PRId64
            " labelled %s; one that is wrong without an attack counts as not robust. ",
            s->result.n, lab_images_are(s->lab));
}

static void add_defence(const struct study *s, FILE *out)
{
    static const char *const names[] = {"sgld.step_size", "sgld.noise_std", "sgld.clamp_grad",
                                        "sgld.clamp_x"};
    char sgld[4][64] = {"", "", "", ""};

    for (int i = 0; i < 4; i++)
        settings_text(s->opts, names[i], sgld[i]);
    fputs("Defence: ", out);
    if (s->result.input_noise > 0)
        fprintf(out, "Gaussian noise of %g on the image in [-1, 1]", s->result.input_noise);
    else
        fputs("no noise on the image", out);
    fprintf(out, " (official code: %s)",
            strcmp(s->result.norm, "l2") == 0 ? "0 for L2" : "0.03 for L-inf");
    if (refines(s))
        fprintf(
            out,
            ", then k steps of SGLD on log p(x) (step_size %s, noise_std %s, clamp_grad %s, "
            "clamp_x %s)",
            sgld[0], sgld[1], sgld[2], sgld[3]);
    if (s->chains > 1)
        fprintf(out, ", logits averaged over %" PRId64 " such chains", s->chains);
    fputs(". ", out);
    if (has_noise(s))
        fprintf(out,
                "An attack has succeeded when most of %" PRId64
                " draws of the defence's noise are wrong that it has not seen. ",
                s->settings.votes);
}

static void add_gradients(const struct study *s, FILE *out)
{
    if (had_gradient(s, "exact"))
        fprintf(out, "Gradient exact: through the SGLD steps, their noise held fixed%s. ",
                settings_number(s->opts, "sgld.clamp_x") > 0
                    ? "; it is 0 where clamp_x acted, which can mask gradients"
                    : "");
    if (had_gradient(s, "straight"))
        fprintf(out,
                "Gradient straight: as if these steps were not there, as in the official code; "
                "it usually flatters the defence. ");
    if (had_gradient(s, "exact") && had_gradient(s, "straight"))
        fputs("Of the two the smaller accuracy counts. ", out);
}

/* "40 steps from one random start, gradients averaged over 5 draws". */
static void add_walk(const struct study *s, FILE *out, int noise)
{
    fprintf(out, "%" PRId64 " steps from ", s->settings.steps);
    if (s->settings.restarts > 1)
        fprintf(out, "each of %" PRId64 " random starts, the worst of which counts",
                s->settings.restarts);
    else
        fputs("one random start", out);
    if (noise && s->settings.eot > 1)
        fprintf(out, ", each gradient averaged over %" PRId64 " draws of noise",
                s->settings.eot);
}

static void add_gradient_attacks(const struct study *s, FILE *out)
{
    const int noise = has_noise(s);

    if (was_run(s, "pgd")) {
        fputs("pgd: ", out);
        add_walk(s, out, noise);
        fprintf(out, ", steps of 2.5 eps / %" PRId64 ". ", s->settings.steps);
    }
    if (was_run(s, "pgd-min")) {
        fprintf(out, "pgd-min: bisection to 1 %% of the eps at which pgd succeeds, ");
        add_walk(s, out, noise);
        fputs(". ", out);
    }
    if (was_run(s, "apgd")) {
        fputs("apgd: APGD-CE, ", out);
        add_walk(s, out, noise);
        fputs(". ", out);
    }
    if (was_run(s, "transfer")) {
        fputs("transfer: pgd on the source, without refinement and noise, ", out);
        add_walk(s, out, 0);
        fputs(". ", out);
    }
}

static void add_blind_attacks(const struct study *s, FILE *out)
{
    const int noise = has_noise(s);

    if (was_run(s, "square")) {
        fprintf(out, "square: Square attack, at most %" PRId64 " queries per image",
                s->settings.queries);
        if (noise)
            fprintf(out, ", %" PRId64 " per proposal on a defence with noise",
                    2 * s->settings.eot);
        fputs(". ", out);
    }
    if (was_run(s, "hopskipjump"))
        fprintf(out,
                "hopskipjump: from noise, or another image, that is wrong; at most %" PRId64
                " queries per image. ",
                s->settings.queries);
    if (was_run(s, "pointwise"))
        fprintf(
            out,
            "pointwise: from salt and pepper, or another image, that is wrong; at most %" PRId64
            " queries per image. ",
            s->settings.queries);
    if (was_run(s, "noise"))
        fprintf(out, "noise: %s, the worst of %" PRId64 " draws. ",
                strcmp(s->result.norm, "l2") == 0 ? "random directions of length eps"
                                                  : "uniform in the ball",
                s->settings.noises);
}

const char *robustness_describe(const struct study *s)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = file_open_memory(&text, &length);

    if (out == NULL)
        must(report_no_memory());
    add_set_up(s, out);
    add_defence(s, out);
    add_gradients(s, out);
    add_gradient_attacks(s, out);
    add_blind_attacks(s, out);
    if (was_run(s, "worst"))
        fputs("worst: an image must withstand all of a defence's rows. ", out);
    fputs("Intervals: Wilson, 95 %. The paper: smallest-eps search with straight gradients, "
          "20 restarts, step_size 1, noise_std 0.01, 5 chains.",
          out);
    if (!file_close_memory(out, &text))
        must(report_no_memory());
    return lab_keep(s->lab, text, free);
}
