# SPDX-License-Identifier: MIT
"""jem-likely's a/ and a.json against the arrays of jem-score in s/. check_likely.py DIR FOLDER

300 test images of Fashion-MNIST, evenly spaced, 5 columns, 2 rows."""
import gzip
import json
import sys

import numpy as np
from PIL import Image

tmp, folder = sys.argv[1:]
COLUMNS, ROWS, SCALE, SIDE = 5, 2, 3, 28
x = np.frombuffer(gzip.open(folder + "/t10k-images-idx3-ubyte.gz").read(), np.uint8, offset=16)
spread = np.arange(300) * 10000 // 300
x = x.reshape(-1, SIDE, SIDE)[spread]
y = np.frombuffer(gzip.open(folder + "/t10k-labels-idx1-ubyte.gz").read(), np.uint8, offset=8)[spread]
f = np.load(f"{tmp}/s/logits.npy").astype(np.float64)
log_px = np.load(f"{tmp}/s/log_px.npy").astype(np.float64)
own = f[np.arange(300), y]
lse = f.max(axis=1) + np.log(np.exp(f - f.max(axis=1, keepdims=True)).sum(axis=1))
scores = {"log_px": log_px, "log_pxy": own, "log_py": own - lse}

pictures = [p for p in json.load(open(f"{tmp}/a.json"))["pictures"] if p["set"] == "test"]
assert len(pictures) == 10
for p in pictures:
    s = scores[p["score"]]
    sign = 1 if p["end"] == "least" else -1
    by_class = "-class-" in p["file"]
    wanted = []
    for row in range(10 if by_class else 1):
        among = np.flatnonzero(y == row) if by_class else np.arange(300)
        order = among[np.argsort(sign * s[among], kind="stable")]
        wanted += list(order[: COLUMNS if by_class else COLUMNS * ROWS])
    got = [int(np.searchsorted(spread, i["index"])) for i in p["images"]]
    assert [spread[g] for g in got] == [i["index"] for i in p["images"]], p["file"]
    # Equal to the last digits, log p(y|x) may be ranked either way.
    assert len(got) == len(wanted) and np.allclose(s[got], s[wanted], atol=1e-9), (p["file"], got, wanted)
    grid = np.array(Image.open(f"{tmp}/a/{p['file']}"))
    assert grid.shape == ((10 if by_class else ROWS) * (SCALE * SIDE + 2) + 2, COLUMNS * (SCALE * SIDE + 2) + 2)
    for i, at in zip(p["images"], got):
        assert abs(i["score"] - s[at]) < 1e-9 and i["label"] == y[at], p["file"]
        assert i["prediction"] == f[at].argmax()
        top, left = ((i[k] - 1) * (SCALE * SIDE + 2) + 2 for k in ("row", "column"))
        tile = grid[top : top + SCALE * SIDE : SCALE, left : left + SCALE * SIDE : SCALE]
        assert (tile == x[at]).all(), p["file"]
        assert not by_class or i["label"] == i["row"] - 1
