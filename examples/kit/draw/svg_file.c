/* SPDX-License-Identifier: MIT */

/* See svg_file.h. */

#include "kit/draw/svg_file.h"

#include <stdlib.h>

#include "kit/base/file_writer.h"
#include "kit/base/report.h"
#include "kit/draw/plot.h"

#define SHOWN_WIDTH 780 /* pixels, for programs that show the file as it is */

int svg_open(struct svg_file *s, const char *folder, const char *name)
{
    *s = (struct svg_file){0};
    TRY(file_join(s->path, folder, name));
    s->out = file_open_memory(&s->drawn, &s->drawn_bytes);
    return s->out != NULL ? EXIT_OK : report_no_memory();
}

void svg_begin_plot(struct svg_file *s)
{
    fprintf(s->out, "<g transform=\"translate(0 %d)\">\n", s->height);
}

int svg_end_plot(struct svg_file *s, plot *p)
{
    TRY(plot_end(p));
    s->height += p->height;
    fputs("</g>\n", s->out);
    return EXIT_OK;
}

static void write_picture(const struct svg_file *s, FILE *out)
{
    fprintf(out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" "
            "height=\"%d\" role=\"img\">\n<style>\n%s</style>\n"
            "<rect class=\"paper\" width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n",
            PLOT_WIDTH, s->height, SHOWN_WIDTH, s->height * SHOWN_WIDTH / PLOT_WIDTH,
            plot_style, PLOT_WIDTH, s->height);
    fwrite(s->drawn, 1, s->drawn_bytes, out);
    fputs("</svg>\n", out);
}

int svg_close(struct svg_file *s, int sound)
{
    struct file_writer w;
    int rc = file_close_memory(s->out, &s->drawn) ? EXIT_OK : report_no_memory();

    if (rc == EXIT_OK && sound)
        rc = file_writer_open(&w, s->path);
    if (rc == EXIT_OK && sound) {
        write_picture(s, w.stream);
        rc = file_writer_close(&w, 1);
    }
    free(s->drawn);
    return rc;
}
