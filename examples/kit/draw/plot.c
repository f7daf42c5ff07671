/* SPDX-License-Identifier: MIT */

/* Inline SVG plots; see plot.h. People with colour-blindness can tell the colours apart (Okabe and
 * Ito 2008). */

#include "kit/draw/plot.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kit/base/file.h"
#include "kit/base/report.h"
#include "kit/base/text.h"

/* Of a character of the legend and the title, in the picture's units: a little too much. */
#define LEGEND_WIDTH 6.2
#define TITLE_WIDTH  7.4
#define LEGEND_LINE  17.0

#define LEFT       54.0 /* of the drawing area, where the labels of the y axis are short */
#define Y_TITLE    19.0 /* the title of the y axis ends here */
#define TICK_BYTES 32
#define TICK_DIGIT 7.0 /* width of a digit of a tick's label; '.' and '-' have less */
#define TICK_GAP   6.0 /* between two labels, at least */

/* Marks carry their colour themselves, for programs that know no style sheets; on a dark screen
 * the rules put a lighter one in its place. */
const char plot_style[] =
    "svg .paper{fill:#fff}svg .grid{stroke:#e2e2e2}\n"
    "svg .guide{stroke:#6b6b6b;stroke-dasharray:5 4}\n"
    "svg text{font-family:system-ui,sans-serif;fill:#222}svg .tick{font-size:11px;fill:#555}\n"
    "svg .title{font-size:13px;font-weight:600}svg .label,svg .legend{font-size:11.5px}\n"
    "@media screen and (prefers-color-scheme:dark){\n"
    "svg .paper{fill:#202222}svg .grid{stroke:#3a3d3d}svg .guide{stroke:#a5a5a5}\n"
    "svg text{fill:#e6e6e3}svg .tick{fill:#b4b4b0}\n"
    "svg .f0{fill:#4da6e0}svg .s0{stroke:#4da6e0}svg .f1{fill:#ff8a3d}svg .s1{stroke:#ff8a3d}\n"
    "svg .f2{fill:#2fc79a}svg .s2{stroke:#2fc79a}svg .f3{fill:#e59ac4}svg .s3{stroke:#e59ac4}\n"
    "svg .f4{fill:#f0b730}svg .s4{stroke:#f0b730}svg .f5{fill:#8fd0f5}svg .s5{stroke:#8fd0f5}\n"
    "svg .f6{fill:#b0b0b0}svg .s6{stroke:#b0b0b0}\n}\n";

static const char *const colours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                      "#e69f00", "#56b4e9", "#777777"};

#define COLOURS (sizeof colours / sizeof colours[0])

/* Past the last colour they begin again, dashed. */
static int is_dashed(int colour)
{
    return (size_t)colour / COLOURS % 2 == 1;
}

static void fill_of(FILE *out, int colour)
{
    const size_t c = (size_t)colour % COLOURS;

    fprintf(out, " class=\"f%zu\" fill=\"%s\"", c, colours[c]);
}

static void stroke_of(FILE *out, int colour)
{
    const size_t c = (size_t)colour % COLOURS;

    fprintf(out, " class=\"s%zu\" stroke=\"%s\"%s", c, colours[c],
            is_dashed(colour) ? " stroke-dasharray=\"6 3\"" : "");
}

static void escape(FILE *out, char c)
{
    fputs(c == '<' ? "&lt;" : c == '>' ? "&gt;" : c == '&' ? "&amp;" : "&quot;", out);
}

void html_text(FILE *out, const char *text)
{
    text_write(out, text, "<>&\"", escape);
}

static double px(const plot *p, double x)
{
    return p->left + (x - p->x0) / (p->x1 - p->x0) * (p->right - p->left);
}

static double py(const plot *p, double y)
{
    const double at = p->bottom - (y - p->y0) / (p->y1 - p->y0) * (p->bottom - p->top);

    return fmin(fmax(at, p->top - 2.0), p->bottom + 2.0);
}

static void text(const plot *p, double x, double y, const char *anchor, const char *extra,
                 const char *words)
{
    fprintf(p->out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" %s>", x, y, anchor, extra);
    html_text(p->out, words);
    fputs("</text>\n", p->out);
}

/* The step of about `wanted` ticks: 1, 2 or 5 times a power of ten. */
static double tick_step(double range, int wanted)
{
    const double raw = range / wanted, power = pow(10.0, floor(log10(raw)));
    const double lead = raw / power;

    return power * (lead < 1.5 ? 1.0 : lead < 3.5 ? 2.0 : lead < 7.5 ? 5.0 : 10.0);
}

/* The ticks of an axis: whole multiples of the step, so that zero is written as zero. */
struct ticks {
    double step;
    int64_t first, last;
    int digits; /* significant ones, so many that neighbours differ */
};

static struct ticks find_ticks(double low, double high, int wanted)
{
    struct ticks t = {.step = tick_step(high - low, wanted)};
    const double largest = fmax(fabs(low), fabs(high)) / t.step;

    t.first = llround(ceil(low / t.step - 1e-9));
    t.last = llround(floor(high / t.step + 1e-9));
    t.digits = largest < 1e5 ? 6 : (int)fmin(ceil(log10(largest)) + 1, 17);
    return t;
}

static void write_tick(const struct ticks *t, int64_t i, char words[TICK_BYTES])
{
    snprintf(words, TICK_BYTES, "%.*g", t->digits, (double)i * t->step);
}

static double tick_width(const char *words)
{
    double width = 0;

    for (; *words != '\0'; words++)
        width += *words == '.' || *words == '-' ? 0.6 * TICK_DIGIT
                 : *words == '+'                ? 1.4 * TICK_DIGIT
                                                : TICK_DIGIT;
    return width;
}

static double widest_tick(const struct ticks *t)
{
    char words[TICK_BYTES];
    double width = 0;

    for (int64_t i = t->first; i <= t->last; i++) {
        write_tick(t, i, words);
        width = fmax(width, tick_width(words));
    }
    return width;
}

/* So many ticks as have room beside each other; the last label may be moved to the left by half
 * of its width. */
static struct ticks find_x_ticks(const plot *p)
{
    struct ticks t;

    for (int wanted = 6; wanted > 0; wanted--) {
        t = find_ticks(p->x0, p->x1, wanted);
        const double width = widest_tick(&t), end = p->right + width / 2 - PLOT_WIDTH;

        if (t.step / (p->x1 - p->x0) * (p->right - p->left) >= width + fmax(end, 0) + TICK_GAP)
            break;
    }
    return t;
}

static void x_axis(const plot *p)
{
    const struct ticks t = find_x_ticks(p);
    char words[TICK_BYTES];

    for (int64_t i = t.first; i <= t.last; i++) {
        const double x = px(p, (double)i * t.step);

        write_tick(&t, i, words);
        fprintf(p->out,
                "<line class=\"grid\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>", x,
                p->top, x, p->bottom);
        text(p, fmin(x, PLOT_WIDTH - tick_width(words) / 2), p->bottom + 16.0, "middle",
             "class=\"tick\"", words);
    }
}

static void y_axis(const plot *p)
{
    const struct ticks t = find_ticks(p->y0, p->y1, 5);
    char words[TICK_BYTES];

    for (int64_t i = t.first; i <= t.last; i++) {
        const double y = py(p, (double)i * t.step);

        write_tick(&t, i, words);
        fprintf(p->out,
                "<line class=\"grid\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>",
                p->left, y, p->right, y);
        text(p, p->left - 6.0, y + 4.0, "end", "class=\"tick\"", words);
    }
}

/* Where the drawing area begins: the labels of the y axis stand between it and the axis' title. */
static double find_left(double y0, double y1)
{
    const struct ticks t = find_ticks(y0, y1, 5);

    return fmax(LEFT, Y_TITLE + widest_tick(&t) + 6.0);
}

void plot_range(double *low, double *high)
{
    const double margin = 0.05 * (*high - *low);

    if (!(*high > *low)) { /* one value, or none */
        const double half = isfinite(*low) ? fmax(0.5, 0.01 * fabs(*low)) : 0.0;

        *low = isfinite(*low) ? *low - half : 0.0;
        *high = *low + fmax(2 * half, 1.0);
        return;
    }
    *low -= margin;
    *high += margin;
}

int plot_begin(plot *p, FILE *out, const char *title, const char *x_label, const char *y_label,
               double x0, double x1, double y0, double y1)
{
    char words[96];

    if (!(x1 > x0))
        x1 = x0 + 1.0;
    if (!(y1 > y0))
        y1 = y0 + 1.0;
    *p = (plot){.page = out,
                .x0 = x0,
                .x1 = x1,
                .y0 = y0,
                .y1 = y1,
                .left = find_left(y0, y1),
                .right = PLOT_WIDTH - 14.0,
                .top = 30.0,
                .bottom = PLOT_HEIGHT - 42.0};
    snprintf(p->title, sizeof p->title, "%s", title);
    p->out = file_open_memory(&p->drawn, &p->drawn_bytes);
    if (p->out == NULL)
        return report_no_memory();
    x_axis(p);
    y_axis(p);
    snprintf(words, sizeof words, "class=\"title\" style=\"font-size:%.1fpx\"",
             13.0 * fmin(1.0, (PLOT_WIDTH - 16) / (TITLE_WIDTH * (double)strlen(title) + 1)));
    text(p, 8.0, 17.0, "start", words, title);
    text(p, (p->left + p->right) / 2.0, PLOT_HEIGHT - 9.0, "middle", "class=\"label\"",
         x_label);
    snprintf(words, sizeof words, "class=\"label\" transform=\"rotate(-90 13 %.0f)\"",
             (p->top + p->bottom) / 2.0);
    text(p, 13.0, (p->top + p->bottom) / 2.0, "middle", words, y_label);
    return EXIT_OK;
}

/* Entries stand below the axis, one after the other, where no curve comes. */
void plot_legend(plot *p, int colour, const char *name)
{
    const double width = 16.0 + LEGEND_WIDTH * (double)strlen(name);
    double y;

    if (p->legend_lines == 0 || p->legend_end + width > PLOT_WIDTH - 8.0) {
        p->legend_lines++;
        p->legend_end = 12.0;
    }
    y = PLOT_HEIGHT - 6.0 + LEGEND_LINE * p->legend_lines;
    if (is_dashed(colour)) {
        fprintf(p->out, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" ",
                p->legend_end - 3.0, y - 4.0, p->legend_end + 12.0, y - 4.0);
        fputs("stroke-width=\"2.4\"", p->out);
        stroke_of(p->out, colour);
    } else {
        fprintf(p->out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"10\" height=\"10\" rx=\"2\"",
                p->legend_end, y - 9.0);
        fill_of(p->out, colour);
    }
    fputs("/>\n", p->out);
    text(p, p->legend_end + 15.0, y, "start", "class=\"legend\"", name);
    p->legend_end += width + 14.0;
}

static int is_point(const double *x, const double *y, size_t n, size_t i)
{
    return i < n && isfinite(x[i]) && isfinite(y[i]);
}

/* A point without neighbours makes no line: it gets a dot. */
static void draw_dots(plot *p, const double *x, const double *y, size_t n, int colour)
{
    for (size_t i = 0; i < n; i++) {
        if (!is_point(x, y, n, i) || is_point(x, y, n, i + 1) ||
            (i > 0 && is_point(x, y, n, i - 1)))
            continue;
        fprintf(p->out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"2.6\"", px(p, x[i]), py(p, y[i]));
        fill_of(p->out, colour);
        fputs("/>\n", p->out);
    }
}

void plot_line(plot *p, const double *x, const double *y, size_t n, int colour,
               const char *name)
{
    int open = 0;

    fputs("<path fill=\"none\" stroke-width=\"1.8\"", p->out);
    stroke_of(p->out, colour);
    fputs(" d=\"", p->out);
    for (size_t i = 0; i < n; i++) {
        if (!is_point(x, y, n, i)) {
            open = 0;
            continue;
        }
        fprintf(p->out, "%c%.1f %.1f", open ? 'L' : 'M', px(p, x[i]), py(p, y[i]));
        open = 1;
    }
    fputs("\"/>\n", p->out);
    draw_dots(p, x, y, n, colour);
    if (name != NULL)
        plot_legend(p, colour, name);
}

void plot_intervals(plot *p, const double *x, const double *low, const double *high, size_t n,
                    int colour)
{
    fputs("<path fill=\"none\" stroke-width=\"1.2\" opacity=\"0.6\"", p->out);
    stroke_of(p->out, colour);
    fputs(" d=\"", p->out);
    for (size_t i = 0; i < n; i++)
        if (isfinite(x[i]) && isfinite(low[i]) && isfinite(high[i]))
            fprintf(p->out, "M%.1f %.1fV%.1f", px(p, x[i]), py(p, low[i]), py(p, high[i]));
    fputs("\"/>\n", p->out);
}

void plot_guide(plot *p, double x0, double y0, double x1, double y1)
{
    fprintf(p->out, "<line class=\"guide\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n",
            px(p, x0), py(p, y0), px(p, x1), py(p, y1));
}

void plot_histogram(plot *p, const double *heights, size_t bins, double x0, double x1,
                    int colour, const char *name)
{
    const double width = (x1 - x0) / (double)bins;

    const size_t c = (size_t)colour % COLOURS;

    fprintf(p->out,
            "<path class=\"f%zu s%zu\" fill=\"%s\" fill-opacity=\"0.22\" stroke=\"%s\" "
            "stroke-width=\"1.6\"%s d=\"M%.1f %.1f",
            c, c, colours[c], colours[c], is_dashed(colour) ? " stroke-dasharray=\"6 3\"" : "",
            px(p, x0), py(p, 0.0));
    for (size_t i = 0; i < bins; i++)
        fprintf(p->out, "L%.1f %.1fL%.1f %.1f", px(p, x0 + width * (double)i),
                py(p, heights[i]), px(p, x0 + width * (double)(i + 1)), py(p, heights[i]));
    fprintf(p->out, "L%.1f %.1f\"/>\n", px(p, x1), py(p, 0.0));
    if (name != NULL)
        plot_legend(p, colour, name);
}

void plot_bar(plot *p, double x0, double x1, double height, int colour)
{
    plot_box(p, x0, x1, 0.0, height, colour, 0.75);
}

void plot_box(plot *p, double x0, double x1, double y0, double y1, int colour, double opacity)
{
    const double top = fmin(py(p, y0), py(p, y1)), bottom = fmax(py(p, y0), py(p, y1));
    const double gap = fmin(0.7, 0.1 * (px(p, x1) - px(p, x0)));

    fprintf(p->out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"",
            px(p, x0) + gap, top, fmax(px(p, x1) - px(p, x0) - 2 * gap, 0.3), bottom - top);
    fill_of(p->out, colour);
    fprintf(p->out, " fill-opacity=\"%.2f\"/>\n", opacity);
}

void plot_upright(plot *p, double x, double y, const char *words)
{
    char turn[80];

    snprintf(turn, sizeof turn, "class=\"tick\" transform=\"rotate(-90 %.1f %.1f)\"",
             px(p, x) + 4.0, py(p, y) - 4.0);
    text(p, px(p, x) + 4.0, py(p, y) - 4.0, "start", turn, words);
}

int plot_end(plot *p)
{
    const int sound = file_close_memory(p->out, &p->drawn);

    p->height = PLOT_HEIGHT + (p->legend_lines > 0 ? (int)LEGEND_LINE * p->legend_lines : 0);
    if (!sound)
        return report_no_memory();
    fprintf(p->page,
            "<svg viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" role=\"img\" aria-label=\"",
            PLOT_WIDTH, p->height, PLOT_WIDTH, p->height);
    html_text(p->page, p->title);
    fputs("\">\n", p->page);
    fwrite(p->drawn, 1, p->drawn_bytes, p->page);
    fputs("</svg>\n", p->page);
    free(p->drawn);
    return EXIT_OK;
}
