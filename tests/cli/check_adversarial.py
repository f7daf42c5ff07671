# SPDX-License-Identifier: MIT
"""adversarial.png of jem-robustness: the rows of differences are what the rows above them say."""

import json
import struct
import sys
import zlib

import numpy as np


def read_png(path):
    """An 8-bit grey PNG."""
    data, at, rest = open(path, "rb").read(), 8, b""
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + length]
        if kind == b"IHDR":
            width, height, bits, colour = struct.unpack(">IIBB", body[:10])
            assert bits == 8 and colour == 0, "not an 8-bit grey picture"
        elif kind == b"IDAT":
            rest += body
        at += 12 + length
    raw, out, before = zlib.decompress(rest), [], [0] * width
    for y in range(height):
        kind, line = raw[y * (width + 1)], list(raw[y * (width + 1) + 1:(y + 1) * (width + 1)])
        for x in range(width):
            a, b, c = (line[x - 1] if x else 0), before[x], (before[x - 1] if x else 0)
            paeth = min((abs(b - c), 0, a), (abs(a - c), 1, b), (abs(a + b - 2 * c), 2, c))[2]
            line[x] = (line[x] + (0, a, b, (a + b) // 2, paeth)[kind]) & 255
        out.append(line)
        before = line
    return np.array(out, float)


picture = json.load(open(sys.argv[2]))["picture"]
pixels, factor, rows = read_png(sys.argv[1]), picture["difference_factor"], len(picture["rows"])
step = 28 * 3 + 2
assert pixels.shape[0] == rows * step + 2, f"{pixels.shape[0]} pixels high for {rows} rows"
inside = np.arange(pixels.shape[1] - 2) % step < 84  # without the lines between the images
row = [pixels[2 + i * step:2 + i * step + 84, 2:][:, inside] for i in range(rows)]
moved = 0
for i in range(1, rows, 2):
    want = np.clip(127.5 + factor * (row[i] - row[0]), 0, 255)
    assert np.abs(want - row[i + 1]).max() <= factor + 1, f"row {i + 1}: {np.abs(want - row[i + 1]).max()}"
    moved += np.abs(row[i + 1] - 127.5).max() > 2
assert factor >= 1 and moved, "no attack has moved anything"
