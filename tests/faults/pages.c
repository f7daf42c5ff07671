/* SPDX-License-Identifier: MIT */
/* What faults.py lets fail of pages, plots and records where no program with small files comes by.
 *
 *     pages SVG OUT     makes OUT.html, with the picture SVG, OUT.csv and OUT.json */

#include <stdio.h>

#include "kit/base/file_writer.h"
#include "kit/base/json_log.h"
#include "kit/base/report.h"
#include "kit/draw/html.h"
#include "kit/draw/plot.h"
#include "kit/lab/record.h"

#define DASHED 7 /* the first colour that comes again */

static int draw(FILE *out)
{
    static const double x[] = {0, 1}, y[] = {1, 0};
    plot p;

    TRY(plot_begin(&p, out, "1 < 2 & 2 > 1", "x", "y", 0, 1, 0, 1));
    plot_line(&p, x, y, 2, DASHED, "\"dashed\"");
    return plot_end(&p);
}

static int write_page(FILE *out, const char *picture)
{
    html_begin(out, "A page");
    TRY(draw(out));
    TRY(html_svg(out, picture));
    html_end(out);
    return EXIT_OK;
}

static int make_page(const char *path, const char *picture)
{
    struct file_writer w;
    int rc, closed;

    TRY(file_writer_open(&w, path));
    rc = write_page(w.stream, picture);
    closed = file_writer_close(&w, rc == EXIT_OK);
    return rc == EXIT_OK ? closed : rc;
}

static int write_record(struct record *r, const char *csv, const char *json)
{
    static const struct record_column columns[] = {{"word", "a word", .kind = RECORD_TEXT},
                                                   {"sound", "sound", .kind = RECORD_TRUTH}};
    static const struct record_layout layout = {"rows", .title = "Rows",
                                                RECORD_COLUMNS(columns)};
    struct record_table *t = record_table(r, &layout);

    record_row(t);
    record_text(t, "word", "a \"quoted\", one");
    record_truth(t, "sound", 1);
    TRY(record_print(r, stdout));
    TRY(record_write_csv(r, csv));
    return record_write_json(r, json);
}

static int read_record(const char *json)
{
    struct record *r = NULL;
    json_t *file = NULL;
    int rc = json_read_file(json, &file);

    if (rc == EXIT_OK)
        rc = record_read(file, json, &r);
    record_free(r);
    json_decref(file);
    return rc;
}

static int make_record(const char *csv, const char *json)
{
    struct record *r = record_create();
    int rc = r == NULL ? EXIT_FAILED : write_record(r, csv, json);

    record_free(r);
    return rc == EXIT_OK ? read_record(json) : rc;
}

int main(int argc, char **argv)
{
    char html[FILE_PATH_BYTES], csv[FILE_PATH_BYTES], json[FILE_PATH_BYTES];
    int rc;

    report_program("pages");
    json_start();
    if (argc != 3)
        return report_usage("see the head of tests/faults/pages.c");
    snprintf(html, sizeof html, "%s.html", argv[2]);
    snprintf(csv, sizeof csv, "%s.csv", argv[2]);
    snprintf(json, sizeof json, "%s.json", argv[2]);
    rc = make_page(html, argv[1]);
    if (rc == EXIT_OK)
        rc = make_record(csv, json);
    return report_flush(rc);
}
