/* SPDX-License-Identifier: MIT */

/* See record.h: tables on a page. */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kit/base/report.h"
#include "kit/draw/plot.h"
#include "kit/lab/record.h"
#include "kit/lab/record_inside.h"

#define MOST_ACROSS 64 /* columns that the values of one become */

struct page {
    FILE *out;
    const struct record_table *head; /* whose columns are shown */
    int lead_count;
    int across;                 /* column of the head whose values become columns; -1: none */
    char *heading[MOST_ACROSS]; /* these values */
    int headings;
};

/* Words in a cell are left-aligned, as their heading is. */
static const char text_class[] = " class=\"text\"";

static void put_text(FILE *out, const char *tag, const char *more, const char *text)
{
    fprintf(out, "<%s%s>", tag, more);
    html_text(out, text);
    fprintf(out, "</%.2s>", tag);
}

static int is_words(const struct record_column *c)
{
    return ((c->kind == RECORD_TEXT || c->kind == RECORD_TRUTH) && !c->right) || c->left;
}

static void put_column_head(FILE *out, int words, const char *title)
{
    put_text(out, "th scope=\"col\"", words ? text_class : "", title);
}

static const struct record_table *find_table(const struct record *r, const char *name)
{
    for (int i = 0; i < r->parts; i++) {
        const struct record_table *t = r->part[i].table;

        if (t != NULL && t->rows > 0 && !t->layout.only_files && !t->layout.only_text &&
            strcmp(record_table_name(t), name) == 0)
            return t;
    }
    return NULL;
}

/* The column of `t` that is called as the head's column c; -1: none. */
static int same_column(const struct page *p, int c, const struct record_table *t)
{
    for (int k = 0; k < t->layout.count; k++)
        if (t->columns[k].kind == p->head->columns[c].kind &&
            strcmp(record_key(&t->columns[k]), record_key(&p->head->columns[c])) == 0)
            return k;
    return -1;
}

static int is_coloured(const struct record_column *c)
{
    return (c->good != 0 || c->bad != 0) && c->kind != RECORD_TEXT && c->kind != RECORD_TRUTH;
}

static const char *colour(const struct record_column *c, const struct record_cell *cell)
{
    const double value = c->kind == RECORD_WHOLE ? (double)cell->whole : cell->number;
    const double up = c->good < c->bad ? -1 : 1;

    if (!is_coloured(c) || cell->state != RECORD_GIVEN)
        return is_words(c) ? text_class : "";
    if (up * value >= up * c->good)
        return " class=\"good\"";
    return up * value < up * c->bad ? " class=\"bad\"" : "";
}

/* The first cell of a line is its heading. */
static const char *cell_tag(int first)
{
    return first ? "th scope=\"row\"" : "td";
}

/* The head's column c in a row of another record's table; row -1: there is none. `share`: how dark
 * a column with heat is. */
static int put_cell(const struct page *p, int c, const struct record_table *t, int64_t row,
                    int first, double share)
{
    const int k = row < 0 ? -1 : same_column(p, c, t);
    char *text = k < 0 ? strdup("-") : record_cell_text(t, row, k), heat[64] = "";
    const char *more = is_words(&p->head->columns[c]) ? text_class : "";

    if (text == NULL)
        return report_no_memory();
    if (k >= 0)
        more = colour(&t->columns[k], &t->row[row].cell[k]);
    if (k >= 0 && t->columns[k].heat && isfinite(share)) {
        snprintf(heat, sizeof heat, " class=\"heat\" style=\"--share:%.3f\"", share);
        more = heat;
    }
    put_text(p->out, cell_tag(first), more, text);
    free(text);
    return EXIT_OK;
}

/* Has the head's column a place of its own on the page? */
static int is_shown(const struct page *p, int c)
{
    return record_is_shown(&p->head->columns[c]) && (p->across < 0 || c < p->across);
}

/* --- Values that become columns ----------------------------------------------------------- */

/* Column c's text in a row; NULL where memory ran out, which makes the page incomplete. */
static char *text_of(const struct page *p, int c, const struct record_table *t, int64_t row)
{
    const int k = same_column(p, c, t);
    char *text = k < 0 ? strdup("-") : record_cell_text(t, row, k);

    if (text == NULL) {
        (void)report_no_memory();
        report_incomplete();
    }
    return text;
}

static int is_text(const struct page *p, int c, const struct record_table *t, int64_t row,
                   const char *wanted)
{
    char *text = text_of(p, c, t, row);
    const int same = text != NULL && strcmp(text, wanted) == 0;

    free(text);
    return same;
}

/* Note the values of a table that are not headings yet. */
static int add_headings(struct page *p, const struct record_table *t)
{
    for (int64_t i = 0; i < t->rows; i++) {
        int known = t->row[i].hidden;

        for (int h = 0; h < p->headings && !known; h++)
            known = is_text(p, p->across, t, i, p->heading[h]);
        if (known)
            continue;
        if (p->headings == MOST_ACROSS)
            return report_failed("a table on the page has more than %d columns", MOST_ACROSS);
        p->heading[p->headings] = text_of(p, p->across, t, i);
        if (p->heading[p->headings++] == NULL)
            return EXIT_FAILED;
    }
    return EXIT_OK;
}

/* Have two rows the same text in a column? In one that is not on the page they have. */
static int is_same(const struct page *p, int c, const struct record_table *t, int64_t a,
                   int64_t b)
{
    char *text;
    int same;

    if (!is_shown(p, c))
        return 1;
    text = text_of(p, c, t, a);
    same = text != NULL && is_text(p, c, t, b, text);
    free(text);
    return same;
}

/* The row behind the last that stands on one line of the page with row i: all before the
 * column that goes across is equal. */
static int64_t end_of_line(const struct page *p, const struct record_table *t, int64_t i)
{
    int64_t end = i + 1;

    if (p->across < 0)
        return end;
    for (; end < t->rows && !t->row[end].run; end++)
        for (int c = 0; c < p->across; c++)
            if (!is_same(p, c, t, i, end))
                return end;
    return end;
}

/* The row of a line that has the value; -1: none. */
static int64_t row_with(const struct page *p, const struct record_table *t, int64_t i,
                        int64_t end, const char *heading)
{
    for (; i < end; i++)
        if (!t->row[i].hidden && is_text(p, p->across, t, i, heading))
            return i;
    return -1;
}

/* --- The table ---------------------------------------------------------------------------- */

static int find_named(const struct record_table *t, const char *name)
{
    for (int c = 0; c < t->layout.count && name != NULL; c++)
        if (strcmp(record_key(&t->columns[c]), name) == 0)
            return c;
    return -1;
}

static void put_heading(const struct page *p, const char *const *leads)
{
    const struct record_table *t = p->head;
    const char *name = t->layout.title != NULL ? t->layout.title : record_table_name(t);

    if (t->layout.title != NULL) {
        put_text(p->out, "h3", "", t->layout.title);
        fputc('\n', p->out);
    }
    fputs("<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"", p->out);
    html_text(p->out, name == NULL ? "table" : name);
    fputs("\">\n<table class=\"sort\">\n<thead><tr>", p->out);
    for (int i = 0; i < p->lead_count; i++)
        put_column_head(p->out, 1, leads[i]);
    for (int c = 0; c < t->layout.count; c++)
        if (is_shown(p, c))
            put_column_head(p->out, is_words(&t->columns[c]), t->columns[c].title);
    for (int h = 0; h < p->headings; h++)
        put_column_head(p->out, is_words(&t->columns[find_named(t, t->layout.figure)]),
                        p->heading[h]);
    fputs("</tr></thead>\n<tbody>\n", p->out);
}

/* The share of a line's figures that a row's is: how dark it stands on the page. NaN: no heat. */
static double heat_of(const struct record_table *t, int c, int64_t row, int64_t i, int64_t end)
{
    double sum = 0;

    if (c < 0 || row < 0 || !t->columns[c].heat || t->columns[c].kind != RECORD_WHOLE)
        return (double)NAN;
    for (; i < end; i++)
        sum += (double)t->row[i].cell[c].whole;
    return sum > 0 ? (double)t->row[row].cell[c].whole / sum : 0;
}

static int put_line(const struct page *p, const struct record_source *s,
                    const struct record_table *t, int64_t i, int64_t end)
{
    const int figure = find_named(p->head, p->head->layout.figure);
    int rc = EXIT_OK, first = 1;

    fputs("<tr>", p->out);
    for (int k = 0; k < p->lead_count; k++, first = 0)
        put_text(p->out, cell_tag(first), text_class, s->leads[k] == NULL ? "-" : s->leads[k]);
    for (int c = 0; c < p->head->layout.count && rc == EXIT_OK; c++)
        if (is_shown(p, c)) {
            rc = put_cell(p, c, t, i, first, (double)NAN);
            first = 0;
        }
    for (int h = 0; h < p->headings && rc == EXIT_OK; h++, first = 0) {
        const int64_t row = row_with(p, t, i, end, p->heading[h]);

        rc = put_cell(p, figure, t, row, first,
                      heat_of(t, row < 0 ? -1 : same_column(p, figure, t), row, i, end));
    }
    fputs("</tr>\n", p->out);
    return rc;
}

/* What the colours mean, which need not be the same for all columns. */
static void put_key(const struct page *p)
{
    const struct record_table *t = p->head;

    for (int c = 0; c < t->layout.count; c++) {
        const struct record_column *k = &t->columns[c];
        const double by = k->percent ? 100 : 1;
        int told = !is_coloured(k);

        for (int b = 0; b < c && !told; b++)
            told = t->columns[b].good == k->good && t->columns[b].bad == k->bad;
        if (told)
            continue;
        fprintf(p->out,
                "<p class=\"key\">Colours: <span class=\"good\">%g or %s</span> "
                "<span class=\"bad\">%s %g</span></p>\n",
                by * k->good, k->good < k->bad ? "less" : "more",
                k->good < k->bad ? "above" : "below", by * k->bad);
    }
}

static int put_rows(const struct page *p, const struct record_source *s,
                    const struct record_table *t)
{
    int64_t end;
    int rc = EXIT_OK;

    for (int64_t i = 0; i < t->rows && rc == EXIT_OK; i = end) {
        end = i + 1;
        if (t->row[i].hidden)
            continue;
        end = end_of_line(p, t, i);
        rc = put_line(p, s, t, i, end);
    }
    return rc;
}

static int put_table(struct page *p, const char *name, const char *const *leads,
                     const struct record_source *sources, int count)
{
    int rc = EXIT_OK;

    for (int s = 0; s < count && rc == EXIT_OK && p->across >= 0; s++) {
        const struct record_table *t = find_table(sources[s].record, name);

        rc = t == NULL ? EXIT_OK : add_headings(p, t);
    }
    if (rc == EXIT_OK)
        put_heading(p, leads);
    for (int s = 0; s < count && rc == EXIT_OK; s++) {
        const struct record_table *t = find_table(sources[s].record, name);

        rc = t == NULL ? EXIT_OK : put_rows(p, &sources[s], t);
    }
    fputs("</tbody>\n</table>\n</div>\n", p->out);
    put_key(p);
    if (p->head->layout.note != NULL) {
        fputs("<p class=\"soft\">", p->out);
        html_text(p->out, p->head->layout.note);
        fputs("</p>\n", p->out);
    }
    return rc;
}

int record_write_html(FILE *out, const char *name, const char *const *leads,
                      const struct record_source *sources, int count)
{
    struct page p = {.out = out};
    int rc = EXIT_OK;

    while (leads[p.lead_count] != NULL)
        p.lead_count++;
    for (int s = count - 1; s >= 0 && rc == EXIT_OK; s--) {
        const struct record_table *t = find_table(sources[s].record, name);

        rc = record_check(sources[s].record);
        p.head = t == NULL ? p.head : t;
    }
    if (rc != EXIT_OK || p.head == NULL)
        return rc;
    p.across = find_named(p.head, p.head->layout.across);
    rc = put_table(&p, name, leads, sources, count);
    for (int h = 0; h < p.headings; h++)
        free(p.heading[h]);
    return rc;
}
