/* SPDX-License-Identifier: MIT */

/* See svg_file.h. */

#include "kit/draw/svg_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kit/base/report.h"
#include "kit/draw/plot.h"

#define SHOWN_WIDTH 780 /* pixels, for programs that show the file as it is */

int svg_open(struct svg_file *s, const char *folder, const char *name)
{
    *s = (struct svg_file){0};
    TRY(file_join(s->path, folder, name));
    s->file = fopen(s->path, "w");
    if (s->file == NULL)
        return report_failed("cannot write %s: %s", s->path, strerror(errno));
    s->out = file_open_memory(&s->drawn, &s->drawn_bytes);
    if (s->out != NULL)
        return EXIT_OK;
    fclose(s->file);
    return report_no_memory();
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

int svg_close(struct svg_file *s)
{
    int sound = file_close_memory(s->out, &s->drawn);

    fprintf(s->file,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" "
            "height=\"%d\" role=\"img\">\n<style>\n%s</style>\n"
            "<rect class=\"paper\" width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n",
            PLOT_WIDTH, s->height, SHOWN_WIDTH, s->height * SHOWN_WIDTH / PLOT_WIDTH,
            plot_style, PLOT_WIDTH, s->height);
    sound = sound && fwrite(s->drawn, 1, s->drawn_bytes, s->file) == s->drawn_bytes;
    free(s->drawn);
    fputs("</svg>\n", s->file);
    sound = !ferror(s->file) && sound;
    sound = fclose(s->file) == 0 && sound;
    return sound ? EXIT_OK : report_failed("cannot write %s: %s", s->path, strerror(errno));
}
