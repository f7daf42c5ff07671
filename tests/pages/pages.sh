#!/bin/bash
# SPDX-License-Identifier: MIT
# The pages and plots that programs make, as Chromium shows them: look.py. With arguments: these files instead.
. "$(dirname "$0")/../cli/common.sh"
look=$(dirname "$0")/look.py
if ! command -v chromium >/dev/null && ! command -v google-chrome >/dev/null; then
    skip pages "Debian's package chromium is not installed"
    exit 0
fi
if [ $# -gt 0 ]; then
    exec "$look" "$@"
fi
has_data pages

train "${able[@]}" --validate-every 50 --out "$tmp/jem" >/dev/null
demo --model "$tmp/jem/best.safetensors" --count 500 --quiet >/dev/null
"$JEM_BIN/jem-report" --jem "$tmp/jem/best.safetensors" --classifier "$tmp/jem/best.safetensors" --quick --count 20 --quiet \
    --out "$tmp/report" >/dev/null 2>&1
# A log with one line, and plots of what is hard to draw.
train "${able[@]}" --stop-after 1 --out "$tmp/first" >/dev/null
demo --model "$tmp/first/last.safetensors" --count 1 --quiet >/dev/null
mkdir "$tmp/hard"
"$(dirname "$JEM_BIN")/tests/draw" "$tmp/hard" || fail pages "the hard plots are not drawn"
mapfile -t pages < <(find "$tmp" -name '*.html' -o -name '*.svg' | sort)
verdict "there are pages" "${pages[*]}" test "${#pages[@]}" -ge 10
"$look" "${pages[@]}" || [ $? -eq 1 ] || fail pages "Chromium could not be asked"
# It can tell: a page with every fault that it looks for.
cat >"$tmp/bad.html" <<'END'
<html><body style="background:#fff;color:#bbb"><div style="width:1500px">wide</div><p>pale</p><img src="data:image/png;base64,x">
<p style="font-size:5px;color:#000">tiny</p><table class="sort"><tbody><tr><th>a</th></tr></tbody></table><a href="#none">nowhere</a>
<div class="wide"><table><thead><tr><th scope="col">b</th></tr></thead><tbody><tr><td class="good">1</td><td class="heat">2</td><td style="text-align:right">some words</td></tr></tbody></table></div>
<div class="labelled" style="display:flex"><ol style="height:12px"><li style="height:12px;width:50px">a label of many words</li></ol></div>
<svg width="100" height="100"><line class="grid" x1="20" y1="80" x2="90" y2="80"/><line class="grid" x1="20" y1="10" x2="20" y2="80"/>
<line class="grid" x1="90" y1="10" x2="90" y2="80"/><path fill="none" stroke="#000" d="M20 -30L90 60"/><path fill="none" stroke="#000" d="M30 40"/>
<text class="legend" x="30" y="30">on it</text><text class="tick" x="20" y="95">1e+06</text><text class="tick" x="60" y="95">1e+06</text></svg>
<svg width="200" height="60"><text x="5" y="20">one on the other</text><text x="7" y="22">one on the other</text><text x="150" y="50">cut at the end</text></svg>
END
"$look" "$tmp/bad.html" >"$tmp/out"
for fault in "px wide, the window" "no doctype" "no lang" "no title" "no viewport" "a picture without words" "a broken picture" "a heading without scope" \
    "a table without head or box" "a link to nowhere" "contrast" "type of 5.0 px" "words lie on words" "words are cut" "colours without a legend" "shades without a legend" "words to the right" \
    "a label is higher than its row" "a curve leaves its axes" "a point that shows nothing" "a legend on the data" "two ticks are called the same"; do
    verdict "looking finds: $fault" "$(head -1 "$tmp/out")" grep -q "$fault" "$tmp/out"
done
