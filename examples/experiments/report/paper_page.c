/* SPDX-License-Identifier: MIT */

/* See paper_page.h. */

#include "paper_page.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kit/base/table.h"
#include "kit/draw/html.h"
#include "kit/draw/plot.h"

#define LOG_END 2000 /* characters of the log of a program that failed */

struct page {
    FILE *out;
    const struct paper_plan *plan;
    const struct paper_runs *runs;
};

static void paragraph(FILE *out, const char *kind, const char *text)
{
    fprintf(out, "<p%s>", kind);
    html_text(out, text);
    fputs("</p>\n", out);
}

/* --- One run ------------------------------------------------------------------------------ */

static void picture(const struct page *p, const struct paper_run *r, const char *file)
{
    const char *caption = file;
    char path[FILE_PATH_BYTES], name[160];

    for (int i = 0; i < paper_caption_count; i++)
        if (strcmp(paper_captions[i].file, file) == 0)
            caption = paper_captions[i].caption;
    snprintf(name, sizeof name, "%s/%s", r->name, file);
    must(file_join(path, p->plan->lab->out, name));
    if (!file_exists(path))
        return;
    fputs("<figure>", p->out);
    if (file_has_ending(file, ".svg")) {
        must(html_svg(p->out, path));
    } else {
        const int labelled = paper_labels(p->out, p->plan, r, file);

        must(html_picture(p->out, path, caption));
        if (labelled)
            html_labels_end(p->out);
    }
    fputs("<figcaption>", p->out);
    html_text(p->out, paper_roles[r->role].title);
    fputs(": ", p->out);
    html_text(p->out, caption);
    fprintf(p->out, " <span class=\"soft\">(%s)</span></figcaption></figure>\n", name);
}

static void pictures(const struct page *p, const struct paper_run *r)
{
    const char *left = r->step->pictures;

    while (*left != '\0') {
        const size_t length = strcspn(left, " ");
        char file[64];

        snprintf(file, sizeof file, "%.*s", (int)length, left);
        picture(p, r, file);
        left += length + strspn(left + length, " ");
    }
}

/* What a run has printed, or the end of it. */
static void write_log(const struct page *p, const struct paper_run *r, size_t most)
{
    char path[FILE_PATH_BYTES], *text;
    uint8_t *bytes = NULL;
    size_t length = 0, skip;

    must(paper_run_log(p->plan, r, path));
    if (!file_exists(path))
        return;
    must(file_read(path, &bytes, &length));
    skip = length > most ? length - most : 0;
    text = strndup((const char *)bytes + skip, length - skip);
    free(bytes);
    if (text == NULL)
        must(report_no_memory());
    fputs("<pre>", p->out);
    html_text(p->out, text);
    fputs("</pre>\n", p->out);
    free(text);
}

/* How a run was made: its command, its protocol and all that it printed. */
static void details(const struct page *p, const struct paper_run *r)
{
    const char *protocol = json_string_value(json_object_get(r->result, "protocol"));
    char time[32];

    if (r->code != 0) {
        fputs("<p class=\"failed\"><b>", p->out);
        html_text(p->out, r->name);
        fputs(" has failed.</b> The end of what it said:</p>\n", p->out);
        write_log(p, r, LOG_END);
    } else {
        fprintf(p->out, "<details><summary>%s: command, protocol, all figures (%s)</summary>\n",
                r->name, format_duration(r->seconds, time));
        if (protocol != NULL)
            paragraph(p->out, "", protocol);
        write_log(p, r, SIZE_MAX);
    }
    fputs("<p><code>", p->out);
    html_text(p->out, r->command);
    fputs("</code></p>\n", p->out);
    if (r->code == 0)
        fputs("</details>\n", p->out);
}

/* --- Tables ------------------------------------------------------------------------------- */

static int is_of(const struct paper_run *r, const struct paper_section *s)
{
    return strcmp(r->step->section, s->key) == 0;
}

static int is_part(const struct paper_run *r, const char *part)
{
    const char *own = r->step->part;

    return part == NULL || own == NULL ? part == own : strcmp(part, own) == 0;
}

/* A part of a section: its tables with the rows of all its runs. */
static void write_part(const struct page *p, const struct paper_section *s, const char *part)
{
    static const char *const leads[] = {"checkpoint", NULL};
    struct record_source *sources = lab_array(p->plan->lab, p->runs->count, sizeof *sources);
    int n = 0;

    for (int i = 0; i < p->runs->count; i++) {
        const struct paper_run *r = &p->runs->run[i];

        if (is_of(r, s) && is_part(r, part) && r->record != NULL)
            sources[n++] = (struct record_source){r->record, &paper_roles[r->role].title};
    }
    if (part != NULL && n > 0)
        fprintf(p->out, "<h3>%s</h3>\n", part);
    for (int t = 0; t < PAPER_TABLES && s->tables[t] != NULL; t++)
        must(record_write_html(p->out, s->tables[t], leads, sources, n));
    lab_drop(p->plan->lab, sources);
}

/* The tables of a section, part by part in the order of the runs. */
static void write_tables(const struct page *p, const struct paper_section *s)
{
    for (int i = 0; i < p->runs->count; i++) {
        const struct paper_run *r = &p->runs->run[i];
        int first = is_of(r, s);

        for (int k = 0; k < i && first; k++)
            first = !is_of(&p->runs->run[k], s) || !is_part(&p->runs->run[k], r->step->part);
        if (first)
            write_part(p, s, r->step->part);
    }
}

/* What the paper has, a row per role. */
static void write_paper(const struct page *p, const struct paper_section *s)
{
    static const char *const leads[] = {NULL};
    static const struct record_column columns[] = {
        {NULL, "the paper's", .kind = RECORD_TEXT},
        {NULL, "what", .kind = RECORD_TEXT},
        {NULL, "figure", .kind = RECORD_TEXT, .right = 1},
    };
    static const struct record_layout layout = {
        .name = "paper", .across = "what", .figure = "figure", RECORD_COLUMNS(columns)};
    struct record *r = record_create();
    struct record_table *t;
    int rc;

    if (r == NULL)
        lab_quit(EXIT_FAILED);
    t = record_table(r, &layout);
    for (int i = 0; i < paper_figure_count; i++) {
        const struct paper_figure *f = &paper_figures[i];

        if (strcmp(f->section, s->key) != 0)
            continue;
        record_row(t);
        record_text(t, "the paper's", paper_roles[f->role].title);
        record_text(t, "what", f->what);
        record_text(t, "figure", f->figure);
    }
    rc = record_write_html(p->out, "paper", leads, &(struct record_source){r, leads}, 1);
    record_free(r);
    must(rc);
}

/* --- The page ----------------------------------------------------------------------------- */

static int has_section(const struct page *p, const struct paper_section *s)
{
    for (int i = 0; i < p->runs->count; i++)
        if (is_of(&p->runs->run[i], s))
            return 1;
    return 0;
}

static void write_section(const struct page *p, const struct paper_section *s)
{
    const struct html_heading heading = {s->key, s->title};

    if (!has_section(p, s))
        return;
    html_heading(p->out, &heading);
    paragraph(p->out, "", s->asked);
    paper_verdict(p->out, p->runs, s->key);
    write_tables(p, s);
    write_paper(p, s);
    paragraph(p->out, " class=\"soft\"", s->remarks);
    fputs("<div class=\"row\">\n", p->out);
    if (strcmp(s->key, "robustness") == 0)
        paper_charts(p->out, p->runs);
    for (int i = 0; i < p->runs->count; i++)
        if (is_of(&p->runs->run[i], s) && p->runs->run[i].code == 0)
            pictures(p, &p->runs->run[i]);
    fputs("</div>\n", p->out);
    for (int i = 0; i < p->runs->count; i++)
        if (is_of(&p->runs->run[i], s))
            details(p, &p->runs->run[i]);
}

static const struct html_heading rest = {"rest", "What is not here"};

static void write_contents(const struct page *p)
{
    struct html_heading *shown =
        lab_array(p->plan->lab, paper_section_count + 1, sizeof *shown);
    int count = 0;

    for (int i = 0; i < paper_section_count; i++)
        if (has_section(p, &paper_sections[i]))
            shown[count++] =
                (struct html_heading){paper_sections[i].key, paper_sections[i].title};
    shown[count++] = rest;
    html_contents(p->out, shown, count);
    lab_drop(p->plan->lab, shown);
}

static const char *remark_of(const struct page *p, const struct paper_run *r,
                             const char *member)
{
    if (strcmp(member, "accuracy") == 0)
        return lab_text(p->plan->lab, "of %s", paper_images(r));
    return json_string_value(json_object_get(r->result, "distance"));
}

/* A figure of the first run of a section and role that has one, if it has it; remark NULL: what
 * the run says. */
static void tile(const struct page *p, const char *section, int role, const char *member,
                 double scale, const char *name, const char *format, const char *remark)
{
    for (int i = 0; i < p->runs->count; i++) {
        const struct paper_run *r = &p->runs->run[i];
        const json_t *value = json_object_get(r->result, member);

        if (strcmp(r->step->section, section) != 0 || r->role != role || r->result == NULL)
            continue;
        if (json_is_number(value))
            html_tile(p->out, name, format, scale * json_number_value(value),
                      remark != NULL ? remark : remark_of(p, r, member));
        return;
    }
}

static void write_tiles(const struct page *p)
{
    fputs("<div class=\"tiles\">\n", p->out);
    tile(p, "calibration", ROLE_JEM, "accuracy", 100, "JEM: accuracy", "2 %", NULL);
    tile(p, "calibration", ROLE_CLASSIFIER, "accuracy", 100, "classifier: accuracy", "2 %",
         NULL);
    tile(p, "calibration", ROLE_JEM, "ece", 100, "JEM: ECE", "2 %", "as it is");
    tile(p, "calibration", ROLE_CLASSIFIER, "ece", 100, "classifier: ECE", "2 %", "as it is");
    tile(p, "hybrid", ROLE_JEM, "frechet", 1, "distance of samples", "1", NULL);
    tile(p, "distal", ROLE_JEM, "reached", 100, "distal images", "0 %", "reached their class");
    fputs("</div>\n", p->out);
}

static void write_checkpoints(const struct page *p)
{
    static const char *const leads[] = {NULL};
    const struct record_source source = {p->plan->lab->record, leads};

    must(record_write_html(p->out, PAPER_CHECKPOINTS, leads, &source, 1));
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

static void write_left_out(const struct page *p)
{
    const struct paper_runs *runs = p->runs;

    for (int i = 0; i < runs->left_outs; i++) {
        fprintf(p->out, "<li><b>%s</b> was left out: ", runs->left_out[i].name);
        html_text(p->out, runs->left_out[i].why);
        fputs(".</li>\n", p->out);
    }
    if (runs->count < runs->wanted)
        fprintf(
            p->out,
            "<li>jem-report was stopped: %d of %d runs have not been made. The same command "
            "goes on with them.</li>\n",
            runs->wanted - runs->count, runs->wanted);
}

static void write_rest(const struct page *p)
{
    const struct paper_plan *plan = p->plan;
    FILE *out = p->out;

    html_heading(out, &rest);
    fputs("<ul>\n", out);
    write_left_out(p);
    for (int role = ROLE_CLASSIFIER; role < ROLES; role++)
        if (plan->model[role] == NULL)
            fprintf(out, "<li>No checkpoint was given with --%s.</li>\n",
                    paper_roles[role].name);
    if (plan->inception == NULL)
        fputs("<li>FID and Inception Score need the weights of Inception-v3 "
              "(--inception).</li>\n",
              out);
    if (plan->quick)
        fputs(
            "<li>Figures that can be relied on: all was run with few images, short chains and "
            "weak attacks. APGD through the steps of JEM-k (robustness-refined) is not run "
            "with --quick at all.</li>\n",
            out);
    fputs("<li>Glow and IGEBM, the paper's comparison models, are not part of libjem.</li>\n"
          "</ul>\n",
          out);
}

static void write_page(const struct page *p)
{
    const json_t *report = record_json(p->plan->lab->record);
    FILE *out = p->out;

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
    write_contents(p);
    write_tiles(p);
    write_checkpoints(p);
    for (int i = 0; i < paper_section_count; i++)
        write_section(p, &paper_sections[i]);
    write_rest(p);
    html_end(out);
}

void paper_page_write(const struct paper_plan *plan, const struct paper_runs *runs)
{
    struct page page = {NULL, plan, runs};
    char path[FILE_PATH_BYTES];

    must(file_join(path, plan->lab->out, "index.html"));
    page.out = fopen(path, "w");
    if (page.out == NULL)
        must(report_failed("cannot write %s", path));
    write_page(&page);
    if (fclose(page.out) != 0)
        must(report_failed("cannot write %s: the disk may be full", path));
}
