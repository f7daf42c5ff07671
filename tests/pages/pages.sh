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
mapfile -t pages < <(find "$tmp" -name '*.html' -o -name '*.svg' | sort)
verdict "there are pages" "${pages[*]}" test "${#pages[@]}" -ge 10
"$look" "${pages[@]}" || [ $? -eq 1 ] || fail pages "Chromium could not be asked"
# It can tell: a page with every fault that it looks for.
cat >"$tmp/bad.html" <<'END'
<html><body style="background:#fff;color:#bbb"><div style="width:1500px">wide</div><p>pale</p><img src="data:image/png;base64,x">
<p style="font-size:5px;color:#000">tiny</p><table class="sort"><tbody><tr><th>a</th></tr></tbody></table><a href="#none">nowhere</a>
<svg width="200" height="60"><text x="5" y="20">one on the other</text><text x="7" y="22">one on the other</text><text x="150" y="50">cut at the end</text></svg>
END
"$look" "$tmp/bad.html" >"$tmp/out"
for fault in "px wide, the window" "no doctype" "no lang" "no title" "no viewport" "a picture without words" "a broken picture" "a heading without scope" \
    "a table without head or box" "a link to nowhere" "contrast" "type of 5.0 px" "words lie on words" "words are cut"; do
    verdict "looking finds: $fault" "$(head -1 "$tmp/out")" grep -q "$fault" "$tmp/out"
done
