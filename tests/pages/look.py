#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Look at pages in headless Chromium: at the widths of a phone and of a screen, light and dark.

    look.py [--pictures DIR] FILE...      HTML pages and SVG pictures

Prints "ok NAME" or "FAIL NAME: why" for each of them at each size. Speaks the DevTools protocol over
a pair of pipes. Exit code 77 where Chromium is missing."""

import argparse
import base64
import json
import os
import pathlib
import select
import shutil
import subprocess
import sys
import tempfile
import time

WIDTHS = (400, 1400)
SCHEMES = ("light", "dark")
PATIENCE = 120  # seconds for one answer

# What is wrong with the page as it is shown, a line each.
LOOK = r"""
(() => {
const wrong = [], root = document.documentElement, html = root.localName === 'html';
const say = (what, e) => { if (wrong.length < 60) wrong.push(what + (e ? ': ' + (e.textContent || e.outerHTML).trim().slice(0, 60) : '')); };
const shown = e => { const b = e.getBoundingClientRect(); return b.width > 0 && b.height > 0; };
const rgb = text => (text.match(/[\d.]+/g) || []).map(Number);
const light = c => { const v = c.slice(0, 3).map(x => (x /= 255) <= .03928 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4); return .2126 * v[0] + .7152 * v[1] + .0722 * v[2]; };
const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + .05) / (y + .05); };
const behind = e => {
    const layers = [];
    for (; e; e = e.parentElement) {
        const paper = e.localName === 'svg' && e.querySelector(':scope > rect.paper');
        const c = rgb(getComputedStyle(paper || e)[paper ? 'fill' : 'backgroundColor']);
        if (c.length >= 3) layers.push(c.length < 4 ? [...c, 1] : c);
        if (layers.length && layers[layers.length - 1][3] === 1) break;
    }
    const sum = matchMedia('(prefers-color-scheme:dark)').matches ? [18, 18, 18] : [255, 255, 255];
    for (const c of layers.reverse()) for (let i = 0; i < 3; i++) sum[i] = c[i] * c[3] + sum[i] * (1 - c[3]);
    return sum;
};
// Each plot of a picture: its grid is the area where data are drawn.
const lookAtPlots = svg => {
    for (const plot of new Set([...svg.querySelectorAll('.grid')].map(e => e.parentElement))) {
        const own = what => [...plot.children].filter(e => e.matches(what)), number = (e, a) => parseFloat(e.getAttribute(a));
        const grid = own('.grid'), all = a => grid.map(e => number(e, a));
        const [left, right, top, bottom] = [Math.min(...all('x1')), Math.max(...all('x2')), Math.min(...all('y1')), Math.max(...all('y2'))];
        const dots = own('circle').map(e => number(e, 'cx') + ' ' + number(e, 'cy'));
        for (const e of own('path')) {
            const b = e.getBBox(), d = e.getAttribute('d');
            if (d && (b.x < left - 1 || b.x + b.width > right + 1 || b.y < top - 1 || b.y + b.height > bottom + 1)) say('a curve leaves its axes', e);
            for (const [, at] of d.matchAll(/M([-\d.]+ [-\d.]+)(?=M|$)/g)) if (!dots.includes(at.split(' ').map(Number).join(' '))) say('a point that shows nothing', e);
        }
        for (const e of own('text.legend')) { const b = e.getBBox(); if (b.y < bottom && b.y + b.height > top && b.x < right && b.x + b.width > left) say('a legend on the data', e); }
        const ticks = own('text.tick:not([transform])').map(e => [e.getAttribute('text-anchor'), e.textContent]).map(String);
        if (new Set(ticks).size < ticks.length) say('two ticks are called the same', plot);
    }
};
if (html) {
    if (root.scrollWidth > root.clientWidth) say('the page is ' + root.scrollWidth + ' px wide, the window ' + root.clientWidth,
        [...document.querySelectorAll('body *')].find(e => e.getBoundingClientRect().right > root.clientWidth + 1 && !e.closest('.wide,pre')));
    if (!document.doctype || document.compatMode !== 'CSS1Compat') say('no doctype');
    if (!root.lang) say('no lang');
    if (!document.title.trim()) say('no title');
    if (!document.querySelector('meta[name=viewport]')) say('no viewport');
    if (!document.querySelector('h1')) say('no h1');
    for (const e of document.querySelectorAll('img')) { if (!e.alt) say('a picture without words', e); if (!e.naturalWidth) say('a broken picture', e); }
    for (const e of document.querySelectorAll('th')) if (!e.scope) say('a heading without scope', e);
    for (const e of document.querySelectorAll('table')) if (!e.tHead || !e.closest('.wide')) say('a table without head or box', e);
    for (const e of document.querySelectorAll('a[href^="#"]')) if (!document.getElementById(e.getAttribute('href').slice(1))) say('a link to nowhere', e);
    for (const e of document.querySelectorAll('[src],link,a[href]')) { const to = e.getAttribute('src') || e.getAttribute('href'); if (!/^(#|data:)/.test(to)) say('not self-contained: ' + to); }
    const ids = [...document.querySelectorAll('[id]')].map(e => e.id);
    if (new Set(ids).size !== ids.length) say('an id twice');
}
const words = [...document.querySelectorAll('h1,h2,h3,p,li,a,td,th,figcaption,summary,pre,code,b,span,text')].filter(e => shown(e) && e.textContent.trim());
for (const e of words) {
    const s = getComputedStyle(e), r = ratio(rgb(s[e.localName === 'text' ? 'fill' : 'color']), behind(e));
    if (r < 4.5) say('contrast ' + r.toFixed(1), e);
    const m = e.localName === 'text' ? e.getScreenCTM() : null;
    const size = parseFloat(s.fontSize) * (m ? Math.hypot(m.a, m.b) : 1);
    if (size < (html || root.clientWidth >= 700 ? 8.5 : 7)) say('type of ' + size.toFixed(1) + ' px', e);
}
for (const svg of document.querySelectorAll('svg')) {
    const texts = [...svg.querySelectorAll('text')].filter(t => t.ownerSVGElement === svg && shown(t)), b = svg.getBoundingClientRect();
    const boxes = texts.map(t => t.getBoundingClientRect());
    boxes.forEach((x, i) => {
        if (x.left < b.left - 1 || x.right > b.right + 1 || x.top < b.top - 1 || x.bottom > b.bottom + 1) say('words are cut', texts[i]);
        for (let j = 0; j < i; j++) {
            const y = boxes[j], w = Math.min(x.right, y.right) - Math.max(x.left, y.left), h = Math.min(x.bottom, y.bottom) - Math.max(x.top, y.top);
            if (w > 1.5 && h > .3 * Math.min(x.height, y.height)) say('words lie on words: "' + texts[j].textContent.slice(0, 30) + '" and "' + texts[i].textContent.slice(0, 30) + '"');
        }
    });
    lookAtPlots(svg);
}
for (const li of document.querySelectorAll('.labelled li')) if (li.scrollHeight > li.clientHeight + 1) say('a label is higher than its row', li);
for (const table of document.querySelectorAll('table')) {
    const after = []; // up to the next table or heading
    for (let e = (table.closest('.wide') || table).nextElementSibling; e && !e.querySelector('table') && !/^H/.test(e.tagName); e = e.nextElementSibling) after.push(e);
    if (table.querySelector('td.good,td.bad') && !after.some(e => e.matches('.key'))) say('colours without a legend', table);
    if (table.querySelector('td.heat') && !after.some(e => /colour/.test(e.textContent))) say('shades without a legend', table);
    for (const td of table.querySelectorAll('tbody td')) if (/^[a-z]{3,} /i.test(td.textContent) && !/^(left|start)$/.test(getComputedStyle(td).textAlign)) say('words to the right', td);
}
const t = [...document.querySelectorAll('table.sort')].find(t => t.tBodies[0].rows.length > 2);
if (t) {
    const c = t.tHead.rows[0].cells.length - 1, h = t.tHead.rows[0].cells[c], n = () => [...t.tBodies[0].rows].map(r => parseFloat(r.cells[c].textContent)).filter(x => !isNaN(x));
    const b = h.querySelector('button');
    if (!b) say('a heading that sorts nothing', h);
    else for (const way of ['ascending', 'descending']) {
        b.click();
        if (h.getAttribute('aria-sort') !== way) say('aria-sort is not ' + way, h);
        if (!h.classList.contains('text') && n().some((x, i, all) => i && (way === 'ascending' ? all[i - 1] > x : all[i - 1] < x))) say('not sorted', h);
    }
}
return JSON.stringify(wrong);
})()
"""


class Chromium:
    """One browser with one page."""

    def __init__(self, program, home):
        to_read, to_write = os.pipe(), os.pipe()  # the browser reads from 3 and writes to 4

        def pipes():
            os.dup2(to_read[0], 13)
            os.dup2(to_write[1], 14)
            os.dup2(13, 3)
            os.dup2(14, 4)

        self.process = subprocess.Popen(
            [program, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-pipe",
             "--disable-dev-shm-usage", "--disable-background-networking", f"--user-data-dir={home}", "about:blank"],
            preexec_fn=pipes, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_read[0])
        os.close(to_write[1])
        self.out, self.inn, self.buffer, self.count, self.session, self.events = to_read[1], to_write[0], b"", 0, None, []
        target = next(t for t in self.ask("Target.getTargets")["targetInfos"] if t["type"] == "page")
        self.session = self.ask("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
        self.ask("Page.enable")
        self.ask("Runtime.enable")

    def read(self):
        end = time.monotonic() + PATIENCE
        while b"\0" not in self.buffer:
            if not select.select([self.inn], [], [], max(0, end - time.monotonic()))[0]:
                raise RuntimeError("Chromium does not answer")
            bytes_ = os.read(self.inn, 1 << 20)
            if not bytes_:
                raise RuntimeError("Chromium has ended")
            self.buffer += bytes_
        line, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(line)

    def ask(self, method, **params):
        self.count += 1
        message = {"id": self.count, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.read()
            if answer.get("id") == self.count:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def wait(self, method):
        while True:
            for event in self.events:
                if event.get("method") == method:
                    self.events.remove(event)
                    return
            self.events.append(self.read())

    def show(self, url, width, scheme):
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600)
        self.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.events.clear()
        self.ask("Page.navigate", url=url)
        self.wait("Page.loadEventFired")

    def picture(self, path):
        size = self.ask("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 12000), "scale": 1}
        shot = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        pathlib.Path(path).write_bytes(base64.b64decode(shot["data"]))

    def look(self):
        result = self.ask("Runtime.evaluate", expression=LOOK)
        if "exceptionDetails" in result:
            raise RuntimeError(result["exceptionDetails"]["exception"]["description"])
        thrown = [e for e in self.events if e.get("method") == "Runtime.exceptionThrown"]
        return json.loads(result["result"]["value"]) + ["a script fails" for _ in thrown]

    def close(self):
        try:
            self.session = None
            self.ask("Browser.close")
            self.process.wait(20)
        except (RuntimeError, OSError, subprocess.TimeoutExpired):
            self.process.kill()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--pictures", help="folder for a picture of each page at each size")
    parser.add_argument("files", nargs="+")
    arg = parser.parse_args()
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        print("skip pages: Debian's package chromium is not installed")
        return 77
    failed = False
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        browser = Chromium(program, home)
        for file in map(pathlib.Path, arg.files):
            for width in WIDTHS:
                for scheme in SCHEMES:
                    name = f"{file.parent.name}/{file.name}, {width} px, {scheme}"
                    browser.show(file.resolve().as_uri(), width, scheme)
                    if arg.pictures:
                        os.makedirs(arg.pictures, exist_ok=True)
                        browser.picture(f"{arg.pictures}/{file.parent.name}-{file.stem}-{width}-{scheme}.png")
                    wrong = browser.look()
                    print(f"FAIL {name}: {'; '.join(wrong)}" if wrong else f"ok {name}", flush=True)
                    failed |= bool(wrong)
        browser.close()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
