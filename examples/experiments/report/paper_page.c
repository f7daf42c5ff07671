/* SPDX-License-Identifier: MIT */

/* See paper_page.h. */

#include "paper_page.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kit/base/report.h"
#include "kit/base/table.h"
#include "kit/draw/html.h"
#include "kit/draw/plot.h"
#include "paper_tables.h"

#define LOG_END 2000 /* characters of the log of a program that failed */

struct page {
    FILE *out;
    const struct paper_plan *plan;
    const struct paper_runs *runs;
};

static const struct section {
    const char *key, *title;
    const char *asked; /* what the section is about */
    void (*table)(FILE *out, const struct paper_runs *runs);
    const char *remarks; /* below the table: what differs from the paper */
} sections[] = {
    {"hybrid", "Hybrid modelling (section 5.1, Table 1)",
     "Does one network classify as well as a classifier and draw as well as a generator? The "
     "distance of samples stands beside that of the starts, which no step has touched, and "
     "that "
     "of real images, which is the best there is.",
     paper_table_hybrid,
     "The paper's figures are of CIFAR-10 and a WRN-28-10, with its own choice of samples. "
     "Only "
     "FID and IS of Inception-v3 may be held beside them; FD-clf is another distance, and "
     "compares models under the same classifier."},
    {"samples", "Samples (section 5.1)",
     "What does the model draw? Chains of SGLD from the start distribution, all of them shown, "
     "none chosen. In film.png a row is one chain from its start to its end.",
     NULL,
     "The paper shows the replay buffer of its training, sorted by p(y|x); these are fresh "
     "chains, on log p(x) and per class on log p(x|y)."},
    {"calibration", "Calibration (section 5.2)",
     "Is a model that says 70 % right 70 times in 100? ECE is the mean distance between "
     "confidence and accuracy; a temperature fitted to held-out images is the simplest repair.",
     paper_table_calibration,
     "The paper: CIFAR-100, WRN-28-10, 20 bins. An easier data set gives smaller errors to "
     "both; what may be compared is whether JEM has less of it than the classifier."},
    {"ood", "Out-of-distribution detection (section 5.3, Tables 2 and 3)",
     "Does the model notice that an image is not of its data? Three scores of the paper "
     "(log p(x), max p(y|x), approximate mass) and two of later work; higher means "
     "in-distribution.",
     paper_table_ood,
     "From memory of the literature, not checked against the paper: its JEM has for CIFAR-10 "
     "against interp (means of two test images) AUROC .65, .75 and .78 by log p(x), max p(y|x) "
     "and approximate mass. Its other sets (SVHN, CIFAR-100, CelebA) can be given with --ood; "
     "it adds noise of 0.03 to all images, these runs add none."},
    {"robustness", "Robustness (section 5.4)",
     "How many images keep their class under attack, when the model may first take k steps of "
     "SGLD on them (JEM-k)? The gradient goes "
     "through these steps (exact) or as if they were not there (straight-through, as in the "
     "official code); the latter usually finds less. The lowest figure of a defence counts.",
     paper_table_robustness,
     "From memory of the literature: Croce and Hein (AutoAttack, 2020) quote 19.8, 41.8 and "
     "47.6 % as the paper's own figures for JEM-0, JEM-1 and JEM-10 at L-inf 8/255 on "
     "CIFAR-10. Another data set, another network: not comparable."},
    {"distal", "Distal adversarial images (section 5.4)",
     "Gradient ascent on p(y|x) from noise until the model is sure. A classifier is soon sure "
     "of "
     "what is noise to people; do the images of JEM look like their class?",
     paper_table_distal, "The paper shows pictures (target: car) and gives no figures."},
    {"likely", "Most and least likely images (appendix)",
     "Which test images does the model find the most and the least likely, by log p(x), "
     "log p(x|y) and log p(y|x)?",
     NULL, "The paper shows pictures and gives no figures."},
    {"semisup", "Few labels",
     "Does p(x) of all images help when few have labels? JEM and a classifier with the same "
     "labels, trained here.",
     paper_table_semisup, "No table of the paper is known to be about this."},
    {"stability", "Divergence (appendix H.3)",
     "How often does training leave the finite numbers, and what helps then? The settings of "
     "the first row are near the paper's; the others change what is said to calm a training.",
     paper_table_stability,
     "No counts of the paper are known. Its authors: begin again from the last checkpoint with "
     "another "
     "seed, a lower learning rate or more SGLD steps (JEM issues 4 and 8 on GitHub)."},
};

static const struct {
    const char *file, *caption;
} captions[] = {
    {"samples.png", "chains on log p(x), at their end"},
    {"starts.png", "starts of such chains"},
    {"classes.png", "chains on log p(x|y), a row per class"},
    {"film.png", "a row per chain, from start to end"},
    {"reliability.svg", "as the model is"},
    {"reliability-scaled.svg", "logits divided by the temperature"},
    {"log_px.svg", "log p(x)"},
    {"prob_y.svg", "max p(y|x)"},
    {"mass.svg", "approximate mass"},
    {"pgd.svg", "PGD, with 95 % intervals"},
    {"transfer.svg", "PGD on the classifier"},
    {"worst.svg", "all attacks of the run together"},
    {"adversarial.png", "test images, and below them what the attacks have made of them"},
    {"distal.png", "a row per class"},
    {"gap.svg", "energy gap, a plot per row of the table; dashed: diverged"},
    {"test-log_px-most.png", "test images of the largest log p(x)"},
    {"test-log_px-least.png", "of the smallest log p(x)"},
    {"test-log_pxy-class-most.png", "of the largest log p(x|y), a row per class"},
    {"test-log_pxy-class-least.png", "of the smallest log p(x|y), a row per class"},
    {"test-log_py-most.png", "of the largest log p(y|x)"},
    {"test-log_py-least.png", "of the smallest log p(y|x)"},
};

static void paragraph(FILE *out, const char *kind, const char *text)
{
    fprintf(out, "<p%s>", kind);
    html_text(out, text);
    fputs("</p>\n", out);
}

/* --- One run ------------------------------------------------------------------------------ */

static int picture(const struct page *p, const struct paper_run *r, const char *file)
{
    const char *caption = file;
    char path[FILE_PATH_BYTES], name[160];
    int rc;

    for (size_t i = 0; i < sizeof captions / sizeof captions[0]; i++)
        if (strcmp(captions[i].file, file) == 0)
            caption = captions[i].caption;
    snprintf(name, sizeof name, "%s/%s", r->name, file);
    rc = file_join(path, p->plan->out, name);
    if (rc != EXIT_OK || !file_exists(path))
        return rc;
    fputs("<figure>", p->out);
    rc = file_has_ending(file, ".svg") ? html_svg(p->out, path)
                                       : html_picture(p->out, path, caption);
    fputs("<figcaption>", p->out);
    html_text(p->out, paper_roles[r->role].title);
    fputs(": ", p->out);
    html_text(p->out, caption);
    fprintf(p->out, " <span class=\"soft\">(%s)</span></figcaption></figure>\n", name);
    return rc;
}

static int pictures(const struct page *p, const struct paper_run *r)
{
    const char *left = r->step->pictures;
    int rc = EXIT_OK;

    while (*left != '\0' && rc == EXIT_OK) {
        const size_t length = strcspn(left, " ");
        char file[64];

        snprintf(file, sizeof file, "%.*s", (int)length, left);
        rc = picture(p, r, file);
        left += length + strspn(left + length, " ");
    }
    return rc;
}

/* What a run has printed, or the end of it. */
static int write_log(const struct page *p, const struct paper_run *r, size_t most)
{
    char path[FILE_PATH_BYTES], *text;
    uint8_t *bytes = NULL;
    size_t length = 0, skip;
    int rc = paper_run_log(p->plan, r, path);

    if (rc == EXIT_OK && !file_exists(path))
        return EXIT_OK;
    if (rc == EXIT_OK)
        rc = file_read(path, &bytes, &length);
    if (rc != EXIT_OK)
        return rc;
    skip = length > most ? length - most : 0;
    text = strndup((const char *)bytes + skip, length - skip);
    if (text != NULL) {
        fputs("<pre>", p->out);
        html_text(p->out, text);
        fputs("</pre>\n", p->out);
    }
    rc = text == NULL ? report_no_memory() : EXIT_OK;
    free(text);
    free(bytes);
    return rc;
}

/* How a run was made: its command, its protocol and all that it printed. */
static int details(const struct page *p, const struct paper_run *r)
{
    const char *protocol = json_string_value(json_object_get(r->result, "protocol"));
    char time[32];
    int rc;

    if (r->code != 0) {
        fputs("<p class=\"failed\"><b>", p->out);
        html_text(p->out, r->name);
        fputs(" has failed.</b> The end of what it said:</p>\n", p->out);
        rc = write_log(p, r, LOG_END);
    } else {
        fprintf(p->out, "<details><summary>%s: command, protocol, all figures (%s)</summary>\n",
                r->name, format_duration(r->seconds, time));
        if (protocol != NULL)
            paragraph(p->out, "", protocol);
        rc = write_log(p, r, SIZE_MAX);
    }
    fputs("<p><code>", p->out);
    html_text(p->out, r->command);
    fputs("</code></p>\n", p->out);
    if (r->code == 0)
        fputs("</details>\n", p->out);
    return rc;
}

/* --- The page ----------------------------------------------------------------------------- */

static int is_of(const struct paper_run *r, const struct section *s)
{
    return strcmp(r->step->section, s->key) == 0;
}

static int write_section(const struct page *p, const struct section *s)
{
    int any = 0, rc = EXIT_OK;

    for (int i = 0; i < p->runs->count; i++)
        any |= is_of(&p->runs->run[i], s);
    if (!any)
        return EXIT_OK;
    fprintf(p->out, "<h2 id=\"%s\">%s</h2>\n", s->key, s->title);
    paragraph(p->out, "", s->asked);
    if (s->table != NULL)
        s->table(p->out, p->runs);
    paragraph(p->out, " class=\"soft\"", s->remarks);
    fputs("<div class=\"row\">\n", p->out);
    for (int i = 0; i < p->runs->count && rc == EXIT_OK; i++)
        if (is_of(&p->runs->run[i], s) && p->runs->run[i].code == 0)
            rc = pictures(p, &p->runs->run[i]);
    fputs("</div>\n", p->out);
    for (int i = 0; i < p->runs->count && rc == EXIT_OK; i++)
        if (is_of(&p->runs->run[i], s))
            rc = details(p, &p->runs->run[i]);
    return rc;
}

static void tile(FILE *out, const char *name, const char *format, double value,
                 const char *remark)
{
    if (isfinite(value))
        html_tile(out, name, format, value, remark);
}

static void write_tiles(const struct page *p)
{
    const json_t *calibration = paper_result(p->runs, "calibration", ROLE_JEM);
    const json_t *plain = paper_result(p->runs, "calibration", ROLE_CLASSIFIER);
    const json_t *hybrid = paper_result(p->runs, "hybrid", ROLE_JEM);
    const json_t *distal = paper_result(p->runs, "distal", ROLE_JEM);
    FILE *out = p->out;

    fputs("<div class=\"tiles\">\n", out);
    tile(out, "JEM: accuracy", "2 %", 100 * paper_number(calibration, "accuracy"),
         "of test images");
    tile(out, "classifier: accuracy", "2 %", 100 * paper_number(plain, "accuracy"),
         "of test images");
    tile(out, "JEM: ECE", "2 %", 100 * paper_number(calibration, "ece"), "as it is");
    tile(out, "classifier: ECE", "2 %", 100 * paper_number(plain, "ece"), "as it is");
    tile(out, "distance of samples", "1", paper_number(hybrid, "frechet"),
         json_string_value(json_object_get(hybrid, "distance")));
    tile(out, "distal images", "0 %", 100 * paper_number(distal, "reached"),
         "reached their class");
    fputs("</div>\n", out);
}

static void write_checkpoints(FILE *out, const json_t *report)
{
    const json_t *all = json_object_get(report, "checkpoints");

    fputs("<table>\n<tr><th>checkpoint</th><th>file</th><th>MD5</th><th>channels, height, "
          "width, classes</th></tr>\n",
          out);
    for (int role = 0; role < ROLES; role++) {
        const json_t *one = json_object_get(all, paper_roles[role].name);
        const json_t *shape = json_object_get(one, "shape");

        if (one == NULL)
            continue;
        fprintf(out, "<tr><td>%s</td><td>", paper_roles[role].title);
        html_text(out, json_string_value(json_object_get(one, "model")));
        fprintf(out, "</td><td><code>%s</code></td><td>",
                json_string_value(json_object_get(one, "model_md5")));
        for (size_t i = 0; i < 4; i++)
            fprintf(out, "%s%d", i > 0 ? ", " : "",
                    (int)json_integer_value(json_array_get(shape, i)));
        fputs("</td></tr>\n", out);
    }
    fputs("</table>\n", out);
}

static void write_failures(const struct page *p)
{
    if (p->runs->failed == 0)
        return;
    fprintf(p->out, "<p class=\"failed\"><b>%d of %d runs failed:</b>", p->runs->failed,
            p->runs->count);
    for (int i = 0; i < p->runs->count; i++)
        if (p->runs->run[i].code != 0)
            fprintf(p->out, " <a href=\"#%s\">%s</a>", p->runs->run[i].step->section,
                    p->runs->run[i].name);
    fputs("</p>\n", p->out);
}

static void write_rest(FILE *out, const struct paper_plan *plan)
{
    fputs("<h2 id=\"rest\">What is not here</h2>\n<ul>\n", out);
    for (int role = ROLE_CLASSIFIER; role < ROLES; role++)
        if (plan->model[role] == NULL)
            fprintf(out, "<li>No checkpoint was given with --%s.</li>\n",
                    paper_roles[role].name);
    if (plan->inception == NULL)
        fputs("<li>FID and Inception Score need the weights of Inception-v3 "
              "(--inception).</li>\n",
              out);
    if (plan->quick)
        fputs("<li>Few labels (jem-semisup), divergence (jem-stability), AutoAttack's APGD-CE "
              "and Square, and attacks without gradients (pointwise, HopSkipJump, noise): run "
              "without --quick.</li>\n",
              out);
    fputs("<li>Glow and IGEBM, the paper's comparison models, are not part of libjem.</li>\n"
          "</ul>\n",
          out);
}

static int write_page(const struct page *p, const json_t *report)
{
    FILE *out = p->out;
    int rc = EXIT_OK;

    html_begin(out, "Every experiment of the JEM paper");
    fputs("<h1>Every experiment of the JEM paper</h1>\n", out);
    paragraph(
        out, " class=\"soft\"",
        "Grathwohl et al., Your Classifier is Secretly an Energy Based Model and You Should "
        "Treat it Like One, ICLR 2020");
    paragraph(out, "", json_string_value(json_object_get(report, "protocol")));
    fprintf(out, "<p class=\"soft\">libjem %s, kernels %s, seed %lld</p>\n",
            json_string_value(json_object_get(report, "version")),
            json_string_value(json_object_get(report, "kernels")),
            (long long)json_integer_value(json_object_get(report, "seed")));
    write_failures(p);
    write_tiles(p);
    write_checkpoints(out, report);
    for (size_t i = 0; i < sizeof sections / sizeof sections[0] && rc == EXIT_OK; i++)
        rc = write_section(p, &sections[i]);
    write_rest(out, p->plan);
    html_end(out);
    return rc;
}

int paper_page_write(const struct paper_plan *plan, const struct paper_runs *runs,
                     const json_t *report)
{
    struct page page = {NULL, plan, runs};
    char path[FILE_PATH_BYTES];
    int rc = file_join(path, plan->out, "index.html");

    if (rc != EXIT_OK)
        return rc;
    page.out = fopen(path, "w");
    if (page.out == NULL)
        return report_failed("cannot write %s", path);
    rc = write_page(&page, report);
    if (fclose(page.out) != 0 && rc == EXIT_OK)
        rc = report_failed("cannot write %s: the disk may be full", path);
    return rc;
}
