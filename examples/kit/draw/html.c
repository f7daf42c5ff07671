/* SPDX-License-Identifier: MIT */

/* See html.h. */

#include "kit/draw/html.h"

#include <stdint.h>
#include <stdlib.h>

#include "kit/base/file.h"
#include "kit/base/report.h"
#include "kit/draw/plot.h"

static const char style[] =
    ":root{color-scheme:light dark;--ink:#222;--soft:#5a5a5a;--page:#f6f6f4;--card:#fff;"
    "--line:#d6d6d2;--head:#efefec;--good:#dcefe9;--bad:#fbe5d8;--link:#00599e;--heat:0,114,"
    "178}\n"
    "@media screen and (prefers-color-scheme:dark){:root{--ink:#e6e6e3;--soft:#adada8;"
    "--page:#151616;--card:#202222;--line:#3d4040;--head:#2a2d2d;--good:#14463a;--bad:#5b3216;"
    "--link:#7cc3f5;--heat:77,166,224}}\n"
    "*{box-sizing:border-box}\n"
    "body{font:15px/1.55 "
    "system-ui,sans-serif;color:var(--ink);background:var(--page);margin:0}\n"
    "main{max-width:1120px;margin:0 auto;padding:28px 24px 60px}a{color:var(--link)}\n"
    "h1{font-size:27px;line-height:1.25;margin:0 0 4px}h2{font-size:19px;margin:38px 0 8px}\n"
    "h3{font-size:15px;margin:16px 0 4px}h1,h2,h3,p,li,td,th{overflow-wrap:break-word}\n"
    "p{max-width:780px;margin:6px 0}.soft{color:var(--soft)}ul{padding-left:22px}\n"
    "nav ul{display:flex;flex-wrap:wrap;gap:2px 18px;list-style:none;margin:14px 0;padding:0}\n"
    ".tiles{display:flex;flex-wrap:wrap;gap:12px;margin:20px 0}\n"
    ".tile,figure,pre,table{background:var(--card);border:1px solid var(--line)}\n"
    ".tile{border-radius:8px;padding:10px 16px;min-width:128px}\n"
    ".tile b{display:block;font-size:25px;font-weight:600}.tile "
    "span{color:var(--soft);font-size:13px}\n"
    ".row{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(440px,100%),1fr));"
    "gap:16px;margin:10px 0;align-items:start}.row>*{min-width:0}\n"
    "figure{border-radius:8px;margin:0;padding:12px;break-inside:avoid}\n"
    "figcaption{color:var(--soft);font-size:13px;margin-top:6px}\n"
    "figure img{width:100%;max-height:85vh;object-fit:contain;object-position:left top;"
    "image-rendering:pixelated;display:block}\n"
    ".labelled{display:flex;gap:8px}.labelled img{flex:1;min-width:0;max-height:none}\n"
    ".labelled ol{display:flex;flex-direction:column;list-style:none;margin:0;padding:0;"
    "flex:0 0 auto;max-width:30%;font-size:12px;line-height:1.15}\n"
    ".labelled li{flex:1 1 0;display:flex;align-items:center;justify-content:flex-end;"
    "text-align:right;text-wrap:balance;min-height:0}\n"
    "figure>svg{width:100%;height:auto;display:block}\n"
    ".wide{overflow-x:auto;margin:10px 0}.wide td,.wide th{white-space:nowrap}\n"
    "table{border-collapse:collapse}caption{text-align:left;font-weight:600;padding:4px 0}\n"
    "th,td{border:1px solid var(--line);padding:5px 12px;text-align:right;"
    "font-variant-numeric:tabular-nums}\n"
    "thead th{background:var(--head);vertical-align:bottom}th{font-weight:600}\n"
    "tbody th{font-weight:400}th.text,td.text{text-align:left}\n"
    "td.good,.key .good{background:var(--good)}td.bad,.key .bad{background:var(--bad)}\n"
    "td.heat{background:rgba(var(--heat),calc(var(--share)*.55))}\n"
    ".key{font-size:13px;color:var(--soft)}.key span{padding:1px 8px;border-radius:4px;"
    "color:var(--ink)}\n"
    ".verdict{border-left:4px solid var(--link);background:var(--card);padding:8px 14px;"
    "margin:10px 0}.failed{border-left:4px solid #d55e00;padding:4px 12px}\n"
    "th button{all:unset;cursor:pointer}th button:focus-visible{outline:2px solid "
    "var(--link)}\n"
    "th button{text-decoration:underline dotted var(--soft);text-underline-offset:3px}\n"
    "th[aria-sort=ascending] button::after{content:\" \\2191\"}\n"
    "th[aria-sort=descending] button::after{content:\" \\2193\"}\n"
    "table.settings td,table.settings th{font-family:ui-monospace,monospace;font-size:12px;"
    "padding:2px 10px;text-align:left;overflow-wrap:anywhere}\n"
    "pre{padding:10px;overflow-x:auto;font-size:12px}\n"
    "code{overflow-wrap:anywhere;background:var(--head);padding:1px 5px;border-radius:4px}\n"
    "@media(max-width:600px){main{padding:16px 10px 40px}figure{padding:8px}"
    ".labelled ol{font-size:9px;line-height:1.1}h1{font-size:23px}"
    ".tiles{gap:8px}.tile{flex:1 1 128px;padding:8px 12px}"
    "th,td{padding:4px 8px}}\n"
    "@media print{body{background:#fff;font-size:12px}main{max-width:none;padding:0}"
    "nav,th button::after{display:none}.wide{overflow:visible}"
    "details:not([open])>*{display:none}tr,h2,h3{break-inside:avoid;break-after:avoid}}\n";

/* Tables of class "sort" can be sorted by a click on a heading; without scripts they stay as they
 * are. What is no number comes last. */
static const char script[] =
    "addEventListener('DOMContentLoaded',()=>{for(const t of "
    "document.querySelectorAll('table.sort')){\n"
    "const b=t.tBodies[0];if(!b||b.rows.length<3)continue;\n"
    "[...t.tHead.rows[0].cells].forEach((h,c)=>{const k=document.createElement('button');\n"
    "k.type='button';k.append(...h.childNodes);h.append(k);h.setAttribute('aria-sort','none');"
    "\n"
    "k.onclick=()=>{const up=h.getAttribute('aria-sort')!=='ascending';\n"
    "const v=r=>r.cells[c].textContent.trim(),n=r=>parseFloat(v(r));\n"
    "const text=h.classList.contains('text');\n"
    "const rows=[...b.rows].sort((x,y)=>{if(text)return(up?1:-1)*v(x).localeCompare(v(y),'en',"
    "{numeric:true});\n"
    "const p=n(x),q=n(y);if(isNaN(p)||isNaN(q))return isNaN(p)-isNaN(q);"
    "return up?p-q:q-p});\n"
    "for(const o of t.tHead.rows[0].cells)o.setAttribute('aria-sort','none');\n"
    "h.setAttribute('aria-sort',up?'ascending':'descending');b.append(...rows)}})}});\n";

void html_begin(FILE *out, const char *title)
{
    html_begin_live(out, title, 0);
}

void html_begin_live(FILE *out, const char *title, int seconds)
{
    fputs("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n",
          out);
    if (seconds > 0)
        fprintf(out, "<meta http-equiv=\"refresh\" content=\"%d\">\n", seconds);
    fputs("<title>", out);
    html_text(out, title);
    fprintf(out, "</title>\n<style>\n%s%s</style>\n<script>\n%s</script>\n</head>\n", style,
            plot_style, script);
    fputs("<body>\n<main>\n", out);
}

void html_end(FILE *out)
{
    fputs("</main>\n</body>\n</html>\n", out);
}

void html_contents(FILE *out, const struct html_heading *headings, int count)
{
    fputs("<nav aria-label=\"Contents\"><ul>\n", out);
    for (int i = 0; i < count; i++) {
        fprintf(out, "<li><a href=\"#%s\">", headings[i].id);
        html_text(out, headings[i].title);
        fputs("</a></li>\n", out);
    }
    fputs("</ul></nav>\n", out);
}

void html_heading(FILE *out, const struct html_heading *heading)
{
    fprintf(out, "<h2 id=\"%s\">", heading->id);
    html_text(out, heading->title);
    fputs("</h2>\n", out);
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

void html_labels_begin(FILE *out)
{
    fputs("<div class=\"labelled\"><ol>\n", out);
}

void html_label(FILE *out, const char *text)
{
    fputs("<li>", out);
    html_text(out, text);
    fputs("</li>\n", out);
}

void html_labels_picture(FILE *out)
{
    fputs("</ol>\n", out);
}

void html_labels_end(FILE *out)
{
    fputs("</div>\n", out);
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
