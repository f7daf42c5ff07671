# SPDX-License-Identifier: MIT
"""Figures of jem-hybrid, from their definitions.

check_hybrid.py images FASHION N DIR       N images as arrays, and as many of another size
check_hybrid.py parts DIR INCEPTION        resize, Frechet distance, Inception Score of the test
                                           program INCEPTION
check_hybrid.py buffer TRAINING N DIR      N images of the replay buffer, as floats and bytes
check_hybrid.py figures JSON TRAIN SAMPLES PROB KEEP
                                           the JSON's figures from features (.npy) of training images
                                           and samples, and from p(y|x) of the samples"""
import gzip
import json
import struct
import subprocess
import sys

import numpy as np


def images(fashion, n, folder):
    def read(name, skip, shape):
        with gzip.open(f"{fashion}/{name}.gz") as file:
            return np.frombuffer(file.read(skip + int(np.prod(shape)))[skip:], np.uint8).reshape(shape)

    np.save(f"{folder}/images.npy", read("t10k-images-idx3-ubyte", 16, (int(n), 1, 28, 28)))
    np.save(f"{folder}/labels.npy", read("t10k-labels-idx1-ubyte", 8, (int(n),)).astype(np.int32))
    np.save(f"{folder}/other.npy", np.random.default_rng(1).integers(0, 256, (int(n), 3, 8, 8), dtype=np.uint8))


def frechet(x, y):
    """By singular values of the images' features, without covariances."""
    x, y = x.astype(np.float64), y.astype(np.float64)
    shift = ((x.mean(0) - y.mean(0)) ** 2).sum()
    x, y = ((z - z.mean(0)) / np.sqrt(len(z) - 1) for z in (x, y))
    return shift + (x**2).sum() + (y**2).sum() - 2 * np.linalg.svd(x @ y.T, compute_uv=False).sum()


def resize(x):
    """TensorFlow 1's bilinear, in single precision."""
    _, h, w, _ = x.shape
    x, f32 = x.astype(np.float32), np.float32

    def look(size):
        place = np.arange(299, dtype=f32) * (f32(size) / f32(299))
        low = place.astype(np.int64)
        return low, np.minimum(low + 1, size - 1), place - low.astype(f32)

    (top, bottom, dy), (left, right, dx) = look(h), look(w)
    dx, dy = dx[:, None], dy[:, None, None]
    upper, lower = (x[:, r][:, :, left] + (x[:, r][:, :, right] - x[:, r][:, :, left]) * dx for r in (top, bottom))
    return upper + (lower - upper) * dy


def score(f, splits, seed):
    f = f.astype(np.float64)
    f = f[np.random.RandomState(seed).permutation(len(f))] if seed >= 0 else f
    p = np.exp(f - f.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    parts = [p[i * len(p) // splits : (i + 1) * len(p) // splits] for i in range(splits)]
    s = [np.exp((q * np.log(q / q.mean(0))).sum(1).mean()) for q in parts]
    return np.mean(s), np.std(s)


def parts(folder, program):
    rng = np.random.default_rng(1)

    def ask(*words):
        return subprocess.run([program, *words], check=True, capture_output=True, text=True).stdout

    def save(name, x):
        np.save(f"{folder}/{name}.npy", x)
        return f"{folder}/{name}.npy"

    for h, w, c in ((28, 28, 1), (32, 32, 3), (300, 1, 3)):
        x = rng.integers(0, 256, (2, h, w, c), dtype=np.uint8)
        ask("resize", save("x", x), f"{folder}/y.npy")
        assert (np.load(f"{folder}/y.npy") == resize(x)).all(), (h, w, c)
    for n, m, d in ((200, 150, 10), (30, 40, 90), (2, 100, 7)):
        x = np.float32(rng.normal(0, 1, (n, d)) * rng.uniform(0.1, 2, d))
        y = np.float32(rng.normal(0.2, 1, (m, d)) * rng.uniform(0.1, 2, d))
        got = float(ask("frechet", save("x", x), save("y", y)))
        assert abs(got / frechet(x, y) - 1) < 1e-9, (got, frechet(x, y))
        assert float(ask("frechet", save("x", x), save("x", x))) < 1e-10
    f = np.float32(rng.normal(0, 3, (205, 20)))
    for splits, seed in ((10, 2020), (10, -1), (1, 7)):
        got = [float(v) for v in ask("score", save("f", f), str(splits), str(seed)).split()]
        assert np.allclose(got, score(f, splits, seed), rtol=1e-9), (got, splits, seed)


def buffer(training, n, folder):
    with open(training, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        info = json.loads(file.read(length))["replay_buffer"]
        file.seek(info["data_offsets"][0], 1)
        x = np.fromfile(file, np.float32, int(np.prod(info["shape"]))).reshape(info["shape"])
    x = x[np.arange(int(n)) * len(x) // int(n)]
    np.save(f"{folder}/floats.npy", x)
    bytes_of = np.floor(np.clip((x.astype(np.float64) + 1) / 2, 0, 1) * 255 + 0.5)
    np.save(f"{folder}/bytes.npy", bytes_of.astype(np.uint8))


def figures(path, train, samples, prob, keep):
    with open(path) as file:
        o = json.load(file)
    train, samples, prob = np.load(train), np.load(samples), np.load(prob)
    seen = next(row["against"] for row in o["rows"] if row["images"] == "samples")
    train = train[np.arange(seen) * len(train) // seen]
    odd, half = train[1::2], len(train[0::2])
    n = min(len(odd), len(samples))
    want = {"samples": frechet(samples, train), "real": frechet(odd[np.arange(n) * len(odd) // n], train[0::2])}
    pred = prob.argmax(1)
    kept = []
    for k in range(prob.shape[1]):
        own = np.flatnonzero(pred == k)
        kept += list(own[np.argsort(-prob[own, k], kind="stable")][: len(own) * int(keep) // 100])
    want[f"samples, top {keep} %"] = frechet(samples[kept], train)
    rows = {row["images"]: row for row in o["rows"]}
    assert set(rows) == set(want) | {"starts"}, set(rows)
    for name, value in want.items():
        assert abs(rows[name]["frechet"] - value) < 1e-5 * value, (name, rows[name], value)
    assert o["n_samples"] == len(kept) and o["frechet"] == rows[f"samples, top {keep} %"]["frechet"]
    assert o["frechet_real"] == rows["real"]["frechet"] and rows["real"]["against"] == half
    assert o["frechet_starts"] == rows["starts"]["frechet"] > 0
    assert o["features"] == "classifier (last hidden layer)" and o["distance"] == "FD-clf"
    assert o["is_mean"] is None and o["is_std"] is None
    for name in ("protocol", "model_md5", "data", "seed", "seconds", "accuracy"):
        assert o[name] is not None, name


{"images": images, "parts": parts, "buffer": buffer, "figures": figures}[sys.argv[1]](*sys.argv[2:])
