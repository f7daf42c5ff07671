#!/bin/bash
# SPDX-License-Identifier: MIT
# Plots of what is hard to draw: long labels, one point, values far from zero.
. "$(dirname "$0")/common.sh"
"$(dirname "$JEM_BIN")/tests/draw" "$tmp" || fail draw "does not draw"

# check NAME FILE CODE: of the plot's `ticks` (axis, x, y, words), `title` (x of the y axis' title) and `svg`.
check() {
    verdict "$1" "$(grep -o 'class="tick">[^<]*' "$tmp/$2" | tr '\n' ' ')" "$python" -c '
import re, sys
svg = open(sys.argv[1]).read()
text = re.findall(r"<text x=\"([-\d.]+)\" y=\"([-\d.]+)\" text-anchor=\"(\w+)\" class=\"tick\">([^<]*)", svg)
wide = lambda words: sum(3.5 if c in ".-" else 9.2 if c == "+" else 7 for c in words)
down = [(float(x), wide(w), w) for x, _, a, w in text if a == "end"]     # of the y axis
across = [(float(x), wide(w), w) for x, _, a, w in text if a == "middle"]  # of the x axis
marks = re.findall(r"<circle cx=\"([-\d.]+)\" cy=\"([-\d.]+)\"", svg)
exec(sys.argv[2])' "$tmp/$2" "$3"
}
for name in usual large steps narrow far small point far_point gaps; do
    check "$name: labels of the y axis end before its title" $name.svg 'assert down and all(x - w > 16 for x, w, _ in down), down'
    check "$name: labels of the y axis differ" $name.svg 'assert len({t for _, _, t in down}) == len(down) >= 2, down'
    check "$name: labels of the x axis have room" $name.svg \
        'assert across and all(a[0] + a[1] / 2 + 3 < b[0] - b[1] / 2 for a, b in zip(across, across[1:])), across'
    check "$name: and are not cut" $name.svg 'assert all(0 <= x - w / 2 and x + w / 2 <= 420.1 for x, w, _ in across), across'
    check "$name: everything is a number" $name.svg 'assert "nan" not in svg and "inf" not in svg'
done
check "a curve of points has no dots" usual.svg 'assert not marks'
check "one point has a dot" point.svg 'assert marks == [("406.0", "124.0")], marks'
check "so has one between gaps, and no other" gaps.svg 'assert len(marks) == 1 and float(marks[0][0]) == 142, marks'
