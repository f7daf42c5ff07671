/* SPDX-License-Identifier: MIT */

/* See html.h. */

#include "kit/draw/html.h"

#include <stdint.h>
#include <stdlib.h>

#include "kit/base/file.h"
#include "kit/base/report.h"
#include "kit/draw/plot.h"

static const char style[] =
    "body{font:15px/1.55 system-ui,sans-serif;color:#222;background:#f6f6f4;margin:0}\n"
    "main{max-width:1120px;margin:0 auto;padding:28px 24px 60px}\n"
    "h1{font-size:27px;margin:0 0 4px}h2{font-size:19px;margin:38px 0 8px}\n"
    "h3{font-size:15px;margin:14px 0 4px}\n"
    "p{max-width:780px;margin:6px 0}.soft{color:#666}\n"
    ".tiles{display:flex;flex-wrap:wrap;gap:12px;margin:20px 0}\n"
    ".tile{background:#fff;border:1px solid #ddd;border-radius:8px;padding:10px 16px;"
    "min-width:128px}\n"
    ".tile b{display:block;font-size:25px;font-weight:600}.tile "
    "span{color:#666;font-size:13px}\n"
    ".row{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(440px,100%),1fr));"
    "gap:16px}.wide{overflow-x:auto}.wide td{white-space:nowrap}\n"
    "figure{background:#fff;border:1px solid #ddd;border-radius:8px;margin:0;padding:12px}\n"
    "figcaption{color:#555;font-size:13px;margin-top:4px}figure img{width:100%;"
    "image-rendering:pixelated;display:block}\n"
    "svg{width:100%;height:auto;display:block}svg svg{width:520px;height:300px}\n"
    "table{border-collapse:collapse;background:#fff;margin:10px 0}\n"
    "th,td{border:1px solid #ddd;padding:5px 12px;text-align:right}\n"
    "th:first-child,td:first-child{text-align:left}th{background:#efefec;font-weight:600}\n"
    "td.good{background:#e3f3e6}td.bad{background:#fbe6e1}\n"
    "table.settings td{font-family:ui-monospace,monospace;font-size:12px;padding:2px 10px;"
    "text-align:left}\n"
    "pre{background:#fff;border:1px solid #ddd;padding:10px;overflow-x:auto;font-size:12px}\n"
    "code{overflow-wrap:anywhere;background:#ececea;padding:1px 5px;border-radius:4px}\n";

void html_begin(FILE *out, const char *title)
{
    fputs("<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
          "<meta name=\"viewport\" content=\"width=device-width\">\n<title>",
          out);
    html_text(out, title);
    fprintf(out, "</title>\n<style>\n%s%s</style>\n<main>\n", style, plot_style);
}

void html_end(FILE *out)
{
    fputs("</main>\n</html>\n", out);
}

static void base64(FILE *out, const uint8_t *bytes, size_t n)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < n; i += 3) {
        const size_t left = n - i;
        const uint32_t word = (uint32_t)bytes[i] << 16 |
                              (left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) |
                              (left > 2 ? (uint32_t)bytes[i + 2] : 0);
        fputc(digits[word >> 18], out);
        fputc(digits[word >> 12 & 63], out);
        fputc(left > 1 ? digits[word >> 6 & 63] : '=', out);
        fputc(left > 2 ? digits[word & 63] : '=', out);
    }
}

int html_picture(FILE *out, const char *path, const char *alt)
{
    uint8_t *bytes = NULL;
    size_t n = 0;

    TRY(file_read(path, &bytes, &n));
    fputs("<img alt=\"", out);
    html_text(out, alt);
    fputs("\" src=\"data:image/png;base64,", out);
    base64(out, bytes, n);
    fputs("\">\n", out);
    free(bytes);
    return EXIT_OK;
}

int html_svg(FILE *out, const char *path)
{
    uint8_t *bytes = NULL;
    size_t n = 0;
    int whole;

    TRY(file_read(path, &bytes, &n));
    whole = fwrite(bytes, 1, n, out) == n;
    free(bytes);
    return whole ? EXIT_OK
                 : report_failed("%s does not go into the page: the disk may be full", path);
}

void html_tile(FILE *out, const char *name, const char *format, double value,
               const char *remark)
{
    char number[64];

    snprintf(number, sizeof number, "%.*f%s", format[0] - '0', value, format + 1);
    fputs("<div class=\"tile\"><span>", out);
    html_text(out, name);
    fputs("</span><b>", out);
    html_text(out, number);
    fputs("</b><span>", out);
    html_text(out, remark);
    fputs("</span></div>\n", out);
}
