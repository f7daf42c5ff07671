/* SPDX-License-Identifier: MIT */

/* See svg_file.h. */

#include "kit/draw/svg_file.h"

#include <errno.h>
#include <string.h>

#include "kit/base/report.h"
#include "kit/draw/plot.h"

#define SHOWN_WIDTH 780 /* pixels, for programs that show the file as it is */

int svg_open(struct svg_file *s, const char *folder, const char *name, int plots)
{
    const int height = plots * PLOT_HEIGHT;

    s->next = 0;
    TRY(file_join(s->path, folder, name));
    s->out = fopen(s->path, "w");
    if (s->out == NULL)
        return report_failed("cannot write %s: %s", s->path, strerror(errno));
    fprintf(s->out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" "
            "height=\"%d\">\n<style>\n%s</style>\n"
            "<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n",
            PLOT_WIDTH, height, SHOWN_WIDTH, height * SHOWN_WIDTH / PLOT_WIDTH, plot_style,
            PLOT_WIDTH, height);
    return EXIT_OK;
}

void svg_begin_plot(struct svg_file *s)
{
    fprintf(s->out, "<svg y=\"%d\" width=\"%d\" height=\"%d\">\n", s->next++ * PLOT_HEIGHT,
            PLOT_WIDTH, PLOT_HEIGHT);
}

void svg_end_plot(struct svg_file *s)
{
    fputs("</svg>\n", s->out);
}

int svg_close(struct svg_file *s)
{
    int sound;

    fputs("</svg>\n", s->out);
    sound = !ferror(s->out);
    sound = fclose(s->out) == 0 && sound;
    return sound ? EXIT_OK : report_failed("cannot write %s: %s", s->path, strerror(errno));
}
