/* SPDX-License-Identifier: MIT */

/* See paper_tables.h. */

#include "paper_tables.h"

#include <math.h>
#include <string.h>

#include "kit/draw/plot.h"
#include "kit/stats/share.h"

#define PATH_BYTES 64

double paper_number(const json_t *result, const char *path)
{
    while (result != NULL) {
        const size_t length = strcspn(path, ".");
        char name[PATH_BYTES];

        snprintf(name, sizeof name, "%.*s", (int)length, path);
        result = json_object_get(result, name);
        if (path[length] == '\0')
            break;
        path += length + 1;
    }
    return json_is_number(result) ? json_number_value(result) : (double)NAN;
}

static int has_result(const struct paper_run *r, const char *section)
{
    return r->result != NULL && strcmp(r->step->section, section) == 0;
}

const json_t *paper_result(const struct paper_runs *runs, const char *section, int role)
{
    for (int i = 0; i < runs->count; i++)
        if (has_result(&runs->run[i], section) && runs->run[i].role == role)
            return runs->run[i].result;
    return NULL;
}

static int any_result(const struct paper_runs *runs, const char *section)
{
    for (int i = 0; i < runs->count; i++)
        if (has_result(&runs->run[i], section))
            return 1;
    return 0;
}

static void cell(FILE *out, const char *text)
{
    fputs("<td>", out);
    html_text(out, text);
    fputs("</td>", out);
}

static void cell_number(FILE *out, double value, int decimals)
{
    if (isfinite(value))
        fprintf(out, "<td>%.*f</td>", decimals, value);
    else
        fputs("<td>-</td>", out);
}

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text == NULL ? "-" : text;
}

/* --- A row per checkpoint ----------------------------------------------------------------- */

struct column {
    const char *heading;
    const char *path; /* of a number; or NULL, and then */
    const char *text; /* the name of a text; or NULL, and then */
    double scale;
    int decimals;
    const char *paper[ROLES]; /* what the paper has; NULL: nothing */
};

static void one_cell(FILE *out, const struct column *c, const struct paper_run *r)
{
    const char *paper = r->role < ROLES ? c->paper[r->role] : NULL;

    if (c->path != NULL && r->role == ROLE_EBM && strcmp(c->path, "accuracy") == 0)
        cell(out, "-"); /* whatever its logits say: they were not trained to classify */
    else if (c->path != NULL)
        cell_number(out, c->scale * paper_number(r->result, c->path), c->decimals);
    else if (c->text != NULL)
        cell(out, text_of(r->result, c->text));
    else
        cell(out, paper == NULL ? "-" : paper);
}

static void by_checkpoint(FILE *out, const struct paper_runs *runs, const char *section,
                          const struct column *columns, size_t count)
{
    if (!any_result(runs, section))
        return;
    fputs("<table>\n<tr><th>checkpoint</th>", out);
    for (size_t c = 0; c < count; c++) {
        fputs("<th>", out);
        html_text(out, columns[c].heading);
        fputs("</th>", out);
    }
    fputs("</tr>\n", out);
    for (int i = 0; i < runs->count; i++) {
        if (!has_result(&runs->run[i], section))
            continue;
        fputs("<tr>", out);
        cell(out, paper_roles[runs->run[i].role].title);
        for (size_t c = 0; c < count; c++)
            one_cell(out, &columns[c], &runs->run[i]);
        fputs("</tr>\n", out);
    }
    fputs("</table>\n", out);
}

/* Is there a figure of Inception-v3, which alone may be held beside the paper's? */
static int has_inception(const struct paper_runs *runs)
{
    for (int i = 0; i < runs->count; i++)
        if (has_result(&runs->run[i], "hybrid") &&
            isfinite(paper_number(runs->run[i].result, "is_mean")))
            return 1;
    return 0;
}

void paper_table_hybrid(FILE *out, const struct paper_runs *runs)
{
    enum { OF_INCEPTION = 3 };
    static const struct column columns[] = {
        {"accuracy %", "accuracy", NULL, 100, 2, {NULL}},
        {"paper's, CIFAR-10",
         NULL,
         NULL,
         0,
         0,
         {[ROLE_JEM] = "92.9", [ROLE_CLASSIFIER] = "95.8", [ROLE_FACTORED] = "30.1"}},
        {"distance", NULL, "distance", 0, 0, {NULL}},
        {"of samples", "frechet", NULL, 1, 3, {NULL}},
        {"of starts", "frechet_starts", NULL, 1, 3, {NULL}},
        {"of real images", "frechet_real", NULL, 1, 3, {NULL}},
        {"samples", "n_samples", NULL, 1, 0, {NULL}},
        {"paper's FID", NULL, NULL, 0, 0, {[ROLE_JEM] = "38.4", [ROLE_FACTORED] = "61.8"}},
        {"IS", "is_mean", NULL, 1, 2, {NULL}},
        {"paper's IS", NULL, NULL, 0, 0, {[ROLE_JEM] = "8.76", [ROLE_FACTORED] = "6.36"}},
    };
    const size_t count = sizeof columns / sizeof columns[0];

    by_checkpoint(out, runs, "hybrid", columns,
                  has_inception(runs) ? count : count - OF_INCEPTION);
}

void paper_table_calibration(FILE *out, const struct paper_runs *runs)
{
    static const struct column columns[] = {
        {"accuracy %", "accuracy", NULL, 100, 2, {NULL}},
        {"ECE %", "ece", NULL, 100, 2, {NULL}},
        {"paper's ECE %, CIFAR-100",
         NULL,
         NULL,
         0,
         0,
         {[ROLE_JEM] = "4.87", [ROLE_CLASSIFIER] = "22.32"}},
        {"MCE %", "mce", NULL, 100, 2, {NULL}},
        {"classwise ECE %", "classwise_ece", NULL, 100, 2, {NULL}},
        {"Brier", "brier", NULL, 1, 4, {NULL}},
        {"NLL", "nll", NULL, 1, 4, {NULL}},
        {"temperature", "temperature.t", NULL, 1, 3, {NULL}},
        {"ECE % with it", "scaled.ece", NULL, 100, 2, {NULL}},
        {"NLL with it", "scaled.nll", NULL, 1, 4, {NULL}},
        {"images", "n", NULL, 1, 0, {NULL}},
    };

    by_checkpoint(out, runs, "calibration", columns, sizeof columns / sizeof columns[0]);
}

void paper_table_distal(FILE *out, const struct paper_runs *runs)
{
    static const struct column columns[] = {
        {"reached their class %", "reached", NULL, 100, 1, {NULL}},
        {"steps", "all.steps", NULL, 1, 1, {NULL}},
        {"log p(x) at the start", "all.log_px_start", NULL, 1, 2, {NULL}},
        {"at the end", "all.log_px_end", NULL, 1, 2, {NULL}},
        {"of test images", "log_px_data", NULL, 1, 2, {NULL}},
        {"images", "all.n", NULL, 1, 0, {NULL}},
    };

    by_checkpoint(out, runs, "distal", columns, sizeof columns / sizeof columns[0]);
}

/* --- A row per entry of a result ---------------------------------------------------------- */

static const char *const ood_scores[] = {"log_px", "prob_y", "mass", "max_logit", "entropy"};
enum { OOD_SCORES = sizeof ood_scores / sizeof ood_scores[0] };

/* AUROC of `score` for other images `name`. */
static double auroc(const json_t *results, const char *name, const char *score)
{
    size_t i;
    const json_t *one;

    json_array_foreach(results, i, one) if (strcmp(text_of(one, "out"), name) == 0 &&
                                            strcmp(text_of(one, "score"), score) ==
                                                0) return paper_number(one, "auroc");
    return (double)NAN;
}

/* A row per set of other images. */
static void ood_rows(FILE *out, const struct paper_run *r)
{
    const json_t *results = json_object_get(r->result, "results"), *one;
    size_t i;

    json_array_foreach(results, i, one)
    {
        if (strcmp(text_of(one, "score"), ood_scores[0]) != 0)
            continue;
        fputs("<tr>", out);
        cell(out, paper_roles[r->role].title);
        cell(out, text_of(one, "out"));
        for (int s = 0; s < OOD_SCORES; s++) {
            const double a = auroc(results, text_of(one, "out"), ood_scores[s]);

            if (r->role == ROLE_EBM && strcmp(ood_scores[s], "log_px") != 0 &&
                strcmp(ood_scores[s], "mass") != 0) {
                cell(out, "-"); /* it has no p(y|x) */
                continue;
            }
            fprintf(out, "<td class=\"%s\">%.3f</td>",
                    a >= 0.9  ? "good"
                    : a < 0.5 ? "bad"
                              : "",
                    a);
        }
        cell_number(out, paper_number(one, "n_in"), 0);
        cell_number(out, paper_number(one, "n_out"), 0);
        fputs("</tr>\n", out);
    }
}

void paper_table_ood(FILE *out, const struct paper_runs *runs)
{
    if (!any_result(runs, "ood"))
        return;
    fputs("<table>\n<tr><th>checkpoint</th><th>other images</th><th>log p(x)</th>"
          "<th>max p(y|x)</th><th>mass</th><th>max logit</th><th>entropy</th>"
          "<th>test images</th><th>others</th></tr>\n",
          out);
    for (int i = 0; i < runs->count; i++)
        if (has_result(&runs->run[i], "ood"))
            ood_rows(out, &runs->run[i]);
    fputs(
        "</table>\n<p class=\"soft\">AUROC: 1 tells the two apart always, 0.5 is chance, below "
        "that the other images score higher than the test images.</p>\n",
        out);
}

/* The sizes of the perturbations, as headings: those of the first attack. */
static void eps_headings(FILE *out, const json_t *curve, int linf)
{
    double before = 0;
    const json_t *one;
    size_t i;

    json_array_foreach(curve, i, one)
    {
        const double eps = paper_number(one, "eps");

        if (eps > 0 && eps <= before)
            break;
        if (eps > 0)
            fprintf(out, linf ? "<th>%.3g/255</th>" : "<th>%.3g</th>", linf ? 255 * eps : eps);
        before = fmax(before, eps);
    }
}

/* Half of the 95 % interval of a share that n images give, in %, where it is widest. */
static double widest_interval(int64_t n)
{
    double low = 0, high = 0;

    if (n > 0)
        share_interval(n / 2, n, &low, &high);
    return 100 * (high - low) / 2;
}

/* A row per attack on a defence. Eps grows along a row; the point without an attack comes
 * first. */
static void robustness_rows(FILE *out, const struct paper_run *r)
{
    double clean = (double)NAN, before = 0;
    const json_t *one;
    size_t i;

    json_array_foreach(json_object_get(r->result, "curve"), i, one)
    {
        const double eps = paper_number(one, "eps"),
                     right = 100 * paper_number(one, "accuracy");

        if (eps == 0) {
            clean = right;
        } else if (eps <= before || before == 0) {
            fputs("</tr>\n<tr>", out);
            cell(out, paper_roles[r->role].title);
            fprintf(out, "<td>JEM-%.0f</td><td>%g</td>", paper_number(one, "refine_steps"),
                    paper_number(r->result, "input_noise"));
            cell(out, text_of(one, "attack"));
            cell(out, text_of(one, "gradient"));
            cell_number(out, paper_number(one, "n"), 0);
            cell_number(out, widest_interval((int64_t)paper_number(one, "n")), 0);
            cell_number(out, clean, 0);
        }
        if (eps > 0)
            cell_number(out, right, 0);
        before = eps;
    }
}

static void robustness_of_norm(FILE *out, const struct paper_runs *runs, const char *norm)
{
    const int linf = strcmp(norm, "linf") == 0;
    int begun = 0;

    for (int i = 0; i < runs->count; i++) {
        const struct paper_run *r = &runs->run[i];
        const json_t *curve = json_object_get(r->result, "curve");

        if (!has_result(r, "robustness") ||
            strcmp(text_of(json_array_get(curve, 0), "norm"), norm) != 0)
            continue;
        if (!begun) {
            fprintf(out,
                    "<table>\n<tr><th>checkpoint</th><th>defence</th><th>input noise</th>"
                    "<th>attack (%s)</th><th>gradient</th><th>images</th>"
                    "<th>+- at most</th><th>eps 0</th>",
                    linf ? "L-inf" : "L2");
            eps_headings(out, curve, linf);
        }
        begun = 1;
        robustness_rows(out, r);
    }
    if (begun)
        fputs("</tr>\n</table>\n", out);
}

void paper_table_robustness(FILE *out, const struct paper_runs *runs)
{
    if (!any_result(runs, "robustness"))
        return;
    fputs(
        "<p>Accuracy in % under attack, by the size eps of the perturbation (of images in "
        "[0, 1]); +-: 95 % interval (Wilson). Attacks on defences with noise ask it anew each "
        "time.</p>\n",
        out);
    robustness_of_norm(out, runs, "linf");
    robustness_of_norm(out, runs, "l2");
}

/* --- A row per member of an array --------------------------------------------------------- */

struct member {
    const char *heading, *name;
    double scale; /* 0: a text */
    int decimals;
};

static void member_table(FILE *out, const json_t *rows, const struct member *members,
                         size_t count)
{
    const json_t *row;
    size_t i;

    fputs("<table>\n<tr>", out);
    for (size_t k = 0; k < count; k++)
        fprintf(out, "<th>%s</th>", members[k].heading);
    fputs("</tr>\n", out);
    json_array_foreach(rows, i, row)
    {
        fputs("<tr>", out);
        for (size_t k = 0; k < count; k++)
            if (members[k].scale > 0)
                cell_number(out, members[k].scale * paper_number(row, members[k].name),
                            members[k].decimals);
            else
                cell(out, text_of(row, members[k].name));
        fputs("</tr>\n", out);
    }
    fputs("</table>\n", out);
}

void paper_table_semisup(FILE *out, const struct paper_runs *runs)
{
    static const struct member members[] = {
        {"labels per class", "labels_per_class", 1, 0},
        {"JEM %", "jem", 100, 2},
        {"classifier %", "classifier", 100, 2},
        {"difference", "difference", 100, 2},
    };
    const json_t *result = paper_result(runs, "semisup", ROLE_NONE);

    if (result != NULL)
        member_table(out, json_object_get(result, "summary"), members, 4);
}

void paper_table_stability(FILE *out, const struct paper_runs *runs)
{
    static const struct member variants[] = {
        {"settings on top", "set", 0, 0},
        {"trainings", "trainings", 1, 0},
        {"diverged", "diverged", 1, 0},
        {"after step (median)", "median_step", 1, 0},
        {"largest |energy gap|", "largest_energy_gap", 1, 1},
    };
    static const struct member remedies[] = {
        {"then", "text", 0, 0},
        {"tried", "tried", 1, 0},
        {"survived", "survived", 1, 0},
        {"steps (median)", "median_steps", 1, 1},
    };
    const json_t *result = paper_result(runs, "stability", ROLE_NONE);

    if (result == NULL)
        return;
    member_table(out, json_object_get(result, "variants"), variants, 5);
    member_table(out, json_object_get(result, "recovery"), remedies, 4);
}
