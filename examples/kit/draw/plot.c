/* SPDX-License-Identifier: MIT */

/* Inline SVG plots; see plot.h. People with colour-blindness can tell the colours apart (Okabe and
 * Ito 2008). */

#include "kit/draw/plot.h"

#include <math.h>

const char plot_style[] =
    "svg .grid{stroke:#e6e6e6}svg .guide{stroke:#888;stroke-dasharray:5 4}\n"
    "svg text{font-family:system-ui,sans-serif;fill:#333}svg .tick{font-size:11px;fill:#666}\n"
    "svg .title{font-size:14px;font-weight:600}svg .label,svg .legend{font-size:12px}\n";

static const char *const colours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                      "#e69f00", "#56b4e9", "#777777"};

static const char *colour_of(int colour)
{
    return colours[(size_t)colour % (sizeof colours / sizeof colours[0])];
}

void html_text(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        switch (*text) {
        case '<':
            fputs("&lt;", out);
            break;
        case '>':
            fputs("&gt;", out);
            break;
        case '&':
            fputs("&amp;", out);
            break;
        case '"':
            fputs("&quot;", out);
            break;
        default:
            fputc(*text, out);
        }
    }
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

/* Ticks are whole multiples of the step, so that zero is written as zero. */
static int first_tick(double low, double step)
{
    return (int)ceil(low / step - 1e-9);
}

static int last_tick(double high, double step)
{
    return (int)floor(high / step + 1e-9);
}

static void axes(const plot *p)
{
    char words[32];
    double step = tick_step(p->x1 - p->x0, 6);

    for (int i = first_tick(p->x0, step); i <= last_tick(p->x1, step); i++) {
        const double x = i * step;

        snprintf(words, sizeof words, "%g", x);
        fprintf(p->out,
                "<line class=\"grid\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>",
                px(p, x), p->top, px(p, x), p->bottom);
        text(p, px(p, x), p->bottom + 16.0, "middle", "class=\"tick\"", words);
    }
    step = tick_step(p->y1 - p->y0, 5);
    for (int i = first_tick(p->y0, step); i <= last_tick(p->y1, step); i++) {
        const double y = i * step;

        snprintf(words, sizeof words, "%g", y);
        fprintf(p->out,
                "<line class=\"grid\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>",
                p->left, py(p, y), p->right, py(p, y));
        text(p, p->left - 6.0, py(p, y) + 4.0, "end", "class=\"tick\"", words);
    }
}

void plot_begin(plot *p, FILE *out, const char *title, const char *x_label, const char *y_label,
                double x0, double x1, double y0, double y1)
{
    char turn[80];

    if (!(x1 > x0))
        x1 = x0 + 1.0;
    if (!(y1 > y0))
        y1 = y0 + 1.0;
    *p = (plot){.out = out,
                .x0 = x0,
                .x1 = x1,
                .y0 = y0,
                .y1 = y1,
                .left = 62.0,
                .right = PLOT_WIDTH - 14.0,
                .top = 34.0,
                .bottom = PLOT_HEIGHT - 46.0,
                .legend = 0};
    fprintf(out, "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"", PLOT_WIDTH,
            PLOT_HEIGHT);
    html_text(out, title);
    fputs("\">\n", out);
    axes(p);
    text(p, p->left, 18.0, "start", "class=\"title\"", title);
    text(p, (p->left + p->right) / 2.0, PLOT_HEIGHT - 10.0, "middle", "class=\"label\"",
         x_label);
    snprintf(turn, sizeof turn, "class=\"label\" transform=\"rotate(-90 14 %.0f)\"",
             (p->top + p->bottom) / 2.0);
    text(p, 14.0, (p->top + p->bottom) / 2.0, "middle", turn, y_label);
}

static void key(const plot *p, double x, double y, int colour)
{
    fprintf(p->out,
            "<rect x=\"%.1f\" y=\"%.1f\" width=\"10\" height=\"10\" rx=\"2\" fill=\"%s\"/>", x,
            y - 9.0, colour_of(colour));
}

void plot_legend(plot *p, int colour, const char *name)
{
    const double y = p->top + 12.0 + 15.0 * p->legend++;
    const double x = p->legend_left ? p->left + 8.0 : p->right - 12.0;

    key(p, x, y, colour);
    text(p, p->legend_left ? x + 16.0 : x - 6.0, y, p->legend_left ? "start" : "end",
         "class=\"legend\"", name);
}

void plot_note(plot *p, double x, double y, int colour, const char *words)
{
    key(p, px(p, x), py(p, y), colour);
    text(p, px(p, x) + 16.0, py(p, y), "start", "class=\"legend\"", words);
}

void plot_line(plot *p, const double *x, const double *y, size_t n, int colour,
               const char *name)
{
    int open = 0;

    fprintf(p->out, "<path fill=\"none\" stroke=\"%s\" stroke-width=\"1.6\" d=\"",
            colour_of(colour));
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(x[i]) || !isfinite(y[i])) {
            open = 0;
            continue;
        }
        fprintf(p->out, "%c%.1f %.1f", open ? 'L' : 'M', px(p, x[i]), py(p, y[i]));
        open = 1;
    }
    fputs("\"/>\n", p->out);
    if (name != NULL)
        plot_legend(p, colour, name);
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

    fprintf(p->out,
            "<path fill=\"%s\" fill-opacity=\"0.25\" stroke=\"%s\" stroke-width=\"1.4\" "
            "d=\"M%.1f %.1f",
            colour_of(colour), colour_of(colour), px(p, x0), py(p, 0.0));
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

    fprintf(p->out,
            "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\" "
            "fill-opacity=\"%.2f\"/>\n",
            px(p, x0) + 0.7, top, px(p, x1) - px(p, x0) - 1.4, bottom - top, colour_of(colour),
            opacity);
}

void plot_upright(plot *p, double x, double y, const char *words)
{
    char turn[80];

    snprintf(turn, sizeof turn, "class=\"tick\" transform=\"rotate(-90 %.1f %.1f)\"",
             px(p, x) + 4.0, py(p, y) - 4.0);
    text(p, px(p, x) + 4.0, py(p, y) - 4.0, "start", turn, words);
}

void plot_end(plot *p)
{
    fputs("</svg>\n", p->out);
}
